// SPDX-License-Identifier: LGPL-2.1-or-later
/* Vectors: RFC 5869 appendix A (SHA-256). */
#include "cmocka_all.h"

#include "base/text.h"
#include "crypto/kdf.h"
#include "crypto/random.h"

static void assert_hex(const void *got, size_t len, const char *want)
{
	char text[2 * 128 + 1];

	assert_string_equal(seed_hex(got, len, text), want);
}

static void count_up(uint8_t *out, size_t len, uint8_t from)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(from + i);
}

static void rfc5869_case_1(void **state)
{
	struct seed_error err = { 0 };
	uint8_t ikm[22], salt[13], info[10], prk[32], okm[42];

	(void)state;
	memset(ikm, 0x0b, sizeof(ikm));
	count_up(salt, sizeof(salt), 0x00);
	count_up(info, sizeof(info), 0xf0);
	assert_ok(seed_hkdf_extract(prk, salt, sizeof(salt), ikm, sizeof(ikm), &err), &err);
	assert_hex(prk, 32, "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
	assert_ok(seed_hkdf_expand(okm, sizeof(okm), prk, info, sizeof(info), &err), &err);
	assert_hex(okm, 42, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
			    "34007208d5b887185865");
}

static void rfc5869_case_2(void **state)
{
	struct seed_error err = { 0 };
	uint8_t ikm[80], salt[80], info[80], okm[82];

	(void)state;
	count_up(ikm, sizeof(ikm), 0x00);
	count_up(salt, sizeof(salt), 0x60);
	count_up(info, sizeof(info), 0xb0);
	assert_ok(seed_hkdf(okm, sizeof(okm), ikm, sizeof(ikm), salt, sizeof(salt), info,
			    sizeof(info), &err), &err);
	assert_hex(okm, 82, "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
			    "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
			    "cc30c58179ec3e87c14c01d5c1f3434f1d87");
}

static void rfc5869_case_3(void **state)
{
	struct seed_error err = { 0 };
	uint8_t ikm[22], okm[42];

	(void)state;
	memset(ikm, 0x0b, sizeof(ikm));
	assert_ok(seed_hkdf(okm, sizeof(okm), ikm, sizeof(ikm), NULL, 0, NULL, 0, &err), &err);
	assert_hex(okm, 42, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
			    "9d201395faa4b61a96c8");
}

static void limits_of_expand(void **state)
{
	struct seed_error err = { 0 };
	static uint8_t out[8161];
	uint8_t prk[32] = { 1 };

	(void)state;
	assert_ok(seed_hkdf_expand(out, 8160, prk, NULL, 0, &err), &err);
	assert_true(memcmp(out, out + 8160 - 32, 32) != 0);
	assert_fails(seed_hkdf_expand(out, 8161, prk, NULL, 0, &err), &err, SEED_ERR_RANGE);
	assert_ok(seed_hkdf_expand(out, 0, prk, NULL, 0, &err), &err);
}

static void empty_keying_material_is_allowed(void **state)
{
	struct seed_error err = { 0 };
	uint8_t prk[32];

	(void)state;	/* HMAC-SHA256 of nothing under 32 zero bytes */
	assert_ok(seed_hkdf_extract(prk, NULL, 0, NULL, 0, &err), &err);
	assert_hex(prk, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

static void uuid5_of_a_domain_name(void **state)
{
	struct seed_error err = { 0 };
	struct seed_id dns, id;
	char text[SEED_UUID_TEXT];

	(void)state;	/* Python: uuid.uuid5(uuid.NAMESPACE_DNS, ...) */
	assert_ok(seed_uuid_parse(&dns, "6ba7b810-9dad-11d1-80b4-00c04fd430c8", &err), &err);
	assert_ok(seed_uuid5(&id, &dns, "www.example.com", &err), &err);
	assert_string_equal(seed_uuid_text(&id, text), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
}

static void random_bytes_differ(void **state)
{
	struct seed_error err = { 0 };
	struct seed_id a, b;
	uint8_t big[2][1000];

	(void)state;
	assert_ok(seed_random_id(&a, &err), &err);
	assert_ok(seed_random_id(&b, &err), &err);
	assert_false(seed_id_equal(&a, &b));
	assert_ok(seed_random(big[0], sizeof(big[0]), &err), &err);
	assert_ok(seed_random(big[1], sizeof(big[1]), &err), &err);
	assert_memory_not_equal(big[0] + 980, big[1] + 980, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc5869_case_1),
		cmocka_unit_test(rfc5869_case_2),
		cmocka_unit_test(rfc5869_case_3),
		cmocka_unit_test(limits_of_expand),
		cmocka_unit_test(empty_keying_material_is_allowed),
		cmocka_unit_test(uuid5_of_a_domain_name),
		cmocka_unit_test(random_bytes_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
