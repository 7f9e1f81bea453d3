// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdlib.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/vec.h"
#include "block/list_part.h"
#include "cmocka_all.h"
#include "tmpdir.h"

#define DISK 3u

/* Parts of one list, one after another. */
struct parts {
	struct seed_buf bytes;
	size_t ends[64];
	uint32_t count;
};

static void parts_free(struct parts *parts)
{
	seed_buf_free(&parts->bytes);
}

static int dir_of(void **state)
{
	return ((struct tmpdir *)*state)->fd;
}

static int put_bytes(void *arg, const void *data, size_t len, struct seed_error *err)
{
	return seed_buf_add(arg, data, len, err);
}

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 33;
}

static void write_parts(struct parts *parts, struct seed_list *list, uint64_t max)
{
	struct seed_error err = { 0 };
	uint64_t next = 0;

	do {
		size_t before = parts->bytes.len;

		assert_true(parts->count < 64);
		assert_ok(seed_list_part_write(list, DISK, parts->count + 1, next, &next, max,
					       put_bytes, &parts->bytes, &err), &err);
		assert_true(parts->bytes.len - before <= max);
		parts->ends[parts->count++] = parts->bytes.len;
	} while (next < seed_list_blocks(list));
}

/* Feed all parts in pieces of @step bytes. */
static int read_parts(const struct parts *parts, uint64_t blocks, size_t step,
		      struct seed_list *into, uint64_t *data_blocks, struct seed_error *err)
{
	SEED_AUTO(seed_list_reader_freep) struct seed_list_reader *r = NULL;
	size_t at = 0;

	assert_ok(seed_list_reader_new(&r, DISK, blocks, into, err), err);
	for (uint32_t i = 0; i < parts->count; i++) {
		if (seed_list_reader_begin_part(r, i + 1, err) < 0)
			return -1;
		while (at < parts->ends[i]) {
			size_t n = parts->ends[i] - at < step ? parts->ends[i] - at : step;

			if (seed_list_reader_add(r, parts->bytes.data + at, n, err) < 0)
				return -1;
			at += n;
		}
		if (seed_list_reader_end_part(r, err) < 0)
			return -1;
	}
	return seed_list_reader_finish(r, data_blocks, err);
}

static struct seed_list *new_list(void **state, const char *name, uint64_t blocks)
{
	struct seed_list *list = NULL;
	struct seed_error err = { 0 };

	assert_ok(seed_list_create(&list, dir_of(state), name, blocks, &err), &err);
	return list;
}

/* Runs of random kinds, of @max blocks at most. Returns how many blocks are data. */
static uint64_t fill_random(struct seed_list *list, uint64_t seed, uint64_t max)
{
	uint64_t blocks = seed_list_blocks(list), data = 0;
	struct seed_error err = { 0 };

	for (uint64_t at = 0; at < blocks;) {
		uint64_t n = 1 + next_random(&seed) % max, kind = next_random(&seed) % 3;

		if (n > blocks - at)
			n = blocks - at;
		if (kind != SEED_BLOCK_DATA)
			assert_ok(seed_list_fill(list, at, n, (enum seed_block_kind)kind, &err),
				  &err);
		for (uint64_t i = 0; kind == SEED_BLOCK_DATA && i < n; i++, data++) {
			struct seed_digest d;

			for (size_t k = 0; k < SEED_DIGEST_SIZE; k++)
				d.bytes[k] = (uint8_t)(next_random(&seed) | 1);
			d.bytes[0] = 2;
			assert_ok(seed_list_set(list, at + i, &d, 1, &err), &err);
		}
		at += n;
	}
	return data;
}

static void assert_same(struct seed_list *a, struct seed_list *b)
{
	uint64_t blocks = seed_list_blocks(a);
	struct seed_digest x[512], y[512];
	struct seed_error err = { 0 };

	for (uint64_t at = 0; at < blocks; at += 512) {
		size_t n = blocks - at < 512 ? (size_t)(blocks - at) : 512;

		assert_ok(seed_list_get(a, at, x, n, &err), &err);
		assert_ok(seed_list_get(b, at, y, n, &err), &err);
		assert_memory_equal(x, y, n * sizeof(*x));
	}
}

