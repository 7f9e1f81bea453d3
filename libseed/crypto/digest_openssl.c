// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * OpenSSL's SHA-256 over a state that we hold. EVP keeps its state to itself and on the heap,
 * which a stream that is copied by = cannot use; the older SHA256_CTX is plain data. It is
 * deprecated, not gone.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
#include <string.h>

#include "crypto/digest_internal.h"

void seed_sha256_openssl(uint32_t state[8], const uint8_t *data, size_t blocks)
{
	SHA256_CTX ctx = { .md_len = SHA256_DIGEST_LENGTH };

	memcpy(ctx.h, state, sizeof(ctx.h));
	SHA256_Update(&ctx, data, blocks * SEED_SHA256_BLOCK);	/* always 1; whole blocks only */
	memcpy(state, ctx.h, sizeof(ctx.h));
}
