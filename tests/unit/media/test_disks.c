// SPDX-License-Identifier: LGPL-2.1-or-later
#include "mock_disks.h"

#define ROOT_ON_SATA "22 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw\n"

static void judged(const struct mock *mock, const char *name, enum seed_disk_verdict verdict,
		   const char *why)
{
	const struct seed_disk *disk = mock_disk(mock, name);

	if (disk->verdict != verdict || strcmp(disk->why, why) != 0)
		fail_msg("%s: verdict %d: %s", name, (int)disk->verdict, disk->why);
}

static const struct seed_disk_fs *only_fs(const struct mock *mock, const char *name)
{
	const struct seed_disk *disk = mock_disk(mock, name);

	assert_int_equal(disk->filesystems.count, 1);
	return seed_vec_at(&disk->filesystems, 0);
}

/* ---- what can be taken away ---- */

static void a_usb_stick_may_serve(void **state)
{
	struct mock *mock = *state;
	const struct seed_disk *disk;
	const struct seed_disk_fs *fs;

	mock_plug(mock, "usb-stick");
	mock_read(mock);
	judged(mock, "sdb", SEED_DISK_FIT, "");
	disk = mock_disk(mock, "sdb");
	assert_string_equal(disk->node, "/dev/sdb");
	assert_string_equal(disk->model, "Ultra Fit");
	assert_string_equal(disk->serial, "4C530001230612110383");
	assert_string_equal(disk->bus, "usb");
	assert_true(disk->bytes == UINT64_C(60062500) * 512);
	assert_false(disk->read_only);
	fs = only_fs(mock, "sdb");
	assert_string_equal(fs->node, "/dev/sdb1");
	assert_string_equal(fs->type, "vfat");
	assert_string_equal(fs->label, "CADDY");
	assert_string_equal(fs->uuid, "1C2F-9A10");
	assert_null(fs->mount);
}

static void a_sata_disk_behind_usb_may_serve(void **state)
{
	struct mock *mock = *state;

	mock_plug(mock, "usb-sata-disk");	/* ID_BUS=ata, removable=0 */
	mock_read(mock);
	judged(mock, "sdc", SEED_DISK_FIT, "");
	assert_string_equal(mock_disk(mock, "sdc")->bus, "usb");
	assert_string_equal(mock_disk(mock, "sdc")->serial, "WD-WXA1E33");	/* not the dock's */
	assert_string_equal(only_fs(mock, "sdc")->label, "blue caddy");
}

static void enclosures_and_cards_may_serve(void **state)
{
	static const struct { const char *file, *name, *bus, *model; } all[] = {
		{ "usb-nvme-enclosure", "sdd", "usb", "RTL9210B NVMe" },
		{ "thunderbolt-nvme", "nvme1n1", "nvme", "Samsung SSD 970 EVO" },
		{ "sd-card", "mmcblk0", "sd", "SC32G" },
		{ "firewire-disk", "sdm", "firewire", "LaCie" },
	};
	struct mock *mock = *state;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		mock_plug(mock, all[i].file);
	mock_read(mock);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		judged(mock, all[i].name, SEED_DISK_FIT, "");
		assert_true(mock_disk(mock, all[i].name)->external);
		assert_string_equal(mock_disk(mock, all[i].name)->bus, all[i].bus);
		assert_string_equal(mock_disk(mock, all[i].name)->model, all[i].model);
	}
}

static void what_is_built_in_may_not(void **state)
{
	static const char why[] = "is built in, as far as its bus tells";
	struct mock *mock = *state;

	mock_plug(mock, "sata-disk");
	mock_plug(mock, "emmc");
	mock_read(mock);
	judged(mock, "sda", SEED_DISK_INTERNAL, why);
	judged(mock, "mmcblk1", SEED_DISK_INTERNAL, why);
	assert_string_equal(mock_disk(mock, "sda")->bus, "sata");
	assert_string_equal(mock_disk(mock, "mmcblk1")->bus, "mmc");
	assert_int_equal(seed_disks_count(mock->disks), 2);	/* its boot area is no disk */
}

