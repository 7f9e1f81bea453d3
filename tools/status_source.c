// SPDX-License-Identifier: LGPL-2.1-or-later
#include "status_source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "doc/json.h"
#include "manifest/lineage.h"
#include "vmdef/vmdef.h"

#define VM_FILE_MAX (256u << 10)
#define VMS_MAX 1000000u

struct walk {
	int home;
	int (*visit)(const struct status_source *source, const struct seed_error *why, void *arg,
		     struct seed_error *err);
	void *arg;
};

/* @source's name is borrowed from @doc. */
static int take_members(struct status_source *source, struct seed_json_reader *r)
{
	struct seed_lineage lineage;
	struct seed_id uuid;

	if (strcmp(seed_json_take_text(r, "schema", 64), "vmseed-source-vm") != 0)
		seed_json_refuse(r, "schema", "not a VM that is exported here");
	if (seed_json_take_uint(r, "schema_version", UINT32_MAX) != 1)
		seed_json_refuse(r, "schema_version", "not a version that is understood here");
	seed_json_take_uuid(r, "uuid", &uuid);
	source->name = seed_json_take_text(r, "name", SEED_VM_NAME_MAX);
	seed_lineage_take(r, "lineage", &lineage);
	source->generation = seed_json_take_uint(r, "generation", SEED_GENERATION_MAX);
	source->updated = (int64_t)seed_json_take_uint(r, "updated", SEED_JSON_INT_MAX);
	if (!r->failed && !seed_id_equal(&uuid, &source->uuid))
		seed_json_refuse(r, "uuid", "of another VM than its folder");
	return seed_json_done(r);
}

static int read_one(struct status_source *source, struct seed_json **doc, int home,
		    const char *path, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	struct seed_json_reader r;
	size_t len;

	if (seed_file_read(home, path, VM_FILE_MAX, &text, &len, err) < 0)
		return -1;
	if (seed_json_parse(doc, text, len, err) < 0)
		return seed_error_prefix(err, "%s", path);
	seed_json_begin(&r, *doc, "", err);
	if (take_members(source, &r) < 0)
		return seed_error_prefix(err, "%s", path);
	return 0;
}

static int visit_name(const char *name, void *arg, struct seed_error *err)
{
	const struct walk *walk = arg;
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct status_source source = { 0 };
	struct seed_error why = { 0 };
	char path[sizeof("vms//vm.json") + SEED_UUID_TEXT], uuid[SEED_UUID_TEXT];

	if (seed_uuid_parse(&source.uuid, name, NULL) < 0 ||
	    strcmp(seed_uuid_text(&source.uuid, uuid), name) != 0)
		return 0;
	snprintf(path, sizeof(path), "vms/%s/vm.json", uuid);
	if (read_one(&source, &doc, walk->home, path, &why) == 0)
		return walk->visit(&source, NULL, walk->arg, err);
	if (why.kind == SEED_ERR_NOTFOUND)	/* its first export ended before it began */
		return 0;
	return walk->visit(NULL, &why, walk->arg, err);
}

int status_source_each(int home,
		       int (*visit)(const struct status_source *source,
				    const struct seed_error *why, void *arg,
				    struct seed_error *err),
		       void *arg, struct seed_error *err)
{
	struct walk walk = { .home = home, .visit = visit, .arg = arg };

	if (!seed_path_exists(home, "vms"))
		return 0;
	return seed_path_each(home, "vms", VMS_MAX, visit_name, &walk, err);
}
