// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The disks of a sync (no .h: sync_internal.h): what each holds, and what it shall.
 *
 * A disk that the replica has is not touched before the commit: its base is its list, or a copy
 * with the blocks marked that are not right. One that it does not have is sync/STEM.raw, written as
 * blocks come; sync/STEM.have says which are durable. A block is written in place only where the
 * have list claims no data, and is claimed after the fsync: so a crash leaves no claim
 * that is not true. What such a list has as zero may have been written to before a cut, and
 * counts only where the file still has a hole.
 *
 * Filling an incomplete replica goes the same way: the base is the list with the missing blocks
 * marked, and each checkpoint makes the missing list shorter.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "block/grid.h"
#include "block/stamp.h"
#include "crypto/digest.h"
#include "image/image_lock.h"
#include "image/raw_sink.h"
#include "replica/missing.h"
#include "replica/sync_internal.h"

void seed_sync_names_of(struct seed_sync_names *out, const char *slot)
{
	seed_replica_slot_stem(slot, out->stem);
	snprintf(out->raw, sizeof(out->raw), "%s.raw", out->stem);
	snprintf(out->list, sizeof(out->list), "%s.list", out->stem);
	snprintf(out->base, sizeof(out->base), "%s.base", out->stem);
	snprintf(out->have, sizeof(out->have), "%s.have", out->stem);
	snprintf(out->missing, sizeof(out->missing), "%s.missing", out->stem);
}

/* ---- lists ---- */

/* The first @count blocks; @to is new, and stays as sparse. */
static int copy_list(struct seed_list *to, struct seed_list *from, uint64_t count,
		     struct seed_error *err)
{
	struct seed_digest digests[512];
	struct seed_run run;
	uint64_t n;

	for (uint64_t at = 0; at < count; at += n) {
		if (seed_list_run(from, at, &run, err) < 0)
			return -1;
		n = run.count < count - at ? run.count : count - at;
		if (run.kind == SEED_BLOCK_ZERO)
			continue;
		if (n > sizeof(digests) / sizeof(digests[0]))
			n = sizeof(digests) / sizeof(digests[0]);
		if (seed_list_get(from, at, digests, (size_t)n, err) < 0 ||
		    seed_list_set(to, at, digests, (size_t)n, err) < 0)
			return -1;
	}
	return 0;
}

/* Runs may reach beyond a disk that shrinks. */
static int mark_missing(struct seed_list *list, const struct seed_vec *runs, struct seed_error *err)
{
	uint64_t blocks = seed_list_blocks(list);

	for (size_t i = 0; runs && i < runs->count; i++) {
		const struct seed_run *run = seed_vec_at(runs, i);
		uint64_t end = run->start + run->count < blocks ? run->start + run->count : blocks;

		if (run->start < end && seed_list_fill(list, run->start, end - run->start,
						       SEED_BLOCK_MISSING, err) < 0)
			return -1;
	}
	return 0;
}

int seed_sync_missing_runs(struct seed_vec *out, struct seed_list *list, uint64_t *blocks,
			   struct seed_error *err)
{
	struct seed_run run;

	*blocks = 0;
	for (uint64_t at = 0; at < seed_list_blocks(list); at += run.count) {
		if (seed_list_run(list, at, &run, err) < 0)
			return -1;
		if (run.kind != SEED_BLOCK_MISSING)
			continue;
		*blocks += run.count;
		if (!seed_vec_push(out, sizeof(run), &run))
			return seed_error_sys(err, ENOMEM, "missing blocks");
	}
	return 0;
}

static int make_next(struct seed_sync *sync, struct seed_sync_unit *unit, struct seed_error *err)
{
	if (seed_list_create(&unit->next, sync->dir, unit->names.list, unit->blocks, err) < 0)
		return -1;
	return copy_list(unit->next, unit->base, unit->blocks, err);
}

/* ---- a disk that the replica has ---- */

static int identify(int fd, struct seed_source_identity *out, struct seed_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return seed_error_sys(err, errno, "fstat");
	seed_source_identity_of_file(out, &st);
	return 0;
}

int seed_sync_unit_identify(struct seed_sync_unit *unit, struct seed_error *err)
{
	return identify(unit->fd, &unit->identity, err);
}

