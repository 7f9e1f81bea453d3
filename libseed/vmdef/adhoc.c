// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vmdef/adhoc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/text.h"
#include "vmdef/detect.h"

char *seed_adhoc_slot(size_t index, char *out)
{
	if (index < 26)
		snprintf(out, 8, "vd%c", (char)('a' + index));
	else
		snprintf(out, 8, "vd%c%c", (char)('a' + index / 26 - 1), (char)('a' + index % 26));
	return out;
}

static bool is_uri(const char *path)
{
	return strncmp(path, "nbd://", 6) == 0 || strncmp(path, "nbds://", 7) == 0 ||
	       strncmp(path, "nbd+unix://", 11) == 0 || strncmp(path, "nbds+unix://", 12) == 0;
}

/* The format of an image file by its content. What cannot be opened is raw: opening the source
 * says why it cannot. Devices are raw disks: what a guest wrote at their start does not count. */
static int disk_format(const char **out, const char *path, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int fd = -1;
	enum seed_vm_format format;
	struct stat st;

	*out = "raw";
	if (is_uri(path)) {
		*out = "nbd";
		return 0;
	}
	if (stat(path, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return 0;
	if (seed_detect_fd(&format, fd, err) < 0)
		return seed_error_prefix(err, "%s", path);
	if (format == SEED_VM_LIBVIRT)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "%s is a %s, not a disk: give it without NAME=", path,
				      seed_vm_format_name(format));
	if (seed_vm_format_image(format))
		*out = seed_vm_format_image(format);
	return 0;
}

static bool has_path(const struct seed_vmdef *def, const char *path)
{
	for (size_t i = 0; i < def->disks.count; i++) {
		const struct seed_vmdef_disk *disk = seed_vec_at(&def->disks, i);

		if (strcmp(disk->path, path) == 0)
			return true;
	}
	return false;
}

static int add_disk(struct seed_vmdef *def, const char *path, struct seed_error *err)
{
	struct seed_vmdef_disk disk = { 0 };
	const char *format;
	char slot[8];

	if (!*path)
		return seed_error_set(err, SEED_ERR_USAGE, "a disk without a path");
	if (has_path(def, path))
		return seed_error_set(err, SEED_ERR_USAGE, "%s is named twice", path);
	if (def->disks.count >= SEED_VM_DISKS_MAX)
		return seed_error_set(err, SEED_ERR_USAGE, "over %d disks", SEED_VM_DISKS_MAX);
	if (disk_format(&format, path, err) < 0)
		return -1;
	disk.slot = strdup(seed_adhoc_slot(def->disks.count, slot));
	disk.path = strdup(path);
	disk.format = strdup(format);
	disk.raw = strcmp(format, "raw") == 0;
	if (!disk.slot || !disk.path || !disk.format) {
		seed_vmdef_disk_clear(&disk);
		return seed_error_sys(err, ENOMEM, "%s", path);
	}
	return seed_vmdef_add_disk(def, &disk, err);
}

/* @disks is cut into pieces. */
static int add_disks(struct seed_vmdef *def, char *disks, struct seed_error *err)
{
	for (char *rest = disks, *path; (path = strsep(&rest, ","));)
		if (add_disk(def, path, err) < 0)
			return -1;
	return 0;
}

int seed_adhoc_read(struct seed_vmdef **out, const char *arg, const struct seed_id *uuid,
		    struct seed_error *err)
{
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = seed_vmdef_new();
	const char *equals = strchr(arg, '=');
	SEED_AUTO(seed_freep) char *disks = NULL;
	char quoted[SEED_QUOTED];

	if (!equals)
		return seed_error_set(err, SEED_ERR_USAGE, "%s: not NAME=DISK[,DISK...]",
				      seed_quote(arg, quoted, sizeof(quoted)));
	disks = strdup(equals + 1);
	if (!def || !disks || !(def->name = strndup(arg, (size_t)(equals - arg))) ||
	    !(def->source = strdup(arg)))
		return seed_error_sys(err, ENOMEM, "%s", arg);
	if (!seed_vm_name_valid(def->name))
		return seed_error_set(err, SEED_ERR_USAGE,
				      "%s: a VM's name is 1 to %d bytes of UTF-8",
				      seed_quote(arg, quoted, sizeof(quoted)), SEED_VM_NAME_MAX);
	if (add_disks(def, disks, err) < 0)
		return seed_error_prefix(err, "%s", seed_quote(arg, quoted, sizeof(quoted)));
	if (uuid) {
		def->uuid = *uuid;
		def->has_uuid = true;
	}
	*out = seed_steal(&def);
	return 0;
}
