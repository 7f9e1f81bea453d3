/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of this folder share about libcrypto. */
#ifndef SEED_CRYPTO_CRYPTO_INTERNAL_H
#define SEED_CRYPTO_CRYPTO_INTERNAL_H

#include <openssl/evp.h>

#include "base/error.h"

/* A call into libcrypto failed that no input of ours can make fail: memory is short, or the
 * machine's configuration withholds an algorithm. Empties the thread's error queue. */
int seed_libcrypto_error(struct seed_error *err, const char *what);
/* A call failed that judges input: @kind and the text, unless libcrypto says that memory was
 * short, which says nothing about the input. Empties the thread's error queue too. */
int seed_libcrypto_refuse(struct seed_error *err, enum seed_error_kind kind, const char *text);

static inline void seed_pkey_freep(EVP_PKEY **key) { EVP_PKEY_free(*key); }
static inline void seed_pkey_ctx_freep(EVP_PKEY_CTX **ctx) { EVP_PKEY_CTX_free(*ctx); }
static inline void seed_md_ctx_freep(EVP_MD_CTX **ctx) { EVP_MD_CTX_free(*ctx); }

#endif
