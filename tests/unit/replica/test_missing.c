// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fixture.h"

#include "base/bytes.h"

static void runs_make_the_round(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_vec_free) struct seed_vec in = { 0 };
	SEED_AUTO(seed_vec_free) struct seed_vec out = { 0 };
	static const struct seed_run runs[] = {
		{ 0, 1, SEED_BLOCK_MISSING }, { 2, 3, SEED_BLOCK_MISSING },
		{ (uint64_t)1 << 33, 7, SEED_BLOCK_MISSING },
	};
	struct seed_error err = { 0 };

	for (size_t i = 0; i < 3; i++)
		seed_vec_push(&in, sizeof(runs[i]), &runs[i]);
	must(seed_missing_write(dir->fd, "vda.missing", &in, &err), &err);
	must(seed_missing_read(&out, dir->fd, "vda.missing", ((uint64_t)1 << 33) + 7, &err), &err);
	assert_int_equal(out.count, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct seed_run *run = seed_vec_at(&out, i);

		assert_int_equal(run->start, runs[i].start);
		assert_int_equal(run->count, runs[i].count);
		assert_int_equal(run->kind, SEED_BLOCK_MISSING);
	}
}

/* The bytes as the header gives them. */
static void the_file_is_as_specified(void **state)
{
	static const uint8_t expected[] = {
		'V', 'M', 'S', 'E', 'E', 'D', 'M', 'S', 1, 0, 0, 0, 0, 0, 0, 0,
		0x05, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x01, 0, 0, 0, 0, 0, 0,
	};
	const struct tmpdir *dir = *state;

	put_missing(dir->fd, "m", 5, 0x102);
	assert_true(tmpdir_holds(dir, "m", expected, sizeof(expected)));
}

static void no_runs_is_no_file(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_vec_free) struct seed_vec out = { 0 };
	const struct seed_vec none = { 0 };
	struct seed_error err = { 0 };

	must(seed_missing_write(dir->fd, "m", &none, &err), &err);
	assert_int_equal(tmpdir_count(dir), 0);
	put_missing(dir->fd, "m", 1, 1);
	must(seed_missing_read(&out, dir->fd, "m", 2, &err), &err);
	assert_int_equal(out.count, 1);
	must(seed_missing_write(dir->fd, "m", &none, &err), &err);
	assert_int_equal(tmpdir_count(dir), 0);
	seed_vec_free(&out);
	must(seed_missing_read(&out, dir->fd, "m", 2, &err), &err);
	assert_int_equal(out.count, 0);
}

static void runs_that_touch_or_fall_are_not_written(void **state)
{
	static const struct seed_run pairs[][2] = {
		{ { 5, 2, SEED_BLOCK_MISSING }, { 7, 1, SEED_BLOCK_MISSING } },
		{ { 5, 2, SEED_BLOCK_MISSING }, { 4, 1, SEED_BLOCK_MISSING } },
		{ { 5, 0, SEED_BLOCK_MISSING }, { 9, 1, SEED_BLOCK_MISSING } },
		{ { 5, UINT64_MAX, SEED_BLOCK_MISSING }, { 9, 1, SEED_BLOCK_MISSING } },
	};
	const struct tmpdir *dir = *state;

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		SEED_AUTO(seed_vec_free) struct seed_vec runs = { 0 };
		struct seed_error err = { 0 };

		seed_vec_push(&runs, sizeof(pairs[i][0]), &pairs[i][0]);
		seed_vec_push(&runs, sizeof(pairs[i][1]), &pairs[i][1]);
		assert_fails(seed_missing_write(dir->fd, "m", &runs, &err), &err,
			     SEED_ERR_FORMAT);
		assert_int_equal(tmpdir_count(dir), 0);
	}
}

static void refuses(const struct tmpdir *dir, const void *data, size_t len, uint64_t blocks)
{
	struct seed_vec out = { 0 };
	struct seed_error err = { 0 };

	tmpdir_put(dir, "m", data, len);
	assert_fails(seed_missing_read(&out, dir->fd, "m", blocks, &err), &err, SEED_ERR_FORMAT);
	assert_non_null(strstr(err.text, "m: "));
	assert_int_equal(out.count, 0);
}

