// SPDX-License-Identifier: LGPL-2.1-or-later
/* Reading. Values are jansson's; json_write.c makes and frees them. */
#include "doc/json.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "doc/doc_internal.h"

/* ---- parsing ---- */

/* jansson counts depth too, but lets it grow to 2048 frames of its recursion. Brackets are
 * counted only outside strings; what is no JSON at all, jansson finds. */
static bool too_deep(const char *data, size_t len)
{
	unsigned int depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		if (in_string) {
			if (data[i] == '\\')
				i++;
			else if (data[i] == '"')
				in_string = false;
		} else if (data[i] == '"') {
			in_string = true;
		} else if (data[i] == '{' || data[i] == '[') {
			if (++depth > SEED_JSON_DEPTH)
				return true;
		} else if ((data[i] == '}' || data[i] == ']') && depth > 0) {
			depth--;
		}
	}
	return false;
}

int seed_json_parse(struct seed_json **out, const char *data, size_t len, struct seed_error *err)
{
	json_error_t why = { .text = "" };
	json_t *doc;

	if (len > SEED_JSON_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "JSON document is too long");
	if (too_deep(data, len))
		return seed_error_set(err, SEED_ERR_FORMAT, "not JSON of ours: nested over %d deep",
				      SEED_JSON_DEPTH);
	doc = json_loadb(len ? data : "", len, JSON_REJECT_DUPLICATES, &why);
	/* Mostly so; but out of memory within a text, jansson says that it is bad. */
	if (!doc && !why.text[0])
		return seed_error_sys(err, ENOMEM, "JSON");
	if (!doc)
		return seed_error_set(err, SEED_ERR_FORMAT, "not JSON of ours: line %d: %s",
				      why.line, why.text);
	if (!json_is_object(doc)) {
		json_decref(doc);
		return seed_error_set(err, SEED_ERR_FORMAT, "not a JSON object");
	}
	*out = seed_json_out(doc);
	return 0;
}

/* ---- taking members ---- */

/* Fails the reader; the first complaint stands. */
void seed_json_refuse(struct seed_json_reader *r, const char *key, const char *fmt, ...)
{
	char text[256];
	va_list args;

	if (r->failed)
		return;
	r->failed = true;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	seed_error_set(r->err, SEED_ERR_FORMAT, "%s%s%s%s%s", r->path,
		       r->path[0] && key ? "." : "", key ? key : "",
		       r->path[0] || key ? ": " : "", text);
}

void seed_json_begin(struct seed_json_reader *r, const struct seed_json *object, const char *path,
		     struct seed_error *err)
{
	*r = (struct seed_json_reader){ .object = object, .err = err };
	snprintf(r->path, sizeof(r->path), "%s", path);
	if (!object && err && err->kind != SEED_ERR_NONE)
		r->failed = true;	/* and why has been said */
	else if (!json_is_object(seed_json_in(object)))
		seed_json_refuse(r, NULL, "not an object");
	else if (json_object_size(seed_json_in(object)) > SEED_JSON_MEMBERS)
		seed_json_refuse(r, NULL, "too many members");
}

static json_t *object_of(const struct seed_json_reader *r)
{
	return (json_t *)(uintptr_t)r->object;	/* jansson's iterators are not const */
}

/* The bit of a member that is there. */
static uint64_t member_bit(const struct seed_json_reader *r, const char *key)
{
	json_t *object = object_of(r);
	unsigned int index = 0;

	for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i), index++)
		if (strcmp(json_object_iter_key(i), key) == 0)
			break;
	return (uint64_t)1 << index;
}

/* The member, now taken, or NULL with the reader failed. */
static const json_t *take(struct seed_json_reader *r, const char *key)
{
	const json_t *value = r->failed ? NULL : json_object_get(object_of(r), key);
	uint64_t bit;

	if (!value) {
		seed_json_refuse(r, key, "missing");
		return NULL;
	}
	bit = member_bit(r, key);
	assert(!(r->taken & bit));
	r->taken |= bit;
	return value;
}

bool seed_json_has(struct seed_json_reader *r, const char *key)
{
	const json_t *value = r->failed ? NULL : json_object_get(object_of(r), key);

	if (json_is_null(value))
		r->taken |= member_bit(r, key);
	return value && !json_is_null(value);
}

const char *seed_json_take_text(struct seed_json_reader *r, const char *key, size_t max)
{
	const json_t *value = take(r, key);
	const char *text = seed_json_text((const struct seed_json *)(const void *)value);

	if (!value)
		return "";
	if (!text)
		seed_json_refuse(r, key, "not a text");
	else if (json_string_length(value) > max)
		seed_json_refuse(r, key, "longer than %zu bytes", max);
	return r->failed ? "" : text;
}

