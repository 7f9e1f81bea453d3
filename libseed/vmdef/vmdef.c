// SPDX-License-Identifier: LGPL-2.1-or-later
#include "vmdef/vmdef.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/text.h"
#include "vmdef/adhoc.h"
#include "vmdef/detect.h"
#include "vmdef/libvirt_read.h"
#include "vmdef/xml.h"

#define NAME_DISKS "name its disks instead: NAME=DISK[,DISK...]"

struct seed_vmdef *seed_vmdef_new(void)
{
	return calloc(1, sizeof(struct seed_vmdef));
}

void seed_vmdef_disk_clear(struct seed_vmdef_disk *disk)
{
	free(disk->slot);
	free(disk->path);
	free(disk->serial);
	free(disk->wwn);
	free(disk->excluded);
	free(disk->format);
	*disk = (struct seed_vmdef_disk){ 0 };
}

void seed_vmdef_free(struct seed_vmdef *def)
{
	if (!def)
		return;
	for (size_t i = 0; i < def->disks.count; i++)
		seed_vmdef_disk_clear(seed_vec_at(&def->disks, i));
	for (size_t i = 0; i < def->files.count; i++) {
		struct seed_vmdef_file *file = seed_vec_at(&def->files, i);

		free(file->role);
		free(file->path);
	}
	seed_vec_free(&def->disks);
	seed_vec_free(&def->files);
	free(def->name);
	free(def->source);
	free(def);
}

bool seed_vm_name_valid(const char *name)
{
	size_t len = strlen(name);

	return len >= 1 && len <= SEED_VM_NAME_MAX && seed_utf8_valid(name, len);
}

bool seed_slot_valid(const char *slot)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789:._-";
	size_t len = strlen(slot);

	return len >= 1 && len <= SEED_SLOT_MAX && strspn(slot, allowed) == len &&
	       strcmp(slot, ".") != 0 && strcmp(slot, "..") != 0;
}

static int check_slot(const struct seed_vmdef *def, const char *slot, struct seed_error *err)
{
	char quoted[SEED_QUOTED];

	if (!seed_slot_valid(slot))
		return seed_error_set(err, SEED_ERR_FORMAT, "%s cannot be a disk's slot",
				      seed_quote(slot, quoted, sizeof(quoted)));
	for (size_t i = 0; i < def->disks.count; i++) {
		const struct seed_vmdef_disk *disk = seed_vec_at(&def->disks, i);

		if (strcmp(disk->slot, slot) == 0)
			return seed_error_set(err, SEED_ERR_FORMAT, "two disks at %s", slot);
	}
	if (def->disks.count >= SEED_VM_DISKS_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "over %d disks", SEED_VM_DISKS_MAX);
	return 0;
}

int seed_vmdef_add_disk(struct seed_vmdef *def, struct seed_vmdef_disk *disk,
			struct seed_error *err)
{
	if (check_slot(def, disk->slot, err) < 0) {
		seed_vmdef_disk_clear(disk);
		return -1;
	}
	if (!seed_vec_push(&def->disks, sizeof(*disk), disk)) {
		seed_vmdef_disk_clear(disk);
		return seed_error_sys(err, ENOMEM, "disks");
	}
	*disk = (struct seed_vmdef_disk){ 0 };
	return 0;
}

int seed_vmdef_add_file(struct seed_vmdef *def, const char *role, const char *path,
			struct seed_error *err)
{
	struct seed_vmdef_file file = { strdup(role), strdup(path) };

	if (def->files.count >= SEED_VM_FILES_MAX)
		seed_error_set(err, SEED_ERR_RANGE, "over %d files", SEED_VM_FILES_MAX);
	else if (!file.role || !file.path || !seed_vec_push(&def->files, sizeof(file), &file))
		seed_error_sys(err, ENOMEM, "%s", path);
	else
		return 0;
	free(file.role);
	free(file.path);
	return -1;
}

