// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "doc/json.h"

static struct seed_json *parsed(const char *text)
{
	struct seed_json *doc = NULL;
	struct seed_error err = { 0 };

	assert_ok(seed_json_parse(&doc, text, strlen(text), &err), &err);
	return doc;
}

/* ---- parsing ---- */

static void malformed_documents_are_refused(void **state)
{
	static const char *const texts[] = {
		"", " ", "{", "}", "[]", "1", "\"a\"", "null", "{\"a\":1,}", "{'a':1}", "{a:1}",
		"{\"a\":1} x", "{\"a\":1}{}", "{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}",
		"{\"a\":01}", "{\"a\":+1}", "{\"a\":.5}", "{\"a\":NaN}", "{\"a\":Infinity}",
		"{\"a\":1e999}", "{\"a\":9223372036854775808}", "{\"a\":\"\\u0000\"}",
		"{\"\\u0000\":1}", "{\"a\":\"\xff\"}", "{\"a\":\"\xc0\x80\"}", "{\"a\":\"\xed\xa0\x80\"}",
		"{\"a\":\"\\ud800\"}", "{\"a\":\"\n\"}", "{\"a\":\"\\x\"}", "\xef\xbb\xbf{}",
		"/* c */ {}", "{\"a\":TRUE}", "{\"a\":\"b}",
	};
	struct seed_error err = { 0 };
	struct seed_json *doc = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_fails(seed_json_parse(&doc, texts[i], strlen(texts[i]), &err), &err,
			     SEED_ERR_FORMAT);
	assert_fails(seed_json_parse(&doc, "{}\0", 3, &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_json_parse(&doc, "{\"a\":\"b\0c\"}", 11, &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_json_parse(&doc, NULL, 0, &err), &err, SEED_ERR_FORMAT);
	assert_null(doc);
}

static void white_space_around_is_fine(void **state)
{
	(void)state;
	seed_json_free(parsed(" \n\t{ } \r\n"));
	seed_json_free(NULL);
}

static void a_document_is_not_read_past_its_length(void **state)
{
	struct seed_error err = { 0 };
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	char *exact = malloc(2);

	(void)state;
	memcpy(exact, "{}", 2);
	assert_ok(seed_json_parse(&doc, exact, 2, &err), &err);
	free(exact);
}

/* {"a":{"a":...{}}} with @depth objects in all, of which the innermost is empty. */
static char *nested(unsigned int depth)
{
	char *text = calloc(1, 6 * depth + 3), *p = text;

	for (unsigned int i = 1; i < depth; i++)
		p += sprintf(p, "{\"a\":");
	p += sprintf(p, "{}");
	for (unsigned int i = 1; i < depth; i++)
		*p++ = '}';
	return text;
}

static void depth_is_bounded(void **state)
{
	SEED_AUTO(seed_freep) char *deepest = nested(SEED_JSON_DEPTH);
	SEED_AUTO(seed_freep) char *too_deep = nested(SEED_JSON_DEPTH + 1);
	SEED_AUTO(seed_freep) char *absurd = malloc(1 << 20);
	struct seed_json *doc = NULL;
	struct seed_error err = { 0 };

	(void)state;
	seed_json_free(parsed(deepest));
	assert_fails(seed_json_parse(&doc, too_deep, strlen(too_deep), &err), &err,
		     SEED_ERR_FORMAT);
	memset(absurd, '[', 1 << 20);
	assert_fails(seed_json_parse(&doc, absurd, 1 << 20, &err), &err, SEED_ERR_FORMAT);
	/* brackets within texts do not count, escaped quotes do not end a text */
	seed_json_free(parsed("{\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\":\"\\\"{{{{{{{{{{{{{{{{{{{{{{"
			      "{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{{\\\\\"}"));
}

static void too_long_a_document_is_a_range_error(void **state)
{
	struct seed_json *doc = NULL;
	struct seed_error err = { 0 };

	(void)state;
	assert_fails(seed_json_parse(&doc, "{}", SEED_JSON_MAX + 1u, &err), &err, SEED_ERR_RANGE);
}

/* ---- reading ---- */

#define ID "00112233445566778899aabbccddeeff"
#define UUID "00112233-4455-6677-8899-aabbccddeeff"
#define DIGEST ID ID

static void all_kinds_of_members(void **state)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = parsed(
		"{\"text\":\"\xc3\xa4\",\"number\":9007199254740991,\"yes\":true,\"no\":false,"
		"\"id\":\"" ID "\",\"uuid\":\"" UUID "\",\"digest\":\"" DIGEST "\","
		"\"bytes\":\"AQID\",\"object\":{\"inner\":0},\"array\":[1,\"two\",{}],\"null\":null}");
	struct seed_error err = { 0 };
	struct seed_json_reader r, inner;
	const struct seed_json *array;
	struct seed_id id, uuid;
	struct seed_digest digest;
	uint8_t bytes[3];
	uint64_t number;

	(void)state;
	seed_json_begin(&r, doc, "", &err);
	assert_string_equal(seed_json_take_text(&r, "text", 2), "\xc3\xa4");
	assert_true(seed_json_take_uint(&r, "number", UINT64_MAX) == SEED_JSON_INT_MAX - 1);
	assert_true(seed_json_take_bool(&r, "yes"));
	assert_false(seed_json_take_bool(&r, "no"));
	seed_json_take_id(&r, "id", &id);
	seed_json_take_uuid(&r, "uuid", &uuid);
	assert_true(seed_id_equal(&id, &uuid));
	assert_int_equal(id.bytes[15], 0xff);
	seed_json_take_digest(&r, "digest", &digest);
	assert_memory_equal(digest.bytes + 16, id.bytes, 16);
	seed_json_take_base64(&r, "bytes", bytes, 3);
	assert_memory_equal(bytes, "\1\2\3", 3);
	seed_json_begin(&inner, seed_json_take_object(&r, "object"), "object", &err);
	assert_int_equal(seed_json_take_uint(&inner, "inner", 0), 0);
	assert_ok(seed_json_done(&inner), &err);
	array = seed_json_take_array(&r, "array", 3);
	assert_int_equal(seed_json_count(array), 3);
	assert_true(seed_json_uint(seed_json_at(array, 0), &number) && number == 1);
	assert_string_equal(seed_json_text(seed_json_at(array, 1)), "two");
	assert_true(seed_json_is_object(seed_json_at(array, 2)));
	assert_false(seed_json_is_object(seed_json_at(array, 0)));
	assert_false(seed_json_uint(seed_json_at(array, 1), &number));
	assert_null(seed_json_text(seed_json_at(array, 0)));
	assert_null(seed_json_at(array, 3));
	assert_false(seed_json_has(&r, "null"));
	assert_false(seed_json_has(&r, "null"));
	assert_false(seed_json_has(&r, "absent"));
	assert_ok(seed_json_done(&r), &err);
}

enum kind { TEXT, UINT, BOOL, ID16, UUID16, DIGEST32, BASE64, OBJECT, ARRAY };

/* Take "m" of @json as @kind, with the limit 3: it must fail with @message. */
static void assert_refused(const char *json, enum kind kind, const char *message)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = parsed(json);
	struct seed_error err = { 0 };
	struct seed_json_reader r;
	struct seed_digest digest = { { 1 } };
	struct seed_id id = { { 1 } };
	uint8_t bytes[3] = { 1 };

	seed_json_begin(&r, doc, "disks[2]", &err);
	switch (kind) {
	case TEXT:
		assert_string_equal(seed_json_take_text(&r, "m", 3), "");
		break;
	case UINT:
		assert_int_equal(seed_json_take_uint(&r, "m", 3), 0);
		break;
	case BOOL:
		assert_false(seed_json_take_bool(&r, "m"));
		break;
	case ID16:
		seed_json_take_id(&r, "m", &id);
		assert_int_equal(id.bytes[0], 0);
		break;
	case UUID16:
		seed_json_take_uuid(&r, "m", &id);
		assert_int_equal(id.bytes[0], 0);
		break;
	case DIGEST32:
		seed_json_take_digest(&r, "m", &digest);
		assert_int_equal(digest.bytes[0], 0);
		break;
	case BASE64:
		seed_json_take_base64(&r, "m", bytes, 3);
		assert_int_equal(bytes[0], 0);
		break;
	case OBJECT:
		assert_null(seed_json_take_object(&r, "m"));
		break;
	case ARRAY:
		assert_null(seed_json_take_array(&r, "m", 3));
		break;
	}
	assert_int_equal(seed_json_done(&r), -1);
	assert_int_equal(err.kind, SEED_ERR_FORMAT);
	assert_string_equal(err.text, message);
}

