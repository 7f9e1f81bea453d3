// SPDX-License-Identifier: LGPL-2.1-or-later
/* A manifest from JSON. Types, bounds of counts and unknown members are refused here, with
 * the member's path; what must hold between members, manifest_check.c says. */
#include "manifest/manifest_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "block/grid.h"
#include "trust/keyfile.h"
#include "vmdef/vmdef.h"

static void out_of_memory(struct seed_json_reader *r)
{
	if (!r->failed)
		seed_error_sys(r->err, ENOMEM, "manifest");
	r->failed = true;
}

/* A new zeroed element that is cleared with the manifest, filled or not. */
static void *new_element(struct seed_json_reader *r, struct seed_vec *vec, size_t size)
{
	void *element = seed_vec_push(vec, size, NULL);

	if (!element)
		out_of_memory(r);
	return element;
}

static char *take_copy(struct seed_json_reader *r, const char *key, size_t max)
{
	const char *text = seed_json_take_text(r, key, max);
	char *copy = r->failed ? NULL : strdup(text);

	if (!copy)
		out_of_memory(r);
	return copy;
}

static char *take_optional(struct seed_json_reader *r, const char *key, size_t max)
{
	return seed_json_has(r, key) ? take_copy(r, key, max) : NULL;
}

/* A reader of the object that is member @key of @r, or its element @index (if not below 0). */
static void begin_inside(struct seed_json_reader *inside, struct seed_json_reader *r,
			 const struct seed_json *object, const char *key, int index)
{
	char path[sizeof(r->path)];
	const char *dot = *r->path ? "." : "";

	if (index < 0)
		snprintf(path, sizeof(path), "%.80s%s%.30s", r->path, dot, key);
	else
		snprintf(path, sizeof(path), "%.80s%s%.30s[%d]", r->path, dot, key, index);
	seed_json_begin(inside, object, path, r->err);
	if (r->failed)
		inside->failed = true;
}

static void end_inside(struct seed_json_reader *r, struct seed_json_reader *inside)
{
	if (seed_json_done(inside) < 0)
		r->failed = true;
}

/* Calls @take with a reader over each element of the array @key; all are objects. */
static void take_each(struct seed_json_reader *r, const char *key, size_t max, void *arg,
		      void (*take)(struct seed_json_reader *element, void *arg))
{
	const struct seed_json *array = seed_json_take_array(r, key, max);
	size_t count = r->failed ? 0 : seed_json_count(array);

	for (size_t i = 0; i < count && !r->failed; i++) {
		struct seed_json_reader element;

		begin_inside(&element, r, seed_json_at(array, i), key, (int)i);
		if (!element.failed)
			take(&element, arg);
		end_inside(r, &element);
	}
}

static enum seed_captured take_captured(struct seed_json_reader *r)
{
	const char *text = seed_json_take_text(r, "captured", 16);
	char quoted[SEED_QUOTED];

	for (int c = SEED_CAPTURED_OFFLINE; c <= SEED_CAPTURED_UNPROVEN; c++)
		if (strcmp(text, seed_captured_name((enum seed_captured)c)) == 0)
			return (enum seed_captured)c;
	seed_json_refuse(r, "captured", "%s is not known",
			 seed_quote(text, quoted, sizeof(quoted)));
	return SEED_CAPTURED_UNPROVEN;
}

static void take_facts(struct seed_json_reader *r, struct seed_manifest_part *facts)
{
	facts->length = seed_json_take_uint(r, "length", SEED_DISK_MAX);
	seed_json_take_digest(r, "sha256", &facts->digest);
}

/* One pair [start, count]; false when it is something else. */
static bool run_of(const struct seed_json *pair, struct seed_run *run)
{
	return seed_json_count(pair) == 2 && seed_json_uint(seed_json_at(pair, 0), &run->start) &&
	       seed_json_uint(seed_json_at(pair, 1), &run->count);
}

static void take_runs(struct seed_json_reader *r, const char *key, enum seed_block_kind kind,
		      struct seed_vec *out)
{
	const struct seed_json *array = seed_json_take_array(r, key, SEED_MANIFEST_RUNS_MAX);
	size_t count = r->failed ? 0 : seed_json_count(array);

	for (size_t i = 0; i < count; i++) {
		struct seed_run run = { .kind = kind };

		if (!run_of(seed_json_at(array, i), &run)) {
			seed_json_refuse(r, key, "element %zu is not [start, count]", i);
			return;
		}
		if (!seed_vec_push(out, sizeof(run), &run)) {
			out_of_memory(r);
			return;
		}
	}
}

static void take_found(struct seed_json_reader *r, struct seed_vec *out)
{
	const struct seed_json *array = seed_json_take_array(r, "found", SEED_MANIFEST_FOUND_MAX);
	size_t count = r->failed ? 0 : seed_json_count(array);

	for (size_t i = 0; i < count && !r->failed; i++) {
		const char *text = seed_json_text(seed_json_at(array, i));
		char **copy;

		if (!text) {
			seed_json_refuse(r, "found", "element %zu is not a text", i);
			return;
		}
		copy = new_element(r, out, sizeof(*copy));
		if (copy && !(*copy = strdup(text)))
			out_of_memory(r);
	}
}

static void take_evidence(struct seed_json_reader *r, struct seed_manifest_disk *disk)
{
	struct seed_json_reader evidence, declared;

	begin_inside(&evidence, r, seed_json_take_object(r, "evidence"), "evidence", -1);
	begin_inside(&declared, &evidence, seed_json_take_object(&evidence, "declared"), "declared",
		     -1);
	disk->serial = take_optional(&declared, "serial", SEED_MANIFEST_TEXT_MAX);
	disk->wwn = take_optional(&declared, "wwn", SEED_MANIFEST_TEXT_MAX);
	end_inside(&evidence, &declared);
	take_found(&evidence, &disk->found);
	end_inside(r, &evidence);
}

