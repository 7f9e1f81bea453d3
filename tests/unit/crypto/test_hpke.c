// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Vectors: RFC 9180 appendix A.1.1 (AES-128-GCM: the same key schedule with another AEAD id), and
 * of the test-vectors.json that belongs to the RFC the one with mode 0, kem 0x0020, kdf 0x0001,
 * aead 0x0002. Its ephemeral key is DeriveKeyPair() of its ikmE.
 */
#include "cmocka_all.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "crypto/hpke.h"
#include "crypto/hpke_internal.h"

static const char info[] = "Ode on a Grecian Urn";
static const char plain[] = "Beauty is truth, truth beauty";
#define INFO info, sizeof(info) - 1
#define PLAIN sizeof(plain) - 1
#define AAD "Count-0", 7

static void unhex(void *out, size_t len, const char *hex)
{
	assert_int_equal(strlen(hex), 2 * len);
	assert_int_equal(seed_hex_parse(out, len, hex, NULL), 0);
}

static void assert_hex(const void *got, size_t len, const char *want)
{
	char text[2 * 64 + 1];

	assert_string_equal(seed_hex(got, len, text), want);
}

static struct seed_receiving_key *key_of(const char *hex)
{
	struct seed_receiving_key *key = NULL;
	struct seed_error err = { 0 };
	uint8_t secret[32];

	unhex(secret, 32, hex);
	assert_ok(seed_receiving_key_from_bytes(&key, secret, &err), &err);
	return key;
}

static void a_1_1_key_schedule(void **state)
{
	SEED_AUTO(seed_receiving_key_freep) struct seed_receiving_key *ephemeral =
		key_of("52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736");
	SEED_AUTO(seed_receiving_key_freep) struct seed_receiving_key *recipient =
		key_of("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8");
	const uint8_t *enc = seed_receiving_key_public(ephemeral);
	const uint8_t *public = seed_receiving_key_public(recipient);
	struct seed_error err = { 0 };
	struct seed_secret dh, other, shared;
	struct seed_hpke_keys keys;

	(void)state;
	assert_hex(enc, 32, "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431");
	assert_hex(public, 32, "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d");
	assert_ok(seed_hpke_dh(&dh, ephemeral, public, &err), &err);
	assert_ok(seed_hpke_dh(&other, recipient, enc, &err), &err);
	assert_memory_equal(dh.bytes, other.bytes, 32);
	assert_ok(seed_hpke_shared_secret(&shared, &dh, enc, public, &err), &err);
	assert_hex(shared.bytes, 32,
		   "fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc");
	assert_ok(seed_hpke_schedule(&keys, SEED_HPKE_AES128, &shared, INFO, &err), &err);
	assert_hex(keys.key, 16, "4531685d41d65f03dc48f6b8302c05b0");
	assert_hex(keys.base_nonce, 12, "56d890e5accaaf011cff4b7d");
	assert_hex(keys.exporter_secret, 32,
		   "45ff1c2e220db587171952c0592d5f5ebe103f1561a2614e38f2ffd47e99e3f8");
}

#define SK_R "497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320333d"
#define SK_E "179d4b53b6365c45b600c4163b61d95cbc2f4d9e36f1695558dce265ab8bab11"
#define CT "e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be99319" \
	   "80a41de125a925cdad859d5b7a"

static void aes256_vector_both_ways(void **state)
{
	SEED_AUTO(seed_receiving_key_freep) struct seed_receiving_key *ephemeral = key_of(SK_E);
	SEED_AUTO(seed_receiving_key_freep) struct seed_receiving_key *recipient = key_of(SK_R);
	uint8_t enc[SEED_HPKE_ENC], sealed[PLAIN + SEED_HPKE_TAG], opened[PLAIN];
	struct seed_error err = { 0 };

	(void)state;
	assert_hex(seed_receiving_key_public(recipient), 32,
		   "430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00c00c");
	assert_ok(seed_hpke_seal(enc, sealed, seed_receiving_key_public(recipient), INFO, AAD,
				 plain, PLAIN, ephemeral, &err), &err);
	assert_hex(enc, 32, "6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7fc256");
	assert_hex(sealed, sizeof(sealed), CT);
	assert_ok(seed_hpke_open(opened, recipient, enc, INFO, AAD, sealed, sizeof(sealed), &err),
		  &err);
	assert_memory_equal(opened, plain, PLAIN);
}

static void every_seal_has_its_own_ephemeral_key(void **state)
{
	SEED_AUTO(seed_receiving_key_freep) struct seed_receiving_key *recipient = key_of(SK_R);
	const uint8_t *public = seed_receiving_key_public(recipient);
	uint8_t enc[2][SEED_HPKE_ENC], sealed[2][32 + SEED_HPKE_TAG], opened[32];
	uint8_t secret[32] = { 1, 2, 3 };
	struct seed_error err = { 0 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_ok(seed_hpke_seal(enc[i], sealed[i], public, INFO, NULL, 0, secret, 32,
					 NULL, &err), &err);
		assert_ok(seed_hpke_open(opened, recipient, enc[i], INFO, NULL, 0, sealed[i],
					 sizeof(sealed[i]), &err), &err);
		assert_memory_equal(opened, secret, 32);
	}
	assert_memory_not_equal(enc[0], enc[1], 32);
	assert_memory_not_equal(sealed[0], sealed[1], 32);
}

