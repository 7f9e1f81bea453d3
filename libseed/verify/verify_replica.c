/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Verifying a replica: its manifest, lists and roots, and every block of its disks. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "block/merkle.h"
#include "block/scan.h"
#include "image/raw_source.h"
#include "replica/manifest_file.h"
#include "replica/missing.h"
#include "replica/replica.h"
#include "verify/verify_internal.h"

#define DEPTH_PER_WORKER 4u

struct replica_check {
	struct seed_verify_replica *out;
	const struct seed_verify_options *opt;
	struct seed_replica *replica;
	struct seed_manifest manifest;
	struct seed_pool *pool;
	uint64_t total, done;		/* bytes, for progress */
};

/* A run of bad blocks grows, or a new one begins. */
static int add_bad(struct seed_verify_disk *d, uint64_t block, struct seed_error *err)
{
	struct seed_run run = { block, 1, SEED_BLOCK_DATA };
	struct seed_run *last = d->bad.count ? seed_vec_at(&d->bad, d->bad.count - 1) : NULL;

	d->bad_blocks++;
	if (last && last->start + last->count == block) {
		last->count++;
		return 0;
	}
	return seed_vec_push(&d->bad, sizeof(run), &run) ? 0 :
							   seed_error_sys(err, ENOMEM, "verify");
}

static bool is_missing(const struct seed_vec *missing, size_t *at, uint64_t block)
{
	for (; *at < missing->count; ++*at) {
		const struct seed_run *run = seed_vec_at(missing, *at);

		if (block < run->start)
			return false;
		if (block < run->start + run->count)
			return true;
	}
	return false;
}

static int compare_chunk(struct seed_verify_disk *d, struct seed_list *list,
			 const struct seed_chunk *chunk, const struct seed_vec *missing, size_t *at,
			 struct seed_error *err)
{
	for (uint64_t i = 0; i < chunk->count;) {
		uint64_t block = chunk->first + i;
		struct seed_digest want, have = seed_digest_zero;
		struct seed_run run;

		if (chunk->hole) {
			/* Whole runs at once: a hole may be terabytes. */
			if (seed_list_run(list, block, &run, err) < 0)
				return -1;
			if (run.kind == SEED_BLOCK_ZERO) {
				i += run.count;
				continue;
			}
		} else if (chunk->kinds[i] == SEED_BLOCK_DATA) {
			have = chunk->digests[i];
		}
		if (seed_list_get(list, block, &want, 1, err) < 0)
			return -1;
		if (!seed_digest_equal(&have, &want) && !is_missing(missing, at, block) &&
		    add_bad(d, block, err) < 0)
			return -1;
		i++;
	}
	return 0;
}

static int compare_disk(struct replica_check *c, struct seed_verify_disk *d,
			struct seed_source *source, struct seed_list *list,
			const struct seed_vec *missing, struct seed_error *err)
{
	const struct seed_scan_options opt = {
		.source = source,
		.pool = c->pool,
		.depth = (size_t)DEPTH_PER_WORKER * (c->opt->jobs ? c->opt->jobs : 1),
		.cancel = c->opt->cancel,
	};
	SEED_AUTO(seed_scan_closep) struct seed_scan *scan = NULL;
	size_t at = 0;

	if (seed_scan_open(&scan, &opt, err) < 0)
		return -1;
	for (;;) {
		struct seed_chunk *chunk;
		int rc;

		if (seed_scan_next(scan, &chunk, err) < 0)
			return -1;
		if (!chunk)
			break;
		rc = compare_chunk(d, list, chunk, missing, &at, err);
		if (!chunk->hole)
			c->done += chunk->count * SEED_BLOCK_SIZE;
		seed_event_send(c->opt->events, &(struct seed_event){
			.kind = SEED_EVENT_PROGRESS,
			.phase = "verifying",
			.done = c->done < c->total ? c->done : c->total,
			.total = c->total,
			.disk = d->slot,
		});
		seed_scan_give_back(scan, chunk);
		if (rc < 0)
			return -1;
	}
	c->out->bytes += seed_scan_bytes_read(scan);
	return 0;
}

static int open_source(const struct replica_check *c, const struct seed_replica_disk *disk,
		       struct seed_source **out, struct seed_error *err)
{
	char path[80];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", c->replica->dir, disk->file);
	return seed_raw_source_open(out, path, err);
}

