/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Strict, bounded reading of small JSON documents, and their writing.
 *
 * A document is parsed once (duplicate keys, trailing bytes, invalid UTF-8,
 * NUL, depth over 32 refused). A reader then takes each member of an object
 * by name, once; json_done() refuses members that nobody took ("unknown key"),
 * so that a typo or a newer format is noticed and not ignored. The first error
 * sticks: every later take fails too, so a reader checks once, at its end.
 * The error names the member by its path: "disks[2].size: not a whole number".
 *
 * jansson stays inside this folder: others see struct seed_json only.
 */
#ifndef SEED_DOC_JSON_H
#define SEED_DOC_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/id.h"

#define SEED_JSON_INT_MAX ((uint64_t)1 << 53)	/* integers stay below */
#define SEED_JSON_MAX (64u << 20)		/* bytes of a document */
#define SEED_JSON_DEPTH 32			/* objects and arrays in each other */
#define SEED_JSON_MEMBERS 64			/* of an object that a reader reads */

struct seed_json;	/* a value; opaque */

/* ---- reading ---- */

/* @len bytes, not NUL-terminated; a document that is not one object is SEED_ERR_FORMAT, one over
 * SEED_JSON_MAX is SEED_ERR_RANGE. White space may follow it, nothing else. */
int seed_json_parse(struct seed_json **out, const char *data, size_t len, struct seed_error *err);
void seed_json_free(struct seed_json *doc);
static inline void seed_json_freep(struct seed_json **doc) { seed_json_free(*doc); }

/* A reader over one object. The strings, objects and arrays it yields are borrowed from the
 * document. */
struct seed_json_reader {
	const struct seed_json *object;
	struct seed_error *err;
	bool failed;
	uint64_t taken;		/* a bit for each member, in document order */
	char path[128];		/* of the object, for messages */
};
/* @object NULL (what a failed take gives) makes a reader that has failed, as does a value that is
 * no object: nested readers need no checks of their own. @path "" for the document itself. */
void seed_json_begin(struct seed_json_reader *r, const struct seed_json *object, const char *path,
		     struct seed_error *err);

/* Missing or of another type: the reader fails, and the take gives "", 0, false, zeroes or NULL.
 * Taking one member twice is a bug of the caller. @max counts bytes; a text with NUL is refused.
 * Integers are at most @max and below SEED_JSON_INT_MAX; 1.0 and 1e3 are no integers. */
const char *seed_json_take_text(struct seed_json_reader *r, const char *key, size_t max);
uint64_t seed_json_take_uint(struct seed_json_reader *r, const char *key, uint64_t max);
bool seed_json_take_bool(struct seed_json_reader *r, const char *key);
void seed_json_take_id(struct seed_json_reader *r, const char *key, struct seed_id *out);
void seed_json_take_uuid(struct seed_json_reader *r, const char *key, struct seed_id *out);
void seed_json_take_digest(struct seed_json_reader *r, const char *key, struct seed_digest *out);
void seed_json_take_base64(struct seed_json_reader *r, const char *key, void *out, size_t len);
const struct seed_json *seed_json_take_object(struct seed_json_reader *r, const char *key);
/* At most @max elements. */
const struct seed_json *seed_json_take_array(struct seed_json_reader *r, const char *key,
					     size_t max);
/* True when the member is there and not null; a null member counts as taken. Does not take a
 * value that is there: "if (seed_json_has(...)) take". */
bool seed_json_has(struct seed_json_reader *r, const char *key);

size_t seed_json_count(const struct seed_json *array);	/* NULL: 0 */
const struct seed_json *seed_json_at(const struct seed_json *array, size_t index);
/* An element as unsigned integer, text, object; false when it is of another type. */
bool seed_json_uint(const struct seed_json *value, uint64_t *out);
const char *seed_json_text(const struct seed_json *value);
bool seed_json_is_object(const struct seed_json *value);
/* A reader's own complaint about a member: FORMAT with the path before it; always "fails". */
void seed_json_refuse(struct seed_json_reader *r, const char *key, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* 0 if every take succeeded and no member is left over, else -1 with the error set. */
int seed_json_done(struct seed_json_reader *r);

/* ---- writing: values are built, then dumped once ---- */

/* All return NULL when memory is short, and take NULL in as failure, so that one check at
 * seed_json_dump() is enough. "set" and "append" take @value, which may be filled before or after.
 * Texts are UTF-8: one that is not makes the dump fail, so names from outside are encoded first. */
struct seed_json *seed_json_new_object(void);
struct seed_json *seed_json_new_array(void);
void seed_json_set(struct seed_json *object, const char *key, struct seed_json *value);
void seed_json_set_text(struct seed_json *object, const char *key, const char *text);
void seed_json_set_uint(struct seed_json *object, const char *key, uint64_t value);
void seed_json_set_real(struct seed_json *object, const char *key, double value);
void seed_json_set_bool(struct seed_json *object, const char *key, bool value);
void seed_json_set_null(struct seed_json *object, const char *key);
void seed_json_set_id(struct seed_json *object, const char *key, const struct seed_id *id);
void seed_json_set_uuid(struct seed_json *object, const char *key, const struct seed_id *id);
void seed_json_set_digest(struct seed_json *object, const char *key,
			  const struct seed_digest *digest);
void seed_json_set_base64(struct seed_json *object, const char *key, const void *data, size_t len);
void seed_json_append(struct seed_json *array, struct seed_json *value);
void seed_json_append_uint(struct seed_json *array, uint64_t value);
void seed_json_append_text(struct seed_json *array, const char *text);

/* Members in the order they were set; ASCII only, the rest is escaped. @indent 0: one line without
 * spaces. A newline ends the text. The caller frees *@out. Fails when any earlier step ran out of
 * memory (SYSTEM) or was given a text that is not UTF-8 (FORMAT). */
int seed_json_dump(const struct seed_json *object, int indent, char **out, size_t *len,
		   struct seed_error *err);

#endif