/* What a file is that is no definition we read, and what to write instead. */
static int refuse_file(const char *arg, enum seed_vm_format format, struct seed_error *err)
{
	const char *name = seed_vm_format_name(format);

	switch (format) {
	case SEED_VM_LIBVIRT_STATUS:
		return seed_error_set(err, SEED_ERR_USAGE, "%s: a %s, not a definition: give what "
				      "`virsh dumpxml --inactive` prints", arg, name);
	case SEED_VM_OTHER_XML:
		return seed_error_set(err, SEED_ERR_USAGE, "%s: an %s, not a libvirt definition "
				      "(<domain>); " NAME_DISKS, arg, name);
	case SEED_VM_UNKNOWN:
		return seed_error_set(err, SEED_ERR_USAGE, "%s: not a definition; if it is a raw "
				      "disk, write NAME=%s", arg, arg);
	case SEED_VM_RAW:
		return seed_error_set(err, SEED_ERR_USAGE, "%s: a disk, not a definition: write "
				      "NAME=%s", arg, arg);
	case SEED_VM_VMA:
		return seed_error_set(err, SEED_ERR_USAGE, "%s: a %s, not a definition; "
				      NAME_DISKS, arg, name);
	default:
		break;
	}
	if (seed_vm_format_image(format))
		return seed_error_set(err, SEED_ERR_USAGE, "%s: a %s, which is not supported yet; "
				      "convert it to raw and write NAME=DISK", arg, name);
	return seed_error_set(err, SEED_ERR_USAGE, "%s: this %s is not supported yet; " NAME_DISKS,
			      arg, name);
}

/* Not a regular file: what could be meant. */
static int refuse_kind(const char *arg, mode_t mode, struct seed_error *err)
{
	if (S_ISBLK(mode))
		return seed_error_set(err, SEED_ERR_USAGE, "%s: a disk, not a definition: write "
				      "NAME=%s", arg, arg);
	if (S_ISDIR(mode))
		return seed_error_set(err, SEED_ERR_USAGE, "%s: a folder; Hyper-V export folders "
				      "are not supported yet; " NAME_DISKS, arg);
	return seed_error_set(err, SEED_ERR_USAGE, "%s: not a regular file", arg);
}

/* One more byte than allowed is read at most: the reader of the format then refuses. */
static int read_all(char **out, size_t *len, int fd, struct seed_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return seed_error_sys(err, errno, "fstat");
	if (st.st_size > (off_t)SEED_XML_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "%jd bytes long, at most %u expected",
				      (intmax_t)st.st_size, SEED_XML_MAX);
	*out = malloc((size_t)st.st_size + 1);
	if (!*out)
		return seed_error_sys(err, ENOMEM, "definition");
	return seed_fd_pread_some(fd, *out, (size_t)st.st_size, 0, len, err);
}

static int read_definition(struct seed_vmdef **out, const char *arg, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int fd = -1;
	SEED_AUTO(seed_freep) char *text = NULL;
	enum seed_vm_format format;
	size_t len;

	fd = open(arg, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return seed_error_sys(err, errno, "%s", arg);
	if (seed_detect_fd(&format, fd, err) < 0)
		return seed_error_prefix(err, "%s", arg);
	if (format != SEED_VM_LIBVIRT)
		return refuse_file(arg, format, err);
	if (read_all(&text, &len, fd, err) < 0)
		return seed_error_prefix(err, "%s", arg);
	return seed_libvirt_read(out, arg, text, len, err);
}

int seed_vmdef_read(struct seed_vmdef **out, const char *arg, const struct seed_id *uuid,
		    struct seed_error *err)
{
	char quoted[SEED_QUOTED];
	struct stat st;

	if (stat(arg, &st) < 0) {
		if (strchr(arg, '='))
			return seed_adhoc_read(out, arg, uuid, err);
		if (errno == ENOENT || errno == ENOTDIR)
			return seed_error_set(err, SEED_ERR_USAGE,
					      "%s: no such file; a VM is a definition file, "
					      "NAME=DISK[,DISK...], or the name of one that was "
					      "exported from here",
					      seed_quote(arg, quoted, sizeof(quoted)));
		return seed_error_sys(err, errno, "%s", seed_quote(arg, quoted, sizeof(quoted)));
	}
	if (!S_ISREG(st.st_mode))
		return refuse_kind(arg, st.st_mode, err);
	if (uuid)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "%s: a definition names its uuid itself: --uuid goes with "
				      "NAME=DISK",
				      arg);
	return read_definition(out, arg, err);
}