static void what_does_not_fit_is_refused_by_name(void **state)
{
	(void)state;
	assert_refused("{}", TEXT, "disks[2].m: missing");
	assert_refused("{\"m\":1}", TEXT, "disks[2].m: not a text");
	assert_refused("{\"m\":null}", TEXT, "disks[2].m: not a text");
	assert_refused("{\"m\":\"abcd\"}", TEXT, "disks[2].m: longer than 3 bytes");
	assert_refused("{\"m\":\"1\"}", UINT, "disks[2].m: not a whole number");
	assert_refused("{\"m\":1.0}", UINT, "disks[2].m: not a whole number");
	assert_refused("{\"m\":1e0}", UINT, "disks[2].m: not a whole number");
	assert_refused("{\"m\":-1}", UINT, "disks[2].m: not a whole number");
	assert_refused("{\"m\":true}", UINT, "disks[2].m: not a whole number");
	assert_refused("{\"m\":9007199254740992}", UINT, "disks[2].m: not a whole number");
	assert_refused("{\"m\":4}", UINT, "disks[2].m: larger than 3");
	assert_refused("{\"m\":1}", BOOL, "disks[2].m: neither true nor false");
	assert_refused("{\"m\":\"" UUID "\"}", ID16, "disks[2].m: longer than 32 bytes");
	assert_refused("{\"m\":\"00112233445566778899AABBCCDDEEFF\"}", ID16,
		       "disks[2].m: not an id");
	assert_refused("{\"m\":\"" ID "\"}", UUID16, "disks[2].m: not a UUID");
	assert_refused("{\"m\":\"" ID "\"}", DIGEST32, "disks[2].m: not a SHA-256");
	assert_refused("{\"m\":\"AQI=\"}", BASE64, "disks[2].m: not 3 bytes in base64");
	assert_refused("{\"m\":[]}", OBJECT, "disks[2].m: not an object");
	assert_refused("{\"m\":{}}", ARRAY, "disks[2].m: not an array");
	assert_refused("{\"m\":[1,2,3,4]}", ARRAY, "disks[2].m: more than 3 elements");
}

