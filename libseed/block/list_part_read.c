// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading digest lists in media form (the other half of list_part.h). The bytes
 * come in pieces of any size and are hostile: each fixed-size item is gathered
 * whole, checked against what was promised before it, and only then used. No
 * count from the bytes sizes an allocation.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "block/grid.h"
#include "block/list_part.h"
#include "block/list_part_internal.h"

#define CHUNK 2048u	/* digests that are taken at a time */

enum state { BETWEEN_PARTS, IN_HEADER, IN_SEGMENT, IN_RUNS, IN_DIGESTS, PART_DONE };

struct seed_list_reader {
	uint32_t disk, part;
	uint64_t blocks, at;		/* all blocks; the next one to come */
	uint64_t data_blocks;
	struct seed_list *into;
	enum state state;
	uint64_t offset;		/* bytes of this part so far */
	uint64_t part_end, part_digests;	/* block the part ends at; digests still to come */
	uint64_t segment_end;
	uint32_t run_count, digests;	/* of this segment; digests: still to come */
	struct seed_run runs[SEED_LIST_SEGMENT_RUNS];
	uint32_t run;			/* data run whose digests come, */
	uint64_t run_done;		/* and how many of it came */
	size_t have, need;		/* bytes of the item in @item */
	union {
		struct part_header header;
		struct part_segment segment;
		struct part_run runs[SEED_LIST_SEGMENT_RUNS];
		struct seed_digest digests[CHUNK];
	} item;
	struct seed_error dead;		/* the first failure is the last */
};

int seed_list_reader_new(struct seed_list_reader **out, uint32_t disk, uint64_t blocks,
			 struct seed_list *into, struct seed_error *err)
{
	struct seed_list_reader *r;

	if (blocks > SEED_DISK_MAX / SEED_BLOCK_SIZE ||
	    (into && seed_list_blocks(into) != blocks))
		return seed_error_set(err, SEED_ERR_RANGE, "a digest list of %" PRIu64 " blocks",
				      blocks);
	r = malloc(sizeof(*r));
	if (!r)
		return seed_error_sys(err, ENOMEM, "read a digest list");
	memset(r, 0, offsetof(struct seed_list_reader, item));
	memset(&r->dead, 0, sizeof(r->dead));
	r->disk = disk;
	r->blocks = blocks;
	r->into = into;
	*out = r;
	return 0;
}

void seed_list_reader_free(struct seed_list_reader *reader)
{
	free(reader);
}

static int bad(const struct seed_list_reader *r, const char *what, struct seed_error *err)
{
	return seed_error_set(err, SEED_ERR_FORMAT,
			      "digest list: %s (part %" PRIu32 ", before offset %" PRIu64 ")",
			      what, r->part, r->offset);
}

static bool all_zero(const uint8_t *p, size_t len)
{
	return seed_block_is_zero(p, len);
}

static void expect(struct seed_list_reader *r, enum state state, size_t need)
{
	r->state = state;
	r->have = 0;
	r->need = need;
}

/* After a segment, or a header: another segment, or the end. */
static int expect_segment(struct seed_list_reader *r, struct seed_error *err)
{
	if (r->at < r->part_end) {
		expect(r, IN_SEGMENT, sizeof(r->item.segment));
		return 0;
	}
	expect(r, PART_DONE, 0);
	return r->part_digests ? bad(r, "the header promises more digests", err) : 0;
}

static int take_header(struct seed_list_reader *r, struct seed_error *err)
{
	const struct part_header *h = &r->item.header;
	uint64_t blocks = seed_get64(h->blocks), digests = seed_get64(h->digests);

	if (memcmp(h->magic, PART_MAGIC, sizeof(h->magic)) != 0)
		return bad(r, "this is none", err);
	if (seed_get16(h->version) != PART_VERSION)
		return bad(r, "written by a later version", err);
	if (!all_zero(h->zero, sizeof(h->zero)) || !all_zero(h->more, sizeof(h->more)))
		return bad(r, "reserved bytes are not zero", err);
	if (seed_get32(h->block_size) != SEED_BLOCK_SIZE)
		return bad(r, "blocks of another size", err);
	if (seed_get32(h->disk) != r->disk || seed_get32(h->part) != r->part)
		return bad(r, "of another disk, or another part", err);
	if (seed_get64(h->first) != r->at)
		return bad(r, "does not begin where the part before ends", err);
	if (!blocks && r->blocks)
		return bad(r, "a part without blocks", err);
	if (blocks > r->blocks - r->at || digests > blocks)
		return bad(r, "more blocks than the disk has", err);
	r->part_end = r->at + blocks;
	r->part_digests = digests;
	return expect_segment(r, err);
}

