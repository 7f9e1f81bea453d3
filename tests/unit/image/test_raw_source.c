// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cmocka_all.h"
#include "image/raw_source.h"
#include "tmpdir.h"

#define MIB (1u << 20)

static char *path_of(const struct tmpdir *dir, const char *name, char *out)
{
	snprintf(out, 512, "%s/%s", dir->path, name);
	return out;
}

/* A sparse file with a page of data at each multiple of @step. */
static void put_sparse(const struct tmpdir *dir, const char *name, off_t size, off_t step)
{
	int fd = openat(dir->fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	char page[4096];

	memset(page, 'x', sizeof(page));
	assert_true(fd >= 0);
	for (off_t at = 0; step && at < size; at += step)
		assert_int_equal(pwrite(fd, page, sizeof(page), at), sizeof(page));
	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(close(fd), 0);
}

static void reads_are_exact_and_holes_are_zero(void **state)
{
	SEED_AUTO(seed_source_closep) struct seed_source *src = NULL;
	struct seed_error err = { 0 };
	char path[512], buf[8192];

	put_sparse(*state, "a.img", 3 * MIB + 7, MIB);
	assert_ok(seed_raw_source_open(&src, path_of(*state, "a.img", path), &err), &err);
	assert_int_equal(src->size, 3 * MIB + 7);
	assert_int_equal(src->sector_size, 512);
	assert_int_equal(src->held, SEED_CAPTURED_OFFLINE);
	assert_string_equal(src->name, path);
	assert_ok(seed_source_read(src, buf, sizeof(buf), MIB, &err), &err);
	assert_int_equal(buf[0], 'x');
	assert_int_equal(buf[4095], 'x');
	assert_int_equal(buf[4096], 0);
	assert_ok(seed_source_read(src, buf, 7, 3 * MIB, &err), &err);
	assert_memory_equal(buf, "xxxxxxx", 7);
}

static void reads_past_the_end_are_range_errors(void **state)
{
	SEED_AUTO(seed_source_closep) struct seed_source *src = NULL;
	SEED_AUTO(seed_freep) char *big = malloc(SEED_IO_MAX + 1);
	enum seed_extent_kind kind;
	struct seed_error err;
	char path[512], buf[16];
	uint64_t end;

	put_sparse(*state, "a.img", 8 * MIB, 0);
	assert_ok(seed_raw_source_open(&src, path_of(*state, "a.img", path), &err), &err);
	assert_fails(seed_source_read(src, buf, 2, 8 * MIB - 1, &err), &err, SEED_ERR_RANGE);
	assert_fails(seed_source_read(src, buf, 1, 8 * MIB, &err), &err, SEED_ERR_RANGE);
	assert_fails(seed_source_read(src, buf, 8, UINT64_MAX - 3, &err), &err, SEED_ERR_RANGE);
	assert_fails(seed_source_read(src, buf, 0, 0, &err), &err, SEED_ERR_RANGE);
	assert_fails(seed_source_read(src, big, SEED_IO_MAX + 1, 0, &err), &err, SEED_ERR_RANGE);
	assert_ok(seed_source_read(src, big, SEED_IO_MAX, 0, &err), &err);
	assert_fails(seed_source_extent(src, 8 * MIB, &end, &kind, &err), &err, SEED_ERR_RANGE);
}

/* Whatever the file system calls a hole: extents cover the disk, and ZERO is true. */
static void extents_cover_the_disk_and_zero_is_a_promise(void **state)
{
	SEED_AUTO(seed_source_closep) struct seed_source *src = NULL;
	SEED_AUTO(seed_freep) char *buf = malloc(SEED_IO_MAX);
	uint64_t size = 24 * (uint64_t)MIB + 100, data = 0, end;
	struct seed_error err = { 0 };
	enum seed_extent_kind kind;
	unsigned int extents = 0;
	char path[512];

	put_sparse(*state, "a.img", (off_t)size, 4 * MIB);
	assert_ok(seed_raw_source_open(&src, path_of(*state, "a.img", path), &err), &err);
	for (uint64_t at = 0; at < size; at = end, extents++) {
		assert_ok(seed_source_extent(src, at, &end, &kind, &err), &err);
		assert_true(end > at && end <= size);
		if (kind == SEED_EXTENT_DATA) {
			data += end - at;
			continue;
		}
		assert_true(end - at <= SEED_IO_MAX);
		assert_ok(seed_source_read(src, buf, end - at, at, &err), &err);
		for (uint64_t i = 0; i < end - at; i++)
			assert_int_equal(buf[i], 0);
	}
	assert_true(data >= 6 * 4096);
	if (data < size)	/* a file system with holes: six pages of data, six holes */
		assert_true(extents >= 11 && extents <= 13);
	/* Out of order, within an extent: the answer does not depend on what was asked before. */
	assert_ok(seed_source_extent(src, 4 * MIB + 100, &end, &kind, &err), &err);
	assert_int_equal(kind, SEED_EXTENT_DATA);
	assert_ok(seed_source_extent(src, 100, &end, &kind, &err), &err);
	assert_int_equal(kind, SEED_EXTENT_DATA);
}

static void a_file_of_holes_alone_is_one_zero_extent(void **state)
{
	SEED_AUTO(seed_source_closep) struct seed_source *src = NULL;
	uint64_t size = (uint64_t)1 << 40, end;
	struct seed_error err = { 0 };
	enum seed_extent_kind kind;
	char path[512];

	put_sparse(*state, "big.img", (off_t)size, 0);
	assert_ok(seed_raw_source_open(&src, path_of(*state, "big.img", path), &err), &err);
	assert_ok(seed_source_extent(src, 5, &end, &kind, &err), &err);
	assert_int_equal(end, size);
	assert_int_equal(kind, SEED_EXTENT_ZERO);
}

static void a_file_that_shrinks_is_busy(void **state)
{
	SEED_AUTO(seed_source_closep) struct seed_source *src = NULL;
	enum seed_extent_kind kind;
	char path[512], buf[8192];
	struct seed_error err;
	uint64_t end;

	put_sparse(*state, "a.img", 2 * MIB, 0);
	assert_ok(seed_raw_source_open(&src, path_of(*state, "a.img", path), &err), &err);
	assert_int_equal(truncate(path, MIB + 100), 0);
	assert_fails(seed_source_read(src, buf, sizeof(buf), MIB, &err), &err, SEED_ERR_BUSY);
	assert_fails(seed_source_read(src, buf, 1, 2 * MIB - 1, &err), &err, SEED_ERR_BUSY);
	assert_fails(seed_source_extent(src, MIB + 200, &end, &kind, &err), &err, SEED_ERR_BUSY);
	assert_ok(seed_source_read(src, buf, sizeof(buf), 0, &err), &err);
}

static void identity_tells_a_change_and_equality_needs_proof(void **state)
{
	SEED_AUTO(seed_source_closep) struct seed_source *src = NULL;
	struct seed_source_identity a, b;
	struct timespec old[2] = { { .tv_sec = 5 }, { .tv_sec = 1000000000, .tv_nsec = 7 } };
	struct seed_error err = { 0 };
	char path[512];

	put_sparse(*state, "a.img", MIB, 0);
	assert_int_equal(utimensat(AT_FDCWD, path_of(*state, "a.img", path), old, 0), 0);
	assert_ok(seed_raw_source_open(&src, path, &err), &err);
	assert_ok(seed_source_identity(src, &a, &err), &err);
	assert_ok(seed_source_identity(src, &b, &err), &err);
	assert_true(seed_source_identity_equal(&a, &b));
	assert_true(a.provable);
	assert_int_equal(a.mtime_ns, 1000000000000000007);
	assert_int_equal(a.size, MIB);
	old[1].tv_nsec++;
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	assert_ok(seed_source_identity(src, &b, &err), &err);
	assert_false(seed_source_identity_equal(&a, &b));
	b = a;
	b.provable = false;
	assert_false(seed_source_identity_equal(&a, &b));
}

static void what_is_no_disk_is_refused(void **state)
{
	struct seed_source *src = NULL;
	struct seed_error err;
	char path[512];

	assert_fails(seed_raw_source_open(&src, path_of(*state, "none", path), &err), &err,
		     SEED_ERR_SYSTEM);
	assert_int_equal(err.sys_errno, ENOENT);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(mkfifo(path_of(*state, "fifo", path), 0600), 0);
	assert_fails(seed_raw_source_open(&src, path, &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_raw_source_open(&src, ((struct tmpdir *)*state)->path, &err), &err,
		     SEED_ERR_FORMAT);
	assert_fails(seed_raw_source_open(&src, "/dev/null", &err), &err, SEED_ERR_FORMAT);
	assert_null(src);
}

static void an_empty_file_is_an_empty_disk(void **state)
{
	SEED_AUTO(seed_source_closep) struct seed_source *src = NULL;
	struct seed_error err;
	char path[512], byte;

	put_sparse(*state, "a.img", 0, 0);
	assert_ok(seed_raw_source_open(&src, path_of(*state, "a.img", path), &err), &err);
	assert_int_equal(src->size, 0);
	assert_fails(seed_source_read(src, &byte, 1, 0, &err), &err, SEED_ERR_RANGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(reads_are_exact_and_holes_are_zero),
		TEST(reads_past_the_end_are_range_errors),
		TEST(extents_cover_the_disk_and_zero_is_a_promise),
		TEST(a_file_of_holes_alone_is_one_zero_extent),
		TEST(a_file_that_shrinks_is_busy),
		TEST(identity_tells_a_change_and_equality_needs_proof),
		TEST(what_is_no_disk_is_refused),
		TEST(an_empty_file_is_an_empty_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
