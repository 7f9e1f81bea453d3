// SPDX-License-Identifier: LGPL-2.1-or-later
/* Block devices as udev and sysfs tell them (no .h: disks_internal.h). */
#include <ctype.h>
#include <errno.h>
#include <libudev.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "media/disks_internal.h"

static void unref_udev(struct udev **udev) { udev_unref(*udev); }
static void unref_enumerate(struct udev_enumerate **list) { udev_enumerate_unref(*list); }
static void unref_device(struct udev_device **device) { udev_device_unref(*device); }

/* ---- texts ---- */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	       c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* udev writes bytes that it does not like as \xNN in its _ENC properties. */
static void decode(char *out, size_t size, const char *text)
{
	size_t len = 0;

	while (*text && len + 1 < size) {
		if (text[0] == '\\' && text[1] == 'x' && hex_digit(text[2]) >= 0 &&
		    hex_digit(text[3]) >= 0) {
			out[len] = (char)(hex_digit(text[2]) << 4 | hex_digit(text[3]));
			text += 4;
			if (!out[len])
				break;
			len++;
		} else {
			out[len++] = *text++;
		}
	}
	out[len] = '\0';
}

/* A device's own words, for people and for medium.json: printable ASCII in one line, runs of blanks
 * as one and none at the ends; everything else becomes '?'. */
static void clean(char *out, size_t size, const char *text)
{
	size_t len = 0;

	for (; *text && len + 1 < size; text++) {
		if (isspace((unsigned char)*text)) {
			if (len && out[len - 1] != ' ')
				out[len++] = ' ';
		} else {
			out[len++] = *text > ' ' && *text <= '~' ? *text : '?';
		}
	}
	while (len && out[len - 1] == ' ')
		len--;
	out[len] = '\0';
}

static void copy(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text ? text : "");
}

/* ---- what one device says ---- */

static const char *property(struct udev_device *device, const char *name)
{
	const char *value = udev_device_get_property_value(device, name);

	return value && *value ? value : NULL;
}

/* The first of @names that says anything, cleaned. An _ENC property is decoded before. */
static void take_property(char *out, size_t size, struct udev_device *device,
			  const char *const *names)
{
	char decoded[512];

	for (; *names && !out[0]; names++) {
		const char *value = property(device, *names);

		if (!value)
			continue;
		decode(decoded, sizeof(decoded), value);
		clean(out, size, decoded);
	}
}

static void take_attribute(char *out, size_t size, struct udev_device *device,
			   const char *const *names)
{
	for (; *names && !out[0]; names++) {
		const char *value = udev_device_get_sysattr_value(device, *names);

		if (value)
			clean(out, size, value);
	}
}

static bool attribute_is(struct udev_device *device, const char *name, const char *wanted)
{
	const char *value = udev_device_get_sysattr_value(device, name);

	return value && strcmp(value, wanted) == 0;
}

/* Model and serial as lsblk shows them. The serial is the disk's own where that is known: a dock
 * gives its own one (ID_USB_SERIAL) to every disk that is put into it. */
static void take_names(struct seed_block *block, struct udev_device *device)
{
	static const char *const models[] = { "ID_MODEL_ENC", NULL };
	static const char *const model_files[] = { "device/model", "device/name", NULL };
	static const char *const plain_models[] = { "ID_MODEL", NULL };	/* blanks are "_" in it */
	static const char *const serials[] = { "ID_SCSI_SERIAL", "ID_SERIAL_SHORT",
					       "ID_USB_SERIAL_SHORT", NULL };
	static const char *const serial_files[] = { "device/serial", "serial", NULL };
	static const char *const usb_serial[] = { "serial", NULL };
	struct udev_device *usb =
		udev_device_get_parent_with_subsystem_devtype(device, "usb", "usb_device");

	take_property(block->model, sizeof(block->model), device, models);
	take_attribute(block->model, sizeof(block->model), device, model_files);
	take_property(block->model, sizeof(block->model), device, plain_models);
	take_property(block->serial, sizeof(block->serial), device, serials);
	take_attribute(block->serial, sizeof(block->serial), device, serial_files);
	if (usb)
		take_attribute(block->serial, sizeof(block->serial), usb, usb_serial);
}

static bool has_parent(struct udev_device *device, const char *subsystem, const char *type)
{
	return udev_device_get_parent_with_subsystem_devtype(device, subsystem, type);
}

