/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A replica being brought up to date, in STORE/REPLICA/sync/ (vmseed-journal(5)):
 *
 *   journal            blocks that arrived, by digest (journal.h)
 *   STEM.list          the digests that the disk shall have, home form
 *   STEM.base          what it has, where that is not the replica's own list (missing or rotten
 *                      blocks, another size)
 *   STEM.raw STEM.have a disk that the replica does not have yet, written in place, and which of
 *   its
 *                      blocks are durable (home form)
 *   manifest.json (+.minisig), definition, nvram, ...
 *   replica.json       the commit record: the replica as it will be
 *
 * Order: journal and new disks durable - lists, manifest, side files durable - recovery point,
 * if wanted - room in the disks reserved, and no longer shared with recovery points -
 * replica.json. With that the new state is decided: blocks are applied in place (any number of
 * times), read back past the cache, lists and files move up by rename, the replica's
 * replica.json is replaced, sync/ goes. A crash before the record leaves the old replica, and a
 * journal that the next run uses; behind it, whoever opens the replica with its lock finishes
 * (seed_replica_open()).
 *
 * One thread at a time.
 */
#ifndef SEED_REPLICA_SYNC_H
#define SEED_REPLICA_SYNC_H

#include "replica/journal.h"
#include "replica/proof.h"
#include "replica/replica.h"

struct seed_sync;

/* One disk as the new state has it. */
struct seed_sync_disk {
	const char *slot;
	uint64_t size;
	/* Of the replica's own disk in this slot: blocks found to differ from its list
	 * (seed_replica_prove()); struct seed_run. NULL: none. */
	const struct seed_vec *rotten;
};

/**
 * seed_sync_open() - begin, or go on with what an earlier run left
 * @replica: locked; borrowed until close. One that is only a folder with "seeding" (made by
 *           seed_replica_create() for a seed over the wire) has no disks of its own: all are
 *           written in place, in sync/.
 * @err:     IDENTITY for one that is promoted
 */
int seed_sync_open(struct seed_sync **out, struct seed_replica *replica,
		   const struct seed_cancel *cancel, struct seed_error *err);
void seed_sync_close(struct seed_sync *sync);	/* everything stays as it is on disk */
static inline void seed_sync_closep(struct seed_sync **s) { seed_sync_close(*s); }

/* Which disks, in the new state's order; opens bases and makes next lists. A disk whose file is
 * gone is one that the replica does not have. From here on a QEMU that would write an own disk
 * is kept off. BUSY when somebody has one open for writing; MEDIUM when the store has no room
 * for the lists. */
int seed_sync_begin(struct seed_sync *sync, const struct seed_sync_disk *disks, size_t count,
		    struct seed_error *err);

/* What disk @i holds now, of the new size: MISSING where unknown. Read only; borrowed. */
struct seed_list *seed_sync_base(struct seed_sync *sync, size_t i);
/* What it shall hold; begins as a copy of the base. The caller sets entries. Borrowed. */
struct seed_list *seed_sync_next(struct seed_sync *sync, size_t i);
/* The block as it is on disk now, unchecked; zeroes where the disk is shorter. */
int seed_sync_read(struct seed_sync *sync, size_t i, uint64_t index, void *buf,
		   struct seed_error *err);

/* Is the block of this digest at hand for (@i, @index): in the journal, or in place? Zeroes always
 * are. */
bool seed_sync_has(struct seed_sync *sync, size_t i, uint64_t index,
		   const struct seed_digest *digest);
/* Take a block whose digest the caller has checked: to the journal, or into its place on a disk
 * that is written in place. Durable with the next checkpoint. */
int seed_sync_put(struct seed_sync *sync, size_t i, uint64_t index,
		  const struct seed_digest *digest, const void *data, uint32_t len,
		  struct seed_error *err);
struct seed_journal *seed_sync_journal(struct seed_sync *sync);	/* borrowed */
int seed_sync_checkpoint(struct seed_sync *sync, struct seed_error *err);

struct seed_sync_file {			/* a side file that came; others are taken from the
					 * replica */
	uint32_t index;			/* in the manifest */
	const void *data;
	size_t len;
};

struct seed_sync_commit {
	const struct seed_manifest *manifest;	/* verified, its roots those of the next lists */
	const char *text, *signature;		/* exact bytes; @signature NUL-terminated */
	size_t len;
	const struct seed_sync_file *files;
	size_t file_count;
	const char *from;		/* shown as where it came from: the peer's name */
	unsigned int keep;		/* recovery points to keep, the one made now included;
					 * 0: none is made */
	unsigned int jobs;		/* processors for applying; 0: one thread */
	const struct seed_events *events;
};

/**
 * seed_sync_commit() - decide for the new state and carry it out
 * @proved: for each disk, SEED_PROVED_FULL or _STAMP ("delta": written blocks read back, list root
 *          equal, identity unchanged since the last proof); room for all disks
 *
 * Checked and refused before the record, so that the old state stays: INTEGRITY when a block or
 * side file is not at hand or a root is not the manifest's; BUSY when somebody wrote to a disk
 * since seed_sync_begin(); MEDIUM when there is no room. These may be tried again.
 *
 * INTEGRITY behind it: blocks do not read back as they were written; they are on the missing
 * lists, and the replica is "incomplete". Any other error behind the record: it is carried out
 * by the next seed_replica_open(). On success the replica is "current", and @replica describes
 * it. Nothing but seed_sync_close() is left in all these cases.
 *
 * Disks that were written are stamped; one that was not keeps the stamp that it has. What a
 * recovery carried out is not stamped, so the next proof reads it.
 */
int seed_sync_commit(struct seed_sync *sync, const struct seed_sync_commit *commit,
		     enum seed_proved *proved, struct seed_error *err);

/* Fetching what an incomplete replica lacks at its own seed: next lists are its own, and read
 * only. Blocks are written in place and read back, the missing lists shrink at each checkpoint;
 * ends with state "current" when nothing is missing. No manifest, no record. Finishing takes
 * zero blocks and what lies in the journal by itself. A put that is not for a missing block, or
 * not what the list has there, is INTEGRITY. */
int seed_sync_begin_fill(struct seed_sync *sync, struct seed_error *err);
int seed_sync_finish_fill(struct seed_sync *sync, uint64_t *missing_blocks,
			  struct seed_error *err);

/* Throw away what arrived: the old replica stays. *@was false when there was nothing. Once a
 * record is there it is carried out instead: USAGE says so. @replica is locked. */
int seed_sync_abort(struct seed_replica *replica, bool *was, struct seed_error *err);
/* What lies in sync/ of a replica, locked or not: bytes that arrived, 0 if none. */
int seed_sync_pending(const struct seed_replica *replica, uint64_t *bytes, bool *committed,
		      struct seed_error *err);
/* The same in blocks, for which the headers of the journal are read. *@there: is anything there
 * that seed_sync_abort() would throw away? */
int seed_sync_pending_blocks(const struct seed_replica *replica, bool *there, uint64_t *blocks,
			     struct seed_error *err);

#endif
