// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/sort.h"
#include "tmpdir.h"

#define MIB (1u << 20)

static struct seed_sort *sort_of(void **state, size_t size, size_t key, size_t memory)
{
	const struct tmpdir *dir = *state;
	struct seed_sort_options opt = { .size = size, .key = key, .memory = memory,
					 .folder = dir->fd };
	struct seed_error err = { 0 };
	struct seed_sort *sort = NULL;

	assert_ok(seed_sort_new(&sort, &opt, &err), &err);
	return sort;
}

/* Records of @size: a random key of @key bytes out of @kinds, then the insertion
 * number, then a filler made from both. */
static void make_record(uint8_t *record, size_t size, size_t key, uint32_t number,
			uint32_t kinds)
{
	uint32_t kind = (uint32_t)rand() % kinds;

	memset(record, 0, size);
	for (size_t i = 0; i < key; i++)
		record[key - 1 - i] = i < 4 ? (uint8_t)(kind >> 8 * i) : (uint8_t)(kind * 7 >> 3);
	seed_put32(record + key, number);
	for (size_t i = key + 4; i < size; i++)
		record[i] = (uint8_t)(kind + number + i);
}

static void check_record(const uint8_t *record, size_t size, size_t key)
{
	uint32_t kind = 0, number = seed_get32(record + key);

	for (size_t i = 0; i < 4 && i < key; i++)
		kind |= (uint32_t)record[key - 1 - i] << 8 * i;
	for (size_t i = key + 4; i < size; i++)
		if (record[i] != (uint8_t)(kind + number + i))
			fail_msg("record %u changed at byte %zu", number, i);
}

/* Add @count records and take them back: ordered, stable, each once. */
static void check_sort(void **state, size_t size, size_t key, uint32_t count, uint32_t kinds)
{
	SEED_AUTO(seed_sort_freep) struct seed_sort *sort = sort_of(state, size, key, MIB);
	SEED_AUTO(seed_freep) uint8_t *seen = calloc(count + 1, 1);
	uint8_t record[256], last[256] = { 0 };
	struct seed_error err = { 0 };
	const void *next;
	uint32_t got = 0;

	for (uint32_t i = 0; i < count; i++) {
		make_record(record, size, key, i, kinds);
		assert_ok(seed_sort_add(sort, record, &err), &err);
	}
	assert_int_equal(seed_sort_count(sort), count);
	assert_ok(seed_sort_finish(sort, &err), &err);
	for (;; got++) {
		int order;

		assert_ok(seed_sort_next(sort, &next, &err), &err);
		if (!next)
			break;
		check_record(next, size, key);
		order = got ? memcmp(last, next, key) : -1;
		if (order > 0 || (order == 0 && seed_get32(last + key) >=
				  seed_get32((const uint8_t *)next + key)))
			fail_msg("record %u of %u out of order", got, count);
		memcpy(last, next, size);
		assert_int_equal(seen[seed_get32(last + key)]++, 0);
	}
	assert_int_equal(got, count);
	assert_ok(seed_sort_next(sort, &next, &err), &err);
	assert_null(next);
	assert_int_equal(tmpdir_count(*state), 0);
}

static void few_records_are_sorted_in_memory(void **state)
{
	check_sort(state, 48, 36, 0, 10);
	check_sort(state, 48, 36, 1, 10);
	check_sort(state, 48, 36, 1000, 10);
	check_sort(state, 48, 36, 1000, 1000000);
	check_sort(state, 12, 0, 1000, 1);	/* no key: insertion order */
	check_sort(state, 12, 3, 5000, 70);
}

