// SPDX-License-Identifier: LGPL-2.1-or-later
/* The join of needed digests with the packs' indexes, against one done by hand. */
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "media/locate.h"
#include "tmpdir.h"

#define DISKS 3u
#define PACKS_MAX 9u

static uint64_t random_state = 1;

static uint32_t draw(uint32_t below)
{
	random_state = random_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(random_state >> 33) % below;
}

static struct seed_digest digest_of(uint32_t n)
{
	struct seed_digest digest = { { 1 } };
	uint32_t mixed = n * 2654435761u;	/* not in the order of numbers */

	memcpy(digest.bytes + 1, &mixed, sizeof(mixed));
	memcpy(digest.bytes + 28, &n, sizeof(n));
	return digest;
}

static struct seed_locate *new_locate(const struct tmpdir *dir, size_t memory)
{
	struct seed_locate *l = NULL;
	struct seed_error err = { 0 };

	assert_ok(seed_locate_new(&l, dir->fd, memory, &err), &err);
	return l;
}

static void add_entry(struct seed_vec *index, uint32_t n, uint32_t record, uint16_t slot)
{
	struct seed_index_entry e = { .digest = digest_of(n), .record = record, .slot = slot,
				      .length = SEED_BLOCK_SIZE };

	assert_non_null(seed_vec_push(index, sizeof(e), &e));
}

static uint32_t add_pack(struct seed_locate *l, const struct seed_vec *index)
{
	struct seed_error err = { 0 };
	uint32_t pack = UINT32_MAX;

	assert_ok(seed_locate_pack(l, index, &pack, &err), &err);
	return pack;
}

static void need(struct seed_locate *l, uint32_t n, uint32_t disk, uint64_t block)
{
	struct seed_digest digest = digest_of(n);
	struct seed_error err = { 0 };

	assert_ok(seed_locate_need(l, &digest, disk, block, &err), &err);
}

static void join(struct seed_locate *l)
{
	struct seed_error err = { 0 };

	assert_ok(seed_locate_join(l, &err), &err);
}

static bool next(struct seed_locate *l, struct seed_located *out)
{
	const struct seed_located *at;
	struct seed_error err = { 0 };

	assert_ok(seed_locate_next(l, &at, &err), &err);
	if (at)
		*out = *at;
	return at != NULL;
}

static bool next_missing(struct seed_locate *l, uint32_t *disk, struct seed_run *run)
{
	struct seed_error err = { 0 };
	bool more;

	assert_ok(seed_locate_next_missing(l, disk, run, &more, &err), &err);
	return more;
}

static void expect_missing(struct seed_locate *l, uint32_t disk, uint64_t start, uint64_t count)
{
	struct seed_run run;
	uint32_t found;

	assert_true(next_missing(l, &found, &run));
	assert_int_equal(found, disk);
	assert_int_equal(run.start, start);
	assert_int_equal(run.count, count);
	assert_int_equal(run.kind, SEED_BLOCK_MISSING);
}

static void expect_no_more_missing(struct seed_locate *l)
{
	struct seed_run run;
	uint32_t disk;

	assert_false(next_missing(l, &disk, &run));
	assert_false(next_missing(l, &disk, &run));
}

/* ---- tests ---- */

static void nothing_needed_is_nothing_found(void **state)
{
	SEED_AUTO(seed_locate_freep) struct seed_locate *l = new_locate(*state, 1 << 20);
	SEED_AUTO(seed_vec_free) struct seed_vec index = { 0 };
	struct seed_located at;

	assert_int_equal(add_pack(l, &index), 0);
	add_entry(&index, 1, 0, 0);
	assert_int_equal(add_pack(l, &index), 1);
	join(l);
	assert_false(next(l, &at));
	assert_false(next(l, &at));
	expect_no_more_missing(l);
}

static void without_packs_all_is_missing(void **state)
{
	SEED_AUTO(seed_locate_freep) struct seed_locate *l = new_locate(*state, 1 << 20);
	struct seed_located at;

	need(l, 1, 1, 7);
	need(l, 2, 0, 6);
	need(l, 1, 0, 5);
	need(l, 3, 0, 9);
	need(l, 3, 1, 8);
	join(l);
	assert_false(next(l, &at));
	expect_missing(l, 0, 5, 2);
	expect_missing(l, 0, 9, 1);
	expect_missing(l, 1, 7, 2);
	expect_no_more_missing(l);
}

