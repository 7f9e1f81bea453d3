/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of a sync; shared inside replica/ only. */
#ifndef SEED_REPLICA_SYNC_INTERNAL_H
#define SEED_REPLICA_SYNC_INTERNAL_H

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/pool.h"
#include "block/grid.h"
#include "image/sink.h"
#include "replica/sync.h"

#define SEED_SYNC_DIR "sync"
#define SEED_SYNC_PUTS 4096u		/* of a disk between two checkpoints */
#define SEED_SYNC_BATCH (1u << 20)	/* bytes that are read or written at once */
#define SEED_SYNC_BATCH_BLOCKS (SEED_SYNC_BATCH / SEED_BLOCK_SIZE)
#define SEED_SYNC_NAMES_MAX 10000u	/* in sync/, and in a replica's folder */

/* Names of a disk's files, in sync/ and in the replica alike. */
struct seed_sync_names {
	char stem[33];
	char raw[48], list[48], base[48], have[48], missing[48];
};
void seed_sync_names_of(struct seed_sync_names *out, const char *slot);

struct seed_sync_put {			/* written in place since the last checkpoint */
	uint64_t index;
	struct seed_digest digest;
};

/* One disk of the new state. */
struct seed_sync_unit {
	char slot[33];
	struct seed_sync_names names;
	uint64_t size, blocks;
	int fd;				/* the disk as it is, for reading; holds the image lock */
	struct seed_source_identity identity;	/* of an own disk, at the beginning */
	bool stamped;			/* it was proven then */
	bool has_base;			/* @base is sync/STEM.base, not the replica's own list */
	struct seed_list *base, *next;	/* base: sync/STEM.have of a disk written in place */
	struct seed_sink *sink;		/* written in place; else NULL */
	struct seed_vec puts;		/* struct seed_sync_put */
};

struct seed_sync {
	struct seed_replica *replica;
	const struct seed_cancel *cancel;
	int dir;			/* sync/ */
	struct seed_journal *journal;
	struct seed_sync_unit *units;
	size_t count;
	bool fill;			/* own disks are written in place */
	bool done;			/* committed: nothing but close is left */
};

/* ---- sync.c ---- */

/* @count units, none of them open. */
int seed_sync_make_units(struct seed_sync *sync, size_t count, struct seed_error *err);
/* USAGE when an earlier one has the same file names. */
int seed_sync_name_unit(struct seed_sync *sync, size_t i, const char *slot, uint64_t size,
			struct seed_error *err);
int seed_sync_put_block(struct seed_sync *sync, struct seed_sync_unit *unit,
			const struct seed_sync_put *put, const void *data, uint32_t len,
			struct seed_error *err);

/* ---- sync_fill.c ---- */

/* What the bases have as missing becomes the replica's missing lists. */
int seed_sync_save_missing(struct seed_sync *sync, struct seed_error *err);

/* ---- sync_disks.c ---- */

/* Open the unit's disk, base and next list. @own: the replica's disk of this slot, or NULL. */
int seed_sync_unit_open(struct seed_sync *sync, struct seed_sync_unit *unit,
			const struct seed_sync_disk *disk, const struct seed_replica_disk *own,
			struct seed_error *err);
int seed_sync_unit_open_fill(struct seed_sync *sync, struct seed_sync_unit *unit,
			     const struct seed_replica_disk *own, struct seed_error *err);
void seed_sync_unit_close(struct seed_sync_unit *unit);
/* Nobody wrote to the own disk since the unit was opened, and nobody is about to; else BUSY. */
int seed_sync_unit_still(const struct seed_sync_unit *unit, struct seed_error *err);
/* Its identity is what it is now: we changed its times ourselves. */
int seed_sync_unit_identify(struct seed_sync_unit *unit, struct seed_error *err);
/* Make what was put durable, and only then set it in the base. */
int seed_sync_unit_checkpoint(struct seed_sync *sync, struct seed_sync_unit *unit,
			      struct seed_error *err);