static void round_trip(void **state, uint64_t blocks, uint64_t run, uint64_t max, size_t step,
		       uint32_t min_parts)
{
	SEED_AUTO(seed_list_closep) struct seed_list *list = new_list(state, "a", blocks);
	SEED_AUTO(seed_list_closep) struct seed_list *back = new_list(state, "b", blocks);
	SEED_AUTO(parts_free) struct parts parts = { 0 };
	uint64_t data = fill_random(list, blocks + run, run), found;
	struct seed_error err = { 0 };

	/* What was in it before does not shine through. */
	assert_ok(seed_list_fill(back, 0, blocks, SEED_BLOCK_MISSING, &err), &err);
	write_parts(&parts, list, max);
	assert_true(parts.count >= min_parts);
	assert_ok(read_parts(&parts, blocks, step, back, &found, &err), &err);
	assert_int_equal(found, data);
	assert_same(list, back);
	assert_ok(read_parts(&parts, blocks, step, NULL, &found, &err), &err);
	assert_int_equal(found, data);
}

static void lists_come_back_as_they_were(void **state)
{
	round_trip(state, 1, 1, SEED_LIST_PART_MAX, 1, 1);
	round_trip(state, 1000, 7, SEED_LIST_PART_MAX, 3, 1);
	round_trip(state, 50000, 40, SEED_LIST_PART_MAX, 4096, 1);
	round_trip(state, 200000, 100000, SEED_LIST_PART_MAX, 65536, 1);
	round_trip(state, 30000, 1, SEED_LIST_PART_MAX, 1000003, 1);
}

static void small_parts_hold_the_same(void **state)
{
	round_trip(state, 100, 5, 152, 7, 20);
	round_trip(state, 300, 50, 1000, 1, 5);
	round_trip(state, 20000, 5000, 100000, 999, 2);
	round_trip(state, 20000, 1, 100000, 4096, 2);
}

/* Byte for byte what vmseed-manifest(5) says. */
static void the_layout_is_the_specified_one(void **state)
{
	static const uint8_t head[] = {
		'V', 'M', 'S', 'E', 'E', 'D', 'L', 'S', 1, 0, 0, 0, 0, 0, 1, 0,
		3, 0, 0, 0, 1, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		'V', 'S', 'S', 'G', 3, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
		4, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0,
	};
	SEED_AUTO(seed_list_closep) struct seed_list *list = new_list(state, "a", 5);
	SEED_AUTO(parts_free) struct parts parts = { 0 };
	struct seed_error err = { 0 };
	struct seed_digest d[2];

	memset(&d[0], 0xaa, sizeof(d[0]));
	memset(&d[1], 0xbb, sizeof(d[1]));
	assert_ok(seed_list_set(list, 2, d, 2, &err), &err);
	assert_ok(seed_list_fill(list, 4, 1, SEED_BLOCK_MISSING, &err), &err);
	write_parts(&parts, list, SEED_LIST_PART_MAX);
	assert_int_equal(parts.bytes.len, sizeof(head) + sizeof(d));
	assert_memory_equal(parts.bytes.data, head, sizeof(head));
	assert_memory_equal(parts.bytes.data + sizeof(head), d, sizeof(d));
}

static void an_empty_disk_of_16_tib_is_120_bytes(void **state)
{
	uint64_t blocks = (uint64_t)1 << 28, data;
	SEED_AUTO(seed_list_closep) struct seed_list *list = new_list(state, "a", blocks);
	SEED_AUTO(parts_free) struct parts parts = { 0 };
	struct seed_error err = { 0 };

	write_parts(&parts, list, SEED_LIST_PART_MAX);
	assert_int_equal(parts.count, 1);
	assert_int_equal(parts.bytes.len, 64 + 32 + 24);
	assert_ok(read_parts(&parts, blocks, 4096, list, &data, &err), &err);
	assert_int_equal(data, 0);
}

static void a_disk_without_blocks_has_one_part_without_any(void **state)
{
	SEED_AUTO(seed_list_closep) struct seed_list *list = new_list(state, "a", 0);
	SEED_AUTO(parts_free) struct parts parts = { 0 };
	struct seed_error err = { 0 };
	uint64_t data = 7;

	write_parts(&parts, list, SEED_LIST_PART_MAX);
	assert_int_equal(parts.bytes.len, 64);
	assert_ok(read_parts(&parts, 0, 64, list, &data, &err), &err);
	assert_int_equal(data, 0);
	assert_fails(read_parts(&parts, 1, 64, NULL, &data, &err), &err, SEED_ERR_FORMAT);
}

static void sample(void **state, struct parts *parts, uint64_t max)
{
	SEED_AUTO(seed_list_closep) struct seed_list *list = new_list(state, "a", 60);

	fill_random(list, 5, 9);
	write_parts(parts, list, max);
}

