// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A receiver that is trusted, and hostile, against the sender: what it may not ask for is refused by
 * name, nothing else is ever sent (model_receiver.h looks), and the next honest one is served.
 */
#include "cmocka_all.h"

#include "fake_channel.h"
#include "model_receiver.h"
#include "capture/receipts.h"
#include "resync/sender.h"
#include "tmpdir.h"
#include "vmdef/adhoc.h"

static const struct content disks = { { "AB.DEB.", "x" }, { 1000, 60000 } };

struct place {
	struct sites s;
	struct seed_resync_options opt;
	struct seed_vmdef *def;
	struct seed_error ended;
	struct seed_resync_vm vm;
	void *dir;
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	struct seed_error err = { 0 };
	const struct tmpdir *dir;
	char arg[600];

	if (!p || tmpdir_setup(&p->dir) != 0)
		return -1;
	dir = p->dir;
	sites_make(&p->s, dir->fd);
	for (size_t i = 0; i < VM_DISKS; i++)
		content_write(&disks, i, dir->fd, content_slots[i]);
	snprintf(arg, sizeof(arg), "%s=%s/vda,%s/vdb", VM_NAME, dir->path, dir->path);
	sure(seed_adhoc_read(&p->def, arg, &p->s.uuid, &err), &err);
	p->opt = (struct seed_resync_options){ .home = p->s.hq.home, .own = p->s.hq.own,
					       .trust = p->s.hq.trust };
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	void *dir = p->dir;

	seed_vmdef_free(p->def);
	sites_close(&p->s);
	free(p->vm.name);
	free(p);
	return tmpdir_teardown(&dir);
}

static void model(struct place *p, struct model_receiver *m)
{
	*m = (struct model_receiver){ .s = &p->s, .disks = &disks, .lineage = p->s.lineage,
				      .generation = 1 };
}

static int run(struct place *p, struct model_receiver *m)
{
	const struct fake_peer peer = { model_receiver_take, model_receiver_give, m };
	struct seed_session s = session_of(&p->s, &p->opt, true, fake_channel(&peer));
	int rc;

	p->vm = (struct seed_resync_vm){ 0 };
	p->ended = (struct seed_error){ 0 };
	rc = seed_sender_vm(&s, p->def, &p->vm, &p->ended);
	s.pool = NULL;
	seed_session_close(&s);
	frames_clear(&m->out);
	return rc;
}

static void honest_run_works(struct place *p)
{
	static struct model_receiver m;

	model(p, &m);
	assert_ok(run(p, &m), &p->ended);
	assert_int_equal(p->vm.result, SEED_RESYNC_SYNCED);
	assert_int_equal(m.done, 1);
	assert_int_equal(m.blocks, 6);
	assert_int_equal(p->vm.generation, m.generation);
}

typedef bool bend_fn(struct model_receiver *m, uint8_t type, const uint8_t *data, size_t len);

static void is_caught(struct place *p, bend_fn *bend, enum seed_error_kind kind, const char *text)
{
	static struct model_receiver m;

	model(p, &m);
	m.bend = bend;
	assert_int_equal(run(p, &m), -1);
	assert_int_equal(p->vm.result, SEED_RESYNC_FAILED);
	if (p->ended.kind != kind || !strstr(p->ended.text, text))
		fail_msg("kind %d, not %d: %s (not %s)", (int)p->ended.kind, (int)kind, p->ended.text,
			 text);
	assert_int_equal(m.done, 0);
}

/* ---- honest ---- */

static void an_honest_receiver_gets_all_in_every_mode(void **state)
{
	static struct model_receiver m;
	struct place *p = *state;

	for (int mode = 0; mode < 3; mode++)
		for (int hints = 0; hints < 2; hints++) {
			model(p, &m);
			m.mode = (enum seed_base_mode)mode;
			m.hints = hints;
			if (mode == SEED_BASE_EQUAL && !hints)
				honest_run_works(p);	/* there is a base from here on */
			assert_ok(run(p, &m), &p->ended);
			assert_int_equal(p->vm.result, SEED_RESYNC_SYNCED);
			assert_int_equal(m.blocks, 6);
		}
	model(p, &m);
	m.current = true;
	assert_ok(run(p, &m), &p->ended);
	assert_int_equal(p->vm.result, SEED_RESYNC_CURRENT);
}

