/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Is a replica's disk still what its digest list says? Answered without reading where its stamp
 * (STEM.stamp, block/stamp.h) proves it: device, inode, size, mtime and ctime are those
 * of the last proof.
 *
 * What was just written has the time of now, and a second writer within the clock's step would not
 * show. So the writer sets the file's mtime back by SEED_SET_BACK seconds once it is durable, and
 * stamps that: any later write brings mtime to now, however coarse the clock.
 */
#ifndef SEED_REPLICA_PROOF_H
#define SEED_REPLICA_PROOF_H

#include "base/event.h"
#include "base/pool.h"
#include "replica/replica.h"

#define SEED_SET_BACK 10	/* seconds */

enum seed_proved {
	SEED_PROVED_STAMP,	/* unchanged since the last proof; nothing was read */
	SEED_PROVED_FULL,	/* read whole, and equal to its list */
	SEED_PROVED_ROTTEN,	/* read whole: blocks differ though nobody wrote to it */
	SEED_PROVED_EDITED,	/* blocks differ, and it was written to since (or nobody knows) */
};

struct seed_proof {
	enum seed_proved result;
	struct seed_vec differ;		/* struct seed_run of kind MISSING: what differs, known
					 * missing blocks left out */
	uint64_t differ_blocks, bytes_read;
};
void seed_proof_clear(struct seed_proof *proof);

struct seed_proof_options {
	bool paranoid;			/* read it whatever the stamp says */
	struct seed_pool *pool;
	size_t depth;			/* MiB in flight */
	const struct seed_events *events;
	const struct seed_cancel *cancel;
};

/* Needs the replica's lock. *@out is set on success. BUSY when somebody has the disk open for
 * writing (QEMU's lock, a lease) or it changes meanwhile; NOTFOUND when its file is gone. A disk
 * of another size than replica.json says is never FULL. After FULL the disk is stamped anew. A
 * block device is never proven by a stamp. Errors name the file alone: the caller says whose disk
 * it is. */
int seed_replica_prove(struct seed_proof *out, const struct seed_replica *replica, size_t disk,
		       const struct seed_proof_options *opt, struct seed_error *err);

/*
 * The disk was just made to be what its list says, and is durable: set its time back and stamp it.
 * @dir: where disk and list lie, by @stem. The file is in its final place, and no descriptor of
 * it open for writing: with a writer of another program it is left without a stamp.
 */
int seed_replica_stamp(int dir, const char *stem, const char *disk_file, uint64_t blocks,
		       struct seed_error *err);
/* Does a stamp in @dir prove that @disk, which lies there, is what its list says? Nothing is read,
 * and what somebody is writing to just now is not proven. @now, which may be NULL, receives its
 * identity. */
bool seed_replica_stamped(int dir, const struct seed_replica_disk *disk,
			  struct seed_source_identity *now);
/* The disk will be written in place: its stamp goes first, durably. None there is fine. */
int seed_replica_unstamp(int dir, const char *stem, struct seed_error *err);

#endif
