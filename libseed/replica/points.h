/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Recovery points: earlier states of a replica, kept by reflink in
 * STORE/REPLICA/points/GENERATION/ with the files that a replica has (disks, lists, manifest, side
 * files, and the replica.json of then), so that each can be mounted or copied by path.
 *
 * Only on file systems that share blocks between files (FICLONE: xfs, btrfs); elsewhere a copy
 * would double the disk, and SEED_ERR_USAGE says so plainly.
 */
#ifndef SEED_REPLICA_POINTS_H
#define SEED_REPLICA_POINTS_H

#include "replica/replica.h"

struct seed_point {
	uint64_t generation;
	int64_t imported;		/* unix seconds: when this state was reached */
	uint64_t size;			/* of its disks, bytes */
	bool broken;			/* its replica.json cannot be understood: only its
					 * generation is known, and it can be deleted */
};

/* Can this store keep points? Tries it with files that have no name. */
bool seed_points_possible(int store);
/* May the present state become a point? USAGE where blocks cannot be shared, and for a replica that
 * is still being seeded; IDENTITY for a promoted one. */
int seed_points_may(const struct seed_replica *replica, struct seed_error *err);
/* Make a point of the state that stands, and let the oldest go beyond @keep (the one made now
 * counts, and stays; 0: none goes). A state that has its point already gets no second one. A crash
 * leaves a point that is whole, or a folder without replica.json that the next call removes. Needs
 * the replica's lock. Fails as seed_points_may() does; USAGE also when the point of that generation
 * is of another line of history. */
int seed_points_make(struct seed_replica *replica, unsigned int keep, struct seed_error *err);
/* struct seed_point, lowest generation first. The caller frees @out, also on failure. */
int seed_points_list(struct seed_vec *out, const struct seed_replica *replica,
		     struct seed_error *err);
/* The files of a point, opened as a folder: read only by their modes. NOTFOUND. */
int seed_points_open(int *dir, const struct seed_replica *replica, uint64_t generation,
		     struct seed_error *err);
/* Make the replica what it was: the present state becomes a point first. The replica is "seeded"
 * with the point's generation afterwards ("incomplete" when blocks were missing, "candidate" when
 * it was one); its mark stays where it is, and the point stays. A crash leaves the replica old or
 * new. Needs the lock. NOTFOUND. */
int seed_points_restore(struct seed_replica *replica, uint64_t generation, struct seed_error *err);
int seed_points_delete(struct seed_replica *replica, uint64_t generation, struct seed_error *err);

#endif