static void a_block_in_several_packs_comes_from_the_first(void **state)
{
	SEED_AUTO(seed_locate_freep) struct seed_locate *l = new_locate(*state, 1 << 20);
	struct seed_located at;

	for (uint32_t pack = 0; pack < 3; pack++) {
		SEED_AUTO(seed_vec_free) struct seed_vec index = { 0 };

		if (pack == 0)
			add_entry(&index, 77, 0, 0);
		add_entry(&index, 5, 4 - pack, (uint16_t)(3 + pack));
		add_entry(&index, 5, 9, 0);	/* twice in one pack: the first place */
		add_pack(l, &index);
	}
	need(l, 5, 2, 1000);
	need(l, 5, 0, UINT64_MAX >> 16);
	join(l);
	assert_true(next(l, &at));
	assert_int_equal(at.disk, 0);
	assert_int_equal(at.block, UINT64_MAX >> 16);
	assert_int_equal(at.pack, 0);
	assert_int_equal(at.record, 4);
	assert_int_equal(at.slot, 3);
	assert_true(next(l, &at));
	assert_int_equal(at.disk, 2);
	assert_int_equal(at.pack, 0);
	assert_int_equal(at.record, 4);
	assert_false(next(l, &at));
	expect_no_more_missing(l);
}

static void lost_blocks_merge_with_those_that_no_pack_has(void **state)
{
	SEED_AUTO(seed_locate_freep) struct seed_locate *l = new_locate(*state, 1 << 20);
	SEED_AUTO(seed_vec_free) struct seed_vec index = { 0 };
	struct seed_located at;
	struct seed_error err = { 0 };

	add_entry(&index, 1, 0, 0);
	add_pack(l, &index);
	need(l, 1, 0, 11);
	need(l, 1, 0, 30);
	need(l, 2, 0, 10);
	need(l, 2, 0, 12);
	need(l, 1, 1, 13);
	join(l);
	while (next(l, &at))
		assert_ok(seed_locate_lost(l, at.disk, at.block, &err), &err);
	/* Lost twice over, as when two jobs shared a record. */
	assert_ok(seed_locate_lost(l, 0, 11, &err), &err);
	expect_missing(l, 0, 10, 3);
	expect_missing(l, 0, 30, 1);
	expect_missing(l, 1, 13, 1);
	expect_no_more_missing(l);
}

/* ---- lists ---- */

static struct seed_list *new_list(const struct tmpdir *dir, uint64_t blocks)
{
	struct seed_list *list = NULL;
	struct seed_error err = { 0 };

	assert_ok(seed_list_create(&list, dir->fd, "vda.list", blocks, &err), &err);
	return list;
}

static void set(struct seed_list *list, uint64_t block, uint32_t n)
{
	struct seed_digest digest = digest_of(n);
	struct seed_error err = { 0 };

	assert_ok(seed_list_set(list, block, &digest, 1, &err), &err);
}

static void a_list_needs_its_data_blocks_alone(void **state)
{
	SEED_AUTO(seed_locate_freep) struct seed_locate *l = new_locate(*state, 1 << 20);
	SEED_AUTO(seed_list_closep) struct seed_list *list = new_list(*state, 5000);
	struct seed_error err = { 0 };

	for (uint64_t i = 1000; i < 3100; i++)	/* more than are taken at once */
		set(list, i, (uint32_t)i);
	set(list, 4999, 1);
	assert_ok(seed_list_fill(list, 2000, 10, SEED_BLOCK_MISSING, &err), &err);
	assert_ok(seed_locate_list(l, list, 4, NULL, &err), &err);
	join(l);
	expect_missing(l, 4, 1000, 1000);
	expect_missing(l, 4, 2010, 1090);
	expect_missing(l, 4, 4999, 1);
	expect_no_more_missing(l);
}

static void with_runs_only_what_lies_in_them_is_needed(void **state)
{
	static const struct seed_run wanted[] = {
		{ 0, 3, SEED_BLOCK_MISSING },	/* the last of it is data */
		{ 10, 1, SEED_BLOCK_MISSING },
		{ 95, 5, SEED_BLOCK_MISSING },	/* data, zero, data */
	};
	SEED_AUTO(seed_locate_freep) struct seed_locate *l = new_locate(*state, 1 << 20);
	SEED_AUTO(seed_list_closep) struct seed_list *list = new_list(*state, 100);
	SEED_AUTO(seed_vec_free) struct seed_vec runs = { 0 }, none = { 0 };
	struct seed_error err = { 0 };

	for (uint64_t i = 2; i < 100; i++)
		if (i != 97)
			set(list, i, (uint32_t)i);
	for (size_t i = 0; i < 3; i++)
		seed_vec_push(&runs, sizeof(wanted[i]), &wanted[i]);
	assert_ok(seed_locate_list(l, list, 0, &runs, &err), &err);
	assert_ok(seed_locate_list(l, list, 1, &none, &err), &err);
	join(l);
	expect_missing(l, 0, 2, 1);
	expect_missing(l, 0, 10, 1);
	expect_missing(l, 0, 95, 2);
	expect_missing(l, 0, 98, 2);
	expect_no_more_missing(l);
}