/* ---- REQUEST ---- */

static bool ask_for(struct model_receiver *m, uint8_t type, uint8_t disk, uint64_t index,
		    unsigned int count, unsigned int times)
{
	static struct seed_msg_request q;
	struct seed_buf buf = { 0 };

	if (type != SEED_FRAME_REQUEST)
		return false;
	memset(&q, 0, sizeof(q));
	q.disk = disk;
	q.count = (uint16_t)count;
	for (unsigned int i = 0; i < count; i++)
		q.ask[i].index = index;
	assert_int_equal(seed_msg_request_put(&buf, &q, NULL), 0);
	for (unsigned int i = 0; i < times; i++)
		frames_put(&m->out, type, buf.data, buf.len);
	seed_buf_free(&buf);
	return true;
}

static bool past_the_end(struct model_receiver *m, uint8_t type, const uint8_t *data, size_t len)
{
	(void)data;
	(void)len;
	return ask_for(m, type, 0, 7, 1, 1);
}

static bool far_past_the_end(struct model_receiver *m, uint8_t type, const uint8_t *data, size_t len)
{
	(void)data;
	(void)len;
	return ask_for(m, type, 0, UINT64_MAX, 1, 1);
}

static bool no_such_disk(struct model_receiver *m, uint8_t type, const uint8_t *data, size_t len)
{
	(void)data;
	(void)len;
	return ask_for(m, type, 2, 0, 1, 1);
}

static bool no_blocks(struct model_receiver *m, uint8_t type, const uint8_t *data, size_t len)
{
	(void)data;
	(void)len;
	return ask_for(m, type, 0, 0, 0, 1);
}

static bool cut_request(struct model_receiver *m, uint8_t type, const uint8_t *data, size_t len)
{
	if (type != SEED_FRAME_REQUEST)
		return false;
	frames_put(&m->out, type, data, len - 1);
	return true;
}

static void requests_for_what_is_not_there_are_refused(void **state)
{
	is_caught(*state, past_the_end, SEED_ERR_FORMAT, "past the end of disk vda");
	is_caught(*state, far_past_the_end, SEED_ERR_FORMAT, "past the end of disk vda");
	is_caught(*state, no_such_disk, SEED_ERR_FORMAT, "disk 2, which is not there");
	is_caught(*state, no_blocks, SEED_ERR_FORMAT, "malformed REQUEST");
	is_caught(*state, cut_request, SEED_ERR_FORMAT, "malformed REQUEST");
	honest_run_works(*state);
}

/* The one block a thousand times: each is answered, in order, and memory does not grow with them. */
static bool flood_of_requests(struct model_receiver *m, uint8_t type, const uint8_t *data, size_t len)
{
	(void)data;
	(void)len;
	if (type == SEED_FRAME_REQUEST)
		m->wanted = 20 * SEED_REQUEST_BLOCKS;
	return ask_for(m, type, 0, 1, SEED_REQUEST_BLOCKS, 10);
}

static void a_flood_of_requests_is_answered_in_order(void **state)
{
	static struct model_receiver m;
	struct place *p = *state;

	model(p, &m);
	m.bend = flood_of_requests;
	assert_ok(run(p, &m), &p->ended);
	assert_int_equal(m.blocks, 20 * SEED_REQUEST_BLOCKS);
	assert_int_equal(m.done, 1);
}

static bool requests_for_ever(struct model_receiver *m, uint8_t type, const uint8_t *data, size_t len)
{
	(void)data;
	(void)len;
	m->wanted = UINT32_MAX;
	return ask_for(m, type, 0, 1, SEED_REQUEST_BLOCKS, 33);
}

static bool nodes_for_ever(struct model_receiver *m, uint8_t type, const uint8_t *data, size_t len)
{
	if (type != SEED_FRAME_DESCEND)
		return false;
	for (unsigned int i = 0; i < 10000; i++)
		frames_put(&m->out, type, data, len);
	return true;
}

