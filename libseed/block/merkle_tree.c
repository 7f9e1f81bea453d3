/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A level is an array of pages of nodes. A page that is not there has nothing but
 * whole zero blocks beneath it: its nodes are zero[level]. Where two of these meet, or two over
 * missing blocks, their parent is known without hashing, on all levels.
 */
#include "block/merkle_tree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "block/grid.h"
#include "block/merkle.h"
#include "block/merkle_internal.h"

#define CHUNK ((uint64_t)1 << SEED_TREE_KEPT)	/* blocks below one kept node */
#define PAGE 1024u				/* nodes that come and go together */
#define LEVELS 35u				/* 1 PiB is 2^34 blocks */

_Static_assert(SEED_DISK_MAX / SEED_BLOCK_SIZE <= (uint64_t)1 << (LEVELS - 1),
	       "a disk needs more levels");

struct level {
	struct seed_digest **pages;	/* NULL below SEED_TREE_KEPT */
	uint64_t count;			/* pages */
};

struct seed_tree {
	struct seed_list *list;
	uint64_t size, blocks;
	unsigned int height;
	struct seed_digest root;
	struct seed_digest zero[LEVELS];	/* over 2^level whole zero blocks */
	struct seed_digest missing[LEVELS];	/* over 2^level missing ones */
	struct level levels[LEVELS];
	struct seed_digest work[CHUNK];		/* of the chunk being worked out */
};

unsigned int seed_tree_height(uint64_t blocks)
{
	return blocks < 2 ? 0 : 64 - (unsigned int)__builtin_clzll(blocks - 1);
}

uint64_t seed_tree_width(uint64_t blocks, unsigned int level)
{
	if (level > 63)
		return blocks > 0;
	return (blocks >> level) + ((blocks & (((uint64_t)1 << level) - 1)) != 0);
}

/* ---- nodes from the list ---- */

static void leaf_of(const struct seed_tree *tree, uint64_t index, struct seed_digest *digest)
{
	uint32_t len;

	switch (seed_digest_kind(digest)) {
	case SEED_BLOCK_ZERO:
		len = seed_grid_length(tree->size, index);
		if (len == SEED_BLOCK_SIZE) {
			*digest = tree->zero[0];
			return;
		}
		seed_zero_digest(digest, len);
		break;
	case SEED_BLOCK_MISSING:
		*digest = tree->missing[0];
		return;
	case SEED_BLOCK_DATA:
		break;
	}
	seed_merkle_leaf(digest, digest);
}

/* The parent of two nodes of @level; @out may be one of them. */
static void parent_of(const struct seed_tree *tree, unsigned int level, struct seed_digest *out,
		      const struct seed_digest *left, const struct seed_digest *right)
{
	if (!seed_digest_equal(left, right))
		seed_merkle_node(out, left, right);
	else if (seed_digest_equal(left, &tree->zero[level]))
		*out = tree->zero[level + 1];
	else if (seed_digest_equal(left, &tree->missing[level]))
		*out = tree->missing[level + 1];
	else
		seed_merkle_node(out, left, right);
}

/* Nodes of @level over the blocks from @first on, at most a chunk of them, left in tree->work. */
static int work_out(struct seed_tree *tree, unsigned int level, uint64_t first, size_t blocks,
		    struct seed_error *err)
{
	struct seed_digest *work = tree->work;

	if (seed_list_get(tree->list, first, work, blocks, err) < 0)
		return -1;
	for (size_t i = 0; i < blocks; i++)
		leaf_of(tree, first + i, &work[i]);
	for (unsigned int l = 0; l < level; l++) {
		for (size_t i = 0; i + 1 < blocks; i += 2)
			parent_of(tree, l, &work[i / 2], &work[i], &work[i + 1]);
		if (blocks % 2)
			work[blocks / 2] = work[blocks - 1];
		blocks = blocks / 2 + blocks % 2;
	}
	return 0;
}

static int lower_nodes(struct seed_tree *tree, unsigned int level, uint64_t index, size_t count,
		       struct seed_digest *out, struct seed_error *err)
{
	const size_t in_chunk = (size_t)(CHUNK >> level);

