/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* HOME/vms/UUID/vm.json: what a source remembers of a VM, read with or without its lock. */
#ifndef SEED_CAPTURE_VM_FILE_H
#define SEED_CAPTURE_VM_FILE_H

#include "manifest/lineage.h"

#define SEED_VM_DEFINITION_MAX 4096	/* bytes */

struct seed_vm_file {
	struct seed_id uuid;
	char *name;			/* raw; as it was called when this was written */
	struct seed_lineage lineage;
	uint64_t generation;		/* last one signed or reserved */
	int64_t updated;		/* unix seconds, shown */
	char *definition;		/* where the VM's definition is: an absolute path, or
					 * NAME=DISK[,DISK...] with absolute ones (then its id is
					 * @uuid); NULL when unknown */
	bool has_origin;		/* a replica of another site was promoted here ... */
	struct seed_id origin;		/* ... whose VM it is; else it is this site's */
	bool handed_over;		/* given up to another site: nothing is signed here any
					 * more */
	bool final;			/* ... by a last resync: that site may have gone on
					 * already */
};
void seed_vm_file_clear(struct seed_vm_file *file);

/* @dir is the VM's folder. NOTFOUND; FORMAT when damaged, or of another VM than @uuid. */
int seed_vm_file_read(struct seed_vm_file *out, int dir, const struct seed_id *uuid,
		      struct seed_error *err);
/* Durable on return; @file->updated is set to now. */
int seed_vm_file_write(int dir, struct seed_vm_file *file, struct seed_error *err);

/* Every VM that a home exports, by uuid. One that cannot be read comes with @file NULL and the
 * reason in @why; one whose first export ended before it began is left out. */
int seed_vm_file_each(int home,
		      int (*visit)(const struct seed_vm_file *file, const struct seed_error *why,
				   void *arg, struct seed_error *err),
		      void *arg, struct seed_error *err);

#endif
