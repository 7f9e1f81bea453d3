/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A receiver with its replica, and a sender that is trusted and lies. */
#ifndef TESTS_RESYNC_HOSTILE_H
#define TESTS_RESYNC_HOSTILE_H

#include "cmocka_all.h"

#include "fake_channel.h"
#include "model_sender.h"
#include "replica/home_store.h"
#include "resync/receiver.h"
#include "tmpdir.h"

/* A changed piece, a new block, one that moved, zeroes come and gone; a short end. */
static const struct content old = { { "ABC.DEF", "xyz" }, { 1000, 0 } };
static const struct content new = { { "AbCG.EK", "x.w" }, { 1000, 0 } };

struct place {
	struct sites s;
	struct seed_resync_options opt;
	int store;
	char name[SEED_REPLICA_NAME];
	struct seed_error ended;	/* of the connection; kind 0: it stands */
	struct seed_resync_vm vm;
};

static inline int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	struct seed_error err = { 0 };
	void *dir;

	if (!p || tmpdir_setup(&dir) != 0)
		return -1;
	sites_make(&p->s, ((struct tmpdir *)dir)->fd);
	sure(seed_store_open(&p->store, p->s.dr.home, NULL, true, NULL, &err), &err);
	replica_make(&p->s, p->store, &old, 3, p->name);
	p->opt = (struct seed_resync_options){ .home = p->s.dr.home, .own = p->s.dr.own,
					       .trust = p->s.dr.trust, .memory = 1 << 20 };
	p->opt.arg = dir;	/* only kept here */
	*state = p;
	return 0;
}

static inline int teardown(void **state)
{
	struct place *p = *state;
	void *dir = p->opt.arg;

	close(p->store);
	sites_close(&p->s);
	free(p->vm.name);
	free(p);
	return tmpdir_teardown(&dir);
}

static inline struct model_sender model(struct place *p, const struct content *base)
{
	return (struct model_sender){ .s = &p->s, .have = &new, .base = base, .generation = 4 };
}

/* One VM; what the peer says goes into p->vm and p->ended. */
static inline int run(struct place *p, struct model_sender *m)
{
	const struct fake_peer peer = { model_sender_take, model_sender_give, m };
	struct seed_session s = session_of(&p->s, &p->opt, false, fake_channel(&peer));
	struct seed_buf buf = { 0 };
	struct seed_msg_head *head = malloc(sizeof(*head));
	struct seed_error err = { 0 };
	struct seed_frame f;
	int rc;

	assert_non_null(head);
	sure(seed_store_open(&s.store, p->s.dr.home, NULL, true, NULL, &err), &err);
	free(p->vm.name);
	p->vm = (struct seed_resync_vm){ 0 };
	p->ended = (struct seed_error){ 0 };
	model_head(m, head);
	if (seed_msg_head_put(&buf, head, NULL) < 0)
		abort();
	f = (struct seed_frame){ SEED_FRAME_HEAD, (uint32_t)buf.len, (uint8_t *)buf.data };
	rc = seed_receiver_vm(&s, &f, &p->vm, &p->ended);
	seed_buf_free(&buf);
	free(head);
	s.pool = NULL;			/* shared */
	seed_session_close(&s);
	frames_clear(&m->out);
	return rc;
}

static inline void honest_run_works(struct place *p)
{
	struct model_sender m = model(p, &old);

	if (run(p, &m) < 0 || p->vm.result != SEED_RESYNC_SYNCED)
		fail_msg("honest: %s%s", p->ended.text, p->vm.err.text);
	assert_int_equal(m.receipts, 1);
	assert_true(replica_disks_are(p->store, p->name, &new));
}

static inline void replica_is_old(struct place *p)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	struct seed_error err = { 0 };

	assert_ok(seed_replica_open(&r, p->store, p->name, true, &err), &err);
	assert_int_equal(r->generation, 3);
	assert_true(replica_disks_are(p->store, p->name, &old));
}

/* The lie is told by ending the connection, or by a REFUSE: @text is in the words for it. */
static inline void is_caught(struct place *p, struct model_sender *m, enum seed_error_kind kind,
		      const char *text)
{
	int rc = run(p, m);
	const struct seed_error *why = rc < 0 ? &p->ended : &p->vm.err;

	assert_int_equal(p->vm.result, SEED_RESYNC_FAILED);
	if (why->kind != kind || !strstr(why->text, text))
		fail_msg("kind %d, not %d: %s (not %s)", (int)why->kind, (int)kind, why->text, text);
	assert_int_equal(rc < 0, m->refusals == 0);
	assert_int_equal(m->receipts, 0);
	replica_is_old(p);
}

static inline void is_caught_and_over(struct place *p, struct model_sender *m, enum seed_error_kind kind,
			       const char *text)
{
	is_caught(p, m, kind, text);
	honest_run_works(p);
}

static inline struct model_sender bent(struct place *p,
				bool (*bend)(struct model_sender *, uint8_t, const uint8_t *, size_t))
{
	struct model_sender m = model(p, &old);

	m.bend = bend;
	return m;
}

/* A function that a model_sender's @bend may be: a body that gets a copy of each frame of TYPE, with
 * 64 bytes of room behind it, and puts what goes instead. */
#define BEND(name, TYPE)								\
	static void name##_in(struct model_sender *m __attribute__((unused)),		\
			      uint8_t *copy __attribute__((unused)),			\
			      size_t len __attribute__((unused)));			\
	static bool name(struct model_sender *m, uint8_t type, const uint8_t *data, size_t len) \
	{										\
		uint8_t *copy;								\
		if (type != (TYPE))							\
			return false;							\
		assert_true(len > 0 && len <= SEED_FRAME_MAX);				\
		copy = malloc(len + 64);						\
		assert_non_null(copy);							\
		memcpy(copy, data, len);						\
		name##_in(m, copy, len);						\
		free(copy);								\
		return true;								\
	}										\
	static void name##_in(struct model_sender *m __attribute__((unused)),		\
			      uint8_t *copy __attribute__((unused)),			\
			      size_t len __attribute__((unused)))

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
