// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include "base/path.h"
#include "block/grid.h"
#include "block/merkle.h"
#include "capture/own_kept.h"
#include "tmpdir.h"

static int dir_of(void **state)
{
	return ((struct tmpdir *)*state)->fd;
}

static struct seed_list *list_of(int dir, const char *name, uint64_t blocks)
{
	struct seed_list *list = NULL;
	struct seed_error err = { 0 };

	assert_ok(seed_list_create(&list, dir, name, blocks, &err), &err);
	return list;
}

/* Blocks [@start, @start + @count) of generation @value; 0: zero. */
static void put(struct seed_list *list, uint64_t start, uint64_t count, uint8_t value)
{
	struct seed_error err = { 0 };

	for (uint64_t i = start; i < start + count; i++) {
		struct seed_digest d = { { 0 } };

		if (value)
			d = (struct seed_digest){ { (uint8_t)i, (uint8_t)(i >> 8), value, 1 } };
		assert_ok(seed_list_set(list, i, &d, 1, &err), &err);
	}
}

static void add_run(struct seed_own_kept *kept, uint64_t start, uint64_t count)
{
	const struct seed_run run = { .start = start, .count = count, .kind = SEED_BLOCK_DATA };

	assert_non_null(seed_vec_push(&kept->runs, sizeof(run), &run));
	kept->blocks += count;
	kept->first += count;
}

static struct seed_digest root_of(struct seed_list *list)
{
	struct seed_error err = { 0 };
	struct seed_digest root;

	assert_ok(seed_merkle_of_list(&root, list, seed_list_blocks(list) * SEED_BLOCK_SIZE, NULL,
				      NULL, &err), &err);
	return root;
}

/* vda.list, 1000 blocks of data, and vda.own: 100 to 199, 300 to 309. */
static struct seed_own_kept begin(int dir)
{
	struct seed_own_kept kept = { .recorded = 1700000000, .list_blocks = 1000, .compared = 3,
				      .lists = { { 7 } } };
	struct seed_list *list = list_of(dir, "vda.list", 1000);
	struct seed_error err = { 0 };

	put(list, 0, 1000, 1);
	kept.reading = root_of(list);
	seed_list_close(list);
	add_run(&kept, 100, 100);
	add_run(&kept, 300, 10);
	assert_ok(seed_own_kept_write(dir, "vda", &kept, &err), &err);
	return kept;
}

static struct seed_own_kept again(int dir)
{
	struct seed_own_kept kept;
	struct seed_error err = { 0 };

	assert_ok(seed_own_kept_read(&kept, dir, "vda", &err), &err);
	return kept;
}

static int carry(int dir, struct seed_list *now, const struct seed_cancel *cancel,
		 struct seed_error *err)
{
	const struct seed_digest root = root_of(now);

	return seed_own_kept_carry(dir, "vda", now, seed_list_blocks(now) * SEED_BLOCK_SIZE, &root,
				   cancel, err);
}

static void assert_runs(const struct seed_own_kept *kept, size_t count, const uint64_t (*runs)[2])
{
	assert_int_equal(kept->runs.count, count);
	for (size_t i = 0; i < count; i++) {
		const struct seed_run *run = seed_vec_at(&kept->runs, i);

		assert_int_equal(run->start, runs[i][0]);
		assert_int_equal(run->count, runs[i][1]);
	}
}

static void what_is_written_is_read(void **state)
{
	struct seed_own_kept kept = begin(dir_of(state)), read = again(dir_of(state));
	const uint64_t runs[][2] = { { 100, 100 }, { 300, 10 } };
	struct seed_error err = { 0 };

	assert_memory_equal(&read.reading, &kept.reading, sizeof(kept.reading));
	assert_memory_equal(&read.lists, &kept.lists, sizeof(kept.lists));
	assert_int_equal(read.recorded, 1700000000);
	assert_int_equal(read.list_blocks, 1000);
	assert_int_equal(read.first, 110);
	assert_int_equal(read.blocks, 110);
	assert_int_equal(read.unjudged, 0);
	assert_int_equal(read.compared, 3);
	assert_runs(&read, 2, runs);
	seed_own_kept_clear(&read);
	seed_own_kept_clear(&kept);
	assert_fails(seed_own_kept_read(&read, dir_of(state), "vdb", &err), &err, SEED_ERR_NOTFOUND);
}

