/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See hint.h. */
#include "block/hint.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

#include "crypto/kdf.h"

#define LABEL "vmseed hint 1"

_Static_assert(sizeof(((struct seed_hint_key *)0)->secret) >= XXH3_SECRET_SIZE_MIN,
	       "XXH3 wants a longer secret");

int seed_hint_key_of(struct seed_hint_key *out, const uint8_t seed[SEED_HINT_SEED],
		     struct seed_error *err)
{
	return seed_hkdf(out->secret, sizeof(out->secret), seed, SEED_HINT_SEED, NULL, 0, LABEL,
			 strlen(LABEL), err);
}

unsigned int seed_hints(const struct seed_hint_key *key, const void *block, size_t len,
			uint32_t out[SEED_PIECES])
{
	const uint8_t *at = block;
	unsigned int pieces = 0;

	assert(len >= 1 && len <= SEED_BLOCK_SIZE);
	memset(out, 0, SEED_PIECES * sizeof(out[0]));
	while (len) {
		size_t n = len < SEED_PIECE_SIZE ? len : SEED_PIECE_SIZE;

		out[pieces++] = (uint32_t)XXH3_64bits_withSecret(at, n, key->secret,
								 sizeof(key->secret));
		at += n;
		len -= n;
	}
	return pieces;
}
