/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tree of merkle.h with its inner nodes at hand, for two sites that look for the blocks in
 * which their disks differ: equal nodes end a branch, so that the cost is that of the change.
 *
 * Node (level, index) is the RFC 6962 hash over leaves [index << level, (index + 1) << level) that
 * exist; level 0 are leaf hashes, the highest level has one node, the root. A node whose right half
 * is past the end equals its left child. A disk without blocks has a root and no nodes.
 *
 * Nodes of level SEED_TREE_KEPT and up are kept in memory: 64 bytes for each 1,024 blocks, 16 MiB
 * for 16 TiB, and zero blocks share theirs. Lower ones are worked out from the list when asked for,
 * so that a run of zeroes costs next to nothing in time and memory.
 *
 * One thread at a time.
 */
#ifndef SEED_BLOCK_MERKLE_TREE_H
#define SEED_BLOCK_MERKLE_TREE_H

#include <stdint.h>

#include "base/error.h"
#include "base/id.h"
#include "block/digest_list.h"

#define SEED_TREE_KEPT 10u	/* levels below are not kept */

struct seed_tree;

/* One pass over @list, of a disk of @size bytes (RANGE when it is not): borrowed, and not to be
 * changed while the tree is used. */
int seed_tree_new(struct seed_tree **out, struct seed_list *list, uint64_t size,
		  struct seed_error *err);
void seed_tree_free(struct seed_tree *tree);
static inline void seed_tree_freep(struct seed_tree **tree) { seed_tree_free(*tree); }

void seed_tree_root(const struct seed_tree *tree, struct seed_digest *root);
/* The root's level: 0 for a disk of one block or none. */
unsigned int seed_tree_height(uint64_t blocks);
/* Nodes of a level: ceil(blocks / 2^level). */
uint64_t seed_tree_width(uint64_t blocks, unsigned int level);
/* @count nodes of @level from @index on; RANGE past the end. */
int seed_tree_nodes(struct seed_tree *tree, unsigned int level, uint64_t index, size_t count,
		    struct seed_digest *out, struct seed_error *err);

#endif
