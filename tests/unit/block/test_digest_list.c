// SPDX-License-Identifier: LGPL-2.1-or-later
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "block/digest_list.h"
#include "block/grid.h"
#include "cmocka_all.h"
#include "tmpdir.h"

#define TIB16 ((uint64_t)1 << 28)	/* blocks of a disk of 16 TiB */

static int dir_of(void **state)
{
	return ((struct tmpdir *)*state)->fd;
}

static struct seed_digest digest_of(uint64_t value)
{
	struct seed_digest d;

	for (size_t i = 0; i < SEED_DIGEST_SIZE; i++)
		d.bytes[i] = (uint8_t)(1 + value + i * 3);
	memcpy(d.bytes, &value, sizeof(value));
	return d;
}

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

static uint64_t file_blocks(void **state, const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(dir_of(state), name, &st, 0), 0);
	return (uint64_t)st.st_blocks;
}

static void kinds_are_told_by_all_bytes(void **state)
{
	struct seed_digest d = seed_digest_zero;

	(void)state;
	assert_int_equal(seed_digest_kind(&d), SEED_BLOCK_ZERO);
	d.bytes[31] = 1;
	assert_int_equal(seed_digest_kind(&d), SEED_BLOCK_DATA);
	d = seed_digest_missing;
	assert_int_equal(seed_digest_kind(&d), SEED_BLOCK_MISSING);
	d.bytes[17] = 0;
	assert_int_equal(seed_digest_kind(&d), SEED_BLOCK_DATA);
}

/* Whatever is done to a list shows as in an array, now and after it was closed. */
static void a_list_is_an_array(void **state)
{
	enum { BLOCKS = 30000 };
	SEED_AUTO(seed_freep) struct seed_digest *mirror = calloc(BLOCKS, sizeof(*mirror));
	SEED_AUTO(seed_freep) struct seed_digest *back = calloc(BLOCKS, sizeof(*back));
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
	struct seed_error err = { 0 };
	uint64_t seed = 42;

	assert_ok(seed_list_create(&list, dir_of(state), "l", BLOCKS, &err), &err);
	for (int round = 0; round < 600; round++) {
		uint64_t at = next_random(&seed) % BLOCKS, kind = next_random(&seed) % 4;
		uint64_t max = round % 3 ? 200 : BLOCKS, n = next_random(&seed) % max;

		if (n > BLOCKS - at)
			n = BLOCKS - at;
		if (kind < 2) {
			memset(mirror + at, kind ? 0xff : 0, n * sizeof(*mirror));
			assert_ok(seed_list_fill(list, at, n,
						 kind ? SEED_BLOCK_MISSING : SEED_BLOCK_ZERO,
						 &err), &err);
		} else {
			for (uint64_t i = 0; i < n; i++)
				mirror[at + i] = digest_of(seed + i);
			assert_ok(seed_list_set(list, at, mirror + at, n, &err), &err);
		}
		at = next_random(&seed) % BLOCKS;
		n = next_random(&seed) % (BLOCKS - at);
		assert_ok(seed_list_get(list, at, back, n, &err), &err);
		assert_memory_equal(back, mirror + at, n * sizeof(*back));
	}
	seed_list_close(list);
	list = NULL;
	assert_true(tmpdir_holds(*state, "l", mirror, BLOCKS * sizeof(*mirror)));
	assert_ok(seed_list_open(&list, dir_of(state), "l", BLOCKS, false, &err), &err);
	for (uint64_t at = 0; at < BLOCKS;) {
		struct seed_run run;

		assert_ok(seed_list_run(list, at, &run, &err), &err);
		assert_int_equal(run.start, at);
		assert_true(run.count > 0 && run.count <= BLOCKS - at);
		for (uint64_t i = 0; i < run.count; i++)
			assert_int_equal(seed_digest_kind(&mirror[at + i]), run.kind);
		at += run.count;
		if (at < BLOCKS)
			assert_int_not_equal(seed_digest_kind(&mirror[at]), run.kind);
	}
}

static void an_empty_disk_of_16_tib_costs_nothing(void **state)
{
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
	struct seed_digest d = digest_of(5);
	struct seed_error err = { 0 };
	struct seed_run run;

	assert_ok(seed_list_create(&list, dir_of(state), "l", TIB16, &err), &err);
	assert_ok(seed_list_run(list, 0, &run, &err), &err);
	assert_int_equal(run.count, TIB16);
	assert_int_equal(run.kind, SEED_BLOCK_ZERO);
	assert_ok(seed_list_set(list, TIB16 / 2 + 77, &d, 1, &err), &err);
	assert_ok(seed_list_fill(list, 0, TIB16 / 2, SEED_BLOCK_ZERO, &err), &err);
	assert_ok(seed_list_run(list, 3, &run, &err), &err);
	assert_int_equal(run.count, TIB16 / 2 + 74);
	assert_ok(seed_list_run(list, TIB16 / 2 + 77, &run, &err), &err);
	assert_int_equal(run.count, 1);
	assert_int_equal(run.kind, SEED_BLOCK_DATA);
	assert_ok(seed_list_run(list, TIB16 / 2 + 78, &run, &err), &err);
	assert_int_equal(run.count, TIB16 / 2 - 78);
	assert_ok(seed_list_sync(list, &err), &err);
	assert_true(file_blocks(state, "l") <= 64);
}

