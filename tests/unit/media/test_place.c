// SPDX-License-Identifier: LGPL-2.1-or-later
#include "mock_disks.h"

#include <fcntl.h>

#include "base/fd.h"
#include "media/fs_label.h"

/* The number of the mount that the folder is really on: the tables give it another source. */
static unsigned long long mount_id(const struct mock *mock)
{
	SEED_AUTO(seed_fd_closep) int fd = -1;
	char path[64], text[512];
	const char *line;
	ssize_t got;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", mock->dir->fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	got = read(fd, text, sizeof(text) - 1);
	assert_true(got > 0);
	text[got] = '\0';
	line = strstr(text, "mnt_id:");
	assert_non_null(line);
	return strtoull(line + 7, NULL, 10);
}

/* The folder as if it lay on @device, @type and @source, mounted on @point (NULL: right there). */
static struct seed_place placed(struct mock *mock, const char *device, const char *point,
				const char *type, const char *source)
{
	struct seed_place place;
	struct seed_error err = { 0 };
	char text[1024];

	snprintf(text, sizeof(text), "%llu 1 %s / %s rw - %s %s rw\n", mount_id(mock), device,
		 point ? point : mock->dir->path, type, source);
	mock_mounts(mock, text);
	mock_read(mock);
	assert_ok(seed_place_find(&place, mock->disks, mock->dir->fd, &err), &err);
	return place;
}

static void a_folder_on_a_usb_disk_is_fit(void **state)
{
	struct mock *mock = *state;
	struct seed_place place;

	mock_plug(mock, "usb-sata-disk");
	place = placed(mock, "8:33", NULL, "ext4", "/dev/sdc1");
	assert_int_equal(place.verdict, SEED_DISK_FIT);
	assert_true(place.mount_point);
	assert_string_equal(place.node, "/dev/sdc1");
	assert_string_equal(place.disk->serial, "WD-WXA1E33");
	place = placed(mock, "8:33", "/mnt", "ext4", "/dev/sdc1");	/* a folder below */
	assert_int_equal(place.verdict, SEED_DISK_FIT);
	assert_false(place.mount_point);
}

static void an_unlocked_one_is_what_it_stands_on(void **state)
{
	struct mock *mock = *state;
	struct seed_place place;

	mock_plug(mock, "usb-luks");
	place = placed(mock, "254:44", NULL, "ext4", "/dev/mapper/luks-caddy");
	assert_int_equal(place.verdict, SEED_DISK_FIT);
	assert_string_equal(place.disk->name, "sdj");
	assert_string_equal(place.node, "/dev/dm-4");
}

static void a_built_in_disk_is_named_with_the_reason(void **state)
{
	struct mock *mock = *state;
	struct seed_place place;

	mock_plug(mock, "sata-disk");
	place = placed(mock, "8:1", NULL, "ext4", "/dev/sda1");
	assert_int_equal(place.verdict, SEED_DISK_INTERNAL);
	assert_string_equal(place.why, "is on the disk sda (ST2000DM008-2FR102, serial ZFL0A1B2), "
			    "which is built in, as far as its bus tells");
	place = placed(mock, "8:1", "/", "ext4", "/dev/sda1");
	assert_int_equal(place.verdict, SEED_DISK_SYSTEM);
	assert_string_equal(place.why, "is a folder of what is mounted on \"/\", on the disk sda "
			    "(ST2000DM008-2FR102, serial ZFL0A1B2), which holds \"/\"");
}

static void what_is_no_disk_is_called_what_it_is(void **state)
{
	static const struct { const char *type, *source, *why; } all[] = {
		{ "tmpfs", "tmpfs", "is in memory (\"tmpfs\"): no disk that travels" },
		{ "nfs4", "nas:/x", "is on a network file system (\"nfs4\"): no disk that travels" },
		{ "overlay", "overlay", "is on layers of other file systems, as a container's "
		  "(\"overlay\"): no disk that travels" },
		/* A user may mount such a thing under any name. */
		{ "fuse.sshfs", "/dev/sdb1",
		  "is on a network file system (\"fuse.sshfs\"): no disk that travels" },
		{ "fuse.\\033[31m", "/dev/sdb1", "is on a file system behind which no disk is known "
		  "(\"fuse.%1B[31m\"): no disk that travels" },
	};
	struct mock *mock = *state;

	mock_plug(mock, "usb-stick");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct seed_place place = placed(mock, "0:60", NULL, all[i].type, all[i].source);

		assert_int_equal(place.verdict, SEED_DISK_UNKNOWN);
		assert_null(place.disk);
		assert_string_equal(place.why, all[i].why);
	}
}

static void a_loop_device_is_a_file(void **state)
{
	struct mock *mock = *state;
	struct seed_place place;

	mock_plug(mock, "loop");
	place = placed(mock, "7:3", NULL, "ext4", "/dev/loop3");
	assert_int_equal(place.verdict, SEED_DISK_UNKNOWN);
	assert_string_equal(place.why, "is inside the file \"/srv/images/a b.img\" (loop3): no disk "
			    "that travels");
}

static void a_mount_that_is_not_listed_is_not_fit(void **state)
{
	struct mock *mock = *state;
	struct seed_place place;
	struct seed_error err = { 0 };

	mock_plug(mock, "usb-stick");
	mock_read(mock);
	assert_ok(seed_place_find(&place, mock->disks, mock->dir->fd, &err), &err);
	assert_int_equal(place.verdict, SEED_DISK_UNKNOWN);
	assert_null(place.mount);
}

static void labels_fit_their_file_system(void **state)
{
	static const struct { const char *type, *label, *wanted; bool mounted; } all[] = {
		{ "ext4", "a label that is longer", "a label that is", true },
		{ "xfs", "blue caddy", "blue_caddy", true },
		{ "btrfs", "blue caddy", "blue caddy", true },
		{ "vfat", "vmseed-12345678", "VMSEED-1234", false },
		{ "vfat", "a.b", "A_B", false },
		{ "exfat", "blue caddy", "blue caddy", false },
		{ "ext4", "-f", "_f", true },
	};
	struct seed_fs_label plan;
	struct seed_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_true(seed_fs_label_plan(&plan, all[i].type, "/dev/sdb1", "/media/x",
					       all[i].label));
		assert_string_equal(plan.label, all[i].wanted);
		assert_int_equal(plan.while_mounted, all[i].mounted);
		if (!all[i].mounted)
			assert_fails(seed_fs_label_run(&plan, &err), &err, SEED_ERR_USAGE);
	}
	assert_false(seed_fs_label_plan(&plan, "tmpfs", "", "/media/x", "x"));
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		on_mock(a_folder_on_a_usb_disk_is_fit),
		on_mock(an_unlocked_one_is_what_it_stands_on),
		on_mock(a_built_in_disk_is_named_with_the_reason),
		on_mock(what_is_no_disk_is_called_what_it_is),
		on_mock(a_loop_device_is_a_file),
		on_mock(a_mount_that_is_not_listed_is_not_fit),
		cmocka_unit_test(labels_fit_their_file_system),
	};

	(void)argc;
	mock_begin(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