	while (count) {
		size_t n = in_chunk - (size_t)(index % in_chunk);
		uint64_t first = index << level, blocks;

		if (n > count)
			n = count;
		blocks = (uint64_t)n << level;
		if (blocks > tree->blocks - first)
			blocks = tree->blocks - first;
		if (work_out(tree, level, first, (size_t)blocks, err) < 0)
			return -1;
		memcpy(out, tree->work, n * sizeof(*out));
		out += n;
		index += n;
		count -= n;
	}
	return 0;
}

/* ---- nodes that are kept ---- */

static const struct seed_digest *kept_node(const struct seed_tree *tree, unsigned int level,
					   uint64_t index)
{
	const struct seed_digest *page = tree->levels[level].pages[index / PAGE];

	return page ? &page[index % PAGE] : &tree->zero[level];
}

static int keep_node(struct seed_tree *tree, unsigned int level, uint64_t index,
		     const struct seed_digest *node, struct seed_error *err)
{
	struct seed_digest **page = &tree->levels[level].pages[index / PAGE];

	if (!*page) {
		if (seed_digest_equal(node, &tree->zero[level]))
			return 0;
		*page = malloc(PAGE * sizeof(**page));
		if (!*page)
			return seed_error_sys(err, ENOMEM, "hash tree");
		for (size_t i = 0; i < PAGE; i++)
			(*page)[i] = tree->zero[level];
	}
	(*page)[index % PAGE] = *node;
	return 0;
}

static int new_levels(struct seed_tree *tree, struct seed_error *err)
{
	for (unsigned int l = SEED_TREE_KEPT; l <= tree->height; l++) {
		struct level *level = &tree->levels[l];

		level->count = (seed_tree_width(tree->blocks, l) + PAGE - 1) / PAGE;
		level->pages = calloc(level->count, sizeof(*level->pages));
		if (!level->pages)
			return seed_error_sys(err, ENOMEM, "hash tree");
	}
	return 0;
}

/* The chunk at block @at, which is not of whole zero blocks alone. */
static int build_chunk(struct seed_tree *tree, uint64_t at, bool missing, struct seed_error *err)
{
	uint64_t left = tree->blocks - at;

	if (missing)
		return keep_node(tree, SEED_TREE_KEPT, at / CHUNK,
				 &tree->missing[SEED_TREE_KEPT], err);
	if (work_out(tree, SEED_TREE_KEPT, at, (size_t)(left < CHUNK ? left : CHUNK), err) < 0)
		return -1;
	return keep_node(tree, SEED_TREE_KEPT, at / CHUNK, &tree->work[0], err);
}

/* The lowest kept level, from the list. */
static int build_lowest(struct seed_tree *tree, struct seed_error *err)
{
	const uint64_t whole = tree->size / SEED_BLOCK_SIZE;	/* blocks of full length */
	struct seed_run run = { 0 };
	uint64_t at = 0;

	while (at < tree->blocks) {
		uint64_t end;
		bool covers;

		if (at >= run.start + run.count && seed_list_run(tree->list, at, &run, err) < 0)
			return -1;
		end = run.start + run.count < whole ? run.start + run.count : whole;
		covers = at + CHUNK <= end;
		if (covers && run.kind == SEED_BLOCK_ZERO) {
			at += (end - at) / CHUNK * CHUNK;
			continue;
		}
		if (build_chunk(tree, at, covers && run.kind == SEED_BLOCK_MISSING, err) < 0)
			return -1;
		at += CHUNK;
	}
	return 0;
}

/* One page of @level, from the two below it. */
static int build_page(struct seed_tree *tree, unsigned int level, uint64_t page,
		      struct seed_error *err)
{
	const struct level *below = &tree->levels[level - 1];
	uint64_t width = seed_tree_width(tree->blocks, level);
	uint64_t below_width = seed_tree_width(tree->blocks, level - 1);

