// SPDX-License-Identifier: LGPL-2.1-or-later
/* X25519 keys (RFC 7748). As with signing keys, OpenSSL sees the secret only while it works. */
#include <openssl/crypto.h>
#include <string.h>

#include "base/cleanup.h"
#include "crypto/hpke_internal.h"
#include "crypto/pem_internal.h"
#include "crypto/random.h"

int seed_receiving_key_from_bytes(struct seed_receiving_key **out, const uint8_t secret[32],
				  struct seed_error *err)
{
	SEED_AUTO(seed_receiving_key_freep) struct seed_receiving_key *key =
		seed_secret_new(sizeof(*key), err);
	SEED_AUTO(seed_pkey_freep) EVP_PKEY *pkey = NULL;
	size_t size = sizeof(key->public);

	if (!key)
		return -1;
	memcpy(key->secret, secret, sizeof(key->secret));
	pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, key->secret, 32);
	if (!pkey || EVP_PKEY_get_raw_public_key(pkey, key->public, &size) != 1)
		return seed_libcrypto_error(err, "X25519");
	*out = seed_steal(&key);
	return 0;
}

int seed_receiving_key_generate(struct seed_receiving_key **out, struct seed_error *err)
{
	SEED_AUTO(seed_secret_wipep) struct seed_secret secret = { { 0 } };

	if (seed_random(secret.bytes, sizeof(secret.bytes), err) < 0)
		return -1;
	return seed_receiving_key_from_bytes(out, secret.bytes, err);
}

void seed_receiving_key_free(struct seed_receiving_key *key)
{
	seed_secret_free(key, sizeof(*key));
}

const uint8_t *seed_receiving_key_public(const struct seed_receiving_key *key)
{
	return key->public;
}

int seed_receiving_key_to_pem(const struct seed_receiving_key *key, const char *passphrase,
			      char **out, size_t *len, struct seed_error *err)
{
	return seed_pem_write(EVP_PKEY_X25519, key->secret, passphrase, out, len, err);
}

int seed_receiving_key_from_pem(struct seed_receiving_key **out, const char *pem, size_t len,
				const char *passphrase, struct seed_error *err)
{
	SEED_AUTO(seed_secret_wipep) struct seed_secret secret = { { 0 } };

	if (seed_pem_read(EVP_PKEY_X25519, secret.bytes, pem, len, passphrase, err) < 0)
		return -1;
	return seed_receiving_key_from_bytes(out, secret.bytes, err);
}

/* OpenSSL refuses an all-zero result by itself; that this is so is not written down, so the
 * result is looked at all the same. */
int seed_hpke_dh(struct seed_secret *out, const struct seed_receiving_key *key,
		 const uint8_t public[SEED_HPKE_KEY], struct seed_error *err)
{
	static const uint8_t zero[32];
	SEED_AUTO(seed_pkey_freep) EVP_PKEY *own =
		EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, key->secret, 32);
	SEED_AUTO(seed_pkey_freep) EVP_PKEY *peer =
		EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, public, SEED_HPKE_KEY);
	SEED_AUTO(seed_pkey_ctx_freep) EVP_PKEY_CTX *ctx = own ? EVP_PKEY_CTX_new(own, NULL) : NULL;
	size_t size = sizeof(out->bytes);

	if (!own || !peer || !ctx || EVP_PKEY_derive_init(ctx) != 1 ||
	    EVP_PKEY_derive_set_peer(ctx, peer) != 1)
		return seed_libcrypto_error(err, "X25519");
	if (EVP_PKEY_derive(ctx, out->bytes, &size) != 1 || size != sizeof(out->bytes) ||
	    CRYPTO_memcmp(out->bytes, zero, sizeof(zero)) == 0)
		return seed_libcrypto_refuse(err, SEED_ERR_INTEGRITY,
					     "not a usable X25519 public key");
	return 0;
}
