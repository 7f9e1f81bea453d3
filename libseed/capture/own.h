/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which blocks of some captured disks no other VM of this site has: their kept lists compared with
 * every kept list of the home (block/own_blocks.h).
 *
 * What was worked out is kept beside the list (capture/own_kept.h), and every later reading takes
 * it along less the blocks that changed (capture/capture.h): an offer then costs what changed, and
 * not a pass over all lists of the site. It is worked out anew, in one pass for all VMs of the home
 * that were not worked out since this run began, when of a VM that is asked for
 *
 *   - there is none, or it is damaged, or not of the reading that the list holds;
 *   - the lists of this home are not those it was compared with: a VM or a disk came or went;
 *   - it is older than SEED_OWN_AGE_MAX, or of a time to come;
 *   - none of its own blocks is left;
 *   - it is a day old and has lost more than a quarter of its blocks, or has fewer than identity
 *     looks at (4,096) and more changed blocks that nobody has judged yet. The day bounds what VMs
 *     cost whose own blocks are few and change in each run.
 *
 * Where the home has no other VM nothing is kept: all data is own, which one look at the list says.
 *
 * What is stale here costs evidence, never data. Own blocks weigh in the question whose disk a
 * candidate is; every block is decided by its SHA-256, wherever it is looked for. That a kept block
 * is still this VM's is certain, for changed ones are dropped. That nobody else has it was true of
 * the last readings of all others, as it is of a fresh result: what they wrote since they were read
 * was never known. A VM that comes to hold the same block later makes the claim stale, until its
 * reading is SEED_OWN_AGE_MAX old at most. Such a block then speaks for this VM although two have
 * it: a few of them are lost among the others, and to turn a verdict most of them had to be copied
 * to another known VM within the week. That is a disk made of this one, of whose content it is
 * true; and a clone that gets a list here as a new VM makes everything be worked out at once.
 * Blocks that became own meanwhile are missing, so that the evidence is weaker and not wrong.
 */
#ifndef SEED_CAPTURE_OWN_H
#define SEED_CAPTURE_OWN_H

#include "base/cancel.h"
#include "base/event.h"
#include "base/id.h"
#include "base/vec.h"

#define SEED_OWN_AGE_MAX (7 * 24 * 3600)	/* seconds */

struct seed_own_wanted {
	const struct seed_id *uuid;	/* of a VM whose list SLOT.list was just taken */
	const char *slot;
	uint64_t size;			/* bytes of the disk, and its root, of that reading */
	struct seed_digest root;
	struct seed_vec runs;		/* struct seed_run of kind DATA; result, freed by the
					 * caller */
	uint64_t blocks;		/* own blocks in all; result */
	uint32_t compared;		/* with so many other VMs; result */
};

struct seed_own_search {
	int home;			/* its vms/ is read, and spilled to */
	int64_t began;			/* unix seconds: when this run did; see above */
	int64_t now;			/* unix seconds */
	const struct seed_events *events;
	const struct seed_cancel *cancel;
};

/**
 * seed_capture_own_blocks() - fill the results of @wanted
 * @err: CANCELLED; what a list that is wanted fails with
 *
 * The caller holds the locks of the wanted VMs. A damaged list of some other VM is noted and left
 * out. Of others only SLOT.own is written, without their locks: it is replaced whole, and
 * speaks of the list that was read, so that whoever works there meanwhile loses it at worst.
 */
int seed_capture_own_blocks(const struct seed_own_search *search, struct seed_own_wanted *wanted,
			    size_t count, struct seed_error *err);

#endif
