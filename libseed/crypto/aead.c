// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The key schedule is set up once per key and direction; a message only brings its nonce.
 */
#include "crypto/aead.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "crypto/crypto_internal.h"
#include "crypto/secret.h"

struct seed_aead {
	EVP_CIPHER *cipher;
	EVP_CIPHER_CTX *seal, *open;
};

int seed_aead_new(struct seed_aead **out, struct seed_error *err)
{
	SEED_AUTO(seed_aead_freep) struct seed_aead *aead = calloc(1, sizeof(*aead));

	if (!aead)
		return seed_error_sys(err, ENOMEM, "cipher");
	aead->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	aead->seal = EVP_CIPHER_CTX_new();
	aead->open = EVP_CIPHER_CTX_new();
	if (!aead->cipher || !aead->seal || !aead->open)
		return seed_libcrypto_error(err, "AES-256-GCM");
	*out = seed_steal(&aead);
	return 0;
}

void seed_aead_free(struct seed_aead *aead)
{
	if (!aead)
		return;
	EVP_CIPHER_CTX_free(aead->seal);	/* these wipe the keys */
	EVP_CIPHER_CTX_free(aead->open);
	EVP_CIPHER_free(aead->cipher);
	free(aead);
}

int seed_aead_set_key(struct seed_aead *aead, const uint8_t key[SEED_AEAD_KEY],
		      struct seed_error *err)
{
	if (EVP_EncryptInit_ex2(aead->seal, aead->cipher, key, NULL, NULL) != 1 ||
	    EVP_DecryptInit_ex2(aead->open, aead->cipher, key, NULL, NULL) != 1)
		return seed_libcrypto_error(err, "AES-256-GCM key");
	return 0;
}

/* EVP counts in int: longer input goes in pieces. @out NULL: associated data. */
static int update(EVP_CIPHER_CTX *ctx, uint8_t *out, const void *data, size_t len)
{
	const uint8_t *next = data;

	while (len > 0) {
		int piece = len > INT_MAX / 2 ? INT_MAX / 2 : (int)len;
		int done = 0;

		if (EVP_CipherUpdate(ctx, out, &done, next, piece) != 1 || done != piece)
			return -1;
		next += piece;
		len -= (size_t)piece;
		if (out)
			out += piece;
	}
	return 0;
}

int seed_aead_seal(struct seed_aead *aead, uint8_t *out, const uint8_t nonce[SEED_AEAD_NONCE],
		   const void *aad, size_t aad_len, const void *plain, size_t len,
		   struct seed_error *err)
{
	uint8_t *tag = out + len;
	int none = 0;

	if (EVP_EncryptInit_ex2(aead->seal, NULL, NULL, nonce, NULL) != 1 ||
	    update(aead->seal, NULL, aad, aad_len) < 0 ||
	    update(aead->seal, out, plain, len) < 0 ||
	    EVP_EncryptFinal_ex(aead->seal, tag, &none) != 1 ||
	    EVP_CIPHER_CTX_ctrl(aead->seal, EVP_CTRL_AEAD_GET_TAG, SEED_AEAD_TAG, tag) != 1)
		return seed_libcrypto_error(err, "AES-256-GCM seal");
	return 0;
}

int seed_aead_open(struct seed_aead *aead, uint8_t *out, const uint8_t nonce[SEED_AEAD_NONCE],
		   const void *aad, size_t aad_len, const void *sealed, size_t len,
		   struct seed_error *err)
{
	const uint8_t *bytes = sealed;
	uint8_t tag[SEED_AEAD_TAG], last[1];
	int none = 0;

	if (len < SEED_AEAD_TAG)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "sealed bytes are too short");
	len -= SEED_AEAD_TAG;
	memcpy(tag, bytes + len, SEED_AEAD_TAG);	/* EVP wants it writable */
	if (EVP_DecryptInit_ex2(aead->open, NULL, NULL, nonce, NULL) != 1 ||
	    EVP_CIPHER_CTX_ctrl(aead->open, EVP_CTRL_AEAD_SET_TAG, SEED_AEAD_TAG, tag) != 1 ||
	    update(aead->open, NULL, aad, aad_len) < 0 ||
	    update(aead->open, out, bytes, len) < 0) {
		seed_wipe(out, len);
		return seed_libcrypto_error(err, "AES-256-GCM open");
	}
	if (EVP_DecryptFinal_ex(aead->open, last, &none) != 1) {
		seed_wipe(out, len);
		return seed_libcrypto_refuse(err, SEED_ERR_INTEGRITY, "sealed bytes do not open: "
					     "damaged, or sealed with another key");
	}
	return 0;
}