/* As many runs as there can be, with the longest numbers. */
static void the_largest_one_can_be_read(void **state)
{
	struct seed_own_kept kept = { .list_blocks = seed_grid_blocks(SEED_DISK_MAX) }, read;
	const uint64_t first = kept.list_blocks - 3 * SEED_OWN_RUNS_MAX;
	struct seed_error err = { 0 };

	for (uint64_t i = 0; i < SEED_OWN_RUNS_MAX; i++)
		add_run(&kept, first + 3 * i, 2);
	assert_ok(seed_own_kept_write(dir_of(state), "vda", &kept, &err), &err);
	read = again(dir_of(state));
	assert_int_equal(read.runs.count, SEED_OWN_RUNS_MAX);
	assert_int_equal(read.blocks, 2 * SEED_OWN_RUNS_MAX);
	seed_own_kept_clear(&read);
	seed_own_kept_clear(&kept);
}

static void changed_blocks_are_dropped(void **state)
{
	const uint64_t runs[][2] = { { 101, 49 }, { 152, 47 }, { 305, 5 } };
	struct seed_list *now = list_of(dir_of(state), "vda+part.list", 1000);
	struct seed_own_kept kept = begin(dir_of(state));
	struct seed_digest reading = root_of(now);
	struct seed_error err = { 0 };

	seed_own_kept_clear(&kept);
	put(now, 0, 1000, 1);
	put(now, 50, 51, 2);		/* to 100 */
	put(now, 150, 1, 2);
	put(now, 151, 1, 0);
	put(now, 199, 106, 2);		/* to 304 */
	put(now, 999, 1, 0);
	assert_ok(carry(dir_of(state), now, NULL, &err), &err);
	kept = again(dir_of(state));
	assert_runs(&kept, 3, runs);
	assert_int_equal(kept.blocks, 101);
	assert_int_equal(kept.first, 110);
	assert_int_equal(kept.unjudged, 51 + 1 + 106);
	assert_int_equal(kept.recorded, 1700000000);
	reading = root_of(now);
	assert_memory_equal(&kept.reading, &reading, sizeof(reading));
	seed_own_kept_clear(&kept);
	seed_list_close(now);
}

static void a_disk_that_becomes_smaller_or_larger_keeps_the_rest(void **state)
{
	static const uint64_t sizes[] = { 2000, 305, 150, 100 };
	static const uint64_t left[] = { 110, 105, 50, 0 };

	for (size_t i = 0; i < 4; i++) {
		struct seed_list *now = list_of(dir_of(state), "vda+part.list", sizes[i]);
		struct seed_own_kept kept = begin(dir_of(state));
		struct seed_error err = { 0 };

		seed_own_kept_clear(&kept);
		put(now, 0, sizes[i], 1);
		assert_ok(carry(dir_of(state), now, NULL, &err), &err);
		kept = again(dir_of(state));
		assert_int_equal(kept.blocks, left[i]);
		assert_int_equal(seed_own_runs_sum(&kept.runs), left[i]);
		assert_int_equal(kept.list_blocks, sizes[i]);
		assert_true(kept.first <= sizes[i]);
		seed_own_kept_clear(&kept);
		seed_list_close(now);
	}
}

/* Runs that are a sample do not say what else is own. */
static void of_a_sample_each_change_counts(void **state)
{
	struct seed_list *now = list_of(dir_of(state), "vda+part.list", 1000);
	struct seed_own_kept kept = begin(dir_of(state));
	struct seed_error err = { 0 };

	kept.blocks = kept.first = 500;
	assert_ok(seed_own_kept_write(dir_of(state), "vda", &kept, &err), &err);
	seed_own_kept_clear(&kept);
	put(now, 0, 1000, 1);
	put(now, 195, 20, 2);
	assert_ok(carry(dir_of(state), now, NULL, &err), &err);
	kept = again(dir_of(state));
	assert_int_equal(kept.blocks, 480);
	assert_int_equal(seed_own_runs_sum(&kept.runs), 105);
	seed_own_kept_clear(&kept);
	seed_list_close(now);
}

static void many_pieces_are_thinned(void **state)
{
	enum { BLOCKS = 60000 };
	struct seed_list *old = list_of(dir_of(state), "vda.list", BLOCKS);
	struct seed_list *now = list_of(dir_of(state), "vda+part.list", BLOCKS);
	struct seed_own_kept kept = { .list_blocks = BLOCKS };
	struct seed_error err = { 0 };

	put(old, 0, BLOCKS, 1);
	put(now, 0, BLOCKS, 1);
	for (uint64_t i = 0; i < BLOCKS; i += 2)
		put(now, i, 1, 2);
	kept.reading = root_of(old);
	seed_list_close(old);
	add_run(&kept, 0, BLOCKS);
	assert_ok(seed_own_kept_write(dir_of(state), "vda", &kept, &err), &err);
	seed_own_kept_clear(&kept);
	assert_ok(carry(dir_of(state), now, NULL, &err), &err);
	kept = again(dir_of(state));
	assert_int_equal(kept.blocks, BLOCKS / 2);
	assert_int_equal(kept.runs.count, SEED_OWN_RUNS_MAX);
	seed_own_kept_clear(&kept);
	seed_list_close(now);
}

