// SPDX-License-Identifier: LGPL-2.1-or-later
/* Signatures and public keys from anywhere: nothing but the right one is accepted. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "crypto/sign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char signed_text[] = "what was signed";
	struct seed_public_key key, other;
	uint8_t id[SEED_KEY_ID];
	char text[SEED_PUBLIC_KEY_TEXT];
	struct seed_error err = { 0 };
	SEED_AUTO(seed_freep) char *line = malloc(size + 1);

	if (!line)
		return 0;
	memcpy(line, data, size);
	line[size] = '\0';
	if (seed_public_key_parse(&key, line, &err) == 0) {
		/* One key has one text. */
		seed_public_key_text(&key, text);
		assert(seed_public_key_parse(&other, text, &err) == 0);
		assert(memcmp(key.bytes, other.bytes, sizeof(key.bytes)) == 0);
	}
	(void)seed_signature_key_id((const char *)data, size, id, &err);

	/* Any key will do: nobody can have signed this with it. */
	memset(key.bytes, 0x5a, sizeof(key.bytes));
	assert(seed_sign_verify(&key, signed_text, sizeof(signed_text), (const char *)data, size,
				&err) < 0);
	assert(err.kind == SEED_ERR_TRUST);
	return 0;
}
