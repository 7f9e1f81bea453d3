// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * JSON: what is accepted survives being written and read once more, and a reader may ask it for
 * anything. The members that are asked for stand in the first bytes of the corpus's documents.
 */
#include <stdlib.h>
#include <string.h>

#include "doc/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_all(const struct seed_json *doc)
{
	struct seed_error err = { 0 };
	struct seed_json_reader r, inner;
	const struct seed_json *array;
	struct seed_digest digest;
	struct seed_id id;
	uint64_t number;
	uint8_t bytes[5];

	seed_json_begin(&r, doc, "doc", &err);
	if (seed_json_has(&r, "t") && strlen(seed_json_take_text(&r, "t", 10)) > 10)
		abort();
	if (seed_json_has(&r, "u") && seed_json_take_uint(&r, "u", 1000) > 1000)
		abort();
	if (seed_json_has(&r, "b"))
		seed_json_take_bool(&r, "b");
	if (seed_json_has(&r, "i"))
		seed_json_take_id(&r, "i", &id);
	if (seed_json_has(&r, "v"))
		seed_json_take_uuid(&r, "v", &id);
	if (seed_json_has(&r, "d"))
		seed_json_take_digest(&r, "d", &digest);
	if (seed_json_has(&r, "6"))
		seed_json_take_base64(&r, "6", bytes, sizeof(bytes));
	if (seed_json_has(&r, "a")) {
		array = seed_json_take_array(&r, "a", 5);
		if (seed_json_count(array) > 5)
			abort();
		for (size_t i = 0; i < seed_json_count(array); i++)
			if (seed_json_uint(seed_json_at(array, i), &number) &&
			    number >= SEED_JSON_INT_MAX)
				abort();
	}
	if (seed_json_has(&r, "o")) {
		seed_json_begin(&inner, seed_json_take_object(&r, "o"), "o", &err);
		seed_json_take_uint(&inner, "u", 9);
		seed_json_done(&inner);
	}
	if (seed_json_done(&r) < 0 && (err.kind != SEED_ERR_FORMAT || !err.text[0]))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seed_json *doc = NULL, *again = NULL;
	char *text = NULL, *second = NULL;
	struct seed_error err = { 0 };
	size_t len, second_len;

	if (seed_json_parse(&doc, (const char *)data, size, &err) < 0)
		return 0;
	take_all(doc);
	if (seed_json_dump(doc, size % 3, &text, &len, &err) < 0 ||
	    seed_json_parse(&again, text, len, &err) < 0 ||
	    seed_json_dump(again, size % 3, &second, &second_len, &err) < 0 ||
	    len != second_len || memcmp(text, second, len) != 0)
		abort();
	free(text);
	free(second);
	seed_json_free(doc);
	seed_json_free(again);
	return 0;
}
