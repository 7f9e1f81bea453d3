// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * HKDF on OpenSSL's HMAC and not on its HKDF: that one limits the length of info and refuses
 * empty keying material, which RFC 5869 allows.
 */
#include "crypto/kdf.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <string.h>

#include "base/cleanup.h"
#include "crypto/crypto_internal.h"
#include "crypto/secret.h"

#define HASH 32

static void mac_freep(EVP_MAC **mac) { EVP_MAC_free(*mac); }
static void mac_ctx_freep(EVP_MAC_CTX **ctx) { EVP_MAC_CTX_free(*ctx); }

static int new_hmac(EVP_MAC_CTX **out, struct seed_error *err)
{
	SEED_AUTO(mac_freep) EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	SEED_AUTO(mac_ctx_freep) EVP_MAC_CTX *ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
	char sha256[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
		OSSL_PARAM_construct_end(),
	};

	if (!ctx || EVP_MAC_CTX_set_params(ctx, params) != 1)
		return seed_libcrypto_error(err, "HMAC-SHA256");
	*out = seed_steal(&ctx);
	return 0;
}

int seed_hkdf_extract(uint8_t prk[HASH], const void *salt, size_t salt_len, const void *ikm,
		      size_t ikm_len, struct seed_error *err)
{
	static const uint8_t no_salt[HASH];
	SEED_AUTO(mac_ctx_freep) EVP_MAC_CTX *ctx = NULL;
	size_t len;

	if (salt_len == 0) {	/* "if not provided, set to a string of HashLen zeros" */
		salt = no_salt;
		salt_len = HASH;
	}
	if (new_hmac(&ctx, err) < 0)
		return -1;
	if (EVP_MAC_init(ctx, salt, salt_len, NULL) != 1 ||
	    (ikm_len > 0 && EVP_MAC_update(ctx, ikm, ikm_len) != 1) ||
	    EVP_MAC_final(ctx, prk, &len, HASH) != 1)
		return seed_libcrypto_error(err, "HKDF");
	return 0;
}

int seed_hkdf_expand(void *out, size_t out_len, const uint8_t prk[HASH], const void *info,
		     size_t info_len, struct seed_error *err)
{
	SEED_AUTO(mac_ctx_freep) EVP_MAC_CTX *ctx = NULL;
	SEED_AUTO(seed_secret_wipep) struct seed_secret block = { { 0 } };
	uint8_t *next = out;

	if (out_len > 255 * HASH)
		return seed_error_set(err, SEED_ERR_RANGE, "HKDF gives 8160 bytes at most");
	if (new_hmac(&ctx, err) < 0)
		return -1;
	for (uint8_t i = 1; out_len > 0; i++) {
		size_t part = out_len < HASH ? out_len : HASH, len;

		if (EVP_MAC_init(ctx, prk, HASH, NULL) != 1 ||
		    (i > 1 && EVP_MAC_update(ctx, block.bytes, HASH) != 1) ||
		    (info_len > 0 && EVP_MAC_update(ctx, info, info_len) != 1) ||
		    EVP_MAC_update(ctx, &i, 1) != 1 ||
		    EVP_MAC_final(ctx, block.bytes, &len, HASH) != 1)
			return seed_libcrypto_error(err, "HKDF");
		memcpy(next, block.bytes, part);
		next += part;
		out_len -= part;
	}
	return 0;
}

int seed_hkdf(void *out, size_t out_len, const void *ikm, size_t ikm_len, const void *salt,
	      size_t salt_len, const void *info, size_t info_len, struct seed_error *err)
{
	SEED_AUTO(seed_secret_wipep) struct seed_secret prk = { { 0 } };

	if (seed_hkdf_extract(prk.bytes, salt, salt_len, ikm, ikm_len, err) < 0)
		return -1;
	return seed_hkdf_expand(out, out_len, prk.bytes, info, info_len, err);
}

int seed_uuid5(struct seed_id *out, const struct seed_id *space, const char *name,
	       struct seed_error *err)
{
	SEED_AUTO(seed_md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t sha1[20];

	if (!ctx || EVP_DigestInit_ex2(ctx, EVP_sha1(), NULL) != 1 ||
	    EVP_DigestUpdate(ctx, space->bytes, sizeof(space->bytes)) != 1 ||
	    EVP_DigestUpdate(ctx, name, strlen(name)) != 1 ||
	    EVP_DigestFinal_ex(ctx, sha1, NULL) != 1)
		return seed_libcrypto_error(err, "SHA-1");
	sha1[6] = (uint8_t)((sha1[6] & 0x0f) | 0x50);	/* version 5 */
	sha1[8] = (uint8_t)((sha1[8] & 0x3f) | 0x80);	/* RFC 4122 variant */
	memcpy(out->bytes, sha1, sizeof(out->bytes));
	return 0;
}
