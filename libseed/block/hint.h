/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hints about the 4 KiB pieces of a block: 32 bits of XXH3 keyed with a secret that is drawn for
 * each connection. XXH3 is no MAC and guests write what they like, so a hint only ever saves bytes:
 * a block put together by hints counts when its SHA-256 does.
 */
#ifndef SEED_BLOCK_HINT_H
#define SEED_BLOCK_HINT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "block/grid.h"

#define SEED_PIECE_SIZE 4096u
#define SEED_PIECES (SEED_BLOCK_SIZE / SEED_PIECE_SIZE)	/* of a block: 16 */
#define SEED_HINT_SEED 32			/* bytes */

struct seed_hint_key {
	uint8_t secret[192];		/* XXH3's, derived from the seed by HKDF-SHA256 */
};

int seed_hint_key_of(struct seed_hint_key *out, const uint8_t seed[SEED_HINT_SEED],
		     struct seed_error *err);
/* Hints of a block of @len bytes (1 to SEED_BLOCK_SIZE): one for each piece that exists, the last
 * may be short; the others are 0. Returns how many exist. */
unsigned int seed_hints(const struct seed_hint_key *key, const void *block, size_t len,
			uint32_t out[SEED_PIECES]);

#endif