static void take_own_blocks(struct seed_json_reader *r, struct seed_manifest_disk *disk)
{
	struct seed_json_reader own;

	begin_inside(&own, r, seed_json_take_object(r, "own_blocks"), "own_blocks", -1);
	disk->own_blocks = seed_json_take_uint(&own, "count", SEED_DISK_MAX);
	disk->compared = (uint32_t)seed_json_take_uint(&own, "compared", UINT32_MAX);
	take_runs(&own, "runs", SEED_BLOCK_DATA, &disk->own_runs);
	end_inside(r, &own);
}

static void take_part(struct seed_json_reader *r, void *arg)
{
	struct seed_manifest_disk *disk = arg;
	struct seed_manifest_part *part = new_element(r, &disk->parts, sizeof(*part));

	if (part)
		take_facts(r, part);
}

static void take_disk(struct seed_json_reader *r, void *arg)
{
	struct seed_manifest *m = arg;
	struct seed_manifest_disk *disk = new_element(r, &m->disks, sizeof(*disk));
	uint64_t block_size;

	if (!disk)
		return;
	disk->slot = take_copy(r, "slot", SEED_SLOT_MAX);
	disk->size = seed_json_take_uint(r, "size", SEED_DISK_MAX);
	disk->sector_size = (uint32_t)seed_json_take_uint(r, "sector_size", 65536);
	block_size = seed_json_take_uint(r, "block_size", UINT32_MAX);
	if (block_size != SEED_BLOCK_SIZE)
		seed_json_refuse(r, "block_size", "not %u", SEED_BLOCK_SIZE);
	disk->blocks = seed_json_take_uint(r, "blocks", SEED_DISK_MAX);
	disk->data_blocks = seed_json_take_uint(r, "data_blocks", SEED_DISK_MAX);
	seed_json_take_digest(r, "root", &disk->root);
	disk->captured = take_captured(r);
	take_evidence(r, disk);
	take_own_blocks(r, disk);
	take_each(r, "list", SEED_MANIFEST_PARTS_MAX, disk, take_part);
	take_runs(r, "unreadable", SEED_BLOCK_MISSING, &disk->unreadable);
}

static void take_file(struct seed_json_reader *r, void *arg)
{
	struct seed_manifest *m = arg;
	struct seed_manifest_file *file = new_element(r, &m->files, sizeof(*file));

	if (!file)
		return;
	snprintf(file->role, sizeof(file->role), "%s",
		 seed_json_take_text(r, "role", sizeof(file->role) - 1));
	take_facts(r, &file->facts);
}

static void take_excluded(struct seed_json_reader *r, void *arg)
{
	struct seed_manifest *m = arg;
	struct seed_manifest_excluded *excluded = new_element(r, &m->excluded, sizeof(*excluded));

	if (!excluded)
		return;
	excluded->slot = take_copy(r, "slot", SEED_SLOT_MAX);
	excluded->reason = take_copy(r, "reason", SEED_MANIFEST_TEXT_MAX);
}

static void take_relies_on(struct seed_json_reader *r, struct seed_manifest *out)
{
	const struct seed_json *array = seed_json_take_array(r, "relies_on",
							     SEED_MANIFEST_RELIES_MAX);
	size_t count = r->failed ? 0 : seed_json_count(array);

	for (size_t i = 0; i < count; i++) {
		const char *text = seed_json_text(seed_json_at(array, i));
		struct seed_id id;

		if (!text || seed_id_parse(&id, text, NULL) < 0) {
			seed_json_refuse(r, "relies_on", "element %zu is not an id", i);
			return;
		}
		if (!seed_vec_push(&out->relies_on, sizeof(id), &id)) {
			out_of_memory(r);
			return;
		}
	}
}

static void take_site_and_vm(struct seed_json_reader *r, struct seed_manifest *out)
{
	struct seed_json_reader site, vm;

	begin_inside(&site, r, seed_json_take_object(r, "site"), "site", -1);
	seed_json_take_id(&site, "id", &out->site);
	out->site_name = take_copy(&site, "name", SEED_NAME_MAX);
	end_inside(r, &site);
	begin_inside(&vm, r, seed_json_take_object(r, "vm"), "vm", -1);
	seed_json_take_uuid(&vm, "uuid", &out->uuid);
	out->name = take_copy(&vm, "name", SEED_VM_NAME_MAX);
	end_inside(r, &vm);
}

int seed_manifest_take_members(struct seed_manifest *out, struct seed_json_reader *r)
{
	seed_json_take_id(r, "seed", &out->seed);
	seed_json_take_id(r, "set", &out->set);
	out->has_recipient = seed_json_has(r, "recipient");
	if (out->has_recipient)
		seed_json_take_id(r, "recipient", &out->recipient);
	take_site_and_vm(r, out);
	seed_lineage_take(r, "lineage", &out->lineage);
	out->generation = seed_json_take_uint(r, "generation", SEED_GENERATION_MAX);
	out->data = seed_json_take_bool(r, "data");
	take_relies_on(r, out);
	out->created = (int64_t)seed_json_take_uint(r, "created", SEED_JSON_INT_MAX - 1);
	out->captured = take_captured(r);
	take_each(r, "files", SEED_MANIFEST_FILES_MAX, out, take_file);
	take_each(r, "disks", SEED_MANIFEST_DISKS_MAX, out, take_disk);
	take_each(r, "excluded", SEED_MANIFEST_DISKS_MAX, out, take_excluded);
	if (seed_json_done(r) < 0)
		return -1;
	return seed_manifest_check(out, r->err);
}