/* Held from here on: a QEMU that would write it does not start meanwhile. */
static int hold_disk(const struct seed_replica *replica, struct seed_sync_unit *unit,
		     const char *file, struct seed_error *err)
{
	struct seed_stamp stamp;
	bool held;

	if (seed_path_open(&unit->fd, replica->dir, file, O_RDONLY, 0, err) < 0 ||
	    seed_image_lock(unit->fd, &held, err) < 0 ||
	    identify(unit->fd, &unit->identity, err) < 0)
		return -1;
	if (seed_image_has_writer(unit->fd))
		return seed_error_set(err, SEED_ERR_BUSY,
				      "another program has it open for writing");
	unit->stamped = seed_stamp_read(&stamp, replica->dir, unit->names.stem, NULL) == 0 &&
			seed_stamp_proves_set_back(&stamp, &unit->identity);
	return 0;
}

int seed_sync_unit_still(const struct seed_sync_unit *unit, struct seed_error *err)
{
	struct seed_source_identity now;

	if (identify(unit->fd, &now, err) < 0)
		return -1;
	if (seed_source_identity_equal(&unit->identity, &now) && !seed_image_has_writer(unit->fd))
		return 0;
	return seed_error_set(err, SEED_ERR_BUSY, "somebody writes to the replica's disk");
}

/* What of the own list does not count, beside the rotten blocks. */
static int find_missing(const struct seed_replica *replica, const struct seed_replica_disk *own,
			struct seed_vec *out, struct seed_error *err)
{
	uint64_t blocks = seed_grid_blocks(own->size);
	const struct seed_run all = { 0, blocks, SEED_BLOCK_MISSING };
	struct seed_error inner = { 0 };
	int rc = seed_missing_read(out, replica->dir, own->missing, blocks, &inner);

	if (rc < 0 && inner.kind != SEED_ERR_FORMAT && inner.kind != SEED_ERR_RANGE) {
		if (err)
			*err = inner;
		return -1;
	}
	/* A list that was lost or is damaged: which blocks are right nobody knows. */
	if ((rc == 0 && (out->count || own->missing_blocks == 0)) || blocks == 0)
		return 0;
	return seed_vec_push(out, sizeof(all), &all) ? 0 :
	       seed_error_sys(err, ENOMEM, "missing blocks");
}

/* From which block on a disk of another size holds what no list says: the block in which the
 * shorter of the two ends. A file that somebody resized holds anything behind its shorter end. */
static uint64_t unknown_from(const struct seed_sync_unit *unit, uint64_t old_size)
{
	uint64_t real = unit->identity.size, end;

	if (real != old_size)
		return (real < old_size ? real : old_size) / SEED_BLOCK_SIZE;
	end = old_size < unit->size ? old_size : unit->size;
	return end / SEED_BLOCK_SIZE;
}

static int mark_resized(const struct seed_sync_unit *unit, uint64_t old_size,
			struct seed_error *err)
{
	uint64_t from = unknown_from(unit, old_size), count;
	uint64_t end = old_size < unit->size ? old_size : unit->size;

	if (from >= unit->blocks)
		return 0;
	if (unit->identity.size != old_size)
		count = unit->blocks - from;
	else if (old_size != unit->size && end % SEED_BLOCK_SIZE)
		count = 1;
	else
		return 0;
	return seed_list_fill(unit->base, from, count, SEED_BLOCK_MISSING, err);
}

/* A copy of the own list with what is not right marked; no list: nothing is known. */
static int make_base(struct seed_sync *sync, struct seed_sync_unit *unit, uint64_t old_size,
		     const struct seed_vec *missing, const struct seed_vec *rotten,
		     struct seed_error *err)
{
	SEED_AUTO(seed_list_closep) struct seed_list *own = unit->base;
	uint64_t old_blocks = seed_grid_blocks(old_size);
	uint64_t common = old_blocks < unit->blocks ? old_blocks : unit->blocks;

	unit->base = NULL;
	unit->has_base = true;
	if (seed_list_create(&unit->base, sync->dir, unit->names.base, unit->blocks, err) < 0)
		return -1;
	if (own ? copy_list(unit->base, own, common, err) < 0 :
		  seed_list_fill(unit->base, 0, common, SEED_BLOCK_MISSING, err) < 0)
		return -1;
	if (mark_resized(unit, old_size, err) < 0 || mark_missing(unit->base, missing, err) < 0)
		return -1;
	return mark_missing(unit->base, rotten, err);
}

