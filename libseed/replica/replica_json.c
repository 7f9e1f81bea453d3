// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * replica.json: an unsigned document of this home, replaced whole (no .h:
 * replica_internal.h). It decides what counts; what the disks must hold, the signed
 * manifest beside it says.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "block/grid.h"
#include "doc/home_doc.h"
#include "replica/replica_internal.h"

#define SCHEMA "vmseed-replica"
#define NAME_MAX_BYTES 1024u	/* a VM's name */

static const char *const state_names[] = {
	[SEED_REPLICA_CANDIDATE] = "candidate", [SEED_REPLICA_SEEDING] = "seeding",
	[SEED_REPLICA_INCOMPLETE] = "incomplete", [SEED_REPLICA_SEEDED] = "seeded",
	[SEED_REPLICA_CURRENT] = "current", [SEED_REPLICA_PROMOTED] = "promoted",
};
#define STATES (sizeof(state_names) / sizeof(state_names[0]))

const char *seed_replica_state_name(enum seed_replica_state state)
{
	return state_names[state];
}

/* ---- writing ---- */

static struct seed_json *disks_to_json(const struct seed_vec *disks)
{
	struct seed_json *array = seed_json_new_array();

	for (size_t i = 0; i < disks->count; i++) {
		const struct seed_replica_disk *disk = seed_vec_at(disks, i);
		struct seed_json *entry = seed_json_new_object();

		seed_json_set_text(entry, "slot", disk->slot);
		seed_json_set_text(entry, "file", disk->file);
		seed_json_set_text(entry, "list", disk->list);
		seed_json_set_text(entry, "missing", disk->missing);
		seed_json_set_uint(entry, "size", disk->size);
		seed_json_set_uint(entry, "missing_blocks", disk->missing_blocks);
		seed_json_append(array, entry);
	}
	return array;
}

static struct seed_json *drop_to_json(const struct seed_vec *drop)
{
	struct seed_json *array = seed_json_new_array();

	for (size_t i = 0; i < drop->count; i++)
		seed_json_append_text(array, *(char **)seed_vec_at(drop, i));
	return array;
}

int seed_replica_to_text(const struct seed_replica *replica, char **text, size_t *len,
			 struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = seed_home_doc_new(SCHEMA);

	seed_json_set_text(doc, "state", seed_replica_state_name(replica->state));
	if (replica->discard)
		seed_json_set_bool(doc, "discard", true);
	if (replica->has_follows)
		seed_json_set_id(doc, "follows", &replica->follows);
	seed_json_set_bool(doc, "switching", replica->switching);
	seed_json_set(doc, "drop", drop_to_json(&replica->drop));
	seed_json_set_id(doc, "site", &replica->site);
	seed_json_set_uuid(doc, "uuid", &replica->uuid);
	seed_json_set_text(doc, "vm", replica->vm_name);
	seed_json_set_id(doc, "seed", &replica->seed);
	seed_json_set_id(doc, "set", &replica->set);
	seed_json_set_uint(doc, "generation", replica->generation);
	seed_json_set(doc, "lineage", seed_lineage_to_json(&replica->lineage));
	seed_json_set_text(doc, "captured", seed_captured_name(replica->captured));
	seed_json_set_uint(doc, "imported", replica->imported > 0 ?
			   (uint64_t)replica->imported : 0);
	if (replica->from)
		seed_json_set_text(doc, "from", replica->from);
	else
		seed_json_set_null(doc, "from");
	seed_json_set(doc, "disks", disks_to_json(&replica->disks));
	return seed_json_dump(doc, 2, text, len, err);
}

/* ---- reading ---- */

/* One of our own names in the folder: no path, not hidden. */
static const char *take_file_name(struct seed_json_reader *r, const char *key, size_t size)
{
	const char *name = seed_json_take_text(r, key, size - 1);

	if (name && (!name[0] || name[0] == '.' || strchr(name, '/')))
		seed_json_refuse(r, key, "not a file name of a replica");
	return name;
}

static int take_disk(struct seed_replica *replica, const struct seed_json *value, size_t index,
		     struct seed_error *err)
{
	struct seed_replica_disk disk = { 0 };
	const char *slot, *file, *list, *missing;
	struct seed_json_reader r;
	char path[32];

	snprintf(path, sizeof(path), "disks[%zu]", index);
	if (!seed_json_is_object(value))
		return seed_error_set(err, SEED_ERR_FORMAT, "%s: not an object", path);
	seed_json_begin(&r, value, path, err);
	slot = seed_json_take_text(&r, "slot", sizeof(disk.slot) - 1);
	file = take_file_name(&r, "file", sizeof(disk.file));
	list = take_file_name(&r, "list", sizeof(disk.list));
	missing = take_file_name(&r, "missing", sizeof(disk.missing));
	disk.size = seed_json_take_uint(&r, "size", SEED_DISK_MAX);
	disk.missing_blocks = seed_json_take_uint(&r, "missing_blocks",
						  SEED_DISK_MAX / SEED_BLOCK_SIZE);
	if (!r.failed && disk.missing_blocks > seed_grid_blocks(disk.size))
		seed_json_refuse(&r, "missing_blocks", "more than the disk has");
	if (seed_json_done(&r) < 0)
		return -1;
	snprintf(disk.slot, sizeof(disk.slot), "%s", slot);
	snprintf(disk.file, sizeof(disk.file), "%s", file);
	snprintf(disk.list, sizeof(disk.list), "%s", list);
	snprintf(disk.missing, sizeof(disk.missing), "%s", missing);
	if (!seed_vec_push(&replica->disks, sizeof(disk), &disk))
		return seed_error_sys(err, ENOMEM, "disks of a replica");
	return 0;
}

