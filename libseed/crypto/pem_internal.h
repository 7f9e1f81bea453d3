/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two kinds of private key as PKCS#8 PEM: 32 secret bytes and an OpenSSL key type. */
#ifndef SEED_CRYPTO_PEM_INTERNAL_H
#define SEED_CRYPTO_PEM_INTERNAL_H

#include "crypto/crypto_internal.h"
#include "crypto/secret.h"

#define SEED_PEM_MAX 4096	/* bytes; ours have at most 500 */

/* @type: EVP_PKEY_ED25519 or EVP_PKEY_X25519. *@out is freed by the caller after seed_wipe(). */
int seed_pem_write(int type, const uint8_t secret[32], const char *passphrase, char **out,
		   size_t *len, struct seed_error *err);
int seed_pem_read(int type, uint8_t secret[32], const char *pem, size_t len,
		  const char *passphrase, struct seed_error *err);

#endif