static void a_source_is_not_held_by_asking_for_ever(void **state)
{
	is_caught(*state, requests_for_ever, SEED_ERR_FORMAT,
		  "more than 8224 blocks are asked for of a VM with 8 blocks");
	is_caught(*state, nodes_for_ever, SEED_ERR_FORMAT, "more than 8224 tree nodes");
	honest_run_works(*state);
}

static bool zero_block(struct model_receiver *m, uint8_t type, const uint8_t *data, size_t len)
{
	(void)data;
	(void)len;
	if (type == SEED_FRAME_REQUEST)
		m->wanted = 2;
	return ask_for(m, type, 0, 2, 1, 1);
}

static void a_zero_block_that_is_asked_for_has_not_changed(void **state)
{
	static struct model_receiver m;
	struct place *p = *state;

	model(p, &m);
	m.bend = zero_block;
	assert_ok(run(p, &m), &p->ended);
	assert_int_equal(m.blocks, 2);
	assert_int_equal(p->vm.captured, SEED_CAPTURED_OFFLINE);
}

/* ---- DESCEND ---- */

static bool descend(struct model_receiver *m, uint8_t type, uint8_t disk, uint8_t level,
		    uint64_t index, uint16_t count)
{
	struct seed_msg_descend d = { .disk = disk, .level = level, .count = count };
	struct seed_buf buf = { 0 };

	if (type != SEED_FRAME_DESCEND)
		return false;
	for (unsigned int i = 0; i < count && i < SEED_DESCEND_NODES; i++)
		d.index[i] = index;
	assert_int_equal(seed_msg_descend_put(&buf, &d, NULL), 0);
	frames_put_buf(&m->out, type, &buf);
	return true;
}

#define DESCENDS(name, ...)								\
	static bool name(struct model_receiver *m, uint8_t type, const uint8_t *data, size_t len) \
	{										\
		(void)data;								\
		(void)len;								\
		return descend(m, type, __VA_ARGS__);					\
	}

DESCENDS(above_root, 0, 4, 0, 1)
DESCENDS(far_above_root, 0, 63, 0, 1)
DESCENDS(level_of_none, 0, 64, 0, 1)
DESCENDS(past_width, 0, 3, 1, 1)
DESCENDS(past_leaves, 0, 0, 7, 1)
DESCENDS(wrapping, 0, 3, UINT64_MAX, 1)
DESCENDS(shifted_out, 0, 3, (uint64_t)1 << 61, 1)
DESCENDS(disk_of_none, 2, 0, 0, 1)
DESCENDS(no_nodes, 0, 0, 0, 0)

static void nodes_that_are_not_there_are_refused(void **state)
{
	is_caught(*state, above_root, SEED_ERR_FORMAT, "above the root");
	is_caught(*state, far_above_root, SEED_ERR_FORMAT, "above the root");
	is_caught(*state, level_of_none, SEED_ERR_FORMAT, "malformed DESCEND");
	is_caught(*state, past_width, SEED_ERR_FORMAT, "not there");
	is_caught(*state, past_leaves, SEED_ERR_FORMAT, "not there");
	is_caught(*state, wrapping, SEED_ERR_FORMAT, "not there");
	is_caught(*state, shifted_out, SEED_ERR_FORMAT, "not there");
	is_caught(*state, disk_of_none, SEED_ERR_FORMAT, "disk 2, which is not there");
	is_caught(*state, no_nodes, SEED_ERR_FORMAT, "malformed DESCEND");
	honest_run_works(*state);
}

/* ---- BASE ---- */

static bool base_of(struct model_receiver *m, uint8_t type, uint32_t count, uint8_t mode)
{
	struct seed_msg_base base = { .disk_count = count, .files = UINT64_MAX };
	struct seed_buf buf = { 0 };

	if (type != SEED_FRAME_BASE)
		return false;
	memset(base.modes, mode, sizeof(base.modes));
	assert_int_equal(seed_msg_base_put(&buf, &base, NULL), 0);
	frames_put_buf(&m->out, type, &buf);
	return true;
}

