// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "block/grid.h"
#include "block/merkle.h"
#include "block/merkle_tree.h"
#include "cmocka_all.h"
#include "crypto/digest.h"
#include "tmpdir.h"

/* RFC 6962 section 2.1, word for word. */
static struct seed_digest tree_hash(const struct seed_digest *leaves, size_t n)
{
	struct seed_digest out, left, right;
	uint8_t input[65];
	size_t k = 1;

	if (n == 0) {
		seed_digest_of(&out, NULL, 0);
		return out;
	}
	if (n == 1) {
		input[0] = 0;
		memcpy(input + 1, leaves->bytes, 32);
		seed_digest_of(&out, input, 33);
		return out;
	}
	while (2 * k < n)
		k *= 2;
	left = tree_hash(leaves, k);
	right = tree_hash(leaves + k, n - k);
	input[0] = 1;
	memcpy(input + 1, left.bytes, 32);
	memcpy(input + 33, right.bytes, 32);
	seed_digest_of(&out, input, 65);
	return out;
}

/* xorshift: the same in every run. */
static uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

struct disk {
	struct seed_list *list;
	struct seed_digest *leaves;	/* what RFC 6962 hashes */
	uint64_t size, blocks;
};

/* A disk of @blocks, the last of @tail bytes, in runs of zero, data and missing blocks of up to
 * @run each. */
static struct disk disk_of(void **state, uint64_t blocks, uint32_t tail, uint64_t run,
			   uint64_t seed)
{
	struct disk disk = { .blocks = blocks };
	struct seed_error err = { 0 };
	unsigned int kind = 0;
	uint64_t until = 0;

	disk.size = blocks ? (blocks - 1) * SEED_BLOCK_SIZE + tail : 0;
	disk.leaves = calloc(blocks + 1, sizeof(*disk.leaves));
	assert_non_null(disk.leaves);
	assert_ok(seed_list_create(&disk.list, ((struct tmpdir *)*state)->fd, "l", blocks, &err),
		  &err);
	for (uint64_t i = 0; i < blocks; i++) {
		if (i == until) {
			kind = (unsigned int)(next_random(&seed) % 3);
			until = i + 1 + next_random(&seed) % run;
		}
		if (kind == SEED_BLOCK_ZERO) {
			seed_zero_digest(&disk.leaves[i], seed_grid_length(disk.size, i));
			continue;
		}
		disk.leaves[i] = seed_digest_missing;
		if (kind == SEED_BLOCK_DATA)
			seed_digest_of(&disk.leaves[i], &i, sizeof(i));
		assert_ok(seed_list_set(disk.list, i, &disk.leaves[i], 1, &err), &err);
	}
	return disk;
}

static void disk_free(struct disk *disk)
{
	seed_list_close(disk->list);
	free(disk->leaves);
}

/* Every node of every level, one by one and in one go. */
static void assert_nodes(struct seed_tree *tree, const struct disk *disk)
{
	struct seed_error err = { 0 };

	for (unsigned int l = 0; l <= seed_tree_height(disk->blocks); l++) {
		uint64_t width = seed_tree_width(disk->blocks, l);
		struct seed_digest *nodes = calloc(width + 1, sizeof(*nodes));

		assert_non_null(nodes);
		assert_ok(seed_tree_nodes(tree, l, 0, width, nodes, &err), &err);
		for (uint64_t i = 0; i < width; i++) {
			uint64_t first = i << l, left = disk->blocks - first;
			struct seed_digest one, expected;

			expected = tree_hash(disk->leaves + first,
					     left < (uint64_t)1 << l ? left : (uint64_t)1 << l);
			assert_memory_equal(&nodes[i], &expected, sizeof(expected));
			if (width > 100 && i % 97 != 0 && i != width - 1)
				continue;
			assert_ok(seed_tree_nodes(tree, l, i, 1, &one, &err), &err);
			assert_memory_equal(&one, &expected, sizeof(expected));
		}
		assert_fails(seed_tree_nodes(tree, l, width, 1, nodes, &err), &err,
			     SEED_ERR_RANGE);
		free(nodes);
	}
	assert_fails(seed_tree_nodes(tree, seed_tree_height(disk->blocks) + 1, 0, 1,
				     &(struct seed_digest){ { 0 } }, &err), &err, SEED_ERR_RANGE);
}

static void assert_tree(struct disk *disk)
{
	SEED_AUTO(seed_tree_freep) struct seed_tree *tree = NULL;
	struct seed_digest root, expected = tree_hash(disk->leaves, disk->blocks);
	struct seed_error err = { 0 };

	assert_ok(seed_tree_new(&tree, disk->list, disk->size, &err), &err);
	seed_tree_root(tree, &root);
	assert_memory_equal(&root, &expected, sizeof(root));
	assert_ok(seed_merkle_of_list(&expected, disk->list, disk->size, NULL, NULL, &err), &err);
	assert_memory_equal(&root, &expected, sizeof(root));
	if (disk->blocks) {
		assert_ok(seed_tree_nodes(tree, seed_tree_height(disk->blocks), 0, 1, &expected,
					  &err), &err);
		assert_memory_equal(&root, &expected, sizeof(root));
	}
	assert_nodes(tree, disk);
}

static void every_node_of_a_small_disk_is_the_rfcs(void **state)
{
	for (uint64_t blocks = 0; blocks <= 70; blocks++) {
		struct disk disk = disk_of(state, blocks, blocks % 2 ? 700 : SEED_BLOCK_SIZE,
					   1 + blocks % 7, blocks + 1);

		assert_tree(&disk);
		disk_free(&disk);
	}
}

