// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
