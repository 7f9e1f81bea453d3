/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Recovery points: earlier states of a replica, kept by reflink in
 * STORE/REPLICA/points/GENERATION/ with the files that a replica has (disks, lists, manifest, side files,
 * and the replica.json of then), so that each can be mounted or copied by path.
 *
 * Only on file systems that share blocks between files (FICLONE: xfs, btrfs); elsewhere a copy would
 * double the disk, and SEED_ERR_USAGE says so plainly.
 */
#ifndef SEED_REPLICA_POINTS_H
#define SEED_REPLICA_POINTS_H

#include "replica/replica.h"

struct seed_point {
	uint64_t generation;
	int64_t imported;		/* unix seconds: when this state was reached */
	uint64_t size;			/* of its disks, bytes */
};

/* Can this store keep points? Tries it with an unlinked file. */
bool seed_points_possible(int store);
/* Make a point of the state that stands, and let the oldest go beyond @keep. A crash leaves a
 * point that is whole, or a folder without replica.json that the next call removes. */
int seed_points_make(struct seed_replica *replica, unsigned int keep, struct seed_error *err);
/* struct seed_point, oldest first. */
int seed_points_list(struct seed_vec *out, const struct seed_replica *replica,
		     struct seed_error *err);
/* Make the replica what it was: the present state becomes a point first. The replica is "seeded" with
 * the point's generation afterwards; its mark stays where it is. */
int seed_points_restore(struct seed_replica *replica, uint64_t generation, struct seed_error *err);
int seed_points_delete(struct seed_replica *replica, uint64_t generation, struct seed_error *err);

#endif
