/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One ordered pass over a disk: reading, the zero test and SHA-256 on the
 * workers of a pool, results in disk order on the caller's thread.
 *
 * Holes are never read and never become jobs: they come as runs of zero
 * blocks. What a caller knows already (kept digests of a source that is
 * provably unchanged) is not read either.
 */
#ifndef SEED_BLOCK_SCAN_H
#define SEED_BLOCK_SCAN_H

#include "base/cancel.h"
#include "base/pool.h"
#include "block/digest_list.h"
#include "block/grid.h"
#include "image/source.h"

#define SEED_CHUNK_BLOCKS 16u
#define SEED_CHUNK_SIZE (SEED_CHUNK_BLOCKS * SEED_BLOCK_SIZE)

struct seed_scan;

/* Up to 16 neighbouring blocks, or a run of zero blocks of any length. */
struct seed_chunk {
	struct seed_job job;			/* must be first */
	struct seed_scan *scan;
	uint64_t first;				/* block */
	uint64_t count;				/* blocks; above SEED_CHUNK_BLOCKS only when
						 * @hole */
	bool hole;				/* all zero without having been read */
	uint32_t lengths[SEED_CHUNK_BLOCKS];	/* bytes */
	enum seed_block_kind kinds[SEED_CHUNK_BLOCKS];
	bool known[SEED_CHUNK_BLOCKS];		/* digest given by the caller, not read */
	struct seed_digest digests[SEED_CHUNK_BLOCKS];
	/* SEED_CHUNK_SIZE aligned bytes; block i at i * SEED_BLOCK_SIZE. A caller may swap this
	 * buffer for another of the kind instead of copying from it. */
	uint8_t *data;
	struct seed_chunk *next_free;
};

struct seed_scan_options {
	struct seed_source *source;
	struct seed_pool *pool;
	size_t depth;			/* chunks in flight: @depth MiB of memory */
	/* True, with *@digest, when the block need not be read. Called on the caller's thread, in
	 * order, for data blocks only. NULL: everything is read. */
	bool (*known)(void *arg, uint64_t index, struct seed_digest *digest);
	void *arg;
	const struct seed_cancel *cancel;
};

int seed_scan_open(struct seed_scan **out, const struct seed_scan_options *opt,
		   struct seed_error *err);
/* Waits for running jobs. NULL is fine. */
void seed_scan_close(struct seed_scan *scan);
static inline void seed_scan_closep(struct seed_scan **scan) { seed_scan_close(*scan); }

/* The next chunk in disk order, *@out NULL at the end. The caller gives each back before it
 * closes; at most @depth are out at once. */
int seed_scan_next(struct seed_scan *scan, struct seed_chunk **out, struct seed_error *err);
void seed_scan_give_back(struct seed_scan *scan, struct seed_chunk *chunk);
/* Bytes read from the source so far, to show what was not read. */
uint64_t seed_scan_bytes_read(const struct seed_scan *scan);

/* Bytes that lie in data extents, rounded out to blocks: the work of a pass. */
int seed_scan_measure(struct seed_source *source, uint64_t *data_bytes, struct seed_error *err);

#endif
