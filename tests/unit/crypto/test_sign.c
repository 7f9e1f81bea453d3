// SPDX-License-Identifier: LGPL-2.1-or-later
/* Keys and signatures: RFC 8032 section 7.1; the .minisig files were made by minisign 0.11 with the
 * secret key of that section's test 1. */
#include "cmocka_all.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "crypto/secret.h"
#include "crypto/sign_internal.h"

#define SECRET_1 "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"
#define PUBLIC_1 "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
#define TEXT_1 "RWQh/jHfoVSiYddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"

static const char document[] = "vmseed signs this\n";
#define DOCUMENT document, sizeof(document) - 1

#define LINE_1 "untrusted comment: signature from minisign secret key\n"
#define LINE_2                                                                                 \
	"RUQh/jHfoVSiYSkySwIE+4xszUsp6+NImATtxkGMdMCEmJgXb4o+AMCnYDMTcxrRphF9AwLIqS5R6X4YuDbf" \
	"+EhkTpSOT4OrHQc=\n"
#define LINE_3 "trusted comment: timestamp:1795399998\tfile:doc\thashed\n"
#define LINE_4 "E73HltlCZaRbqwIOMFYP3Qcqd7Dqji0ovM0AFmiPeo+5tUO+iga5perK9P0P42d5Xui9sp2FOhUHPqgUXLuWBg==\n"
#define MINISIG LINE_1 LINE_2 LINE_3 LINE_4

static void unhex(void *out, size_t len, const char *hex)
{
	assert_int_equal(strlen(hex), 2 * len);
	assert_int_equal(seed_hex_parse(out, len, hex, NULL), 0);
}

static struct seed_public_key public_of(const char *hex)
{
	struct seed_public_key key;

	unhex(key.bytes, sizeof(key.bytes), hex);
	return key;
}

static struct seed_signing_key *key_of(const char *hex)
{
	struct seed_signing_key *key = NULL;
	struct seed_error err = { 0 };
	uint8_t secret[32];

	unhex(secret, sizeof(secret), hex);
	assert_ok(seed_signing_key_from_bytes(&key, secret, &err), &err);
	return key;
}

/* ---- Ed25519 ---- */

static void rfc8032_vectors(void **state)
{
	static const struct {
		const char *secret, *public, *message, *signature;
	} vectors[] = {
		{ SECRET_1, PUBLIC_1, "",
		  "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bac"
		  "c61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b" },
		{ "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
		  "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
		  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e"
		  "458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00" },
		{ "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
		  "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
		  "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290"
		  "ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		SEED_AUTO(seed_signing_key_freep) struct seed_signing_key *key =
			key_of(vectors[i].secret);
		struct seed_public_key public = public_of(vectors[i].public);
		uint8_t message[8], want[64], got[64];
		size_t len = strlen(vectors[i].message) / 2;
		struct seed_error err = { 0 };

		unhex(message, len, vectors[i].message);
		unhex(want, sizeof(want), vectors[i].signature);
		assert_memory_equal(seed_signing_key_public(key)->bytes, public.bytes, 32);
		assert_ok(seed_ed25519_sign(got, key, message, len, &err), &err);
		assert_memory_equal(got, want, sizeof(want));
		assert_ok(seed_ed25519_verify(&public, message, len, got, &err), &err);
		got[0] ^= 1;
		assert_fails(seed_ed25519_verify(&public, message, len, got, &err), &err,
			     SEED_ERR_TRUST);
	}
}

/* S + L is the same scalar: two texts for one signature, unless refused. */
static void a_scalar_beyond_the_order_is_refused(void **state)
{
	static const uint8_t order[32] = {
		0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
		0xa2, 0xde, 0xf9, 0xde, 0x14, [31] = 0x10,
	};
	SEED_AUTO(seed_signing_key_freep) struct seed_signing_key *key = key_of(SECRET_1);
	struct seed_error err = { 0 };
	unsigned int carry = 0;
	uint8_t sig[64];

	(void)state;
	assert_ok(seed_ed25519_sign(sig, key, "x", 1, &err), &err);
	for (size_t i = 0; i < 32; i++) {
		carry += sig[32 + i] + order[i];
		sig[32 + i] = (uint8_t)carry;
		carry >>= 8;
	}
	assert_int_equal(carry, 0);
	assert_fails(seed_ed25519_verify(seed_signing_key_public(key), "x", 1, sig, &err), &err,
		     SEED_ERR_TRUST);
}

static const char *const weak_keys[] = {
	"0100000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000080",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0000000000000000000000000000000000000000000000000000000000000080",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
};

static void weak_and_non_canonical_keys_are_refused(void **state)
{
	/* R = identity, S = 0 fits every message under the identity as key. */
	uint8_t forged[64] = { 1 };
	struct seed_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(weak_keys) / sizeof(weak_keys[0]); i++) {
		struct seed_public_key key = public_of(weak_keys[i]), out;
		char text[SEED_PUBLIC_KEY_TEXT];

		assert_false(seed_public_key_sound(&key));
		seed_public_key_text(&key, text);
		assert_fails(seed_public_key_parse(&out, text, &err), &err, SEED_ERR_FORMAT);
		assert_fails(seed_ed25519_verify(&key, "x", 1, forged, &err), &err, SEED_ERR_TRUST);
	}
}

