// SPDX-License-Identifier: LGPL-2.1-or-later
/* A set document behind its signature: read or refused, and what is read keeps its orders. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "media/media_internal.h"
#include "media/medium_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct seed_set_doc *doc)
{
	const struct seed_set_member *carrier = seed_set_doc_member(doc, doc->volume);

	assert(doc->number > 0 && doc->number <= SEED_MEDIA_NUMBER_MAX);
	assert(doc->members.count <= SEED_SET_VOLUMES_MAX);
	assert(carrier && !carrier->has_digest && carrier->commit == doc->number);
	for (size_t i = 0; i < doc->members.count; i++) {
		const struct seed_set_member *m = seed_vec_at(&doc->members, i);

		assert(m->volume > 0 && m->commit > 0 && seed_label_valid(m->label));
		assert(i == 0 || ((struct seed_set_member *)seed_vec_at(&doc->members, i - 1))->volume <
				 m->volume);
		assert(m->has_digest == (m != carrier));
		assert(seed_set_doc_member(doc, m->volume) == m);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SEED_AUTO(seed_json_freep) struct seed_json *parsed = NULL;
	SEED_AUTO(seed_set_doc_clear) struct seed_set_doc doc = { 0 };
	struct seed_error err = { 0 };
	struct seed_json_reader r;

	if (seed_json_parse(&parsed, (const char *)data, size, &err) < 0)
		return 0;
	seed_json_begin(&r, parsed, "", &err);
	/* As behind type, version and key, where a sample has them. */
	if (seed_json_has(&r, "type")) {
		seed_json_take_text(&r, "type", 32);
		seed_json_take_uint(&r, "version", SEED_JSON_INT_MAX);
		seed_json_take_text(&r, "key", SEED_PUBLIC_KEY_TEXT);
	}
	if (seed_set_doc_take(&doc, &r, &err) == 0)
		check(&doc);
	else
		assert(err.kind != SEED_ERR_NONE && err.text[0] && !strchr(err.text, '\n'));
	return 0;
}
