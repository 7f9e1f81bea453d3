/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See scan.h. Submission runs ahead of delivery by up to @depth chunks. */
#include "block/scan.h"

#include <errno.h>
#include <stdatomic.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "crypto/digest.h"

struct seed_scan {
	struct seed_scan_options opt;
	struct seed_lane *lane;
	uint64_t blocks;
	uint64_t next;			/* block that submission stands at */
	uint64_t data_end;		/* block up to which the extent at @next is data */
	struct seed_chunk *chunks;	/* @depth of them */
	size_t made;
	struct seed_chunk *free;
	_Atomic uint64_t bytes_read;
};

/* Read the blocks of a chunk that are not known, neighbouring ones in one go. */
static int read_blocks(struct seed_chunk *c, struct seed_error *err)
{
	struct seed_scan *scan = c->scan;

	for (uint32_t i = 0; i < c->count;) {
		uint32_t end = i;
		size_t len = 0;

		while (end < c->count && !c->known[end])
			len += c->lengths[end++];
		if (len) {
			uint64_t offset = (c->first + i) * SEED_BLOCK_SIZE;

			if (seed_source_read(scan->opt.source,
					     c->data + (size_t)i * SEED_BLOCK_SIZE, len, offset,
					     err) < 0)
				return -1;
			atomic_fetch_add_explicit(&scan->bytes_read, len, memory_order_relaxed);
		}
		i = end + (end < c->count);
	}
	return 0;
}

/* A worker's part: read, look for zeroes, hash the rest side by side. */
static int run_chunk(struct seed_job *job, void *scratch, struct seed_error *err)
{
	struct seed_chunk *c = (struct seed_chunk *)job;
	const void *data[SEED_CHUNK_BLOCKS];
	size_t lens[SEED_CHUNK_BLOCKS];
	uint32_t which[SEED_CHUNK_BLOCKS];
	struct seed_digest digests[SEED_CHUNK_BLOCKS];
	size_t n = 0;

	(void)scratch;
	if (c->hole)
		return 0;
	if (seed_cancelled(c->scan->opt.cancel, err) < 0 || read_blocks(c, err) < 0)
		return -1;
	for (uint32_t i = 0; i < c->count; i++) {
		const uint8_t *block = c->data + (size_t)i * SEED_BLOCK_SIZE;

		if (c->known[i])
			continue;
		if (seed_block_is_zero(block, c->lengths[i])) {
			c->kinds[i] = SEED_BLOCK_ZERO;
			continue;
		}
		c->kinds[i] = SEED_BLOCK_DATA;
		data[n] = block;
		lens[n] = c->lengths[i];
		which[n++] = i;
	}
	seed_digest_many(digests, data, lens, n);
	for (size_t i = 0; i < n; i++)
		c->digests[which[i]] = digests[i];
	return 0;
}

int seed_scan_open(struct seed_scan **out, const struct seed_scan_options *opt,
		   struct seed_error *err)
{
	SEED_AUTO(seed_scan_closep) struct seed_scan *scan = calloc(1, sizeof(*scan));

	if (!scan)
		return seed_error_sys(err, ENOMEM, "scan");
	scan->opt = *opt;
	scan->blocks = seed_grid_blocks(opt->source->size);
	scan->chunks = calloc(opt->depth, sizeof(*scan->chunks));
	if (!scan->chunks)
		return seed_error_sys(err, ENOMEM, "scan");
	for (; scan->made < opt->depth; scan->made++) {
		struct seed_chunk *c = &scan->chunks[scan->made];

		c->data = seed_buffer_new(SEED_CHUNK_SIZE, err);
		if (!c->data)
			return -1;
		c->scan = scan;
		c->job.run = run_chunk;
		c->next_free = scan->free;
		scan->free = c;
	}
	if (seed_lane_open(&scan->lane, opt->pool, opt->depth, err) < 0)
		return -1;
	*out = seed_steal(&scan);
	return 0;
}

void seed_scan_close(struct seed_scan *scan)
{
	if (!scan)
		return;
	if (scan->lane)
		seed_lane_close(scan->lane, NULL);
	for (size_t i = 0; i < scan->made; i++)
		free(scan->chunks[i].data);
	free(scan->chunks);
	free(scan);
}

void seed_scan_give_back(struct seed_scan *scan, struct seed_chunk *chunk)
{
	chunk->next_free = scan->free;
	scan->free = chunk;
}

