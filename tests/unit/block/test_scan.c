// SPDX-License-Identifier: LGPL-2.1-or-later
/* One pass over a disk: what is read, what is not, in which order it comes. */
#include "cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "block/scan.h"
#include "crypto/digest.h"
#include "image/mem_image.h"
#include "image/raw_source.h"
#include "tmpdir.h"

#define B ((uint64_t)SEED_BLOCK_SIZE)

/* ---- a disk in memory ---- */

struct disk {
	struct seed_mem_image image;
	struct seed_source *source;
};

static struct disk new_disk(uint64_t size)
{
	struct disk d = { .image = { .data = calloc(1, size + 1), .size = size,
				     .fail_read_at = UINT64_MAX, .fail_write_at = UINT64_MAX } };

	assert_non_null(d.image.data);
	return d;
}

/* Not one zero page in it, and no two blocks alike. */
static void put_data(struct disk *d, uint64_t offset, uint64_t len)
{
	for (uint64_t i = offset; i < offset + len; i++)
		d->image.data[i] = (uint8_t)(i / 512 * 31 + i / B + 1) | 1;
}

static void open_disk(struct disk *d)
{
	struct seed_error err = { 0 };

	assert_ok(seed_mem_source_open(&d->source, &d->image, &err), &err);
}

static void free_disk(struct disk *d)
{
	seed_source_close(d->source);
	free(d->image.data);
}

/* ---- a scan of it ---- */

struct scanning {
	struct seed_pool *pool;
	struct seed_scan *scan;
};

static struct scanning begin_scan(struct disk *d, unsigned int workers, size_t depth,
				  bool (*known)(void *arg, uint64_t index,
						struct seed_digest *digest),
				  void *arg)
{
	const struct seed_pool_options pool = { .workers = workers };
	struct seed_scan_options opt = { .source = d->source, .depth = depth, .known = known,
					 .arg = arg };
	struct seed_error err = { 0 };
	struct scanning s = { 0 };

	assert_ok(seed_pool_new(&s.pool, &pool, &err), &err);
	opt.pool = s.pool;
	assert_ok(seed_scan_open(&s.scan, &opt, &err), &err);
	return s;
}

static void end_scan(struct scanning *s)
{
	seed_scan_close(s->scan);
	seed_pool_free(s->pool);
}

static struct seed_chunk *next_chunk(struct scanning *s)
{
	struct seed_error err = { 0 };
	struct seed_chunk *chunk = NULL;

	assert_ok(seed_scan_next(s->scan, &chunk, &err), &err);
	return chunk;
}

/* Check a chunk against the disk's bytes. Returns the blocks in it. */
static uint64_t check_chunk(const struct disk *d, const struct seed_chunk *c)
{
	for (uint64_t i = 0; i < c->count; i++) {
		uint64_t block = c->first + i, offset = block * B;
		uint32_t len = seed_grid_length(d->image.size, block);
		bool zero = seed_block_is_zero(d->image.data + offset, len);
		struct seed_digest digest;

		if (c->hole) {
			assert_true(zero);
			continue;
		}
		assert_int_equal(c->lengths[i], len);
		assert_int_equal(c->kinds[i], zero ? SEED_BLOCK_ZERO : SEED_BLOCK_DATA);
		if (zero || c->known[i])
			continue;
		seed_digest_of(&digest, d->image.data + offset, len);
		assert_memory_equal(&c->digests[i], &digest, sizeof(digest));
		assert_memory_equal(c->data + i * B, d->image.data + offset, len);
	}
	return c->count;
}

/* All of the disk, in order, as its bytes are. Returns the number of chunks. */
static unsigned int scan_all(struct disk *d, unsigned int workers, size_t depth)
{
	struct scanning s = begin_scan(d, workers, depth, NULL, NULL);
	struct seed_chunk *c;
	uint64_t at = 0;
	unsigned int chunks = 0;

	while ((c = next_chunk(&s)) != NULL) {
		assert_int_equal(c->first, at);
		assert_true(c->count > 0);
		assert_true(c->hole || c->count <= SEED_CHUNK_BLOCKS);
		at += check_chunk(d, c);
		seed_scan_give_back(s.scan, c);
		chunks++;
	}
	assert_int_equal(at, seed_grid_blocks(d->image.size));
	assert_null(next_chunk(&s));	/* the end stays the end */
	assert_int_equal(seed_scan_bytes_read(s.scan), d->image.bytes_read);
	end_scan(&s);
	return chunks;
}