static int take_drop(struct seed_replica *replica, const struct seed_json *array,
		     struct seed_error *err)
{
	for (size_t i = 0; i < seed_json_count(array); i++) {
		const char *text = seed_json_text(seed_json_at(array, i));
		char *copy;

		if (!text || !text[0] || text[0] == '.' || strchr(text, '/') ||
		    strcmp(text, "replica.json") == 0)
			return seed_error_set(err, SEED_ERR_FORMAT,
					      "drop[%zu]: not a file name of a replica", i);
		copy = strdup(text);
		if (!copy || !seed_vec_push(&replica->drop, sizeof(copy), &copy)) {
			free(copy);
			return seed_error_sys(err, ENOMEM, "replica.json");
		}
	}
	return 0;
}

static void take_state(struct seed_json_reader *r, struct seed_replica *replica)
{
	const char *name = seed_json_take_text(r, "state", 32);

	for (size_t i = 0; name && i < STATES; i++) {
		if (strcmp(name, state_names[i]) == 0) {
			replica->state = (enum seed_replica_state)i;
			return;
		}
	}
	if (name)
		seed_json_refuse(r, "state", "not a state of a replica");
}

static void take_captured(struct seed_json_reader *r, struct seed_replica *replica)
{
	static const enum seed_captured all[] = {
		SEED_CAPTURED_OFFLINE, SEED_CAPTURED_SNAPSHOT, SEED_CAPTURED_CHANGED,
		SEED_CAPTURED_UNPROVEN,
	};
	const char *name = seed_json_take_text(r, "captured", 32);

	for (size_t i = 0; name && i < sizeof(all) / sizeof(all[0]); i++) {
		if (strcmp(name, seed_captured_name(all[i])) == 0) {
			replica->captured = all[i];
			return;
		}
	}
	if (name)
		seed_json_refuse(r, "captured", "not a way to take a copy");
}

static int take_members(struct seed_replica *replica, struct seed_json_reader *r,
			struct seed_error *err)
{
	const struct seed_json *disks, *drop;
	const char *name, *from;

	seed_home_doc_take(r, SCHEMA);
	take_state(r, replica);
	replica->discard = seed_json_has(r, "discard") && seed_json_take_bool(r, "discard");
	replica->has_follows = seed_json_has(r, "follows");
	if (replica->has_follows)
		seed_json_take_id(r, "follows", &replica->follows);
	replica->switching = seed_json_take_bool(r, "switching");
	drop = seed_json_take_array(r, "drop", SEED_REPLICA_DROP_MAX);
	seed_json_take_id(r, "site", &replica->site);
	seed_json_take_uuid(r, "uuid", &replica->uuid);
	name = seed_json_take_text(r, "vm", NAME_MAX_BYTES);
	seed_json_take_id(r, "seed", &replica->seed);
	seed_json_take_id(r, "set", &replica->set);
	replica->generation = seed_json_take_uint(r, "generation", SEED_GENERATION_MAX);
	seed_lineage_take(r, "lineage", &replica->lineage);
	take_captured(r, replica);
	replica->imported = (int64_t)seed_json_take_uint(r, "imported", SEED_JSON_INT_MAX - 1);
	from = seed_json_has(r, "from") ?
	       seed_json_take_text(r, "from", SEED_REPLICA_FROM_MAX) : NULL;
	disks = seed_json_take_array(r, "disks", SEED_MANIFEST_DISKS_MAX);
	if (seed_json_done(r) < 0)
		return -1;
	replica->vm_name = strdup(name);
	replica->from = from ? strdup(from) : NULL;
	if (!replica->vm_name || (from && !replica->from))
		return seed_error_sys(err, ENOMEM, "replica.json");
	for (size_t i = 0; i < seed_json_count(disks); i++)
		if (take_disk(replica, seed_json_at(disks, i), i, err) < 0)
			return -1;
	return take_drop(replica, drop, err);
}

void seed_replica_forget(struct seed_replica *replica)
{
	free(replica->vm_name);
	free(replica->from);
	replica->vm_name = replica->from = NULL;
	seed_vec_free(&replica->disks);
	for (size_t i = 0; i < replica->drop.count; i++)
		free(*(char **)seed_vec_at(&replica->drop, i));
	seed_vec_free(&replica->drop);
	replica->switching = false;
}

int seed_replica_from_text(struct seed_replica *replica, const char *text, size_t len,
			   struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_json_reader r;

	seed_replica_forget(replica);
	if (seed_json_parse(&doc, text, len, err) < 0)
		return -1;
	seed_json_begin(&r, doc, "", err);
	return take_members(replica, &r, err);
}