#define BASES(name, ...)								\
	static bool name(struct model_receiver *m, uint8_t type, const uint8_t *data, size_t len) \
	{										\
		(void)data;								\
		(void)len;								\
		return base_of(m, type, __VA_ARGS__);					\
	}

BASES(more_disks, 64, SEED_BASE_DESCEND)
BASES(fewer_disks, 1, SEED_BASE_DESCEND)
BASES(no_base, 2, SEED_BASE_EQUAL)
BASES(no_mode, 2, 3)

static void a_base_that_does_not_fit_is_refused(void **state)
{
	is_caught(*state, no_base, SEED_ERR_FORMAT, "has no base");
	is_caught(*state, more_disks, SEED_ERR_FORMAT, "BASE for 64 disks");
	is_caught(*state, fewer_disks, SEED_ERR_FORMAT, "BASE for 1 disks");
	is_caught(*state, no_mode, SEED_ERR_FORMAT, "malformed BASE");
	honest_run_works(*state);
}

/* ---- the order ---- */

static bool arrives_early(struct model_receiver *m, uint8_t type, const uint8_t *data, size_t len)
{
	const uint8_t counts[32] = { 0 };

	if (type != SEED_FRAME_REQUEST)
		return false;
	frames_put(&m->out, type, data, len);
	frames_put(&m->out, SEED_FRAME_ARRIVED, counts, sizeof(counts));
	return true;
}

static bool receipt_early(struct model_receiver *m, uint8_t type, const uint8_t *data, size_t len)
{
	if (type != SEED_FRAME_REQUEST)
		return false;
	frames_put(&m->out, type, data, len);
	frames_put(&m->out, SEED_FRAME_RECEIPT, data, len);
	return true;
}

static bool huge_need(struct model_receiver *m, uint8_t type, const uint8_t *data, size_t len)
{
	uint8_t counts[32];

	(void)data;
	(void)len;
	memset(counts, 0xff, sizeof(counts));
	if (type != SEED_FRAME_NEED)
		return false;
	frames_put(&m->out, type, counts, sizeof(counts));
	return true;
}

static bool need_twice(struct model_receiver *m, uint8_t type, const uint8_t *data, size_t len)
{
	if (type != SEED_FRAME_NEED)
		return false;
	frames_put(&m->out, type, data, len);
	frames_put(&m->out, type, data, len);
	return true;
}

static bool more_with_bytes(struct model_receiver *m, uint8_t type, const uint8_t *data, size_t len)
{
	(void)data;
	(void)len;
	if (type != SEED_FRAME_MORE)
		return false;
	frames_put(&m->out, type, "x", 1);
	return true;
}

static bool gone_at_once(struct model_receiver *m, uint8_t type, const uint8_t *data, size_t len)
{
	(void)m;
	(void)type;
	(void)data;
	(void)len;
	return true;
}

static void what_comes_too_early_is_refused(void **state)
{
	is_caught(*state, arrives_early, SEED_ERR_FORMAT, "ARRIVED before all blocks were sent");
	is_caught(*state, receipt_early, SEED_ERR_FORMAT, "where none may come");
	is_caught(*state, huge_need, SEED_ERR_FORMAT, "malformed NEED");
	is_caught(*state, need_twice, SEED_ERR_FORMAT, "where none may come");
	is_caught(*state, more_with_bytes, SEED_ERR_FORMAT, "where none may come");
	is_caught(*state, gone_at_once, SEED_ERR_LINK, "ended");
	honest_run_works(*state);
}

static uint8_t instead_of, instead_type;

static bool instead(struct model_receiver *m, uint8_t type, const uint8_t *data, size_t len)
{
	if (type != instead_of)
		return false;
	frames_put(&m->out, instead_type, data, len);
	return true;
}

