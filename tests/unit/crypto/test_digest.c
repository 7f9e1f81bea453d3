// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "crypto/digest.h"
#include "crypto/digest_internal.h"

#define BUF 70000u

static uint8_t noise[BUF];

/* Repeatable bytes that differ everywhere. */
static int fill_noise(void **state)
{
	uint32_t x = 12345;

	(void)state;
	for (size_t i = 0; i < BUF; i++) {
		x = x * 1664525u + 1013904223u;
		noise[i] = (uint8_t)(x >> 24);
	}
	return 0;
}

static struct seed_digest openssl_digest(const void *data, size_t len)
{
	struct seed_digest d;

	assert_int_equal(EVP_Digest(data, len, d.bytes, NULL, EVP_sha256(), NULL), 1);
	return d;
}

static void assert_digest(const struct seed_digest *got, const char *hex)
{
	char text[SEED_DIGEST_TEXT];

	assert_string_equal(seed_digest_text(got, text), hex);
}

static void standard_vectors(void **state)
{
	static const char two_blocks[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
	struct seed_digest_stream s;
	struct seed_digest d;
	char thousand[1000];

	(void)state;
	seed_digest_of(&d, "abc", 3);
	assert_digest(&d, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	seed_digest_of(&d, NULL, 0);
	assert_digest(&d, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	seed_digest_of(&d, two_blocks, strlen(two_blocks));
	assert_digest(&d, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
	memset(thousand, 'a', sizeof(thousand));
	seed_digest_begin(&s);
	for (int i = 0; i < 1000; i++)
		seed_digest_add(&s, thousand, sizeof(thousand));
	seed_digest_end(&s, &d);
	assert_digest(&d, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void every_short_length_agrees_with_openssl(void **state)
{
	(void)state;
	for (size_t len = 0; len <= 300; len++) {
		struct seed_digest got, want = openssl_digest(noise + 1, len);

		seed_digest_of(&got, noise + 1, len);
		assert_true(seed_digest_equal(&got, &want));
	}
}

static void a_stream_does_not_care_how_it_is_cut(void **state)
{
	(void)state;
	for (size_t step = 1; step < 200; step++) {
		struct seed_digest_stream s;
		struct seed_digest got, want = openssl_digest(noise, 4001);

		seed_digest_begin(&s);
		for (size_t at = 0; at < 4001; at += step)
			seed_digest_add(&s, noise + at, at + step > 4001 ? 4001 - at : step);
		seed_digest_end(&s, &got);
		assert_true(seed_digest_equal(&got, &want));
	}
}

static void a_copied_stream_goes_its_own_way(void **state)
{
	struct seed_digest_stream s, copy;
	struct seed_digest a, b, want_a = openssl_digest(noise, 100),
				 want_b = openssl_digest(noise, 170);

	(void)state;
	seed_digest_begin(&s);
	seed_digest_add(&s, noise, 100);
	copy = s;
	seed_digest_end(&s, &a);
	seed_digest_add(&copy, noise + 100, 70);
	seed_digest_end(&copy, &b);
	assert_true(seed_digest_equal(&a, &want_a));
	assert_true(seed_digest_equal(&b, &want_b));
}

static void adding_and_hashing_gives_both(void **state)
{
	static const size_t lens[] = { 0, 1, 55, 56, 63, 64, 65,
				       127, 128, 129, 191, 192, 1000, 65536 };

	(void)state;
	for (size_t before = 0; before < 130; before++) {
		for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
			struct seed_digest record, file;
			struct seed_digest want_record = openssl_digest(noise + before, lens[i]);
			struct seed_digest want_file = openssl_digest(noise, before + lens[i] + 7);
			struct seed_digest_stream s;

			seed_digest_begin(&s);
			seed_digest_add(&s, noise, before);
			seed_digest_add_and_hash(&s, noise + before, lens[i], &record);
			seed_digest_add(&s, noise + before + lens[i], 7);
			seed_digest_end(&s, &file);
			assert_true(seed_digest_equal(&record, &want_record));
			assert_true(seed_digest_equal(&file, &want_file));
		}
	}
}

static void many_messages_of_any_lengths(void **state)
{
	static const size_t lens[] = { 65536, 0, 63, 64, 65536, 1, 56,
				       120, 65536, 65535, 3, 65, 55 };
	enum { MAX = sizeof(lens) / sizeof(lens[0]) };
	const void *data[MAX];
	struct seed_digest got[MAX + 1];

	(void)state;
	for (size_t i = 0; i < MAX; i++)
		data[i] = noise + i * 17;
	for (size_t count = 0; count <= MAX; count++) {
		memset(got, 0xee, sizeof(got));
		seed_digest_many(got, data, lens, count);
		for (size_t i = 0; i < count; i++) {
			struct seed_digest want = openssl_digest(data[i], lens[i]);

			assert_true(seed_digest_equal(&got[i], &want));
		}
		assert_int_equal(got[count].bytes[0], 0xee);
	}
}

/* Both ways must be right on every machine that has them, whichever is chosen. */
static void the_compressions_agree(void **state)
{
	uint32_t a[8], b[8], want_a[8], want_b[8];

	(void)state;
	for (size_t blocks = 0; blocks < 20; blocks++) {
		for (size_t i = 0; i < 8; i++)
			a[i] = want_a[i] = (uint32_t)(i * 0x9e3779b9u + blocks);
		for (size_t i = 0; i < 8; i++)
			b[i] = want_b[i] = ~a[i];
		seed_sha256_openssl(want_a, noise, blocks);
		seed_sha256_openssl(want_b, noise + 5000, blocks);
		if (!seed_sha256_x2_usable())
			skip();
		seed_sha256_ni_x2(a, noise, b, noise + 5000, blocks);
		assert_memory_equal(a, want_a, sizeof(a));
		assert_memory_equal(b, want_b, sizeof(b));
		seed_sha256_ni(a, noise + 100, blocks);
		seed_sha256_openssl(want_a, noise + 100, blocks);
		assert_memory_equal(a, want_a, sizeof(a));
	}
}

static void openssl_compression_is_sha256(void **state)
{
	/* One block holding "abc" and its padding. */
	uint8_t block[64] = { 'a', 'b', 'c', 0x80, [63] = 24 };
	uint32_t s[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
			  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

	(void)state;
	seed_sha256_openssl(s, block, 1);
	assert_int_equal(s[0], 0xba7816bf);
	assert_int_equal(s[7], 0xf20015ad);
}

static void blake2b_vector(void **state)
{
	static const uint8_t want[] = {
		0xba, 0x80, 0xa5, 0x3f, 0x98, 0x1c, 0x4d, 0x0d, 0x6a, 0x27, 0x97, 0xb6, 0x9f,
		0x12, 0xf6, 0xe9, 0x4c, 0x21, 0x2f, 0x14, 0x68, 0x5a, 0xc4, 0xb7, 0x4b, 0x12,
		0xbb, 0x6f, 0xdb, 0xff, 0xa2, 0xd1, 0x7d, 0x87, 0xc5, 0x39, 0x2a, 0xab, 0x79,
		0x2d, 0xc2, 0x52, 0xd5, 0xde, 0x45, 0x33, 0xcc, 0x95, 0x18, 0xd3, 0x8a, 0xa8,
		0xdb, 0xf1, 0x92, 0x5a, 0xb9, 0x23, 0x86, 0xed, 0xd4, 0x00, 0x99, 0x23,
	};
	struct seed_error err = { 0 };
	uint8_t got[SEED_BLAKE2B_SIZE];

	(void)state;
	assert_ok(seed_blake2b(got, "abc", 3, &err), &err);
	assert_memory_equal(got, want, sizeof(want));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(standard_vectors),
		cmocka_unit_test(every_short_length_agrees_with_openssl),
		cmocka_unit_test(a_stream_does_not_care_how_it_is_cut),
		cmocka_unit_test(a_copied_stream_goes_its_own_way),
		cmocka_unit_test(adding_and_hashing_gives_both),
		cmocka_unit_test(many_messages_of_any_lengths),
		cmocka_unit_test(the_compressions_agree),
		cmocka_unit_test(openssl_compression_is_sha256),
		cmocka_unit_test(blake2b_vector),
	};

	return cmocka_run_group_tests(tests, fill_noise, NULL);
}
