// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Two sorts. The first brings equal digests together, those of one VM side by
 * side: a group whose first and last entries are of one VM is its own. The second
 * brings the places of own blocks back into disk order, where they become runs.
 */
#include "block/own_blocks.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/sort.h"

#define PHASE "own blocks"
#define CHUNK 512u		/* digests read at a time */
#define HELD_MAX 65536u		/* places of one group kept in memory */

struct place {			/* integers that order records are big-endian */
	uint8_t disk[4], block[8];
};

struct entry {
	uint8_t digest[SEED_DIGEST_SIZE], vm[4];
	struct place place;
};

_Static_assert(sizeof(struct place) == 12 && sizeof(struct entry) == 48, "records have no gaps");

#define ENTRY_KEY offsetof(struct entry, place)

static void put_be(uint8_t *p, uint64_t value, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(value >> 8 * (len - 1 - i));
}

static uint64_t get_be(const uint8_t *p, size_t len)
{
	uint64_t value = 0;

	for (size_t i = 0; i < len; i++)
		value = value << 8 | p[i];
	return value;
}

/* One call of seed_own_blocks(). */
struct work {
	const struct seed_own_disk *disks;
	size_t count;
	const struct seed_own_options *opt;
	/* Half of the work is reading the lists, half is going through what was sorted. */
	uint64_t done, total;		/* bytes of lists, twice */
	uint64_t shown;
};

/* Asked between chunks; @done is bytes since the last call. */
static int step(struct work *w, uint64_t done, struct seed_error *err)
{
	const uint64_t part = w->total / 256 + 1;

	w->done += done;
	if (seed_cancelled(w->opt->cancel, err) < 0)
		return -1;
	/* Lists may have grown since they were measured. */
	if (w->done - w->shown < part || w->done > w->total)
		return 0;
	w->shown = w->done;
	seed_event_send(w->opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PROGRESS, .phase = PHASE, .done = w->done,
		.total = w->total });
	return 0;
}

/* ---- reading the lists ---- */

static int add_run(struct work *w, struct seed_sort *entries, struct seed_list *list, size_t number,
		   const struct seed_run *run, struct seed_error *err)
{
	struct seed_digest digests[CHUNK];
	struct entry entry;

	put_be(entry.vm, w->disks[number].vm, sizeof(entry.vm));
	put_be(entry.place.disk, number, sizeof(entry.place.disk));
	for (uint64_t done = 0; done < run->count;) {
		uint64_t at = run->start + done, left = run->count - done;
		size_t n = left < CHUNK ? (size_t)left : CHUNK;

		if (seed_list_get(list, at, digests, n, err) < 0)
			return -1;
		for (size_t i = 0; i < n; i++) {
			memcpy(entry.digest, digests[i].bytes, sizeof(entry.digest));
			put_be(entry.place.block, at + i, sizeof(entry.place.block));
			if (seed_sort_add(entries, &entry, err) < 0)
				return -1;
		}
		done += n;
		if (step(w, n * SEED_DIGEST_SIZE, err) < 0)
			return -1;
	}
	return 0;
}

static int skip_run(struct work *w, struct seed_own_runs *own, const struct seed_run *run,
		    struct seed_error *err)
{
	if (own && run->kind == SEED_BLOCK_DATA &&
	    seed_own_runs_add(own, run->start, run->count, err) < 0)
		return -1;
	return step(w, run->count * SEED_DIGEST_SIZE, err);
}

/* All data of a list: to @entries, or, where that is NULL, to @own. */
static int read_list(struct work *w, struct seed_sort *entries, struct seed_own_runs *own,
		     struct seed_list *list, size_t number, struct seed_error *err)
{
	struct seed_run run;

	for (uint64_t at = 0; at < seed_list_blocks(list); at += run.count) {
		if (seed_list_run(list, at, &run, err) < 0)
			return -1;
		if (entries && run.kind == SEED_BLOCK_DATA ?
			    add_run(w, entries, list, number, &run, err) < 0 :
			    skip_run(w, own, &run, err) < 0)
			return -1;
	}
	return 0;
}

static int add_disk(struct work *w, struct seed_sort *entries, size_t number,
		    struct seed_error *err)
{
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;

	if (w->opt->open(w->opt->arg, number, &list, err) < 0)
		return -1;
	return list ? read_list(w, entries, NULL, list, number, err) : 0;
}

/* With no other VM to compare with, all data is own. */
static int take_all(struct work *w, size_t number, struct seed_error *err)
{
	SEED_AUTO(seed_own_runs_free) struct seed_own_runs own = { .blocks = 0 };
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;

	if (w->opt->open(w->opt->arg, number, &list, err) < 0 ||
	    (list && read_list(w, NULL, &own, list, number, err) < 0) ||
	    seed_own_runs_end(&own, err) < 0)
		return -1;
	return w->opt->done(w->opt->arg, number, &own, err);
}

/* ---- judging what was sorted ---- */

/*
 * The entries of one digest. Whether they are own is known when the last one has
 * come, so the wanted places are held until then: in memory, or, when a VM has the same
 * block very often, in a sort of their own that spills (its order does not matter).
 */
struct group {
	const struct seed_own_disk *disks;
	struct entry first;
	bool any, foreign;		/* foreign: of several VMs */
	struct seed_vec held;		/* struct place */
	struct seed_sort *more;
	struct seed_sort_options more_options;
	struct seed_sort *own;		/* where places of own blocks go; borrowed */
};

static void forget_held(struct group *g)
{
	g->held.count = 0;
	seed_sort_free(g->more);
	g->more = NULL;
}

static void group_free(struct group *g)
{
	forget_held(g);
	seed_vec_free(&g->held);
}

