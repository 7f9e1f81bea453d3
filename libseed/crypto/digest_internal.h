/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SHA-256 over whole 64-byte blocks, on the raw state: what the CPU decides. */
#ifndef SEED_CRYPTO_DIGEST_INTERNAL_H
#define SEED_CRYPTO_DIGEST_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SEED_SHA256_BLOCK 64

/* True when this CPU (and this build) has the SHA instructions that the two below need. */
bool seed_sha256_x2_usable(void);
void seed_sha256_ni(uint32_t state[8], const uint8_t *data, size_t blocks);
/* Two messages side by side, @blocks of each. */
void seed_sha256_ni_x2(uint32_t state_a[8], const uint8_t *a, uint32_t state_b[8],
		       const uint8_t *b, size_t blocks);

/* OpenSSL's, on any CPU. */
void seed_sha256_openssl(uint32_t state[8], const uint8_t *data, size_t blocks);

#endif
