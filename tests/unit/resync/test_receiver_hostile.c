// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A sender that is trusted, and hostile: each of its lies is a named error, the replica stays as it
 * was, opens, and the next honest run brings it up to date.
 */
#include <unistd.h>

#include "hostile.h"

static const struct content other = { { "ABC.DEF", "Q" }, { 1000, 4000 } };

/* ---- honest ---- */

static void an_honest_sender_is_served_by_changes_and_by_the_tree(void **state)
{
	struct place *p = *state;
	struct model_sender m = model(p, NULL), again;

	assert_int_equal(run(p, &m), 0);
	assert_int_equal(p->vm.result, SEED_RESYNC_SYNCED);
	assert_true(replica_disks_are(p->store, p->name, &new));
	assert_int_equal(m.blocks_asked, 4);	/* b, G, K, w; E and zeroes are at hand */
	again = model(p, &new);
	again.generation = 5;
	assert_int_equal(run(p, &again), 0);
	assert_int_equal(p->vm.result, SEED_RESYNC_CURRENT);
	assert_int_equal(again.receipts, 1);
}

static void changes_bring_the_same_as_the_tree(void **state)
{
	honest_run_works(*state);
}

static bool take_long(void *arg)
{
	bool *late = arg;

	if (!*late)
		usleep(2100 * 1000);
	*late = true;
	return true;
}

/* A sender that hears nothing but that we are alive lets go after some hours. */
static void a_sender_that_is_not_asked_is_told_that_we_are_at_it(void **state)
{
	struct place *p = *state;
	struct model_sender m = model(p, NULL);
	void *dir = p->opt.arg;
	bool late = false;

	p->opt.may_go_on = take_long;
	p->opt.arg = &late;
	assert_int_equal(run(p, &m), 0);
	p->opt.may_go_on = NULL;
	p->opt.arg = dir;
	assert_int_equal(p->vm.result, SEED_RESYNC_SYNCED);
	assert_int_equal(m.told, 1);
}

/* ---- blocks ---- */

BEND(other_index, SEED_FRAME_BLOCK)
{
	seed_put64(copy + 8, 5);
	frames_put(&m->out, SEED_FRAME_BLOCK, copy, len);
}

BEND(huge_index, SEED_FRAME_BLOCK)
{
	seed_put64(copy + 8, UINT64_MAX);
	frames_put(&m->out, SEED_FRAME_BLOCK, copy, len);
}

BEND(other_disk, SEED_FRAME_BLOCK)
{
	copy[0] = 63;
	frames_put(&m->out, SEED_FRAME_BLOCK, copy, len);
}

BEND(twice, SEED_FRAME_BLOCK)
{
	frames_put(&m->out, SEED_FRAME_BLOCK, copy, len);
	frames_put(&m->out, SEED_FRAME_BLOCK, copy, len);
}

/* Each waits until the next one has gone: 2, 1, 4, 3. */
BEND(wrong_order, SEED_FRAME_BLOCK)
{
	struct seed_buf *held = m->arg;

	if (!held->len) {
		assert_int_equal(seed_buf_add(held, copy, len, NULL), 0);
		return;
	}
	frames_put(&m->out, SEED_FRAME_BLOCK, copy, len);
	frames_put(&m->out, SEED_FRAME_BLOCK, held->data, held->len);
	held->len = 0;
}

BEND(wrong_whole, SEED_FRAME_BLOCK)
{
	copy[len - 1] ^= 1;
	frames_put(&m->out, SEED_FRAME_BLOCK, copy, len);
}

BEND(cut_short, SEED_FRAME_BLOCK)
{
	frames_put(&m->out, SEED_FRAME_BLOCK, copy, len - 1);
}

BEND(no_bytes, SEED_FRAME_BLOCK)
{
	frames_put(&m->out, SEED_FRAME_BLOCK, copy, copy[1] == SEED_FORM_PIECES ? 16 : len / 2);
}