static int hold_place(struct group *g, const struct place *place, struct seed_error *err)
{
	if (!g->disks[get_be(place->disk, sizeof(place->disk))].wanted)
		return 0;
	if (g->held.count < HELD_MAX) {
		if (!seed_vec_push(&g->held, sizeof(*place), place))
			return seed_error_sys(err, ENOMEM, "own blocks");
		return 0;
	}
	if (!g->more && seed_sort_new(&g->more, &g->more_options, err) < 0)
		return -1;
	return seed_sort_add(g->more, place, err);
}

static int end_group(struct group *g, struct seed_error *err)
{
	const void *place;

	for (size_t i = 0; i < g->held.count; i++)
		if (seed_sort_add(g->own, seed_vec_at(&g->held, i), err) < 0)
			return -1;
	if (g->more && seed_sort_finish(g->more, err) < 0)
		return -1;
	while (g->more) {
		if (seed_sort_next(g->more, &place, err) < 0)
			return -1;
		if (!place)
			break;
		if (seed_sort_add(g->own, place, err) < 0)
			return -1;
	}
	forget_held(g);
	return 0;
}

static int group_entry(struct group *g, const struct entry *entry, struct seed_error *err)
{
	if (!g->any || memcmp(entry->digest, g->first.digest, sizeof(entry->digest)) != 0) {
		if (end_group(g, err) < 0)
			return -1;
		g->first = *entry;
		g->any = true;
		g->foreign = false;
	} else if (!g->foreign && memcmp(entry->vm, g->first.vm, sizeof(entry->vm)) != 0) {
		forget_held(g);
		g->foreign = true;
	}
	return g->foreign ? 0 : hold_place(g, &entry->place, err);
}

/* The places of own blocks from all entries, to @own. */
static int find_own(struct work *w, struct seed_sort *own, struct seed_sort *entries,
		    const struct seed_sort_options *places, struct seed_error *err)
{
	SEED_AUTO(group_free) struct group g = { .disks = w->disks, .own = own,
						 .more_options = *places };
	uint64_t count = seed_sort_count(entries), half = w->total / 2;
	const void *entry;

	g.more_options.memory = 1 << 20;
	if (seed_sort_finish(entries, err) < 0)
		return -1;
	for (uint64_t n = 1;; n++) {
		if (seed_sort_next(entries, &entry, err) < 0)
			return -1;
		if (!entry)
			return end_group(&g, err);
		if (group_entry(&g, entry, err) < 0)
			return -1;
		if (n % CHUNK == 0) {
			uint64_t now = half + (uint64_t)((double)n / (double)count * (double)half);

			if (step(w, now > w->done ? now - w->done : 0, err) < 0)
				return -1;
		}
	}
}

/* Every wanted disk has its turn, in order. @own is sorted by disk and block. */
static int hand_over(struct work *w, struct seed_sort *own, struct seed_error *err)
{
	const void *next = NULL;
	uint64_t n = 0;

	if (seed_sort_finish(own, err) < 0 || seed_sort_next(own, &next, err) < 0)
		return -1;
	for (size_t i = 0; i < w->count; i++) {
		SEED_AUTO(seed_own_runs_free) struct seed_own_runs runs = { .blocks = 0 };

		if (!w->disks[i].wanted)
			continue;
		if (step(w, 0, err) < 0)
			return -1;
		while (next) {
			const struct place *place = next;

			if (get_be(place->disk, sizeof(place->disk)) != i)
				break;
			if (seed_own_runs_add(&runs, get_be(place->block, sizeof(place->block)), 1,
					      err) < 0 ||
			    seed_sort_next(own, &next, err) < 0 ||
			    (++n % CHUNK == 0 && step(w, 0, err) < 0))
				return -1;
		}
		if (seed_own_runs_end(&runs, err) < 0 ||
		    w->opt->done(w->opt->arg, i, &runs, err) < 0)
			return -1;
	}
	return 0;
}

static int compare_all(struct work *w, struct seed_error *err)
{
	const struct seed_sort_options by_digest = {
		.size = sizeof(struct entry), .key = ENTRY_KEY, .memory = w->opt->memory / 4 * 3,
		.folder = w->opt->folder,
	}, by_place = {
		.size = sizeof(struct place), .key = sizeof(struct place),
		.memory = w->opt->memory / 4, .folder = w->opt->folder,
	};
	SEED_AUTO(seed_sort_freep) struct seed_sort *entries = NULL;
	SEED_AUTO(seed_sort_freep) struct seed_sort *own = NULL;

	if (seed_sort_new(&entries, &by_digest, err) < 0 ||
	    seed_sort_new(&own, &by_place, err) < 0)
		return -1;
	for (size_t i = 0; i < w->count; i++)
		if (add_disk(w, entries, i, err) < 0)
			return -1;
	if (find_own(w, own, entries, &by_place, err) < 0)
		return -1;
	seed_sort_free(entries);
	entries = NULL;
	return hand_over(w, own, err);
}

int seed_own_blocks(const struct seed_own_disk *disks, size_t count,
		    const struct seed_own_options *opt, struct seed_error *err)
{
	struct work w = { .disks = disks, .count = count, .opt = opt,
			  .total = 2 * opt->list_bytes };
	bool several = false, wanted = false;

	if (count > UINT32_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "own blocks of %zu disks", count);
	for (size_t i = 0; i < count; i++) {
		several |= disks[i].vm != disks[0].vm;
		wanted |= disks[i].wanted;
	}
	if (!wanted)
		return 0;
	seed_event_send(opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PHASE, .phase = PHASE, .total = w.total });
	if (several)
		return compare_all(&w, err);
	for (size_t i = 0; i < count; i++)
		if (disks[i].wanted && take_all(&w, i, err) < 0)
			return -1;
	return 0;
}
