// SPDX-License-Identifier: LGPL-2.1-or-later
/* Building values and dumping them; declared in json.h. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "doc/doc_internal.h"
#include "doc/json.h"

/*
 * A failed step must be seen at the dump, and memory is then short: there is nowhere to write the
 * failure down but in the value itself. jansson's reference count is a public field, and its
 * two highest bits are never used: they say why the value is broken. They are cleared again before
 * the count is asked to reach zero. (true, false and null are shared and have all bits set;
 * only objects and arrays are ever marked.)
 */
#define BROKEN_MEMORY ((size_t)1 << (8 * sizeof(size_t) - 1))
#define BROKEN_TEXT ((size_t)1 << (8 * sizeof(size_t) - 2))
#define BROKEN (BROKEN_MEMORY | BROKEN_TEXT)

static json_t *inside(const struct seed_json *value)
{
	return (json_t *)(uintptr_t)value;
}

static void mark_broken(json_t *value, size_t why)
{
	if (json_is_object(value) || json_is_array(value))
		value->refcount |= why;
}

/* The marks of @value and all within it, which are cleared if @clear. */
static size_t find_broken(json_t *value, bool clear)
{
	size_t why = 0;

	if (!json_is_object(value) && !json_is_array(value))
		return 0;
	why = value->refcount & BROKEN;
	if (clear)
		value->refcount &= ~BROKEN;
	for (size_t i = 0; i < json_array_size(value); i++)
		why |= find_broken(json_array_get(value, i), clear);
	for (void *i = json_object_iter(value); i; i = json_object_iter_next(value, i))
		why |= find_broken(json_object_iter_value(i), clear);
	return why;
}

void seed_json_free(struct seed_json *doc)
{
	json_t *value = inside(doc);

	if (!value)
		return;
	find_broken(value, true);
	json_decref(value);
}

struct seed_json *seed_json_new_object(void)
{
	return seed_json_out(json_object());
}

struct seed_json *seed_json_new_array(void)
{
	return seed_json_out(json_array());
}

/* ---- members and elements ---- */

/* A value that found no place. A caller may hold an object or array that it means to fill only now:
 * freed, it would be written to; so it is lost, once, in a program that is out of memory. */
static void drop(struct seed_json *value)
{
	if (!json_is_object(inside(value)) && !json_is_array(inside(value)))
		json_decref(inside(value));
}

void seed_json_set(struct seed_json *object, const char *key, struct seed_json *value)
{
	if (!object) {
		drop(value);
		return;
	}
	if (json_object_set(inside(object), key, inside(value)) < 0) {	/* also when it is NULL */
		mark_broken(inside(object), BROKEN_MEMORY);
		drop(value);
		return;
	}
	json_decref(inside(value));	/* the object's reference is the one that stays */
}

void seed_json_append(struct seed_json *array, struct seed_json *value)
{
	if (!array) {
		drop(value);
		return;
	}
	if (json_array_append(inside(array), inside(value)) < 0) {
		mark_broken(inside(array), BROKEN_MEMORY);
		drop(value);
		return;
	}
	json_decref(inside(value));
}

/* A text as a value; @to is marked when it cannot be one. */
static struct seed_json *new_text(struct seed_json *to, const char *text)
{
	json_t *value = json_string(text);

	if (!value && to && !seed_utf8_valid(text, strlen(text)))
		mark_broken(inside(to), BROKEN_TEXT);
	return seed_json_out(value);
}

void seed_json_set_text(struct seed_json *object, const char *key, const char *text)
{
	seed_json_set(object, key, new_text(object, text));
}

void seed_json_set_uint(struct seed_json *object, const char *key, uint64_t value)
{
	assert(value < SEED_JSON_INT_MAX);
	seed_json_set(object, key, seed_json_out(json_integer((json_int_t)value)));
}

void seed_json_set_real(struct seed_json *object, const char *key, double value)
{
	seed_json_set(object, key, seed_json_out(json_real(value)));
}

void seed_json_set_bool(struct seed_json *object, const char *key, bool value)
{
	seed_json_set(object, key, seed_json_out(json_boolean(value)));
}

void seed_json_set_null(struct seed_json *object, const char *key)
{
	seed_json_set(object, key, seed_json_out(json_null()));
}

void seed_json_set_id(struct seed_json *object, const char *key, const struct seed_id *id)
{
	char text[SEED_ID_TEXT];

	seed_json_set_text(object, key, seed_id_text(id, text));
}

void seed_json_set_uuid(struct seed_json *object, const char *key, const struct seed_id *id)
{
	char text[SEED_UUID_TEXT];

	seed_json_set_text(object, key, seed_uuid_text(id, text));
}

void seed_json_set_digest(struct seed_json *object, const char *key,
			  const struct seed_digest *digest)
{
	char text[SEED_DIGEST_TEXT];

	seed_json_set_text(object, key, seed_digest_text(digest, text));
}

void seed_json_set_base64(struct seed_json *object, const char *key, const void *data, size_t len)
{
	SEED_AUTO(seed_freep) char *text = malloc(4 * ((len + 2) / 3) + 1);

	if (text)
		seed_json_set_text(object, key, seed_base64(data, len, text));
	else
		seed_json_set(object, key, NULL);
}

void seed_json_append_uint(struct seed_json *array, uint64_t value)
{
	assert(value < SEED_JSON_INT_MAX);
	seed_json_append(array, seed_json_out(json_integer((json_int_t)value)));
}

void seed_json_append_text(struct seed_json *array, const char *text)
{
	seed_json_append(array, new_text(array, text));
}

int seed_json_merge(struct seed_json *object, const struct seed_json *from,
		    struct seed_error *err)
{
	json_t *source = inside(from);

	if (!object || !source || find_broken(source, false))
		return seed_error_sys(err, ENOMEM, "JSON");
	for (void *i = json_object_iter(source); i; i = json_object_iter_next(source, i)) {
		const char *key = json_object_iter_key(i);

		if (json_object_get(inside(object), key))
			return seed_error_set(err, SEED_ERR_USAGE, "key \"%s\" is taken", key);
		if (json_object_set(inside(object), key, json_object_iter_value(i)) < 0)
			return seed_error_sys(err, ENOMEM, "JSON");
	}
	return 0;
}

/* ---- dumping ---- */

int seed_json_dump(const struct seed_json *object, int indent, char **out, size_t *len,
		   struct seed_error *err)
{
	size_t flags = JSON_ENSURE_ASCII | JSON_REAL_PRECISION(10) |
		       (indent > 0 ? JSON_INDENT((size_t)indent) : JSON_COMPACT);
	size_t broken = object ? find_broken(inside(object), false) : BROKEN_MEMORY;
	SEED_AUTO(seed_freep) char *text = NULL;
	size_t size;

	if (broken & BROKEN_TEXT)
		return seed_error_set(err, SEED_ERR_FORMAT, "a text for JSON is not UTF-8");
	if (broken)
		return seed_error_sys(err, ENOMEM, "JSON");
	size = json_dumpb(seed_json_in(object), NULL, 0, flags);
	text = size > 0 ? malloc(size + 2) : NULL;
	if (!text || json_dumpb(seed_json_in(object), text, size, flags) != size)
		return seed_error_sys(err, ENOMEM, "JSON");
	memcpy(text + size, "\n", 2);
	*len = size + 1;
	*out = seed_steal(&text);
	return 0;
}
