// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A replica that was written to: started by mistake, say. What was written is given up by putting
 * the blocks that differ on the missing list, and the next resync brings them anew.
 *
 * The lists go first, each for itself, then the history, and replica.json, which counts what is
 * missing, last: until it does, a list is none, and the next run finds and counts the same blocks.
 * Behind it nothing is left to do.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "block/grid.h"
#include "handover/handover_internal.h"
#include "replica/missing.h"
#include "replica/proof.h"

#define DEPTH_PER_WORKER 4u

static int prove_disks(struct seed_replica *r, struct seed_proof *proofs,
		       struct seed_adopted *out, const struct seed_adopt_options *opt,
		       struct seed_error *err)
{
	const struct seed_pool_options workers = { .workers = opt->jobs };
	SEED_AUTO(seed_pool_freep) struct seed_pool *pool = NULL;
	struct seed_proof_options how = {
		.paranoid = true,
		.depth = (size_t)DEPTH_PER_WORKER * (opt->jobs ? opt->jobs : 1),
		.events = opt->events,
		.cancel = opt->cancel,
	};

	if (seed_pool_new(&pool, &workers, err) < 0)
		return -1;
	how.pool = pool;
	for (size_t i = 0; i < r->disks.count; i++) {
		const struct seed_replica_disk *disk = seed_vec_at(&r->disks, i);

		if (seed_replica_prove(&proofs[i], r, i, &how, err) < 0)
			return seed_error_prefix(err, "disk %s", disk->slot);
		out->bytes_read += proofs[i].bytes_read;
		out->changed_blocks += proofs[i].differ_blocks;
		out->changed_bytes += proofs[i].differ_blocks * SEED_BLOCK_SIZE;
	}
	return 0;
}

static int note(const struct seed_replica *r, const struct seed_adopted *out,
		const struct seed_adopt_options *opt, struct seed_error *err)
{
	return seed_history_note(opt->home, opt->own, &(struct seed_history_entry){
		.event = "adopt", .site = &r->site, .uuid = &r->uuid, .name = r->vm_name,
		.generation = r->generation,
		.timeline = &r->lineage.timelines[r->lineage.count - 1].id,
		.discard = true, .changed_blocks = out->changed_blocks }, err);
}

static int give_up(struct seed_replica *r, const struct seed_proof *proofs,
		   const struct seed_adopted *out, const struct seed_adopt_options *opt,
		   struct seed_error *err)
{
	for (size_t i = 0; i < r->disks.count; i++) {
		struct seed_replica_disk *disk = seed_vec_at(&r->disks, i);

		if (proofs[i].differ_blocks &&
		    seed_missing_note(r->dir, disk, &proofs[i].differ, err) < 0)
			return -1;
	}
	if (note(r, out, opt, err) < 0)
		return -1;
	r->state = SEED_REPLICA_INCOMPLETE;
	return seed_replica_save(r, err);
}

static int describe(struct seed_adopted *out, const struct seed_replica *r, struct seed_error *err)
{
	out->vm_name = strdup(r->vm_name);
	out->site = r->site;
	out->uuid = r->uuid;
	out->generation = r->generation;
	return out->vm_name ? 0 : seed_error_sys(err, ENOMEM, "adopt");
}

static int adopt_edited(struct seed_replica *r, struct seed_proof *proofs,
			struct seed_adopted *out, const struct seed_adopt_options *opt,
			struct seed_error *err)
{
	char size[32];

	if (describe(out, r, err) < 0 || prove_disks(r, proofs, out, opt, err) < 0)
		return -1;
	out->edited = true;
	out->unsent = out->changed_blocks > 0;
	out->already = !out->changed_blocks && opt->discard && r->state == SEED_REPLICA_INCOMPLETE;
	if (out->already)
		return 0;
	if (!out->changed_blocks)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "is %s and holds what it should: it needs no adopting",
				      seed_replica_state_name(r->state));
	if (!opt->discard)
		return seed_error_set(err, SEED_ERR_IDENTITY,
				      "%" PRIu64 " block%s (%s) %s written since its "
				      "last sync and would be lost: give them up with "
				      "--discard-changes",
				      out->changed_blocks, out->changed_blocks == 1 ? "" : "s",
				      seed_size_text(out->changed_bytes, size),
				      out->changed_blocks == 1 ? "was" : "were");
	if (opt->dry_run)
		return 0;
	if (give_up(r, proofs, out, opt, err) < 0)
		return -1;
	for (size_t i = 0; i < r->disks.count; i++) {
		const struct seed_replica_disk *disk = seed_vec_at(&r->disks, i);
		char stem[33];

		/* Without it the next resync reads the disk, no more. */
		seed_replica_slot_stem(disk->slot, stem);
		(void)seed_replica_stamp(r->dir, stem, disk->file, seed_grid_blocks(disk->size),
					 NULL);
	}
	return 0;
}

int seed_adopt_edited(struct seed_replica *r, struct seed_adopted *out,
		      const struct seed_adopt_options *opt, struct seed_error *err)
{
	struct seed_proof *proofs = calloc(r->disks.count ? r->disks.count : 1, sizeof(*proofs));
	int rc;

	if (!proofs)
		return seed_error_sys(err, ENOMEM, "adopt");
	rc = adopt_edited(r, proofs, out, opt, err);
	for (size_t i = 0; i < r->disks.count; i++)
		seed_proof_clear(&proofs[i]);
	free(proofs);
	return rc;
}