/* Buses that cannot be pulled out are told by what stands in the path, as lsblk does. */
static const char *inner_bus(struct udev_device *device, const char *name)
{
	static const struct { const char *part, *bus; } parts[] = {
		{ "/end_device-", "sas" }, { "/session", "iscsi" }, { "/rport-", "fc" },
		{ "/ata", "sata" },
	};
	const char *path = udev_device_get_devpath(device);

	if (strncmp(name, "nvme", 4) == 0)
		return "nvme";
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const char *at = strstr(path, parts[i].part);

		if (at && isdigit((unsigned char)at[strlen(parts[i].part)]))
			return parts[i].bus;
	}
	if (has_parent(device, "virtio", NULL))
		return "virtio";
	return has_parent(device, "scsi", NULL) ? "scsi" : "";
}

/* Thunderbolt and ExpressCard slots: the kernel marks what hangs on them. */
static bool hangs_on_removable(struct udev_device *device)
{
	for (struct udev_device *at = udev_device_get_parent(device); at;
	     at = udev_device_get_parent(at))
		if (attribute_is(at, "removable", "removable"))
			return true;
	return false;
}

/* Can it be taken away? As udisks decides: by the parents, since ID_BUS is "ata" for a SATA disk
 * behind USB, and its `removable` is 0. An mmc device is judged by its own type alone: SD is a
 * card, MMC is soldered. */
static void take_bus(struct seed_block *block, struct udev_device *device)
{
	struct udev_device *mmc =
		udev_device_get_parent_with_subsystem_devtype(device, "mmc", NULL);

	if (has_parent(device, "usb", "usb_interface")) {
		copy(block->bus, sizeof(block->bus), "usb");
		block->external = true;
	} else if (has_parent(device, "firewire", NULL)) {
		copy(block->bus, sizeof(block->bus), "firewire");
		block->external = true;
	} else if (has_parent(device, "memstick", NULL)) {
		copy(block->bus, sizeof(block->bus), "memstick");
		block->external = true;
	} else if (mmc) {
		block->external = attribute_is(mmc, "type", "SD") ||
				  attribute_is(mmc, "type", "SDcombo");
		copy(block->bus, sizeof(block->bus), block->external ? "sd" : "mmc");
	} else {
		copy(block->bus, sizeof(block->bus), inner_bus(device, block->name));
		block->external = attribute_is(device, "removable", "1") ||
				  hangs_on_removable(device);
	}
}

/* ---- what kind it is ---- */