/* Where the extent at @scan->next ends, in whole blocks: a block counts as a hole only when all
 * of it is one. */
static int next_extent(struct seed_scan *scan, bool *hole, uint64_t *end_block,
		       struct seed_error *err)
{
	struct seed_source *src = scan->opt.source;
	uint64_t at = scan->next * SEED_BLOCK_SIZE, end;
	enum seed_extent_kind kind;

	if (seed_source_extent(src, at, &end, &kind, err) < 0)
		return -1;
	if (kind == SEED_EXTENT_ZERO) {
		*end_block = end >= src->size ? scan->blocks : end / SEED_BLOCK_SIZE;
		*hole = *end_block > scan->next;
		if (*hole)
			return 0;
		/* A hole that ends inside this block: the block is data. */
		*end_block = scan->next + 1;
		return 0;
	}
	*hole = false;
	*end_block = seed_grid_blocks(end);
	return 0;
}

/* Fill the next chunk of work; false at the end of the disk. */
static int plan_chunk(struct seed_scan *scan, struct seed_chunk *c, struct seed_error *err)
{
	uint64_t size = scan->opt.source->size;

	c->first = scan->next;
	if (scan->next >= scan->data_end) {
		uint64_t end;

		if (next_extent(scan, &c->hole, &end, err) < 0)
			return -1;
		if (c->hole) {
			c->count = end - scan->next;
			scan->next = end;
			return 0;
		}
		scan->data_end = end;
	}
	c->hole = false;
	/* Chunks stay on a grid of their own, so that reads are aligned and the same
	 * blocks come together whatever lies before them. */
	c->count = SEED_CHUNK_BLOCKS - c->first % SEED_CHUNK_BLOCKS;
	if (c->count > scan->data_end - c->first)
		c->count = scan->data_end - c->first;
	for (uint32_t i = 0; i < c->count; i++) {
		c->lengths[i] = seed_grid_length(size, c->first + i);
		c->known[i] = scan->opt.known &&
			      scan->opt.known(scan->opt.arg, c->first + i, &c->digests[i]);
		if (c->known[i])
			c->kinds[i] = seed_digest_kind(&c->digests[i]);
	}
	scan->next += c->count;
	return 0;
}

static int submit_ahead(struct seed_scan *scan, struct seed_error *err)
{
	while (scan->free && scan->next < scan->blocks) {
		struct seed_chunk *c = scan->free;

		if (plan_chunk(scan, c, err) < 0)
			return -1;
		scan->free = c->next_free;
		/* Cannot wait: as many chunks exist as the lane is deep. */
		if (!seed_lane_submit(scan->lane, &c->job))
			return seed_error_set(err, SEED_ERR_CANCELLED, "reading was stopped");
	}
	if (scan->next >= scan->blocks)
		seed_lane_end(scan->lane);
	return 0;
}

int seed_scan_next(struct seed_scan *scan, struct seed_chunk **out, struct seed_error *err)
{
	struct seed_chunk *c;

	if (seed_cancelled(scan->opt.cancel, err) < 0 || submit_ahead(scan, err) < 0)
		return -1;
	c = (struct seed_chunk *)seed_lane_next(scan->lane);
	if (c && c->job.status < 0) {
		if (err)
			*err = c->job.err;
		seed_scan_give_back(scan, c);
		return -1;
	}
	*out = c;
	return 0;
}

uint64_t seed_scan_bytes_read(const struct seed_scan *scan)
{
	return atomic_load_explicit(&scan->bytes_read, memory_order_relaxed);
}

int seed_scan_measure(struct seed_source *source, uint64_t *data_bytes, struct seed_error *err)
{
	uint64_t sum = 0, counted = 0;		/* bytes; blocks below this one are in @sum */

	for (uint64_t at = 0, end; at < source->size; at = end) {
		enum seed_extent_kind kind;
		uint64_t first = at / SEED_BLOCK_SIZE, behind;

		if (seed_source_extent(source, at, &end, &kind, err) < 0)
			return -1;
		if (kind != SEED_EXTENT_DATA)
			continue;
		behind = seed_grid_blocks(end);
		first = first > counted ? first : counted;
		if (first < behind) {
			uint64_t stop = behind * SEED_BLOCK_SIZE;

			sum += (stop < source->size ? stop : source->size) -
			       first * SEED_BLOCK_SIZE;
		}
		counted = behind;
	}
	*data_bytes = sum;
	return 0;
}