static void a_disk_in_a_removable_slot_may_serve(void **state)
{
	struct mock *mock = *state;

	mock_plug(mock, "sata-disk");
	umockdev_testbed_set_attribute(mock->bed, "/sys/devices/pci0000:00/0000:00:1f.2/ata1/host0/"
				       "target0:0:0/0:0:0:0/block/sda", "removable", "1");
	mock_read(mock);
	judged(mock, "sda", SEED_DISK_FIT, "");
}

/* ---- what it holds ---- */

static void a_disk_behind_luks_and_lvm_backs_the_system(void **state)
{
	struct mock *mock = *state;

	mock_plug(mock, "system-luks-lvm");
	mock_plug(mock, "usb-stick");
	mock_mounts(mock, "22 1 254:41 / / rw shared:1 - ext4 /dev/mapper/vg-root rw\n"
		    "30 22 259:2 / /boot rw - ext4 /dev/nvme0n1p2 rw\n"
		    "31 30 259:1 / /boot/efi rw - vfat /dev/nvme0n1p1 rw\n"
		    "32 22 0:21 / /dev/shm rw - tmpfs tmpfs rw\n");
	mock_swaps(mock, "/dev/dm-2 partition 1000 0 -2\n");
	mock_read(mock);
	judged(mock, "nvme0n1", SEED_DISK_SYSTEM,
	       "backs \"/\" and swap through LVM on LUKS, holds \"/boot\" and \"/boot/efi\"");
	judged(mock, "sdb", SEED_DISK_FIT, "");
}

static void where_the_system_lies_decides_not_the_bus(void **state)
{
	struct mock *mock = *state;

	mock_plug(mock, "usb-stick");
	mock_plug(mock, "sd-card");
	mock_plug(mock, "usb-sata-disk");
	mock_plug(mock, "usb-nvme-enclosure");
	mock_mounts(mock, "22 1 179:1 / / rw - ext4 /dev/mmcblk0p1 rw\n"
		    "23 22 8:17 / /run/live/medium ro - vfat /dev/sdb1 ro\n"
		    "24 22 8:33 / /media/with\\040blank rw - ext4 /dev/sdc1 rw\n"
		    "25 22 8:49 /images /var/lib/libvirt/images rw - exfat /dev/sdd1 rw\n");
	mock_swaps(mock, "/media/with\\040blank/swapfile file 1000 0 -3\n");
	mock_read(mock);
	judged(mock, "mmcblk0", SEED_DISK_SYSTEM, "holds \"/\"");
	judged(mock, "sdb", SEED_DISK_SYSTEM, "holds \"/run/live/medium\"");
	judged(mock, "sdc", SEED_DISK_SYSTEM, "holds swap");
	judged(mock, "sdd", SEED_DISK_SYSTEM, "holds \"/var/lib/libvirt/images\"");
}

static void many_uses_are_told_in_bounds(void **state)
{
	struct mock *mock = *state;
	char text[8192] = "", line[512];

	mock_plug(mock, "usb-stick");
	for (int i = 0; i < 12; i++) {
		snprintf(line, sizeof(line), "%d 1 8:17 / /var/%d%0200d rw - vfat /dev/sdb1 rw\n",
			 40 + i, i, 0);
		strcat(text, line);
	}
	mock_mounts(mock, text);
	mock_read(mock);
	assert_int_equal(mock_disk(mock, "sdb")->verdict, SEED_DISK_SYSTEM);
	assert_non_null(strstr(mock_disk(mock, "sdb")->why, "holds \"/var/00"));
}

static void a_medium_that_is_mounted_may_serve(void **state)
{
	struct mock *mock = *state;
	const struct seed_disk_fs *fs;
	char text[1024];

	mock_plug(mock, "usb-sata-disk");
	mock_plug(mock, "twins");
	snprintf(text, sizeof(text), "40 1 8:33 /sub /mnt ro - ext4 /dev/sdc1 rw\n"
		 "41 1 8:33 / %s rw - ext4 /dev/sdc1 rw\n"
		 "42 1 0:50 / /media/b ro,noatime - btrfs /dev/sde1 rw\n", mock->dir->path);
	mock_mounts(mock, text);
	mock_read(mock);
	judged(mock, "sdc", SEED_DISK_FIT, "");
	fs = only_fs(mock, "sdc");
	assert_non_null(fs->mount);
	assert_string_equal(fs->mount->point, mock->dir->path);
	assert_false(fs->mount->read_only);
	assert_true(fs->free > 0);
	judged(mock, "sde", SEED_DISK_FIT, "");
	fs = only_fs(mock, "sde");
	assert_non_null(fs->mount);	/* btrfs: by its source, the number is anonymous */
	assert_true(fs->mount->read_only);
	assert_null(only_fs(mock, "sdf")->mount);
}

