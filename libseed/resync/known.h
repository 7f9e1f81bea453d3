/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Blocks that lie in replicas here, by digest, so that they need not cross the wire: those whose
 * line is the peer's alone, or a peer could find out by asking what others' VMs hold. Shared inside
 * resync/ only.
 *
 * 16 bytes for a block: 8 bytes of its digest, and where it lies; what is found is read and its
 * SHA-256 looked at before it counts, so a table that is out of date costs a read. At its cap it
 * takes no more: a block is fetched then, never wrong.
 */
#ifndef SEED_RESYNC_KNOWN_H
#define SEED_RESYNC_KNOWN_H

#include "base/cancel.h"
#include "base/id.h"
#include "replica/replica.h"

struct seed_known;

/* All replicas in @store whose line of history is @site's now, as their lists have them. @store is
 * borrowed. */
int seed_known_new(struct seed_known **out, int store, const struct seed_id *site,
		   uint64_t memory, const struct seed_cancel *cancel, struct seed_error *err);
void seed_known_free(struct seed_known *known);		/* NULL is fine */
static inline void seed_known_freep(struct seed_known **k) { seed_known_free(*k); }

/* One more replica's. */
void seed_known_add_replica(struct seed_known *known, const struct seed_replica *replica);
/* A block will lie there once a resync of that replica is done. Never fails: what does not fit is
 * forgotten. */
void seed_known_add(struct seed_known *known, const char *replica, const char *file,
		    uint64_t index, const struct seed_digest *digest);
/* Read it into @buf (SEED_BLOCK_SIZE bytes) and check it; @len: bytes that it has. False when it is
 * not here, or not any more. */
bool seed_known_read(struct seed_known *known, const struct seed_digest *digest, void *buf,
		     uint32_t len);

#endif