/* ---- tests ---- */

static void an_empty_disk_has_no_chunks(void **state)
{
	struct disk d = new_disk(0);

	(void)state;
	open_disk(&d);
	assert_int_equal(scan_all(&d, 2, 4), 0);
	assert_int_equal(d.image.bytes_read, 0);
	free_disk(&d);
}

static void a_hole_is_never_read_however_large(void **state)
{
	struct disk d = new_disk(300 * B);

	(void)state;
	put_data(&d, 100 * B, 4 * B);
	open_disk(&d);
	/* Hole, the data up to the grid's next line and behind it, hole. */
	assert_true(scan_all(&d, 2, 4) <= 4);
	assert_int_equal(d.image.bytes_read, 4 * B);
	free_disk(&d);
}

static void a_disk_of_one_hole_is_one_chunk(void **state)
{
	struct disk d = new_disk(1000 * B + 12345);

	(void)state;
	open_disk(&d);
	assert_int_equal(scan_all(&d, 2, 1), 1);
	assert_int_equal(d.image.bytes_read, 0);
	free_disk(&d);
}

static void written_zeroes_are_read_and_are_zero(void **state)
{
	const struct tmpdir *dir = *state;
	struct disk d = new_disk(20 * B);
	char path[300];
	struct seed_error err = { 0 };

	/* In memory zero pages are holes; in a file written ones are data. */
	put_data(&d, 0, 20 * B);
	memset(d.image.data + 3 * B, 0, 5 * B);
	tmpdir_put(dir, "vda.raw", d.image.data, 20 * B);
	snprintf(path, sizeof(path), "%s/vda.raw", dir->path);
	assert_ok(seed_raw_source_open(&d.source, path, &err), &err);
	d.image.bytes_read = 20 * B;	/* what scan_all() compares with what was read */
	scan_all(&d, 2, 4);
	free_disk(&d);
}

/* Pages of data anywhere in a block make all of it data. */
static void a_hole_that_ends_inside_a_block_leaves_the_block_to_be_read(void **state)
{
	static const struct { uint64_t offset, len, read; } cases[] = {
		{ 5 * B + 8192, 4096, B },		/* in the middle of block 5 */
		{ 5 * B + 61440, 4096 + 4096, 2 * B },	/* over its end */
		{ 5 * B, 4096, B },			/* at its beginning */
		{ 5 * B + 61440, 4096, B },		/* at its end */
		{ 15 * B + 61440, 8192, 2 * B },	/* over the line between two chunks */
		{ 39 * B + 4096, 4096, B },		/* in the last */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct disk d = new_disk(40 * B);

		put_data(&d, cases[i].offset, cases[i].len);
		open_disk(&d);
		scan_all(&d, 2, 4);
		assert_int_equal(d.image.bytes_read, cases[i].read);
		free_disk(&d);
	}
}

static void odd_sizes_end_in_a_short_block(void **state)
{
	static const uint64_t sizes[] = { 1, 511, 512, 513, B - 1, B, B + 1, 2 * B - 1,
					  16 * B - 1, 16 * B, 16 * B + 1, 17 * B + 100 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct disk full = new_disk(sizes[i]), empty = new_disk(sizes[i]);

		put_data(&full, 0, sizes[i]);
		open_disk(&full);
		scan_all(&full, 2, 4);
		assert_int_equal(full.image.bytes_read, sizes[i]);
		free_disk(&full);
		open_disk(&empty);
		scan_all(&empty, 2, 4);
		assert_int_equal(empty.image.bytes_read, 0);
		free_disk(&empty);
	}
}

/* The same chunks and digests whatever the number of workers and chunks in flight. */
static void workers_and_depth_change_nothing(void **state)
{
	static const struct { unsigned int workers; size_t depth; } cases[] = {
		{ 0, 1 }, { 0, 8 }, { 1, 1 }, { 2, 1 }, { 2, 8 }, { 8, 32 },
	};
	unsigned int chunks = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct disk d = new_disk(200 * B + 700);

		for (uint64_t at = 0; at < 190; at += 7 + at % 11)
			put_data(&d, at * B + at * 100, (1 + at % 5) * B);
		put_data(&d, 200 * B, 700);
		open_disk(&d);
		if (i == 0)
			chunks = scan_all(&d, cases[i].workers, cases[i].depth);
		else
			assert_int_equal(scan_all(&d, cases[i].workers, cases[i].depth), chunks);
		free_disk(&d);
	}
}