static void frames_in_anothers_place_are_refused(void **state)
{
	static const uint8_t places[] = { SEED_FRAME_MORE, SEED_FRAME_BASE, SEED_FRAME_DESCEND,
					  SEED_FRAME_REQUEST, SEED_FRAME_ARRIVED,
					  SEED_FRAME_RECEIPT };
	static struct model_receiver m;
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(places); i++)
		for (uint8_t type = SEED_FRAME_FIRST; type < SEED_FRAME_DONE + 4; type++) {
			/* Left out, or passed over, these are no fault. */
			if (type == places[i] || type == SEED_FRAME_NOTE ||
			    type == SEED_FRAME_PROGRESS)
				continue;
			instead_of = places[i];
			instead_type = type;
			model(p, &m);
			m.bend = instead;
			if (run(p, &m) == 0)
				assert_int_equal(type, SEED_FRAME_REFUSE);
			assert_int_equal(p->vm.result, SEED_RESYNC_FAILED);
			assert_true(p->vm.err.text[0] != '\0');
			assert_int_equal(m.done, 0);
		}
	honest_run_works(p);
}

/* ---- RECEIPT ---- */

static unsigned int lie;

static void tune(struct model_receiver *m, struct seed_receipt *r)
{
	struct seed_receipt_disk *d = seed_vec_at(&r->disks, 1);

	switch (lie) {
	case 0: r->uuid.bytes[0] ^= 1; break;
	case 1: r->origin.bytes[0] ^= 1; break;
	case 2: r->site = m->s->hq.own->id; break;
	case 3: r->disks.count = 1; break;
	case 4: d->root.bytes[31] ^= 1; break;
	case 5: d->size++; break;
	case 6: snprintf(d->slot, sizeof(d->slot), "vdz"); break;
	case 7: r->seed.bytes[0] ^= 1; break;
	case 8: r->generation++; break;
	default: m->key = m->s->hq.own->sign; break;
	}
}

static void receipts_for_something_else_are_refused(void **state)
{
	static const struct { enum seed_error_kind kind; const char *text; } says[] = {
		{ SEED_ERR_FORMAT, "another VM" }, { SEED_ERR_FORMAT, "another VM" },
		{ SEED_ERR_FORMAT, "another VM" }, { SEED_ERR_FORMAT, "another VM" },
		{ SEED_ERR_INTEGRITY, "not of what was sent" },
		{ SEED_ERR_INTEGRITY, "not of what was sent" },
		{ SEED_ERR_INTEGRITY, "not of what was sent" },
		{ SEED_ERR_INTEGRITY, "another seed" }, { SEED_ERR_INTEGRITY, "another seed" },
		{ SEED_ERR_TRUST, "receipt" },
	};
	static struct model_receiver m;
	struct place *p = *state;

	for (lie = 0; lie < sizeof(says) / sizeof(says[0]); lie++) {
		model(p, &m);
		m.tune_receipt = tune;
		assert_int_equal(run(p, &m), -1);
		assert_int_equal(p->ended.kind, says[lie].kind);
		if (!strstr(p->ended.text, says[lie].text))
			fail_msg("%u: %s", lie, p->ended.text);
		assert_int_equal(p->vm.result, SEED_RESYNC_FAILED);
		assert_int_equal(m.done, 0);
	}
	honest_run_works(p);
}

static void a_peer_out_of_scope_gets_nothing(void **state)
{
	static struct model_receiver m;
	struct place *p = *state;

	site_trust(&p->s.hq, &p->s.dr, "somebody-else");
	p->opt.trust = p->s.hq.trust;
	model(p, &m);
	assert_int_equal(run(p, &m), 0);
	assert_int_equal(p->vm.err.kind, SEED_ERR_TRUST);
	assert_int_equal(m.refusals, 1);	/* we were called: it is told */
	assert_int_equal(m.head.disk_count, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_honest_receiver_gets_all_in_every_mode),
		T(requests_for_what_is_not_there_are_refused),
		T(a_flood_of_requests_is_answered_in_order),
		T(a_source_is_not_held_by_asking_for_ever),
		T(a_zero_block_that_is_asked_for_has_not_changed),
		T(nodes_that_are_not_there_are_refused),
		T(a_base_that_does_not_fit_is_refused),
		T(what_comes_too_early_is_refused),
		T(frames_in_anothers_place_are_refused),
		T(receipts_for_something_else_are_refused),
		T(a_peer_out_of_scope_gets_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
