/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The line of history that a VM's generations count in: a list of timelines as
 * in PostgreSQL, oldest first, each forked from the one before it. Only `promote`
 * (or `adopt`) adds one. Generations go on counting over a fork: the first one
 * signed on a timeline is above the generation it was forked at.
 */
#ifndef SEED_MANIFEST_LINEAGE_H
#define SEED_MANIFEST_LINEAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/id.h"
#include "doc/json.h"

#define SEED_TIMELINES_MAX 64
#define SEED_GENERATION_MAX (((uint64_t)1 << 53) - 1)

struct seed_timeline {
	struct seed_id id, writer;		/* random; the site that signs on it */
	struct seed_id parent;			/* forked from (parent, parent_generation) ... */
	uint64_t parent_generation;
	bool forked;				/* ... if this is set; the first one is not */
};

struct seed_lineage {
	struct seed_timeline timelines[SEED_TIMELINES_MAX];
	size_t count;
};

/* How a manifest at (@b, @b_gen) stands to what we hold at (@a, @a_gen). */
enum seed_lineage_relation {
	SEED_LINEAGE_SAME,	/* equal timeline and generation */
	SEED_LINEAGE_NEWER,	/* may replace ours */
	SEED_LINEAGE_OLDER,	/* ours is ahead on the same line, or forked from it at or after */
	SEED_LINEAGE_DIVERGED,	/* forked before our generation: both went on */
	SEED_LINEAGE_UNRELATED,	/* no timeline in common */
};
enum seed_lineage_relation seed_lineage_compare(const struct seed_lineage *a, uint64_t a_gen,
						const struct seed_lineage *b, uint64_t b_gen);

/* FORMAT: none, too many, one twice, one that was not forked from the one before it, or forked
 * at an earlier generation than that one itself. */
int seed_lineage_check(const struct seed_lineage *lineage, struct seed_error *err);

/* The generation that its last timeline was forked at, 0 if it was not forked: what is signed on
 * it lies above. */
uint64_t seed_lineage_base(const struct seed_lineage *lineage);

struct seed_json *seed_lineage_to_json(const struct seed_lineage *lineage);	/* an array */
/* Fails the reader @r on anything malformed: none, too many, a fork from the unknown. */
void seed_lineage_take(struct seed_json_reader *r, const char *key, struct seed_lineage *out);

#endif
