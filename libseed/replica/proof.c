// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Whoever writes a replica's disk in place removes its stamp first, durably: the blocks of a
 * file can reach the disk long before its times do, and a power cut between the two would leave
 * new bytes under the old identity. A crash between a write and the new stamp leaves no stamp,
 * and the disk is read the next time. Stamping goes the other way: the time is set back, the
 * inode made durable, and the stamp written last; a crash in between leaves an identity that no
 * stamp has.
 */
#include "replica/proof.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "block/grid.h"
#include "block/scan.h"
#include "block/stamp.h"
#include "image/image_lock.h"
#include "image/raw_source.h"
#include "replica/missing.h"
#include "replica/replica_internal.h"

#define PHASE "checking the replica"

struct check {
	const struct seed_proof_options *opt;
	const struct seed_replica_disk *disk;
	struct seed_source *source;
	struct seed_list *list;
	struct seed_vec missing;	/* struct seed_run: known not to be right */
	size_t at;			/* in @missing: where the walk stands */
	struct seed_proof *out;
	uint64_t done, total;		/* bytes, for progress */
};

void seed_proof_clear(struct seed_proof *proof)
{
	seed_vec_free(&proof->differ);
	*proof = (struct seed_proof){ 0 };
}

/* ---- stamping ---- */

int seed_replica_unstamp(int dir, const char *stem, struct seed_error *err)
{
	char name[48];

	snprintf(name, sizeof(name), "%s.stamp", stem);
	if (!seed_path_exists(dir, name))
		return 0;
	return seed_path_unlink(dir, name, err) < 0 ? -1 : seed_fd_sync(dir, err);
}

int seed_replica_stamp(int dir, const char *stem, const char *disk_file, uint64_t blocks,
		       struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int fd = -1;
	struct seed_stamp stamp = { .recorded = seed_clock_wall(), .blocks = blocks };
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { 0 } };
	struct stat st;

	if (seed_path_open(&fd, dir, disk_file, O_RDONLY, 0, err) < 0)
		return -1;
	times[1].tv_sec = (time_t)(stamp.recorded - SEED_SET_BACK);
	if (futimens(fd, times) < 0)
		return seed_error_sys(err, errno, "%s: set its time", disk_file);
	if (seed_fd_sync(fd, err) < 0)
		return seed_error_prefix(err, "%s", disk_file);
	if (fstat(fd, &st) < 0)
		return seed_error_sys(err, errno, "%s", disk_file);
	/* One who opened it for writing before the time was set may have written before that,
	 * too. */
	if (seed_image_has_writer(fd))
		return seed_replica_unstamp(dir, stem, err);
	seed_source_identity_of_file(&stamp.identity, &st);
	return seed_stamp_write(dir, stem, &stamp, err);
}

bool seed_replica_stamped(int dir, const struct seed_replica_disk *disk,
			  struct seed_source_identity *now)
{
	SEED_AUTO(seed_source_closep) struct seed_source *source = NULL;
	struct seed_source_identity identity;
	struct seed_stamp stamp;
	char path[80], stem[33];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, disk->file);
	if (seed_stamp_read(&stamp, dir, seed_replica_slot_stem(disk->slot, stem), NULL) < 0 ||
	    seed_raw_source_open(&source, path, NULL) < 0 ||
	    source->held == SEED_CAPTURED_UNPROVEN ||
	    seed_source_identity(source, &identity, NULL) < 0 ||
	    !seed_stamp_proves_set_back(&stamp, &identity) || identity.size != disk->size ||
	    stamp.blocks != seed_grid_blocks(disk->size))
		return false;
	if (now)
		*now = identity;
	return true;
}

/* ---- comparing ---- */

/* A run grows, or a new one begins. */
static int add_differing(struct seed_proof *out, uint64_t block, struct seed_error *err)
{
	struct seed_run run = { block, 1, SEED_BLOCK_MISSING };
	struct seed_run *last = out->differ.count ?
				seed_vec_at(&out->differ, out->differ.count - 1) : NULL;

	out->differ_blocks++;
	if (last && last->start + last->count == block) {
		last->count++;
		return 0;
	}
	return seed_vec_push(&out->differ, sizeof(run), &run) ? 0 :
	       seed_error_sys(err, ENOMEM, PHASE);
}

/* Blocks are asked for in rising order. */
static bool is_missing(struct check *c, uint64_t block)
{
	for (; c->at < c->missing.count; c->at++) {
		const struct seed_run *run = seed_vec_at(&c->missing, c->at);

		if (block < run->start)
			return false;
		if (block < run->start + run->count)
			return true;
	}
	return false;
}

static int compare_chunk(struct check *c, const struct seed_chunk *chunk, struct seed_error *err)
{
	for (uint64_t i = 0; i < chunk->count;) {
		uint64_t block = chunk->first + i;
		struct seed_digest want, have = seed_digest_zero;
		struct seed_run run;

		if (chunk->hole) {
			/* Whole runs at once: a hole may be terabytes. */
			if (seed_list_run(c->list, block, &run, err) < 0)
				return -1;
			if (run.kind == SEED_BLOCK_ZERO) {
				i += run.count;
				continue;
			}
		} else if (chunk->kinds[i] == SEED_BLOCK_DATA) {
			have = chunk->digests[i];
		}
		if (seed_list_get(c->list, block, &want, 1, err) < 0)
			return -1;
		/* What could not be read at the source may be anything here. */
		if (!seed_digest_equal(&have, &want) &&
		    seed_digest_kind(&want) != SEED_BLOCK_MISSING && !is_missing(c, block) &&
		    add_differing(c->out, block, err) < 0)
			return -1;
		i++;
	}
	return 0;
}

