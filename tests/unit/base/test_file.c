// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "tmpdir.h"

static void a_whole_file_is_read(void **state)
{
	struct tmpdir *dir = *state;
	SEED_AUTO(seed_freep) char *data = NULL;
	struct seed_error err = { 0 };
	size_t len;

	tmpdir_put(dir, "f", "a\0b", 3);
	assert_ok(seed_file_read(dir->fd, "f", 3, &data, &len, &err), &err);
	assert_int_equal(len, 3);
	assert_memory_equal(data, "a\0b", 4);
}

static void an_empty_file_is_empty_text(void **state)
{
	struct tmpdir *dir = *state;
	SEED_AUTO(seed_freep) char *data = NULL;
	struct seed_error err = { 0 };
	size_t len = 9;

	tmpdir_put(dir, "f", "", 0);
	assert_ok(seed_file_read(dir->fd, "f", 0, &data, &len, &err), &err);
	assert_int_equal(len, 0);
	assert_string_equal(data, "");
}

static void make_huge(const struct tmpdir *dir, const char *name)
{
	int fd = openat(dir->fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, INT64_C(1) << 43), 0);
	close(fd);
}

static void a_long_file_is_not_read(void **state)
{
	struct tmpdir *dir = *state;
	struct seed_error err;
	char *data = NULL;
	size_t len;

	tmpdir_put(dir, "f", "1234", 4);
	assert_fails(seed_file_read(dir->fd, "f", 3, &data, &len, &err), &err, SEED_ERR_RANGE);
	assert_null(data);
	/* Sparse terabytes take neither memory nor time. */
	make_huge(dir, "huge");
	assert_fails(seed_file_read(dir->fd, "huge", 1 << 20, &data, &len, &err), &err,
		     SEED_ERR_RANGE);
	assert_fails(seed_file_read(dir->fd, "none", 3, &data, &len, &err), &err,
		     SEED_ERR_NOTFOUND);
}

static void create_never_writes_over_a_file(void **state)
{
	struct tmpdir *dir = *state;
	struct seed_error err = { 0 };
	struct stat st;

	assert_ok(seed_file_create(dir->fd, "f", "old", 3, 0600, &err), &err);
	assert_true(tmpdir_holds(dir, "f", "old", 3));
	assert_int_equal(fstatat(dir->fd, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_fails(seed_file_create(dir->fd, "f", "newer", 5, 0600, &err), &err,
		     SEED_ERR_SYSTEM);
	assert_int_equal(err.sys_errno, EEXIST);
	assert_true(tmpdir_holds(dir, "f", "old", 3));
}

static void replace_gives_the_new_file_whole(void **state)
{
	struct tmpdir *dir = *state;
	struct seed_error err = { 0 };

	assert_ok(seed_path_make_folder(dir->fd, "d", 0700, &err), &err);
	assert_ok(seed_file_replace(dir->fd, "d/f", "first", 5, 0600, &err), &err);
	assert_true(tmpdir_holds(dir, "d/f", "first", 5));
	assert_ok(seed_file_replace(dir->fd, "d/f", "2nd", 3, 0600, &err), &err);
	assert_true(tmpdir_holds(dir, "d/f", "2nd", 3));
	assert_ok(seed_file_replace(dir->fd, "empty", "", 0, 0600, &err), &err);
	assert_true(tmpdir_holds(dir, "empty", "", 0));
	assert_int_equal(tmpdir_count(dir), 2);		/* no temporary file stays */
}

static void replace_puts_a_file_where_a_link_was(void **state)
{
	struct tmpdir *dir = *state;
	struct seed_error err = { 0 };

	tmpdir_put(dir, "target", "keep", 4);
	assert_int_equal(symlinkat("target", dir->fd, "f"), 0);
	assert_ok(seed_file_replace(dir->fd, "f", "new", 3, 0600, &err), &err);
	assert_true(tmpdir_holds(dir, "target", "keep", 4));
	assert_true(tmpdir_holds(dir, "f", "new", 3));
}

/* Run with files limited to 10 bytes: the write fails half way. */
static int limited(int (*write_file)(int, const char *, const void *, size_t, mode_t,
				     struct seed_error *),
		   int dir, struct seed_error *err)
{
	struct rlimit old, small;
	int rc;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 10;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	rc = write_file(dir, "f", "twenty bytes of data", 20, 0600, err);
	setrlimit(RLIMIT_FSIZE, &old);
	signal(SIGXFSZ, SIG_DFL);
	return rc;
}

static void a_failed_write_leaves_nothing_new(void **state)
{
	struct tmpdir *dir = *state;
	struct seed_error err;

	assert_fails(limited(seed_file_create, dir->fd, &err), &err, SEED_ERR_MEDIUM);
	assert_int_equal(tmpdir_count(dir), 0);
	tmpdir_put(dir, "f", "old", 3);
	assert_fails(limited(seed_file_replace, dir->fd, &err), &err, SEED_ERR_MEDIUM);
	assert_true(tmpdir_holds(dir, "f", "old", 3));
	assert_int_equal(tmpdir_count(dir), 1);
}

static void replace_does_not_replace_a_folder(void **state)
{
	struct tmpdir *dir = *state;
	struct seed_error err = { 0 };

	assert_ok(seed_path_make_folder(dir->fd, "d", 0700, &err), &err);
	assert_fails(seed_file_replace(dir->fd, "d", "x", 1, 0600, &err), &err, SEED_ERR_SYSTEM);
	assert_fails(seed_file_replace(dir->fd, "no/f", "x", 1, 0600, &err), &err,
		     SEED_ERR_NOTFOUND);
	assert_int_equal(tmpdir_count(dir), 1);
}

static void sweeping_takes_left_over_temporary_files_only(void **state)
{
	struct tmpdir *dir = *state;
	struct seed_error err = { 0 };

	tmpdir_put(dir, ".tmp-0123456789abcdef", "torn", 4);
	tmpdir_put(dir, ".tmp-", "torn", 4);
	tmpdir_put(dir, ".tmpx", "keep", 4);
	tmpdir_put(dir, "x.tmp-", "keep", 4);
	assert_ok(seed_file_sweep(dir->fd, &err), &err);
	assert_int_equal(tmpdir_count(dir), 2);
	assert_true(tmpdir_holds(dir, ".tmpx", "keep", 4));
	assert_ok(seed_file_sweep(dir->fd, &err), &err);
}

#define IN_TMPDIR(test) cmocka_unit_test_setup_teardown(test, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_TMPDIR(a_whole_file_is_read),
		IN_TMPDIR(an_empty_file_is_empty_text),
		IN_TMPDIR(a_long_file_is_not_read),
		IN_TMPDIR(create_never_writes_over_a_file),
		IN_TMPDIR(replace_gives_the_new_file_whole),
		IN_TMPDIR(replace_puts_a_file_where_a_link_was),
		IN_TMPDIR(a_failed_write_leaves_nothing_new),
		IN_TMPDIR(replace_does_not_replace_a_folder),
		IN_TMPDIR(sweeping_takes_left_over_temporary_files_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
