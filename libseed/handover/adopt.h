/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Adopt: disks that are here already become a candidate, a replica that nothing signed describes
 * yet. The first resync to it proves whose they are and brings the differences alone.
 *
 * Two kinds: a VM of this site that another site goes on with, and a replica that was promoted here
 * and is to be a replica again. (A third stays a replica: edited.c.) Either way its record is
 * marked as handed over: this site signs no more manifests of it until its replica is promoted
 * here.
 *
 * What the disks hold is compared with what other sites can have got last (capture/sent.h), and
 * that with what they have acknowledged. What is more than that would be lost: without @discard it
 * is refused. Where nobody ever acknowledged anything, what a medium was committed with passes, and
 * @unknown says so: if it did not arrive, the next resync is split brain. (The kept lists of the
 * last reading say how many blocks were written since; that reading may have reached nobody.)
 *
 * Order for a VM: lists, and copies of the disks, durable beside the store's replicas
 * (replica/candidate.h) - vm.json says "handed over" - disks are moved, if they are - the folder
 * takes its name - stamps - history. For a replica: vm.json - lists - replica.json - the old
 * manifest goes - history. A crash anywhere leaves the disks where they were or in the folder of
 * the candidate, and the next run goes on.
 */
#ifndef SEED_HANDOVER_ADOPT_H
#define SEED_HANDOVER_ADOPT_H

#include "base/cancel.h"
#include "base/event.h"
#include "replica/replica.h"
#include "trust/trust.h"
#include "vmdef/vmdef.h"

struct seed_adopt_options {
	int home, store;
	const struct seed_site *own;
	bool in_place;			/* move the disks into the store: nothing is copied */
	const struct seed_trust *trust;	/* NULL: nobody but @follow is known */
	const struct seed_id *follow;	/* the site that goes on with it; NULL: the only one that it
					 * can be */
	bool discard;			/* give up what was written since the last sync, and what
					 * was signed after the fork */
	bool dry_run;			/* read and compare alone */
	unsigned int jobs;
	const struct seed_events *events;
	const struct seed_cancel *cancel;
};

enum seed_adopted_how {
	SEED_ADOPTED_STAYED,		/* a replica's own disks */
	SEED_ADOPTED_MOVED, SEED_ADOPTED_SHARED, SEED_ADOPTED_COPIED,
};

struct seed_adopted {
	char folder[SEED_REPLICA_NAME];	/* in the store */
	char *vm_name;
	struct seed_id site, uuid;	/* origin */
	uint64_t generation;
	bool already;			/* it was a candidate of this very state before */
	enum seed_adopted_how how;
	bool edited;			/* a replica that stays one: what was written to it is given
					 * up */
	bool copied;			/* of an already one: the disks named are still there */
	bool discard;			/* what was signed here after the fork is given up */
	bool unsent;			/* it holds what no other site is known to have */
	bool doubted;			/* ... though a medium was committed with it */
	bool unknown;			/* a medium was, and no receipt has ever come back */
	uint64_t acknowledged;		/* the last generation that another site is known to have;
					 * 0: none */
	uint64_t changed_blocks, changed_bytes;	/* since the last reading */
	uint64_t bytes_read;
};
void seed_adopted_clear(struct seed_adopted *adopted);

/**
 * seed_adopt_vm() - a VM that this site exported
 * @out: cleared by the caller, also on failure; the counts are set when it was refused for them
 * @err: NOTFOUND when this site never read that VM; IDENTITY when blocks were written since the
 * last
 *       sync, and when a replica of it is here already; BUSY while somebody uses a disk; USAGE when
 *       it cannot be moved; LOCKED
 */
int seed_adopt_vm(struct seed_adopted *out, const struct seed_vmdef *def,
		  const struct seed_adopt_options *opt, struct seed_error *err);
/* A replica, by its folder: one that was promoted becomes a candidate; of one that was not, and
 * that somebody wrote to, the blocks that differ are given up (with @discard) and missing from then
 * on. USAGE when it is neither; else as above. */
int seed_adopt_replica(struct seed_adopted *out, const char *folder,
		       const struct seed_adopt_options *opt, struct seed_error *err);

#endif
