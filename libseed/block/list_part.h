/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Digest lists in media form: runs and the digests of data blocks, in parts of
 * at most 1 GiB, so that a disk of 16 TiB with 100 GiB in it costs 50 MB. The
 * layout stands in vmseed-manifest(5), "Digest lists".
 *
 *   part    = header[64] segment...
 *   header  = "VMSEEDLS" version:u16=1 zero:u16 block size:u32 disk:u32 part:u32 (from 1)
 *             first:u64 blocks:u64 digests:u64 zero[16]
 *   segment = "VSSG" runs:u32 digests:u32 zero:u32 first:u64 blocks:u64,
 *             runs * (start:u64 count:u64 kind:u32 zero:u32), digests * 32 bytes
 *
 * A segment holds at most 4,096 runs and 65,536 digests; runs and segments
 * are in order, without gaps, kinds as in enum seed_block_kind, neighbours in a
 * segment of different kinds. A digest is neither all zeroes nor all ones. Parts are
 * numbered without gaps; one without blocks is the only part of a disk without any.
 * Writer and reader keep one segment in memory.
 */
#ifndef SEED_BLOCK_LIST_PART_H
#define SEED_BLOCK_LIST_PART_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "block/digest_list.h"

#define SEED_LIST_PART_MAX (1u << 30)
#define SEED_LIST_SEGMENT_RUNS 4096u
#define SEED_LIST_SEGMENT_DIGESTS 65536u

/**
 * seed_list_part_write() - write the next part of a list in media form
 * @first: block the part begins at; *@next receives where the following one begins (the
 *         number of blocks when this was the last)
 * @max:   bytes of the part at most (SEED_LIST_PART_MAX; tests use less)
 * @put:   receives the bytes in order
 */
int seed_list_part_write(struct seed_list *list, uint32_t disk, uint32_t part, uint64_t first,
			 uint64_t *next, uint64_t max,
			 int (*put)(void *arg, const void *data, size_t len,
				    struct seed_error *err),
			 void *arg, struct seed_error *err);

/* A reader fed with the bytes of parts in order; fills a home-form list. Hostile input: all is
 * checked before it is used, FORMAT says what and where. */
struct seed_list_reader;
/* @into NULL: checks only. */
int seed_list_reader_new(struct seed_list_reader **out, uint32_t disk, uint64_t blocks,
			 struct seed_list *into, struct seed_error *err);
void seed_list_reader_free(struct seed_list_reader *reader);
static inline void seed_list_reader_freep(struct seed_list_reader **r)
{
	seed_list_reader_free(*r);
}
int seed_list_reader_begin_part(struct seed_list_reader *reader, uint32_t part,
				struct seed_error *err);
int seed_list_reader_add(struct seed_list_reader *reader, const void *data, size_t len,
			 struct seed_error *err);
int seed_list_reader_end_part(struct seed_list_reader *reader, struct seed_error *err);
/* All parts came: all blocks covered. *@data_blocks: how many are data. */
int seed_list_reader_finish(struct seed_list_reader *reader, uint64_t *data_blocks,
			    struct seed_error *err);

#endif
