/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Adding blocks to a set: deduplication, records, packs, read-back and the small
 * commits that make packs safe as an export goes.
 *
 *   caller's thread          workers                  writer thread        keeper thread
 *   dedup decision, in  -->  compress and seal,  -->  packs, in order, --> read back past the
 *   cache, disk order               any order                fsync                delta commits
 *
 * Where records and packs end depends on the blocks alone, so the same input gives
 * the same records in the same order at any number of workers. Every queue is bounded: at most
 * @depth records wait, and the caller is held up when the medium is slower than the source.
 *
 * The first failure stops all three; packs that were read back by then are still committed,
 * so that the next run need not store them again.
 */
#ifndef SEED_EXPORT_SET_WRITER_H
#define SEED_EXPORT_SET_WRITER_H

#include "block/scan.h"
#include "media/set_record.h"

struct seed_set_writer;

struct seed_set_writer_options {
	int home;
	struct seed_volume *volume;
	struct seed_set_record *record;	/* borrowed; kept up to date */
	const struct seed_site *own;
	struct seed_pool *pool;		/* whose scratch is a struct seed_record_codec */
	size_t depth;			/* records in flight */
	uint64_t map_bytes;		/* memory of the deduplication table at most */
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

/* Loads the digests that the volume's packs hold already. */
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
/* Stops at once. What was read back and no commit names yet is kept by a delta commit, unless a
 * full one was tried since: it names them, or failed. NULL is fine. */
void seed_set_writer_close(struct seed_set_writer *w);
static inline void seed_set_writer_closep(struct seed_set_writer **w)
{
	seed_set_writer_close(*w);
}

/* Reserve the next commit number in the record (durable), commit, confirm (durable). */
int seed_set_commit(int home, struct seed_volume *volume, struct seed_set_record *record,
		    const struct seed_site *own, bool full, const struct seed_vec *packs,
		    const struct seed_vec *files, const struct seed_vec *seeds,
		    struct seed_error *err);

#endif
