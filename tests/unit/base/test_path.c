// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/vec.h"
#include "tmpdir.h"

static void make_folder(int dir, const char *name)
{
	assert_int_equal(mkdirat(dir, name, 0755), 0);
}

static void open_fails(int dir, const char *path, int flags, enum seed_error_kind kind)
{
	struct seed_error err;
	int fd = -7;

	assert_fails(seed_path_open(&fd, dir, path, flags, 0600, &err), &err, kind);
	assert_non_null(strstr(err.text, path));
	assert_int_equal(fd, -7);
}

static void a_regular_file_beneath_opens(void **state)
{
	struct tmpdir *dir = *state;
	SEED_AUTO(seed_fd_closep) int fd = -1;
	struct seed_error err = { 0 };

	make_folder(dir->fd, "a");
	make_folder(dir->fd, "a/b");
	tmpdir_put(dir, "a/b/f", "x", 1);
	assert_ok(seed_path_open(&fd, dir->fd, "a/b/f", O_RDONLY, 0, &err), &err);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	seed_fd_closep(&fd);
	assert_ok(seed_path_open(&fd, dir->fd, "a/../a/b/f", O_RDWR, 0, &err), &err);
}

static void a_new_file_is_made_once(void **state)
{
	struct tmpdir *dir = *state;
	SEED_AUTO(seed_fd_closep) int fd = -1;
	SEED_AUTO(seed_fd_closep) int again = -1;
	struct seed_error err = { 0 };
	struct stat st;

	assert_ok(seed_path_open(&fd, dir->fd, "f", O_WRONLY | O_CREAT | O_EXCL, 0600, &err), &err);
	assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_fails(seed_path_open(&again, dir->fd, "f", O_WRONLY | O_CREAT | O_EXCL, 0600, &err),
		     &err, SEED_ERR_SYSTEM);
	assert_int_equal(err.sys_errno, EEXIST);
}

static void what_is_missing_is_not_found(void **state)
{
	struct tmpdir *dir = *state;
	struct seed_error err;
	int fd = -1;

	open_fails(dir->fd, "none", O_RDONLY, SEED_ERR_NOTFOUND);
	open_fails(dir->fd, "none/f", O_WRONLY | O_CREAT, SEED_ERR_NOTFOUND);
	assert_fails(seed_path_open_folder_at(&fd, dir->fd, "none", &err), &err,
		     SEED_ERR_NOTFOUND);
	assert_fails(seed_path_open_folder(&fd, "/nonexistent/x", &err), &err, SEED_ERR_NOTFOUND);
}

