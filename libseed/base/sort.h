/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * External merge sort of fixed-size records by memcmp order of their first
 * @key bytes (ties keep insertion order): bounded memory, any number of
 * records, spilled as sorted runs to unlinked temporary files in one folder.
 * Integers that take part in the key are stored big-endian by the caller.
 */
#ifndef SEED_BASE_SORT_H
#define SEED_BASE_SORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct seed_sort;

struct seed_sort_options {
	size_t size;		/* bytes of a record, 1 to 256 */
	size_t key;		/* leading bytes that order records */
	size_t memory;		/* bytes for records in memory, at least 1 MiB */
	int folder;		/* open folder for spills; borrowed */
};

int seed_sort_new(struct seed_sort **out, const struct seed_sort_options *opt,
		  struct seed_error *err);
void seed_sort_free(struct seed_sort *sort);
static inline void seed_sort_freep(struct seed_sort **sort) { seed_sort_free(*sort); }

int seed_sort_add(struct seed_sort *sort, const void *record, struct seed_error *err);
/* No more adds; records come back in order from now on. */
int seed_sort_finish(struct seed_sort *sort, struct seed_error *err);
/* *@out borrows the next record until the next call; *@out NULL at the end. */
int seed_sort_next(struct seed_sort *sort, const void **out, struct seed_error *err);
uint64_t seed_sort_count(const struct seed_sort *sort);

#endif