static void the_same_reading_needs_no_old_list(void **state)
{
	struct seed_own_kept kept = begin(dir_of(state));
	struct seed_list *now = list_of(dir_of(state), "vda+part.list", 1000);
	struct seed_error err = { 0 };

	seed_own_kept_clear(&kept);
	put(now, 0, 1000, 1);
	assert_ok(seed_path_unlink(dir_of(state), "vda.list", &err), &err);
	assert_ok(carry(dir_of(state), now, NULL, &err), &err);
	kept = again(dir_of(state));
	assert_int_equal(kept.blocks, 110);
	seed_own_kept_clear(&kept);
	seed_list_close(now);
}

static void what_is_not_of_its_list_is_removed(void **state)
{
	for (int i = 0; i < 3; i++) {
		struct seed_own_kept kept = begin(dir_of(state));
		struct seed_list *now = list_of(dir_of(state), "vda+part.list", 1000);
		struct seed_list *old = list_of(dir_of(state), "vda.list", i == 0 ? 1000 : 999);
		struct seed_error err = { 0 };

		seed_own_kept_clear(&kept);
		put(now, 0, 1000, 1);
		put(now, 5, 1, 2);
		put(old, 0, 999, 1);
		seed_list_close(old);
		if (i == 2)
			tmpdir_put(*state, "vda.own", "junk", 4);
		assert_ok(carry(dir_of(state), now, NULL, &err), &err);
		assert_false(seed_path_exists(dir_of(state), "vda.own"));
		/* And nothing kept is no error. */
		assert_ok(carry(dir_of(state), now, NULL, &err), &err);
		seed_list_close(now);
	}
}

static void a_signal_ends_it_and_keeps_the_old_one(void **state)
{
	struct seed_own_kept kept = begin(dir_of(state)), left;
	struct seed_list *now = list_of(dir_of(state), "vda+part.list", 1000);
	struct seed_cancel cancel = { .signal = 2 };
	struct seed_error err = { 0 };

	put(now, 0, 1000, 2);
	assert_fails(carry(dir_of(state), now, &cancel, &err), &err, SEED_ERR_CANCELLED);
	left = again(dir_of(state));
	assert_memory_equal(&left.reading, &kept.reading, sizeof(kept.reading));
	assert_int_equal(left.blocks, 110);
	seed_own_kept_clear(&left);
	seed_own_kept_clear(&kept);
	seed_list_close(now);
}

static void touched_blocks_are_dropped_and_it_follows_its_list(void **state)
{
	const uint64_t runs[][2] = { { 100, 50 }, { 151, 49 }, { 301, 9 } };
	const uint64_t changed[] = { 3, 150, 150, 300, 999 };
	const struct seed_vec at = { .items = (void *)(uintptr_t)changed, .count = 5,
				     .size = sizeof(changed[0]) };
	struct seed_own_kept kept = begin(dir_of(state));
	const struct seed_digest was = kept.reading, is = { { 0x42 } };

	seed_own_kept_clear(&kept);
	seed_own_kept_touched(dir_of(state), "vda", &was, &is, &at);
	kept = again(dir_of(state));
	assert_runs(&kept, 3, runs);
	assert_int_equal(kept.blocks, 108);
	assert_memory_equal(&kept.reading, &is, sizeof(is));
	seed_own_kept_clear(&kept);
	/* Of another list than it speaks of. */
	seed_own_kept_touched(dir_of(state), "vda", &was, &is, &at);
	assert_false(seed_path_exists(dir_of(state), "vda.own"));
	seed_own_kept_touched(dir_of(state), "vda", &was, &is, &at);
}

#define IN_DIR(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(what_is_written_is_read),
		IN_DIR(the_largest_one_can_be_read),
		IN_DIR(changed_blocks_are_dropped),
		IN_DIR(a_disk_that_becomes_smaller_or_larger_keeps_the_rest),
		IN_DIR(of_a_sample_each_change_counts),
		IN_DIR(many_pieces_are_thinned),
		IN_DIR(the_same_reading_needs_no_old_list),
		IN_DIR(what_is_not_of_its_list_is_removed),
		IN_DIR(a_signal_ends_it_and_keeps_the_old_one),
		IN_DIR(touched_blocks_are_dropped_and_it_follows_its_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