/* Problems of this disk alone; -1 only when the run must end. */
static int check_disk(struct replica_check *c, uint32_t index, struct seed_error *why,
		      struct seed_error *err)
{
	const struct seed_manifest_disk *m = seed_vec_at(&c->manifest.disks, index);
	const struct seed_replica_disk *disk = seed_vec_at(&c->replica->disks, index);
	struct seed_verify_disk *d = seed_vec_push(&c->out->disks, sizeof(*d), NULL);
	SEED_AUTO(seed_source_closep) struct seed_source *source = NULL;
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
	SEED_AUTO(seed_vec_free) struct seed_vec missing = { 0 };
	struct seed_digest root;

	if (!d)
		return seed_error_sys(err, ENOMEM, "verify");
	snprintf(d->slot, sizeof(d->slot), "%s", disk->slot);
	d->blocks = m->blocks;
	d->missing_blocks = disk->missing_blocks;
	c->out->missing_blocks += disk->missing_blocks;
	if (seed_list_open(&list, c->replica->dir, disk->list, m->blocks, false, why) < 0 ||
	    seed_merkle_of_list(&root, list, m->size, NULL, NULL, why) < 0 ||
	    seed_missing_of_disk(&missing, c->replica->dir, disk, why) < 0 ||
	    open_source(c, disk, &source, why) < 0)
		return 0;
	if (!seed_digest_equal(&root, &m->root)) {
		seed_error_set(why, SEED_ERR_INTEGRITY,
			       "the digest list's root is not the manifest's");
		return 0;
	}
	if (source->size != m->size) {
		seed_error_set(why, SEED_ERR_INTEGRITY, "is %llu bytes long, not %llu",
			       (unsigned long long)source->size, (unsigned long long)m->size);
		return 0;
	}
	if (compare_disk(c, d, source, list, &missing, why) < 0) {
		if (why->kind == SEED_ERR_CANCELLED) {
			*err = *why;
			return -1;
		}
		return 0;
	}
	c->out->bad_blocks += d->bad_blocks;
	if (d->bad_blocks)
		seed_error_set(why, SEED_ERR_INTEGRITY,
			       "%llu of %llu blocks differ from their digests, the first is block "
			       "%llu",
			       (unsigned long long)d->bad_blocks, (unsigned long long)d->blocks,
			       (unsigned long long)((struct seed_run *)seed_vec_at(&d->bad, 0))
				       ->start);
	return 0;
}

static int check_disks(struct replica_check *c, struct seed_error *err)
{
	if (c->manifest.disks.count != c->replica->disks.count)
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "manifest and replica differ in their number of disks");
	for (size_t i = 0; i < c->manifest.disks.count; i++)
		c->total += ((const struct seed_manifest_disk *)seed_vec_at(&c->manifest.disks, i))
				    ->data_blocks *
			    SEED_BLOCK_SIZE;
	seed_event_send(c->opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PHASE, .phase = "verifying", .total = c->total });
	for (uint32_t i = 0; i < c->replica->disks.count; i++) {
		const struct seed_replica_disk *disk = seed_vec_at(&c->replica->disks, i);
		struct seed_error why = { 0 };

		if (check_disk(c, i, &why, err) < 0)
			return -1;
		if (why.kind && seed_verify_note(&c->out->problems, c->opt->events, &why,
						 "%s disk %s", c->replica->name, disk->slot) < 0)
			return seed_error_sys(err, ENOMEM, "verify");
	}
	return 0;
}

int seed_verify_replica(struct seed_verify_replica *out, int store, const char *name,
			const struct seed_verify_options *opt, struct seed_error *err)
{
	struct replica_check c = { .out = out, .opt = opt };
	const struct seed_pool_options pool = { .workers = opt->jobs };
	const struct seed_replica_watch watch = { opt->events, opt->cancel };
	int rc;

	if (seed_replica_open_watched(&c.replica, store, name, &watch, err) < 0)
		return -1;
	seed_manifest_init(&c.manifest);
	out->promoted = c.replica->state == SEED_REPLICA_PROMOTED;
	if (c.replica->state == SEED_REPLICA_SEEDING)
		rc = seed_error_set(err, SEED_ERR_BUSY,
				    "is seeding: finish its import first, then verify");
	else if (c.replica->state == SEED_REPLICA_CANDIDATE)
		rc = seed_error_set(err, SEED_ERR_BUSY,
				    "is a candidate: nothing signed describes it until the first "
				    "resync to it");
	else
		rc = seed_replica_manifest(&c.manifest, NULL, c.replica, opt->trust, err);
	if (rc == 0)
		rc = seed_pool_new(&c.pool, &pool, err);
	if (rc == 0)
		rc = check_disks(&c, err);
	seed_pool_free(c.pool);
	seed_manifest_clear(&c.manifest);
	seed_replica_close(c.replica);
	return rc < 0 ? seed_error_prefix(err, "%s", name) : 0;
}
