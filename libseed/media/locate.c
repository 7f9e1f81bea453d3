/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See locate.h. Four sorts, of which at most three hold records at once:
 *   needs    digest[32] disk:be32 block:be64, by digest
 *   holdings digest[32] pack:be32 record:be32 slot:be16, by all of it
 *   found    pack:be32 record:be32 slot:be16 disk:be32 block:be64, by all of it
 *   missing  disk:be32 block:be64, by all of it
 */
#include "media/locate.h"

#include <endian.h>
#include <errno.h>

#include "base/cleanup.h"
#include "base/sort.h"

#define NEED_SIZE 44u
#define HOLDING_SIZE 42u
#define FOUND_SIZE 22u
#define MISSING_SIZE 12u
#define LIST_BATCH 1024u

struct seed_locate {
	struct seed_sort *needs, *holdings, *found, *missing;
	uint32_t packs;
	bool joined, missing_sorted;
	struct seed_located current;
	bool have_run;			/* a missing run is begun */
	uint32_t run_disk;
	struct seed_run run;
};

static void put32(uint8_t *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, 4);
}

static void put64(uint8_t *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, 8);
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return be32toh(v);
}

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, 8);
	return be64toh(v);
}

static int new_sort(struct seed_sort **out, size_t size, size_t key, size_t memory, int folder,
		    struct seed_error *err)
{
	return seed_sort_new(out, &(struct seed_sort_options){
		.size = size, .key = key, .memory = memory, .folder = folder }, err);
}

int seed_locate_new(struct seed_locate **out, int folder, size_t memory, struct seed_error *err)
{
	SEED_AUTO(seed_locate_freep) struct seed_locate *l = calloc(1, sizeof(*l));
	size_t share = memory / 4;

	if (!l)
		return seed_error_sys(err, ENOMEM, "plan");
	if (new_sort(&l->needs, NEED_SIZE, SEED_DIGEST_SIZE, share, folder, err) < 0 ||
	    new_sort(&l->holdings, HOLDING_SIZE, HOLDING_SIZE, share, folder, err) < 0 ||
	    new_sort(&l->found, FOUND_SIZE, FOUND_SIZE, share, folder, err) < 0 ||
	    new_sort(&l->missing, MISSING_SIZE, MISSING_SIZE, share, folder, err) < 0)
		return -1;
	*out = seed_steal(&l);
	return 0;
}

void seed_locate_free(struct seed_locate *l)
{
	if (!l)
		return;
	seed_sort_free(l->needs);
	seed_sort_free(l->holdings);
	seed_sort_free(l->found);
	seed_sort_free(l->missing);
	free(l);
}

int seed_locate_pack(struct seed_locate *l, const struct seed_vec *index, uint32_t *pack,
		     struct seed_error *err)
{
	uint8_t r[HOLDING_SIZE];

	for (size_t i = 0; i < index->count; i++) {
		const struct seed_index_entry *e = seed_vec_at(index, i);

		memcpy(r, e->digest.bytes, SEED_DIGEST_SIZE);
		put32(r + 32, l->packs);
		put32(r + 36, e->record);
		r[40] = (uint8_t)(e->slot >> 8);
		r[41] = (uint8_t)e->slot;
		if (seed_sort_add(l->holdings, r, err) < 0)
			return -1;
	}
	*pack = l->packs++;
	return 0;
}

int seed_locate_need(struct seed_locate *l, const struct seed_digest *digest, uint32_t disk,
		     uint64_t block, struct seed_error *err)
{
	uint8_t r[NEED_SIZE];

	memcpy(r, digest->bytes, SEED_DIGEST_SIZE);
	put32(r + 32, disk);
	put64(r + 36, block);
	return seed_sort_add(l->needs, r, err);
}

/* The data blocks of [@start, @end). */
static int need_range(struct seed_locate *l, struct seed_list *list, uint32_t disk, uint64_t start,
		      uint64_t end, struct seed_error *err)
{
	struct seed_digest digests[LIST_BATCH];
	struct seed_run run;

	for (uint64_t at = start; at < end; at = run.start + run.count) {
		uint64_t stop;

		if (seed_list_run(list, at, &run, err) < 0)
			return -1;
		if (run.kind != SEED_BLOCK_DATA)
			continue;
		stop = run.start + run.count < end ? run.start + run.count : end;
		while (at < stop) {
			size_t n = stop - at < LIST_BATCH ? stop - at : LIST_BATCH;

			if (seed_list_get(list, at, digests, n, err) < 0)
				return -1;
			for (size_t i = 0; i < n; i++) {
				if (seed_locate_need(l, &digests[i], disk, at + i, err) < 0)
					return -1;
			}
			at += n;
		}
	}
	return 0;
}