static void a_list_cut_anywhere_is_refused(void **state)
{
	SEED_AUTO(parts_free) struct parts parts = { 0 };
	struct seed_error err;
	uint64_t data;

	sample(state, &parts, 400);
	assert_true(parts.count > 2);
	for (uint32_t last = parts.count; last > 0; last--) {
		size_t begin = last > 1 ? parts.ends[last - 2] : 0, end = parts.ends[last - 1];

		parts.count = last;
		for (size_t cut = begin; cut < end; cut++) {
			parts.ends[last - 1] = cut;
			assert_fails(read_parts(&parts, 60, 50, NULL, &data, &err), &err,
				     SEED_ERR_FORMAT);
		}
	}
	parts.count = 0;
	assert_fails(read_parts(&parts, 60, 50, NULL, &data, &err), &err, SEED_ERR_FORMAT);
}

/* Every bit outside the digests means something; a digest's own are the signature's business. */
static void every_flipped_bit_outside_digests_is_refused(void **state)
{
	SEED_AUTO(parts_free) struct parts parts = { 0 };
	struct seed_error err;
	uint64_t data;
	uint32_t runs;

	sample(state, &parts, SEED_LIST_PART_MAX);
	assert_int_equal(parts.count, 1);
	runs = seed_get32((uint8_t *)parts.bytes.data + 64 + 4);
	for (size_t bit = 0; bit < (64 + 32 + runs * 24) * 8; bit++) {
		parts.bytes.data[bit / 8] = (char)(parts.bytes.data[bit / 8] ^ 1 << bit % 8);
		/* Zero and missing differ in a bit, and both are kinds without digests. */
		if (read_parts(&parts, 60, 4096, NULL, &data, &err) == 0) {
			assert_true(bit / 8 >= 96 && (bit / 8 - 96) % 24 == 16 && bit % 8 == 1);
		} else {
			assert_int_equal(err.kind, SEED_ERR_FORMAT);
		}
		parts.bytes.data[bit / 8] = (char)(parts.bytes.data[bit / 8] ^ 1 << bit % 8);
	}
	assert_ok(read_parts(&parts, 60, 4096, NULL, &data, &err), &err);
}

struct patch {
	size_t at;
	size_t width;
	uint64_t value;
	const char *says;
};

static void counts_that_overflow_or_overlap_are_refused(void **state)
{
	/* Header at 0, segment at 64, runs at 96: zero 0+2, data 2+2, missing 4+1. */
	static const struct patch patches[] = {
		{ 8, 2, 2, "later version" },
		{ 32, 8, UINT64_MAX, "more blocks" },
		{ 32, 8, 0, "without blocks" },
		{ 40, 8, UINT64_MAX, "more blocks" },
		{ 40, 8, 3, "promises more" },
		{ 40, 8, 1, "too many digests" },
		{ 24, 8, 1, "does not begin" },
		{ 68, 4, 0, "too many runs, or none" },
		{ 68, 4, 4097, "too many runs" },
		{ 68, 4, UINT32_MAX, "too many runs" },
		{ 72, 4, UINT32_MAX, "too many digests" },
		{ 80, 8, UINT64_MAX - 1, "does not begin" },
		{ 88, 8, UINT64_MAX, "more blocks" },
		{ 88, 8, 0, "more blocks than its part, or none" },
		{ 88, 8, 4, "leaves its segment" },
		{ 104, 8, UINT64_MAX, "leaves its segment" },
		{ 104, 8, 0, "leaves its segment" },
		{ 120, 8, 1, "overlaps" },
		{ 120, 8, 3, "gap" },
		{ 128, 8, UINT64_MAX, "leaves its segment" },
		{ 136, 4, 0, "two runs" },
		{ 136, 4, 3, "unknown kind" },
		{ 136, 4, 0x101, "unknown kind" },
		{ 140, 4, 1, "unknown kind" },
		{ 160, 4, 1, "two runs" },
	};
	SEED_AUTO(seed_list_closep) struct seed_list *list = new_list(state, "a", 5);
	SEED_AUTO(parts_free) struct parts parts = { 0 };
	struct seed_error err = { 0 };
	struct seed_digest d[2];
	uint64_t data;

	memset(d, 0xaa, sizeof(d));
	assert_ok(seed_list_set(list, 2, d, 2, &err), &err);
	assert_ok(seed_list_fill(list, 4, 1, SEED_BLOCK_MISSING, &err), &err);
	write_parts(&parts, list, SEED_LIST_PART_MAX);
	for (size_t i = 0; i < sizeof(patches) / sizeof(*patches); i++) {
		const struct patch *p = &patches[i];
		uint8_t value[8], saved[8];

		seed_put64(value, p->value);
		memcpy(saved, parts.bytes.data + p->at, 8);
		memcpy(parts.bytes.data + p->at, value, p->width);
		assert_fails(read_parts(&parts, 5, 4096, list, &data, &err), &err, SEED_ERR_FORMAT);
		if (!strstr(err.text, p->says))
			fail_msg("patch %zu: \"%s\" does not say \"%s\"", i, err.text, p->says);
		memcpy(parts.bytes.data + p->at, saved, 8);
	}
	/* A digest that would read as another kind at home. */
	memset(parts.bytes.data + 168 + 32, 0, 32);
	assert_fails(read_parts(&parts, 5, 4096, list, &data, &err), &err, SEED_ERR_FORMAT);
	memset(parts.bytes.data + 168 + 32, 0xff, 32);
	assert_fails(read_parts(&parts, 5, 4096, list, &data, &err), &err, SEED_ERR_FORMAT);
}

