// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The secret lies in locked memory; OpenSSL, which keeps its keys on the ordinary heap, sees it
 * for the length of one signature only.
 */
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/pem_internal.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "crypto/sign_internal.h"

struct seed_signing_key {
	uint8_t secret[32];
	struct seed_public_key public;
};

/* ---- public keys ---- */

#define KEY_RAW (2 + SEED_KEY_ID + 32)

/* What is below the field prime, little-endian, sign bit cleared: y of the points of order
 * 1, 2, 4 and 8 (two). */
static const uint8_t small_order[5][32] = {
	{ 1 },
	{ 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	  0xff, 0x7f },
	{ 0 },
	{ 0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
	  0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
	  0xfc, 0x05 },
	{ 0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
	  0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
	  0x03, 0x7a },
};

/* y, little-endian with the sign bit cleared, is at least p = 2^255 - 19. */
static bool beyond_the_prime(const uint8_t y[32])
{
	for (size_t i = 1; i < 31; i++)
		if (y[i] != 0xff)
			return false;
	return y[31] == 0x7f && y[0] >= 0xed;
}

bool seed_public_key_sound(const struct seed_public_key *key)
{
	uint8_t y[32];

	memcpy(y, key->bytes, sizeof(y));
	y[31] &= 0x7f;
	if (beyond_the_prime(y))
		return false;
	for (size_t i = 0; i < sizeof(small_order) / sizeof(small_order[0]); i++)
		if (memcmp(y, small_order[i], sizeof(y)) == 0)
			return false;
	return true;
}

void seed_public_key_id(const struct seed_public_key *key, uint8_t out[SEED_KEY_ID])
{
	struct seed_digest digest;

	seed_digest_of(&digest, key->bytes, sizeof(key->bytes));
	memcpy(out, digest.bytes, SEED_KEY_ID);
}

char *seed_public_key_text(const struct seed_public_key *key, char *out)
{
	uint8_t raw[KEY_RAW] = { 'E', 'd' };

	seed_public_key_id(key, raw + 2);
	memcpy(raw + 2 + SEED_KEY_ID, key->bytes, sizeof(key->bytes));
	return seed_base64(raw, sizeof(raw), out);
}

int seed_public_key_parse(struct seed_public_key *out, const char *text, struct seed_error *err)
{
	uint8_t raw[KEY_RAW], id[SEED_KEY_ID];
	struct seed_public_key key;

	if (seed_base64_parse(raw, sizeof(raw), text, NULL) < 0 || raw[0] != 'E' || raw[1] != 'd')
		return seed_error_set(err, SEED_ERR_FORMAT, "not a minisign public key");
	memcpy(key.bytes, raw + 2 + SEED_KEY_ID, sizeof(key.bytes));
	seed_public_key_id(&key, id);
	if (memcmp(id, raw + 2, SEED_KEY_ID) != 0)
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "public key with a key id that is not its own");
	if (!seed_public_key_sound(&key))
		return seed_error_set(err, SEED_ERR_FORMAT, "not a usable Ed25519 public key");
	*out = key;
	return 0;
}

/* ---- signing keys ---- */

int seed_signing_key_from_bytes(struct seed_signing_key **out, const uint8_t secret[32],
				struct seed_error *err)
{
	SEED_AUTO(seed_signing_key_freep) struct seed_signing_key *key =
		seed_secret_new(sizeof(*key), err);
	SEED_AUTO(seed_pkey_freep) EVP_PKEY *pkey = NULL;
	size_t size = sizeof(key->public.bytes);

	if (!key)
		return -1;
	memcpy(key->secret, secret, sizeof(key->secret));
	pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key->secret, 32);
	if (!pkey || EVP_PKEY_get_raw_public_key(pkey, key->public.bytes, &size) != 1)
		return seed_libcrypto_error(err, "Ed25519");
	*out = seed_steal(&key);
	return 0;
}

int seed_signing_key_generate(struct seed_signing_key **out, struct seed_error *err)
{
	SEED_AUTO(seed_secret_wipep) struct seed_secret secret = { { 0 } };

	if (seed_random(secret.bytes, sizeof(secret.bytes), err) < 0)
		return -1;
	return seed_signing_key_from_bytes(out, secret.bytes, err);
}

void seed_signing_key_free(struct seed_signing_key *key)
{
	seed_secret_free(key, sizeof(*key));
}

const struct seed_public_key *seed_signing_key_public(const struct seed_signing_key *key)
{
	return &key->public;
}

int seed_signing_key_to_pem(const struct seed_signing_key *key, const char *passphrase,
			    char **out, size_t *len, struct seed_error *err)
{
	return seed_pem_write(EVP_PKEY_ED25519, key->secret, passphrase, out, len, err);
}

int seed_signing_key_from_pem(struct seed_signing_key **out, const char *pem, size_t len,
			      const char *passphrase, struct seed_error *err)
{
	SEED_AUTO(seed_secret_wipep) struct seed_secret secret = { { 0 } };

	if (seed_pem_read(EVP_PKEY_ED25519, secret.bytes, pem, len, passphrase, err) < 0)
		return -1;
	return seed_signing_key_from_bytes(out, secret.bytes, err);
}

/* ---- plain Ed25519 ---- */

int seed_ed25519_sign(uint8_t out[SEED_ED25519], const struct seed_signing_key *key,
		      const void *data, size_t len, struct seed_error *err)
{
	SEED_AUTO(seed_pkey_freep) EVP_PKEY *pkey =
		EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, key->secret, 32);
	SEED_AUTO(seed_md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	size_t size = SEED_ED25519;

	if (!pkey || !ctx || EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) != 1 ||
	    EVP_DigestSign(ctx, out, &size, data, len) != 1 || size != SEED_ED25519)
		return seed_libcrypto_error(err, "Ed25519 signature");
	return 0;
}

int seed_ed25519_verify(const struct seed_public_key *key, const void *data, size_t len,
			const uint8_t signature[SEED_ED25519], struct seed_error *err)
{
	SEED_AUTO(seed_pkey_freep) EVP_PKEY *pkey =
		EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->bytes, 32);
	SEED_AUTO(seed_md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (!pkey || !ctx || EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) != 1)
		return seed_libcrypto_error(err, "Ed25519 verification");
	if (!seed_public_key_sound(key) ||
	    EVP_DigestVerify(ctx, signature, SEED_ED25519, data, len) != 1)
		return seed_libcrypto_refuse(err, SEED_ERR_TRUST, "signature does not fit");
	return 0;
}