static int open_own_list(const struct seed_replica *replica, struct seed_sync_unit *unit,
			 const struct seed_replica_disk *own, struct seed_error *err)
{
	struct seed_error inner = { 0 };

	if (seed_list_open(&unit->base, replica->dir, own->list, seed_grid_blocks(own->size), false,
			   &inner) == 0 ||
	    inner.kind == SEED_ERR_NOTFOUND || inner.kind == SEED_ERR_FORMAT)
		return 0;
	if (err)
		*err = inner;
	return -1;
}

static int open_own(struct seed_sync *sync, struct seed_sync_unit *unit,
		    const struct seed_sync_disk *disk, const struct seed_replica_disk *own,
		    struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec missing = { 0 };

	if (strcmp(own->file, unit->names.raw) != 0 || strcmp(own->list, unit->names.list) != 0)
		return seed_error_set(err, SEED_ERR_FORMAT, "its files are not called %s.*",
				      unit->names.stem);
	if (hold_disk(sync->replica, unit, own->file, err) < 0 ||
	    open_own_list(sync->replica, unit, own, err) < 0 ||
	    find_missing(sync->replica, own, &missing, err) < 0)
		return -1;
	if ((!unit->base || own->size != unit->size || unit->identity.size != own->size ||
	     missing.count || (disk->rotten && disk->rotten->count)) &&
	    make_base(sync, unit, own->size, &missing, disk->rotten, err) < 0)
		return -1;
	return make_next(sync, unit, err);
}

/* ---- a disk that is written in place ---- */

/* What is written before its claim is durable shows as data where the list has zeroes. A file
 * system that knows no holes has data everywhere. */
static int distrust_zeroes(struct seed_sync_unit *unit, struct seed_error *err)
{
	off_t size = (off_t)unit->size, end;

	for (off_t at = 0; at < size; at = end) {
		off_t data = lseek(unit->fd, at, SEEK_DATA);
		uint64_t block, stop;
		struct seed_run run;

		if (data < 0 && errno == ENXIO)
			return 0;
		end = data < 0 ? size : lseek(unit->fd, data, SEEK_HOLE);
		if (end <= at || end > size)
			end = size;
		block = (uint64_t)(data < 0 ? at : data) / SEED_BLOCK_SIZE;
		stop = seed_grid_blocks((uint64_t)end);
		for (; block < stop; block = run.start + run.count) {
			if (seed_list_run(unit->base, block, &run, err) < 0)
				return -1;
			if (run.count > stop - block)
				run.count = stop - block;
			if (run.kind == SEED_BLOCK_ZERO &&
			    seed_list_fill(unit->base, block, run.count, SEED_BLOCK_MISSING,
					   err) < 0)
				return -1;
		}
	}
	return 0;
}

/* False: nothing that could be gone on with. */
static bool resume_in_place(struct seed_sync *sync, struct seed_sync_unit *unit)
{
	if (seed_list_open(&unit->base, sync->dir, unit->names.have, unit->blocks, true,
			   NULL) == 0 &&
	    seed_raw_sink_open(&unit->sink, sync->dir, unit->names.raw, unit->size, NULL) == 0)
		return true;
	seed_list_close(unit->base);
	unit->base = NULL;
	return false;
}

/* The old list goes, durably, before a new file can be taken for what it speaks of. */
static int start_in_place(struct seed_sync *sync, struct seed_sync_unit *unit,
			  struct seed_error *err)
{
	if (seed_path_unlink(sync->dir, unit->names.have, err) < 0 ||
	    seed_path_unlink(sync->dir, unit->names.raw, err) < 0 ||
	    seed_fd_sync(sync->dir, err) < 0 ||
	    seed_raw_sink_create(&unit->sink, sync->dir, unit->names.raw, unit->size, err) < 0 ||
	    seed_list_create(&unit->base, sync->dir, unit->names.have, unit->blocks, err) < 0 ||
	    seed_list_sync(unit->base, err) < 0)
		return -1;
	return seed_fd_sync(sync->dir, err);
}

