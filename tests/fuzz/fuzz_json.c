// SPDX-License-Identifier: LGPL-2.1-or-later
/* Documents from anywhere: what is accepted is written out and accepted again, as the same text. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "doc/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_all(const struct seed_json *doc)
{
	struct seed_json_reader r;
	struct seed_error err = { 0 };
	struct seed_digest digest;
	struct seed_id id;
	uint8_t bytes[32];
	const char *text;

	seed_json_begin(&r, doc, "", &err);
	if (seed_json_has(&r, "text") && (text = seed_json_take_text(&r, "text", 16)))
		assert(strlen(text) <= 16);
	if (seed_json_has(&r, "n"))
		assert(seed_json_take_uint(&r, "n", 1000) <= 1000);
	if (seed_json_has(&r, "b"))
		(void)seed_json_take_bool(&r, "b");
	if (seed_json_has(&r, "id"))
		seed_json_take_id(&r, "id", &id);
	if (seed_json_has(&r, "uuid"))
		seed_json_take_uuid(&r, "uuid", &id);
	if (seed_json_has(&r, "digest"))
		seed_json_take_digest(&r, "digest", &digest);
	if (seed_json_has(&r, "base64"))
		seed_json_take_base64(&r, "base64", bytes, sizeof(bytes));
	if (seed_json_has(&r, "list")) {
		const struct seed_json *list = seed_json_take_array(&r, "list", 4);
		uint64_t n;

		for (size_t i = 0; list && i < seed_json_count(list); i++) {
			assert(i < 4);
			(void)seed_json_uint(seed_json_at(list, i), &n);
			(void)seed_json_text(seed_json_at(list, i));
			if (seed_json_is_object(seed_json_at(list, i)))
				take_all(seed_json_at(list, i));
		}
	}
	if (seed_json_done(&r) < 0)
		assert(err.kind != SEED_ERR_NONE && err.text[0] && !strchr(err.text, '\n'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	SEED_AUTO(seed_json_freep) struct seed_json *again = NULL;
	SEED_AUTO(seed_freep) char *text = NULL;
	SEED_AUTO(seed_freep) char *text_again = NULL;
	struct seed_error err = { 0 };
	size_t len, len_again;

	if (seed_json_parse(&doc, (const char *)data, size, &err) < 0) {
		assert(!doc && err.kind != SEED_ERR_NONE && !strchr(err.text, '\n'));
		return 0;
	}
	take_all(doc);
	if (seed_json_dump(doc, 1, &text, &len, &err) < 0)
		return 0;
	assert(seed_json_parse(&again, text, len, &err) == 0);
	assert(seed_json_dump(again, 1, &text_again, &len_again, &err) == 0);
	assert(len == len_again && memcmp(text, text_again, len) == 0);
	return 0;
}