static void an_unknown_key_is_noticed_and_shown_safely(void **state)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc =
		parsed("{\"known\":1,\"un\\u001b[31mknown\":2}");
	struct seed_error err = { 0 };
	struct seed_json_reader r;

	(void)state;
	seed_json_begin(&r, doc, "", &err);
	seed_json_take_uint(&r, "known", 1);
	assert_fails(seed_json_done(&r), &err, SEED_ERR_FORMAT);
	assert_string_equal(err.text, "unknown key \"un%1B[31mknown\"");
}

static void the_first_complaint_stands(void **state)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = parsed("{\"a\":1,\"b\":2}");
	struct seed_error err = { 0 };
	struct seed_json_reader r, inner;

	(void)state;
	seed_json_begin(&r, doc, "", &err);
	seed_json_take_text(&r, "a", 10);
	assert_int_equal(seed_json_take_uint(&r, "b", 10), 0);
	assert_false(seed_json_has(&r, "b"));
	seed_json_refuse(&r, "b", "too late");
	/* a reader within, over what was never found, keeps quiet too */
	seed_json_begin(&inner, seed_json_take_object(&r, "c"), "c", &err);
	assert_int_equal(seed_json_count(seed_json_take_array(&inner, "d", 1)), 0);
	assert_int_equal(seed_json_done(&inner), -1);
	assert_int_equal(seed_json_done(&r), -1);
	assert_string_equal(err.text, "a: not a text");
}

