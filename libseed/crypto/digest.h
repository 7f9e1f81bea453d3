/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SHA-256 (FIPS 180-4), whole, in a stream, and many blocks at once; BLAKE2b-512 (RFC 7693).
 *
 * On a CPU with SHA extensions two independent messages are hashed with their
 * rounds interleaved (digest_x2.c), which hides the latency of the SHA
 * instructions; elsewhere OpenSSL does it. OpenSSL is also the check.
 */
#ifndef SEED_CRYPTO_DIGEST_H
#define SEED_CRYPTO_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/id.h"

/* One whole message. Cannot fail: plain computation, no allocation that matters. */
void seed_digest_of(struct seed_digest *out, const void *data, size_t len);

/* @count messages of @lens[i] bytes each; faster than one by one where the CPU allows. */
void seed_digest_many(struct seed_digest *out, const void *const *data, const size_t *lens,
		      size_t count);

/* A running SHA-256. Plain data: copied by =, never freed. */
struct seed_digest_stream {
	uint32_t state[8];
	uint64_t len;		/* bytes so far */
	uint8_t tail[64];
};
void seed_digest_begin(struct seed_digest_stream *s);
void seed_digest_add(struct seed_digest_stream *s, const void *data, size_t len);
void seed_digest_end(struct seed_digest_stream *s, struct seed_digest *out);
/* Feed the same bytes to @s and also hash them whole into *@out, in one interleaved pass:
 * a record's digest and its file's running digest cost little more than one of them. */
void seed_digest_add_and_hash(struct seed_digest_stream *s, const void *data, size_t len,
			      struct seed_digest *out);

#define SEED_BLAKE2B_SIZE 64
int seed_blake2b(uint8_t out[SEED_BLAKE2B_SIZE], const void *data, size_t len,
		 struct seed_error *err);

#endif