/* An exporter sets every block, most of them zero: no zeroes reach the file. */
static void zeroes_that_are_set_stay_holes(void **state)
{
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
	struct seed_digest zeroes[256] = { 0 }, d = digest_of(9);
	struct seed_error err = { 0 };

	assert_ok(seed_list_create(&list, dir_of(state), "l", 256 * 400, &err), &err);
	for (uint64_t at = 0; at < 256 * 400; at += 256) {
		zeroes[3] = at % (256 * 100) ? seed_digest_zero : d;
		assert_ok(seed_list_set(list, at, zeroes, 256, &err), &err);
	}
	assert_ok(seed_list_sync(list, &err), &err);
	/* 3.2 MB of digests, four pages of them not zero. */
	assert_true(file_blocks(state, "l") <= 4 * 8 + 16);
	assert_ok(seed_list_get(list, 256 * 100 + 3, zeroes, 1, &err), &err);
	assert_memory_equal(&zeroes[0], &d, sizeof(d));
}

/* Data that becomes zero again becomes a hole again, and reads as one either way. */
static void filling_with_zeroes_gives_room_back(void **state)
{
	enum { BLOCKS = 100000 };
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
	struct seed_error err = { 0 };
	struct seed_run run;

	assert_ok(seed_list_create(&list, dir_of(state), "l", BLOCKS, &err), &err);
	assert_ok(seed_list_fill(list, 0, BLOCKS, SEED_BLOCK_MISSING, &err), &err);
	assert_ok(seed_list_run(list, 0, &run, &err), &err);
	assert_int_equal(run.kind, SEED_BLOCK_MISSING);
	assert_int_equal(run.count, BLOCKS);
	assert_ok(seed_list_sync(list, &err), &err);
	assert_ok(seed_list_fill(list, 10, BLOCKS - 20, SEED_BLOCK_ZERO, &err), &err);
	assert_ok(seed_list_run(list, 10, &run, &err), &err);
	assert_int_equal(run.kind, SEED_BLOCK_ZERO);
	assert_int_equal(run.count, BLOCKS - 20);
	assert_ok(seed_list_run(list, 0, &run, &err), &err);
	assert_int_equal(run.count, 10);
	assert_ok(seed_list_run(list, BLOCKS - 10, &run, &err), &err);
	assert_int_equal(run.kind, SEED_BLOCK_MISSING);
	assert_int_equal(run.count, 10);
}

/* A long run asked for in pieces, as writers of parts do, is not looked through each time:
 * this takes an hour where it is. */
static void a_run_in_pieces_is_found_once(void **state)
{
	enum { BLOCKS = 1 << 20 };
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
	struct seed_error err = { 0 };
	struct seed_run run;

	assert_ok(seed_list_create(&list, dir_of(state), "l", BLOCKS, &err), &err);
	assert_ok(seed_list_fill(list, 0, BLOCKS, SEED_BLOCK_MISSING, &err), &err);
	for (uint64_t at = 0; at < BLOCKS; at++) {
		assert_ok(seed_list_run(list, at, &run, &err), &err);
		assert_int_equal(run.count, BLOCKS - at);
	}
	/* And what is set is not hidden by what was known. */
	assert_ok(seed_list_fill(list, 500000, 1, SEED_BLOCK_ZERO, &err), &err);
	assert_ok(seed_list_run(list, 7, &run, &err), &err);
	assert_int_equal(run.count, 499993);
}

/* Bytes that this process has asked the kernel for. */
static uint64_t bytes_read(void)
{
	unsigned long long bytes = 0;
	FILE *f = fopen("/proc/self/io", "re");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "rchar: %llu", &bytes), 1);
	fclose(f);
	return bytes;
}

/* As a resync does with a source that changes while it is read, and with a disk that is filled up:
 * a list of 16 TiB would be read through half a million times. */