static void other_parts_disks_and_tails_are_refused_for_good(void **state)
{
	SEED_AUTO(seed_list_reader_freep) struct seed_list_reader *r = NULL;
	SEED_AUTO(parts_free) struct parts parts = { 0 };
	struct seed_error err;
	uint64_t data;

	sample(state, &parts, 400);
	assert_fails(seed_list_reader_new(&r, DISK, UINT64_MAX, NULL, &err), &err, SEED_ERR_RANGE);
	/* The second part in place of the first. */
	assert_ok(seed_list_reader_new(&r, DISK, 60, NULL, &err), &err);
	assert_ok(seed_list_reader_begin_part(r, 1, &err), &err);
	assert_fails(seed_list_reader_add(r, parts.bytes.data + parts.ends[0],
					  parts.ends[1] - parts.ends[0], &err), &err,
		     SEED_ERR_FORMAT);
	/* And nothing mends it. */
	assert_fails(seed_list_reader_add(r, parts.bytes.data, 1, &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_list_reader_end_part(r, &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_list_reader_finish(r, &data, &err), &err, SEED_ERR_FORMAT);
	seed_list_reader_free(r);
	r = NULL;
	/* Another disk. */
	assert_ok(seed_list_reader_new(&r, DISK + 1, 60, NULL, &err), &err);
	assert_ok(seed_list_reader_begin_part(r, 1, &err), &err);
	assert_fails(seed_list_reader_add(r, parts.bytes.data, parts.ends[0], &err), &err,
		     SEED_ERR_FORMAT);
	seed_list_reader_free(r);
	r = NULL;
	/* A byte too many; a part left out. */
	assert_ok(seed_list_reader_new(&r, DISK, 60, NULL, &err), &err);
	assert_ok(seed_list_reader_begin_part(r, 1, &err), &err);
	assert_fails(seed_list_reader_add(r, parts.bytes.data, parts.ends[0] + 1, &err), &err,
		     SEED_ERR_FORMAT);
	seed_list_reader_free(r);
	r = NULL;
	assert_ok(seed_list_reader_new(&r, DISK, 60, NULL, &err), &err);
	assert_fails(seed_list_reader_begin_part(r, 2, &err), &err, SEED_ERR_FORMAT);
}

static void parts_too_small_or_too_large_are_not_written(void **state)
{
	SEED_AUTO(seed_list_closep) struct seed_list *list = new_list(state, "a", 5);
	SEED_AUTO(parts_free) struct parts parts = { 0 };
	struct seed_error err;
	uint64_t next;

	assert_fails(seed_list_part_write(list, 0, 1, 0, &next, 151, put_bytes, &parts.bytes, &err),
		     &err, SEED_ERR_RANGE);
	assert_fails(seed_list_part_write(list, 0, 1, 0, &next, SEED_LIST_PART_MAX + 1ull,
					  put_bytes, &parts.bytes, &err), &err, SEED_ERR_RANGE);
	assert_fails(seed_list_part_write(list, 0, 1, 6, &next, 1000, put_bytes, &parts.bytes,
					  &err), &err, SEED_ERR_RANGE);
	assert_int_equal(parts.bytes.len, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lists_come_back_as_they_were),
		TEST(small_parts_hold_the_same),
		TEST(the_layout_is_the_specified_one),
		TEST(an_empty_disk_of_16_tib_is_120_bytes),
		TEST(a_disk_without_blocks_has_one_part_without_any),
		TEST(a_list_cut_anywhere_is_refused),
		TEST(every_flipped_bit_outside_digests_is_refused),
		TEST(counts_that_overflow_or_overlap_are_refused),
		TEST(other_parts_disks_and_tails_are_refused_for_good),
		TEST(parts_too_small_or_too_large_are_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
