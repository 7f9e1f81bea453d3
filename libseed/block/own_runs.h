/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Collecting the runs of a disk's own blocks, in rising order, a bounded number of them.
 */
#ifndef SEED_BLOCK_OWN_RUNS_H
#define SEED_BLOCK_OWN_RUNS_H

#include <stdint.h>

#include "base/error.h"
#include "base/vec.h"
#include "block/digest_list.h"

#define SEED_OWN_RUNS_MAX 16384u	/* runs kept for one disk */

/* Zeroed is empty. */
struct seed_own_runs {
	struct seed_vec runs;		/* struct seed_run of kind DATA */
	uint64_t blocks;		/* that were added in all, also where their runs went */
	struct seed_run run;		/* still growing; count 0: none */
	uint64_t seen, thinned;		/* runs so far; of them every 2^@thinned-th is kept */
};

/* Blocks behind those added before. Neighbours become one run. */
int seed_own_runs_add(struct seed_own_runs *own, uint64_t start, uint64_t count,
		      struct seed_error *err);
/* No more: at most SEED_OWN_RUNS_MAX runs are left, spread evenly over the disk. */
int seed_own_runs_end(struct seed_own_runs *own, struct seed_error *err);
void seed_own_runs_free(struct seed_own_runs *own);

/* Blocks in all of @runs (struct seed_run). */
uint64_t seed_own_runs_sum(const struct seed_vec *runs);

#endif
