// SPDX-License-Identifier: LGPL-2.1-or-later
/* Lies of a trusted sender between BASE and the first block: CHANGES, NODES and FILE. */
#include "hostile.h"

/* ---- CHANGES ---- */

BEND(far_change, SEED_FRAME_CHANGES)
{
	seed_put64(copy + 4, 7);
	frames_put(&m->out, SEED_FRAME_CHANGES, copy, len);
}

BEND(wrapping_change, SEED_FRAME_CHANGES)
{
	seed_put64(copy + 4, UINT64_MAX);
	frames_put(&m->out, SEED_FRAME_CHANGES, copy, len);
}

BEND(huge_count, SEED_FRAME_CHANGES)
{
	seed_put32(copy + 12, UINT32_MAX);
	frames_put(&m->out, SEED_FRAME_CHANGES, copy, len);
}

BEND(no_count, SEED_FRAME_CHANGES)
{
	seed_put32(copy + 12, 0);
	frames_put(&m->out, SEED_FRAME_CHANGES, copy, len);
}

BEND(other_kind, SEED_FRAME_CHANGES)
{
	seed_put32(copy + 16, SEED_BLOCK_MISSING);
	frames_put(&m->out, SEED_FRAME_CHANGES, copy, len);
}

BEND(zero_digest, SEED_FRAME_CHANGES)
{
	seed_put32(copy + 16, SEED_BLOCK_DATA);
	memset(copy + 20, 0, 32);
	frames_put(&m->out, SEED_FRAME_CHANGES, copy, 52);
}

BEND(change_of_no_disk, SEED_FRAME_CHANGES)
{
	copy[0] = 200;
	frames_put(&m->out, SEED_FRAME_CHANGES, copy, len);
}

BEND(empty_change, SEED_FRAME_CHANGES)
{
	frames_put(&m->out, SEED_FRAME_CHANGES, copy, 4);
}

BEND(half_a_run, SEED_FRAME_CHANGES)
{
	frames_put(&m->out, SEED_FRAME_CHANGES, copy, len - 1);
}

/* Twice the end; and behind it, one more change. */
BEND(end_twice, SEED_FRAME_CHANGES_END)
{
	frames_put(&m->out, SEED_FRAME_CHANGES_END, copy, len);
	frames_put(&m->out, SEED_FRAME_CHANGES_END, copy, len);
}

BEND(change_behind_end, SEED_FRAME_CHANGES_END)
{
	const uint8_t disk = copy[0];

	frames_put(&m->out, SEED_FRAME_CHANGES_END, copy, len);
	memset(copy, 0, 20);
	copy[0] = disk;
	seed_put32(copy + 12, 1);
	frames_put(&m->out, SEED_FRAME_CHANGES, copy, 20);
}

BEND(end_of_no_disk, SEED_FRAME_CHANGES_END)
{
	copy[0] = 64;
	frames_put(&m->out, SEED_FRAME_CHANGES_END, copy, len);
}

static void changes_out_of_bounds_are_refused(void **state)
{
	static bool (*const lies[])(struct model_sender *, uint8_t, const uint8_t *, size_t) = {
		far_change, wrapping_change, huge_count, no_count, other_kind, zero_digest,
		change_of_no_disk, empty_change, half_a_run, end_twice, change_behind_end,
		end_of_no_disk,
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct model_sender m = bent(*state, lies[i]);

		is_caught(*state, &m, SEED_ERR_FORMAT, "where none may come");
	}
	honest_run_works(*state);
}

/* The same over and over would keep us writing lists for ever. */
BEND(repeated, SEED_FRAME_CHANGES)
{
	frames_put(&m->out, SEED_FRAME_CHANGES, copy, len);
	frames_put(&m->out, SEED_FRAME_CHANGES, copy, len);
}

/* Zeroes up to block 2 in one run, and then one of them again. */
BEND(overlapping, SEED_FRAME_CHANGES)
{
	memset(copy + 4, 0, 32);
	seed_put32(copy + 12, 2);
	seed_put64(copy + 20, 1);
	seed_put32(copy + 28, 1);
	frames_put(&m->out, SEED_FRAME_CHANGES, copy, 36);
}

/* Each waits for the one behind it. */
BEND(falling, SEED_FRAME_CHANGES)
{
	struct seed_buf *held = m->arg;

	if (held->len && ((uint8_t *)held->data)[0] == copy[0]) {
		frames_put(&m->out, SEED_FRAME_CHANGES, copy, len);
		frames_put(&m->out, SEED_FRAME_CHANGES, held->data, held->len);
	}
	held->len = 0;
	assert_int_equal(seed_buf_add(held, copy, len, NULL), 0);
}

static void changes_name_each_block_once_and_rising(void **state)
{
	struct seed_buf held = { 0 };
	struct model_sender m = bent(*state, repeated);

	is_caught(*state, &m, SEED_ERR_FORMAT, "comes behind block");
	m = bent(*state, overlapping);
	is_caught(*state, &m, SEED_ERR_FORMAT, "block 1 comes behind block 1");
	m = bent(*state, falling);
	m.arg = &held;
	is_caught_and_over(*state, &m, SEED_ERR_FORMAT, "comes behind block");
	seed_buf_free(&held);
}