/* ---- public keys ---- */

static void a_public_key_has_minisigns_text(void **state)
{
	struct seed_public_key key = public_of(PUBLIC_1), again;
	struct seed_error err = { 0 };
	char text[SEED_PUBLIC_KEY_TEXT];

	(void)state;
	assert_string_equal(seed_public_key_text(&key, text), TEXT_1);
	assert_ok(seed_public_key_parse(&again, text, &err), &err);
	assert_memory_equal(again.bytes, key.bytes, sizeof(key.bytes));
}

static void malformed_public_keys_are_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"RWQ",
		"RWQh/jHfoVSiYddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1E",	/* cut */
		TEXT_1 "\n", TEXT_1 "A", (" " TEXT_1),
		"RWQh/jHf*VSiYddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea",
		"RUQh/jHfoVSiYddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea",	/* tag ED */
		"RWQh/jHfoVSiYtdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea",	/* another key id */
		"RWS+wZQPtRLwOBGul1xVwuKcG7H+BI/wBlTGjkhJhi1UPypDh9roVNO1",	/* random key id */
	};
	struct seed_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct seed_public_key key = { { 0x5e } };

		assert_fails(seed_public_key_parse(&key, texts[i], &err), &err, SEED_ERR_FORMAT);
		assert_int_equal(key.bytes[0], 0x5e);
	}
}

/* ---- signatures ---- */

static void minisigns_own_signature_is_accepted(void **state)
{
	struct seed_public_key key = public_of(PUBLIC_1);
	struct seed_error err = { 0 };
	uint8_t id[SEED_KEY_ID], own[SEED_KEY_ID];

	(void)state;
	assert_ok(seed_sign_verify(&key, DOCUMENT, MINISIG, strlen(MINISIG), &err), &err);
	assert_ok(seed_signature_key_id(MINISIG, strlen(MINISIG), id, &err), &err);
	seed_public_key_id(&key, own);
	assert_memory_equal(id, own, sizeof(id));
}

static void our_signature_has_minisigns_bytes(void **state)
{
	SEED_AUTO(seed_signing_key_freep) struct seed_signing_key *key = key_of(SECRET_1);
	struct seed_error err = { 0 };
	char sig[SEED_SIGNATURE_MAX];

	(void)state;	/* Ed25519 is deterministic: the second line is minisign's */
	assert_ok(seed_sign(key, DOCUMENT, "vmseed medium", sig, &err), &err);
	assert_non_null(strstr(sig, "\n" LINE_2 "trusted comment: vmseed medium\n"));
	assert_ok(seed_sign_verify(seed_signing_key_public(key), DOCUMENT, sig, strlen(sig), &err),
		  &err);
}