static int take_segment(struct seed_list_reader *r, struct seed_error *err)
{
	const struct part_segment *s = &r->item.segment;
	uint64_t blocks = seed_get64(s->blocks);
	uint32_t runs = seed_get32(s->runs), digests = seed_get32(s->digests);

	if (memcmp(s->magic, SEGMENT_MAGIC, sizeof(s->magic)) != 0)
		return bad(r, "no segment where one should begin", err);
	if (!all_zero(s->zero, sizeof(s->zero)))
		return bad(r, "reserved bytes are not zero", err);
	if (seed_get64(s->first) != r->at)
		return bad(r, "a segment does not begin where the one before ends", err);
	if (!blocks || blocks > r->part_end - r->at)
		return bad(r, "a segment with more blocks than its part, or none", err);
	if (!runs || runs > SEED_LIST_SEGMENT_RUNS || runs > blocks)
		return bad(r, "a segment with too many runs, or none", err);
	if (digests > SEED_LIST_SEGMENT_DIGESTS || digests > r->part_digests)
		return bad(r, "a segment with too many digests", err);
	r->segment_end = r->at + blocks;
	r->run_count = runs;
	r->digests = digests;
	r->part_digests -= digests;
	expect(r, IN_RUNS, runs * sizeof(struct part_run));
	return 0;
}

/* Check one run against those before it, of which @at blocks and @digests came. */
static int parse_run(struct seed_list_reader *r, uint32_t i, uint64_t *at, uint64_t *digests,
		     struct seed_error *err)
{
	const struct part_run *raw = &r->item.runs[i];
	struct seed_run *run = &r->runs[i];
	uint32_t kind = seed_get32(raw->kind);

	*run = (struct seed_run){ .start = seed_get64(raw->start),
				  .count = seed_get64(raw->count) };
	if (kind > SEED_BLOCK_MISSING || !all_zero(raw->zero, sizeof(raw->zero)))
		return bad(r, "a run of an unknown kind", err);
	run->kind = (enum seed_block_kind)kind;
	if (run->start != *at || !run->count || run->count > r->segment_end - *at)
		return bad(r, "a run that leaves a gap, overlaps or leaves its segment", err);
	if (i && run->kind == r->runs[i - 1].kind)
		return bad(r, "two runs where one would do", err);
	*at += run->count;
	if (run->kind == SEED_BLOCK_DATA)
		*digests += run->count;
	return 0;
}

/* The next run that has digests. */
static void next_data_run(struct seed_list_reader *r)
{
	while (r->run < r->run_count && r->runs[r->run].kind != SEED_BLOCK_DATA)
		r->run++;
	r->run_done = 0;
}

static int expect_digests(struct seed_list_reader *r, struct seed_error *err)
{
	uint32_t n = r->digests < CHUNK ? r->digests : CHUNK;

	if (n) {
		expect(r, IN_DIGESTS, n * sizeof(struct seed_digest));
		return 0;
	}
	r->at = r->segment_end;
	return expect_segment(r, err);
}

static int take_runs(struct seed_list_reader *r, struct seed_error *err)
{
	uint64_t at = r->at, digests = 0;

	for (uint32_t i = 0; i < r->run_count; i++)
		if (parse_run(r, i, &at, &digests, err) < 0)
			return -1;
	if (at != r->segment_end || digests != r->digests)
		return bad(r, "the runs of a segment are not as many as it says", err);
	for (uint32_t i = 0; r->into && i < r->run_count; i++)
		if (r->runs[i].kind != SEED_BLOCK_DATA &&
		    seed_list_fill(r->into, r->runs[i].start, r->runs[i].count, r->runs[i].kind,
				   err) < 0)
			return -1;
	r->run = 0;
	next_data_run(r);
	return expect_digests(r, err);
}