BEND(pieces_unasked, SEED_FRAME_BLOCK)
{
	copy[1] = SEED_FORM_PIECES;
	seed_put16(copy + 4, 0xffff);
	frames_put(&m->out, SEED_FRAME_BLOCK, copy, len);
}

BEND(changed_without_digest, SEED_FRAME_BLOCK)
{
	copy[2] = 1;
	frames_put(&m->out, SEED_FRAME_BLOCK, copy, 16);
}

/* Changed, it says, into what these bytes are not. */
BEND(changed_and_wrong, SEED_FRAME_BLOCK)
{
	memmove(copy + 48, copy + 16, len - 16);
	memset(copy + 16, 0x33, 32);
	copy[2] = 1;
	frames_put(&m->out, SEED_FRAME_BLOCK, copy, len + 32);
}

BEND(changed_to_missing, SEED_FRAME_BLOCK)
{
	memmove(copy + 48, copy + 16, len - 16);
	memset(copy + 16, 0xff, 32);
	copy[2] = 1;
	frames_put(&m->out, SEED_FRAME_BLOCK, copy, len + 32);
}

static void blocks_that_nobody_asked_for_are_refused(void **state)
{
	struct model_sender m = bent(*state, other_index);

	is_caught(*state, &m, SEED_ERR_FORMAT, "nobody asked for");
	m = bent(*state, huge_index);
	is_caught(*state, &m, SEED_ERR_FORMAT, "nobody asked for");
	m = bent(*state, other_disk);
	is_caught(*state, &m, SEED_ERR_FORMAT, "nobody asked for");
	m = bent(*state, twice);
	is_caught_and_over(*state, &m, SEED_ERR_FORMAT, "nobody asked for");
}

static void blocks_in_another_order_are_refused(void **state)
{
	struct seed_buf held = { 0 };
	struct model_sender m = bent(*state, wrong_order);

	m.arg = &held;
	is_caught_and_over(*state, &m, SEED_ERR_FORMAT, "nobody asked for");
	seed_buf_free(&held);
}

static void a_whole_block_with_another_digest_is_refused(void **state)
{
	struct model_sender m = bent(*state, wrong_whole);

	is_caught_and_over(*state, &m, SEED_ERR_INTEGRITY, "is not what its digest says");
}

static void blocks_of_another_length_are_refused(void **state)
{
	struct model_sender m = bent(*state, cut_short);

	is_caught(*state, &m, SEED_ERR_FORMAT, "BLOCK");
	m = bent(*state, no_bytes);
	is_caught(*state, &m, SEED_ERR_FORMAT, "BLOCK");
	m = bent(*state, changed_without_digest);
	is_caught_and_over(*state, &m, SEED_ERR_FORMAT, "malformed BLOCK");
}

static void pieces_that_were_not_asked_for_are_refused(void **state)
{
	struct model_sender m = bent(*state, pieces_unasked);

	is_caught_and_over(*state, &m, SEED_ERR_FORMAT, "BLOCK");
}

static void a_block_that_changed_must_be_what_it_changed_to(void **state)
{
	struct model_sender m = bent(*state, changed_and_wrong);

	is_caught(*state, &m, SEED_ERR_INTEGRITY, "is not what its digest says");
	m = bent(*state, changed_to_missing);
	is_caught_and_over(*state, &m, SEED_ERR_FORMAT, "malformed BLOCK");
}

/* Wrong pieces once are two pieces with one hint: the block comes whole. Then it is right or wrong. */
BEND(wrong_pieces, SEED_FRAME_BLOCK)
{
	unsigned int *wrong = m->arg;

	if (copy[1] == SEED_FORM_PIECES || *wrong > 1)
		copy[len - 1] ^= 1;
	*wrong += copy[1] == SEED_FORM_PIECES;
	frames_put(&m->out, SEED_FRAME_BLOCK, copy, len);
}

BEND(always_wrong, SEED_FRAME_BLOCK)
{
	copy[len - 1] ^= 1;
	frames_put(&m->out, SEED_FRAME_BLOCK, copy, len);
}

