/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Promote: a replica becomes the VM, and this site goes on with its history on a timeline of its
 * own.
 *
 * In order, each step durable before the next:
 *
 *   HOME/vms/UUID/SLOT.list    what the replica's disks hold, so that the first resync back costs
 *                              the differences alone; with a stamp where the disk is provably that
 *   HOME/vms/UUID/vm.json      the VM as a source of this site: forked lineage, whose VM it is
 *   STORE/REPLICA/replica.json the forked lineage, "promoted"
 *   HOME/history.chain         a signed entry
 *
 * A crash before replica.json leaves a replica that is none of ours to start: the next run forks
 * at the same place, on the same timeline. A crash after it leaves a promoted replica, and the next
 * run adds the entry.
 */
#ifndef SEED_HANDOVER_PROMOTE_H
#define SEED_HANDOVER_PROMOTE_H

#include "replica/replica.h"
#include "trust/keyfile.h"
#include "vmdef/vmdef.h"

struct seed_promote_options {
	int home, store;
	const struct seed_site *own;
	bool force;		/* also when its copy was not consistent */
	bool dry_run;		/* check alone */
	const struct seed_events *events;	/* of what a crash left to finish first */
	const struct seed_cancel *cancel;
};

struct seed_promoted {
	struct seed_replica *replica;	/* locked, as it is now */
	bool already;			/* it was promoted before */
	struct seed_id parent;		/* the timeline that it left, at @replica->generation ... */
	struct seed_id timeline;	/* ... and the new one; zero in a dry run */
};
void seed_promoted_clear(struct seed_promoted *promoted);

/**
 * seed_promote() - the replica in the folder @folder of the store
 * @out: cleared by the caller, also on failure
 * @err: USAGE while blocks are missing or it is being seeded; IDENTITY for a candidate, for a copy
 *       that was taken of a changing disk (without @force), and when this site has a VM
 *       of that uuid with another history; LOCKED
 *
 * What was being built for a newer seed beside it is thrown away.
 */
int seed_promote(struct seed_promoted *out, const char *folder,
		 const struct seed_promote_options *opt, struct seed_error *err);

/**
 * seed_promoted_vmdef() - a promoted replica as a VM argument
 * @store_path: absolute, for the paths of its disks and side files
 * @name: as seed_replica_find() takes it
 * @err: NOTFOUND; USAGE when the replica is not promoted, or several fit
 *
 * Serial and WWN are those of the definition that came with it.
 */
int seed_promoted_vmdef(struct seed_vmdef **out, int store, const char *store_path,
			const char *name, struct seed_error *err);

#endif
