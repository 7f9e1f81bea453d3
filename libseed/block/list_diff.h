/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where two lists of one disk differ, in order. Runs that are zero, or missing, in both are passed
 * over whole. The lists may be of different lengths: behind its end a list is zero.
 */
#ifndef SEED_BLOCK_LIST_DIFF_H
#define SEED_BLOCK_LIST_DIFF_H

#include "block/digest_list.h"

#define SEED_DIFF_CHUNK 512u

struct seed_list_diff {
	struct seed_list *old, *new;	/* borrowed; @old may be NULL: all zero */
	uint64_t at, blocks;		/* of @new */
	uint64_t chunk;			/* first block of what is in memory; @chunk_count from
					 * there */
	size_t chunk_count;
	struct seed_digest olds[SEED_DIFF_CHUNK], news[SEED_DIFF_CHUNK];
};

void seed_list_diff_begin(struct seed_list_diff *diff, struct seed_list *old,
			  struct seed_list *new);
/* *@more false at the end. Entries that the caller sets in @new meanwhile count if they lie at
 * least SEED_DIFF_CHUNK blocks ahead. */
int seed_list_diff_next(struct seed_list_diff *diff, bool *more, uint64_t *index,
			struct seed_digest *old, struct seed_digest *new, struct seed_error *err);

/**
 * seed_list_differ() - the same by runs, of any length where they became zero
 * @most: data blocks in one visit, at most SEED_DIFF_CHUNK
 * @visit: @digests are the new ones of @count data blocks; NULL: they are zero
 *
 * Blocks that @new does not know are left out.
 */
int seed_list_differ(struct seed_list *old, struct seed_list *new, size_t most,
		     int (*visit)(void *arg, uint64_t index, uint64_t count,
				  const struct seed_digest *digests, struct seed_error *err),
		     void *arg, struct seed_error *err);

#endif
