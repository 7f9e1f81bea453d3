// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdlib.h>

#include "base/cleanup.h"
#include "block/grid.h"
#include "block/merkle.h"
#include "cmocka_all.h"
#include "crypto/digest.h"
#include "tmpdir.h"

static struct seed_digest digest_of(uint64_t value)
{
	struct seed_digest d;

	seed_digest_of(&d, &value, sizeof(value));
	return d;
}

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

static void assert_root(const struct seed_merkle *m, const struct seed_digest *leaves, size_t n)
{
	struct seed_digest root, expected = tree_hash(leaves, n);

	seed_merkle_end(m, &root);
	assert_int_equal(m->leaves, n);
	assert_memory_equal(&root, &expected, sizeof(root));
}

static void no_leaves_hash_to_sha256_of_nothing(void **state)
{
	struct seed_digest root;
	struct seed_merkle m;
	char text[SEED_DIGEST_TEXT];

	(void)state;
	seed_merkle_begin(&m);
	seed_merkle_end(&m, &root);
	assert_string_equal(seed_digest_text(&root, text),
			    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

/* Worked out by another program (Python's hashlib): leaves of 32 times 0x00, 0x01, ... */
static void roots_are_the_known_ones(void **state)
{
	static const char *const roots[] = {
		"7f9c9e31ac8256ca2f258583df262dbc7d6f68f2a03043d5c99a4ae5a7396ce9",
		"ba8d94b7fbcecae7b81c4c80574fe24734a6917bf9c1ecd66ff3e0c34ead4620",
		"7318881c41fce3c1de3640df8e8c110c93f43f686b74204a9d1ad5b8c71c2047",
	};
	static const size_t counts[] = { 1, 3, 7 };
	char text[SEED_DIGEST_TEXT];
	struct seed_digest root, d;
	struct seed_merkle m;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		seed_merkle_begin(&m);
		for (size_t n = 0; n < counts[i]; n++) {
			memset(&d, (int)n, sizeof(d));
			seed_merkle_add(&m, &d);
		}
		seed_merkle_end(&m, &root);
		assert_string_equal(seed_digest_text(&root, text), roots[i]);
	}
}

static void every_count_of_leaves_gives_the_rfcs_root(void **state)
{
	struct seed_digest leaves[300];
	struct seed_merkle m;

	(void)state;
	seed_merkle_begin(&m);
	for (size_t n = 0; n < 300; n++) {
		assert_root(&m, leaves, n);
		leaves[n] = digest_of(n);
		seed_merkle_add(&m, &leaves[n]);
	}
}

static void runs_equal_their_leaves_wherever_they_begin(void **state)
{
	struct seed_digest leaves[420], a = digest_of(1), b = digest_of(2);
	struct seed_merkle m;

	(void)state;
	for (size_t before = 0; before < 70; before++) {
		for (size_t count = 0; count < 300; count += 1 + count / 5) {
			seed_merkle_begin(&m);
			for (size_t i = 0; i < before; i++)
				leaves[i] = a;
			seed_merkle_add_run(&m, &a, before);
			for (size_t i = before; i < before + count; i++)
				leaves[i] = b;
			seed_merkle_add_run(&m, &b, count);
			leaves[before + count] = a;
			seed_merkle_add(&m, &a);
			assert_root(&m, leaves, before + count + 1);
		}
	}
}

static void long_runs_cost_their_logarithm(void **state)
{
	SEED_AUTO(seed_freep) struct seed_digest *leaves = calloc(1 << 17, sizeof(*leaves));
	struct seed_digest d = digest_of(3), e = digest_of(4), one, two;
	struct seed_merkle m;
	size_t n = 0;

	(void)state;
	seed_merkle_begin(&m);
	for (size_t i = 0; i < 8; i++) {
		size_t count = 11111 * (i % 3 + 1);

		for (size_t k = 0; k < count && n < 1 << 17; k++)
			leaves[n++] = i % 2 ? d : e;
		seed_merkle_add_run(&m, i % 2 ? &d : &e, n - m.leaves);
	}
	assert_root(&m, leaves, n);
	/* As long as a tree can be, whole and in two pieces. */
	seed_merkle_begin(&m);
	seed_merkle_add_run(&m, &d, ((uint64_t)1 << 63) + 12345);
	seed_merkle_end(&m, &one);
	seed_merkle_begin(&m);
	seed_merkle_add_run(&m, &d, 98765);
	seed_merkle_add_run(&m, &d, ((uint64_t)1 << 63) + 12345 - 98765);
	seed_merkle_end(&m, &two);
	assert_memory_equal(&one, &two, sizeof(one));
}

static void zero_digests_are_those_of_zeroes(void **state)
{
	static const uint32_t lens[] = { 0, 1, 512, 65535, 65536 };
	static const uint8_t zeroes[SEED_BLOCK_SIZE];
	struct seed_digest a, b;

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(*lens); i++) {
		seed_zero_digest(&a, lens[i]);
		seed_digest_of(&b, zeroes, lens[i]);
		assert_memory_equal(&a, &b, sizeof(a));
	}
}

