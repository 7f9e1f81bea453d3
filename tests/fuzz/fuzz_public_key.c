// SPDX-License-Identifier: LGPL-2.1-or-later
/* The text of a public key: what is accepted is the one text of that key. */
#include <stdlib.h>
#include <string.h>

#include "crypto/sign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), again[SEED_PUBLIC_KEY_TEXT];
	struct seed_public_key key;
	struct seed_error err = { 0 };

	memcpy(text, data, size);
	text[size] = '\0';
	if (seed_public_key_parse(&key, text, &err) == 0) {
		if (strcmp(seed_public_key_text(&key, again), text) != 0)
			abort();
	} else if (err.kind != SEED_ERR_FORMAT) {
		abort();
	}
	free(text);
	return 0;
}
