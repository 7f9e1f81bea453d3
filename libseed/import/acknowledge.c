/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * After an import: a receipt for each seed that is wholly here, on the medium that it came on, so
 * that the source knows when the medium comes back. The replica itself is asked once more what it
 * holds, since what is signed is believed elsewhere.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "import/import_internal.h"
#include "media/receipt_file.h"

struct acknowledging {
	const struct seed_import_options *opt;
	const struct seed_volume *volume;
	struct seed_vec said;		/* struct seed_id: seeds that we acknowledged there
					 * before */
	unsigned int written;
};

static int note_said(const struct seed_receipt_text *file, void *arg, struct seed_error *err)
{
	struct acknowledging *a = arg;
	SEED_AUTO(seed_receipt_clear) struct seed_receipt receipt = { 0 };

	/* By others, or not whole: not ours to repeat or to judge. */
	if (seed_receipt_open(&receipt, file->text, file->len, file->signature,
			      file->signature_len, seed_signing_key_public(a->opt->own->sign),
			      NULL) < 0)
		return 0;
	if (!seed_vec_push(&a->said, sizeof(receipt.seed), &receipt.seed))
		return seed_error_sys(err, ENOMEM, "receipts");
	return 0;
}

static bool was_said(const struct acknowledging *a, const struct seed_id *seed)
{
	for (size_t i = 0; i < a->said.count; i++)
		if (seed_id_equal(seed_vec_at(&a->said, i), seed))
			return true;
	return false;
}

/* Is this seed what the replica holds, all of it, and from an import? What a resync brought it to
 * is acknowledged over the wire, and better proved. */
static bool holds(const struct acknowledging *a, const struct seed_import_vm *vm)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;

	if (seed_replica_open(&r, a->opt->store, vm->folder, false, NULL) < 0 || r->switching ||
	    r->state != SEED_REPLICA_SEEDED ||
	    !seed_id_equal(&r->seed, &vm->seed->manifest.seed))
		return false;
	for (size_t i = 0; i < r->disks.count; i++)
		if (((struct seed_replica_disk *)seed_vec_at(&r->disks, i))->missing_blocks)
			return false;
	return true;
}

static int write_receipt(struct acknowledging *a, const struct seed_manifest *m,
			 struct seed_error *err)
{
	SEED_AUTO(seed_receipt_clear) struct seed_receipt receipt = {
		.site = a->opt->own->id,
		.origin = m->site,
		.uuid = m->uuid,
		.seed = m->seed,
		.generation = m->generation,
		.lineage = m->lineage,
		.state = "seeded",
		.at = seed_clock_wall(),
	};

	for (size_t i = 0; i < m->disks.count; i++) {
		const struct seed_manifest_disk *disk = seed_vec_at(&m->disks, i);
		struct seed_receipt_disk d = { .size = disk->size, .root = disk->root,
					       .proved = "written" };

		snprintf(d.slot, sizeof(d.slot), "%s", disk->slot);
		if (!seed_vec_push(&receipt.disks, sizeof(d), &d))
			return seed_error_sys(err, ENOMEM, "receipt");
	}
	if (seed_receipt_file_add(a->volume, &receipt, a->opt->own, err) < 0)
		return -1;
	a->written++;
	return 0;
}

static int acknowledge_vm(struct acknowledging *a, const struct seed_import_vm *vm,
			  struct seed_error *err)
{
	const struct seed_manifest *m = &vm->seed->manifest;

	/* A receipt is about disks: of a VM without any there is nothing to acknowledge. */
	if (vm->seed->volume != a->volume || vm->err.kind || vm->older || !m->disks.count ||
	    was_said(a, &m->seed) || !holds(a, vm))
		return 0;
	return write_receipt(a, m, err);
}

static int acknowledge_volume(struct acknowledging *a, const struct seed_import *plan,
			      struct seed_error *err)
{
	/* The lock keeps out who would take the same number. */
	if (seed_medium_lock(a->volume->medium, err) < 0 ||
	    seed_receipt_file_each(a->volume, note_said, a, err) < 0)
		return -1;
	for (size_t i = 0; i < plan->vms.count; i++)
		if (acknowledge_vm(a, seed_vec_at(&plan->vms, i), err) < 0)
			return -1;
	return 0;
}

int seed_import_acknowledge(const struct seed_import *plan, const struct seed_import_options *opt,
			    unsigned int *written, struct seed_error *err)
{
	int rc = 0;

	*written = 0;
	for (size_t i = 0; rc == 0 && i < plan->volumes.count; i++) {
		struct acknowledging a = {
			.opt = opt,
			.volume = *(struct seed_volume **)seed_vec_at(&plan->volumes, i),
		};
		char name[SEED_QUOTED];

		/* A set of our own on its way out, or one that cannot be written to; and to a
		 * medium that is not known to be what it says, nothing is added. */
		if (a.volume->signer->own || !a.volume->medium->writable ||
		    !a.volume->medium->known_signer)
			continue;
		rc = acknowledge_volume(&a, plan, err);
		if (rc < 0)
			seed_error_prefix(err, "medium %s",
					  seed_medium_name(a.volume->medium, name));
		*written += a.written;
		seed_vec_free(&a.said);
	}
	return rc;
}