static void malformed_files_are_refused(void **state)
{
	const struct tmpdir *dir = *state;
	uint8_t good[48] = "VMSEEDMS", bad[64];

	seed_put16(good + 8, 1);
	seed_put64(good + 16, 3);
	seed_put64(good + 24, 2);
	seed_put64(good + 32, 6);
	seed_put64(good + 40, 4);
	for (size_t len = 0; len < sizeof(good); len++)
		if (len != 32)
			refuses(dir, good, len, 100);
	refuses(dir, good, sizeof(good), 9);		/* beyond the disk */
	for (size_t at = 0; at < 16; at++) {		/* each byte of the header counts */
		memcpy(bad, good, sizeof(good));
		bad[at] ^= 0x10;
		refuses(dir, bad, sizeof(good), 100);
	}
	memcpy(bad, good, sizeof(good));
	seed_put64(bad + 32, 5);			/* touches */
	refuses(dir, bad, sizeof(good), 100);
	seed_put64(bad + 32, 2);			/* falls */
	refuses(dir, bad, sizeof(good), 100);
	memcpy(bad, good, sizeof(good));
	seed_put64(bad + 24, 0);			/* empty */
	refuses(dir, bad, sizeof(good), 100);
	seed_put64(bad + 24, UINT64_MAX - 2);		/* wraps around */
	refuses(dir, bad, sizeof(good), UINT64_MAX);
}

/* Bit by bit, over all pairs of sets of eight blocks of which some are in neither: as sets, with the
 * fewest runs. */
/* A replica that lost it is brought up to date all the same. */
static void a_counted_list_that_is_lost_or_damaged_is_of_all_blocks(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_replica_disk disk = { .slot = "vda", .size = 9 * SEED_BLOCK_SIZE + 1,
					  .missing = "vda.missing", .missing_blocks = 2 };
	const struct seed_run more = { 4, 1, SEED_BLOCK_MISSING };

	for (int damaged = 0; damaged < 2; damaged++) {
		SEED_AUTO(seed_vec_free) struct seed_vec runs = { 0 }, noted = { 0 };
		struct seed_error err = { 0 };
		const struct seed_run *run;

		if (damaged)
			tmpdir_put(dir, "vda.missing", "XMSEEDMS", 8);
		disk.missing_blocks = 2;
		assert_ok(seed_missing_of_disk(&runs, dir->fd, &disk, &err), &err);
		assert_int_equal(runs.count, 1);
		run = seed_vec_at(&runs, 0);
		assert_true(run->start == 0 && run->count == 10);
		assert_non_null(seed_vec_push(&noted, sizeof(more), &more));
		assert_ok(seed_missing_note(dir->fd, &disk, &noted, &err), &err);
		assert_int_equal(disk.missing_blocks, 10);
		seed_vec_free(&runs);
		assert_ok(seed_missing_read(&runs, dir->fd, "vda.missing", 10, &err), &err);
		assert_int_equal(runs.count, 1);
		assert_int_equal(unlinkat(dir->fd, "vda.missing", 0), 0);
	}
}

static void set_runs(struct seed_vec *runs, unsigned int set)
{
	for (unsigned int i = 0; i < 8; i++) {
		struct seed_run *last = runs->count ? seed_vec_at(runs, runs->count - 1) : NULL;
		const struct seed_run run = { i, 1, SEED_BLOCK_MISSING };

		if (!(set >> i & 1))
			continue;
		if (last && last->start + last->count == i)
			last->count++;
		else
			assert_non_null(seed_vec_push(runs, sizeof(run), &run));
	}
}

static void merged_runs_are_the_union(void **state)
{
	(void)state;
	for (unsigned int a = 0; a < 256; a++)
		for (unsigned int b = 0; b < 256; b++) {
			SEED_AUTO(seed_vec_free) struct seed_vec runs = { 0 };
			SEED_AUTO(seed_vec_free) struct seed_vec more = { 0 };
			SEED_AUTO(seed_vec_free) struct seed_vec want = { 0 };
			struct seed_error err = { 0 };

			set_runs(&runs, a);
			set_runs(&more, b);
			set_runs(&want, a | b);
			must(seed_missing_merge(&runs, &more, &err), &err);
			assert_int_equal(runs.count, want.count);
			for (size_t i = 0; i < want.count; i++) {
				const struct seed_run *got = seed_vec_at(&runs, i);
				const struct seed_run *run = seed_vec_at(&want, i);

				assert_int_equal(got->start, run->start);
				assert_int_equal(got->count, run->count);
				assert_int_equal(got->kind, SEED_BLOCK_MISSING);
			}
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_tmpdir(runs_make_the_round),
		on_tmpdir(the_file_is_as_specified),
		on_tmpdir(no_runs_is_no_file),
		on_tmpdir(runs_that_touch_or_fall_are_not_written),
		on_tmpdir(malformed_files_are_refused),
		on_tmpdir(a_counted_list_that_is_lost_or_damaged_is_of_all_blocks),
		cmocka_unit_test(merged_runs_are_the_union),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
