// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdlib.h>
#include <xxhash.h>

#include "base/cleanup.h"
#include "block/hint.h"
#include "cmocka_all.h"

static struct seed_hint_key key_of(uint8_t byte)
{
	uint8_t seed[SEED_HINT_SEED];
	struct seed_hint_key key;
	struct seed_error err = { 0 };

	memset(seed, byte, sizeof(seed));
	assert_ok(seed_hint_key_of(&key, seed, &err), &err);
	return key;
}

static uint8_t *new_block(void)
{
	uint8_t *block = malloc(SEED_BLOCK_SIZE);

	assert_non_null(block);
	for (size_t i = 0; i < SEED_BLOCK_SIZE; i++)
		block[i] = (uint8_t)(i * 31 + i / 251);
	return block;
}

static void a_changed_byte_changes_the_hint_of_its_piece_alone(void **state)
{
	SEED_AUTO(seed_freep) uint8_t *block = new_block();
	struct seed_hint_key key = key_of(1);
	uint32_t before[SEED_PIECES], after[SEED_PIECES];

	(void)state;
	assert_int_equal(seed_hints(&key, block, SEED_BLOCK_SIZE, before), SEED_PIECES);
	block[5 * SEED_PIECE_SIZE]++;
	assert_int_equal(seed_hints(&key, block, SEED_BLOCK_SIZE, after), SEED_PIECES);
	for (size_t i = 0; i < SEED_PIECES; i++) {
		if (i == 5)
			assert_int_not_equal(before[i], after[i]);
		else
			assert_int_equal(before[i], after[i]);
	}
}

static void another_seed_gives_other_hints(void **state)
{
	SEED_AUTO(seed_freep) uint8_t *block = new_block();
	struct seed_hint_key one = key_of(1), again = key_of(1), two = key_of(2);
	uint32_t a[SEED_PIECES], b[SEED_PIECES], c[SEED_PIECES];

	(void)state;
	seed_hints(&one, block, SEED_BLOCK_SIZE, a);
	seed_hints(&again, block, SEED_BLOCK_SIZE, b);
	seed_hints(&two, block, SEED_BLOCK_SIZE, c);
	assert_memory_equal(a, b, sizeof(a));
	for (size_t i = 0; i < SEED_PIECES; i++)
		assert_int_not_equal(a[i], c[i]);
}

/* Both ends of a connection must agree on it. The secret was worked out by another program
 * (Python's hmac); the hash is the library's. */
static void the_hint_is_the_low_half_of_keyed_xxh3(void **state)
{
	/* HKDF-SHA256 of 32 times 0x01, no salt, info "vmseed hint 1": its first bytes. */
	static const uint8_t expected[8] = { 0xe3, 0xf0, 0xc3, 0x47, 0x42, 0x08, 0x20, 0xe1 };
	SEED_AUTO(seed_freep) uint8_t *block = new_block();
	struct seed_hint_key key = key_of(1);
	uint32_t hints[SEED_PIECES];

	(void)state;
	assert_memory_equal(key.secret, expected, sizeof(expected));
	seed_hints(&key, block, SEED_BLOCK_SIZE, hints);
	for (size_t i = 0; i < SEED_PIECES; i++)
		assert_int_equal(hints[i],
				 (uint32_t)XXH3_64bits_withSecret(block + i * SEED_PIECE_SIZE,
								  SEED_PIECE_SIZE, key.secret,
								  sizeof(key.secret)));
}

