/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The root of a disk: RFC 6962 section 2.1 Merkle Tree Hash over its block
 * digests. Leaf = SHA-256(0x00 || digest), node = SHA-256(0x01 || left || right);
 * no blocks: SHA-256 of nothing. A zero block's leaf input is the SHA-256 of
 * that many zero bytes, so that the root depends on content alone; a missing
 * block's is 32 bytes of 0xff. Subtrees of equal leaves are computed once, so
 * a run of zero blocks costs the logarithm of its length.
 */
#ifndef SEED_BLOCK_MERKLE_H
#define SEED_BLOCK_MERKLE_H

#include <stdint.h>

#include "base/error.h"
#include "base/id.h"
#include "block/digest_list.h"

/* Streaming: leaves in order. Plain data. */
struct seed_merkle {
	struct seed_digest stack[64];	/* a full subtree for each bit set in @leaves */
	uint64_t leaves;
};
void seed_merkle_begin(struct seed_merkle *m);
void seed_merkle_add(struct seed_merkle *m, const struct seed_digest *digest);
/* @count equal leaves. */
void seed_merkle_add_run(struct seed_merkle *m, const struct seed_digest *digest, uint64_t count);
void seed_merkle_end(const struct seed_merkle *m, struct seed_digest *root);

/* The root of a home-form list of a disk of @size bytes; *@data_blocks and *@missing_blocks
 * (either may be NULL) count what it saw. */
int seed_merkle_of_list(struct seed_digest *root, struct seed_list *list, uint64_t size,
			uint64_t *data_blocks, uint64_t *missing_blocks, struct seed_error *err);

/* SHA-256 of @len zero bytes, @len at most SEED_BLOCK_SIZE. */
void seed_zero_digest(struct seed_digest *out, uint32_t len);

#endif