uint64_t seed_json_take_uint(struct seed_json_reader *r, const char *key, uint64_t max)
{
	const json_t *value = take(r, key);
	uint64_t number = 0;

	if (!value)
		return 0;
	if (!seed_json_uint((const struct seed_json *)(const void *)value, &number))
		seed_json_refuse(r, key, "not a whole number");
	else if (number > max)
		seed_json_refuse(r, key, "larger than %" PRIu64, max);
	return r->failed ? 0 : number;
}

bool seed_json_take_bool(struct seed_json_reader *r, const char *key)
{
	const json_t *value = take(r, key);

	if (value && !json_is_boolean(value))
		seed_json_refuse(r, key, "neither true nor false");
	return !r->failed && json_is_true(value);
}

void seed_json_take_id(struct seed_json_reader *r, const char *key, struct seed_id *out)
{
	const char *text = seed_json_take_text(r, key, SEED_ID_TEXT - 1);

	memset(out, 0, sizeof(*out));
	if (!r->failed && seed_id_parse(out, text, NULL) < 0)
		seed_json_refuse(r, key, "not an id");
}

void seed_json_take_uuid(struct seed_json_reader *r, const char *key, struct seed_id *out)
{
	const char *text = seed_json_take_text(r, key, SEED_UUID_TEXT - 1);

	memset(out, 0, sizeof(*out));
	if (!r->failed && seed_uuid_parse(out, text, NULL) < 0)
		seed_json_refuse(r, key, "not a UUID");
}

void seed_json_take_digest(struct seed_json_reader *r, const char *key, struct seed_digest *out)
{
	const char *text = seed_json_take_text(r, key, SEED_DIGEST_TEXT - 1);

	memset(out, 0, sizeof(*out));
	if (!r->failed && seed_digest_parse(out, text, NULL) < 0)
		seed_json_refuse(r, key, "not a SHA-256");
}

void seed_json_take_base64(struct seed_json_reader *r, const char *key, void *out, size_t len)
{
	const char *text = seed_json_take_text(r, key, 4 * ((len + 2) / 3));

	memset(out, 0, len);
	if (!r->failed && seed_base64_parse(out, len, text, NULL) < 0)
		seed_json_refuse(r, key, "not %zu bytes in base64", len);
}

const struct seed_json *seed_json_take_object(struct seed_json_reader *r, const char *key)
{
	const json_t *value = take(r, key);

	if (value && !json_is_object(value))
		seed_json_refuse(r, key, "not an object");
	return r->failed ? NULL : (const struct seed_json *)(const void *)value;
}

const struct seed_json *seed_json_take_array(struct seed_json_reader *r, const char *key,
					     size_t max)
{
	const json_t *value = take(r, key);

	if (value && !json_is_array(value))
		seed_json_refuse(r, key, "not an array");
	else if (value && json_array_size(value) > max)
		seed_json_refuse(r, key, "more than %zu elements", max);
	return r->failed ? NULL : (const struct seed_json *)(const void *)value;
}

int seed_json_done(struct seed_json_reader *r)
{
	json_t *object = object_of(r);
	unsigned int index = 0;

	if (r->failed)
		return -1;
	for (void *i = json_object_iter(object); i; i = json_object_iter_next(object, i), index++) {
		char key[SEED_QUOTED];

		if (r->taken & (uint64_t)1 << index)
			continue;
		seed_json_refuse(r, NULL, "unknown key %s",
				 seed_quote(json_object_iter_key(i), key, sizeof(key)));
		return -1;
	}
	return 0;
}

/* ---- elements ---- */

size_t seed_json_count(const struct seed_json *array)
{
	return json_array_size(seed_json_in(array));	/* 0 of anything else */
}

const struct seed_json *seed_json_at(const struct seed_json *array, size_t index)
{
	return seed_json_out(json_array_get(seed_json_in(array), index));
}

bool seed_json_uint(const struct seed_json *value, uint64_t *out)
{
	json_int_t number = json_integer_value(seed_json_in(value));

	if (!json_is_integer(seed_json_in(value)) || number < 0 ||
	    (uint64_t)number >= SEED_JSON_INT_MAX)
		return false;
	*out = (uint64_t)number;
	return true;
}

const char *seed_json_text(const struct seed_json *value)
{
	const json_t *text = seed_json_in(value);
	const char *bytes = json_string_value(text);

	return bytes && strlen(bytes) == json_string_length(text) ? bytes : NULL;
}

bool seed_json_is_object(const struct seed_json *value)
{
	return json_is_object(seed_json_in(value));
}