static void every_deviation_of_form_is_refused(void **state)
{
	static const char *const texts[] = {
		"", "\n", "\n\n\n\n",
		LINE_1 LINE_2 LINE_3,
		LINE_1 LINE_2 LINE_4 LINE_3,
		LINE_2 LINE_3 LINE_4,
		"\n" MINISIG, MINISIG "\n", MINISIG "x", MINISIG MINISIG,
		"untrusted comment:\n" LINE_2 LINE_3 LINE_4,
		"Untrusted comment: x\n" LINE_2 LINE_3 LINE_4,
		"untrusted comment: x\r\n" LINE_2 LINE_3 LINE_4,
		"untrusted comment: \033[31m\n" LINE_2 LINE_3 LINE_4,
		LINE_1 " " LINE_2 LINE_3 LINE_4,
		LINE_1 "RUQh\n" LINE_3 LINE_4,
		LINE_1 LINE_2 "trusted comment:\n" LINE_4,
		LINE_1 LINE_2 "untrusted comment: x\n" LINE_4,
		/* base64 whose unused bits are not zero */
		LINE_1 "RUQh/jHfoVSiYSkySwIE+4xszUsp6+NImATtxkGMdMCEmJgXb4o+AMCnYDMTcxrRphF9AwLIqS5R6X4Y"
		"uDbf+EhkTpSOT4OrHQd=\n" LINE_3 LINE_4,
		/* one '=' instead of two */
		LINE_1 LINE_2 LINE_3
		"E73HltlCZaRbqwIOMFYP3Qcqd7Dqji0ovM0AFmiPeo+5tUO+iga5perK9P0P42d5Xui9sp2FOhUHPqgUXLuWBgA=\n",
	};
	struct seed_public_key key = public_of(PUBLIC_1);
	struct seed_error err = { 0 };
	uint8_t id[SEED_KEY_ID];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_fails(seed_sign_verify(&key, DOCUMENT, texts[i], strlen(texts[i]), &err),
			     &err, SEED_ERR_TRUST);
	assert_fails(seed_signature_key_id("", 0, id, &err), &err, SEED_ERR_TRUST);
	/* not one byte less than the whole */
	for (size_t len = 0; len < strlen(MINISIG); len++)
		assert_fails(seed_sign_verify(&key, DOCUMENT, MINISIG, len, &err), &err,
			     SEED_ERR_TRUST);
}

static void any_changed_byte_is_refused_outside_the_untrusted_comment(void **state)
{
	struct seed_public_key key = public_of(PUBLIC_1);
	struct seed_error err = { 0 };
	char sig[] = MINISIG;

	(void)state;
	for (size_t i = 0; i < strlen(MINISIG); i++) {
		if (i >= strlen("untrusted comment: ") && i < strlen(LINE_1) - 1)
			continue;
		sig[i] ^= 1;
		assert_fails(seed_sign_verify(&key, DOCUMENT, sig, sizeof(sig) - 1, &err), &err,
			     SEED_ERR_TRUST);
		sig[i] ^= 1;
	}
	sig[strlen("untrusted comment: ")] ^= 1;
	assert_ok(seed_sign_verify(&key, DOCUMENT, sig, sizeof(sig) - 1, &err), &err);
}

static void too_long_a_signature_is_refused(void **state)
{
	struct seed_public_key key = public_of(PUBLIC_1);
	struct seed_error err = { 0 };
	char sig[2 * SEED_SIGNATURE_MAX] = "untrusted comment: ";
	size_t len = strlen(sig), pad = SEED_SIGNATURE_MAX - strlen(LINE_2 LINE_3 LINE_4) - 1 - len;

	(void)state;
	memset(sig + len, 'x', pad);
	strcpy(sig + len + pad, "\n" LINE_2 LINE_3 LINE_4);
	assert_int_equal(strlen(sig), SEED_SIGNATURE_MAX);
	assert_ok(seed_sign_verify(&key, DOCUMENT, sig, strlen(sig), &err), &err);
	strcpy(sig + len + pad, "x\n" LINE_2 LINE_3 LINE_4);
	memset(sig + len, 'x', pad);
	assert_fails(seed_sign_verify(&key, DOCUMENT, sig, strlen(sig), &err), &err,
		     SEED_ERR_TRUST);
}

/* minisign -S -l: over the file itself. Perfectly valid, and not taken. */
static void the_form_without_prehashing_is_refused(void **state)
{
	static const char sig[] = LINE_1
		"RWQh/jHfoVSiYf+ZXgKVKq6XC6SdQU+KTpbZ1gWLwv1F/Y8qGWN0yRorsXeTzdNJEh/ZbCTIwL2R4Wvj0P0+"
		"mYwrdqHQOSBePws=\n"
		"trusted comment: timestamp:1795400035\tfile:doc\n"
		"iGpANuR1iBwRIKDYrFBqlYv2HJXwFlWkQ+9WUN3+BaEBPdIRzpmOpixbxUb0YEjMLXf1IwjMqHX+ORlo58bhDA==\n";
	struct seed_public_key key = public_of(PUBLIC_1);
	struct seed_error err = { 0 };
	uint8_t id[SEED_KEY_ID];

	(void)state;
	assert_fails(seed_sign_verify(&key, DOCUMENT, sig, strlen(sig), &err), &err,
		     SEED_ERR_TRUST);
	assert_non_null(strstr(err.text, "without prehashing"));
	assert_fails(seed_signature_key_id(sig, strlen(sig), id, &err), &err, SEED_ERR_TRUST);
}

