// SPDX-License-Identifier: LGPL-2.1-or-later
#include "capture/sent.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "block/grid.h"
#include "doc/home_doc.h"
#include "manifest/lineage.h"
#include "vmdef/vmdef.h"

#define SENT_FILE "sent.json"
#define SENT_SCHEMA "vmseed-sent"
#define SENT_MAX (64u << 10)

int seed_sent_put(int vm_dir, uint64_t generation, const struct seed_vec *disks,
		  struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = seed_home_doc_new(SENT_SCHEMA);
	struct seed_json *array = seed_json_new_array();

	seed_json_set_uint(doc, "generation", generation);
	for (size_t i = 0; i < disks->count; i++) {
		const struct seed_sent_disk *d = seed_vec_at(disks, i);
		struct seed_json *o = seed_json_new_object();

		seed_json_set_text(o, "slot", d->slot);
		seed_json_set_uint(o, "size", d->size);
		seed_json_set_digest(o, "root", &d->root);
		seed_json_append(array, o);
	}
	seed_json_set(doc, "disks", array);
	return seed_home_doc_replace(vm_dir, SENT_FILE, doc, err);
}

static int take_disk(struct seed_vec *disks, const struct seed_json *object, struct seed_error *err)
{
	struct seed_sent_disk d = { .size = 0 };
	struct seed_json_reader r;

	seed_json_begin(&r, object, "disks[]", err);
	strncpy(d.slot, seed_json_take_text(&r, "slot", sizeof(d.slot) - 1), sizeof(d.slot) - 1);
	if (!seed_slot_valid(d.slot))
		seed_json_refuse(&r, "slot", "not a slot");
	d.size = seed_json_take_uint(&r, "size", SEED_DISK_MAX);
	seed_json_take_digest(&r, "root", &d.root);
	if (seed_json_done(&r) < 0)
		return -1;
	return seed_vec_push(disks, sizeof(d), &d) ? 0 : seed_error_sys(err, ENOMEM, "disks");
}

int seed_sent_get(struct seed_vec *disks, uint64_t *generation, int vm_dir, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	const struct seed_json *array;
	struct seed_json_reader r;

	*disks = (struct seed_vec){ 0 };
	if (seed_home_doc_read(&doc, &r, vm_dir, SENT_FILE, SENT_MAX, SENT_SCHEMA, err) < 0)
		return -1;
	*generation = seed_json_take_uint(&r, "generation", SEED_GENERATION_MAX);
	array = seed_json_take_array(&r, "disks", SEED_VM_DISKS_MAX);
	if (seed_json_done(&r) < 0)
		return seed_error_prefix(err, SENT_FILE);
	for (size_t i = 0; i < seed_json_count(array); i++)
		if (take_disk(disks, seed_json_at(array, i), err) < 0)
			return seed_error_prefix(err, SENT_FILE);
	return 0;
}

bool seed_sent_has(const struct seed_vec *disks, const char *slot, uint64_t size,
		   const struct seed_digest *root)
{
	for (size_t i = 0; i < disks->count; i++) {
		const struct seed_sent_disk *d = seed_vec_at(disks, i);

		if (strcmp(d->slot, slot) == 0)
			return d->size == size && seed_digest_equal(&d->root, root);
	}
	return false;
}
