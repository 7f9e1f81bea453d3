/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whose reading a kept digest list is: STEM.stamp beside STEM.list, both of a
 * source's kept lists (HOME/vms/UUID/SLOT) and of a replica's.
 */
#ifndef SEED_BLOCK_STAMP_H
#define SEED_BLOCK_STAMP_H

#include "image/source.h"

/* Behind a slot: the list and stamp of a reading in progress. No slot contains '+'. */
#define SEED_STAMP_PART "+part"

#define SEED_STAMP_STEM_MAX 40		/* bytes: [A-Za-z0-9:._+=-], not "." or ".." */

/* Which reading STEM.list holds. */
struct seed_stamp {
	struct seed_source_identity identity;
	int64_t recorded;		/* unix seconds when @identity was taken */
	uint64_t blocks;		/* blocks [0, blocks) of the list are of this reading */
};
/* Durable on return. Sync the list first: a stamp speaks for what its list holds. */
int seed_stamp_write(int dir, const char *stem, const struct seed_stamp *stamp,
		     struct seed_error *err);
/* NOTFOUND when there is none. */
int seed_stamp_read(struct seed_stamp *out, int dir, const char *stem,
		    struct seed_error *err);
/* Provably the same bytes: equal provable identities, and mtime and ctime lie more than 2 s
 * before the recording (a write within the clock's step would not show). */
bool seed_stamp_proves(const struct seed_stamp *stamp, const struct seed_source_identity *now);
/* The same of a file whose mtime the stamp's writer had set back (replica/proof.h): mtime alone
 * lies more than 2 s before the recording. A write in the very step of the clock that ctime
 * already shows brings mtime to now, and the identities differ. */
bool seed_stamp_proves_set_back(const struct seed_stamp *stamp,
				const struct seed_source_identity *now);

#endif
