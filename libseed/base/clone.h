/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file that holds what another one holds: by sharing its blocks where the file
 * system can (FICLONE: xfs, btrfs), or by copying what is data in it.
 */
#ifndef SEED_BASE_CLONE_H
#define SEED_BASE_CLONE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"

/* Make @to, an empty file open for writing, share all blocks of @from, open for reading. *@shared
 * false, and nothing done, where that is not possible: the file system cannot, or the files lie in
 * two. Not synced. */
int seed_clone(int from, int to, bool *shared, struct seed_error *err);
/* Can the file system of this folder? Tried with two files that have no name for long. */
bool seed_clone_possible(int dir);

struct seed_copy_options {
	void (*copied)(void *arg, uint64_t bytes);	/* now and then: bytes since the last
							 * call */
	void *arg;
	const struct seed_cancel *cancel;
};

/* Copy the data extents of @from to @to, whose length becomes that of @from; what is a hole stays
 * one. @to is empty. Not synced. */
int seed_copy(int from, int to, const struct seed_copy_options *opt, struct seed_error *err);

#endif
