/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * AES-256-GCM (NIST SP 800-38D) with 12-byte nonces and 16-byte tags. A context
 * belongs to one thread at a time; set up once per key, used for many messages.
 */
#ifndef SEED_CRYPTO_AEAD_H
#define SEED_CRYPTO_AEAD_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define SEED_AEAD_KEY 32
#define SEED_AEAD_NONCE 12
#define SEED_AEAD_TAG 16

struct seed_aead;

int seed_aead_new(struct seed_aead **out, struct seed_error *err);
void seed_aead_free(struct seed_aead *aead);	/* wipes the key */
static inline void seed_aead_freep(struct seed_aead **aead) { seed_aead_free(*aead); }

int seed_aead_set_key(struct seed_aead *aead, const uint8_t key[SEED_AEAD_KEY],
		      struct seed_error *err);

/* @out receives @len bytes and the tag behind them; @out may be @plain. */
int seed_aead_seal(struct seed_aead *aead, uint8_t *out, const uint8_t nonce[SEED_AEAD_NONCE],
		   const void *aad, size_t aad_len, const void *plain, size_t len,
		   struct seed_error *err);
/* @len counts the tag; @out receives @len - 16 bytes and may be @sealed. A tag that does not
 * fit is SEED_ERR_INTEGRITY, and @out is wiped: nothing unauthenticated is ever seen. */
int seed_aead_open(struct seed_aead *aead, uint8_t *out, const uint8_t nonce[SEED_AEAD_NONCE],
		   const void *aad, size_t aad_len, const void *sealed, size_t len,
		   struct seed_error *err);

#endif
