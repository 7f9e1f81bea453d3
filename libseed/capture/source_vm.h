/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a source site keeps of each of its VMs, in HOME/vms/UUID:
 *
 *   vm.json            name, lineage, last generation signed, when
 *   SLOT.list          digests of the last reading, home form
 *   SLOT.stamp         whose reading: identity of the source, when recorded, and how far
 *
 * The generation is made durable here before a manifest is signed with it: gaps are fine,
 * a number used twice is not. A vm.json that is damaged is an error and never begun anew: a
 * generation could be used twice.
 */
#ifndef SEED_CAPTURE_SOURCE_VM_H
#define SEED_CAPTURE_SOURCE_VM_H

#include "image/source.h"
#include "manifest/lineage.h"
#include "trust/keyfile.h"
#include "vmdef/vmdef.h"

struct seed_source_vm {
	int dir;			/* HOME/vms/UUID */
	struct seed_id uuid;
	char *name;			/* as the definition has it now */
	struct seed_lineage lineage;
	uint64_t generation;		/* last one signed or reserved */
};

/* Made on first use, with a fresh timeline of ours. Locked against other runs (LOCKED). */
int seed_source_vm_open(struct seed_source_vm **out, int home, const struct seed_vmdef *def,
			const struct seed_site *site, struct seed_error *err);
void seed_source_vm_close(struct seed_source_vm *vm);
static inline void seed_source_vm_closep(struct seed_source_vm **v) { seed_source_vm_close(*v); }
/* generation + 1, durable on return. RANGE at the end of the numbers. */
int seed_source_vm_next_generation(struct seed_source_vm *vm, struct seed_error *err);
/* A definition's uuid, or UUIDv5(site id, name). */
int seed_source_vm_uuid(struct seed_id *out, const struct seed_vmdef *def,
			const struct seed_site *site, struct seed_error *err);

#endif