static void a_reader_over_no_object_fails(void **state)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = parsed("{\"a\":[1]}");
	struct seed_error err = { 0 };
	struct seed_json_reader r, inner;

	(void)state;
	seed_json_begin(&r, doc, "", &err);
	seed_json_begin(&inner, seed_json_at(seed_json_take_array(&r, "a", 9), 0), "a[0]", &err);
	assert_int_equal(seed_json_done(&inner), -1);
	assert_int_equal(err.kind, SEED_ERR_FORMAT);
	assert_string_equal(err.text, "a[0]: not an object");
}

static void complaints_of_the_reader_itself(void **state)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = parsed("{\"a\":1}");
	struct seed_error err = { 0 };
	struct seed_json_reader r;

	(void)state;
	seed_json_begin(&r, doc, "disk", &err);
	seed_json_refuse(&r, "size", "%d is no multiple of %d", 5, 2);
	assert_int_equal(seed_json_done(&r), -1);
	assert_string_equal(err.text, "disk.size: 5 is no multiple of 2");
	assert_int_equal(err.kind, SEED_ERR_FORMAT);
}

static void objects_have_a_bounded_number_of_members(void **state)
{
	struct seed_error err = { 0 };

	(void)state;
	for (unsigned int count = SEED_JSON_MEMBERS; count <= SEED_JSON_MEMBERS + 1; count++) {
		SEED_AUTO(seed_json_freep) struct seed_json *doc = seed_json_new_object();
		struct seed_json_reader r;
		char key[8];

		for (unsigned int i = 0; i < count; i++) {
			snprintf(key, sizeof(key), "k%u", i);
			seed_json_set_uint(doc, key, i);
		}
		seed_json_begin(&r, doc, "", &err);
		for (unsigned int i = 0; i < count; i++) {
			snprintf(key, sizeof(key), "k%u", i);
			seed_json_take_uint(&r, key, 100);
		}
		if (count == SEED_JSON_MEMBERS)
			assert_ok(seed_json_done(&r), &err);
		else
			assert_int_equal(seed_json_done(&r), -1);
	}
}

/* ---- writing ---- */

static void members_keep_their_order(void **state)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = seed_json_new_object();
	struct seed_json *array = seed_json_new_array();
	struct seed_digest digest = { { 0xab } };
	struct seed_id id = { { 0x01 } };
	struct seed_error err = { 0 };
	SEED_AUTO(seed_freep) char *text = NULL;
	size_t len;

	(void)state;
	seed_json_set_text(doc, "z", "\xc3\xa4\x1b\"/");
	seed_json_set_uint(doc, "a", SEED_JSON_INT_MAX - 1);
	seed_json_set(doc, "m", array);		/* filled after it was set */
	seed_json_append_uint(array, 0);
	seed_json_append_text(array, "x");
	seed_json_append(array, seed_json_new_object());
	seed_json_set_bool(doc, "t", true);
	seed_json_set_bool(doc, "f", false);
	seed_json_set_null(doc, "n");
	seed_json_set_real(doc, "r", 0.25);
	seed_json_set_id(doc, "id", &id);
	seed_json_set_uuid(doc, "uuid", &id);
	seed_json_set_digest(doc, "digest", &digest);
	seed_json_set_base64(doc, "b", "\1\2\3\4", 4);
	assert_ok(seed_json_dump(doc, 0, &text, &len, &err), &err);
	assert_string_equal(text,
		"{\"z\":\"\\u00E4\\u001B\\\"/\",\"a\":9007199254740991,\"m\":[0,\"x\",{}],\"t\":true,"
		"\"f\":false,\"n\":null,\"r\":0.25,\"id\":\"01000000000000000000000000000000\","
		"\"uuid\":\"01000000-0000-0000-0000-000000000000\",\"digest\":\"ab00000000000000"
		"000000000000000000000000000000000000000000000000\",\"b\":\"AQIDBA==\"}\n");
	assert_int_equal(len, strlen(text));
}

