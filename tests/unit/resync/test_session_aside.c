// SPDX-License-Identifier: LGPL-2.1-or-later
/* A peer that has us wait: how long PROGRESS is believed. */
#include "cmocka_all.h"

#include <unistd.h>

#include "fake_channel.h"
#include "resync_sites.h"
#include "tmpdir.h"

static void *sites_dir;

/* Says @count PROGRESS frames, @step more each time, or to and fro, and then MORE. */
struct teller {
	unsigned int count, pause_ms;
	uint64_t step;
	bool to_and_fro;
	unsigned int said;
	struct seed_buf buf;
};

static void hear(void *arg, uint8_t type, const uint8_t *data, size_t len)
{
	(void)arg;
	(void)type;
	(void)data;
	(void)len;
}

static bool tell(void *arg, struct seed_frame *out)
{
	struct teller *t = arg;
	struct seed_msg_progress m = { .phase = SEED_PHASE_APPLYING, .total = 1000000 };

	*out = (struct seed_frame){ .type = SEED_FRAME_MORE };
	if (t->said == t->count)
		return true;
	usleep(t->pause_ms * 1000);
	t->said++;
	m.done = t->step * t->said;
	if (t->to_and_fro) {		/* each time the beginning of something else */
		m.phase = t->said % 2 ? SEED_PHASE_PROVING : SEED_PHASE_READING;
		m.done = t->said;
	}
	t->buf.len = 0;
	assert_int_equal(seed_msg_progress_put(&t->buf, &m, NULL), 0);
	*out = (struct seed_frame){ .type = SEED_FRAME_PROGRESS, .len = (uint32_t)t->buf.len,
				    .data = (uint8_t *)t->buf.data };
	return true;
}

static int wait_for(void **state, struct teller *t, struct seed_error *err)
{
	struct sites *s = *state;
	const struct seed_resync_options opt = { .home = s->dr.home, .own = s->dr.own,
						 .trust = s->dr.trust };
	struct seed_session session = session_of(s, &opt, false,
						 fake_channel(&(struct fake_peer){ hear, tell, t }));
	struct seed_frame f;
	int rc;

	session.idle_ms = 300;
	rc = seed_session_next(&session, &f, err);
	if (rc == 0)
		assert_int_equal(f.type, SEED_FRAME_MORE);
	session.pool = NULL;
	seed_session_close(&session);
	seed_buf_free(&t->buf);
	return rc;
}

static void who_gets_on_is_waited_for(void **state)
{
	struct teller t = { .count = 30, .pause_ms = 20, .step = 1 };
	struct seed_error err = { 0 };

	assert_ok(wait_for(state, &t, &err), &err);
}

static void who_stands_still_is_not_waited_for(void **state)
{
	struct teller t = { .count = 60, .pause_ms = 20 };
	struct seed_error err = { 0 };

	assert_fails(wait_for(state, &t, &err), &err, SEED_ERR_LINK);
	assert_non_null(strstr(err.text, "did not get on"));
	assert_true(t.said > 1 && t.said < 60);
}

static void beginning_anew_is_no_advance(void **state)
{
	struct teller t = { .count = 60, .pause_ms = 20, .to_and_fro = true };
	struct seed_error err = { 0 };

	assert_fails(wait_for(state, &t, &err), &err, SEED_ERR_LINK);
	assert_non_null(strstr(err.text, "did not get on"));
}

/* What came in a heap, since we were busy, is no wait of ours. */
static void what_lay_in_the_queue_is_not_held_against_anybody(void **state)
{
	struct teller t = { .count = SEED_PROGRESS_AHEAD };
	struct seed_error err = { 0 };

	assert_ok(wait_for(state, &t, &err), &err);
}

static int setup(void **state)
{
	struct sites *s = calloc(1, sizeof(*s));
	void *dir;

	if (!s || tmpdir_setup(&dir) != 0)
		return -1;
	sites_make(s, ((struct tmpdir *)dir)->fd);
	*state = s;
	sites_dir = dir;
	return 0;
}

static int teardown(void **state)
{
	sites_close(*state);
	free(*state);
	return tmpdir_teardown(&sites_dir);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(who_gets_on_is_waited_for),
		T(who_stands_still_is_not_waited_for),
		T(beginning_anew_is_no_advance),
		T(what_lay_in_the_queue_is_not_held_against_anybody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
