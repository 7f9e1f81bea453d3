/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HPKE (RFC 9180) base mode, single shot: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
 * AES-256-GCM (KEM 0x0020, KDF 0x0001, AEAD 0x0002). Wraps a set's data key for
 * a recipient. The RFC's vectors are in the tests.
 */
#ifndef SEED_CRYPTO_HPKE_H
#define SEED_CRYPTO_HPKE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define SEED_HPKE_KEY 32
#define SEED_HPKE_ENC 32
#define SEED_HPKE_TAG 16

struct seed_receiving_key;	/* an X25519 private key in locked memory */

int seed_receiving_key_generate(struct seed_receiving_key **out, struct seed_error *err);
/* For test vectors and for nothing else: a key from its 32 secret bytes. */
int seed_receiving_key_from_bytes(struct seed_receiving_key **out, const uint8_t secret[32],
				  struct seed_error *err);
void seed_receiving_key_free(struct seed_receiving_key *key);
static inline void seed_receiving_key_freep(struct seed_receiving_key **key)
{
	seed_receiving_key_free(*key);
}
const uint8_t *seed_receiving_key_public(const struct seed_receiving_key *key);	/* 32 bytes */
int seed_receiving_key_to_pem(const struct seed_receiving_key *key, const char *passphrase,
			      char **out, size_t *len, struct seed_error *err);
int seed_receiving_key_from_pem(struct seed_receiving_key **out, const char *pem, size_t len,
				const char *passphrase, struct seed_error *err);

/* Seal @len bytes to @public; @out receives @len + 16. @ephemeral NULL: fresh (vectors give one).
 * @info has at most 1024 bytes, else SEED_ERR_RANGE. */
int seed_hpke_seal(uint8_t enc[SEED_HPKE_ENC], uint8_t *out, const uint8_t public[SEED_HPKE_KEY],
		   const void *info, size_t info_len, const void *aad, size_t aad_len,
		   const void *plain, size_t len, const struct seed_receiving_key *ephemeral,
		   struct seed_error *err);
/* @len counts the tag. Wrong key, info, aad or bytes: SEED_ERR_INTEGRITY. An all-zero shared
 * secret (small-order point) is refused. */
int seed_hpke_open(uint8_t *out, const struct seed_receiving_key *key,
		   const uint8_t enc[SEED_HPKE_ENC], const void *info, size_t info_len,
		   const void *aad, size_t aad_len, const void *sealed, size_t len,
		   struct seed_error *err);

#endif