/* The root of a list depends on content alone: zero blocks count as the zeroes they are. */
static void a_lists_root_is_that_of_its_blocks(void **state)
{
	enum { BLOCKS = 10000, TAIL = 700 };
	uint64_t size = (uint64_t)(BLOCKS - 1) * SEED_BLOCK_SIZE + TAIL, data, missing;
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
	struct seed_digest d, leaves[BLOCKS], root, expected;
	struct seed_error err = { 0 };

	assert_ok(seed_list_create(&list, ((struct tmpdir *)*state)->fd, "l", BLOCKS, &err), &err);
	for (uint64_t i = 0; i < BLOCKS; i++)
		seed_zero_digest(&leaves[i], seed_grid_length(size, i));
	for (uint64_t i = 0; i < 3000; i++) {
		uint64_t at = i < 2000 ? 100 + i : i * 3;

		d = leaves[at] = digest_of(at);
		assert_ok(seed_list_set(list, at, &d, 1, &err), &err);
	}
	for (uint64_t at = 3000; at < 3010; at++)
		leaves[at] = seed_digest_missing;
	assert_ok(seed_list_fill(list, 3000, 10, SEED_BLOCK_MISSING, &err), &err);
	expected = tree_hash(leaves, BLOCKS);
	assert_ok(seed_merkle_of_list(&root, list, size, &data, &missing, &err), &err);
	assert_memory_equal(&root, &expected, sizeof(root));
	assert_int_equal(data, 3000);
	assert_int_equal(missing, 10);
	assert_fails(seed_merkle_of_list(&root, list, size + 65536, NULL, NULL, &err), &err,
		     SEED_ERR_RANGE);
}

static void odd_and_empty_disks_have_roots(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 65536, 65537, (uint64_t)1 << 44 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
		uint64_t blocks = seed_grid_blocks(sizes[i]);
		struct seed_digest root, expected, d;
		struct seed_error err = { 0 };
		struct seed_merkle m;

		assert_ok(seed_list_create(&list, ((struct tmpdir *)*state)->fd, "l", blocks, &err),
			  &err);
		assert_ok(seed_merkle_of_list(&root, list, sizes[i], NULL, NULL, &err), &err);
		seed_merkle_begin(&m);
		seed_zero_digest(&d, SEED_BLOCK_SIZE);
		seed_merkle_add_run(&m, &d, sizes[i] / SEED_BLOCK_SIZE);
		seed_zero_digest(&d, sizes[i] % SEED_BLOCK_SIZE);
		if (sizes[i] % SEED_BLOCK_SIZE)
			seed_merkle_add(&m, &d);
		seed_merkle_end(&m, &expected);
		assert_memory_equal(&root, &expected, sizeof(root));
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_leaves_hash_to_sha256_of_nothing),
		cmocka_unit_test(roots_are_the_known_ones),
		cmocka_unit_test(every_count_of_leaves_gives_the_rfcs_root),
		cmocka_unit_test(runs_equal_their_leaves_wherever_they_begin),
		cmocka_unit_test(long_runs_cost_their_logarithm),
		cmocka_unit_test(zero_digests_are_those_of_zeroes),
		TEST(a_lists_root_is_that_of_its_blocks),
		TEST(odd_and_empty_disks_have_roots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
