// SPDX-License-Identifier: LGPL-2.1-or-later
/* A manifest as JSON; the members in the order of vmseed-manifest(5). */
#include "manifest/manifest_internal.h"

#include "block/grid.h"

static void set_optional(struct seed_json *object, const char *key, const char *text)
{
	if (text)
		seed_json_set_text(object, key, text);
	else
		seed_json_set_null(object, key);
}

static struct seed_json *named(const struct seed_id *id, const char *name)
{
	struct seed_json *object = seed_json_new_object();

	seed_json_set_id(object, "id", id);
	seed_json_set_text(object, "name", name);
	return object;
}

static void set_facts(struct seed_json *object, const struct seed_manifest_part *facts)
{
	seed_json_set_uint(object, "length", facts->length);
	seed_json_set_digest(object, "sha256", &facts->digest);
}

static struct seed_json *files_of(const struct seed_manifest *m)
{
	struct seed_json *array = seed_json_new_array();

	for (size_t i = 0; i < m->files.count; i++) {
		const struct seed_manifest_file *file = seed_vec_at(&m->files, i);
		struct seed_json *object = seed_json_new_object();

		seed_json_set_text(object, "role", file->role);
		set_facts(object, &file->facts);
		seed_json_append(array, object);
	}
	return array;
}

static struct seed_json *parts_of(const struct seed_manifest_disk *disk)
{
	struct seed_json *array = seed_json_new_array();

	for (size_t i = 0; i < disk->parts.count; i++) {
		struct seed_json *object = seed_json_new_object();

		set_facts(object, seed_vec_at(&disk->parts, i));
		seed_json_append(array, object);
	}
	return array;
}

/* @keep of the runs, spread evenly. */
static struct seed_json *runs_of(const struct seed_vec *runs, size_t keep)
{
	struct seed_json *array = seed_json_new_array();

	for (size_t i = 0; i < keep; i++) {
		const struct seed_run *run = seed_vec_at(runs, i * runs->count / keep);
		struct seed_json *pair = seed_json_new_array();

		seed_json_append_uint(pair, run->start);
		seed_json_append_uint(pair, run->count);
		seed_json_append(array, pair);
	}
	return array;
}

static struct seed_json *evidence_of(const struct seed_manifest_disk *disk)
{
	struct seed_json *evidence = seed_json_new_object();
	struct seed_json *declared = seed_json_new_object();
	struct seed_json *found = seed_json_new_array();

	set_optional(declared, "serial", disk->serial);
	set_optional(declared, "wwn", disk->wwn);
	for (size_t i = 0; i < disk->found.count; i++)
		seed_json_append_text(found, *(char **)seed_vec_at(&disk->found, i));
	seed_json_set(evidence, "declared", declared);
	seed_json_set(evidence, "found", found);
	return evidence;
}

/* How many of a disk's own runs are written when all disks have @total. */
static size_t share(size_t runs, size_t total)
{
	return total <= SEED_MANIFEST_OWN_RUNS ? runs : runs * SEED_MANIFEST_OWN_RUNS / total;
}

static struct seed_json *own_blocks_of(const struct seed_manifest_disk *disk, size_t total)
{
	struct seed_json *own = seed_json_new_object();

	seed_json_set_uint(own, "count", disk->own_blocks);
	seed_json_set_uint(own, "compared", disk->compared);
	seed_json_set(own, "runs", runs_of(&disk->own_runs, share(disk->own_runs.count, total)));
	return own;
}

static struct seed_json *disk_of(const struct seed_manifest_disk *disk, size_t own_total)
{
	struct seed_json *object = seed_json_new_object();

	seed_json_set_text(object, "slot", disk->slot);
	seed_json_set_uint(object, "size", disk->size);
	seed_json_set_uint(object, "sector_size", disk->sector_size);
	seed_json_set_uint(object, "block_size", SEED_BLOCK_SIZE);
	seed_json_set_uint(object, "blocks", disk->blocks);
	seed_json_set_uint(object, "data_blocks", disk->data_blocks);
	seed_json_set_digest(object, "root", &disk->root);
	seed_json_set_text(object, "captured", seed_captured_name(disk->captured));
	seed_json_set(object, "evidence", evidence_of(disk));
	seed_json_set(object, "own_blocks", own_blocks_of(disk, own_total));
	seed_json_set(object, "list", parts_of(disk));
	seed_json_set(object, "unreadable", runs_of(&disk->unreadable, disk->unreadable.count));
	return object;
}

static struct seed_json *disks_of(const struct seed_manifest *m)
{
	struct seed_json *array = seed_json_new_array();
	size_t own_total = 0;

	for (size_t i = 0; i < m->disks.count; i++)
		own_total +=
			((struct seed_manifest_disk *)seed_vec_at(&m->disks, i))->own_runs.count;
	for (size_t i = 0; i < m->disks.count; i++)
		seed_json_append(array, disk_of(seed_vec_at(&m->disks, i), own_total));
	return array;
}

static struct seed_json *excluded_of(const struct seed_manifest *m)
{
	struct seed_json *array = seed_json_new_array();

	for (size_t i = 0; i < m->excluded.count; i++) {
		const struct seed_manifest_excluded *excluded = seed_vec_at(&m->excluded, i);
		struct seed_json *object = seed_json_new_object();

		seed_json_set_text(object, "slot", excluded->slot);
		seed_json_set_text(object, "reason", excluded->reason);
		seed_json_append(array, object);
	}
	return array;
}

static struct seed_json *relies_on_of(const struct seed_manifest *m)
{
	struct seed_json *array = seed_json_new_array();
	char text[SEED_ID_TEXT];

	for (size_t i = 0; i < m->relies_on.count; i++)
		seed_json_append_text(array, seed_id_text(seed_vec_at(&m->relies_on, i), text));
	return array;
}

void seed_manifest_set_members(struct seed_json *doc, const struct seed_manifest *m)
{
	struct seed_json *vm = seed_json_new_object();

	seed_json_set_id(doc, "seed", &m->seed);
	seed_json_set_id(doc, "set", &m->set);
	if (m->has_recipient)
		seed_json_set_id(doc, "recipient", &m->recipient);
	else
		seed_json_set_null(doc, "recipient");
	seed_json_set(doc, "site", named(&m->site, m->site_name));
	seed_json_set_uuid(vm, "uuid", &m->uuid);
	seed_json_set_text(vm, "name", m->name);
	seed_json_set(doc, "vm", vm);
	seed_json_set(doc, "lineage", seed_lineage_to_json(&m->lineage));
	seed_json_set_uint(doc, "generation", m->generation);
	seed_json_set_bool(doc, "data", m->data);
	seed_json_set(doc, "relies_on", relies_on_of(m));
	seed_json_set_uint(doc, "created", (uint64_t)m->created);
	seed_json_set_text(doc, "captured", seed_captured_name(m->captured));
	seed_json_set(doc, "files", files_of(m));
	seed_json_set(doc, "disks", disks_of(m));
	seed_json_set(doc, "excluded", excluded_of(m));
}
