// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * QEMU's image lock, against a QEMU played by these tests and against qemu-io itself
 * where it is installed.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "cmocka_all.h"
#include "image/image_lock.h"
#include "image/raw_source.h"
#include "tmpdir.h"

struct image {
	char path[400];
};

static void put_image(void **state, struct image *image)
{
	const struct tmpdir *dir = *state;
	char zeroes[65536] = "";

	tmpdir_put(dir, "a.img", zeroes, sizeof(zeroes));
	snprintf(image->path, sizeof(image->path), "%s/a.img", dir->path);
}

/* A child that locks one byte as QEMU does, tells us, and waits to be killed. */
static pid_t child_with_lock(const struct image *image, off_t byte, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int fd = open(image->path, (type == F_WRLCK ? O_RDWR : O_RDONLY) | O_CLOEXEC);

		if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) < 0 || write(ready[1], "!", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	return pid;
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void who_may_write_or_resize_makes_it_busy_and_is_named(void **state)
{
	static const off_t bytes[] = { 101, 103, 200 };
	struct seed_source *src = NULL;
	struct seed_error err;
	struct image image;
	char pid_text[48];

	put_image(state, &image);
	for (size_t i = 0; i < sizeof(bytes) / sizeof(*bytes); i++) {
		pid_t pid = child_with_lock(&image, bytes[i], F_RDLCK);
		int rc = seed_raw_source_open(&src, image.path, &err);

		end_child(pid);
		assert_int_equal(rc, -1);
		assert_int_equal(err.kind, SEED_ERR_BUSY);
		snprintf(pid_text, sizeof(pid_text), "(pid %ld)", (long)pid);
		assert_non_null(strstr(err.text, pid_text));
		assert_non_null(strstr(err.text, image.path));
	}
	assert_ok(seed_raw_source_open(&src, image.path, &err), &err);
	seed_source_close(src);
}

static void readers_of_any_kind_are_welcome(void **state)
{
	static const off_t bytes[] = { 100, 102, 104, 201, 202, 203 };
	struct seed_error err = { 0 };
	struct image image;

	put_image(state, &image);
	for (size_t i = 0; i < sizeof(bytes) / sizeof(*bytes); i++) {
		SEED_AUTO(seed_source_closep) struct seed_source *src = NULL;
		pid_t pid = child_with_lock(&image, bytes[i], F_RDLCK);
		int rc = seed_raw_source_open(&src, image.path, &err);

		end_child(pid);
		assert_ok(rc, &err);
		assert_int_equal(src->held, SEED_CAPTURED_OFFLINE);
	}
}

static void an_exclusive_lock_on_our_bytes_is_busy(void **state)
{
	struct seed_source *src = NULL;
	struct seed_error err;
	struct image image;
	pid_t pid;
	int rc;

	put_image(state, &image);
	pid = child_with_lock(&image, 201, F_WRLCK);
	rc = seed_raw_source_open(&src, image.path, &err);
	end_child(pid);
	assert_int_equal(rc, -1);
	assert_int_equal(err.kind, SEED_ERR_BUSY);
}

static void the_same_image_can_be_held_twice(void **state)
{
	SEED_AUTO(seed_source_closep) struct seed_source *a = NULL;
	SEED_AUTO(seed_source_closep) struct seed_source *b = NULL;
	struct seed_error err = { 0 };
	struct image image;

	put_image(state, &image);
	assert_ok(seed_raw_source_open(&a, image.path, &err), &err);
	assert_ok(seed_raw_source_open(&b, image.path, &err), &err);
}

/* A loop device or dd takes no lock: the copy cannot be called held. */
static void a_writer_without_a_lock_leaves_it_unproven(void **state)
{
	struct seed_source *src = NULL;
	struct seed_error err = { 0 };
	struct image image;
	int fd;

	put_image(state, &image);
	fd = open(image.path, O_RDONLY | O_CLOEXEC);
	if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0) {
		close(fd);
		skip();		/* no leases here */
	}
	close(fd);
	fd = open(image.path, O_WRONLY | O_CLOEXEC);
	assert_ok(seed_raw_source_open(&src, image.path, &err), &err);
	assert_int_equal(src->held, SEED_CAPTURED_UNPROVEN);
	seed_source_close(src);
	close(fd);
	assert_ok(seed_raw_source_open(&src, image.path, &err), &err);
	assert_int_equal(src->held, SEED_CAPTURED_OFFLINE);
	/* And nobody is kept waiting afterwards. */
	fd = open(image.path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
	assert_true(fd >= 0);
	close(fd);
	seed_source_close(src);
}

static void need_qemu_io(void)
{
	if (system("qemu-io --version >/dev/null 2>&1") != 0)
		skip();
}

/* Wait until some process holds @byte of the image: QEMU takes its time to start. */
static void wait_for_lock(const struct image *image, off_t byte)
{
	for (int i = 0; i < 500; i++) {
		SEED_AUTO(seed_fd_closep) int fd = open(image->path, O_RDONLY | O_CLOEXEC);
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte,
				      .l_len = 1 };

		assert_int_equal(fcntl(fd, F_OFD_GETLK, &lock), 0);
		if (lock.l_type != F_UNLCK)
			return;
		usleep(20000);
	}
	fail_msg("qemu-io did not lock its image");
}