static void an_unlocked_medium_may_serve(void **state)
{
	struct mock *mock = *state;
	const struct seed_disk *disk;
	const struct seed_disk_fs *fs;

	mock_plug(mock, "usb-luks");
	mock_mounts(mock, "40 1 254:44 / /media/caddy rw - ext4 /dev/mapper/luks-caddy rw\n");
	mock_read(mock);
	judged(mock, "sdj", SEED_DISK_FIT, "");
	disk = mock_disk(mock, "sdj");
	assert_int_equal(disk->filesystems.count, 2);
	fs = seed_vec_at(&disk->filesystems, 1);
	assert_string_equal(fs->node, "/dev/mapper/luks-caddy");
	assert_string_equal(fs->label, "secret");
	assert_string_equal(fs->mount->point, "/media/caddy");
	mock_mounts(mock, "40 1 254:44 / /home rw - ext4 /dev/mapper/luks-caddy rw\n");
	mock_read(mock);
	judged(mock, "sdj", SEED_DISK_SYSTEM, "backs \"/home\" through LUKS");
}

static void what_others_use_may_not(void **state)
{
	struct mock *mock = *state;

	mock_plug(mock, "usb-zfs");
	mock_plug(mock, "usb-lvm");
	mock_plug(mock, "usb-btrfs-pair");
	mock_read(mock);
	judged(mock, "sdh", SEED_DISK_IN_USE, "holds a part of a ZFS pool");
	judged(mock, "sdi", SEED_DISK_IN_USE, "is in use by LVM (\"vms-images\")");
	judged(mock, "sde", SEED_DISK_IN_USE, "holds part of a btrfs file system on several disks");
	judged(mock, "sdf", SEED_DISK_IN_USE, "holds part of a btrfs file system on several disks");
}

/* Without ids from udev the kernel's own list of a mounted file system's devices tells. */
static void a_btrfs_on_two_disks_backs_what_is_mounted(void **state)
{
	struct mock *mock = *state;
	char path[512];

	mock_plug(mock, "twins");
	for (int i = 0; i < 2; i++) {
		g_autofree char *sys = umockdev_testbed_get_sys_dir(mock->bed);

		snprintf(path, sizeof(path), "%s/fs/btrfs/6a1f2b9e/devices/sd%c1", sys, 'e' + i);
		assert_int_equal(g_mkdir_with_parents(path, 0755), 0);
	}
	mock_mounts(mock, "42 1 0:50 / /media/b rw - btrfs /dev/sde1 rw\n");
	mock_read(mock);
	judged(mock, "sdf", SEED_DISK_IN_USE, "holds part of a btrfs file system on several disks");
	mock_mounts(mock, "42 1 0:50 /@ / rw - btrfs /dev/sde1 rw\n");
	mock_read(mock);
	judged(mock, "sde", SEED_DISK_SYSTEM, "holds \"/\"");
	judged(mock, "sdf", SEED_DISK_SYSTEM, "holds \"/\"");
}

static void a_reader_without_a_card_is_empty(void **state)
{
	struct mock *mock = *state;

	mock_plug(mock, "usb-empty-reader");
	mock_read(mock);
	judged(mock, "sdk", SEED_DISK_EMPTY, "has no card in it");
}

/* ---- which is which ---- */

static void two_of_a_model_differ_by_serial(void **state)
{
	struct mock *mock = *state;

	mock_plug(mock, "twins");
	mock_read(mock);
	assert_string_equal(mock_disk(mock, "sde")->model, mock_disk(mock, "sdf")->model);
	assert_string_equal(mock_disk(mock, "sde")->serial, "NA8F0001");
	assert_string_equal(mock_disk(mock, "sdf")->serial, "NA8F0002");
	judged(mock, "sde", SEED_DISK_FIT, "");
	judged(mock, "sdf", SEED_DISK_FIT, "");
}

