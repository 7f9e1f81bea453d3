/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which blocks of some captured disks no other VM of this site has: their kept lists compared with
 * every kept list of the home (block/own_blocks.h).
 */
#ifndef SEED_CAPTURE_OWN_H
#define SEED_CAPTURE_OWN_H

#include "base/event.h"
#include "base/id.h"
#include "base/vec.h"

struct seed_own_wanted {
	const struct seed_id *uuid;	/* of a VM whose list SLOT.list was just taken */
	const char *slot;
	struct seed_vec runs;		/* struct seed_run of kind DATA; result, freed by the
					 * caller */
	uint64_t blocks;		/* own blocks in all; result */
	uint32_t compared;		/* with so many other VMs; result */
};

/**
 * seed_capture_own_blocks() - fill the results of @wanted
 * @home: its vms/ is read, and spilled to
 *
 * The caller holds the locks of the wanted VMs. A damaged list of some other VM is noted and left
 * out; one that is wanted is an error.
 */
int seed_capture_own_blocks(int home, struct seed_own_wanted *wanted, size_t count,
			    const struct seed_events *events, struct seed_error *err);

#endif
