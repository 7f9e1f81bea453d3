/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Plain Ed25519 (RFC 8032) over short messages, beneath the minisign form. */
#ifndef SEED_CRYPTO_SIGN_INTERNAL_H
#define SEED_CRYPTO_SIGN_INTERNAL_H

#include <stdbool.h>

#include "crypto/sign.h"

#define SEED_ED25519 64

int seed_ed25519_sign(uint8_t out[SEED_ED25519], const struct seed_signing_key *key,
		      const void *data, size_t len, struct seed_error *err);
/* SEED_ERR_TRUST when it does not fit, or @key could not sign honestly (see below). */
int seed_ed25519_verify(const struct seed_public_key *key, const void *data, size_t len,
			const uint8_t signature[SEED_ED25519], struct seed_error *err);
/* False for encodings that are not canonical and for the points of small order: under such a
 * key a signature exists that fits many messages. */
bool seed_public_key_sound(const struct seed_public_key *key);
/* A signing key from its 32 secret bytes. */
int seed_signing_key_from_bytes(struct seed_signing_key **out, const uint8_t secret[32],
				struct seed_error *err);

#endif