static const char *mapper_kind(const char *uuid)
{
	static const struct { const char *prefix, *kind; } kinds[] = {
		{ "CRYPT-LUKS", "LUKS" }, { "CRYPT-", "dm-crypt" }, { "LVM-", "LVM" },
		{ "mpath-", "multipath" },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strncmp(uuid, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
			return kinds[i].kind;
	return "device mapper";
}

static void take_stack(struct seed_block *block, struct udev_device *device)
{
	static const char *const names[] = { "dm/name", NULL };
	const char *uuid = udev_device_get_sysattr_value(device, "dm/uuid");

	if (strncmp(block->name, "dm-", 3) == 0) {
		copy(block->stack, sizeof(block->stack), mapper_kind(uuid ? uuid : ""));
		take_attribute(block->stack_name, sizeof(block->stack_name), device, names);
	} else {
		copy(block->stack, sizeof(block->stack),
		     strncmp(block->name, "md", 2) == 0 ? "RAID" :
		     strncmp(block->name, "bcache", 6) == 0 ? "bcache" : "a layer");
	}
	if (!block->stack_name[0])
		copy(block->stack_name, sizeof(block->stack_name), block->name);
}

static enum seed_block_kind kind_of(const struct seed_block *block, struct udev_device *device)
{
	static const char *const others[] = { "sr", "fd", "ram", "zram", "nbd", "rbd", NULL };
	static const char *const hardware = "/devices/virtual/nvme-subsystem/";
	const char *type = udev_device_get_devtype(device);

	if (type && strcmp(type, "partition") == 0)
		return SEED_BLOCK_PARTITION;
	if (strncmp(block->name, "loop", 4) == 0)
		return SEED_BLOCK_LOOP;
	for (const char *const *other = others; *other; other++)
		if (strncmp(block->name, *other, strlen(*other)) == 0 &&
		    isdigit((unsigned char)block->name[strlen(*other)]))
			return SEED_BLOCK_OTHER;
	if (attribute_is(device, "hidden", "1"))
		return SEED_BLOCK_OTHER;	/* one path to an NVMe disk that is there as well */
	if (has_parent(device, "block", "disk"))
		return SEED_BLOCK_OTHER;	/* the boot areas of an eMMC */
	if (strstr(block->syspath, "/devices/virtual/") && !strstr(block->syspath, hardware))
		return SEED_BLOCK_STACKED;
	return SEED_BLOCK_DISK;
}

static void take_filesystem(struct seed_block *block, struct udev_device *device)
{
	const char *label = property(device, "ID_FS_LABEL_ENC");

	copy(block->fs_type, sizeof(block->fs_type), property(device, "ID_FS_TYPE"));
	copy(block->fs_usage, sizeof(block->fs_usage), property(device, "ID_FS_USAGE"));
	copy(block->fs_uuid, sizeof(block->fs_uuid), property(device, "ID_FS_UUID"));
	decode(block->fs_label, sizeof(block->fs_label),
	       label			       ? label :
	       property(device, "ID_FS_LABEL") ? property(device, "ID_FS_LABEL") :
						 "");
}

/* Has udev been here? Its database alone has such names; sysfs has none of them. */
static bool udev_looked(struct udev_device *device)
{
	struct udev_list_entry *entry;

	udev_list_entry_foreach(entry, udev_device_get_properties_list_entry(device))
		if (strncmp(udev_list_entry_get_name(entry), "ID_", 3) == 0)
			return true;
	return false;
}

/* MAJOR and MINOR, or the file "dev" as the kernel has it. */
static dev_t number_of(struct udev_device *device)
{
	dev_t number = udev_device_get_devnum(device);
	const char *text = number ? NULL : udev_device_get_sysattr_value(device, "dev");
	unsigned int major_, minor_;

	return text && sscanf(text, "%u:%u", &major_, &minor_) == 2 ? makedev(major_, minor_) :
								      number;
}

/* Bytes, from sectors of 512; a device's claim, kept under 2^53 as all our numbers are. */
static uint64_t size_of(struct udev_device *device)
{
	const char *text = udev_device_get_sysattr_value(device, "size");
	uint64_t sectors = text ? strtoull(text, NULL, 10) : 0,
		 most = (UINT64_C(1) << 53) / 512 - 1;

	return (sectors < most ? sectors : most) * 512;
}

static void take_block(struct seed_block *block, struct udev_device *device)
{
	struct udev_device *disk =
		udev_device_get_parent_with_subsystem_devtype(device, "block", "disk");

	copy(block->name, sizeof(block->name), udev_device_get_sysname(device));
	copy(block->node, sizeof(block->node), udev_device_get_devnode(device));
	copy(block->syspath, sizeof(block->syspath), udev_device_get_syspath(device));
	block->device = number_of(device);
	block->bytes = size_of(device);
	block->read_only = attribute_is(device, "ro", "1");
	block->looked = udev_looked(device);
	block->kind = kind_of(block, device);
	take_filesystem(block, device);
	if (block->kind == SEED_BLOCK_PARTITION && disk)
		copy(block->parent, sizeof(block->parent), udev_device_get_sysname(disk));
	if (block->kind == SEED_BLOCK_LOOP)
		copy(block->file, sizeof(block->file),
		     udev_device_get_sysattr_value(device, "loop/backing_file"));
	if (block->kind == SEED_BLOCK_STACKED)
		take_stack(block, device);
	if (block->kind == SEED_BLOCK_DISK) {
		take_names(block, device);
		take_bus(block, device);
	}
}

static int compare_names(const void *a, const void *b)
{
	return strverscmp(((const struct seed_block *)a)->name,
			  ((const struct seed_block *)b)->name);
}

int seed_blocks_read(struct seed_vec *out, struct seed_error *err)
{
	SEED_AUTO(unref_udev) struct udev *udev = udev_new();
	SEED_AUTO(unref_enumerate) struct udev_enumerate *list =
		udev ? udev_enumerate_new(udev) : NULL;
	struct udev_list_entry *entry;
	int rc;

	if (!list || udev_enumerate_add_match_subsystem(list, "block") < 0)
		return seed_error_sys(err, ENOMEM, "disks");
	rc = udev_enumerate_scan_devices(list);
	if (rc < 0)
		return seed_error_sys(err, -rc, "disks: look through sysfs");
	udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(list)) {
		SEED_AUTO(unref_device) struct udev_device *device =
			udev_device_new_from_syspath(udev, udev_list_entry_get_name(entry));
		struct seed_block *block;

		if (!device)
			continue;	/* it was pulled out since the scan */
		if (out->count >= SEED_BLOCKS_MAX)
			return seed_error_set(err, SEED_ERR_RANGE, "more than %u block devices",
					      SEED_BLOCKS_MAX);
		block = seed_vec_push(out, sizeof(*block), NULL);
		if (!block)
			return seed_error_sys(err, ENOMEM, "disks");
		take_block(block, device);
	}
	if (out->count)
		qsort(out->items, out->count, out->size, compare_names);
	return 0;
}
