/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Making the folder of an adopted VM: a replica that no manifest describes yet.
 *
 * It is put together beside where it will be, in STORE/.adopting-ID or STORE/.moving-ID (the ID of
 * its name), and appears under its name by one rename. What a crash leaves of the first kind is
 * copies, and goes; of the second kind it is the VM's own disks, which whoever goes on finds there:
 * nothing in it is ever removed.
 */
#ifndef SEED_REPLICA_CANDIDATE_H
#define SEED_REPLICA_CANDIDATE_H

#include "replica/replica.h"

#define SEED_CANDIDATE_BESIDE 24

struct seed_candidate {
	struct seed_replica *replica;	/* its @dir is the folder beside; nothing is saved yet */
	char beside[SEED_CANDIDATE_BESIDE];	/* name of that folder in the store */
};

/**
 * seed_candidate_begin() - make, or go on with, the folder beside
 * @what: unsigned: site, uuid, name, lineage, generation, captured and disks (slot and size) count
 * @move: disks will be moved in
 * @err: LOCKED when another run is at it
 *
 * Whether a replica of this VM is there already is the caller's question.
 */
int seed_candidate_begin(struct seed_candidate *out, int store, const struct seed_manifest *what,
			 bool move, struct seed_error *err);
/* Is a folder there that disks of this VM were moved into? @name: of that folder. */
bool seed_candidate_moving(int store, const struct seed_id *site, const struct seed_id *uuid,
			   char name[SEED_CANDIDATE_BESIDE]);
/* All files are in it and durable: the folder takes its name. USAGE when something of that name is
 * there. */
int seed_candidate_finish(struct seed_candidate *candidate, int store, struct seed_error *err);
/* Throw away copies. A folder with disks that were moved in stays as it is. */
void seed_candidate_abandon(struct seed_candidate *candidate, int store);
void seed_candidate_close(struct seed_candidate *candidate);

#endif
