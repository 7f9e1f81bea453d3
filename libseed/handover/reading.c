// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the disks of a VM hold now, compared with the kept lists of their last reading
 * (capture/capture.h). The kept lists stay as they are: a run that is refused here must find
 * the same difference again. (no .h: handover_internal.h)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/pool.h"
#include "base/text.h"
#include "block/scan.h"
#include "block/merkle.h"
#include "block/stamp.h"
#include "capture/capture.h"
#include "handover/handover_internal.h"
#include "image/raw_source.h"

#define DEPTH 64u		/* MiB in flight */
#define NAMES_MAX 10000u	/* in a VM's folder */

struct pass {
	const struct seed_reading_options *opt;
	struct seed_pool *pool;
	struct seed_reading *reading;	/* the disk being read */
	struct seed_list *kept;		/* its last reading; NULL: there is none */
	uint64_t kept_blocks;		/* of @kept */
	uint64_t proven;		/* blocks below this one are provably as they were then */
	struct seed_list *now;		/* NULL: not wanted */
	struct seed_merkle tree;
	uint64_t done, total;		/* bytes of all disks */
};

char *seed_reading_list(const char *slot, char *out)
{
	snprintf(out, SEED_CAPTURE_LIST_NAME, "%s.adopt", slot);
	return out;
}

void seed_readings_clear(struct seed_vec *readings)
{
	for (size_t i = 0; i < readings->count; i++) {
		struct seed_reading *r = seed_vec_at(readings, i);

		seed_source_close(r->source);
		free(r->path);
	}
	seed_vec_free(readings);
}

static int forget_list(const char *name, void *arg, struct seed_error *err)
{
	const char *end = strrchr(name, '.');

	return end && strcmp(end, ".adopt") == 0 ? seed_path_unlink(*(int *)arg, name, err) : 0;
}

void seed_reading_forget(int vm_dir)
{
	seed_path_each(vm_dir, ".", NAMES_MAX, forget_list, &vm_dir, NULL);
}

int seed_reading_open(struct seed_vec *readings, const char *slot, const char *path,
		      struct seed_error *err)
{
	struct seed_reading r = { .path = strdup(path) };
	char quoted[SEED_QUOTED];

	snprintf(r.slot, sizeof(r.slot), "%s", slot);
	if (!r.path)
		return seed_error_sys(err, ENOMEM, "%s", path);
	if (seed_raw_source_open(&r.source, path, err) < 0) {
		free(r.path);
		return -1;
	}
	if (r.source->held == SEED_CAPTURED_UNPROVEN)
		seed_error_set(err, SEED_ERR_BUSY,
			       "%s cannot be held: somebody may be writing to it",
			       seed_quote(path, quoted, sizeof(quoted)));
	else if (!seed_vec_push(readings, sizeof(r), &r))
		seed_error_sys(err, ENOMEM, "%s", path);
	else
		return 0;
	seed_source_close(r.source);
	free(r.path);
	return -1;
}

/* ---- comparing ---- */

static void count_changed(struct pass *p, uint64_t block, uint64_t size)
{
	p->reading->changed_blocks++;
	p->reading->changed_bytes += seed_grid_length(size, block);
}

static int compare_block(struct pass *p, uint64_t block, const struct seed_digest *now,
			 struct seed_error *err)
{
	struct seed_digest then = seed_digest_zero;

	if (block < p->kept_blocks && seed_list_get(p->kept, block, &then, 1, err) < 0)
		return -1;
	if (!seed_digest_equal(&then, now))
		count_changed(p, block, p->reading->source->size);
	return 0;
}

/* Blocks [@first, @end) are zero now: each that was not then has changed. A hole may be terabytes,
 * so the list is walked by runs. */
static int compare_zeroes(struct pass *p, uint64_t first, uint64_t end, uint64_t size,
			  struct seed_error *err)
{
	if (end > p->kept_blocks)
		end = p->kept_blocks;
	for (uint64_t at = first; at < end;) {
		struct seed_run run;

		if (seed_list_run(p->kept, at, &run, err) < 0)
			return -1;
		if (run.kind == SEED_BLOCK_ZERO) {
			at += run.count;
			continue;
		}
		for (uint64_t n = 0; n < run.count && at < end; n++)
			count_changed(p, at++, size);
	}
	return 0;
}

/* Zero blocks; the last one of the disk may be short. */
static void add_zeroes(struct pass *p, uint64_t first, uint64_t count)
{
	uint64_t size = p->reading->source->size;
	uint32_t last = seed_grid_length(size, first + count - 1);
	struct seed_digest zero;

	if (last != SEED_BLOCK_SIZE)
		count--;
	seed_zero_digest(&zero, SEED_BLOCK_SIZE);
	if (count)
		seed_merkle_add_run(&p->tree, &zero, count);
	if (last == SEED_BLOCK_SIZE)
		return;
	seed_zero_digest(&zero, last);
	seed_merkle_add(&p->tree, &zero);
}

static void add_to_tree(struct pass *p, const struct seed_chunk *chunk)
{
	for (uint64_t i = 0; !chunk->hole && i < chunk->count; i++) {
		if (seed_digest_kind(&chunk->digests[i]) == SEED_BLOCK_ZERO)
			add_zeroes(p, chunk->first + i, 1);
		else
			seed_merkle_add(&p->tree, &chunk->digests[i]);
	}
	if (chunk->hole)
		add_zeroes(p, chunk->first, chunk->count);
}