/* Add runs of the blocks that @list has as missing. */
int seed_sync_missing_runs(struct seed_vec *out, struct seed_list *list, uint64_t *blocks,
			   struct seed_error *err);

/* ---- sync_differ.c ---- */

/* Call @visit for each run of blocks, in order, that differ between two lists of equal length:
 * the new digests of up to SEED_SYNC_BATCH_BLOCKS data blocks, or any number of zero blocks
 * (@digests NULL). Blocks that @next does not know are left out. */
int seed_sync_differ(struct seed_list *base, struct seed_list *next,
		     int (*visit)(void *arg, uint64_t index, uint64_t count,
				  const struct seed_digest *digests, struct seed_error *err),
		     void *arg, struct seed_error *err);

/* ---- sync_batches.c ---- */

struct seed_sync_batch {
	struct seed_job job;		/* must be first */
	void *arg;			/* the pass's */
	uint64_t index, count;		/* blocks, at most SEED_SYNC_BATCH_BLOCKS */
	bool zero;			/* zeroes are meant, and @digests are not set */
	struct seed_digest digests[SEED_SYNC_BATCH_BLOCKS];
	uint8_t *buffer;		/* SEED_SYNC_BATCH bytes, aligned */
	uint32_t wrong;			/* out: a bit for each block */
	struct seed_sync_batch *next_idle;
};

struct seed_sync_pass {
	int (*run)(struct seed_job *job, void *scratch, struct seed_error *err);	/* on a
											 * worker */
	/* On the caller's thread, in the order of adding. */
	int (*taken)(void *arg, const struct seed_sync_batch *batch, struct seed_error *err);
	void *arg;
};

struct seed_sync_batches;
/* @jobs 0: all of it on the caller's thread. */
int seed_sync_batches_open(struct seed_sync_batches **out, unsigned int jobs,
			   const struct seed_sync_pass *pass, struct seed_error *err);
void seed_sync_batches_close(struct seed_sync_batches *batches);	/* waits for what runs */
static inline void seed_sync_batches_closep(struct seed_sync_batches **b)
{
	seed_sync_batches_close(*b);
}
/* @digests NULL: zeroes are meant. */
int seed_sync_batches_add(struct seed_sync_batches *batches, uint64_t index, uint64_t count,
			  const struct seed_digest *digests, struct seed_error *err);
/* Waits until all that was added is taken. */
int seed_sync_batches_finish(struct seed_sync_batches *batches, struct seed_error *err);

/* ---- sync_write.c ---- */

/* One disk that becomes what its next list says. */
struct seed_sync_target {
	int replica_dir, sync_dir;
	struct seed_journal *journal;
	uint64_t size;
	const char *slot;
	const struct seed_events *events;
	unsigned int jobs;		/* 0: one thread */
	struct seed_vec *lost;		/* out: struct seed_run of blocks that are not right */
	uint64_t lost_blocks;		/* out */
	bool in_place;			/* out: it is sync/STEM.raw, and was read whole */
	bool written;			/* out: something was written, or it is new */
};
int seed_sync_apply_disk(struct seed_sync_target *target, const struct seed_sync_names *names,
			 struct seed_error *err);

/* Is everything at hand that applying this disk would write? Nothing is changed. */
int seed_sync_check_disk(const struct seed_sync_target *target, const struct seed_sync_names *names,
			 bool *at_hand, struct seed_error *err);

/* ---- sync_apply.c ---- */

/* From the record in sync/ on: apply, move up, replace replica.json, remove sync/. @replica is read
 * anew. @proved: see seed_sync_commit(); NULL when the run that decided is gone, and then no
 * disk that was written is stamped. @jobs: processors for it, 0: one thread. @lost: blocks that
 * could not be brought into place. */
int seed_sync_carry_out(struct seed_replica *replica, int dir, struct seed_journal *journal,
			const struct seed_events *events, unsigned int jobs,
			enum seed_proved *proved, uint64_t *lost, struct seed_error *err);

#endif
