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

/* The runs of one disk as they are found in order. Too many are thinned on the way: every
 * second one goes, and from then on only every stride-th is taken. */
struct gather {
	struct seed_own_disk *disk;
	struct seed_run run;		/* still growing; count 0: none */
	uint64_t seen, stride;		/* runs */
};

static struct gather gather_for(struct seed_own_disk *disk)
{
	return (struct gather){ .disk = disk, .stride = 1 };
}

static int keep_run(struct gather *g, struct seed_error *err)
{
	struct seed_vec *runs = &g->disk->runs;
	struct seed_run *items;

	if (!g->run.count || g->seen++ % g->stride != 0)
		return 0;
	if (!seed_vec_push(runs, sizeof(g->run), &g->run))
		return seed_error_sys(err, ENOMEM, "own blocks");
	if (runs->count < 2 * SEED_OWN_RUNS_MAX)
		return 0;
	items = runs->items;
	for (size_t i = 0; i < SEED_OWN_RUNS_MAX; i++)
		items[i] = items[2 * i];
	runs->count = SEED_OWN_RUNS_MAX;
	g->stride *= 2;
	return 0;
}

static int gather_blocks(struct gather *g, uint64_t start, uint64_t count, struct seed_error *err)
{
	g->disk->blocks += count;
	if (g->run.count && g->run.start + g->run.count == start) {
		g->run.count += count;
		return 0;
	}
	if (keep_run(g, err) < 0)
		return -1;
	g->run = (struct seed_run){ .start = start, .count = count, .kind = SEED_BLOCK_DATA };
	return 0;
}

static int gather_end(struct gather *g, struct seed_error *err)
{
	struct seed_vec *runs = &g->disk->runs;
	struct seed_run *items;

	if (keep_run(g, err) < 0)
		return -1;
	if (runs->count <= SEED_OWN_RUNS_MAX)
		return 0;
	items = runs->items;
	for (size_t i = 0; i < SEED_OWN_RUNS_MAX; i++)
		items[i] = items[i * runs->count / SEED_OWN_RUNS_MAX];
	runs->count = SEED_OWN_RUNS_MAX;
	return 0;
}

/* With no other VM to compare with, all data is own. */
static int take_all(struct seed_own_disk *disk, struct seed_error *err)
{
	struct gather g = gather_for(disk);
	struct seed_run run;

	for (uint64_t at = 0; at < seed_list_blocks(disk->list); at += run.count)
		if (seed_list_run(disk->list, at, &run, err) < 0 ||
		    (run.kind == SEED_BLOCK_DATA &&
		     gather_blocks(&g, run.start, run.count, err) < 0))
			return -1;
	return gather_end(&g, err);
}

static int add_run(struct seed_sort *entries, const struct seed_own_disk *disk, uint32_t number,
		   const struct seed_run *run, struct seed_error *err)
{
	struct seed_digest digests[CHUNK];
	struct entry entry;

	put_be(entry.vm, disk->vm, sizeof(entry.vm));
	put_be(entry.place.disk, number, sizeof(entry.place.disk));
	for (uint64_t done = 0; done < run->count;) {
		uint64_t at = run->start + done, left = run->count - done;
		size_t n = left < CHUNK ? (size_t)left : CHUNK;

		if (seed_list_get(disk->list, at, digests, n, err) < 0)
			return -1;
		for (size_t i = 0; i < n; i++) {
			memcpy(entry.digest, digests[i].bytes, sizeof(entry.digest));
			put_be(entry.place.block, at + i, sizeof(entry.place.block));
			if (seed_sort_add(entries, &entry, err) < 0)
				return -1;
		}
		done += n;
	}
	return 0;
}

static int add_disk(struct seed_sort *entries, const struct seed_own_disk *disk, uint32_t number,
		    struct seed_error *err)
{
	struct seed_run run;

	for (uint64_t at = 0; at < seed_list_blocks(disk->list); at += run.count)
		if (seed_list_run(disk->list, at, &run, err) < 0 ||
		    (run.kind == SEED_BLOCK_DATA &&
		     add_run(entries, disk, number, &run, err) < 0))
			return -1;
	return 0;
}

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
static int find_own(struct seed_sort *own, struct seed_sort *entries,
		    const struct seed_own_disk *disks, const struct seed_sort_options *places,
		    struct seed_error *err)
{
	SEED_AUTO(group_free) struct group g = { .disks = disks, .own = own,
						 .more_options = *places };
	const void *entry;

	g.more_options.memory = 1 << 20;
	if (seed_sort_finish(entries, err) < 0)
		return -1;
	for (;;) {
		if (seed_sort_next(entries, &entry, err) < 0)
			return -1;
		if (!entry)
			return end_group(&g, err);
		if (group_entry(&g, entry, err) < 0)
			return -1;
	}
}

static int gather_places(struct seed_sort *own, struct seed_own_disk *disks,
			 struct seed_error *err)
{
	struct gather g = { .disk = NULL };
	const struct place *place;
	const void *next;

	if (seed_sort_finish(own, err) < 0)
		return -1;
	for (;;) {
		struct seed_own_disk *disk;

		if (seed_sort_next(own, &next, err) < 0)
			return -1;
		place = next;
		disk = place ? &disks[get_be(place->disk, sizeof(place->disk))] : NULL;
		if (disk != g.disk) {
			if (g.disk && gather_end(&g, err) < 0)
				return -1;
			g = gather_for(disk);
		}
		if (!disk)
			return 0;
		if (gather_blocks(&g, get_be(place->block, sizeof(place->block)), 1, err) < 0)
			return -1;
	}
}

static int compare_all(struct seed_own_disk *disks, size_t count, int folder, size_t memory,
		       struct seed_error *err)
{
	const struct seed_sort_options by_digest = {
		.size = sizeof(struct entry), .key = ENTRY_KEY, .memory = memory / 4 * 3,
		.folder = folder,
	}, by_place = {
		.size = sizeof(struct place), .key = sizeof(struct place), .memory = memory / 4,
		.folder = folder,
	};
	SEED_AUTO(seed_sort_freep) struct seed_sort *entries = NULL;
	SEED_AUTO(seed_sort_freep) struct seed_sort *own = NULL;

	if (seed_sort_new(&entries, &by_digest, err) < 0 ||
	    seed_sort_new(&own, &by_place, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (add_disk(entries, &disks[i], (uint32_t)i, err) < 0)
			return -1;
	if (find_own(own, entries, disks, &by_place, err) < 0)
		return -1;
	seed_sort_free(entries);
	entries = NULL;
	return gather_places(own, disks, err);
}

int seed_own_blocks(struct seed_own_disk *disks, size_t count, int folder, size_t memory,
		    struct seed_error *err)
{
	bool several = false, wanted = false;

	if (count > UINT32_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "own blocks of %zu disks", count);
	for (size_t i = 0; i < count; i++) {
		disks[i].runs = (struct seed_vec){ 0 };
		disks[i].blocks = 0;
		several |= disks[i].vm != disks[0].vm;
		wanted |= disks[i].wanted;
	}
	if (several && wanted)
		return compare_all(disks, count, folder, memory, err);
	for (size_t i = 0; i < count; i++)
		if (disks[i].wanted && take_all(&disks[i], err) < 0)
			return -1;
	return 0;
}
