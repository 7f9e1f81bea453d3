/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Take back: a VM that this site handed over, by a last resync say, and that it goes on with after
 * all: the other site never promoted it, or is gone.
 *
 * Nobody here can know what the other site did. So the history forks as it does in a promotion: if
 * the other site has gone on, the next contact is split brain, and not one history that silently
 * replaces the other.
 *
 *   HOME/vms/UUID/vm.json      forked lineage, not handed over any more
 *   HOME/history.chain         a signed entry
 *
 * A crash between the two: the next run adds the entry.
 */
#ifndef SEED_HANDOVER_TAKE_BACK_H
#define SEED_HANDOVER_TAKE_BACK_H

#include "base/id.h"
#include "trust/keyfile.h"

struct seed_take_back_options {
	int home;
	int store;		/* -1: there is none */
	const struct seed_site *own;
	const char *vm_name;	/* as its record has it */
	bool force;		/* without it nothing is taken back, and the error says why */
	bool dry_run;
};

struct seed_taken_back {
	struct seed_id site, uuid;	/* origin */
	uint64_t generation;
	bool already;			/* an earlier run did */
	struct seed_id parent;		/* the timeline that it left, at @generation ... */
	struct seed_id timeline;	/* ... and the new one; zero in a dry run */
};

/**
 * seed_take_back() - make a VM that was handed over this site's again
 * @uuid: of its record in HOME/vms
 * @err: USAGE when it was not handed over, or an adoption of it is half done; IDENTITY without
 *       @force; RANGE; LOCKED
 */
int seed_take_back(struct seed_taken_back *out, const struct seed_id *uuid,
		   const struct seed_take_back_options *opt, struct seed_error *err);

#endif