static int open_in_place(struct seed_sync *sync, struct seed_sync_unit *unit,
			 struct seed_error *err)
{
	bool resumed = resume_in_place(sync, unit);

	if (!resumed && start_in_place(sync, unit, err) < 0)
		return -1;
	if (seed_path_open(&unit->fd, sync->dir, unit->names.raw, O_RDONLY, 0, err) < 0 ||
	    (resumed && distrust_zeroes(unit, err) < 0))
		return -1;
	return make_next(sync, unit, err);
}

int seed_sync_unit_open(struct seed_sync *sync, struct seed_sync_unit *unit,
			const struct seed_sync_disk *disk, const struct seed_replica_disk *own,
			struct seed_error *err)
{
	return own ? open_own(sync, unit, disk, own, err) : open_in_place(sync, unit, err);
}

int seed_sync_unit_open_fill(struct seed_sync *sync, struct seed_sync_unit *unit,
			     const struct seed_replica_disk *own, struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec missing = { 0 };

	if (hold_disk(sync->replica, unit, own->file, err) < 0 ||
	    seed_list_open(&unit->base, sync->replica->dir, own->list, unit->blocks, false,
			   err) < 0 ||
	    find_missing(sync->replica, own, &missing, err) < 0 ||
	    make_base(sync, unit, own->size, &missing, NULL, err) < 0 ||
	    seed_list_open(&unit->next, sync->replica->dir, own->list, unit->blocks, false,
			   err) < 0)
		return -1;
	/* From here on it is written to. */
	if (missing.count && seed_replica_unstamp(sync->replica->dir, unit->names.stem, err) < 0)
		return -1;
	return seed_raw_sink_open(&unit->sink, sync->replica->dir, own->file, unit->size, err);
}

void seed_sync_unit_close(struct seed_sync_unit *unit)
{
	seed_sink_abandonp(&unit->sink);
	seed_list_close(unit->base);
	seed_list_close(unit->next);
	unit->base = unit->next = NULL;
	seed_fd_closep(&unit->fd);
	seed_vec_free(&unit->puts);
}

/* ---- checkpoints ---- */

static int by_index(const void *a, const void *b)
{
	uint64_t x = ((const struct seed_sync_put *)a)->index;
	uint64_t y = ((const struct seed_sync_put *)b)->index;

	return (x > y) - (x < y);
}

/* In a fill nobody reads the disk at the end: what was written is read back now, past the cache. */
static int read_back(const struct seed_sync_unit *unit, struct seed_error *err)
{
	SEED_AUTO(seed_freep) uint8_t *buf = seed_buffer_new(SEED_BLOCK_SIZE, err);

	if (!buf)
		return -1;
	seed_fd_drop_cache(unit->fd);
	for (size_t i = 0; i < unit->puts.count; i++) {
		const struct seed_sync_put *put = seed_vec_at(&unit->puts, i);
		uint32_t len = seed_grid_length(unit->size, put->index);
		struct seed_digest digest = seed_digest_zero;

		if (seed_sink_read(unit->sink, buf, len, put->index * SEED_BLOCK_SIZE, err) < 0)
			return -1;
		if (!seed_block_is_zero(buf, len))
			seed_digest_of(&digest, buf, len);
		if (!seed_digest_equal(&digest, &put->digest))
			return seed_error_set(err, SEED_ERR_INTEGRITY, "block %llu reads back "
					      "differently", (unsigned long long)put->index);
	}
	return 0;
}

int seed_sync_unit_checkpoint(struct seed_sync *sync, struct seed_sync_unit *unit,
			      struct seed_error *err)
{
	if (!unit->sink || unit->puts.count == 0)
		return 0;
	/* In order: the list has one window in memory. */
	qsort(unit->puts.items, unit->puts.count, unit->puts.size, by_index);
	if (seed_sink_sync(unit->sink, err) < 0 || (sync->fill && read_back(unit, err) < 0))
		return -1;
	for (size_t i = 0; i < unit->puts.count; i++) {
		const struct seed_sync_put *put = seed_vec_at(&unit->puts, i);

		if (seed_list_set(unit->base, put->index, &put->digest, 1, err) < 0)
			return -1;
	}
	unit->puts.count = 0;
	return seed_list_sync(unit->base, err);
}