static void indented_text_means_the_same(void **state)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = parsed("{\"a\":[1,2],\"b\":{\"c\":\"d\"}}");
	SEED_AUTO(seed_json_freep) struct seed_json *again = NULL;
	SEED_AUTO(seed_freep) char *indented = NULL;
	SEED_AUTO(seed_freep) char *line = NULL;
	struct seed_error err = { 0 };
	size_t len;

	(void)state;
	assert_ok(seed_json_dump(doc, 2, &indented, &len, &err), &err);
	assert_non_null(strstr(indented, "\n  \"b\""));
	assert_ok(seed_json_parse(&again, indented, len, &err), &err);
	assert_ok(seed_json_dump(again, 0, &line, &len, &err), &err);
	assert_string_equal(line, "{\"a\":[1,2],\"b\":{\"c\":\"d\"}}\n");
}

static void a_failed_step_anywhere_fails_the_dump(void **state)
{
	struct seed_error err = { 0 };
	char *text = NULL;
	size_t len = 7;

	(void)state;
	for (int where = 0; where < 5; where++) {
		SEED_AUTO(seed_json_freep) struct seed_json *doc = seed_json_new_object();
		struct seed_json *array = seed_json_new_array();
		struct seed_json *inner = seed_json_new_object();

		seed_json_set(doc, "array", array);
		seed_json_append(array, inner);
		switch (where) {	/* NULL is what a value is that found no memory */
		case 0:
			seed_json_set(doc, "x", NULL);
			break;
		case 1:
			seed_json_append(array, NULL);
			break;
		case 2:
			seed_json_set(inner, "x", NULL);
			break;
		case 3:
			seed_json_set_text(inner, "x", "\xff");
			break;
		case 4:
			seed_json_append_text(array, "a\xc3");
			break;
		}
		seed_json_set_uint(doc, "later", 1);
		assert_fails(seed_json_dump(doc, 0, &text, &len, &err), &err,
			     where < 3 ? SEED_ERR_SYSTEM : SEED_ERR_FORMAT);
	}
	assert_null(text);
	assert_int_equal(len, 7);
}

static void without_memory_for_the_object_all_steps_are_harmless(void **state)
{
	struct seed_error err = { 0 };
	char *text = NULL;
	size_t len;

	(void)state;
	seed_json_set_uint(NULL, "a", 1);
	seed_json_set_text(NULL, "a", "b");
	seed_json_set(NULL, "a", NULL);
	seed_json_append(NULL, NULL);
	seed_json_append_text(NULL, "\xff");
	assert_fails(seed_json_dump(NULL, 0, &text, &len, &err), &err, SEED_ERR_SYSTEM);
}

/* ---- memory that runs out ---- */

static unsigned int fail_at;	/* the allocation that fails, counted from 1; 0: none does */
static bool fail_after;		/* and all after it */
static unsigned int allocations;
static _Alignas(16) uint8_t arena[1 << 18];	/* memory of one run: what leaks is not missed */
static size_t used;