static void other_bytes_or_another_key_are_refused(void **state)
{
	SEED_AUTO(seed_signing_key_freep) struct seed_signing_key *other = NULL;
	struct seed_public_key key = public_of(PUBLIC_1);
	struct seed_error err = { 0 };

	(void)state;
	assert_fails(seed_sign_verify(&key, "vmseed signs that\n", 18, MINISIG, strlen(MINISIG),
				      &err), &err, SEED_ERR_TRUST);
	assert_fails(seed_sign_verify(&key, NULL, 0, MINISIG, strlen(MINISIG), &err), &err,
		     SEED_ERR_TRUST);
	assert_ok(seed_signing_key_generate(&other, &err), &err);
	assert_fails(seed_sign_verify(seed_signing_key_public(other), DOCUMENT, MINISIG,
				      strlen(MINISIG), &err), &err, SEED_ERR_TRUST);
}

static void comments_are_printable_and_bounded(void **state)
{
	SEED_AUTO(seed_signing_key_freep) struct seed_signing_key *key = key_of(SECRET_1);
	struct seed_error err = { 0 };
	char sig[SEED_SIGNATURE_MAX] = "as it was", comment[202];

	(void)state;
	assert_fails(seed_sign(key, DOCUMENT, "a\nb", sig, &err), &err, SEED_ERR_RANGE);
	assert_fails(seed_sign(key, DOCUMENT, "\xc3\xa4", sig, &err), &err, SEED_ERR_RANGE);
	memset(comment, 'c', 201);
	comment[201] = '\0';
	assert_fails(seed_sign(key, DOCUMENT, comment, sig, &err), &err, SEED_ERR_RANGE);
	assert_string_equal(sig, "as it was");
	comment[200] = '\0';
	assert_ok(seed_sign(key, DOCUMENT, comment, sig, &err), &err);
	assert_ok(seed_sign_verify(seed_signing_key_public(key), DOCUMENT, sig, strlen(sig), &err),
		  &err);
}