static void every_node_of_a_larger_disk_is_the_rfcs(void **state)
{
	static const uint64_t edges[] = { 1023, 1024, 1025, 2047, 2048, 2049, 3072, 8193 };
	const size_t count = sizeof(edges) / sizeof(edges[0]);
	uint64_t seed = 20;

	for (size_t i = 0; i < 2 * count; i++) {
		uint64_t blocks = i < count ? edges[i] : 71 + next_random(&seed) % 12000;
		struct disk disk = disk_of(state, blocks, i % 2 ? 512 : SEED_BLOCK_SIZE,
					   i % 3 ? 5000 : 60, i + 1);

		assert_tree(&disk);
		disk_free(&disk);
	}
}

/* Pages of nodes that are not there, that end in the disk, and that have neighbours which are. */
static void zeroes_around_a_little_data_are_hashed_like_any(void **state)
{
	static const uint64_t blocks[] = { 1 << 20, (1 << 20) + 1, (1 << 21) + 5000 };

	for (size_t i = 0; i < 3; i++) {
		SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
		SEED_AUTO(seed_tree_freep) struct seed_tree *tree = NULL;
		uint64_t size = blocks[i] * SEED_BLOCK_SIZE - i * 512;
		struct seed_digest root, expected, d = { { 7 } };
		struct seed_error err = { 0 };

		assert_ok(seed_list_create(&list, ((struct tmpdir *)*state)->fd, "l", blocks[i],
					   &err), &err);
		for (uint64_t at = 5; i && at < blocks[i]; at += 700001)
			assert_ok(seed_list_set(list, at, &d, 1, &err), &err);
		if (i)
			assert_ok(seed_list_fill(list, 3000, 9000, SEED_BLOCK_MISSING, &err), &err);
		assert_ok(seed_merkle_of_list(&expected, list, size, NULL, NULL, &err), &err);
		assert_ok(seed_tree_new(&tree, list, size, &err), &err);
		seed_tree_root(tree, &root);
		assert_memory_equal(&root, &expected, sizeof(root));
	}
}

/* 16 TiB, and the largest disk there is. */
static void a_huge_sparse_disk_costs_next_to_nothing(void **state)
{
	static const uint64_t sizes[] = { (uint64_t)1 << 44, SEED_DISK_MAX - 700 };

	for (size_t i = 0; i < 2; i++) {
		SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
		SEED_AUTO(seed_tree_freep) struct seed_tree *tree = NULL;
		uint64_t blocks = seed_grid_blocks(sizes[i]), began;
		struct seed_digest root, expected, d = { { 9 } };
		struct seed_error err = { 0 };

		assert_ok(seed_list_create(&list, ((struct tmpdir *)*state)->fd, "l", blocks, &err),
			  &err);
		assert_ok(seed_list_set(list, blocks / 3, &d, 1, &err), &err);
		began = seed_clock_ms();
		assert_ok(seed_tree_new(&tree, list, sizes[i], &err), &err);
		assert_in_range(seed_clock_ms() - began, 0, 1000);
		seed_tree_root(tree, &root);
		assert_ok(seed_merkle_of_list(&expected, list, sizes[i], NULL, NULL, &err), &err);
		assert_memory_equal(&root, &expected, sizeof(root));
	}
}

static void widths_and_heights_are_those_of_the_tree(void **state)
{
	(void)state;
	assert_int_equal(seed_tree_height(0), 0);
	assert_int_equal(seed_tree_height(1), 0);
	assert_int_equal(seed_tree_height(2), 1);
	assert_int_equal(seed_tree_height(3), 2);
	assert_int_equal(seed_tree_height(1024), 10);
	assert_int_equal(seed_tree_height(1025), 11);
	assert_int_equal(seed_tree_height((uint64_t)1 << 34), 34);
	assert_int_equal(seed_tree_width(0, 0), 0);
	assert_int_equal(seed_tree_width(5, 0), 5);
	assert_int_equal(seed_tree_width(5, 1), 3);
	assert_int_equal(seed_tree_width(5, 2), 2);
	assert_int_equal(seed_tree_width(5, 3), 1);
	assert_int_equal(seed_tree_width(5, 64), 1);
	assert_int_equal(seed_tree_width((uint64_t)1 << 34, 10), 1 << 24);
	for (uint64_t blocks = 1; blocks < 3000; blocks++) {
		unsigned int height = seed_tree_height(blocks);

		assert_int_equal(seed_tree_width(blocks, height), 1);
		if (height)
			assert_int_equal(seed_tree_width(blocks, height - 1), 2);
	}
}

static void a_list_of_another_size_is_refused(void **state)
{
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
	struct seed_tree *tree = NULL;
	struct seed_error err = { 0 };

	assert_ok(seed_list_create(&list, ((struct tmpdir *)*state)->fd, "l", 3, &err), &err);
	assert_fails(seed_tree_new(&tree, list, 3 * SEED_BLOCK_SIZE + 1, &err), &err,
		     SEED_ERR_RANGE);
	assert_null(tree);
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(every_node_of_a_small_disk_is_the_rfcs),
		IN_DIR(every_node_of_a_larger_disk_is_the_rfcs),
		IN_DIR(zeroes_around_a_little_data_are_hashed_like_any),
		IN_DIR(a_huge_sparse_disk_costs_next_to_nothing),
		cmocka_unit_test(widths_and_heights_are_those_of_the_tree),
		IN_DIR(a_list_of_another_size_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
