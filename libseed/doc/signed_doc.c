// SPDX-License-Identifier: LGPL-2.1-or-later
#include "doc/signed_doc.h"

#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "doc/doc_internal.h"

#define VERSION 1

static const char *const names[SEED_DOC_TYPES] = {
	[SEED_DOC_CARD] = "card",
	[SEED_DOC_MEDIUM] = "medium",
	[SEED_DOC_VOLUME] = "volume",
	[SEED_DOC_COMMIT] = "commit",
	[SEED_DOC_SET] = "set",
	[SEED_DOC_MANIFEST] = "manifest",
	[SEED_DOC_OFFER] = "offer",
	[SEED_DOC_RECEIPT] = "receipt",
	[SEED_DOC_CUSTODY] = "custody",
	[SEED_DOC_HISTORY] = "history",
	[SEED_DOC_HELLO] = "hello",
};

const char *seed_doc_type_name(enum seed_doc_type type)
{
	return names[type];
}

struct seed_json *seed_doc_new(enum seed_doc_type type, const struct seed_public_key *key)
{
	struct seed_json *doc = seed_json_new_object();
	char text[SEED_PUBLIC_KEY_TEXT];

	seed_json_set_text(doc, "type", names[type]);
	seed_json_set_uint(doc, "version", VERSION);
	seed_json_set_text(doc, "key", seed_public_key_text(key, text));
	return doc;
}

/* The head of @object is that of seed_doc_new(): the key signs nothing else, by mistake neither. */
static bool has_head(const struct seed_json *object, enum seed_doc_type type,
		     const struct seed_public_key *key)
{
	const json_t *doc = seed_json_in(object);
	const char *name = json_string_value(json_object_get(doc, "type"));
	const char *named = json_string_value(json_object_get(doc, "key"));
	char own[SEED_PUBLIC_KEY_TEXT];

	return name && named && strcmp(name, names[type]) == 0 &&
	       strcmp(named, seed_public_key_text(key, own)) == 0 &&
	       json_integer_value(json_object_get(doc, "version")) == VERSION;
}

int seed_doc_sign(const struct seed_json *object, const struct seed_signing_key *key,
		  enum seed_doc_type type, char **text, size_t *len,
		  char signature[SEED_SIGNATURE_MAX], struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *bytes = NULL;
	char comment[32] = "vmseed ";
	size_t size;

	strcat(comment, names[type]);
	if (seed_json_dump(object, 1, &bytes, &size, err) < 0)
		return -1;
	if (!has_head(object, type, seed_signing_key_public(key)))
		return seed_error_set(err, SEED_ERR_USAGE, "only a %s of this key can be signed",
				      names[type]);
	if (seed_sign(key, bytes, size, comment, signature, err) < 0)
		return -1;
	*text = seed_steal(&bytes);
	*len = size;
	return 0;
}

/* The three members that every document has. The type comes first: what a document of another
 * type has, nobody here knows. */
static int take_head(struct seed_json_reader *r, enum seed_doc_type type,
		     const struct seed_public_key *key)
{
	const char *name = seed_json_take_text(r, "type", 32);
	uint64_t version;
	char own[SEED_PUBLIC_KEY_TEXT];
	const char *named;

	if (!r->failed && strcmp(name, names[type]) != 0) {
		char quoted[SEED_QUOTED];

		seed_json_refuse(r, "type", "%s, not \"%s\"",
				 seed_quote(name, quoted, sizeof(quoted)), names[type]);
	}
	version = seed_json_take_uint(r, "version", SEED_JSON_INT_MAX);
	if (!r->failed && version != VERSION)
		seed_json_refuse(r, "version", "%" PRIu64 ", and only %d is known here", version,
				 VERSION);
	named = seed_json_take_text(r, "key", SEED_PUBLIC_KEY_TEXT - 1);
	if (r->failed)
		return -1;
	if (strcmp(named, seed_public_key_text(key, own)) != 0) {
		r->failed = true;
		return seed_error_set(r->err, SEED_ERR_TRUST,
				      "names another key than the one that signed it");
	}
	return 0;
}

int seed_doc_parse(struct seed_json **out, struct seed_json_reader *r, enum seed_doc_type type,
		   const char *text, size_t len, const struct seed_public_key *key,
		   struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_json_reader reader;

	if (seed_json_parse(&doc, text, len, err) < 0)
		return -1;
	seed_json_begin(&reader, doc, "", err);
	if (take_head(&reader, type, key) < 0)
		return -1;
	if (r)
		*r = reader;
	*out = seed_steal(&doc);
	return 0;
}

int seed_doc_open(struct seed_json **out, struct seed_json_reader *r, enum seed_doc_type type,
		  const char *text, size_t len, const char *signature, size_t signature_len,
		  const struct seed_public_key *key, struct seed_error *err)
{
	if (seed_sign_verify(key, text, len, signature, signature_len, err) < 0)
		return -1;
	return seed_doc_parse(out, r, type, text, len, key, err);
}