static void what_fits_makes_no_file(void **state)
{
	struct tmpdir nowhere = { .fd = -1 };
	void *fake = &nowhere;
	SEED_AUTO(seed_sort_freep) struct seed_sort *sort = sort_of(&fake, 16, 8, MIB);
	struct seed_error err = { 0 };
	uint8_t record[16] = { 0 };
	const void *next;
	int rc = 0;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		record[7] = (uint8_t)(i * 37);
		assert_ok(seed_sort_add(sort, record, &err), &err);
	}
	assert_ok(seed_sort_finish(sort, &err), &err);
	assert_ok(seed_sort_next(sort, &next, &err), &err);
	assert_int_equal(((const uint8_t *)next)[7], 0);

	/* and where it does not fit, the folder is needed */
	seed_sort_free(sort);
	sort = sort_of(&fake, 16, 8, MIB);
	for (int i = 0; i < 100000 && rc == 0; i++)
		rc = seed_sort_add(sort, record, &err);
	assert_int_equal(rc, -1);
	assert_int_equal(err.kind, SEED_ERR_SYSTEM);
	assert_int_equal(err.sys_errno, EBADF);
}

static void many_records_are_spilled_and_merged(void **state)
{
	check_sort(state, 48, 36, 100000, 1000000);
	check_sort(state, 48, 36, 100000, 500);
	check_sort(state, 48, 36, 50000, 1);
	check_sort(state, 256, 250, 30000, 1000);
	check_sort(state, 7, 3, 300000, 1u << 24);
	check_sort(state, 37, 5, 60000, 65537);
}

/* Full runs and one more or less: the ends of the buffers. */
static void the_edges_of_a_run_lose_nothing(void **state)
{
	const uint32_t room = (MIB - 65536) / (48 + 32);

	for (uint32_t runs = 1; runs <= 3; runs++)
		for (uint32_t extra = 0; extra <= 2; extra++)
			check_sort(state, 48, 36, runs * room + extra - 1, 5000);
}

/* 1 MiB merges some 55 runs at once: this makes 75, so two levels, and stability holds. */
static void more_runs_than_buffers_are_merged_in_levels(void **state)
{
	check_sort(state, 256, 4, 255000, 3000);
}

static int fill(struct seed_sort *sort, struct seed_error *err)
{
	uint8_t record[64] = { 0 };

	for (uint32_t i = 0; i < 100000; i++) {
		seed_put32(record, i * 2654435761u);
		if (seed_sort_add(sort, record, err) < 0)
			return -1;
	}
	return seed_sort_finish(sort, err);
}

static void no_space_for_a_spill_is_an_error(void **state)
{
	SEED_AUTO(seed_sort_freep) struct seed_sort *sort = sort_of(state, 64, 8, MIB);
	struct rlimit old, small;
	struct seed_error err = { 0 };
	int rc;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 2 * MIB + 100;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	rc = fill(sort, &err);
	setrlimit(RLIMIT_FSIZE, &old);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(rc, -1);
	assert_int_equal(err.kind, SEED_ERR_MEDIUM);
	assert_int_equal(err.sys_errno, EFBIG);
	assert_non_null(strstr(err.text, "temporary file for sorting"));
	assert_int_equal(tmpdir_count(*state), 0);
}

static void a_sort_can_be_given_up_at_any_time(void **state)
{
	struct seed_sort *sort = sort_of(state, 64, 8, MIB);
	struct seed_error err = { 0 };
	const void *next;

	seed_sort_free(sort);
	sort = sort_of(state, 64, 8, MIB);
	assert_ok(fill(sort, &err), &err);
	assert_ok(seed_sort_next(sort, &next, &err), &err);
	assert_non_null(next);
	seed_sort_free(sort);
	seed_sort_free(NULL);
	assert_int_equal(tmpdir_count(*state), 0);
}

#define IN_TMPDIR(test) cmocka_unit_test_setup_teardown(test, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_TMPDIR(few_records_are_sorted_in_memory),
		IN_TMPDIR(what_fits_makes_no_file),
		IN_TMPDIR(many_records_are_spilled_and_merged),
		IN_TMPDIR(the_edges_of_a_run_lose_nothing),
		IN_TMPDIR(more_runs_than_buffers_are_merged_in_levels),
		IN_TMPDIR(no_space_for_a_spill_is_an_error),
		IN_TMPDIR(a_sort_can_be_given_up_at_any_time),
	};

	srand(9);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
