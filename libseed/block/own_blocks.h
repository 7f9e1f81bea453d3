/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Own blocks: the blocks of a VM that no other VM known to its site has. They
 * alone say whose disk a candidate is (DESIGN 8). Worked out exactly over the
 * home-form lists of all VMs by one external sort of their digests; zero
 * blocks belong to nobody.
 */
#ifndef SEED_BLOCK_OWN_BLOCKS_H
#define SEED_BLOCK_OWN_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/vec.h"
#include "block/digest_list.h"

#define SEED_OWN_RUNS_MAX 16384u	/* runs kept for one disk */

struct seed_own_disk {
	struct seed_list *list;		/* borrowed */
	uint32_t vm;			/* which VM it belongs to; equal numbers = one VM */
	bool wanted;			/* work out @runs for this one */
	struct seed_vec runs;		/* struct seed_run of kind DATA; result */
	uint64_t blocks;		/* own blocks in all; result */
};

/**
 * seed_own_blocks() - fill @runs and @blocks of the wanted disks
 * @folder: open folder for spills; @memory: bytes to sort in
 *
 * A disk whose own blocks lie in more than SEED_OWN_RUNS_MAX runs keeps that many, spread evenly
 * over the disk; @blocks counts them all. The caller frees @runs.
 */
int seed_own_blocks(struct seed_own_disk *disks, size_t count, int folder, size_t memory,
		    struct seed_error *err);

#endif
