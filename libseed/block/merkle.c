// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The tree grows as a binary counter: one full subtree is kept for each bit set
 * in the number of leaves, and a new one merges with those of its height as a
 * carry does. RFC 6962 splits at the largest power of two below n, which is what
 * folding these subtrees from the smallest up gives.
 */
#include "block/merkle.h"

#include <inttypes.h>
#include <string.h>

#include "block/grid.h"
#include "block/merkle_internal.h"
#include "crypto/digest.h"

#define CHUNK 512u	/* digests read at a time */

void seed_merkle_leaf(struct seed_digest *out, const struct seed_digest *digest)
{
	uint8_t input[1 + SEED_DIGEST_SIZE] = { 0x00 };

	memcpy(input + 1, digest->bytes, SEED_DIGEST_SIZE);
	seed_digest_of(out, input, sizeof(input));
}

void seed_merkle_node(struct seed_digest *out, const struct seed_digest *left,
		      const struct seed_digest *right)
{
	uint8_t input[1 + 2 * SEED_DIGEST_SIZE] = { 0x01 };

	memcpy(input + 1, left->bytes, SEED_DIGEST_SIZE);
	memcpy(input + 1 + SEED_DIGEST_SIZE, right->bytes, SEED_DIGEST_SIZE);
	seed_digest_of(out, input, sizeof(input));
}

void seed_merkle_begin(struct seed_merkle *m)
{
	memset(m, 0, sizeof(*m));
}

/* Append a full subtree of 2^@level leaves; the leaves so far are a multiple of that. */
static void push_subtree(struct seed_merkle *m, unsigned int level, struct seed_digest hash)
{
	uint64_t leaves = m->leaves;

	m->leaves += (uint64_t)1 << level;
	for (; leaves >> level & 1; level++)
		seed_merkle_node(&hash, &m->stack[level], &hash);
	m->stack[level] = hash;
}

void seed_merkle_add(struct seed_merkle *m, const struct seed_digest *digest)
{
	struct seed_digest leaf;

	seed_merkle_leaf(&leaf, digest);
	push_subtree(m, 0, leaf);
}

/* The largest full subtree that fits the alignment reached and the leaves left. */
static unsigned int fitting_level(uint64_t leaves, uint64_t count)
{
	unsigned int fits = 63 - (unsigned int)__builtin_clzll(count);
	unsigned int aligned = leaves ? (unsigned int)__builtin_ctzll(leaves) : 63;

	return fits < aligned ? fits : aligned;
}

void seed_merkle_add_run(struct seed_merkle *m, const struct seed_digest *digest, uint64_t count)
{
	struct seed_digest equal[64];	/* [k]: a full subtree of 2^k such leaves */
	unsigned int known = 0;

	seed_merkle_leaf(&equal[0], digest);
	while (count) {
		unsigned int level = fitting_level(m->leaves, count);

		for (; known < level; known++)
			seed_merkle_node(&equal[known + 1], &equal[known], &equal[known]);
		push_subtree(m, level, equal[level]);
		count -= (uint64_t)1 << level;
	}
}

void seed_merkle_end(const struct seed_merkle *m, struct seed_digest *root)
{
	struct seed_digest hash;
	uint64_t left = m->leaves;

	if (!left) {
		seed_digest_of(root, "", 0);
		return;
	}
	hash = m->stack[__builtin_ctzll(left)];
	for (left &= left - 1; left; left &= left - 1)
		seed_merkle_node(&hash, &m->stack[__builtin_ctzll(left)], &hash);
	*root = hash;
}

void seed_zero_digest(struct seed_digest *out, uint32_t len)
{
	static const uint8_t zeroes[SEED_BLOCK_SIZE];
	static const struct seed_digest whole = { {
		0xde, 0x2f, 0x25, 0x60, 0x64, 0xa0, 0xaf, 0x79, 0x77, 0x47, 0xc2, 0xb9, 0x75,
		0x05, 0xdc, 0x0b, 0x9f, 0x3d, 0xf0, 0xde, 0x4f, 0x48, 0x9e, 0xac, 0x73, 0x1c,
		0x23, 0xae, 0x9c, 0xa9, 0xcc, 0x31,
	} };

	if (len == SEED_BLOCK_SIZE)
		*out = whole;
	else
		seed_digest_of(out, zeroes, len);
}

static int add_data(struct seed_merkle *m, struct seed_list *list, const struct seed_run *run,
		    struct seed_error *err)
{
	struct seed_digest digests[CHUNK];
	uint64_t left = run->count, at = run->start;

	while (left) {
		size_t n = left < CHUNK ? (size_t)left : CHUNK;

		if (seed_list_get(list, at, digests, n, err) < 0)
			return -1;
		for (size_t i = 0; i < n; i++)
			seed_merkle_add(m, &digests[i]);
		at += n;
		left -= n;
	}
	return 0;
}

/* The last block of the disk may be short, and its zeroes fewer. */
static void add_zeroes(struct seed_merkle *m, const struct seed_run *run, uint64_t size)
{
	uint64_t last = run->start + run->count - 1;
	uint32_t len = seed_grid_length(size, last);
	uint64_t whole = len == SEED_BLOCK_SIZE ? run->count : run->count - 1;
	struct seed_digest digest;

	seed_zero_digest(&digest, SEED_BLOCK_SIZE);
	seed_merkle_add_run(m, &digest, whole);
	if (whole == run->count)
		return;
	seed_zero_digest(&digest, len);
	seed_merkle_add(m, &digest);
}

int seed_merkle_of_list(struct seed_digest *root, struct seed_list *list, uint64_t size,
			uint64_t *data_blocks, uint64_t *missing_blocks, struct seed_error *err)
{
	uint64_t blocks = seed_list_blocks(list), counts[3] = { 0 };
	struct seed_merkle m;
	struct seed_run run;

	if (seed_grid_blocks(size) != blocks)
		return seed_error_set(err, SEED_ERR_RANGE,
				      "a digest list of %" PRIu64 " blocks for a disk of %" PRIu64
				      " bytes", blocks, size);
	seed_merkle_begin(&m);
	for (uint64_t at = 0; at < blocks; at += run.count) {
		if (seed_list_run(list, at, &run, err) < 0)
			return -1;
		if (run.kind == SEED_BLOCK_ZERO)
			add_zeroes(&m, &run, size);
		else if (run.kind == SEED_BLOCK_MISSING)
			seed_merkle_add_run(&m, &seed_digest_missing, run.count);
		else if (add_data(&m, list, &run, err) < 0)
			return -1;
		counts[run.kind] += run.count;
	}
	seed_merkle_end(&m, root);
	if (data_blocks)
		*data_blocks = counts[SEED_BLOCK_DATA];
	if (missing_blocks)
		*missing_blocks = counts[SEED_BLOCK_MISSING];
	return 0;
}
