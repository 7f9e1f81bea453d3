/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See describe.h. */
#include "capture/describe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "block/list_part.h"
#include "capture/side_files.h"
#include "crypto/digest.h"

static int no_memory(struct seed_error *err)
{
	return seed_error_sys(err, ENOMEM, "manifest");
}

static int describe_excluded(struct seed_manifest *m, const struct seed_vmdef *def,
			     struct seed_error *err)
{
	for (size_t i = 0; i < def->disks.count; i++) {
		const struct seed_vmdef_disk *d = seed_vec_at(&def->disks, i);
		struct seed_manifest_excluded *out;

		if (!d->excluded)
			continue;
		out = seed_vec_push(&m->excluded, sizeof(*out), NULL);
		if (!out)
			return no_memory(err);
		out->slot = strdup(d->slot);
		out->reason = strdup(d->excluded);
		if (!out->slot || !out->reason)
			return no_memory(err);
	}
	return 0;
}

int seed_describe_vm(struct seed_manifest *out, const struct seed_describe_vm *vm,
		     struct seed_error *err)
{
	out->key = *seed_signing_key_public(vm->own->sign);
	out->seed = *vm->seed;
	out->site = vm->vm->origin;
	out->site_name = strdup(vm->site_name ? vm->site_name : vm->own->name);
	out->uuid = vm->vm->uuid;
	out->name = strdup(vm->def->name);
	out->lineage = vm->vm->lineage;
	out->generation = vm->vm->generation;
	out->data = vm->data;
	out->created = seed_clock_wall();
	out->captured = vm->captured;
	if (!out->site_name || !out->name)
		return no_memory(err);
	return describe_excluded(out, vm->def, err);
}

static char *copy_text(const char *text)
{
	return text ? strdup(text) : NULL;
}

int seed_describe_disk(struct seed_manifest *m, struct seed_describe_disk *disk,
		       struct seed_manifest_disk **out, struct seed_error *err)
{
	struct seed_manifest_disk *d = seed_vec_push(&m->disks, sizeof(*d), NULL);

	if (!d)
		return no_memory(err);
	d->own_runs = disk->own_runs;
	disk->own_runs = (struct seed_vec){ 0 };
	d->own_blocks = disk->own_blocks;
	d->compared = disk->compared;
	d->slot = strdup(disk->def->slot);
	d->serial = copy_text(disk->def->serial);
	d->wwn = copy_text(disk->def->wwn);
	d->size = disk->size;
	d->sector_size = disk->sector_size;
	d->blocks = disk->facts.blocks;
	d->data_blocks = disk->facts.data_blocks;
	d->root = disk->facts.root;
	d->captured = disk->facts.captured;
	if (!d->slot || !d->serial != !disk->def->serial || !d->wwn != !disk->def->wwn)
		return no_memory(err);
	if (out)
		*out = d;
	return 0;
}

int seed_describe_files(struct seed_manifest *m, const struct seed_vec *files,
			struct seed_error *err)
{
	for (size_t i = 0; i < files->count; i++) {
		const struct seed_side_file *file = seed_vec_at(files, i);
		struct seed_manifest_file *out = seed_vec_push(&m->files, sizeof(*out), NULL);

		if (!out)
			return no_memory(err);
		memcpy(out->role, file->role, sizeof(out->role));
		out->facts.length = file->len;
		seed_digest_of(&out->facts.digest, file->data, file->len);
	}
	return 0;
}

/* ---- digest lists that are not written ---- */

struct hashed {
	struct seed_digest_stream stream;
	uint64_t length;
};

static int hash_bytes(void *arg, const void *data, size_t len, struct seed_error *err)
{
	struct hashed *hashed = arg;

	(void)err;
	seed_digest_add(&hashed->stream, data, len);
	hashed->length += len;
	return 0;
}

int seed_describe_parts(struct seed_manifest_disk *out, struct seed_list *list, uint32_t disk,
			struct seed_error *err)
{
	uint64_t first = 0;
	uint32_t part = 0;

	do {
		struct seed_manifest_part facts;
		struct hashed hashed = { .length = 0 };

		seed_digest_begin(&hashed.stream);
		if (seed_list_part_write(list, disk, ++part, first, &first, SEED_LIST_PART_MAX,
					 hash_bytes, &hashed, err) < 0)
			return -1;
		facts.length = hashed.length;
		seed_digest_end(&hashed.stream, &facts.digest);
		if (!seed_vec_push(&out->parts, sizeof(facts), &facts))
			return no_memory(err);
	} while (first < seed_list_blocks(list));
	return 0;
}
