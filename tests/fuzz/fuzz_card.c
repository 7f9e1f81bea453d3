// SPDX-License-Identifier: LGPL-2.1-or-later
/* Cards: as they come, and with a good signature put behind whatever they say. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "signing.h"
#include "trust/card.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_card(const char *text, size_t len)
{
	struct seed_card card;
	struct seed_error err = { 0 };
	char fingerprint[SEED_FINGERPRINT_TEXT];

	if (seed_card_read(&card, text, len, &err) < 0) {
		assert(err.kind != SEED_ERR_NONE && !strchr(err.text, '\n'));
		return;
	}
	assert(seed_site_name_valid(card.name));
	assert(seed_fingerprint_matches(&card, seed_fingerprint(&card, fingerprint)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SEED_AUTO(seed_freep) char *text = malloc(size + SEED_SIGNATURE_MAX);

	if (!text)
		return 0;
	read_card((const char *)data, size);
	memcpy(text, data, size);
	fuzz_sign(data, size, text + size);
	read_card(text, size + strlen(text + size));
	return 0;
}