static void setting_behind_a_walk_does_not_begin_it_anew(void **state)
{
	enum { BLOCKS = 1 << 18, STEP = 512 };
	enum seed_block_kind kinds[] = { SEED_BLOCK_DATA, SEED_BLOCK_ZERO, SEED_BLOCK_MISSING };

	for (size_t k = 0; k < 3; k++) {
		SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
		struct seed_digest d = digest_of(7);
		struct seed_error err = { 0 };
		struct seed_run run;
		uint64_t before;

		assert_ok(seed_list_create(&list, dir_of(state), "l", BLOCKS, &err), &err);
		for (uint64_t at = 0; at < BLOCKS; at++)
			assert_ok(seed_list_set(list, at, &d, 1, &err), &err);
		before = bytes_read();
		for (uint64_t at = 0; at < BLOCKS; at += STEP) {
			d = kinds[k] == SEED_BLOCK_DATA ? digest_of(at) :
			    kinds[k] == SEED_BLOCK_ZERO ? seed_digest_zero : seed_digest_missing;
			if (at)
				assert_ok(seed_list_set(list, at - STEP / 2, &d, 1, &err), &err);
			assert_ok(seed_list_run(list, at, &run, &err), &err);
			assert_int_equal(run.start, at);
			assert_int_equal(run.count, BLOCKS - at);
		}
		assert_true(bytes_read() - before < 8u * BLOCKS * SEED_DIGEST_SIZE);
	}
}

/* Runs are what an array has, however sets and questions mix. */
static void runs_are_right_whatever_was_set_before(void **state)
{
	enum { BLOCKS = 48 };
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
	enum seed_block_kind mirror[BLOCKS] = { SEED_BLOCK_ZERO };
	struct seed_error err = { 0 };
	uint64_t seed = 11;

	assert_ok(seed_list_create(&list, dir_of(state), "l", BLOCKS, &err), &err);
	for (int n = 0; n < 200000; n++) {
		uint64_t at = next_random(&seed) % BLOCKS, end;
		size_t count = 1 + next_random(&seed) % 6;
		struct seed_digest set[6];
		struct seed_run run;

		if (count > BLOCKS - at)
			count = BLOCKS - at;
		if (n % 3 == 0) {
			for (size_t i = 0; i < count; i++) {
				uint64_t kind = next_random(&seed) % 3;

				set[i] = kind == 0 ? seed_digest_zero : kind == 1 ?
					 seed_digest_missing : digest_of(kind);
				mirror[at + i] = seed_digest_kind(&set[i]);
			}
			assert_ok(seed_list_set(list, at, set, count, &err), &err);
		} else if (n % 3 == 1) {
			enum seed_block_kind kind = next_random(&seed) % 2 ? SEED_BLOCK_ZERO :
									     SEED_BLOCK_MISSING;

			for (size_t i = 0; i < count; i++)
				mirror[at + i] = kind;
			assert_ok(seed_list_fill(list, at, count, kind, &err), &err);
		}
		at = next_random(&seed) % BLOCKS;
		for (end = at; end < BLOCKS && mirror[end] == mirror[at];)
			end++;
		assert_ok(seed_list_run(list, at, &run, &err), &err);
		assert_int_equal(run.start, at);
		assert_int_equal(run.kind, mirror[at]);
		assert_int_equal(run.count, end - at);
	}
}

static void wrong_lengths_and_ranges_are_refused(void **state)
{
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
	struct seed_digest d[4];
	struct seed_error err;
	struct seed_run run;

	tmpdir_put(*state, "l", "12345", 5);
	assert_fails(seed_list_open(&list, dir_of(state), "l", 1, true, &err), &err,
		     SEED_ERR_FORMAT);
	assert_fails(seed_list_open(&list, dir_of(state), "none", 1, true, &err), &err,
		     SEED_ERR_NOTFOUND);
	assert_fails(seed_list_create(&list, dir_of(state), "m", UINT64_MAX / 4, &err), &err,
		     SEED_ERR_RANGE);
	assert_ok(seed_list_create(&list, dir_of(state), "l", 10, &err), &err);
	assert_int_equal(seed_list_blocks(list), 10);
	assert_fails(seed_list_get(list, 7, d, 4, &err), &err, SEED_ERR_RANGE);
	assert_fails(seed_list_set(list, UINT64_MAX, d, 2, &err), &err, SEED_ERR_RANGE);
	assert_fails(seed_list_fill(list, 1, UINT64_MAX, SEED_BLOCK_ZERO, &err), &err,
		     SEED_ERR_RANGE);
	assert_fails(seed_list_run(list, 10, &run, &err), &err, SEED_ERR_RANGE);
	assert_ok(seed_list_get(list, 10, d, 0, &err), &err);
	seed_list_close(list);
	list = NULL;
	assert_ok(seed_list_create(&list, dir_of(state), "empty", 0, &err), &err);
	assert_fails(seed_list_run(list, 0, &run, &err), &err, SEED_ERR_RANGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_are_told_by_all_bytes),
		TEST(a_list_is_an_array),
		TEST(an_empty_disk_of_16_tib_costs_nothing),
		TEST(zeroes_that_are_set_stay_holes),
		TEST(filling_with_zeroes_gives_room_back),
		TEST(a_run_in_pieces_is_found_once),
		TEST(setting_behind_a_walk_does_not_begin_it_anew),
		TEST(runs_are_right_whatever_was_set_before),
		TEST(wrong_lengths_and_ranges_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