static const struct content one_piece = { { "AbC.DEF", "xyz" }, { 1000, 0 } };

static void wrong_pieces_are_asked_for_whole_and_once(void **state)
{
	struct place *p = *state;
	unsigned int wrong = 0;
	struct model_sender m = bent(p, always_wrong);

	m.have = &one_piece;
	is_caught(p, &m, SEED_ERR_INTEGRITY, "is not what its digest says");
	assert_int_equal(m.blocks_asked, 2);
	m = bent(p, wrong_pieces);
	m.have = &one_piece;
	m.arg = &wrong;
	assert_int_equal(run(p, &m), 0);
	assert_int_equal(p->vm.result, SEED_RESYNC_SYNCED);
	assert_int_equal(wrong, 1);
	assert_int_equal(m.blocks_asked, 2);
	assert_true(replica_disks_are(p->store, p->name, &one_piece));
}

/* ---- floods and ends ---- */

struct flood {
	unsigned int notes, progress;
};

static bool flood(struct model_sender *m, uint8_t type, const uint8_t *data, size_t len)
{
	const struct seed_error note = { .kind = SEED_ERR_USAGE, .text = "look here" };
	const struct seed_msg_progress progress = { .done = 1, .total = 2 };
	const struct flood *how = m->arg;
	struct seed_buf a = { 0 }, b = { 0 };

	if (type != SEED_FRAME_MANIFEST)
		return false;
	assert_int_equal(seed_msg_error_put(&a, &note, NULL), 0);
	assert_int_equal(seed_msg_progress_put(&b, &progress, NULL), 0);
	for (unsigned int i = 0; i < how->notes; i++)
		frames_put(&m->out, SEED_FRAME_NOTE, a.data, a.len);
	for (unsigned int i = 0; i < how->progress; i++)
		frames_put(&m->out, SEED_FRAME_PROGRESS, b.data, b.len);
	seed_buf_free(&a);
	seed_buf_free(&b);
	frames_put(&m->out, type, data, len);
	return true;
}

static void a_flood_of_what_changes_nothing_is_refused(void **state)
{
	struct place *p = *state;
	struct flood how = { .notes = SEED_NOTES_MAX + 1 };
	struct model_sender m = bent(p, flood);

	m.arg = &how;
	is_caught(p, &m, SEED_ERR_FORMAT, "more than 128 NOTE frames for one VM");
	how = (struct flood){ .progress = 10000 };
	m = bent(p, flood);
	m.arg = &how;
	is_caught(p, &m, SEED_ERR_FORMAT, "which is no honest pace");
	how = (struct flood){ SEED_NOTES_MAX, SEED_PROGRESS_AHEAD };
	m = bent(p, flood);
	m.arg = &how;
	assert_int_equal(run(p, &m), 0);
	assert_int_equal(p->vm.result, SEED_RESYNC_SYNCED);
	assert_true(m.out.given == 0 && replica_disks_are(p->store, p->name, &new));
}

/* A manifest in frames without end. */
static bool endless(struct model_sender *m, uint8_t type, const uint8_t *data, size_t len)
{
	static const uint8_t part[8 + SEED_DOC_PART];

	(void)data;
	(void)len;
	if (type != SEED_FRAME_MANIFEST)
		return false;
	for (unsigned int i = 0; i < 100; i++)
		frames_put(&m->out, type, part, sizeof(part));
	return true;
}

static void a_document_without_end_is_cut_off(void **state)
{
	struct model_sender m = bent(*state, endless);

	is_caught_and_over(*state, &m, SEED_ERR_RANGE, "MANIFEST of more than");
}

struct stop {
	unsigned int left, blocks;	/* frames until it stops; blocks that it gave */
};