static void a_disk_keeps_its_serial_when_its_name_changes(void **state)
{
	struct mock *mock = *state;
	char serial[SEED_DISK_TEXT];

	mock_plug(mock, "usb-stick");
	mock_read(mock);
	strcpy(serial, mock_disk(mock, "sdb")->serial);
	g_object_unref(mock->bed);
	mock->bed = umockdev_testbed_new();
	mock_plug(mock, "usb-stick-again");
	mock_read(mock);
	assert_int_equal(seed_disks_count(mock->disks), 1);
	assert_string_equal(mock_disk(mock, "sdg")->serial, serial);
}

static void hostile_words_are_bounded(void **state)
{
	struct mock *mock = *state;
	const struct seed_disk *disk;
	const struct seed_disk_fs *fs;

	mock_plug(mock, "usb-hostile");
	mock_read(mock);
	disk = mock_disk(mock, "sdl");
	assert_string_equal(disk->model, "?[31mred ????");
	assert_int_equal(strlen(disk->serial), SEED_DISK_TEXT - 1);
	assert_true(disk->bytes < UINT64_C(1) << 53);
	fs = only_fs(mock, "sdl");
	assert_non_null(memchr(fs->label, '\0', sizeof(fs->label)));
	assert_non_null(memchr(fs->uuid, '\0', sizeof(fs->uuid)));
}

static void without_disks_there_is_an_empty_list(void **state)
{
	struct mock *mock = *state;

	mock_read(mock);
	assert_int_equal(seed_disks_count(mock->disks), 0);
}

/* ---- the kernel's tables ---- */

static void tables_that_are_none_are_refused(void **state)
{
	static const char *const bad[] = { "x", "1 2 3", "22 1 8:1 / / rw shared:1 ext4 /dev/sda1 rw",
					   "22 1 8-1 / / rw - ext4 /dev/sda1 rw", "a 1 8:1 / / rw - e s r",
					   "22 1 8:1 / / rw - ext4" };
	struct mock *mock = *state;
	const struct seed_disks_from from = { mock->mountinfo, mock->swaps };
	const struct seed_disks_from gone = { "/nowhere/mountinfo", NULL };
	struct seed_error err = { 0 };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		mock_mounts(mock, bad[i]);
		assert_fails(seed_disks_read(&mock->disks, &from, &err), &err, SEED_ERR_FORMAT);
	}
	assert_fails(seed_disks_read(&mock->disks, &gone, &err), &err, SEED_ERR_SYSTEM);
	mock_mounts(mock, "22 1 0:5 / /x rw -   rw\n" ROOT_ON_SATA);	/* an empty source is fine */
	mock_read(mock);
	mock_swaps(mock, "/dev/sda\n");
	assert_fails(seed_disks_read(&mock->disks, &from, &err), &err, SEED_ERR_FORMAT);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		on_mock(a_usb_stick_may_serve),
		on_mock(a_sata_disk_behind_usb_may_serve),
		on_mock(enclosures_and_cards_may_serve),
		on_mock(what_is_built_in_may_not),
		on_mock(a_disk_in_a_removable_slot_may_serve),
		on_mock(a_disk_behind_luks_and_lvm_backs_the_system),
		on_mock(where_the_system_lies_decides_not_the_bus),
		on_mock(many_uses_are_told_in_bounds),
		on_mock(a_medium_that_is_mounted_may_serve),
		on_mock(an_unlocked_medium_may_serve),
		on_mock(what_others_use_may_not),
		on_mock(a_btrfs_on_two_disks_backs_what_is_mounted),
		on_mock(a_reader_without_a_card_is_empty),
		on_mock(two_of_a_model_differ_by_serial),
		on_mock(a_disk_keeps_its_serial_when_its_name_changes),
		on_mock(hostile_words_are_bounded),
		on_mock(without_disks_there_is_an_empty_list),
		on_mock(tables_that_are_none_are_refused),
	};

	(void)argc;
	mock_begin(argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
