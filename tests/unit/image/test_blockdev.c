// SPDX-License-Identifier: LGPL-2.1-or-later
/* Real devices: a loop device over a file, where we may make one; skipped elsewhere. */
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "cmocka_all.h"
#include "image/blockdev.h"
#include "image/raw_source.h"
#include "tmpdir.h"

#define DEVICE_SIZE (8u << 20)

struct loop {
	char path[64];
	int fd;
};

/* A loop device over @name, which goes when it is closed. */
static bool attach(const struct tmpdir *dir, const char *name, struct loop *loop)
{
	struct loop_info64 info = { .lo_flags = LO_FLAGS_AUTOCLEAR };
	SEED_AUTO(seed_fd_closep) int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	SEED_AUTO(seed_fd_closep) int file = openat(dir->fd, name, O_RDWR | O_CLOEXEC);
	int number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);

	if (number < 0 || file < 0)
		return false;
	snprintf(loop->path, sizeof(loop->path), "/dev/loop%d", number);
	loop->fd = open(loop->path, O_RDWR | O_CLOEXEC);
	if (loop->fd < 0)
		return false;
	if (ioctl(loop->fd, LOOP_SET_FD, file) < 0) {
		close(loop->fd);
		return false;
	}
	return ioctl(loop->fd, LOOP_SET_STATUS64, &info) == 0;
}

static void need_loop(const struct tmpdir *dir, struct loop *loop)
{
	int fd = openat(dir->fd, "disk.img", O_RDWR | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, DEVICE_SIZE), 0);
	assert_int_equal(pwrite(fd, "hello", 5, 4096), 5);
	close(fd);
	if (!attach(dir, "disk.img", loop))
		skip();
}

static void a_free_device_is_a_source_with_its_size(void **state)
{
	SEED_AUTO(seed_source_closep) struct seed_source *src = NULL;
	struct seed_source_identity id;
	struct seed_error err = { 0 };
	enum seed_extent_kind kind;
	struct loop loop;
	char buf[5];
	uint64_t end;

	need_loop(*state, &loop);
	assert_ok(seed_raw_source_open(&src, loop.path, &err), &err);
	assert_int_equal(src->size, DEVICE_SIZE);
	assert_int_equal(src->sector_size, 512);
	assert_int_equal(src->held, SEED_CAPTURED_OFFLINE);
	assert_ok(seed_source_read(src, buf, 5, 4096, &err), &err);
	assert_memory_equal(buf, "hello", 5);
	/* Devices know no holes. */
	assert_ok(seed_source_extent(src, 0, &end, &kind, &err), &err);
	assert_int_equal(kind, SEED_EXTENT_DATA);
	assert_int_equal(end, DEVICE_SIZE);
	assert_ok(seed_source_identity(src, &id, &err), &err);
	assert_false(id.provable);
	assert_int_equal(id.size, DEVICE_SIZE);
	close(loop.fd);
}

static void a_device_opened_exclusively_elsewhere_is_busy(void **state)
{
	struct seed_source *src = NULL;
	struct seed_error err;
	struct loop loop;
	int other;

	need_loop(*state, &loop);
	other = open(loop.path, O_RDONLY | O_EXCL | O_CLOEXEC);
	assert_true(other >= 0);
	assert_fails(seed_raw_source_open(&src, loop.path, &err), &err, SEED_ERR_BUSY);
	assert_non_null(strstr(err.text, loop.path));
	close(other);
	close(loop.fd);
}

static void a_mounted_device_is_busy_and_its_folder_is_named(void **state)
{
	const struct tmpdir *dir = *state;
	char command[200], folder[400];
	struct seed_source *src = NULL;
	struct seed_error err;
	struct loop loop;

	need_loop(dir, &loop);
	snprintf(folder, sizeof(folder), "%s/mnt point", dir->path);
	snprintf(command, sizeof(command), "mkfs.ext2 -q %s >/dev/null 2>&1", loop.path);
	if (system(command) != 0 || mkdir(folder, 0700) < 0 ||
	    mount(loop.path, folder, "ext2", 0, NULL) < 0) {
		close(loop.fd);
		skip();
	}
	*err.text = '\0';
	if (seed_raw_source_open(&src, loop.path, &err) == 0)
		seed_source_close(src);
	umount(folder);
	close(loop.fd);
	assert_int_equal(err.kind, SEED_ERR_BUSY);
	assert_non_null(strstr(err.text, "mounted on"));
	assert_non_null(strstr(err.text, "/mnt point\""));
}

static void a_device_that_nobody_uses_says_no_more_than_that(void **state)
{
	char text[200];

	(void)state;
	/* A number that no driver has. */
	assert_string_equal(seed_blockdev_user((dev_t)0xfff00, text, sizeof(text)), "in use");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_free_device_is_a_source_with_its_size),
		TEST(a_device_opened_exclusively_elsewhere_is_busy),
		TEST(a_mounted_device_is_busy_and_its_folder_is_named),
		TEST(a_device_that_nobody_uses_says_no_more_than_that),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
