/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The digests of one disk in home form: a flat sparse file of 32 bytes per
 * block, no header. All zero = a zero block, all ones = a missing block
 * (unread, or not here yet), anything else = SHA-256 of the block. (No block is
 * known whose SHA-256 is either value.) Sparse: a disk of 16 TiB with little
 * in it costs little, and zero runs are skipped by SEEK_DATA.
 *
 * One thread at a time.
 */
#ifndef SEED_BLOCK_DIGEST_LIST_H
#define SEED_BLOCK_DIGEST_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/id.h"

enum seed_block_kind { SEED_BLOCK_ZERO = 0, SEED_BLOCK_DATA = 1, SEED_BLOCK_MISSING = 2 };

/* A run of blocks of one kind. */
struct seed_run {
	uint64_t start, count;		/* blocks */
	enum seed_block_kind kind;
};

struct seed_list;

enum seed_block_kind seed_digest_kind(const struct seed_digest *digest);
extern const struct seed_digest seed_digest_zero, seed_digest_missing;

/* A new list, all zero blocks; a file of that name is emptied first. */
int seed_list_create(struct seed_list **out, int dir, const char *path, uint64_t blocks,
		     struct seed_error *err);
/* An existing one; a file of another length than @blocks * 32 is SEED_ERR_FORMAT. */
int seed_list_open(struct seed_list **out, int dir, const char *path, uint64_t blocks,
		   bool writable, struct seed_error *err);
void seed_list_close(struct seed_list *list);	/* what was set is flushed first, not synced */
static inline void seed_list_closep(struct seed_list **list) { seed_list_close(*list); }
uint64_t seed_list_blocks(const struct seed_list *list);

/* Buffered both ways: sequential gets and sets are cheap. */
int seed_list_get(struct seed_list *list, uint64_t index, struct seed_digest *out, size_t count,
		  struct seed_error *err);
int seed_list_set(struct seed_list *list, uint64_t index, const struct seed_digest *digests,
		  size_t count, struct seed_error *err);
/* Set @count blocks to zero or missing. */
int seed_list_fill(struct seed_list *list, uint64_t index, uint64_t count,
		   enum seed_block_kind kind, struct seed_error *err);
/* The run that begins at @index, as long as it goes; fails with RANGE past the end. */
int seed_list_run(struct seed_list *list, uint64_t index, struct seed_run *out,
		  struct seed_error *err);
int seed_list_sync(struct seed_list *list, struct seed_error *err);

#endif
