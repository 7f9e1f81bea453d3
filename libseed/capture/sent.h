/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What other sites can have of a VM: HOME/vms/UUID/sent.json, the roots of its disks as they stood
 * when a medium was committed with them, or a destination acknowledged them, last.
 *
 * The kept lists are the last reading, and a reading may never have reached anybody: whether disks
 * hold something that is nowhere else is answered by these roots alone. Written after what it says
 * has become true; a crash between leaves older roots, and disks that look unsent.
 */
#ifndef SEED_CAPTURE_SENT_H
#define SEED_CAPTURE_SENT_H

#include "base/id.h"
#include "base/vec.h"

struct seed_sent_disk {
	char slot[33];
	uint64_t size;			/* bytes */
	struct seed_digest root;
};

/* @disks: struct seed_sent_disk. Durable on return. */
int seed_sent_put(int vm_dir, uint64_t generation, const struct seed_vec *disks,
		  struct seed_error *err);
/* NOTFOUND when nothing was sent yet, or by a version that did not write it down. The caller frees
 * @disks, also on failure. */
int seed_sent_get(struct seed_vec *disks, uint64_t *generation, int vm_dir, struct seed_error *err);
/* Is this what was sent of that slot? */
bool seed_sent_has(const struct seed_vec *disks, const char *slot, uint64_t size,
		   const struct seed_digest *root);

#endif