static int take_chunk(struct pass *p, struct seed_chunk *chunk, struct seed_error *err)
{
	for (uint64_t i = 0; !chunk->hole && i < chunk->count; i++)
		if (chunk->kinds[i] == SEED_BLOCK_ZERO)
			chunk->digests[i] = seed_digest_zero;
	add_to_tree(p, chunk);
	if (chunk->hole)
		return compare_zeroes(p, chunk->first, chunk->first + chunk->count,
				      p->reading->source->size, err);
	for (uint64_t i = 0; i < chunk->count; i++) {
		p->done += chunk->lengths[i];
		if (compare_block(p, chunk->first + i, &chunk->digests[i], err) < 0)
			return -1;
	}
	seed_event_send(p->opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PROGRESS, .done = p->done, .total = p->total,
		.disk = p->reading->slot });
	return p->now ? seed_list_set(p->now, chunk->first, chunk->digests, chunk->count, err) : 0;
}

/* ---- one disk ---- */

static bool known_block(void *arg, uint64_t index, struct seed_digest *digest)
{
	struct pass *p = arg;

	return index < p->proven && index < p->kept_blocks &&
	       seed_list_get(p->kept, index, digest, 1, NULL) == 0 &&
	       seed_digest_kind(digest) != SEED_BLOCK_MISSING;
}

/* A disk that was never read has no list: all of its data is new then. */
static int open_kept(struct pass *p, struct seed_error *err)
{
	int dir = p->opt->vm->dir;
	char name[SEED_CAPTURE_LIST_NAME];
	struct seed_stamp stamp;
	struct stat st;

	p->kept_blocks = p->proven = 0;
	seed_capture_list_name(p->reading->slot, name);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : seed_error_sys(err, errno, "%s", name);
	p->kept_blocks = (uint64_t)st.st_size / SEED_DIGEST_SIZE;
	if (seed_list_open(&p->kept, dir, name, p->kept_blocks, false, err) < 0)
		return -1;
	if (seed_stamp_read(&stamp, dir, p->reading->slot, NULL) == 0 &&
	    seed_stamp_proves(&stamp, &p->reading->identity))
		p->proven = stamp.blocks;
	return 0;
}

static int scan(struct pass *p, struct seed_error *err)
{
	SEED_AUTO(seed_scan_closep) struct seed_scan *scan = NULL;
	const struct seed_scan_options opt = {
		.source = p->reading->source,
		.pool = p->pool,
		.depth = DEPTH,
		.known = p->proven ? known_block : NULL,
		.arg = p,
		.cancel = p->opt->cancel,
	};
	struct seed_chunk *chunk;
	int rc = 0;

	if (seed_scan_open(&scan, &opt, err) < 0)
		return -1;
	while (rc == 0) {
		if (seed_scan_next(scan, &chunk, err) < 0)
			return -1;
		if (!chunk)
			break;
		rc = take_chunk(p, chunk, err);
		seed_scan_give_back(scan, chunk);
	}
	p->reading->bytes_read = seed_scan_bytes_read(scan);
	return rc;
}

static int read_disk(struct pass *p, struct seed_error *err)
{
	struct seed_reading *r = p->reading;
	uint64_t blocks = seed_grid_blocks(r->source->size);
	struct seed_source_identity after;
	char name[SEED_CAPTURE_LIST_NAME];

	r->changed_blocks = r->changed_bytes = 0;
	seed_merkle_begin(&p->tree);
	if (seed_source_identity(r->source, &r->identity, err) < 0 || open_kept(p, err) < 0 ||
	    (p->opt->keep && seed_list_create(&p->now, p->opt->vm->dir,
					      seed_reading_list(r->slot, name), blocks, err) < 0) ||
	    scan(p, err) < 0)
		return -1;
	/* What it had beyond its present end is gone. */
	if (compare_zeroes(p, blocks, p->kept_blocks, p->kept_blocks * SEED_BLOCK_SIZE, err) < 0 ||
	    seed_source_identity(r->source, &after, err) < 0)
		return -1;
	if (after.provable && !seed_source_identity_equal(&r->identity, &after))
		return seed_error_set(err, SEED_ERR_BUSY,
				      "changed while it was read: is the VM running?");
	seed_merkle_end(&p->tree, &r->root);
	return p->now ? seed_list_sync(p->now, err) : 0;
}

int seed_reading_run(struct seed_vec *readings, const struct seed_reading_options *opt,
		     struct seed_error *err)
{
	SEED_AUTO(seed_pool_freep) struct seed_pool *pool = NULL;
	struct pass p = { .opt = opt };
	int rc = 0;

	if (seed_pool_new(&pool, &(struct seed_pool_options){ .workers = opt->jobs }, err) < 0)
		return -1;
	p.pool = pool;
	for (size_t i = 0; i < readings->count; i++) {
		struct seed_reading *r = seed_vec_at(readings, i);
		uint64_t bytes;

		if (seed_scan_measure(r->source, &bytes, err) < 0)
			return seed_error_prefix(err, "disk %s", r->slot);
		p.total += bytes;
	}
	seed_event_send(opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PHASE, .phase = "reading", .total = p.total });
	for (size_t i = 0; rc == 0 && i < readings->count; i++) {
		p.reading = seed_vec_at(readings, i);
		rc = read_disk(&p, err);
		seed_list_close(p.kept);
		seed_list_close(p.now);
		p.kept = p.now = NULL;
		if (rc < 0)
			seed_error_prefix(err, "disk %s", p.reading->slot);
	}
	return rc;
}