static void show_progress(struct check *c, const struct seed_chunk *chunk)
{
	if (chunk->hole)
		return;
	c->done += chunk->count * SEED_BLOCK_SIZE;
	seed_event_send(c->opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PROGRESS, .phase = PHASE, .total = c->total,
		.done = c->done < c->total ? c->done : c->total, .disk = c->disk->slot });
}

static int read_disk(struct check *c, struct seed_error *err)
{
	const struct seed_scan_options opt = {
		.source = c->source, .pool = c->opt->pool, .cancel = c->opt->cancel,
		.depth = c->opt->depth ? c->opt->depth : 1,
	};
	SEED_AUTO(seed_scan_closep) struct seed_scan *scan = NULL;

	if (seed_scan_measure(c->source, &c->total, err) < 0 ||
	    seed_scan_open(&scan, &opt, err) < 0)
		return -1;
	seed_event_send(c->opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PHASE, .phase = PHASE, .total = c->total,
		.disk = c->disk->slot });
	for (;;) {
		struct seed_chunk *chunk;
		int rc;

		if (seed_scan_next(scan, &chunk, err) < 0)
			return -1;
		if (!chunk)
			break;
		rc = compare_chunk(c, chunk, err);
		show_progress(c, chunk);
		seed_scan_give_back(scan, chunk);
		if (rc < 0)
			return -1;
	}
	c->out->bytes_read = seed_scan_bytes_read(scan);
	return 0;
}

/* Of a disk that somebody shortened: what lay behind its end is not there. */
static int compare_rest(struct check *c, struct seed_error *err)
{
	uint64_t blocks = seed_grid_blocks(c->disk->size);

	for (uint64_t at = seed_grid_blocks(c->source->size); at < blocks; at++)
		if (!is_missing(c, at) && add_differing(c->out, at, err) < 0)
			return -1;
	return 0;
}

/* ---- proving ---- */

/* No locks on this file system is no writer; an open descriptor is one. */
static int refuse_writer(const struct check *c, const char *path, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int fd = -1;

	if (c->source->held != SEED_CAPTURED_UNPROVEN)
		return 0;
	fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || !seed_image_has_writer(fd))
		return 0;
	return seed_error_set(err, SEED_ERR_BUSY, "another program has it open for writing");
}

static int open_disk(struct check *c, const struct seed_replica *replica, struct seed_error *err)
{
	uint64_t blocks = seed_grid_blocks(c->disk->size);
	char path[80];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", replica->dir, c->disk->file);
	if (!seed_path_exists(replica->dir, c->disk->file))
		return seed_error_set(err, SEED_ERR_NOTFOUND, "%s is gone", c->disk->file);
	if (seed_list_open(&c->list, replica->dir, c->disk->list, blocks, false, err) < 0 ||
	    seed_missing_of_disk(&c->missing, replica->dir, c->disk, err) < 0 ||
	    seed_raw_source_open(&c->source, path, err) < 0)
		return -1;
	return refuse_writer(c, path, err);
}

/* Read it whole. Nobody may write meanwhile: what was read first would not count. */
static int prove_by_reading(struct check *c, const struct seed_source_identity *before,
			    bool undisturbed, struct seed_error *err)
{
	struct seed_source_identity after;
	bool resized = before->size != c->disk->size;

	/* What lies behind the end that the disk should have is nobody's: blocks keep their
	 * length. */
	if (c->source->size > c->disk->size)
		c->source->size = c->disk->size;
	if (read_disk(c, err) < 0 || compare_rest(c, err) < 0 ||
	    seed_source_identity(c->source, &after, err) < 0)
		return -1;
	if (before->provable && !seed_source_identity_equal(before, &after))
		return seed_error_set(err, SEED_ERR_BUSY, "it changes while it is read");
	if (!resized && c->out->differ_blocks == 0)
		c->out->result = SEED_PROVED_FULL;
	else
		c->out->result = undisturbed ? SEED_PROVED_ROTTEN : SEED_PROVED_EDITED;
	return 0;
}

static int prove(struct check *c, const struct seed_replica *replica, struct seed_error *err)
{
	uint64_t blocks = seed_grid_blocks(c->disk->size);
	struct seed_source_identity now;
	struct seed_stamp stamp;
	char stem[33];
	bool undisturbed;

	seed_replica_slot_stem(c->disk->slot, stem);
	if (open_disk(c, replica, err) < 0 || seed_source_identity(c->source, &now, err) < 0)
		return -1;
	/* A stamp that cannot be read proves nothing, and is no error. */
	undisturbed = seed_stamp_read(&stamp, replica->dir, stem, NULL) == 0 &&
		      stamp.blocks == blocks && seed_stamp_proves_set_back(&stamp, &now) &&
		      now.size == c->disk->size;
	if (undisturbed && !c->opt->paranoid) {
		c->out->result = SEED_PROVED_STAMP;
		return 0;
	}
	if (prove_by_reading(c, &now, undisturbed, err) < 0)
		return -1;
	if (c->out->result != SEED_PROVED_FULL || !now.provable)
		return 0;
	return seed_replica_stamp(replica->dir, stem, c->disk->file, blocks, err);
}

int seed_replica_prove(struct seed_proof *out, const struct seed_replica *replica, size_t disk,
		       const struct seed_proof_options *opt, struct seed_error *err)
{
	struct seed_proof proof = { 0 };
	struct check c = { .opt = opt, .out = &proof, .disk = seed_vec_at(&replica->disks, disk) };
	int rc = prove(&c, replica, err);

	seed_source_close(c.source);
	seed_list_close(c.list);
	seed_vec_free(&c.missing);
	if (rc < 0) {
		seed_proof_clear(&proof);
		return -1;
	}
	*out = proof;
	return 0;
}
