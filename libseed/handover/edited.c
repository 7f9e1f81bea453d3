// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A replica that was written to: started by mistake, say. What was written is given up by putting
 * the blocks that differ on the missing list, and the next resync brings them anew.
 *
 * The lists go first, each for itself, then replica.json counts them: a crash between leaves a list
 * that names blocks which do differ, and the next run goes on.
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

static int give_up(struct seed_replica *r, const struct seed_proof *proofs, struct seed_error *err)
{
	for (size_t i = 0; i < r->disks.count; i++) {
		struct seed_replica_disk *disk = seed_vec_at(&r->disks, i);
		SEED_AUTO(seed_vec_free) struct seed_vec runs = { 0 };
		uint64_t blocks = seed_grid_blocks(disk->size);

		if (!proofs[i].differ_blocks)
			continue;
		if (seed_missing_read(&runs, r->dir, disk->missing, blocks, err) < 0 ||
		    seed_missing_merge(&runs, &proofs[i].differ, err) < 0 ||
		    seed_missing_write(r->dir, disk->missing, &runs, err) < 0)
			return -1;
		disk->missing_blocks = 0;
		for (size_t k = 0; k < runs.count; k++)
			disk->missing_blocks += ((struct seed_run *)seed_vec_at(&runs, k))->count;
	}
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
	if (give_up(r, proofs, err) < 0)
		return -1;
	for (size_t i = 0; i < r->disks.count; i++) {
		const struct seed_replica_disk *disk = seed_vec_at(&r->disks, i);
		char stem[33];

		/* Without it the next resync reads the disk, no more. */
		seed_replica_slot_stem(disk->slot, stem);
		(void)seed_replica_stamp(r->dir, stem, disk->file, seed_grid_blocks(disk->size),
					 NULL);
	}
	return seed_history_note(opt->home, opt->own, &(struct seed_history_entry){
		.event = "adopt", .site = &r->site, .uuid = &r->uuid, .name = r->vm_name,
		.generation = r->generation,
		.timeline = &r->lineage.timelines[r->lineage.count - 1].id,
		.discard = true, .changed_blocks = out->changed_blocks }, err);
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
