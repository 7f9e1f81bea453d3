// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "block/own_blocks.h"
#include "cmocka_all.h"
#include "tmpdir.h"

#define MEMORY (2u << 20)

static int dir_of(void **state)
{
	return ((struct tmpdir *)*state)->fd;
}

/* Digests by number: 0 is zero, -1 missing. */
static struct seed_digest digest_of(int64_t value)
{
	struct seed_digest d = seed_digest_zero;

	if (value < 0)
		return seed_digest_missing;
	/* Differences in the last bytes alone: all 32 count. */
	for (size_t i = 0; value && i < 8; i++)
		d.bytes[31 - i] = (uint8_t)(value >> 8 * i);
	return d;
}

static void set_block(struct seed_list *list, uint64_t at, int64_t value)
{
	struct seed_digest d = digest_of(value);
	struct seed_error err = { 0 };

	assert_ok(seed_list_set(list, at, &d, 1, &err), &err);
}

struct judged {
	struct seed_list *list;
	uint32_t number, vm;
	bool wanted;
	struct seed_vec runs;		/* results */
	uint64_t blocks;
};

static struct judged disk_of(void **state, uint32_t number, uint32_t vm, uint64_t blocks)
{
	struct judged disk = { .number = number, .vm = vm, .wanted = true };
	struct seed_error err = { 0 };
	char name[32];

	snprintf(name, sizeof(name), "l%u", number);
	assert_ok(seed_list_create(&disk.list, dir_of(state), name, blocks, &err), &err);
	return disk;
}

struct call {
	struct judged *disks;
	int dir;
	size_t asked, given;
	struct seed_cancel *cancel_at;	/* raised at the list with this number */
	size_t cancel_number;
	uint64_t progress, total;
};

/* What was set lies in the file from now on. */
static int open_again(void *arg, size_t i, struct seed_list **out, struct seed_error *err)
{
	struct call *call = arg;
	struct judged *disk = &call->disks[i];
	char name[32];

	assert_int_equal(i, call->asked++);
	if (call->cancel_at && i == call->cancel_number)
		atomic_store(&call->cancel_at->signal, 15);
	snprintf(name, sizeof(name), "l%u", disk->number);
	return seed_list_sync(disk->list, err) < 0 ? -1 :
	       seed_list_open(out, call->dir, name, seed_list_blocks(disk->list), false, err);
}

static int take(void *arg, size_t i, struct seed_own_runs *own, struct seed_error *err)
{
	struct call *call = arg;

	(void)err;
	call->given++;
	call->disks[i].runs = own->runs;
	call->disks[i].blocks = own->blocks;
	own->runs = (struct seed_vec){ 0 };
	return 0;
}

static void note_progress(void *arg, const struct seed_event *event)
{
	struct call *call = arg;

	assert_true(event->kind == SEED_EVENT_PHASE || event->kind == SEED_EVENT_PROGRESS);
	assert_true(event->done >= call->progress && event->done <= event->total);
	call->progress = event->done;
	call->total = event->total;
}

static int judge_call(struct call *call, size_t count, struct seed_cancel *cancel,
		      struct seed_error *err)
{
	struct seed_own_disk *disks = calloc(count + 1, sizeof(*disks));
	const struct seed_events events = { .report = note_progress, .arg = call };
	struct seed_own_options opt = {
		.folder = call->dir, .memory = MEMORY, .open = open_again, .done = take,
		.arg = call, .events = &events, .cancel = cancel,
	};
	int rc;

	for (size_t i = 0; i < count; i++) {
		disks[i] = (struct seed_own_disk){ call->disks[i].vm, call->disks[i].wanted };
		opt.list_bytes += seed_list_blocks(call->disks[i].list) * SEED_DIGEST_SIZE;
	}
	rc = seed_own_blocks(disks, count, &opt, err);
	free(disks);
	return rc;
}

static int judge(struct judged *disks, size_t count, int dir, struct seed_error *err)
{
	struct call call = { .disks = disks, .dir = dir };

	return judge_call(&call, count, NULL, err);
}

static void disks_free(struct judged *disks, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		seed_list_close(disks[i].list);
		seed_vec_free(&disks[i].runs);
	}
}

static void assert_run(const struct judged *disk, size_t i, uint64_t start, uint64_t count)
{
	const struct seed_run *run = seed_vec_at(&disk->runs, i);

	assert_true(i < disk->runs.count);
	assert_int_equal(run->kind, SEED_BLOCK_DATA);
	assert_int_equal(run->start, start);
	assert_int_equal(run->count, count);
}

