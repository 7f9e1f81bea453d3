// SPDX-License-Identifier: LGPL-2.1-or-later
/* Vectors: test cases 13, 14 and 16 of the GCM specification (McGrew and Viega). */
#include "cmocka_all.h"

#include "base/text.h"
#include "crypto/aead.h"
#include "crypto/secret.h"

static const uint8_t zero[32];

static int setup(void **state)
{
	struct seed_error err = { 0 };
	struct seed_aead *aead = NULL;

	if (seed_aead_new(&aead, &err) < 0)
		return -1;
	*state = aead;
	return 0;
}

static int teardown(void **state)
{
	seed_aead_free(*state);
	return 0;
}

static void unhex(void *out, size_t len, const char *hex)
{
	assert_int_equal(strlen(hex), 2 * len);
	assert_int_equal(seed_hex_parse(out, len, hex, NULL), 0);
}

static void vectors_with_a_zero_key(void **state)
{
	struct seed_aead *aead = *state;
	struct seed_error err = { 0 };
	uint8_t out[32], want[32];

	assert_ok(seed_aead_set_key(aead, zero, &err), &err);
	assert_ok(seed_aead_seal(aead, out, zero, NULL, 0, NULL, 0, &err), &err);
	unhex(want, 16, "530f8afbc74536b9a963b4f1c4cb738b");
	assert_memory_equal(out, want, 16);
	assert_ok(seed_aead_open(aead, out, zero, NULL, 0, out, 16, &err), &err);

	assert_ok(seed_aead_seal(aead, out, zero, NULL, 0, zero, 16, &err), &err);
	unhex(want, 32, "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919");
	assert_memory_equal(out, want, 32);
}

static void vector_with_associated_data(void **state)
{
	struct seed_aead *aead = *state;
	struct seed_error err = { 0 };
	uint8_t key[32], nonce[12], aad[20], plain[60], want[76], out[76];

	unhex(key, 32, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
	unhex(nonce, 12, "cafebabefacedbaddecaf888");
	unhex(aad, 20, "feedfacedeadbeeffeedfacedeadbeefabaddad2");
	unhex(plain, 60,
	      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf"
	      "0e2449a6b525b16aedf5aa0de657ba637b39");
	unhex(want, 76,
	      "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b0"
	      "8b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b");
	assert_ok(seed_aead_set_key(aead, key, &err), &err);
	assert_ok(seed_aead_seal(aead, out, nonce, aad, 20, plain, 60, &err), &err);
	assert_memory_equal(out, want, 76);
	assert_ok(seed_aead_open(aead, out, nonce, aad, 20, out, 76, &err), &err);
	assert_memory_equal(out, plain, 60);
}

static void in_place_and_beside_give_the_same(void **state)
{
	struct seed_aead *aead = *state;
	struct seed_error err = { 0 };
	uint8_t plain[1000], there[1016], here[1016];

	memset(plain, 7, sizeof(plain));
	memcpy(here, plain, sizeof(plain));
	assert_ok(seed_aead_set_key(aead, zero, &err), &err);
	assert_ok(seed_aead_seal(aead, there, zero, "a", 1, plain, sizeof(plain), &err), &err);
	assert_ok(seed_aead_seal(aead, here, zero, "a", 1, here, sizeof(plain), &err), &err);
	assert_memory_equal(here, there, sizeof(here));
	assert_ok(seed_aead_open(aead, here, zero, "a", 1, here, sizeof(here), &err), &err);
	assert_memory_equal(here, plain, sizeof(plain));
}

static void any_flipped_bit_is_an_integrity_error_and_shows_nothing(void **state)
{
	struct seed_aead *aead = *state;
	struct seed_error err = { 0 };
	uint8_t sealed[36], out[20];

	assert_ok(seed_aead_set_key(aead, zero, &err), &err);
	assert_ok(seed_aead_seal(aead, sealed, zero, "aad", 3, "twenty bytes of text", 20, &err),
		  &err);
	for (size_t bit = 0; bit < 8 * sizeof(sealed); bit++) {
		sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
		memset(out, 0xee, sizeof(out));
		assert_fails(seed_aead_open(aead, out, zero, "aad", 3, sealed, sizeof(sealed),
					    &err), &err, SEED_ERR_INTEGRITY);
		assert_memory_equal(out, zero, sizeof(out));
		sealed[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_ok(seed_aead_open(aead, out, zero, "aad", 3, sealed, sizeof(sealed), &err), &err);
	assert_memory_equal(out, "twenty bytes of text", 20);
}

static void other_nonce_data_key_or_length_is_refused(void **state)
{
	struct seed_aead *aead = *state;
	struct seed_error err = { 0 };
	uint8_t sealed[20], out[20], other[32] = { 1 };

	assert_ok(seed_aead_set_key(aead, zero, &err), &err);
	assert_ok(seed_aead_seal(aead, sealed, zero, "x", 1, "text", 4, &err), &err);
	assert_fails(seed_aead_open(aead, out, other, "x", 1, sealed, 20, &err), &err,
		     SEED_ERR_INTEGRITY);
	assert_fails(seed_aead_open(aead, out, zero, "y", 1, sealed, 20, &err), &err,
		     SEED_ERR_INTEGRITY);
	assert_fails(seed_aead_open(aead, out, zero, NULL, 0, sealed, 20, &err), &err,
		     SEED_ERR_INTEGRITY);
	for (size_t len = 0; len < 20; len++)
		assert_fails(seed_aead_open(aead, out, zero, "x", 1, sealed, len, &err), &err,
			     SEED_ERR_INTEGRITY);
	assert_ok(seed_aead_set_key(aead, other, &err), &err);
	assert_fails(seed_aead_open(aead, out, zero, "x", 1, sealed, 20, &err), &err,
		     SEED_ERR_INTEGRITY);
}

static void a_context_without_a_key_fails(void **state)
{
	struct seed_error err = { 0 };
	uint8_t out[32];

	assert_fails(seed_aead_seal(*state, out, zero, NULL, 0, "x", 1, &err), &err,
		     SEED_ERR_SYSTEM);
}

static void secret_memory_is_zeroed_and_writable(void **state)
{
	struct seed_error err = { 0 };
	uint8_t *p = seed_secret_new(5000, &err);

	(void)state;
	assert_non_null(p);
	for (size_t i = 0; i < 5000; i++)
		assert_int_equal(p[i], 0);
	memset(p, 1, 5000);
	seed_wipe(p, 4999);
	assert_int_equal(p[4998], 0);
	assert_int_equal(p[4999], 1);
	seed_secret_free(p, 5000);
	seed_secret_free(NULL, 5000);
}

static void a_secret_beyond_all_memory_is_an_error(void **state)
{
	struct seed_error err = { 0 };

	(void)state;
	assert_null(seed_secret_new(SIZE_MAX, &err));
	assert_int_equal(err.kind, SEED_ERR_SYSTEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(vectors_with_a_zero_key, setup, teardown),
		cmocka_unit_test_setup_teardown(vector_with_associated_data, setup, teardown),
		cmocka_unit_test_setup_teardown(in_place_and_beside_give_the_same, setup, teardown),
		cmocka_unit_test_setup_teardown(
			any_flipped_bit_is_an_integrity_error_and_shows_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(other_nonce_data_key_or_length_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_context_without_a_key_fails, setup, teardown),
		cmocka_unit_test(secret_memory_is_zeroed_and_writable),
		cmocka_unit_test(a_secret_beyond_all_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