/* Every frame that it says, in turn, is its last. */
static bool stops(struct model_sender *m, uint8_t type, const uint8_t *data, size_t len)
{
	struct stop *stop = m->arg;

	(void)data;
	(void)len;
	if (stop->left == 0)
		return true;
	stop->left--;
	stop->blocks += type == SEED_FRAME_BLOCK;
	return false;
}

static void a_sender_that_stops_leaves_the_old_replica(void **state)
{
	struct place *p = *state;
	struct stop stop = { 0 };
	unsigned int at = 0;

	for (;; at++) {
		struct model_sender m = bent(p, stops);

		m.arg = &stop;
		stop.left = at;
		if (run(p, &m) == 0)	/* fewer frames are needed by now */
			break;
		assert_int_equal(p->ended.kind, SEED_ERR_LINK);
		if (m.receipts)		/* what is committed stays so, though nobody said DONE */
			break;
		replica_is_old(p);
		assert_true(at < 100);
	}
	assert_true(at > 8);
	assert_true(replica_disks_are(p->store, p->name, &new));
	assert_int_equal(stop.blocks, 4);	/* of all runs: what arrived was not asked for again */
}

/* Each type of frame in each place where another belongs. */
static bool instead(struct model_sender *m, uint8_t type, const uint8_t *data, size_t len)
{
	const uint8_t *at = m->arg;

	if (type != at[0] || type == at[1])
		return false;
	frames_put(&m->out, at[1], data, len);
	return true;
}

static void frames_in_anothers_place_are_refused(void **state)
{
	static const uint8_t places[] = { SEED_FRAME_OFFER, SEED_FRAME_CHANGES,
					  SEED_FRAME_CHANGES_END, SEED_FRAME_BLOCK,
					  SEED_FRAME_MANIFEST };
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(places); i++)
		for (uint8_t type = SEED_FRAME_FIRST; type < SEED_FRAME_DONE + 4; type++) {
			uint8_t what[2] = { places[i], type };
			struct model_sender m = bent(p, instead);

			m.arg = what;
			if (type == places[i])
				continue;
			if (run(p, &m) == 0)	/* REFUSE instead of OFFER */
				assert_int_equal(p->vm.result, SEED_RESYNC_FAILED);
			assert_true(p->vm.err.text[0] != '\0');
			replica_is_old(p);
		}
	honest_run_works(p);
}

static struct seed_manifest_disk *last_disk(struct seed_manifest *manifest)
{
	return seed_vec_at(&manifest->disks, manifest->disks.count - 1);
}

static void other_root(struct model_sender *m, struct seed_manifest *manifest)
{
	(void)m;
	last_disk(manifest)->root.bytes[0] ^= 1;
}

static void a_size_changes_with_the_manifest_alone(void **state)
{
	struct place *p = *state;
	struct model_sender m = model(p, &old);

	m.have = &other;
	m.tune_manifest = other_root;
	is_caught(p, &m, SEED_ERR_INTEGRITY, "vdb");
	m = model(p, &old);
	m.have = &other;
	assert_int_equal(run(p, &m), 0);
	assert_int_equal(p->vm.result, SEED_RESYNC_SYNCED);
	assert_true(replica_disks_are(p->store, p->name, &other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_honest_sender_is_served_by_changes_and_by_the_tree),
		T(changes_bring_the_same_as_the_tree),
		T(a_sender_that_is_not_asked_is_told_that_we_are_at_it),
		T(blocks_that_nobody_asked_for_are_refused),
		T(blocks_in_another_order_are_refused),
		T(a_whole_block_with_another_digest_is_refused),
		T(blocks_of_another_length_are_refused),
		T(pieces_that_were_not_asked_for_are_refused),
		T(a_block_that_changed_must_be_what_it_changed_to),
		T(wrong_pieces_are_asked_for_whole_and_once),
		T(a_flood_of_what_changes_nothing_is_refused),
		T(a_document_without_end_is_cut_off),
		T(a_sender_that_stops_leaves_the_old_replica),
		T(frames_in_anothers_place_are_refused),
		T(a_size_changes_with_the_manifest_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
