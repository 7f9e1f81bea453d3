/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The own blocks of a disk as they were worked out last: HOME/vms/UUID/SLOT.own, of the reading
 * that SLOT.list holds. How good it has to be is said in capture/own.h.
 *
 * It names its reading by a fingerprint of that list. Whatever replaces or changes a list without
 * saying so here, a crash anywhere, or a file put back from a backup leave one that does not match
 * its list, and is ignored. It is replaced whole, but not synced, for there may be one for each
 * disk of a site: a crash leaves the old one, the new one or, when the machine went down, a torn
 * one, which is no document and counts as none.
 */
#ifndef SEED_CAPTURE_OWN_KEPT_H
#define SEED_CAPTURE_OWN_KEPT_H

#include "base/cancel.h"
#include "base/id.h"
#include "base/vec.h"
#include "block/digest_list.h"
#include "block/own_runs.h"

struct seed_own_kept {
	struct seed_digest reading;	/* fingerprint of the list it speaks of */
	struct seed_digest lists;	/* of the names of all lists it was compared with, and its
					 * own */
	int64_t recorded;		/* unix seconds when it was worked out */
	uint64_t list_blocks;		/* length of the list */
	uint64_t first;			/* own blocks in all when it was worked out */
	uint64_t blocks;		/* of these, as far as is known not changed since */
	uint64_t unjudged;		/* changes since that left data which may be own or not */
	uint32_t compared;		/* with so many other VMs */
	struct seed_vec runs;		/* struct seed_run of kind DATA: of @blocks, or a sample */
};

void seed_own_kept_clear(struct seed_own_kept *kept);
/* NOTFOUND; FORMAT or RANGE when it is damaged. The caller clears @out. */
int seed_own_kept_read(struct seed_own_kept *out, int vm_dir, const char *slot,
		       struct seed_error *err);
int seed_own_kept_write(int vm_dir, const char *slot, const struct seed_own_kept *kept,
			struct seed_error *err);

/**
 * seed_own_reading() - fingerprint of the reading that @list holds
 * @size, @root: of its disk where they are known, else 0 and NULL
 *
 * The root that a disk of whole blocks has (block/merkle.h), so that it costs nothing where that
 * is known; else one pass over the list. What the disk's size makes of its last block is left out.
 */
int seed_own_reading(struct seed_digest *out, struct seed_list *list, uint64_t size,
		     const struct seed_digest *root, struct seed_error *err);

/**
 * seed_own_kept_carry() - take SLOT.own along to a new reading, less what changed
 * @now: that list, which is about to become SLOT.list; @size and @root of its disk
 * @err: CANCELLED alone. What cannot be carried is removed: it is worked out anew one day
 *
 * Nothing kept costs nothing, and neither does a reading that is the same; else the two lists are
 * read, the old one twice.
 */
int seed_own_kept_carry(int vm_dir, const char *slot, struct seed_list *now, uint64_t size,
			const struct seed_digest *root, const struct seed_cancel *cancel,
			struct seed_error *err);

/**
 * seed_own_kept_touched() - the same, where SLOT.list itself was changed at some blocks
 * @was: fingerprint of it before
 * @changed: uint64_t, rising: the blocks
 *
 * Never fails: see there.
 */
void seed_own_kept_touched(int vm_dir, const char *slot, const struct seed_digest *was,
			   const struct seed_digest *is, const struct seed_vec *changed);
/* @own less the blocks @changed (uint64_t, rising). */
int seed_own_runs_without(struct seed_own_runs *own, const struct seed_vec *changed,
			  struct seed_error *err);

void seed_own_kept_forget(int vm_dir, const char *slot);

#endif
