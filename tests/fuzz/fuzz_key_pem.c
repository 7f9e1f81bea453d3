// SPDX-License-Identifier: LGPL-2.1-or-later
/* A private key file. Whatever is read can be written and read again as the same key. */
#include <stdlib.h>
#include <string.h>

#include "crypto/secret.h"
#include "crypto/sign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seed_signing_key *key = NULL, *again = NULL;
	struct seed_error err = { 0 };
	char *pem = NULL;
	size_t len;

	/* no passphrase: scrypt with the file's own parameters is slow, not interesting */
	if (seed_signing_key_from_pem(&key, (const char *)data, size, NULL, &err) < 0)
		return err.kind == SEED_ERR_FORMAT || err.kind == SEED_ERR_TRUST ? 0 : (abort(), 0);
	if (seed_signing_key_to_pem(key, NULL, &pem, &len, &err) < 0 ||
	    seed_signing_key_from_pem(&again, pem, len, NULL, &err) < 0 ||
	    memcmp(seed_signing_key_public(key), seed_signing_key_public(again), 32) != 0)
		abort();
	free(pem);
	seed_signing_key_free(key);
	seed_signing_key_free(again);
	return 0;
}
