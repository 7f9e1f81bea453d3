// SPDX-License-Identifier: LGPL-2.1-or-later
/* A manifest by a hostile signer: read or refused without its signature, and what is read is
 * consistent; and the same bytes as a bundle that comes apart within its bounds. */
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "manifest/manifest_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void unbundle(const char *bundle, size_t size)
{
	const char *text, *signature;
	size_t len, signature_len;

	if (seed_manifest_unbundle(bundle, size, &text, &len, &signature, &signature_len, NULL) == 0 &&
	    (text != bundle + 4 || text + len != signature ||
	     signature + signature_len != bundle + size))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_error err = { 0 };
	struct seed_json_reader r;
	struct seed_manifest m;

	unbundle((const char *)data, size);
	if (seed_json_parse(&doc, (const char *)data, size, &err) < 0)
		return 0;
	seed_json_begin(&r, doc, "", &err);
	if (seed_json_has(&r, "type"))
		seed_json_take_text(&r, "type", 64);
	if (seed_json_has(&r, "version"))
		seed_json_take_uint(&r, "version", 1);
	if (seed_json_has(&r, "key"))
		seed_json_take_text(&r, "key", 64);
	seed_manifest_init(&m);
	if (seed_manifest_take_members(&m, &r) == 0) {
		if (seed_manifest_check(&m, &err) < 0)
			abort();
	} else if (err.kind == SEED_ERR_NONE || !err.text[0]) {
		abort();
	}
	seed_manifest_clear(&m);
	return 0;
}