static void a_running_qemu_makes_it_busy_and_is_named(void **state)
{
	struct seed_source *src = NULL;
	struct seed_error err = { 0 };
	struct image image;
	char expected[64];
	pid_t pid;
	int rc;

	need_qemu_io();
	put_image(state, &image);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		execlp("qemu-io", "qemu-io", "-f", "raw", "-c", "sleep 60000", image.path, NULL);
		_exit(127);
	}
	wait_for_lock(&image, 101);
	rc = seed_raw_source_open(&src, image.path, &err);
	end_child(pid);
	assert_int_equal(rc, -1);
	assert_int_equal(err.kind, SEED_ERR_BUSY);
	snprintf(expected, sizeof(expected), "in use by \"qemu-io\" (pid %ld)", (long)pid);
	assert_non_null(strstr(err.text, expected));
}

static void qemu_may_read_but_not_write_what_we_hold(void **state)
{
	struct seed_source *src = NULL;
	struct seed_error err = { 0 };
	char command[1024], out[2048];
	struct image image;
	FILE *pipe_of;
	size_t len;

	need_qemu_io();
	put_image(state, &image);
	assert_ok(seed_raw_source_open(&src, image.path, &err), &err);
	snprintf(command, sizeof(command), "qemu-io -f raw -c 'write 0 512' '%s' 2>&1", image.path);
	pipe_of = popen(command, "re");
	assert_non_null(pipe_of);
	len = fread(out, 1, sizeof(out) - 1, pipe_of);
	out[len] = '\0';
	assert_int_not_equal(pclose(pipe_of), 0);
	assert_non_null(strstr(out, "Failed to get \"write\" lock"));
	snprintf(command, sizeof(command), "qemu-io -r -f raw -c 'read 0 512' '%s' >/dev/null",
		 image.path);
	assert_int_equal(system(command), 0);
	seed_source_close(src);
	snprintf(command, sizeof(command), "qemu-io -f raw -c 'write 0 512' '%s' >/dev/null",
		 image.path);
	assert_int_equal(system(command), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_may_write_or_resize_makes_it_busy_and_is_named),
		TEST(readers_of_any_kind_are_welcome),
		TEST(an_exclusive_lock_on_our_bytes_is_busy),
		TEST(the_same_image_can_be_held_twice),
		TEST(a_writer_without_a_lock_leaves_it_unproven),
		TEST(a_running_qemu_makes_it_busy_and_is_named),
		TEST(qemu_may_read_but_not_write_what_we_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
