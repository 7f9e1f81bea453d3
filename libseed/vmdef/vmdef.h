/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A virtual machine as its definition declares it: the neutral model that all
 * definition formats are read into. Plain data with owned strings.
 */
#ifndef SEED_VMDEF_VMDEF_H
#define SEED_VMDEF_VMDEF_H

#include <stdbool.h>

#include "base/id.h"
#include "base/vec.h"

#define SEED_VM_NAME_MAX 255	/* bytes */
#define SEED_SLOT_MAX 32	/* bytes: "vda", "scsi0:0" */
#define SEED_VM_DISKS_MAX 64
#define SEED_VM_FILES_MAX 64
#define SEED_VM_ID_MAX 255	/* bytes of a serial or WWN */

struct seed_vmdef_disk {
	char *slot;		/* [A-Za-z0-9:._-], unique in the VM */
	char *path;		/* image file, block device or URI; NULL when it cannot be
				 * exported */
	char *serial, *wwn;	/* declared, or NULL */
	char *excluded;		/* why it does not travel ("cdrom", "shareable", ...), or NULL */
	bool raw;		/* declared format is raw; others need --format support */
	char *format;		/* as declared: "raw", "qcow2" */
};

struct seed_vmdef_file {
	char *role;		/* "definition", "nvram", "loader", "tpm" */
	char *path;		/* absolute, or as the definition was named; may not exist (an NVRAM
				 * file is made by a VM's first start) */
};

struct seed_vmdef {
	char *name;		/* raw, valid UTF-8; may hold anything else but NUL */
	struct seed_id uuid;
	bool has_uuid;		/* else the id is UUIDv5(site, name) */
	char *source;		/* where it was read from, for messages */
	struct seed_vec disks;	/* struct seed_vmdef_disk */
	struct seed_vec files;	/* struct seed_vmdef_file, the definition first */
};

struct seed_vmdef *seed_vmdef_new(void);
void seed_vmdef_free(struct seed_vmdef *def);
static inline void seed_vmdef_freep(struct seed_vmdef **def) { seed_vmdef_free(*def); }
void seed_vmdef_disk_clear(struct seed_vmdef_disk *disk);

/* 1 to SEED_VM_NAME_MAX bytes of valid UTF-8. */
bool seed_vm_name_valid(const char *name);
/* [A-Za-z0-9:._-]{1,32}, not "." or "..". */
bool seed_slot_valid(const char *slot);

/* Append to @def. They take the strings of @disk, also on failure: RANGE when the VM has too many,
 * FORMAT when the slot is taken or malformed. */
int seed_vmdef_add_disk(struct seed_vmdef *def, struct seed_vmdef_disk *disk,
			struct seed_error *err);
int seed_vmdef_add_file(struct seed_vmdef *def, const char *role, const char *path,
			struct seed_error *err);

/**
 * seed_vmdef_read() - what a VM argument names
 * @arg: a definition file, or NAME=DISK[,DISK...] (slots vda, vdb, ... in order)
 * @uuid: for one ad-hoc VM, or NULL; with a definition it is USAGE
 * @err: USAGE when @arg is something else (the message says what to write instead), FORMAT or
 *       RANGE when a definition is broken
 *
 * Which of the two it is: an existing file is a definition (recognised by its content, see
 * detect); otherwise what has '=' is ad hoc; otherwise USAGE ("no such file").
 * A definition's relative disk paths are taken from the definition's folder.
 */
int seed_vmdef_read(struct seed_vmdef **out, const char *arg, const struct seed_id *uuid,
		    struct seed_error *err);

#endif
