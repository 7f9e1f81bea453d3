// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "cmocka_all.h"
#include "image/raw_sink.h"
#include "tmpdir.h"

#define BLOCK 65536u

static int dir_of(void **state)
{
	return ((struct tmpdir *)*state)->fd;
}

static void what_is_written_is_read_back_whatever_its_alignment(void **state)
{
	SEED_AUTO(seed_sink_abandonp) struct seed_sink *sink = NULL;
	SEED_AUTO(seed_freep) char *buf = seed_buffer_new(4 * BLOCK, NULL);
	SEED_AUTO(seed_freep) char *back = seed_buffer_new(4 * BLOCK, NULL);
	uint64_t size = 3 * BLOCK + 1000;
	struct seed_error err = { 0 };
	struct stat st;

	for (size_t i = 0; i < 4 * BLOCK; i++)
		buf[i] = (char)(i * 7 + i / 251);
	assert_ok(seed_raw_sink_create(&sink, dir_of(state), "d.raw", size, &err), &err);
	assert_true(sink->zeroed);
	assert_int_equal(sink->size, size);
	/* Aligned, the short end, and a block from a buffer that is not aligned. */
	assert_ok(seed_sink_write(sink, buf, BLOCK, 0, &err), &err);
	assert_ok(seed_sink_write(sink, buf + 3 * BLOCK, 1000, 3 * BLOCK, &err), &err);
	memcpy(back + 1, buf + 2 * BLOCK, BLOCK);
	assert_ok(seed_sink_write(sink, back + 1, BLOCK, 2 * BLOCK, &err), &err);
	assert_ok(seed_sink_sync(sink, &err), &err);
	assert_ok(seed_sink_read(sink, back, BLOCK, 0, &err), &err);
	assert_memory_equal(back, buf, BLOCK);
	assert_ok(seed_sink_read(sink, back + 3, 2 * BLOCK + 1000, BLOCK, &err), &err);
	memset(buf + BLOCK, 0, BLOCK);
	assert_memory_equal(back + 3, buf + BLOCK, 2 * BLOCK + 1000);
	assert_ok(seed_sink_close(sink, &err), &err);
	sink = NULL;
	assert_true(tmpdir_holds(*state, "d.raw", buf, size));
	assert_int_equal(fstatat(dir_of(state), "d.raw", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_new_sink_is_sparse_and_never_takes_an_old_file(void **state)
{
	SEED_AUTO(seed_sink_abandonp) struct seed_sink *sink = NULL;
	struct seed_sink *other = NULL;
	struct seed_error err = { 0 };
	struct stat st;

	assert_ok(seed_raw_sink_create(&sink, dir_of(state), "d.raw", (uint64_t)1 << 40, &err),
		  &err);
	assert_int_equal(fstatat(dir_of(state), "d.raw", &st, 0), 0);
	assert_int_equal(st.st_size, (off_t)1 << 40);
	assert_true(st.st_blocks < 64);
	assert_fails(seed_raw_sink_create(&other, dir_of(state), "d.raw", 5, &err), &err,
		     SEED_ERR_SYSTEM);
	assert_int_equal(err.sys_errno, EEXIST);
	assert_non_null(strstr(err.text, "d.raw"));
	assert_null(other);
}

static void going_on_needs_the_same_size_and_a_file(void **state)
{
	SEED_AUTO(seed_sink_abandonp) struct seed_sink *sink = NULL;
	struct seed_error err = { 0 };
	char back[5];

	tmpdir_put(*state, "d.raw", "12345", 5);
	assert_fails(seed_raw_sink_open(&sink, dir_of(state), "d.raw", 6, &err), &err,
		     SEED_ERR_FORMAT);
	assert_fails(seed_raw_sink_open(&sink, dir_of(state), "none", 6, &err), &err,
		     SEED_ERR_NOTFOUND);
	assert_int_equal(symlinkat("d.raw", dir_of(state), "link"), 0);
	assert_fails(seed_raw_sink_open(&sink, dir_of(state), "link", 5, &err), &err,
		     SEED_ERR_FORMAT);
	assert_ok(seed_raw_sink_open(&sink, dir_of(state), "d.raw", 5, &err), &err);
	assert_ok(seed_sink_write(sink, "xy", 2, 3, &err), &err);
	assert_ok(seed_sink_read(sink, back, 5, 0, &err), &err);
	assert_memory_equal(back, "123xy", 5);
}

static void what_lies_past_the_end_is_refused(void **state)
{
	SEED_AUTO(seed_sink_abandonp) struct seed_sink *sink = NULL;
	struct seed_error err = { 0 };
	char buf[16] = "";

	assert_ok(seed_raw_sink_create(&sink, dir_of(state), "d.raw", 10, &err), &err);
	assert_fails(seed_sink_write(sink, buf, 2, 9, &err), &err, SEED_ERR_RANGE);
	assert_fails(seed_sink_write(sink, buf, 2, UINT64_MAX, &err), &err, SEED_ERR_RANGE);
	assert_fails(seed_sink_write(sink, buf, 0, 0, &err), &err, SEED_ERR_RANGE);
	assert_fails(seed_sink_read(sink, buf, 11, 0, &err), &err, SEED_ERR_RANGE);
	assert_fails(seed_sink_reserve(sink, 5, 6, &err), &err, SEED_ERR_RANGE);
	assert_ok(seed_sink_reserve(sink, 10, 0, &err), &err);
	assert_ok(seed_sink_reserve(sink, 0, 10, &err), &err);
}

static void reserved_room_reads_as_zeroes(void **state)
{
	SEED_AUTO(seed_sink_abandonp) struct seed_sink *sink = NULL;
	SEED_AUTO(seed_freep) char *buf = seed_buffer_new(BLOCK, NULL);
	struct seed_error err = { 0 };
	struct stat st;

	assert_ok(seed_raw_sink_create(&sink, dir_of(state), "d.raw", 64 * BLOCK, &err), &err);
	assert_ok(seed_sink_reserve(sink, BLOCK, 16 * BLOCK, &err), &err);
	assert_int_equal(fstatat(dir_of(state), "d.raw", &st, 0), 0);
	assert_int_equal(st.st_size, 64 * BLOCK);
	memset(buf, 'x', BLOCK);
	assert_ok(seed_sink_read(sink, buf, BLOCK, 2 * BLOCK, &err), &err);
	for (size_t i = 0; i < BLOCK; i++)
		assert_int_equal(buf[i], 0);
}

/* A limit on file sizes stands for a full disk: the kernel refuses in the same places. */
static void no_room_is_the_mediums_error(void **state)
{
	struct rlimit old, limit;
	struct seed_sink *sink = NULL;
	struct seed_error err;
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = (struct rlimit){ .rlim_cur = 1 << 20, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_fails(seed_raw_sink_create(&sink, dir_of(state), "d.raw", 2 << 20, &err), &err,
		     SEED_ERR_MEDIUM);
	assert_int_equal(err.sys_errno, EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	signal(SIGXFSZ, handler);
	/* What could not be made whole is not left behind. */
	assert_int_equal(tmpdir_count(*state), 0);
}

/* A small file system of its own, where we may mount one. @then runs with its folder. */
static void on_small_tmpfs(void **state, void (*then)(int dir))
{
	const struct tmpdir *dir = *state;
	char path[400];
	int fd;

	snprintf(path, sizeof(path), "%s/small", dir->path);
	assert_int_equal(mkdir(path, 0700), 0);
	if (mount("tmpfs", path, "tmpfs", 0, "size=1m") < 0)
		skip();
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* It lives as long as it is open: nothing stays mounted when an assertion fails. */
	umount2(path, MNT_DETACH);
	assert_true(fd >= 0);
	then(fd);
	close(fd);
}

static void fill_small(int dir)
{
	SEED_AUTO(seed_sink_abandonp) struct seed_sink *sink = NULL;
	SEED_AUTO(seed_freep) char *buf = seed_buffer_new(BLOCK, NULL);
	struct seed_error err = { 0 };
	int rc = 0;

	memset(buf, 'x', BLOCK);
	assert_ok(seed_raw_sink_create(&sink, dir, "d.raw", 4 << 20, &err), &err);
	assert_fails(seed_sink_reserve(sink, 0, 4 << 20, &err), &err, SEED_ERR_MEDIUM);
	assert_int_equal(err.sys_errno, ENOSPC);
	for (uint64_t at = 0; rc == 0 && at < 4 << 20; at += BLOCK)
		rc = seed_sink_write(sink, buf, BLOCK, at, &err);
	assert_int_equal(rc, -1);
	assert_int_equal(err.kind, SEED_ERR_MEDIUM);
	assert_int_equal(err.sys_errno, ENOSPC);
	/* What was written before is there. */
	memset(buf, 0, BLOCK);
	assert_ok(seed_sink_read(sink, buf, BLOCK, BLOCK, &err), &err);
	assert_int_equal(buf[BLOCK - 1], 'x');
}

static void a_full_file_system_is_the_mediums_error(void **state)
{
	on_small_tmpfs(state, fill_small);
}

/* Close descriptors, or make them copies of @by. */
static void exchange_descriptors(const int *fds, size_t count, int by)
{
	for (size_t i = 0; i < count; i++) {
		if (by < 0)
			close(fds[i]);
		else
			assert_int_equal(dup2(by, fds[i]), fds[i]);
	}
}

static size_t descriptors_on(void **state, const char *name, int *fds, size_t max)
{
	struct stat want, st;
	size_t count = 0;

	assert_int_equal(fstatat(dir_of(state), name, &want, 0), 0);
	for (int fd = 3; fd < 100 && count < max; fd++)
		if (fstat(fd, &st) == 0 && st.st_dev == want.st_dev && st.st_ino == want.st_ino)
			fds[count++] = fd;
	return count;
}

/* The kernel tells of a lost write once; the sink remembers. */
static void after_a_failed_sync_the_sink_is_dead(void **state)
{
	SEED_AUTO(seed_sink_abandonp) struct seed_sink *sink = NULL;
	struct seed_error first, err;
	int fds[2], file;
	size_t count;

	assert_ok(seed_raw_sink_create(&sink, dir_of(state), "d.raw", 10, &err), &err);
	count = descriptors_on(state, "d.raw", fds, 2);
	assert_true(count >= 1);
	exchange_descriptors(fds, count, -1);
	assert_fails(seed_sink_sync(sink, &first), &first, SEED_ERR_SYSTEM);
	file = openat(dir_of(state), "d.raw", O_RDWR | O_CLOEXEC);
	exchange_descriptors(fds, count, file);
	assert_fails(seed_sink_sync(sink, &err), &err, SEED_ERR_SYSTEM);
	assert_string_equal(err.text, first.text);
	assert_int_equal(err.sys_errno, first.sys_errno);
	assert_fails(seed_sink_write(sink, "x", 1, 0, &err), &err, SEED_ERR_SYSTEM);
	assert_fails(seed_sink_reserve(sink, 0, 1, &err), &err, SEED_ERR_SYSTEM);
	if (file != fds[0] && (count < 2 || file != fds[1]))
		close(file);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_written_is_read_back_whatever_its_alignment),
		TEST(a_new_sink_is_sparse_and_never_takes_an_old_file),
		TEST(going_on_needs_the_same_size_and_a_file),
		TEST(what_lies_past_the_end_is_refused),
		TEST(reserved_room_reads_as_zeroes),
		TEST(no_room_is_the_mediums_error),
		TEST(a_full_file_system_is_the_mediums_error),
		TEST(after_a_failed_sync_the_sink_is_dead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
