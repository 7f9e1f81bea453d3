/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See home_doc.h. */
#include "doc/home_doc.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"

struct seed_json *seed_home_doc_new(const char *schema)
{
	struct seed_json *doc = seed_json_new_object();

	seed_json_set_text(doc, "schema", schema);
	seed_json_set_uint(doc, "schema_version", 1);
	return doc;
}

int seed_home_doc_replace(int dir, const char *path, const struct seed_json *doc,
			  struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	size_t len;

	if (seed_json_dump(doc, 1, &text, &len, err) < 0)
		return seed_error_prefix(err, "%s", path);
	return seed_file_replace(dir, path, text, len, 0600, err);
}

void seed_home_doc_take(struct seed_json_reader *r, const char *schema)
{
	const char *have = seed_json_take_text(r, "schema", 64);

	if (!r->failed && strcmp(have, schema) != 0)
		seed_json_refuse(r, "schema", "not \"%s\"", schema);
	if (seed_json_take_uint(r, "schema_version", UINT32_MAX) != 1 && !r->failed)
		seed_json_refuse(r, "schema_version", "not a version that is understood here");
}

int seed_home_doc_read(struct seed_json **doc, struct seed_json_reader *r, int dir,
		       const char *path, size_t max, const char *schema, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *parsed = NULL;
	SEED_AUTO(seed_freep) char *text = NULL;
	size_t len;

	if (seed_file_read(dir, path, max, &text, &len, err) < 0)
		return -1;
	if (seed_json_parse(&parsed, text, len, err) < 0)
		return seed_error_prefix(err, "%s", path);
	seed_json_begin(r, parsed, "", err);
	seed_home_doc_take(r, schema);
	if (r->failed)
		return seed_error_prefix(err, "%s", path);
	*doc = seed_steal(&parsed);
	return 0;
}