struct known {
	uint64_t asked, last;		/* in order, data blocks only */
	const struct disk *disk;
	unsigned int every;
};

static bool is_known(void *arg, uint64_t index, struct seed_digest *digest)
{
	struct known *k = arg;

	assert_true(k->asked == 0 || index > k->last);
	k->last = index;
	k->asked++;
	if (index % k->every)
		return false;
	/* Told apart from what reading would give. */
	*digest = (struct seed_digest){ { 0xab } };
	return true;
}

static void a_known_block_is_not_read(void **state)
{
	struct disk d = new_disk(64 * B);
	struct known k = { .disk = &d, .every = 3 };
	struct scanning s;
	struct seed_chunk *c;
	uint64_t known = 0;

	(void)state;
	put_data(&d, 10 * B, 40 * B);
	open_disk(&d);
	s = begin_scan(&d, 2, 4, is_known, &k);
	while ((c = next_chunk(&s)) != NULL) {
		for (uint64_t i = 0; !c->hole && i < c->count; i++) {
			assert_int_equal(c->known[i], (c->first + i) % 3 == 0);
			known += c->known[i];
			if (c->known[i])
				assert_int_equal(c->digests[i].bytes[0], 0xab);
		}
		check_chunk(&d, c);
		seed_scan_give_back(s.scan, c);
	}
	assert_int_equal(k.asked, 40);
	assert_int_equal(known, 13);	/* 12, 15, ... 48 */
	assert_int_equal(d.image.bytes_read, (40 - 13) * B);
	assert_int_equal(seed_scan_bytes_read(s.scan), (40 - 13) * B);
	end_scan(&s);
	free_disk(&d);
}

static void all_known_is_nothing_read(void **state)
{
	struct disk d = new_disk(33 * B);
	struct known k = { .disk = &d, .every = 1 };
	struct scanning s;
	struct seed_chunk *c;

	(void)state;
	put_data(&d, 0, 33 * B);
	open_disk(&d);
	s = begin_scan(&d, 2, 4, is_known, &k);
	while ((c = next_chunk(&s)) != NULL)
		seed_scan_give_back(s.scan, c);
	assert_int_equal(d.image.bytes_read, 0);
	end_scan(&s);
	free_disk(&d);
}

static void a_read_error_comes_in_its_place_and_names_the_offset(void **state)
{
	static const unsigned int workers[] = { 0, 4 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct disk d = new_disk(100 * B);
		struct seed_chunk *c = NULL;
		struct seed_error err = { 0 };
		struct scanning s;
		uint64_t at = 0;
		int rc;

		put_data(&d, 0, 100 * B);
		d.image.fail_read_at = 50 * B + 1;
		open_disk(&d);
		s = begin_scan(&d, workers[i], 8, NULL, NULL);
		while ((rc = seed_scan_next(s.scan, &c, &err)) == 0 && c) {
			at += check_chunk(&d, c);
			seed_scan_give_back(s.scan, c);
		}
		assert_int_equal(rc, -1);
		assert_int_equal(at, 48);	/* whole chunks before it came out */
		assert_int_equal(err.kind, SEED_ERR_SYSTEM);
		assert_int_equal(err.sys_errno, EIO);
		assert_non_null(strstr(err.text, "3145728"));
		end_scan(&s);
		free_disk(&d);
	}
}

static void a_caller_may_keep_a_chunks_buffer(void **state)
{
	struct disk d = new_disk(64 * B);
	struct scanning s;
	struct seed_chunk *c;
	uint8_t *kept[4];
	struct seed_error err = { 0 };
	int n = 0;

	(void)state;
	put_data(&d, 0, 64 * B);
	open_disk(&d);
	s = begin_scan(&d, 2, 2, NULL, NULL);
	while ((c = next_chunk(&s)) != NULL) {
		kept[n++] = c->data;
		c->data = seed_buffer_new(SEED_CHUNK_SIZE, &err);
		assert_non_null(c->data);
		seed_scan_give_back(s.scan, c);
	}
	assert_int_equal(n, 4);
	end_scan(&s);
	for (int i = 0; i < 4; i++) {
		assert_memory_equal(kept[i], d.image.data + i * 16 * B, 16 * B);
		free(kept[i]);
	}
	free_disk(&d);
}

