/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a source site keeps of each of its VMs, in HOME/vms/UUID:
 *
 *   vm.json            name, lineage, last generation signed, when; whose it is, where its
 *                      definition is, and whether it was handed over (capture/vm_file.h)
 *   SLOT.list          digests of the last reading, home form
 *   SLOT.stamp         whose reading: identity of the source, when recorded, and how far
 *   SLOT.own           its own blocks, as they were worked out last (capture/own_kept.h)
 *   receipts/          what destinations have acknowledged (capture/receipts.h)
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
	struct seed_id site;		/* this one */
	struct seed_id origin;		/* whose VM it is: @site, or that of a replica that was
					 * promoted here */
	char *definition;		/* where its definition is, or NULL: see vm_file.h */
	bool handed_over;		/* to another site ... */
	bool final;			/* ... by a last resync */
	bool unsaved;			/* there is no vm.json: nothing was signed or offered yet */
	int home;			/* borrowed */
};

#define SEED_SOURCE_VM_ANYWAY 1u	/* open one that was handed over, too */
#define SEED_SOURCE_VM_BLANK 2u		/* begin no timeline: without a record, @lineage has none,
					 * and the caller fills it in and saves it */

/**
 * seed_source_vm_open() - the record of a VM
 * @flags: of SEED_SOURCE_VM_*
 * @err: LOCKED when another run has it; IDENTITY when it was handed over to another site
 *
 * Of a VM without one, a fresh timeline of ours is begun, @unsaved: vm.json is written by whatever
 * makes something of it durable, below, and a folder that stayed empty goes with the close. So a VM
 * that was refused, or mistyped, is not known from then on. @home stays open as long.
 */
int seed_source_vm_open(struct seed_source_vm **out, int home, const struct seed_vmdef *def,
			const struct seed_site *site, unsigned int flags, struct seed_error *err);
/* Is there a record? Opening one would make its folder. */
bool seed_source_vm_exists(int home, const struct seed_id *uuid);
void seed_source_vm_close(struct seed_source_vm *vm);
static inline void seed_source_vm_closep(struct seed_source_vm **v) { seed_source_vm_close(*v); }
/* Make lineage, generation, origin, definition and handed_over durable as they are now. */
int seed_source_vm_save(struct seed_source_vm *vm, struct seed_error *err);
/* It was begun and offered by this run, and nobody took it: forget it again, but for what was read.
 * One that anything was signed of stays as it is. */
int seed_source_vm_retract(struct seed_source_vm *vm, struct seed_error *err);
/* Another site goes on with it, @final: by a last resync. Durable on return; this site signs no
 * more of it. */
int seed_source_vm_hand_over(struct seed_source_vm *vm, bool final, struct seed_error *err);
/* Note where @def was read from, durable on return unless @unsaved; written only when it differs.
 * What cannot be found again later (gone, too long, not UTF-8) is NULL, and no error. */
int seed_source_vm_note_definition(struct seed_source_vm *vm, const struct seed_vmdef *def,
				   struct seed_error *err);
/* generation + 1, durable on return. RANGE at the end of the numbers. */
int seed_source_vm_next_generation(struct seed_source_vm *vm, struct seed_error *err);
/* A definition's uuid, or UUIDv5(site id, name). */
int seed_source_vm_uuid(struct seed_id *out, const struct seed_vmdef *def,
			const struct seed_site *site, struct seed_error *err);

#endif
