// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "tmpdir.h"

static int open_in(void **state, const char *name)
{
	struct tmpdir *dir = *state;
	int fd = openat(dir->fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	return fd;
}

static void bytes_written_are_read_back(void **state)
{
	SEED_AUTO(seed_fd_closep) int fd = open_in(state, "f");
	struct seed_error err = { 0 };
	char buf[16];
	size_t got;

	assert_ok(seed_fd_write(fd, "hello", 5, &err), &err);
	assert_ok(seed_fd_pwrite(fd, "world", 5, 10, &err), &err);
	assert_ok(seed_fd_pread(fd, buf, 15, 0, &err), &err);
	assert_memory_equal(buf, "hello\0\0\0\0\0world", 15);
	assert_ok(seed_fd_pread_some(fd, buf, 16, 3, &got, &err), &err);
	assert_int_equal(got, 12);
	assert_ok(seed_fd_pread_some(fd, buf, 16, 15, &got, &err), &err);
	assert_int_equal(got, 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_ok(seed_fd_read(fd, buf, 5, &err), &err);
	assert_memory_equal(buf, "hello", 5);
	assert_ok(seed_fd_read(fd, buf, 0, &err), &err);
	seed_fd_drop_cache(fd);
	assert_ok(seed_fd_sync(fd, &err), &err);
}

static void an_early_end_is_a_format_error(void **state)
{
	SEED_AUTO(seed_fd_closep) int fd = open_in(state, "f");
	struct seed_error err = { 0 };
	char buf[16];

	assert_ok(seed_fd_write(fd, "hello", 5, &err), &err);
	assert_fails(seed_fd_pread(fd, buf, 6, 0, &err), &err, SEED_ERR_FORMAT);
	assert_non_null(strstr(err.text, "ends at offset 5"));
	assert_fails(seed_fd_pread(fd, buf, 1, 5, &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_fd_pread(fd, buf, 1, 1000, &err), &err, SEED_ERR_FORMAT);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_fails(seed_fd_read(fd, buf, 6, &err), &err, SEED_ERR_FORMAT);
}

static void offsets_past_every_file_are_range_errors(void **state)
{
	SEED_AUTO(seed_fd_closep) int fd = open_in(state, "f");
	struct seed_error err;
	char buf[4] = "";
	size_t got;

	assert_fails(seed_fd_pread(fd, buf, 4, UINT64_MAX, &err), &err, SEED_ERR_RANGE);
	assert_fails(seed_fd_pread_some(fd, buf, 4, INT64_MAX - 3, &got, &err), &err,
		     SEED_ERR_RANGE);
	assert_fails(seed_fd_pwrite(fd, buf, 4, UINT64_C(1) << 63, &err), &err, SEED_ERR_RANGE);
}

static void system_errors_keep_their_errno(void **state)
{
	struct tmpdir *dir = *state;
	struct seed_error err;
	int closed = 12345;
	char buf[1] = "";

	assert_fails(seed_fd_pread(dir->fd, buf, 1, 0, &err), &err, SEED_ERR_SYSTEM);
	assert_int_equal(err.sys_errno, EISDIR);
	assert_fails(seed_fd_write(closed, buf, 1, &err), &err, SEED_ERR_SYSTEM);
	assert_int_equal(err.sys_errno, EBADF);
	assert_fails(seed_fd_sync(closed, &err), &err, SEED_ERR_SYSTEM);
	assert_fails(seed_fd_close(&closed, &err), &err, SEED_ERR_SYSTEM);
	assert_int_equal(closed, -1);
	assert_ok(seed_fd_close(&closed, &err), &err);
	seed_fd_closep(&closed);
}

static void no_space_is_a_medium_error(void **state)
{
	SEED_AUTO(seed_fd_closep) int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	SEED_AUTO(seed_fd_closep) int fd = open_in(state, "f");
	struct rlimit old, small = { .rlim_cur = 100 };
	struct seed_error err;
	char buf[200] = "";
	int rc;

	assert_true(full >= 0);
	assert_fails(seed_fd_write(full, "x", 1, &err), &err, SEED_ERR_MEDIUM);
	assert_int_equal(err.sys_errno, ENOSPC);
	assert_fails(seed_fd_pwrite(full, "x", 1, 0, &err), &err, SEED_ERR_MEDIUM);

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	small.rlim_max = old.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	rc = seed_fd_pwrite(fd, buf, 200, 0, &err);
	setrlimit(RLIMIT_FSIZE, &old);
	signal(SIGXFSZ, SIG_DFL);
	assert_int_equal(rc, -1);
	assert_int_equal(err.kind, SEED_ERR_MEDIUM);
	assert_int_equal(err.sys_errno, EFBIG);
	assert_non_null(strstr(err.text, "offset 100"));
}

static void *dribble(void *arg)
{
	int fd = *(int *)arg;

	for (int i = 0; i < 200; i++) {
		char c = (char)i;

		usleep(100);
		if (write(fd, &c, 1) != 1)
			abort();
	}
	return NULL;
}

static void short_counts_and_eagain_are_gone_over(void **state)
{
	struct seed_error err = { 0 };
	unsigned char buf[200];
	pthread_t writer;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pthread_create(&writer, NULL, dribble, &ends[1]), 0);
	assert_ok(seed_fd_read(ends[0], buf, sizeof(buf), &err), &err);
	for (int i = 0; i < 200; i++)
		assert_int_equal(buf[i], i);
	pthread_join(writer, NULL);
	close(ends[0]);
	close(ends[1]);
}

static void *drain(void *arg)
{
	int fd = *(int *)arg;
	char buf[1000];
	size_t sum = 0;

	while (sum < 300000) {
		ssize_t n = read(fd, buf, sizeof(buf));

		if (n <= 0)
			abort();
		sum += (size_t)n;
	}
	return NULL;
}

static void a_full_pipe_is_waited_for(void **state)
{
	static char data[300000];
	struct seed_error err = { 0 };
	pthread_t reader;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(pthread_create(&reader, NULL, drain, &ends[0]), 0);
	assert_ok(seed_fd_write(ends[1], data, sizeof(data), &err), &err);
	pthread_join(reader, NULL);
	close(ends[0]);
	close(ends[1]);
}

static void folders_and_files_are_synced_pipes_are_not(void **state)
{
	struct tmpdir *dir = *state;
	struct seed_error err = { 0 };
	int ends[2];

	assert_ok(seed_fd_sync(dir->fd, &err), &err);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_fails(seed_fd_sync(ends[0], &err), &err, SEED_ERR_SYSTEM);	/* EINVAL */
	close(ends[0]);
	close(ends[1]);
}

/* What /proc calls this program: another name under valgrind. */
static void own_name(char *name, size_t size)
{
	FILE *comm = fopen("/proc/self/comm", "re");

	assert_non_null(comm);
	assert_non_null(fgets(name, (int)size, comm));
	name[strcspn(name, "\n")] = '\0';
	fclose(comm);
}

/* A child that holds a lock on "lock" until @done closes: also when a check failed. */
static pid_t start_holder(const struct tmpdir *dir, int ready[2], int done[2])
{
	pid_t child;
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	assert_int_equal(pipe2(done, O_CLOEXEC), 0);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int other = openat(dir->fd, "lock", O_RDWR | O_CLOEXEC);

		close(done[1]);
		if (flock(other, LOCK_EX) < 0 || write(ready[1], "r", 1) != 1)
			_exit(1);
		_exit(read(done[0], &byte, 1) != 0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	return child;
}

static void a_lock_is_refused_with_its_holder(void **state)
{
	SEED_AUTO(seed_fd_closep) int fd = open_in(state, "lock");
	struct seed_error err = { 0 }, shared = { 0 };
	char name[64], expected[160];
	int ready[2], done[2], rc, rc_shared;
	pid_t child = start_holder(*state, ready, done);

	own_name(name, sizeof(name));
	rc = seed_fd_lock(fd, "home /x", true, &err);
	rc_shared = seed_fd_lock(fd, "home /x", false, &shared);
	close(done[1]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	close(done[0]);
	close(ready[0]);
	close(ready[1]);
	assert_int_equal(rc, -1);
	assert_int_equal(err.kind, SEED_ERR_LOCKED);
	snprintf(expected, sizeof(expected), "home /x is locked by \"%s\" (pid %d)", name,
		 (int)child);
	assert_string_equal(err.text, expected);
	assert_int_equal(rc_shared, -1);
	assert_int_equal(shared.kind, SEED_ERR_LOCKED);
	assert_ok(seed_fd_lock(fd, "home /x", true, &err), &err);
}

static void locks_are_shared_or_exclusive_and_end_with_the_descriptor(void **state)
{
	SEED_AUTO(seed_fd_closep) int a = open_in(state, "lock");
	SEED_AUTO(seed_fd_closep) int b = open_in(state, "lock");
	struct seed_error err = { 0 };

	assert_ok(seed_fd_lock(a, "x", false, &err), &err);
	assert_ok(seed_fd_lock(b, "x", false, &err), &err);
	assert_fails(seed_fd_lock(b, "x", true, &err), &err, SEED_ERR_LOCKED);
	seed_fd_closep(&a);
	assert_int_equal(a, -1);
	assert_ok(seed_fd_lock(b, "x", true, &err), &err);
}

static void *release_soon(void *arg)
{
	const struct timespec soon = { .tv_nsec = 100 * 1000 * 1000 };

	nanosleep(&soon, NULL);
	seed_fd_closep(arg);
	return NULL;
}

static void a_lock_held_for_a_moment_is_waited_for(void **state)
{
	int held = open_in(state, "lock");
	SEED_AUTO(seed_fd_closep) int fd = open_in(state, "lock");
	struct seed_error err = { 0 };
	pthread_t thread;

	assert_ok(seed_fd_lock(held, "x", true, &err), &err);
	assert_int_equal(pthread_create(&thread, NULL, release_soon, &held), 0);
	assert_ok(seed_fd_lock_wait(fd, "x", &err), &err);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(held, -1);
}

#define IN_TMPDIR(test) cmocka_unit_test_setup_teardown(test, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_TMPDIR(bytes_written_are_read_back),
		IN_TMPDIR(an_early_end_is_a_format_error),
		IN_TMPDIR(offsets_past_every_file_are_range_errors),
		IN_TMPDIR(system_errors_keep_their_errno),
		IN_TMPDIR(no_space_is_a_medium_error),
		cmocka_unit_test(short_counts_and_eagain_are_gone_over),
		cmocka_unit_test(a_full_pipe_is_waited_for),
		IN_TMPDIR(folders_and_files_are_synced_pipes_are_not),
		IN_TMPDIR(a_lock_is_refused_with_its_holder),
		IN_TMPDIR(locks_are_shared_or_exclusive_and_end_with_the_descriptor),
		IN_TMPDIR(a_lock_held_for_a_moment_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
