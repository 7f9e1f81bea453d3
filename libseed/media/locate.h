/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where blocks are: joins the digests that are needed with the block indexes of
 * packs, by external merge sort in bounded memory, into a plan in the order in which the
 * packs lie: (pack, record, slot). A block that several packs hold is taken from the first
 * of them; a block that none holds comes out among the missing.
 */
#ifndef SEED_MEDIA_LOCATE_H
#define SEED_MEDIA_LOCATE_H

#include "block/digest_list.h"
#include "media/volume.h"

struct seed_locate;

struct seed_located {
	uint32_t pack;			/* ordinal, in the order of seed_locate_pack() */
	uint32_t record;
	uint16_t slot;
	uint32_t disk;			/* as given to seed_locate_need() */
	uint64_t block;
};

/* @folder: open folder for spills; @memory: bytes for all sorting. */
int seed_locate_new(struct seed_locate **out, int folder, size_t memory, struct seed_error *err);
void seed_locate_free(struct seed_locate *locate);
static inline void seed_locate_freep(struct seed_locate **l) { seed_locate_free(*l); }

/* Add a pack's index (struct seed_index_entry) under the next ordinal, which it returns in
 * *@pack. */
int seed_locate_pack(struct seed_locate *locate, const struct seed_vec *index, uint32_t *pack,
		     struct seed_error *err);
int seed_locate_need(struct seed_locate *locate, const struct seed_digest *digest, uint32_t disk,
		     uint64_t block, struct seed_error *err);
/* Every data block of a list that lies in @runs (struct seed_run; NULL: all of them). */
int seed_locate_list(struct seed_locate *locate, struct seed_list *list, uint32_t disk,
		     const struct seed_vec *runs, struct seed_error *err);

/* Join. Afterwards found and missing can be read, each once, in order. */
int seed_locate_join(struct seed_locate *locate, struct seed_error *err);
/* *@out NULL at the end; borrowed until the next call. */
int seed_locate_next(struct seed_locate *locate, const struct seed_located **out,
		     struct seed_error *err);
/* Missing blocks as runs, by disk and block; false in *@more at the end. */
int seed_locate_next_missing(struct seed_locate *locate, uint32_t *disk, struct seed_run *run,
			     bool *more, struct seed_error *err);
/* A block turned out to be missing after all (its record is damaged). Before the first
 * seed_locate_next_missing(). */
int seed_locate_lost(struct seed_locate *locate, uint32_t disk, uint64_t block,
		     struct seed_error *err);

#endif
