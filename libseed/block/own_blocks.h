/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Own blocks: the blocks of a VM that no other VM known to its site has. They
 * alone say whose disk a candidate is (DESIGN 8). Worked out exactly over the
 * home-form lists of all VMs by one external sort of their digests; zero
 * blocks belong to nobody.
 *
 * Memory and descriptors do not grow with the number of disks: one list is open at a time, while
 * it is fed to the sort, and one disk's result is in memory, until it is handed over.
 */
#ifndef SEED_BLOCK_OWN_BLOCKS_H
#define SEED_BLOCK_OWN_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/event.h"
#include "base/vec.h"
#include "block/digest_list.h"
#include "block/own_runs.h"

struct seed_own_disk {
	uint32_t vm;			/* which VM it belongs to; equal numbers = one VM */
	bool wanted;			/* work it out for this one */
};

struct seed_own_options {
	int folder;			/* open folder for spills; borrowed */
	size_t memory;			/* bytes to sort in */
	/* The list of disks[@i], asked for once and closed here. *@out NULL, returning 0: it cannot
	 * be compared with, and is left out. */
	int (*open)(void *arg, size_t i, struct seed_list **out, struct seed_error *err);
	/* The result of a wanted disk, in the order of @disks; the callee may move @own->runs out.
	 * A disk without own blocks has its call too. */
	int (*done)(void *arg, size_t i, struct seed_own_runs *own, struct seed_error *err);
	void *arg;
	uint64_t list_bytes;		/* of all lists together: what progress is measured by */
	const struct seed_events *events;
	const struct seed_cancel *cancel;
};

/**
 * seed_own_blocks() - work out the own blocks of the wanted disks
 * @err: CANCELLED; what @open and @done fail with
 *
 * A disk whose own blocks lie in more than SEED_OWN_RUNS_MAX runs keeps that many, spread evenly
 * over the disk; the count has them all. Where all disks are one VM's, all data is own.
 */
int seed_own_blocks(const struct seed_own_disk *disks, size_t count,
		    const struct seed_own_options *opt, struct seed_error *err);

#endif
