/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A key for fuzz targets of signed documents, known to everybody: the bytes are signed first, so
 * that what lies behind the signature is reached. Its public key, which documents name:
 * see tests/vectors/.
 */
#ifndef FUZZ_SIGNING_H
#define FUZZ_SIGNING_H

#include <stdlib.h>
#include <string.h>

#include "crypto/sign.h"

static inline const struct seed_signing_key *fuzz_key(void)
{
	static const char pem[] =
		"-----BEGIN PRIVATE KEY-----\n"
		"MC4CAQAwBQYDK2VwBCIEIAoLmRUlO3UbGn3sUWLvMxY+0ZT3pFSTTGKFzqgN69cr\n"
		"-----END PRIVATE KEY-----\n";
	static struct seed_signing_key *key;
	struct seed_error err;

	if (!key && seed_signing_key_from_pem(&key, pem, sizeof(pem) - 1, NULL, &err) < 0)
		abort();
	return key;
}

/* A .minisig of @data by fuzz_key(). */
static inline void fuzz_sign(const void *data, size_t len, char signature[SEED_SIGNATURE_MAX])
{
	struct seed_error err;

	if (seed_sign(fuzz_key(), data, len, "fuzz", signature, &err) < 0)
		abort();
}

#endif