static void *failing_malloc(size_t size)
{
	size_t *chunk = (size_t *)(void *)(arena + used);

	allocations++;
	if (fail_at && (allocations == fail_at || (fail_after && allocations > fail_at)))
		return NULL;
	used += 16 + (size + 15) / 16 * 16;
	assert_true(used <= sizeof(arena));
	*chunk = size;
	return (uint8_t *)chunk + 16;
}

/* Whoever uses it now will not get far. */
static void spoiling_free(void *p)
{
	if (p)
		memset(p, 0xdd, *(size_t *)(void *)((uint8_t *)p - 16));
}

static int build_and_dump(struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = seed_json_new_object();
	struct seed_json *array = seed_json_new_array(), *inner;
	SEED_AUTO(seed_freep) char *text = NULL;
	size_t len;

	seed_json_set(doc, "array", array);
	for (unsigned int i = 0; i < 20; i++) {
		inner = seed_json_new_object();
		seed_json_set_uint(inner, "number", i);
		seed_json_append(array, inner);
		seed_json_set_text(inner, "text", "filled after it was appended");
	}
	seed_json_set_bool(doc, "end", true);
	return seed_json_dump(doc, 0, &text, &len, err);
}

static int parse_and_free(struct seed_error *err)
{
	static const char text[] = "{\"a\":[1,2.5,\"three\",{\"b\":null}],\"c\":\"\\u00e4\"}";
	struct seed_json *doc = NULL;

	if (seed_json_parse(&doc, text, strlen(text), err) < 0)
		return -1;
	seed_json_free(doc);
	return 0;
}

/* Let each allocation fail in turn, alone and with all after it, until none is left to fail. */
static void fail_every_allocation(int (*work)(struct seed_error *err), bool always_system)
{
	for (int after = 0; after < 2; after++) {
		unsigned int failures = 0;

		fail_after = after;
		for (fail_at = 1;; fail_at++) {
			struct seed_error err = { 0 };
			int result;

			allocations = 0;
			used = 0;
			result = work(&err);
			if (allocations < fail_at)
				break;
			failures++;
			assert_int_equal(result, -1);
			if (always_system || err.kind != SEED_ERR_FORMAT)
				assert_int_equal(err.kind, SEED_ERR_SYSTEM);
		}
		assert_true(failures > 10);
	}
}

static void no_document_goes_out_with_a_member_missing(void **state)
{
	(void)state;
	json_set_alloc_funcs(failing_malloc, spoiling_free);
	fail_every_allocation(build_and_dump, true);
	json_set_alloc_funcs(malloc, free);
}

/* Within a text jansson takes a lack of memory for bad JSON; that it ends well is what counts. */
static void parsing_ends_well_without_memory(void **state)
{
	(void)state;
	json_set_alloc_funcs(failing_malloc, spoiling_free);
	fail_every_allocation(parse_and_free, false);
	json_set_alloc_funcs(malloc, free);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_documents_are_refused),
		cmocka_unit_test(white_space_around_is_fine),
		cmocka_unit_test(a_document_is_not_read_past_its_length),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(too_long_a_document_is_a_range_error),
		cmocka_unit_test(all_kinds_of_members),
		cmocka_unit_test(what_does_not_fit_is_refused_by_name),
		cmocka_unit_test(an_unknown_key_is_noticed_and_shown_safely),
		cmocka_unit_test(the_first_complaint_stands),
		cmocka_unit_test(a_reader_over_no_object_fails),
		cmocka_unit_test(complaints_of_the_reader_itself),
		cmocka_unit_test(objects_have_a_bounded_number_of_members),
		cmocka_unit_test(members_keep_their_order),
		cmocka_unit_test(indented_text_means_the_same),
		cmocka_unit_test(a_failed_step_anywhere_fails_the_dump),
		cmocka_unit_test(without_memory_for_the_object_all_steps_are_harmless),
		cmocka_unit_test(no_document_goes_out_with_a_member_missing),
		cmocka_unit_test(parsing_ends_well_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