static void blocks_of_one_vm_alone_are_own(void **state)
{
	static const int64_t a[] = { 0, 5, 6, 7, -1, 8, 9, 5 };	/* 5 twice here: still own */
	static const int64_t b[] = { 7, 1, 2, 0, -1, 3, 3, 3 };
	static const int64_t a2[] = { 1, 10, 5, 0, 0, 0, 0, 8 };	/* a's second disk */
	struct judged disks[] = {
		disk_of(state, 0, 4, 8), disk_of(state, 1, 9, 8), disk_of(state, 2, 4, 8),
	};
	struct seed_error err = { 0 };

	for (uint64_t i = 0; i < 8; i++) {
		set_block(disks[0].list, i, a[i]);
		set_block(disks[1].list, i, b[i]);
		set_block(disks[2].list, i, a2[i]);
	}
	assert_ok(judge(disks, 3, dir_of(state), &err), &err);
	/* 7 is b's too; zero and missing are nobody's. */
	assert_int_equal(disks[0].blocks, 5);
	assert_int_equal(disks[0].runs.count, 2);
	assert_run(&disks[0], 0, 1, 2);
	assert_run(&disks[0], 1, 5, 3);
	/* 1 is a2's too. */
	assert_int_equal(disks[1].blocks, 4);
	assert_run(&disks[1], 0, 2, 1);
	assert_run(&disks[1], 1, 5, 3);
	assert_int_equal(disks[2].blocks, 3);
	assert_run(&disks[2], 0, 1, 2);
	assert_run(&disks[2], 1, 7, 1);
	disks_free(disks, 3);
}

static void only_wanted_disks_get_runs_but_all_are_compared(void **state)
{
	struct judged disks[] = { disk_of(state, 0, 0, 3), disk_of(state, 1, 1, 3) };
	struct seed_error err = { 0 };

	for (uint64_t i = 0; i < 3; i++) {
		set_block(disks[0].list, i, (int64_t)i + 1);
		set_block(disks[1].list, i, (int64_t)i + 2);
	}
	disks[1].wanted = false;
	assert_ok(judge(disks, 2, dir_of(state), &err), &err);
	assert_int_equal(disks[0].blocks, 1);
	assert_run(&disks[0], 0, 0, 1);
	assert_int_equal(disks[1].blocks, 0);
	assert_int_equal(disks[1].runs.count, 0);
	disks_free(disks, 2);
}

static void a_vm_alone_owns_all_its_data(void **state)
{
	struct judged disks[] = { disk_of(state, 0, 7, 100), disk_of(state, 1, 7, 10) };
	struct seed_error err = { 0 };

	for (uint64_t i = 20; i < 50; i++)
		set_block(disks[0].list, i, 5);
	assert_ok(judge(disks, 2, dir_of(state), &err), &err);
	assert_int_equal(disks[0].blocks, 30);
	assert_int_equal(disks[0].runs.count, 1);
	assert_run(&disks[0], 0, 20, 30);
	assert_int_equal(disks[1].blocks, 0);
	assert_ok(judge(NULL, 0, dir_of(state), &err), &err);
	disks_free(disks, 2);
}

/* Against a table of who has what, with far more digests than the memory holds. */
static void many_blocks_are_judged_exactly(void **state)
{
	enum { DISKS = 3, BLOCKS = 60000, VALUES = 80000 };
	struct judged disks[DISKS];
	SEED_AUTO(seed_freep) uint32_t *values = malloc(DISKS * BLOCKS * sizeof(*values));
	SEED_AUTO(seed_freep) uint8_t *owners = calloc(VALUES, 1);
	struct seed_error err = { 0 };
	uint64_t seed = 1;

	for (uint32_t d = 0; d < DISKS; d++) {
		disks[d] = disk_of(state, d, d, BLOCKS);
		for (uint32_t i = 0; i < BLOCKS; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			values[d * BLOCKS + i] = (uint32_t)(seed >> 33) % VALUES;
			set_block(disks[d].list, i, values[d * BLOCKS + i]);
			owners[values[d * BLOCKS + i]] |= (uint8_t)(1u << d);
		}
	}
	assert_ok(judge(disks, DISKS, dir_of(state), &err), &err);
	for (uint32_t d = 0; d < DISKS; d++) {
		uint64_t own = 0, at = 0, in_runs = 0;

		for (uint32_t i = 0; i < BLOCKS; i++)
			own += values[d * BLOCKS + i] && owners[values[d * BLOCKS + i]] == 1u << d;
		assert_int_equal(disks[d].blocks, own);
		assert_true(own > 1000);
		for (size_t i = 0; i < disks[d].runs.count; i++) {
			const struct seed_run *run = seed_vec_at(&disks[d].runs, i);

			assert_true(run->start >= at && run->count > 0);
			for (at = run->start; at < run->start + run->count; at++, in_runs++)
				assert_int_equal(owners[values[d * BLOCKS + at]], 1u << d);
		}
		if (disks[d].runs.count < SEED_OWN_RUNS_MAX)
			assert_int_equal(in_runs, own);
	}
	disks_free(disks, DISKS);
}