static void nothing_leads_out_of_the_folder(void **state)
{
	struct tmpdir *dir = *state;
	SEED_AUTO(seed_fd_closep) int sub = -1;
	struct seed_error err = { 0 };

	make_folder(dir->fd, "sub");
	tmpdir_put(dir, "secret", "x", 1);
	assert_ok(seed_path_open_folder_at(&sub, dir->fd, "sub", &err), &err);
	open_fails(sub, "../secret", O_RDONLY, SEED_ERR_FORMAT);
	open_fails(sub, "../sub/../secret", O_RDONLY, SEED_ERR_FORMAT);
	open_fails(sub, "/etc/passwd", O_RDONLY, SEED_ERR_FORMAT);
	open_fails(sub, "../new", O_WRONLY | O_CREAT | O_EXCL, SEED_ERR_FORMAT);
	assert_false(seed_path_exists(sub, "../secret"));
	assert_fails(seed_path_make_folder(sub, "../x", 0755, &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_path_make_folder(sub, "/x", 0755, &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_path_unlink(sub, "../secret", &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_path_remove_tree(sub, "../sub", &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_path_remove_tree(sub, "..", &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_path_remove_tree(sub, ".", &err), &err, SEED_ERR_FORMAT);
	assert_true(seed_path_exists(dir->fd, "secret"));
}

static void links_are_refused_everywhere_on_the_way(void **state)
{
	struct tmpdir *dir = *state;
	SEED_AUTO(seed_fd_closep) int fd = -1;
	struct seed_error err;

	make_folder(dir->fd, "real");
	tmpdir_put(dir, "real/f", "x", 1);
	assert_int_equal(symlinkat("real", dir->fd, "link"), 0);
	assert_int_equal(symlinkat("real/f", dir->fd, "flink"), 0);
	assert_int_equal(symlinkat("nowhere", dir->fd, "dangling"), 0);
	open_fails(dir->fd, "link/f", O_RDONLY, SEED_ERR_FORMAT);
	open_fails(dir->fd, "flink", O_RDONLY, SEED_ERR_FORMAT);
	open_fails(dir->fd, "dangling", O_WRONLY | O_CREAT, SEED_ERR_FORMAT);
	assert_fails(seed_path_open_folder_at(&fd, dir->fd, "link", &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_path_make_folder(dir->fd, "link", 0755, &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_path_make_folder(dir->fd, "link/new", 0755, &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_path_unlink(dir->fd, "link/f", &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_path_remove_tree(dir->fd, "link", &err), &err, SEED_ERR_FORMAT);
	assert_true(seed_path_exists(dir->fd, "real/f"));
	assert_true(seed_path_exists(dir->fd, "dangling"));	/* a link is something */
	assert_false(seed_path_exists(dir->fd, "link/f"));
}

static void only_regular_files_open_and_nothing_hangs(void **state)
{
	struct tmpdir *dir = *state;
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	SEED_AUTO(seed_fd_closep) int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	SEED_AUTO(seed_fd_closep) int dev = -1;
	struct seed_error err = { 0 };

	assert_int_equal(mkfifoat(dir->fd, "fifo", 0600), 0);
	make_folder(dir->fd, "folder");
	assert_true(snprintf(name.sun_path, sizeof(name.sun_path), "%.80s/sock", dir->path) > 0);
	assert_int_equal(bind(listening, (struct sockaddr *)&name, sizeof(name)), 0);
	alarm(20);	/* a hang is a failure */
	open_fails(dir->fd, "fifo", O_RDONLY, SEED_ERR_FORMAT);
	open_fails(dir->fd, "fifo", O_WRONLY, SEED_ERR_FORMAT);
	open_fails(dir->fd, "fifo", O_RDWR, SEED_ERR_FORMAT);
	open_fails(dir->fd, "sock", O_RDONLY, SEED_ERR_FORMAT);
	open_fails(dir->fd, "folder", O_RDONLY, SEED_ERR_FORMAT);
	open_fails(dir->fd, "folder", O_WRONLY, SEED_ERR_FORMAT);
	open_fails(dir->fd, "fifo/x", O_RDONLY, SEED_ERR_FORMAT);
	assert_ok(seed_path_open_folder(&dev, "/dev", &err), &err);
	open_fails(dev, "null", O_RDWR, SEED_ERR_FORMAT);
	alarm(0);
}

static void a_file_is_no_folder(void **state)
{
	struct tmpdir *dir = *state;
	struct seed_error err;
	int fd = -1;

	tmpdir_put(dir, "f", "x", 1);
	assert_fails(seed_path_open_folder_at(&fd, dir->fd, "f", &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_path_make_folder(dir->fd, "f", 0755, &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_path_make_folder(dir->fd, "f/x", 0755, &err), &err, SEED_ERR_FORMAT);
}

static void folders_are_made_once_and_kept(void **state)
{
	struct tmpdir *dir = *state;
	struct seed_error err = { 0 };

	assert_ok(seed_path_make_folder(dir->fd, "a", 0700, &err), &err);
	assert_ok(seed_path_make_folder(dir->fd, "a/b", 0700, &err), &err);
	tmpdir_put(dir, "a/b/f", "x", 1);
	assert_ok(seed_path_make_folder(dir->fd, "a/b", 0700, &err), &err);
	assert_true(seed_path_exists(dir->fd, "a/b/f"));
	assert_fails(seed_path_make_folder(dir->fd, "no/b", 0700, &err), &err, SEED_ERR_NOTFOUND);
	assert_fails(seed_path_make_folder(dir->fd, "a/", 0700, &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_path_make_folder(dir->fd, "", 0700, &err), &err, SEED_ERR_FORMAT);
}

static int collect(const char *name, void *arg, struct seed_error *err)
{
	struct seed_buf *buf = arg;

	if (strcmp(name, "stop") == 0)
		return seed_error_set(err, SEED_ERR_CANCELLED, "stopped");
	return seed_buf_addf(buf, err, "%s|", name);
}

static void names_come_sorted_by_bytes(void **state)
{
	struct tmpdir *dir = *state;
	struct seed_error err = { 0 };
	struct seed_buf buf = { 0 };

	tmpdir_put(dir, "b", "", 0);
	tmpdir_put(dir, "a10", "", 0);
	tmpdir_put(dir, "a9", "", 0);
	tmpdir_put(dir, "\xc3\xa4", "", 0);
	tmpdir_put(dir, "B", "", 0);
	tmpdir_put(dir, ".h", "", 0);
	assert_ok(seed_path_each(dir->fd, ".", 6, collect, &buf, &err), &err);
	assert_string_equal(buf.data, ".h|B|a10|a9|b|\xc3\xa4|");
	seed_buf_free(&buf);
	assert_ok(seed_path_each(dir->fd, ".", 6, collect, &buf, &err), &err);	/* and again */
	assert_string_equal(buf.data, ".h|B|a10|a9|b|\xc3\xa4|");
	seed_buf_free(&buf);
	assert_fails(seed_path_each(dir->fd, ".", 5, collect, &buf, &err), &err, SEED_ERR_RANGE);
	assert_int_equal(buf.len, 0);
	assert_fails(seed_path_each(dir->fd, "none", 5, collect, &buf, &err), &err,
		     SEED_ERR_NOTFOUND);
	make_folder(dir->fd, "empty");
	assert_ok(seed_path_each(dir->fd, "empty", 0, collect, &buf, &err), &err);
	assert_int_equal(buf.len, 0);
}

static void a_failing_visit_ends_the_walk(void **state)
{
	struct tmpdir *dir = *state;
	struct seed_error err = { 0 };
	struct seed_buf buf = { 0 };

	tmpdir_put(dir, "a", "", 0);
	tmpdir_put(dir, "stop", "", 0);
	tmpdir_put(dir, "z", "", 0);
	assert_fails(seed_path_each(dir->fd, ".", 10, collect, &buf, &err), &err,
		     SEED_ERR_CANCELLED);
	assert_string_equal(buf.data, "a|");
	seed_buf_free(&buf);
}

static void unlinking_what_is_gone_is_fine(void **state)
{
	struct tmpdir *dir = *state;
	struct seed_error err = { 0 };

	tmpdir_put(dir, "f", "x", 1);
	make_folder(dir->fd, "d");
	assert_ok(seed_path_unlink(dir->fd, "f", &err), &err);
	assert_ok(seed_path_unlink(dir->fd, "f", &err), &err);
	assert_ok(seed_path_unlink(dir->fd, "none/f", &err), &err);
	assert_fails(seed_path_unlink(dir->fd, "d", &err), &err, SEED_ERR_SYSTEM);
	assert_false(seed_path_exists(dir->fd, "f"));
}

static void a_tree_goes_but_not_what_its_links_point_to(void **state)
{
	struct tmpdir *dir = *state;
	struct seed_error err = { 0 };

	make_folder(dir->fd, "keep");
	tmpdir_put(dir, "keep/f", "x", 1);
	make_folder(dir->fd, "t");
	make_folder(dir->fd, "t/u");
	make_folder(dir->fd, "t/u/v");
	tmpdir_put(dir, "t/u/v/f", "x", 1);
	assert_int_equal(symlinkat("../../keep", dir->fd, "t/u/link"), 0);
	assert_int_equal(mkfifoat(dir->fd, "t/fifo", 0600), 0);
	assert_ok(seed_path_remove_tree(dir->fd, "t", &err), &err);
	assert_false(seed_path_exists(dir->fd, "t"));
	assert_true(seed_path_exists(dir->fd, "keep/f"));
	assert_fails(seed_path_remove_tree(dir->fd, "t", &err), &err, SEED_ERR_NOTFOUND);
	assert_fails(seed_path_remove_tree(dir->fd, "keep/f", &err), &err, SEED_ERR_FORMAT);
}

static void an_endlessly_deep_tree_is_a_range_error(void **state)
{
	struct tmpdir *dir = *state;
	SEED_AUTO(seed_fd_closep) int at = dup(dir->fd);
	struct seed_error err;

	for (int i = 0; i < 80; i++) {
		int next;

		make_folder(at, "d");
		next = openat(at, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(at);
		at = next;
	}
	assert_fails(seed_path_remove_tree(dir->fd, "d", &err), &err, SEED_ERR_RANGE);
}

static void very_long_paths_are_errors(void **state)
{
	struct tmpdir *dir = *state;
	struct seed_error err;
	char path[6000];

	for (size_t i = 0; i < sizeof(path) - 1; i++)
		path[i] = i % 2 ? '/' : 'a';
	path[sizeof(path) - 1] = '\0';
	path[sizeof(path) - 2] = 'x';
	assert_fails(seed_path_make_folder(dir->fd, path, 0700, &err), &err, SEED_ERR_SYSTEM);
	assert_false(seed_path_exists(dir->fd, path));
	memset(path, 'a', 300);
	path[300] = '\0';
	assert_fails(seed_path_make_folder(dir->fd, path, 0700, &err), &err, SEED_ERR_SYSTEM);
	assert_int_equal(err.sys_errno, ENAMETOOLONG);
}

#define IN_TMPDIR(test) cmocka_unit_test_setup_teardown(test, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_TMPDIR(a_regular_file_beneath_opens),
		IN_TMPDIR(a_new_file_is_made_once),
		IN_TMPDIR(what_is_missing_is_not_found),
		IN_TMPDIR(nothing_leads_out_of_the_folder),
		IN_TMPDIR(links_are_refused_everywhere_on_the_way),
		IN_TMPDIR(only_regular_files_open_and_nothing_hangs),
		IN_TMPDIR(a_file_is_no_folder),
		IN_TMPDIR(folders_are_made_once_and_kept),
		IN_TMPDIR(names_come_sorted_by_bytes),
		IN_TMPDIR(a_failing_visit_ends_the_walk),
		IN_TMPDIR(unlinking_what_is_gone_is_fine),
		IN_TMPDIR(a_tree_goes_but_not_what_its_links_point_to),
		IN_TMPDIR(an_endlessly_deep_tree_is_a_range_error),
		IN_TMPDIR(very_long_paths_are_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