static void a_short_block_has_fewer_pieces(void **state)
{
	static const size_t lens[] = { 1, 240, 512, 4095, 4096, 4097, 8192, 65535, 65536 };
	struct seed_hint_key key = key_of(3);
	uint32_t hints[SEED_PIECES], whole[SEED_PIECES];
	SEED_AUTO(seed_freep) uint8_t *block = new_block();

	(void)state;
	seed_hints(&key, block, SEED_BLOCK_SIZE, whole);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		/* Of its own, so that a read past its end is seen. */
		SEED_AUTO(seed_freep) uint8_t *part = malloc(lens[i]);
		size_t pieces = (lens[i] + SEED_PIECE_SIZE - 1) / SEED_PIECE_SIZE;

		assert_non_null(part);
		memcpy(part, block, lens[i]);
		memset(hints, 0xee, sizeof(hints));
		assert_int_equal(seed_hints(&key, part, lens[i], hints), pieces);
		for (size_t k = 0; k < SEED_PIECES; k++) {
			if (k >= pieces)
				assert_int_equal(hints[k], 0);
			else if (k < pieces - 1 || lens[i] % SEED_PIECE_SIZE == 0)
				assert_int_equal(hints[k], whole[k]);
			else
				assert_int_not_equal(hints[k], whole[k]);
		}
	}
}

/*
 * XXH3 adds, for each 8 bytes x of a 64-byte stripe and the 8 secret bytes s beside them,
 * lo32(x ^ s) * hi32(x ^ s) to one lane and x to the neighbour. Where the low half of x
 * is that of s, the product is 0 whatever the high half is; what the high half adds to the
 * neighbour in one stripe, the next stripe takes off again. So anybody who knows the secret makes
 * two blocks of one hash.
 */
static void put_high_half(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[4 + i] = (uint8_t)(value >> 8 * i);
}

static void blocks_that_collide_under_the_public_secret_do_not_under_ours(void **state)
{
	/* Bytes 0 to 3 and 8 to 11 of the secret in XXH3's source. */
	static const uint8_t first[4] = { 0xb8, 0xfe, 0x6c, 0x39 };
	static const uint8_t second[4] = { 0x7c, 0x01, 0x81, 0x2c };
	SEED_AUTO(seed_freep) uint8_t *a = new_block();
	SEED_AUTO(seed_freep) uint8_t *b = new_block();
	XXH128_hash_t long_a, long_b;

	(void)state;
	memcpy(a, first, sizeof(first));
	memcpy(a + 64, second, sizeof(second));
	memcpy(b, a, SEED_BLOCK_SIZE);
	put_high_half(a, 0x12345678);
	put_high_half(a + 64, 0x9abcdef0);
	put_high_half(b, 0x12345678 + 0xdecafbad);
	put_high_half(b + 64, 0x9abcdef0 - 0xdecafbad);
	assert_memory_not_equal(a, b, SEED_BLOCK_SIZE);
	assert_true(XXH3_64bits(a, SEED_BLOCK_SIZE) == XXH3_64bits(b, SEED_BLOCK_SIZE));
	assert_true(XXH3_64bits(a, SEED_PIECE_SIZE) == XXH3_64bits(b, SEED_PIECE_SIZE));
	long_a = XXH3_128bits(a, SEED_BLOCK_SIZE);
	long_b = XXH3_128bits(b, SEED_BLOCK_SIZE);
	assert_true(XXH128_isEqual(long_a, long_b));
	for (uint8_t byte = 0; byte < 8; byte++) {
		struct seed_hint_key key = key_of(byte);
		uint32_t of_a[SEED_PIECES], of_b[SEED_PIECES];

		seed_hints(&key, a, SEED_BLOCK_SIZE, of_a);
		seed_hints(&key, b, SEED_BLOCK_SIZE, of_b);
		assert_int_not_equal(of_a[0], of_b[0]);
		assert_memory_equal(of_a + 1, of_b + 1, sizeof(of_a) - sizeof(of_a[0]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_changed_byte_changes_the_hint_of_its_piece_alone),
		cmocka_unit_test(another_seed_gives_other_hints),
		cmocka_unit_test(the_hint_is_the_low_half_of_keyed_xxh3),
		cmocka_unit_test(a_short_block_has_fewer_pieces),
		cmocka_unit_test(blocks_that_collide_under_the_public_secret_do_not_under_ours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