static void runs_past_the_end_are_refused(void **state)
{
	const struct seed_run past = { 99, 2, SEED_BLOCK_MISSING };
	SEED_AUTO(seed_locate_freep) struct seed_locate *l = new_locate(*state, 1 << 20);
	SEED_AUTO(seed_list_closep) struct seed_list *list = new_list(*state, 100);
	SEED_AUTO(seed_vec_free) struct seed_vec runs = { 0 };
	struct seed_error err = { 0 };

	seed_vec_push(&runs, sizeof(past), &past);
	assert_fails(seed_locate_list(l, list, 0, &runs, &err), &err, SEED_ERR_RANGE);
}

/* ---- against a model ---- */

struct place {
	uint32_t pack, record;
	uint16_t slot;
	bool held;
};

static int by_plan(const void *a, const void *b)
{
	const struct seed_located *x = a, *y = b;

	if (x->pack != y->pack)
		return x->pack < y->pack ? -1 : 1;
	if (x->record != y->record)
		return x->record < y->record ? -1 : 1;
	if (x->slot != y->slot)
		return x->slot < y->slot ? -1 : 1;
	if (x->disk != y->disk)
		return x->disk < y->disk ? -1 : 1;
	return (x->block > y->block) - (x->block < y->block);
}

/* @digests different blocks over some packs, @blocks on each disk. */
static void check_model(const struct tmpdir *dir, uint32_t digests, uint32_t blocks,
			size_t memory)
{
	SEED_AUTO(seed_locate_freep) struct seed_locate *l = new_locate(dir, memory);
	struct place *where = calloc(digests, sizeof(*where));
	uint32_t *disk = calloc((size_t)DISKS * blocks, sizeof(*disk));
	struct seed_located *want = calloc((size_t)DISKS * blocks, sizeof(*want)), at;
	uint32_t packs = 1 + draw(PACKS_MAX), count = 0;

	assert_true(where && disk && want);
	for (uint32_t pack = 0; pack < packs; pack++) {
		SEED_AUTO(seed_vec_free) struct seed_vec index = { 0 };

		for (uint32_t i = 0; i < digests / 4; i++) {
			uint32_t n = draw(digests), record = i / 16;
			uint16_t slot = i % 16;

			add_entry(&index, n, record, slot);
			if (!where[n].held)
				where[n] = (struct place){ pack, record, slot, true };
		}
		assert_int_equal(add_pack(l, &index), pack);
	}
	for (uint32_t i = 0; i < DISKS * blocks; i++) {
		disk[i] = draw(digests);
		need(l, disk[i], i / blocks, i % blocks);
		if (where[disk[i]].held)
			want[count++] = (struct seed_located){
				.pack = where[disk[i]].pack, .record = where[disk[i]].record,
				.slot = where[disk[i]].slot, .disk = i / blocks,
				.block = i % blocks };
	}
	join(l);
	qsort(want, count, sizeof(*want), by_plan);
	for (uint32_t i = 0; i < count; i++) {
		assert_true(next(l, &at));
		assert_int_equal(by_plan(&at, &want[i]), 0);
	}
	assert_false(next(l, &at));
	for (uint32_t i = 0; i < DISKS * blocks;) {
		uint32_t run = 0;

		while ((i + run) / blocks == i / blocks && i + run < DISKS * blocks &&
		       !where[disk[i + run]].held)
			run++;
		if (run)
			expect_missing(l, i / blocks, i % blocks, run);
		i += run ? run : 1;
	}
	expect_no_more_missing(l);
	free(where);
	free(disk);
	free(want);
}

static void random_joins_are_what_a_model_says(void **state)
{
	for (int i = 0; i < 50; i++)
		check_model(*state, 20 + draw(500), 1 + draw(300), 1 << 20);
}

/* The least memory for each sort is 1 MiB: 80,000 needs and holdings of 84 bytes do not fit. */
static void a_join_larger_than_its_memory_spills(void **state)
{
	check_model(*state, 60000, 30000, 1);
}

#define on_tmpdir(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_tmpdir(nothing_needed_is_nothing_found),
		on_tmpdir(without_packs_all_is_missing),
		on_tmpdir(a_block_in_several_packs_comes_from_the_first),
		on_tmpdir(lost_blocks_merge_with_those_that_no_pack_has),
		on_tmpdir(a_list_needs_its_data_blocks_alone),
		on_tmpdir(with_runs_only_what_lies_in_them_is_needed),
		on_tmpdir(runs_past_the_end_are_refused),
		on_tmpdir(random_joins_are_what_a_model_says),
		on_tmpdir(a_join_larger_than_its_memory_spills),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