BEND(no_such_digest, SEED_FRAME_CHANGES)
{
	if (seed_get32(copy + 16) == SEED_BLOCK_DATA)
		memset(copy + 20, 0x44, 32);
	frames_put(&m->out, SEED_FRAME_CHANGES, copy, len);
}

static void digests_that_no_block_has_are_found_out_by_the_block(void **state)
{
	struct model_sender m = bent(*state, no_such_digest);

	is_caught_and_over(*state, &m, SEED_ERR_INTEGRITY, "is not what its digest says");
}

/* A change that was left out shows at the end: the roots differ. */
BEND(left_out, SEED_FRAME_CHANGES)
{
}

static void changes_that_were_left_out_show_in_the_root(void **state)
{
	struct model_sender m = bent(*state, left_out);

	is_caught_and_over(*state, &m, SEED_ERR_INTEGRITY, "");
}

/* ---- NODES ---- */

BEND(too_few, SEED_FRAME_NODES)
{
	frames_put(&m->out, SEED_FRAME_NODES, copy, len - 32);
}

BEND(too_many, SEED_FRAME_NODES)
{
	memset(copy + len, 0x11, 32);
	frames_put(&m->out, SEED_FRAME_NODES, copy, len + 32);
}

BEND(one_byte_less, SEED_FRAME_NODES)
{
	frames_put(&m->out, SEED_FRAME_NODES, copy, len - 1);
}

BEND(other_level, SEED_FRAME_NODES)
{
	copy[1] ^= 1;
	frames_put(&m->out, SEED_FRAME_NODES, copy, len);
}

BEND(nodes_of_other_disk, SEED_FRAME_NODES)
{
	copy[0] ^= 1;
	frames_put(&m->out, SEED_FRAME_NODES, copy, len);
}

BEND(missing_digest, SEED_FRAME_NODES)
{
	memset(copy + 8, 0xff, 32);
	frames_put(&m->out, SEED_FRAME_NODES, copy, len);
}

BEND(empty_nodes, SEED_FRAME_NODES)
{
	frames_put(&m->out, SEED_FRAME_NODES, copy, 0);
}

static void nodes_that_were_not_asked_for_are_refused(void **state)
{
	static const struct {
		bool (*bend)(struct model_sender *, uint8_t, const uint8_t *, size_t);
		const char *text;
	} lies[] = {
		{ too_few, "fewer" }, { one_byte_less, "fewer" }, { too_many, "more" },
		{ other_level, "not what was asked" }, { nodes_of_other_disk, "not what was asked" },
		{ empty_nodes, "not what was asked" }, { missing_digest, "missing at the sender" },
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct model_sender m = bent(*state, lies[i].bend);

		m.base = NULL;
		is_caught(*state, &m, SEED_ERR_FORMAT, lies[i].text);
	}
	honest_run_works(*state);
}

/* ---- FILE ---- */

BEND(longer_file, SEED_FRAME_FILE)
{
	copy[len] = 'x';
	frames_put(&m->out, SEED_FRAME_FILE, copy, len + 1);
}

BEND(shorter_file, SEED_FRAME_FILE)
{
	frames_put(&m->out, SEED_FRAME_FILE, copy, len - 1);
}

BEND(other_file, SEED_FRAME_FILE)
{
	copy[len - 1] ^= 1;
	frames_put(&m->out, SEED_FRAME_FILE, copy, len);
}

BEND(unwanted_file, SEED_FRAME_FILE)
{
	copy[0] = 1;
	frames_put(&m->out, SEED_FRAME_FILE, copy, len);
}

BEND(file_of_no_bytes, SEED_FRAME_FILE)
{
	copy[1] = 0;
	frames_put(&m->out, SEED_FRAME_FILE, copy, 8);
}

BEND(file_twice, SEED_FRAME_FILE)
{
	frames_put(&m->out, SEED_FRAME_FILE, copy, len);
	frames_put(&m->out, SEED_FRAME_FILE, copy, len);
}

static void side_files_that_differ_from_the_offer_are_refused(void **state)
{
	static const struct {
		bool (*bend)(struct model_sender *, uint8_t, const uint8_t *, size_t);
		enum seed_error_kind kind;
		const char *text;
	} lies[] = {
		{ longer_file, SEED_ERR_FORMAT, "longer than was offered" },
		{ shorter_file, SEED_ERR_FORMAT, "shorter than was offered" },
		{ file_of_no_bytes, SEED_ERR_FORMAT, "longer than was offered" },
		{ unwanted_file, SEED_ERR_FORMAT, "where none may come" },
		{ file_twice, SEED_ERR_FORMAT, "where none may come" },
		{ other_file, SEED_ERR_INTEGRITY, "" },
	};

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct model_sender m = bent(*state, lies[i].bend);

		m.file = "<domain/>";
		is_caught(*state, &m, lies[i].kind, lies[i].text);
	}
	honest_run_works(*state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(changes_out_of_bounds_are_refused),
		T(changes_name_each_block_once_and_rising),
		T(digests_that_no_block_has_are_found_out_by_the_block),
		T(changes_that_were_left_out_show_in_the_root),
		T(nodes_that_were_not_asked_for_are_refused),
		T(side_files_that_differ_from_the_offer_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
