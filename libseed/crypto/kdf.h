/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* HKDF-SHA256 (RFC 5869), and RFC 4122 name-based UUIDs (version 5, SHA-1 as that RFC has it). */
#ifndef SEED_CRYPTO_KDF_H
#define SEED_CRYPTO_KDF_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/id.h"

int seed_hkdf_extract(uint8_t prk[32], const void *salt, size_t salt_len, const void *ikm,
		      size_t ikm_len, struct seed_error *err);
int seed_hkdf_expand(void *out, size_t out_len, const uint8_t prk[32], const void *info,
		     size_t info_len, struct seed_error *err);
/* Extract and expand in one. */
int seed_hkdf(void *out, size_t out_len, const void *ikm, size_t ikm_len, const void *salt,
	      size_t salt_len, const void *info, size_t info_len, struct seed_error *err);

int seed_uuid5(struct seed_id *out, const struct seed_id *space, const char *name,
	       struct seed_error *err);

#endif
