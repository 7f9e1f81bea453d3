// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "media/media_internal.h"
#include "tmpdir.h"

/* A sysfs of our own: a folder with its parents, an attribute in one, a link as dev/block has. */
static void folder(const struct tmpdir *dir, const char *path)
{
	char copy[512];

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *p = copy; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		mkdirat(dir->fd, copy, 0755);
	}
	mkdirat(dir->fd, copy, 0755);
}

static void attribute(const struct tmpdir *dir, const char *path, const char *text)
{
	tmpdir_put(dir, path, text, strlen(text));
}

static void link_to(const struct tmpdir *dir, const char *target, const char *path)
{
	assert_int_equal(symlinkat(target, dir->fd, path), 0);
}

#define USB "devices/pci0000:00/usb2/2-1/host6/target6:0:0/6:0:0:0/block/sdb"
#define SATA "devices/pci0000:00/ata1/host0/target0:0:0/0:0:0:0/block/sda"

static void make_disks(const struct tmpdir *dir)
{
	folder(dir, "dev/block");
	folder(dir, USB "/sdb1");
	folder(dir, SATA "/sda1");
	attribute(dir, USB "/removable", "0\n");
	attribute(dir, USB "/sdb1/partition", "1\n");
	attribute(dir, "devices/pci0000:00/usb2/2-1/idVendor", "0bc2\n");
	attribute(dir, "devices/pci0000:00/usb2/2-1/serial", "NA8F\x1b[31m12\n");
	folder(dir, USB "/device");
	attribute(dir, USB "/device/model", "  Expansion HDD   \n");
	attribute(dir, SATA "/removable", "0\n");
	attribute(dir, SATA "/sda1/partition", "1\n");
	link_to(dir, "../../" USB, "dev/block/8:16");
	link_to(dir, "../../" USB "/sdb1", "dev/block/8:17");
	link_to(dir, "../../" SATA "/sda1", "dev/block/8:1");
}

static void a_disk_behind_usb_is_external(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_device device;

	make_disks(dir);
	seed_device_look(&device, dir->path, makedev(8, 16));
	assert_true(device.external);
	seed_device_look(&device, dir->path, makedev(8, 17));
	assert_true(device.external);
	assert_string_equal(device.model, "Expansion HDD");
	assert_string_equal(device.serial, "NA8F?[31m12");
}

static void a_disk_inside_is_not(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_device device;

	make_disks(dir);
	seed_device_look(&device, dir->path, makedev(8, 1));
	assert_false(device.external);
	assert_string_equal(device.serial, "");
}

static void what_is_not_known_is_not_external(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_device device;

	make_disks(dir);
	seed_device_look(&device, dir->path, makedev(0, 42));
	assert_false(device.external);
	seed_device_look(&device, "/nowhere", makedev(8, 16));
	assert_false(device.external);
}

static void a_removable_slot_is_external(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_device device;

	make_disks(dir);
	attribute(dir, SATA "/removable", "1\n");
	attribute(dir, SATA "/serial", "S3RIAL\n");
	seed_device_look(&device, dir->path, makedev(8, 1));
	assert_true(device.external);
	assert_string_equal(device.serial, "S3RIAL");
}

static void a_mapped_disk_is_what_it_stands_on(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_device device;

	make_disks(dir);
	folder(dir, "devices/virtual/block/dm-0/slaves");
	link_to(dir, "../../devices/virtual/block/dm-0", "dev/block/254:0");
	link_to(dir, "../../../../../" USB "/sdb1", "devices/virtual/block/dm-0/slaves/sdb1");
	seed_device_look(&device, dir->path, makedev(254, 0));
	assert_true(device.external);
	assert_string_equal(device.model, "Expansion HDD");
	link_to(dir, "../../../../../" SATA "/sda1", "devices/virtual/block/dm-0/slaves/sda1");
	seed_device_look(&device, dir->path, makedev(254, 0));
	assert_false(device.external);
	assert_string_equal(device.model, "");
}

static void a_loop_of_mapped_disks_ends(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_device device;

	make_disks(dir);
	folder(dir, "devices/virtual/block/dm-1/slaves");
	link_to(dir, "../../devices/virtual/block/dm-1", "dev/block/254:1");
	link_to(dir, "../../dm-1", "devices/virtual/block/dm-1/slaves/dm-1");
	seed_device_look(&device, dir->path, makedev(254, 1));
	assert_false(device.external);
}

#define on_tmpdir(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_tmpdir(a_disk_behind_usb_is_external),
		on_tmpdir(a_disk_inside_is_not),
		on_tmpdir(what_is_not_known_is_not_external),
		on_tmpdir(a_removable_slot_is_external),
		on_tmpdir(a_mapped_disk_is_what_it_stands_on),
		on_tmpdir(a_loop_of_mapped_disks_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
