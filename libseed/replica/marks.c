// SPDX-License-Identifier: LGPL-2.1-or-later
#include "replica/marks.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/path.h"

#define MARK_NAME 96	/* "marks/", two ids, ".chain" */

static char *mark_name(const struct seed_id *site, const struct seed_id *uuid, char *out)
{
	char site_text[SEED_ID_TEXT], uuid_text[SEED_UUID_TEXT];

	snprintf(out, MARK_NAME, "marks/%s-%s.chain", seed_id_text(site, site_text),
		 seed_uuid_text(uuid, uuid_text));
	return out;
}

struct reading {
	const struct seed_id *site, *uuid;
	struct seed_mark mark;
};

/* The last entry is where the mark stands. Whose key signed it does not matter: a mark of a key
 * that is gone, or of somebody else, can only make us stricter. */
static int visit(struct seed_json_reader *entry, const struct seed_public_key *key, void *arg,
		 struct seed_error *err)
{
	struct reading *reading = arg;
	struct seed_mark mark = { .known = true };
	struct seed_id site = { { 0 } }, uuid = { { 0 } };
	const char *event = seed_json_take_text(entry, "event", 32);

	(void)key;
	if (event && strcmp(event, "mark") != 0)
		seed_json_refuse(entry, "event", "not a mark");
	seed_json_take_id(entry, "site", &site);
	seed_json_take_uuid(entry, "uuid", &uuid);
	mark.generation = seed_json_take_uint(entry, "generation", SEED_GENERATION_MAX);
	seed_lineage_take(entry, "lineage", &mark.lineage);
	seed_json_take_digest(entry, "manifest", &mark.manifest);
	if (seed_json_done(entry) < 0)
		return -1;
	if (!seed_id_equal(&site, reading->site) || !seed_id_equal(&uuid, reading->uuid))
		return seed_error_set(err, SEED_ERR_INTEGRITY, "is of another VM than its file");
	reading->mark = mark;
	return 0;
}

int seed_mark_read(struct seed_mark *out, int home, const struct seed_id *site,
		   const struct seed_id *uuid, struct seed_error *err)
{
	struct reading reading = { .site = site, .uuid = uuid };
	char name[MARK_NAME];

	if (seed_chain_each(home, mark_name(site, uuid, name), visit, &reading, err) < 0)
		return -1;
	*out = reading.mark;
	return 0;
}

static int append(int home, const struct seed_manifest *manifest,
		  const struct seed_digest *manifest_text, const struct seed_site *own,
		  struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *fields = seed_json_new_object();
	char name[MARK_NAME];

	seed_json_set_text(fields, "event", "mark");
	seed_json_set_id(fields, "site", &manifest->site);
	seed_json_set_uuid(fields, "uuid", &manifest->uuid);
	seed_json_set_uint(fields, "generation", manifest->generation);
	seed_json_set(fields, "lineage", seed_lineage_to_json(&manifest->lineage));
	seed_json_set_digest(fields, "manifest", manifest_text);
	if (seed_path_make_folder(home, "marks", 0700, err) < 0)
		return -1;
	return seed_chain_append(home, mark_name(&manifest->site, &manifest->uuid, name), fields,
				 own->sign, err);
}

int seed_mark_advance(int home, const struct seed_manifest *manifest,
		      const struct seed_digest *manifest_text, const struct seed_site *own,
		      struct seed_error *err)
{
	struct seed_mark mark = { 0 };

	if (seed_mark_read(&mark, home, &manifest->site, &manifest->uuid, err) < 0)
		return -1;
	if (mark.known) {
		switch (seed_lineage_compare(&mark.lineage, mark.generation, &manifest->lineage,
					     manifest->generation)) {
		case SEED_LINEAGE_SAME:
			if (!seed_digest_equal(&mark.manifest, manifest_text))
				return seed_error_set(err, SEED_ERR_IDENTITY, "generation %ju was "
						      "accepted here with another manifest",
						      (uintmax_t)mark.generation);
			return 0;
		case SEED_LINEAGE_OLDER:
			return 0;
		default:
			break;	/* newer; or another line, which somebody has decided to take */
		}
	}
	return append(home, manifest, manifest_text, own, err);
}