/* One block many times over is one group: it does not have to fit into memory. */
static void one_block_everywhere_is_own_or_not_as_a_whole(void **state)
{
	enum { BLOCKS = 150000 };
	struct judged disks[] = { disk_of(state, 0, 0, BLOCKS), disk_of(state, 1, 1, 2) };
	struct seed_digest d[1000];
	struct seed_error err = { 0 };

	for (size_t i = 0; i < 1000; i++)
		d[i] = digest_of(77);
	for (uint64_t at = 0; at < BLOCKS; at += 1000)
		assert_ok(seed_list_set(disks[0].list, at, d, 1000, &err), &err);
	set_block(disks[1].list, 0, 78);
	assert_ok(judge(disks, 2, dir_of(state), &err), &err);
	assert_int_equal(disks[0].blocks, BLOCKS);
	assert_run(&disks[0], 0, 0, BLOCKS);
	assert_int_equal(disks[1].blocks, 1);
	seed_vec_free(&disks[0].runs);
	seed_vec_free(&disks[1].runs);
	set_block(disks[1].list, 1, 77);
	assert_ok(judge(disks, 2, dir_of(state), &err), &err);
	assert_int_equal(disks[0].blocks, 0);
	assert_int_equal(disks[1].blocks, 1);
	disks_free(disks, 2);
}

static void too_many_runs_are_thinned_evenly(void **state)
{
	enum { BLOCKS = 200000 };
	struct judged disks[] = { disk_of(state, 0, 0, BLOCKS), disk_of(state, 1, 1, 2) };
	struct seed_error err = { 0 };

	for (uint64_t at = 0; at < BLOCKS; at += 2)
		set_block(disks[0].list, at, 1000 + (int64_t)at);
	for (int round = 0; round < 2; round++) {
		uint64_t before = 0;

		/* Compared with another VM, and alone. */
		assert_ok(judge(disks, round ? 1 : 2, dir_of(state), &err), &err);
		assert_int_equal(disks[0].blocks, BLOCKS / 2);
		assert_int_equal(disks[0].runs.count, SEED_OWN_RUNS_MAX);
		for (size_t i = 0; i < SEED_OWN_RUNS_MAX; i++) {
			const struct seed_run *run = seed_vec_at(&disks[0].runs, i);

			assert_int_equal(run->count, 1);
			assert_int_equal(run->start % 2, 0);
			/* 100,000 runs, 16,384 kept: every sixth, give or take stride. */
			assert_true(i == 0 ? run->start == 0 : run->start > before);
			assert_true(run->start - before <= 2 * 2 * 100000 / SEED_OWN_RUNS_MAX + 2);
			before = run->start;
		}
		assert_true(before > BLOCKS - 2 * 2 * 100000 / SEED_OWN_RUNS_MAX - 2);
		seed_vec_free(&disks[0].runs);
	}
	disks_free(disks, 2);
}

static void progress_goes_on_to_the_end_and_a_signal_ends_it(void **state)
{
	enum { BLOCKS = 40000 };
	struct judged disks[] = { disk_of(state, 0, 0, BLOCKS), disk_of(state, 1, 1, BLOCKS),
				  disk_of(state, 2, 2, BLOCKS) };
	struct call call = { .disks = disks, .dir = dir_of(state) };
	struct seed_cancel cancel = { 0 };
	struct seed_error err = { 0 };

	for (uint64_t at = 0; at < BLOCKS; at++)
		for (size_t i = 0; i < 3; i++)
			set_block(disks[i].list, at, 1 + (int64_t)at + (int64_t)i * BLOCKS);
	assert_ok(judge_call(&call, 3, &cancel, &err), &err);
	assert_int_equal(call.given, 3);
	assert_int_equal(call.total, 2 * 3 * BLOCKS * SEED_DIGEST_SIZE);
	assert_true(call.progress > call.total / 100 * 98);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(disks[i].blocks, BLOCKS);
		seed_vec_free(&disks[i].runs);
	}
	call = (struct call){ .disks = disks, .dir = dir_of(state), .cancel_at = &cancel,
			      .cancel_number = 1 };
	assert_fails(judge_call(&call, 3, &cancel, &err), &err, SEED_ERR_CANCELLED);
	assert_int_equal(call.asked, 2);
	assert_int_equal(call.given, 0);
	disks_free(disks, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(blocks_of_one_vm_alone_are_own),
		TEST(only_wanted_disks_get_runs_but_all_are_compared),
		TEST(a_vm_alone_owns_all_its_data),
		TEST(many_blocks_are_judged_exactly),
		TEST(one_block_everywhere_is_own_or_not_as_a_whole),
		TEST(too_many_runs_are_thinned_evenly),
		TEST(progress_goes_on_to_the_end_and_a_signal_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
