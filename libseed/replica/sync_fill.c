// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Fetching what an incomplete replica lacks (see sync.h). The disk's file is durable before its
 * missing list gets shorter, and the list before the count in replica.json: what a crash leaves is
 * a list that says too much, or a count too high; both cost blocks that are sent twice.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "block/grid.h"
#include "replica/missing.h"
#include "replica/replica_internal.h"
#include "replica/sync_internal.h"

/* A list that gets shorter is written before the count; one that goes, after it: a count without a
 * list means that all is missing. */
static int save_disk(struct seed_replica *r, struct seed_replica_disk *disk, uint64_t blocks,
		     const struct seed_vec *runs, struct seed_error *err)
{
	if (blocks && seed_missing_write(r->dir, disk->missing, runs, err) < 0)
		return -1;
	disk->missing_blocks = blocks;
	if (seed_replica_save(r, err) < 0)
		return -1;
	return blocks ? 0 : seed_missing_write(r->dir, disk->missing, runs, err);
}

int seed_sync_save_missing(struct seed_sync *sync, struct seed_error *err)
{
	struct seed_replica *r = sync->replica;

	for (size_t i = 0; i < sync->count; i++) {
		SEED_AUTO(seed_vec_free) struct seed_vec runs = { 0 };
		struct seed_replica_disk *disk = seed_vec_at(&r->disks, i);
		uint64_t blocks;

		if (seed_sync_missing_runs(&runs, sync->units[i].base, &blocks, err) < 0)
			return -1;
		if (blocks == disk->missing_blocks &&
		    (blocks || !seed_path_exists(r->dir, disk->missing)))
			continue;
		if (save_disk(r, disk, blocks, &runs, err) < 0)
			return -1;
	}
	return 0;
}

int seed_sync_begin_fill(struct seed_sync *sync, struct seed_error *err)
{
	const struct seed_vec *disks = &sync->replica->disks;

	if (sync->replica->state != SEED_REPLICA_INCOMPLETE)
		return seed_error_set(err, SEED_ERR_USAGE, "replica %s is not incomplete",
				      sync->replica->name);
	if (seed_sync_make_units(sync, disks->count, err) < 0)
		return -1;
	sync->fill = true;
	for (size_t i = 0; i < disks->count; i++) {
		const struct seed_replica_disk *own = seed_vec_at(disks, i);

		if (seed_sync_name_unit(sync, i, own->slot, own->size, err) < 0 ||
		    seed_sync_unit_open_fill(sync, &sync->units[i], own, err) < 0)
			return seed_error_prefix(err, "replica %s: disk %s", sync->replica->name,
						 own->slot);
	}
	return 0;
}

/* What an earlier run had fetched for a newer state may be what is missing here; zeroes are
 * always at hand. */
static int fill_from_journal(struct seed_sync *sync, struct seed_sync_unit *unit,
			     struct seed_error *err)
{
	static const uint8_t zeroes[SEED_BLOCK_SIZE];
	SEED_AUTO(seed_freep) uint8_t *buf = malloc(SEED_BLOCK_SIZE);
	SEED_AUTO(seed_vec_free) struct seed_vec runs = { 0 };
	uint64_t blocks;

	if (!buf)
		return seed_error_sys(err, ENOMEM, "sync");
	if (seed_sync_missing_runs(&runs, unit->base, &blocks, err) < 0)
		return -1;
	for (size_t k = 0; k < runs.count; k++) {
		const struct seed_run *run = seed_vec_at(&runs, k);

		for (uint64_t at = run->start; at < run->start + run->count; at++) {
			struct seed_sync_put put = { .index = at };
			uint32_t len = seed_grid_length(unit->size, at);
			const void *data = zeroes;

			if (seed_list_get(unit->next, at, &put.digest, 1, err) < 0)
				return -1;
			if (seed_digest_kind(&put.digest) == SEED_BLOCK_MISSING)
				continue;
			if (seed_digest_kind(&put.digest) == SEED_BLOCK_DATA) {
				if (seed_journal_read(sync->journal, &put.digest, buf, &len, NULL) <
				    0)
					continue;
				data = buf;
			}
			if (seed_sync_put_block(sync, unit, &put, data, len, err) < 0)
				return -1;
		}
	}
	return 0;
}

/* Not stamped: somebody may have written beside us while blocks came. Who certifies the disk reads
 * it first (seed_replica_prove()), and that stamps it. */
static int end_fill(struct seed_sync *sync, struct seed_error *err)
{
	struct seed_replica *r = sync->replica;

	for (size_t i = 0; i < sync->count; i++) {
		struct seed_sync_unit *unit = &sync->units[i];
		struct seed_sink *sink = seed_steal(&unit->sink);

		if (seed_sink_close(sink, err) < 0)
			return -1;
		if (seed_path_unlink(sync->dir, unit->names.base, err) < 0)
			return -1;
	}
	if (seed_journal_blocks(sync->journal) == 0 &&
	    seed_path_remove_tree(r->dir, SEED_SYNC_DIR, err) < 0)
		return -1;
	return seed_fd_sync(r->dir, err);
}

int seed_sync_finish_fill(struct seed_sync *sync, uint64_t *missing_blocks,
			  struct seed_error *err)
{
	struct seed_replica *r = sync->replica;
	uint64_t missing;

	for (size_t i = 0; i < sync->count; i++)
		if (fill_from_journal(sync, &sync->units[i], err) < 0)
			return seed_error_prefix(err, "replica %s: disk %s", r->name,
						 sync->units[i].slot);
	if (seed_sync_checkpoint(sync, err) < 0)
		return -1;
	missing = seed_replica_missing(r);
	if (missing == 0) {
		r->state = SEED_REPLICA_CURRENT;
		if (seed_replica_save(r, err) < 0)
			return seed_error_prefix(err, "replica %s", r->name);
	}
	if (end_fill(sync, err) < 0)
		return seed_error_prefix(err, "replica %s", r->name);
	sync->done = true;
	*missing_blocks = missing;
	return 0;
}