	if (2 * (page + 1) * PAGE <= below_width && !below->pages[2 * page] &&
	    !below->pages[2 * page + 1])
		return 0;
	for (uint64_t i = page * PAGE; i < width && i < (page + 1) * PAGE; i++) {
		struct seed_digest node = *kept_node(tree, level - 1, 2 * i);

		if (2 * i + 1 < below_width)
			parent_of(tree, level - 1, &node, &node,
				  kept_node(tree, level - 1, 2 * i + 1));
		if (keep_node(tree, level, i, &node, err) < 0)
			return -1;
	}
	return 0;
}

static int build(struct seed_tree *tree, struct seed_error *err)
{
	if (tree->height < SEED_TREE_KEPT) {
		if (work_out(tree, tree->height, 0, (size_t)tree->blocks, err) < 0)
			return -1;
		tree->root = tree->work[0];
		return 0;
	}
	if (new_levels(tree, err) < 0 || build_lowest(tree, err) < 0)
		return -1;
	for (unsigned int l = SEED_TREE_KEPT + 1; l <= tree->height; l++)
		for (uint64_t page = 0; page < tree->levels[l].count; page++)
			if (build_page(tree, l, page, err) < 0)
				return -1;
	tree->root = *kept_node(tree, tree->height, 0);
	return 0;
}

/* ---- outside ---- */

static void fill_constants(struct seed_tree *tree)
{
	seed_zero_digest(&tree->zero[0], SEED_BLOCK_SIZE);
	seed_merkle_leaf(&tree->zero[0], &tree->zero[0]);
	seed_merkle_leaf(&tree->missing[0], &seed_digest_missing);
	for (unsigned int l = 0; l + 1 < LEVELS; l++) {
		seed_merkle_node(&tree->zero[l + 1], &tree->zero[l], &tree->zero[l]);
		seed_merkle_node(&tree->missing[l + 1], &tree->missing[l], &tree->missing[l]);
	}
}

int seed_tree_new(struct seed_tree **out, struct seed_list *list, uint64_t size,
		  struct seed_error *err)
{
	SEED_AUTO(seed_tree_freep) struct seed_tree *tree = calloc(1, sizeof(*tree));
	struct seed_merkle none;

	if (!tree)
		return seed_error_sys(err, ENOMEM, "hash tree");
	tree->list = list;
	tree->size = size;
	tree->blocks = seed_list_blocks(list);
	tree->height = seed_tree_height(tree->blocks);
	if (seed_grid_blocks(size) != tree->blocks)
		return seed_error_set(err, SEED_ERR_RANGE,
				      "a digest list of %" PRIu64 " blocks for a disk of %" PRIu64
				      " bytes", tree->blocks, size);
	fill_constants(tree);
	if (tree->blocks) {
		if (build(tree, err) < 0)
			return -1;
	} else {
		seed_merkle_begin(&none);
		seed_merkle_end(&none, &tree->root);
	}
	*out = seed_steal(&tree);
	return 0;
}

void seed_tree_free(struct seed_tree *tree)
{
	if (!tree)
		return;
	for (unsigned int l = 0; l < LEVELS; l++) {
		struct level *level = &tree->levels[l];

		for (uint64_t i = 0; level->pages && i < level->count; i++)
			free(level->pages[i]);
		free(level->pages);
	}
	free(tree);
}

void seed_tree_root(const struct seed_tree *tree, struct seed_digest *root)
{
	*root = tree->root;
}

int seed_tree_nodes(struct seed_tree *tree, unsigned int level, uint64_t index, size_t count,
		    struct seed_digest *out, struct seed_error *err)
{
	uint64_t width = level <= tree->height ? seed_tree_width(tree->blocks, level) : 0;

	if (index > width || count > width - index)
		return seed_error_set(err, SEED_ERR_RANGE,
				      "nodes %" PRIu64 " to %" PRIu64 " of the %" PRIu64
				      " on level %u of a hash tree", index, index + count, width,
				      level);
	if (level < SEED_TREE_KEPT)
		return lower_nodes(tree, level, index, count, out, err);
	for (size_t i = 0; i < count; i++)
		out[i] = *kept_node(tree, level, index + i);
	return 0;
}