static void several_chunks_may_be_out_at_once(void **state)
{
	struct disk d = new_disk(64 * B);
	struct seed_chunk *c[4];
	struct scanning s;

	(void)state;
	put_data(&d, 0, 64 * B);
	open_disk(&d);
	s = begin_scan(&d, 2, 4, NULL, NULL);
	for (int i = 0; i < 4; i++)
		c[i] = next_chunk(&s);
	for (int i = 3; i >= 0; i--) {
		assert_int_equal(c[i]->first, 16 * i);
		check_chunk(&d, c[i]);
		seed_scan_give_back(s.scan, c[i]);
	}
	assert_null(next_chunk(&s));
	end_scan(&s);
	free_disk(&d);
}

static void closing_in_the_middle_is_fine(void **state)
{
	struct disk d = new_disk(400 * B);

	(void)state;
	put_data(&d, 0, 400 * B);
	open_disk(&d);
	for (int i = 0; i < 20; i++) {
		struct scanning s = begin_scan(&d, 3, 8, NULL, NULL);

		if (i % 2)
			seed_scan_give_back(s.scan, next_chunk(&s));
		end_scan(&s);
	}
	free_disk(&d);
}

static void asked_to_stop_it_stops(void **state)
{
	struct disk d = new_disk(100 * B);
	const struct seed_pool_options pool_opt = { .workers = 2 };
	struct seed_cancel cancel = { 0 };
	struct seed_scan_options opt = { .depth = 4, .cancel = &cancel };
	SEED_AUTO(seed_pool_freep) struct seed_pool *pool = NULL;
	SEED_AUTO(seed_scan_closep) struct seed_scan *scan = NULL;
	struct seed_chunk *c;
	struct seed_error err = { 0 };

	(void)state;
	put_data(&d, 0, 100 * B);
	open_disk(&d);
	assert_ok(seed_pool_new(&pool, &pool_opt, &err), &err);
	opt.source = d.source;
	opt.pool = pool;
	assert_ok(seed_scan_open(&scan, &opt, &err), &err);
	assert_ok(seed_scan_next(scan, &c, &err), &err);
	seed_scan_give_back(scan, c);
	atomic_store(&cancel.signal, 2);
	assert_fails(seed_scan_next(scan, &c, &err), &err, SEED_ERR_CANCELLED);
	seed_scan_close(seed_steal(&scan));
	free_disk(&d);
}

static void measuring_reads_nothing_and_counts_whole_blocks(void **state)
{
	struct disk d = new_disk(100 * B + 5000);
	struct seed_error err = { 0 };
	uint64_t bytes;

	(void)state;
	put_data(&d, 10 * B + 4096, 4096);		/* within a block */
	put_data(&d, 20 * B + 61440, 8192);		/* over two */
	put_data(&d, 30 * B, 4096);			/* twice in one */
	put_data(&d, 30 * B + 8192, 4096);
	put_data(&d, 100 * B, 5000);			/* the short last one */
	open_disk(&d);
	assert_ok(seed_scan_measure(d.source, &bytes, &err), &err);
	assert_int_equal(bytes, 4 * B + 5000);
	assert_int_equal(d.image.bytes_read, 0);
	scan_all(&d, 2, 4);
	assert_int_equal(d.image.bytes_read, bytes);
	free_disk(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_disk_has_no_chunks),
		cmocka_unit_test(a_hole_is_never_read_however_large),
		cmocka_unit_test(a_disk_of_one_hole_is_one_chunk),
		cmocka_unit_test_setup_teardown(written_zeroes_are_read_and_are_zero, tmpdir_setup,
						tmpdir_teardown),
		cmocka_unit_test(a_hole_that_ends_inside_a_block_leaves_the_block_to_be_read),
		cmocka_unit_test(odd_sizes_end_in_a_short_block),
		cmocka_unit_test(workers_and_depth_change_nothing),
		cmocka_unit_test(a_known_block_is_not_read),
		cmocka_unit_test(all_known_is_nothing_read),
		cmocka_unit_test(a_read_error_comes_in_its_place_and_names_the_offset),
		cmocka_unit_test(a_caller_may_keep_a_chunks_buffer),
		cmocka_unit_test(several_chunks_may_be_out_at_once),
		cmocka_unit_test(closing_in_the_middle_is_fine),
		cmocka_unit_test(asked_to_stop_it_stops),
		cmocka_unit_test(measuring_reads_nothing_and_counts_whole_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
