// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Writing digest lists in media form. A header gives the counts of what follows
 * and the bytes cannot be gone back to, so a part is planned first and written
 * after: both walk the same runs by the same rule, and the plan keeps only sums.
 */
#include "block/list_part.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "block/grid.h"
#include "block/list_part_internal.h"

#define CHUNK 1024u	/* digests that are copied at a time */

/* The least part that holds a block. */
#define PART_MIN (sizeof(struct part_header) + sizeof(struct part_segment) + \
		  sizeof(struct part_run) + SEED_DIGEST_SIZE)

/* One segment: what its header says, and its runs. */
struct segment {
	uint64_t first, blocks;
	uint32_t count, digests;
	struct seed_run runs[SEED_LIST_SEGMENT_RUNS];
};

static uint64_t segment_bytes(const struct segment *s)
{
	return sizeof(struct part_segment) + s->count * sizeof(struct part_run) +
	       (uint64_t)s->digests * SEED_DIGEST_SIZE;
}

/* How many blocks of @run still fit into the segment and into @max bytes. */
static uint64_t fitting_blocks(const struct segment *s, const struct seed_run *run, uint64_t max)
{
	uint64_t used = segment_bytes(s) + sizeof(struct part_run);
	uint64_t room = SEED_LIST_SEGMENT_DIGESTS - s->digests, left;

	if (s->count == SEED_LIST_SEGMENT_RUNS || used > max)
		return 0;
	if (run->kind != SEED_BLOCK_DATA)
		return run->count;
	left = (max - used) / SEED_DIGEST_SIZE;
	if (room > left)
		room = left;
	return run->count < room ? run->count : room;
}

/* The segment that begins at block @first, in @max bytes at most; without runs when there is
 * no room for one, or no block left. */
static int plan_segment(struct segment *s, struct seed_list *list, uint64_t first, uint64_t max,
			struct seed_error *err)
{
	uint64_t end = seed_list_blocks(list), n;
	struct seed_run run;

	s->first = first;
	s->blocks = 0;
	s->count = s->digests = 0;
	while (first + s->blocks < end) {
		if (seed_list_run(list, first + s->blocks, &run, err) < 0)
			return -1;
		n = fitting_blocks(s, &run, max);
		if (!n)
			break;
		s->blocks += n;
		if (run.kind == SEED_BLOCK_DATA)
			s->digests += (uint32_t)n;
		s->runs[s->count++] = (struct seed_run){ run.start, n, run.kind };
		if (n < run.count)
			break;
	}
	return 0;
}

struct writer {
	struct seed_list *list;
	int (*put)(void *arg, const void *data, size_t len, struct seed_error *err);
	void *arg;
};

static int put_digests(const struct writer *w, const struct seed_run *run, struct seed_error *err)
{
	struct seed_digest digests[CHUNK];
	uint64_t at = run->start, left = run->count;

	while (left) {
		size_t n = left < CHUNK ? (size_t)left : CHUNK;

		if (seed_list_get(w->list, at, digests, n, err) < 0 ||
		    w->put(w->arg, digests, n * sizeof(*digests), err) < 0)
			return -1;
		at += n;
		left -= n;
	}
	return 0;
}

static int put_segment(const struct writer *w, const struct segment *s, struct seed_error *err)
{
	struct part_segment head = { .magic = SEGMENT_MAGIC };

	seed_put32(head.runs, s->count);
	seed_put32(head.digests, s->digests);
	seed_put64(head.first, s->first);
	seed_put64(head.blocks, s->blocks);
	if (w->put(w->arg, &head, sizeof(head), err) < 0)
		return -1;
	for (uint32_t i = 0; i < s->count; i++) {
		struct part_run run = { 0 };

		seed_put64(run.start, s->runs[i].start);
		seed_put64(run.count, s->runs[i].count);
		seed_put32(run.kind, s->runs[i].kind);
		if (w->put(w->arg, &run, sizeof(run), err) < 0)
			return -1;
	}
	for (uint32_t i = 0; i < s->count; i++)
		if (s->runs[i].kind == SEED_BLOCK_DATA &&
		    put_digests(w, &s->runs[i], err) < 0)
			return -1;
	return 0;
}

struct plan {
	uint64_t first, blocks, digests;
};

/* Walk the segments of the part that begins at @plan->first. With @w NULL they are summed up,
 * else written. */
static int walk_part(struct plan *plan, struct seed_list *list, uint64_t max, struct segment *s,
		     const struct writer *w, struct seed_error *err)
{
	uint64_t used = sizeof(struct part_header);

	plan->blocks = plan->digests = 0;
	for (;;) {
		if (plan_segment(s, list, plan->first + plan->blocks, max - used, err) < 0)
			return -1;
		if (!s->count)
			return 0;
		if (w && put_segment(w, s, err) < 0)
			return -1;
		used += segment_bytes(s);
		plan->blocks += s->blocks;
		plan->digests += s->digests;
	}
}

static int put_header(const struct writer *w, const struct plan *plan, uint32_t disk,
		      uint32_t part, struct seed_error *err)
{
	struct part_header head = { .magic = PART_MAGIC };

	seed_put16(head.version, PART_VERSION);
	seed_put32(head.block_size, SEED_BLOCK_SIZE);
	seed_put32(head.disk, disk);
	seed_put32(head.part, part);
	seed_put64(head.first, plan->first);
	seed_put64(head.blocks, plan->blocks);
	seed_put64(head.digests, plan->digests);
	return w->put(w->arg, &head, sizeof(head), err);
}

int seed_list_part_write(struct seed_list *list, uint32_t disk, uint32_t part, uint64_t first,
			 uint64_t *next, uint64_t max,
			 int (*put)(void *arg, const void *data, size_t len,
				    struct seed_error *err),
			 void *arg, struct seed_error *err)
{
	SEED_AUTO(seed_freep) struct segment *s = malloc(sizeof(*s));
	const struct writer w = { .list = list, .put = put, .arg = arg };
	struct plan plan = { .first = first }, written = plan;

	if (!s)
		return seed_error_sys(err, ENOMEM, "write a digest list");
	if (first > seed_list_blocks(list) || max < PART_MIN || max > SEED_LIST_PART_MAX)
		return seed_error_set(err, SEED_ERR_RANGE,
				      "a part of %" PRIu64 " bytes from block %" PRIu64
				      " of a digest list of %" PRIu64, max, first,
				      seed_list_blocks(list));
	if (walk_part(&plan, list, max, s, NULL, err) < 0 ||
	    put_header(&w, &plan, disk, part, err) < 0 ||
	    walk_part(&written, list, max, s, &w, err) < 0)
		return -1;
	*next = first + plan.blocks;
	return 0;
}