static void anything_wrong_is_an_integrity_error(void **state)
{
	SEED_AUTO(seed_receiving_key_freep) struct seed_receiving_key *recipient = key_of(SK_R);
	SEED_AUTO(seed_receiving_key_freep) struct seed_receiving_key *stranger = key_of(SK_E);
	uint8_t enc[SEED_HPKE_ENC], sealed[4 + SEED_HPKE_TAG], opened[4];
	struct seed_error err = { 0 };

	(void)state;
	assert_ok(seed_hpke_seal(enc, sealed, seed_receiving_key_public(recipient), INFO, AAD,
				 "text", 4, NULL, &err), &err);
	assert_ok(seed_hpke_open(opened, recipient, enc, INFO, AAD, sealed, 20, &err), &err);
	assert_fails(seed_hpke_open(opened, stranger, enc, INFO, AAD, sealed, 20, &err), &err,
		     SEED_ERR_INTEGRITY);
	assert_fails(seed_hpke_open(opened, recipient, enc, "x", 1, AAD, sealed, 20, &err), &err,
		     SEED_ERR_INTEGRITY);
	assert_fails(seed_hpke_open(opened, recipient, enc, INFO, "x", 1, sealed, 20, &err), &err,
		     SEED_ERR_INTEGRITY);
	assert_fails(seed_hpke_open(opened, recipient, enc, INFO, AAD, sealed, 19, &err), &err,
		     SEED_ERR_INTEGRITY);
	assert_fails(seed_hpke_open(opened, recipient, enc, INFO, AAD, sealed, 3, &err), &err,
		     SEED_ERR_INTEGRITY);
	enc[0] ^= 1;
	assert_fails(seed_hpke_open(opened, recipient, enc, INFO, AAD, sealed, 20, &err), &err,
		     SEED_ERR_INTEGRITY);
	enc[0] ^= 1;
	sealed[0] ^= 1;
	assert_fails(seed_hpke_open(opened, recipient, enc, INFO, AAD, sealed, 20, &err), &err,
		     SEED_ERR_INTEGRITY);
}

/* Points of order 1, 2, 4 and 8 on the curve and its twist (RFC 7748 section 6.1). */
static void points_of_small_order_are_refused(void **state)
{
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	};
	SEED_AUTO(seed_receiving_key_freep) struct seed_receiving_key *recipient = key_of(SK_R);
	uint8_t point[32], enc[32], sealed[20], opened[4];
	struct seed_error err = { 0 };

	(void)state;
	memset(sealed, 0, sizeof(sealed));
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		unhex(point, 32, points[i]);
		assert_fails(seed_hpke_seal(enc, sealed, point, INFO, AAD, "text", 4, NULL, &err),
			     &err, SEED_ERR_INTEGRITY);
		assert_fails(seed_hpke_open(opened, recipient, point, INFO, AAD, sealed, 20, &err),
			     &err, SEED_ERR_INTEGRITY);
	}
}

static void long_info_is_refused_and_not_cut(void **state)
{
	SEED_AUTO(seed_receiving_key_freep) struct seed_receiving_key *recipient = key_of(SK_R);
	uint8_t enc[32], sealed[20], opened[4];
	struct seed_error err = { 0 };
	static char text[1025];

	(void)state;
	assert_ok(seed_hpke_seal(enc, sealed, seed_receiving_key_public(recipient), text, 1024,
				 AAD, "text", 4, NULL, &err), &err);
	assert_ok(seed_hpke_open(opened, recipient, enc, text, 1024, AAD, sealed, 20, &err), &err);
	assert_fails(seed_hpke_seal(enc, sealed, seed_receiving_key_public(recipient), text, 1025,
				    AAD, "text", 4, NULL, &err), &err, SEED_ERR_RANGE);
}

static void keys_survive_their_file(void **state)
{
	SEED_AUTO(seed_receiving_key_freep) struct seed_receiving_key *key = NULL;
	struct seed_error err = { 0 };

	(void)state;
	assert_ok(seed_receiving_key_generate(&key, &err), &err);
	for (int i = 0; i < 2; i++) {
		const char *passphrase = i == 0 ? NULL : "correct horse";
		SEED_AUTO(seed_receiving_key_freep) struct seed_receiving_key *again = NULL;
		SEED_AUTO(seed_freep) char *pem = NULL;
		size_t len;

		assert_ok(seed_receiving_key_to_pem(key, passphrase, &pem, &len, &err), &err);
		assert_int_equal(len, strlen(pem));
		assert_ok(seed_receiving_key_from_pem(&again, pem, len, passphrase, &err), &err);
		assert_memory_equal(seed_receiving_key_public(again),
				    seed_receiving_key_public(key), 32);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_1_1_key_schedule),
		cmocka_unit_test(aes256_vector_both_ways),
		cmocka_unit_test(every_seal_has_its_own_ephemeral_key),
		cmocka_unit_test(anything_wrong_is_an_integrity_error),
		cmocka_unit_test(points_of_small_order_are_refused),
		cmocka_unit_test(long_info_is_refused_and_not_cut),
		cmocka_unit_test(keys_survive_their_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
