/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by sort.c and sort_runs.c: the sorted runs that did not fit into memory. */
#ifndef SEED_BASE_SORT_INTERNAL_H
#define SEED_BASE_SORT_INTERNAL_H

#include <stddef.h>

#include "base/error.h"
#include "base/sort.h"

#define SEED_RUNS_WRITE 65536u	/* bytes of the write buffer: part of options.memory */

struct seed_runs;

int seed_runs_new(struct seed_runs **out, const struct seed_sort_options *opt,
		  struct seed_error *err);
void seed_runs_free(struct seed_runs *runs);
static inline void seed_runs_freep(struct seed_runs **runs) { seed_runs_free(*runs); }

/* Append a record to the run being written; the caller gives them in order. */
int seed_runs_put(struct seed_runs *runs, const void *record, struct seed_error *err);
/* That run is complete; the next put begins another. */
int seed_runs_end(struct seed_runs *runs, struct seed_error *err);

/* Make ready to give all records back in order. *@runs may become another object: of
 * fewer runs, when there were more than the memory can merge at once. */
int seed_runs_merge(struct seed_runs **runs, struct seed_error *err);
/* The next record, borrowed until the next call; *@out NULL at the end. */
int seed_runs_next(struct seed_runs *runs, const void **out, struct seed_error *err);

#endif
