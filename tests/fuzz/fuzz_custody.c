// SPDX-License-Identifier: LGPL-2.1-or-later
/* A custody entry by a hostile signer: read or refused without its signature; what is read is
 * bounded, prints on one line, and can be signed and read again. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "media/custody_internal.h"
#include "signing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct seed_custody *entry)
{
	SEED_AUTO(seed_custody_clear) struct seed_custody again = { 0 };
	SEED_AUTO(seed_freep) char *text = NULL;
	char signature[SEED_SIGNATURE_MAX];
	struct seed_error err = { 0 };
	size_t len;

	assert(entry->number > 0 && entry->volume > 0);
	assert(entry->seeds.count <= SEED_CUSTODY_SEEDS_MAX &&
	       entry->seeds.count <= entry->seed_count);
	assert(seed_site_name_valid(entry->site_name));
	assert(seed_custody_action_name(entry->action) && seed_custody_verdict_name(entry->verdict));
	for (const char *c = entry->tool; *c; c++)
		assert(*c >= 0x20 && *c <= 0x7e);
	assert(seed_custody_sign(entry, fuzz_key(), &text, &len, signature, &err) == 0);
	assert(len <= SEED_CUSTODY_MAX);
	assert(seed_custody_open(&again, text, len, signature, strlen(signature),
				 seed_signing_key_public(fuzz_key()), &err) == 0);
	assert(again.seeds.count == entry->seeds.count && again.number == entry->number);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	SEED_AUTO(seed_custody_clear) struct seed_custody entry = { 0 };
	struct seed_error err = { 0 };
	struct seed_json_reader r;

	if (seed_json_parse(&doc, (const char *)data, size, &err) < 0)
		return 0;
	seed_json_begin(&r, doc, "", &err);
	/* As behind type, version and key, where a sample has them. */
	if (seed_json_has(&r, "type")) {
		seed_json_take_text(&r, "type", 32);
		seed_json_take_uint(&r, "version", SEED_JSON_INT_MAX);
		seed_json_take_text(&r, "key", SEED_PUBLIC_KEY_TEXT);
	}
	if (seed_custody_take(&entry, &r) == 0)
		check(&entry);
	else
		assert(err.kind != SEED_ERR_NONE && err.text[0] && !strchr(err.text, '\n'));
	return 0;
}