static void bare_signatures(void **state)
{
	SEED_AUTO(seed_signing_key_freep) struct seed_signing_key *key = key_of(SECRET_1);
	const struct seed_public_key *public = seed_signing_key_public(key);
	uint8_t raw[SEED_SIGNATURE_RAW];
	struct seed_error err = { 0 };

	(void)state;
	assert_ok(seed_sign_raw(key, DOCUMENT, raw, &err), &err);
	assert_ok(seed_sign_verify_raw(public, DOCUMENT, raw, &err), &err);
	for (size_t bit = 0; bit < 8 * sizeof(raw); bit++) {
		raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_fails(seed_sign_verify_raw(public, DOCUMENT, raw, &err), &err,
			     SEED_ERR_TRUST);
		raw[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_fails(seed_sign_verify_raw(public, document, 3, raw, &err), &err, SEED_ERR_TRUST);
}

/* ---- key files ---- */

static void a_key_survives_its_file(void **state)
{
	SEED_AUTO(seed_signing_key_freep) struct seed_signing_key *key = NULL, *again = NULL;
	SEED_AUTO(seed_freep) char *pem = NULL;
	struct seed_error err = { 0 };
	size_t len;

	(void)state;
	assert_ok(seed_signing_key_generate(&key, &err), &err);
	assert_ok(seed_signing_key_to_pem(key, NULL, &pem, &len, &err), &err);
	assert_memory_equal(pem, "-----BEGIN PRIVATE KEY-----\n", 28);
	assert_ok(seed_signing_key_from_pem(&again, pem, len, NULL, &err), &err);
	assert_memory_equal(seed_signing_key_public(again), seed_signing_key_public(key), 32);
	seed_wipe(pem, len);
}

static void a_passphrase_is_needed_and_must_be_right(void **state)
{
	SEED_AUTO(seed_signing_key_freep) struct seed_signing_key *key = key_of(SECRET_1);
	SEED_AUTO(seed_signing_key_freep) struct seed_signing_key *again = NULL;
	SEED_AUTO(seed_freep) char *pem = NULL;
	struct seed_error err = { 0 };
	size_t len;

	(void)state;
	assert_ok(seed_signing_key_to_pem(key, "correct horse", &pem, &len, &err), &err);
	assert_memory_equal(pem, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n", 38);
	assert_fails(seed_signing_key_from_pem(&again, pem, len, NULL, &err), &err, SEED_ERR_TRUST);
	assert_fails(seed_signing_key_from_pem(&again, pem, len, "wrong", &err), &err,
		     SEED_ERR_TRUST);
	assert_fails(seed_signing_key_from_pem(&again, pem, len, "", &err), &err, SEED_ERR_TRUST);
	assert_null(again);
	assert_ok(seed_signing_key_from_pem(&again, pem, len, "correct horse", &err), &err);
	assert_memory_equal(seed_signing_key_public(again), seed_signing_key_public(key), 32);
}

static void a_key_made_by_openssl_is_read(void **state)
{
	/* openssl genpkey -algorithm ed25519, with the secret of RFC 8032's test 1 */
	static const char pem[] = "-----BEGIN PRIVATE KEY-----\n"
				  "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
				  "-----END PRIVATE KEY-----\n";
	struct seed_public_key want = public_of(PUBLIC_1);
	SEED_AUTO(seed_signing_key_freep) struct seed_signing_key *key = NULL;
	struct seed_error err = { 0 };

	(void)state;
	assert_ok(seed_signing_key_from_pem(&key, pem, strlen(pem), NULL, &err), &err);
	assert_memory_equal(seed_signing_key_public(key), &want, 32);
}

#define PEM(kind, body) "-----BEGIN " kind "-----\n" body "\n-----END " kind "-----\n"

static void malformed_key_files_are_refused(void **state)
{
	static const char *const texts[] = {
		"", "not a key\n", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----\n",
		PEM("PRIVATE KEY", ""), PEM("PRIVATE KEY", "AAAA"), PEM("PUBLIC KEY", "AAAA"),
		PEM("ENCRYPTED PRIVATE KEY", "AAAA"),
		/* an X25519 key */
		PEM("PRIVATE KEY", "MC4CAQAwBQYDK2VuBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g"),
		/* one byte of the secret missing */
		PEM("PRIVATE KEY", "MC0CAQAwBQYDK2VwBCEEH51hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn8="),
		/* two keys */
		PEM("PRIVATE KEY", "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g")
		PEM("PRIVATE KEY", "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g"),
		/* something before it */
		"x\n" PEM("PRIVATE KEY",
			  "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g"),
	};
	SEED_AUTO(seed_signing_key_freep) struct seed_signing_key *key = NULL;
	SEED_AUTO(seed_freep) char *big = calloc(1, 5000);
	struct seed_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_fails(seed_signing_key_from_pem(&key, texts[i], strlen(texts[i]), "p", &err),
			     &err, SEED_ERR_FORMAT);
	assert_fails(seed_signing_key_from_pem(&key, big, 5000, NULL, &err), &err, SEED_ERR_FORMAT);
	assert_null(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc8032_vectors),
		cmocka_unit_test(a_scalar_beyond_the_order_is_refused),
		cmocka_unit_test(weak_and_non_canonical_keys_are_refused),
		cmocka_unit_test(a_public_key_has_minisigns_text),
		cmocka_unit_test(malformed_public_keys_are_refused),
		cmocka_unit_test(minisigns_own_signature_is_accepted),
		cmocka_unit_test(our_signature_has_minisigns_bytes),
		cmocka_unit_test(every_deviation_of_form_is_refused),
		cmocka_unit_test(any_changed_byte_is_refused_outside_the_untrusted_comment),
		cmocka_unit_test(too_long_a_signature_is_refused),
		cmocka_unit_test(the_form_without_prehashing_is_refused),
		cmocka_unit_test(other_bytes_or_another_key_are_refused),
		cmocka_unit_test(comments_are_printable_and_bounded),
		cmocka_unit_test(bare_signatures),
		cmocka_unit_test(a_key_survives_its_file),
		cmocka_unit_test(a_passphrase_is_needed_and_must_be_right),
		cmocka_unit_test(a_key_made_by_openssl_is_read),
		cmocka_unit_test(malformed_key_files_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
