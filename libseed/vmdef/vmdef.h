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

struct seed_vmdef_disk {
	char *slot;		/* [A-Za-z0-9:._-], unique in the VM */
	char *path;		/* image file, block device or URI; NULL when it cannot be exported */
	char *serial, *wwn;	/* declared, or NULL */
	char *excluded;		/* why it does not travel ("cdrom", "shareable", ...), or NULL */
	bool raw;		/* declared format is raw; others need --format support */
	char *format;		/* as declared: "raw", "qcow2" */
};

struct seed_vmdef_file {
	char *role;		/* "definition", "nvram", "tpm" */
	char *path;
};

struct seed_vmdef {
	char *name;
	struct seed_id uuid;
	bool has_uuid;		/* else the id is UUIDv5(site, name) */
	char *source;		/* where it was read from, for messages */
	struct seed_vec disks;	/* struct seed_vmdef_disk */
	struct seed_vec files;	/* struct seed_vmdef_file, the definition first */
};

struct seed_vmdef *seed_vmdef_new(void);
void seed_vmdef_free(struct seed_vmdef *def);
static inline void seed_vmdef_freep(struct seed_vmdef **def) { seed_vmdef_free(*def); }

/**
 * seed_vmdef_read() - what a VM argument names
 * @arg: a definition file, or NAME=DISK[,DISK...] (slots vda, vdb, ... in order)
 * @uuid: for one ad-hoc VM, or NULL
 *
 * Which of the two it is: an existing file is a definition (recognised by its content, see
 * detect); otherwise what has '=' is ad hoc; otherwise USAGE ("no such file").
 * A definition's relative disk paths are taken from the definition's folder.
 */
int seed_vmdef_read(struct seed_vmdef **out, const char *arg, const struct seed_id *uuid,
		    struct seed_error *err);

#endif
