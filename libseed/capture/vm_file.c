/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See vm_file.h. */
#include "capture/vm_file.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "doc/home_doc.h"
#include "vmdef/vmdef.h"

#define VM_FILE "vm.json"
#define VM_FILE_MAX (256u << 10)	/* bytes: 64 timelines take 20 KiB */
#define VM_SCHEMA "vmseed-source-vm"
#define VMS_MAX 1000000u

void seed_vm_file_clear(struct seed_vm_file *file)
{
	free(file->name);
	free(file->definition);
	file->name = file->definition = NULL;
}

int seed_vm_file_write(int dir, struct seed_vm_file *file, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = seed_home_doc_new(VM_SCHEMA);

	file->updated = seed_clock_wall();
	seed_json_set_uuid(doc, "uuid", &file->uuid);
	seed_json_set_text(doc, "name", file->name);
	seed_json_set(doc, "lineage", seed_lineage_to_json(&file->lineage));
	seed_json_set_uint(doc, "generation", file->generation);
	seed_json_set_uint(doc, "updated", (uint64_t)file->updated);
	if (file->definition)
		seed_json_set_text(doc, "definition", file->definition);
	if (file->has_origin)
		seed_json_set_id(doc, "origin", &file->origin);
	if (file->handed_over)
		seed_json_set_bool(doc, "handed_over", true);
	if (file->final)
		seed_json_set_bool(doc, "final", true);
	return seed_home_doc_replace(dir, VM_FILE, doc, err);
}

/* What seed_vmdef_read() can make something of, wherever it is run. */
static bool names_definition(const char *text)
{
	return *text == '/' || (*text && strchr(text + 1, '='));
}

/* Members that are there only where they say something: earlier versions did not write them. */
static const char *take_optional(struct seed_vm_file *file, struct seed_json_reader *r)
{
	const char *definition = NULL;

	if (seed_json_has(r, "definition")) {
		definition = seed_json_take_text(r, "definition", SEED_VM_DEFINITION_MAX);
		if (!r->failed && !names_definition(definition))
			seed_json_refuse(r, "definition", "neither an absolute path nor NAME=DISK");
	}
	file->has_origin = seed_json_has(r, "origin");
	if (file->has_origin)
		seed_json_take_id(r, "origin", &file->origin);
	if (seed_json_has(r, "handed_over"))
		file->handed_over = seed_json_take_bool(r, "handed_over");
	if (seed_json_has(r, "final"))
		file->final = seed_json_take_bool(r, "final");
	return definition;
}

static int take_members(struct seed_vm_file *file, const struct seed_id *uuid,
			struct seed_json_reader *r)
{
	const char *name, *definition;

	seed_json_take_uuid(r, "uuid", &file->uuid);
	name = seed_json_take_text(r, "name", SEED_VM_NAME_MAX);
	seed_lineage_take(r, "lineage", &file->lineage);
	file->generation = seed_json_take_uint(r, "generation", SEED_GENERATION_MAX);
	file->updated = (int64_t)seed_json_take_uint(r, "updated", SEED_JSON_INT_MAX);
	definition = take_optional(file, r);
	if (seed_json_done(r) < 0)
		return -1;
	if (!seed_id_equal(uuid, &file->uuid))
		return seed_error_set(r->err, SEED_ERR_FORMAT, "uuid: of another VM");
	if (file->generation < seed_lineage_base(&file->lineage))
		return seed_error_set(r->err, SEED_ERR_FORMAT, "generation: before the last fork");
	file->name = strdup(name);
	file->definition = definition ? strdup(definition) : NULL;
	return file->name && (!definition || file->definition) ? 0 :
		       seed_error_sys(r->err, ENOMEM, "VM");
}

int seed_vm_file_read(struct seed_vm_file *out, int dir, const struct seed_id *uuid,
		      struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_vm_file file = { 0 };
	struct seed_json_reader r;

	if (seed_home_doc_read(&doc, &r, dir, VM_FILE, VM_FILE_MAX, VM_SCHEMA, err) < 0)
		return -1;
	if (take_members(&file, uuid, &r) < 0) {
		seed_vm_file_clear(&file);
		return seed_error_prefix(err, VM_FILE);
	}
	*out = file;
	return 0;
}

/* ---- all of them ---- */

struct walk {
	int vms;
	int (*visit)(const struct seed_vm_file *file, const struct seed_error *why, void *arg,
		     struct seed_error *err);
	void *arg;
};

static int visit_name(const char *name, void *arg, struct seed_error *err)
{
	const struct walk *walk = arg;
	SEED_AUTO(seed_fd_closep) int dir = -1;
	struct seed_vm_file file = { 0 };
	struct seed_error why = { 0 };
	char text[SEED_UUID_TEXT];
	struct seed_id uuid;
	int rc;

	if (seed_uuid_parse(&uuid, name, NULL) < 0 ||
	    strcmp(seed_uuid_text(&uuid, text), name) != 0)
		return 0;
	if (seed_path_open_folder_at(&dir, walk->vms, name, &why) == 0 &&
	    seed_vm_file_read(&file, dir, &uuid, &why) == 0) {
		rc = walk->visit(&file, NULL, walk->arg, err);
		seed_vm_file_clear(&file);
		return rc;
	}
	if (why.kind == SEED_ERR_NOTFOUND)
		return 0;
	seed_error_prefix(&why, "vms/%s", name);
	return walk->visit(NULL, &why, walk->arg, err);
}

int seed_vm_file_each(int home,
		      int (*visit)(const struct seed_vm_file *file, const struct seed_error *why,
				   void *arg, struct seed_error *err),
		      void *arg, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int vms = -1;
	struct walk walk = { .visit = visit, .arg = arg };

	if (!seed_path_exists(home, "vms"))
		return 0;
	if (seed_path_open_folder_at(&vms, home, "vms", err) < 0)
		return -1;
	walk.vms = vms;
	return seed_path_each(vms, ".", VMS_MAX, visit_name, &walk, err);
}
