/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The missing list of a disk: a file of runs (start:u64 count:u64, little-endian, rising, not
 * touching) behind a 16-byte header ("VMSEEDMS" version:u16=1 zero[6]). No file: nothing is
 * missing.
 */
#ifndef SEED_REPLICA_MISSING_H
#define SEED_REPLICA_MISSING_H

#include "base/vec.h"
#include "block/digest_list.h"
#include "replica/replica.h"

/* @runs: struct seed_run. Replaced atomically; no runs removes the file. */
int seed_missing_write(int dir, const char *path, const struct seed_vec *runs,
		       struct seed_error *err);
int seed_missing_read(struct seed_vec *runs, int dir, const char *path, uint64_t blocks,
		      struct seed_error *err);
/* Add @more to @runs: both rise, the result does too, and touching runs become one. */
int seed_missing_merge(struct seed_vec *runs, const struct seed_vec *more, struct seed_error *err);

/* What @disk of a replica in @dir lacks. A list that replica.json does not count was left by a
 * crash, and is none: what it names is looked at like everything else. Of one that is counted, and
 * is lost or damaged, nobody knows which blocks are right: all are missing. */
int seed_missing_of_disk(struct seed_vec *runs, int dir, const struct seed_replica_disk *disk,
			 struct seed_error *err);
/* Add @more to that: the list is durable on return, and @disk counts it; the caller saves
 * replica.json. */
int seed_missing_note(int dir, struct seed_replica_disk *disk, const struct seed_vec *more,
		      struct seed_error *err);

#endif
