/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Adding blocks to a set: deduplication, records, packs, read-back and the small
 * commits that make packs safe as an export goes.
 *
 *   caller's thread          workers                  writer thread        keeper thread
 *   dedup decision, in  -->  compress and seal,  -->  packs, in order, --> read back past the
 *   cache, disk order               any order                fsync                delta commits
 *
 * Where records and packs end depends on the blocks and on the room alone, so the same input gives
 * the same records in the same order at any number of workers. Every queue is bounded: at most
 * @depth records wait, and the caller is held up when the medium is slower than the source.
 *
 * Before a pack is begun its room is reckoned. When there is little, all that was handed over is
 * waited for, so that what the file system says is exact; the pack then ends early, or the volume
 * is full: its packs are committed, and the next pack goes to the next volume.
 *
 * The first failure stops all three; packs that were read back by then are still committed,
 * so that the next run need not store them again.
 */
#ifndef SEED_EXPORT_SET_WRITER_H
#define SEED_EXPORT_SET_WRITER_H

#include "base/digest_map.h"
#include "block/scan.h"
#include "media/set_record.h"

struct seed_set_writer;

/* What a writer asks when a pack is to begin; from the caller's thread. */
struct seed_set_roll {
	/* Bytes that packs may still take on the volume that is being written. */
	int (*room)(void *arg, uint64_t *bytes, struct seed_error *err);
	/* Bytes of input still to come, at most. */
	uint64_t (*left)(void *arg);
	/* That volume is full, and what lies on it committed: the one to go on with. */
	int (*next)(void *arg, struct seed_volume **volume, struct seed_set_record **record,
		    struct seed_error *err);
	void *arg;
};

struct seed_set_writer_options {
	int home;
	struct seed_volume *volume;
	struct seed_set_record *record;	/* borrowed; kept up to date */
	const struct seed_site *own;
	struct seed_pool *pool;		/* whose scratch is a struct seed_record_codec */
	size_t depth;			/* records in flight */
	struct seed_digest_map *map;	/* borrowed: what all volumes at hand hold
					 * (seed_set_map_load()); NULL: one of its own, of what
					 * @volume holds */
	uint64_t map_bytes;		/* ... and its memory at most */
	const struct seed_set_roll *roll;	/* borrowed; NULL: the volume is never full */
	int level;			/* zstd's */
	uint64_t commit_bytes;		/* delta commit after so many stored bytes ... */
	uint64_t commit_ms;		/* ... or so long */
	const struct seed_cancel *cancel;
};

struct seed_set_totals {
	uint64_t new_blocks, new_bytes;		/* stored by this run, before compression */
	uint64_t held_blocks;			/* found in the set already */
	uint64_t stored_bytes;			/* in records of this run */
	uint64_t read_back_bytes;		/* compared */
	uint32_t packs;
	bool cached;				/* a read-back could not bypass the page cache */
};

/* Add the digests that a volume's packs hold. */
int seed_set_map_load(struct seed_digest_map *map, const struct seed_volume *volume, int level,
		      const struct seed_cancel *cancel, struct seed_error *err);
int seed_set_writer_open(struct seed_set_writer **out, const struct seed_set_writer_options *opt,
			 struct seed_error *err);
bool seed_set_writer_has(const struct seed_set_writer *w, const struct seed_digest *digest);
/* Store what is new in a chunk. May swap the chunk's buffer; its other fields stay. */
int seed_set_writer_add(struct seed_set_writer *w, struct seed_chunk *chunk,
			struct seed_error *err);
/* Everything added is durable and read back; nothing runs any more. */
int seed_set_writer_flush(struct seed_set_writer *w, struct seed_error *err);
/* Packs of this run that no delta commit names yet: struct seed_pack_facts. Valid after flush. */
const struct seed_vec *seed_set_writer_packs(const struct seed_set_writer *w);
void seed_set_writer_totals(struct seed_set_writer *w, struct seed_set_totals *out);
/* Number of delta commits so far: when it moves, a checkpoint of the source is worth its while. */
uint32_t seed_set_writer_commits(struct seed_set_writer *w);
/* After flush: the rest goes to the next volume, as if this one were full. */
int seed_set_writer_roll(struct seed_set_writer *w, struct seed_error *err);
/* Before close, when there was no room after all: the unfinished packs are removed, those that were
 * read back are committed, and the digests of all others leave the map. Nothing can be added. */
void seed_set_writer_give_up(struct seed_set_writer *w);
/* Stops at once. What was read back and no commit names yet is kept by a delta commit, unless a
 * full one was tried since: it names them, or failed. NULL is fine. */
void seed_set_writer_close(struct seed_set_writer *w);
static inline void seed_set_writer_closep(struct seed_set_writer **w)
{
	seed_set_writer_close(*w);
}

/* An error of the home, and not of the medium: when there is no room it is the home's, said in the
 * text alone, so that nobody takes the medium for full. Returns -1. */
int seed_set_home_failed(struct seed_error *err);

struct seed_set_change {		/* what a commit says */
	bool full;
	const struct seed_vec *packs, *files, *seeds;
	const struct seed_vec *others;	/* with a full one: struct seed_set_member, the set's other
					 * volumes, by number. NULL or none: no set document is
					 * written */
};
/* seed_volume_recover(), and a valid commit above the record's confirmed one is confirmed
 * (durable): the run that wrote it ended before it could. */
int seed_set_recover(int home, struct seed_volume *volume, struct seed_set_record *record,
		     struct seed_error *err);
/* Reserve the next commit number in the record (durable), commit, confirm (durable). Not to a
 * medium that was changed under us. */
int seed_set_commit(int home, struct seed_volume *volume, struct seed_set_record *record,
		    const struct seed_site *own, const struct seed_set_change *change,
		    struct seed_error *err);

#endif