int seed_locate_list(struct seed_locate *l, struct seed_list *list, uint32_t disk,
		     const struct seed_vec *runs, struct seed_error *err)
{
	if (!runs)
		return need_range(l, list, disk, 0, seed_list_blocks(list), err);
	for (size_t i = 0; i < runs->count; i++) {
		const struct seed_run *run = seed_vec_at(runs, i);

		if (need_range(l, list, disk, run->start, run->start + run->count, err) < 0)
			return -1;
	}
	return 0;
}

int seed_locate_lost(struct seed_locate *l, uint32_t disk, uint64_t block, struct seed_error *err)
{
	uint8_t r[MISSING_SIZE];

	put32(r, disk);
	put64(r + 4, block);
	return seed_sort_add(l->missing, r, err);
}

static int emit(struct seed_locate *l, const uint8_t *holding, const uint8_t *need,
		struct seed_error *err)
{
	uint8_t r[FOUND_SIZE];

	memcpy(r, holding + 32, 10);
	memcpy(r + 10, need + 32, 12);
	return seed_sort_add(l->found, r, err);
}

int seed_locate_join(struct seed_locate *l, struct seed_error *err)
{
	const void *need, *holding;

	if (seed_sort_finish(l->needs, err) < 0 || seed_sort_finish(l->holdings, err) < 0 ||
	    seed_sort_next(l->needs, &need, err) < 0 ||
	    seed_sort_next(l->holdings, &holding, err) < 0)
		return -1;
	while (need) {
		int order = holding ? memcmp(holding, need, SEED_DIGEST_SIZE) : 1;

		if (order < 0) {
			if (seed_sort_next(l->holdings, &holding, err) < 0)
				return -1;
			continue;
		}
		/* Holdings of one digest come by rising pack: the first stays current for every
		 * need of that digest. */
		if (order == 0 ? emit(l, holding, need, err) < 0
			       : seed_sort_add(l->missing, (const uint8_t *)need + 32, err) < 0)
			return -1;
		if (seed_sort_next(l->needs, &need, err) < 0)
			return -1;
	}
	seed_sort_free(l->needs);
	seed_sort_free(l->holdings);
	l->needs = l->holdings = NULL;
	return seed_sort_finish(l->found, err);
}

int seed_locate_next(struct seed_locate *l, const struct seed_located **out,
		     struct seed_error *err)
{
	const void *record;
	const uint8_t *r;

	if (seed_sort_next(l->found, &record, err) < 0)
		return -1;
	r = record;
	if (r)
		l->current = (struct seed_located){
			.pack = get32(r),
			.record = get32(r + 4),
			.slot = (uint16_t)(r[8] << 8 | r[9]),
			.disk = get32(r + 10),
			.block = get64(r + 14),
		};
	*out = r ? &l->current : NULL;
	return 0;
}

int seed_locate_next_missing(struct seed_locate *l, uint32_t *disk, struct seed_run *run,
			     bool *more, struct seed_error *err)
{
	const void *record;

	if (!l->missing_sorted) {
		if (seed_sort_finish(l->missing, err) < 0)
			return -1;
		l->missing_sorted = true;
	}
	for (;;) {
		const uint8_t *r;
		uint64_t block;

		if (seed_sort_next(l->missing, &record, err) < 0)
			return -1;
		r = record;
		block = r ? get64(r + 4) : 0;
		if (r && l->have_run && l->run_disk == get32(r) &&
		    block <= l->run.start + l->run.count) {
			/* The next one, or the same again (lost twice over). */
			if (block == l->run.start + l->run.count)
				l->run.count++;
			continue;
		}
		*more = l->have_run;
		*disk = l->run_disk;
		*run = l->run;
		l->have_run = r != NULL;
		if (r) {
			l->run_disk = get32(r);
			l->run = (struct seed_run){ block, 1, SEED_BLOCK_MISSING };
		}
		if (*more || !r)
			return 0;
	}
}
