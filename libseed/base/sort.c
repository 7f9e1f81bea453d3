// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Records are collected in one area and ordered by sorting (first 8 key bytes,
 * index) pairs: a record is copied once, when its run is written or it is given
 * back. When the area is full it becomes a sorted run (sort_runs.c); what fits
 * into memory never makes a file.
 */
#include "base/sort.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/sort_internal.h"

#define RECORD_MAX	256u
#define MEMORY_MIN	(1u << 20)

struct pair {
	uint64_t prefix;	/* first key bytes, big-endian: compares as memcmp does */
	uint32_t index;
};

/* What one record costs in memory: itself, its pair, and qsort_r's copy of the pair. */
#define PAIR_COST	(2 * sizeof(struct pair))

struct seed_sort {
	struct seed_sort_options opt;
	uint64_t count;
	bool finished;
	char *records;
	struct pair *pairs;
	uint32_t held, room;		/* records in memory */
	uint32_t given;			/* of them, when they are given back from memory */
	struct seed_runs *runs;		/* NULL while everything fits */
};

int seed_sort_new(struct seed_sort **out, const struct seed_sort_options *opt,
		  struct seed_error *err)
{
	SEED_AUTO(seed_sort_freep) struct seed_sort *sort = calloc(1, sizeof(*sort));
	size_t room;

	assert(opt->size >= 1 && opt->size <= RECORD_MAX && opt->key <= opt->size);
	if (!sort)
		return seed_error_sys(err, ENOMEM, "sort");
	sort->opt = *opt;
	if (sort->opt.memory < MEMORY_MIN)
		sort->opt.memory = MEMORY_MIN;
	room = (sort->opt.memory - SEED_RUNS_WRITE) / (opt->size + PAIR_COST);
	sort->room = room < UINT32_MAX ? (uint32_t)room : UINT32_MAX;
	/* Not touched before it is used: a small sort costs little. */
	sort->records = malloc(sort->room * opt->size);
	sort->pairs = malloc(sort->room * sizeof(*sort->pairs));
	if (!sort->records || !sort->pairs)
		return seed_error_sys(err, ENOMEM, "sort in %zu bytes", sort->opt.memory);
	*out = seed_steal(&sort);
	return 0;
}

static void free_collected(struct seed_sort *sort)
{
	free(sort->records);
	free(sort->pairs);
	sort->records = NULL;
	sort->pairs = NULL;
}

void seed_sort_free(struct seed_sort *sort)
{
	if (!sort)
		return;
	free_collected(sort);
	seed_runs_free(sort->runs);
	free(sort);
}

static uint64_t key_prefix(const struct seed_sort *sort, const char *record)
{
	uint64_t prefix = 0;

	for (size_t i = 0; i < 8; i++)
		prefix = prefix << 8 | (i < sort->opt.key ? (uint8_t)record[i] : 0);
	return prefix;
}

static int compare_pairs(const void *a, const void *b, void *arg)
{
	const struct seed_sort *sort = arg;
	const struct pair *x = a, *y = b;
	int order = 0;

	if (x->prefix != y->prefix)
		return x->prefix < y->prefix ? -1 : 1;
	if (sort->opt.key > 8)
		order = memcmp(sort->records + x->index * sort->opt.size + 8,
			       sort->records + y->index * sort->opt.size + 8, sort->opt.key - 8);
	if (order)
		return order;
	return x->index < y->index ? -1 : x->index > y->index;
}

static void order_held(struct seed_sort *sort)
{
	for (uint32_t i = 0; i < sort->held; i++)
		sort->pairs[i] = (struct pair){
			.prefix = key_prefix(sort, sort->records + i * sort->opt.size),
			.index = i };
	if (sort->held)
		qsort_r(sort->pairs, sort->held, sizeof(*sort->pairs), compare_pairs, sort);
}

static const char *held_at(const struct seed_sort *sort, uint32_t place)
{
	return sort->records + sort->pairs[place].index * sort->opt.size;
}

static int spill_held(struct seed_sort *sort, struct seed_error *err)
{
	if (!sort->runs && seed_runs_new(&sort->runs, &sort->opt, err) < 0)
		return -1;
	order_held(sort);
	for (uint32_t i = 0; i < sort->held; i++)
		if (seed_runs_put(sort->runs, held_at(sort, i), err) < 0)
			return -1;
	sort->held = 0;
	return seed_runs_end(sort->runs, err);
}

int seed_sort_add(struct seed_sort *sort, const void *record, struct seed_error *err)
{
	assert(!sort->finished);
	if (sort->held == sort->room && spill_held(sort, err) < 0)
		return -1;
	memcpy(sort->records + sort->held++ * sort->opt.size, record, sort->opt.size);
	sort->count++;
	return 0;
}

int seed_sort_finish(struct seed_sort *sort, struct seed_error *err)
{
	assert(!sort->finished);
	sort->finished = true;
	if (!sort->runs) {
		order_held(sort);
		return 0;
	}
	if (sort->held && spill_held(sort, err) < 0)
		return -1;
	free_collected(sort);	/* the merge needs the memory */
	return seed_runs_merge(&sort->runs, err);
}

int seed_sort_next(struct seed_sort *sort, const void **out, struct seed_error *err)
{
	assert(sort->finished);
	if (sort->runs)
		return seed_runs_next(sort->runs, out, err);
	*out = sort->given < sort->held ? held_at(sort, sort->given++) : NULL;
	return 0;
}

uint64_t seed_sort_count(const struct seed_sort *sort)
{
	return sort->count;
}