static int take_digests(struct seed_list_reader *r, struct seed_error *err)
{
	const struct seed_digest *d = r->item.digests;
	size_t left = r->need / sizeof(*d);

	for (size_t i = 0; i < left; i++)
		if (seed_digest_kind(&d[i]) != SEED_BLOCK_DATA)
			return bad(r, "a digest that means something else", err);
	r->digests -= (uint32_t)left;
	r->data_blocks += left;
	while (left) {
		const struct seed_run *run = &r->runs[r->run];
		uint64_t room = run->count - r->run_done;
		size_t n = left < room ? left : (size_t)room;

		if (r->into &&
		    seed_list_set(r->into, run->start + r->run_done, d, n, err) < 0)
			return -1;
		d += n;
		left -= n;
		r->run_done += n;
		if (r->run_done < run->count)
			continue;
		r->run++;
		next_data_run(r);
	}
	return expect_digests(r, err);
}

static int take_item(struct seed_list_reader *r, struct seed_error *err)
{
	switch (r->state) {
	case IN_HEADER:
		return take_header(r, err);
	case IN_SEGMENT:
		return take_segment(r, err);
	case IN_RUNS:
		return take_runs(r, err);
	case IN_DIGESTS:
		return take_digests(r, err);
	default:
		return bad(r, "bytes after its end", err);
	}
}

static int add_bytes(struct seed_list_reader *r, const uint8_t *data, size_t len,
		     struct seed_error *err)
{
	while (len) {
		size_t n = r->need - r->have;

		if (n > len)
			n = len;
		memcpy((uint8_t *)&r->item + r->have, data, n);
		r->have += n;
		r->offset += n;
		data += n;
		len -= n;
		if (r->offset > SEED_LIST_PART_MAX)
			return bad(r, "longer than 1 GiB", err);
		if (r->have == r->need && take_item(r, err) < 0)
			return -1;
	}
	return 0;
}

/* The first failure is kept and told again: nothing is read past it. */
static int settle(struct seed_list_reader *r, int rc, struct seed_error *err)
{
	if (rc < 0 && err)
		*err = r->dead;
	return rc;
}

static int begin_part(struct seed_list_reader *r, uint32_t part, struct seed_error *err)
{
	r->offset = 0;
	if (r->state != BETWEEN_PARTS || part != r->part + 1)
		return bad(r, "parts out of order", err);
	r->part = part;
	if (r->part > 1 && r->at == r->blocks)
		return bad(r, "a part behind the last block", err);
	expect(r, IN_HEADER, sizeof(r->item.header));
	return 0;
}

int seed_list_reader_begin_part(struct seed_list_reader *reader, uint32_t part,
				struct seed_error *err)
{
	int rc = reader->dead.kind ? -1 : begin_part(reader, part, &reader->dead);

	return settle(reader, rc, err);
}

int seed_list_reader_add(struct seed_list_reader *reader, const void *data, size_t len,
			 struct seed_error *err)
{
	int rc = reader->dead.kind ? -1 : add_bytes(reader, data, len, &reader->dead);

	return settle(reader, rc, err);
}

int seed_list_reader_end_part(struct seed_list_reader *reader, struct seed_error *err)
{
	int rc = reader->dead.kind ? -1 : 0;

	if (rc == 0 && reader->state != PART_DONE)
		rc = bad(reader, "ends too early", &reader->dead);
	if (rc == 0)
		reader->state = BETWEEN_PARTS;
	return settle(reader, rc, err);
}

int seed_list_reader_finish(struct seed_list_reader *reader, uint64_t *data_blocks,
			    struct seed_error *err)
{
	int rc = reader->dead.kind ? -1 : 0;

	if (rc == 0 && (reader->state != BETWEEN_PARTS || reader->at != reader->blocks))
		rc = seed_error_set(&reader->dead, SEED_ERR_FORMAT,
				    "digest list: its parts end at block %" PRIu64 " of %" PRIu64,
				    reader->at, reader->blocks);
	if (rc == 0)
		*data_blocks = reader->data_blocks;
	return settle(reader, rc, err);
}
