/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The end of an export: what describes the blocks is written behind them,
 * everything is read back, and one full commit makes the seeds exist. A crash
 * anywhere here leaves files that no commit names; the packs stay.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "block/list_part.h"
#include "capture/describe.h"
#include "capture/side_files.h"
#include "crypto/digest.h"
#include "crypto/random.h"
#include "capture/sent.h"
#include "export/export_internal.h"
#include "pack/scrub.h"
#include "pack/sealed_file.h"

#define SMALL_FILE 8192u	/* its rounding, frame and signature */
#define RUN_TEXT 64u		/* of own blocks, in a manifest */
#define ENTRY_TEXT 400u		/* of a pack or file, in a commit */

struct finish {
	struct seed_export *plan;
	struct seed_target *target;
	struct seed_volume *volume;		/* the target's, that is being written */
	const struct seed_export_options *opt;
	struct seed_vec files;		/* struct seed_commit_file: of this run */
	struct seed_vec seeds;		/* struct seed_id: of this run */
};

static int note_file(struct finish *f, const struct seed_file_id *id,
		     const struct seed_stored_facts *stored, struct seed_error *err)
{
	struct seed_commit_file *file = seed_vec_push(&f->files, sizeof(*file), NULL);

	if (!file)
		return seed_error_sys(err, ENOMEM, "commit");
	seed_file_name(id, f->volume->sealed, file->path);
	file->facts = *stored;
	return 0;
}

/* One whole file of a seed, from memory. */
static int put_file(struct finish *f, const struct seed_file_id *id, const void *data, size_t len,
		    struct seed_stored_facts *plain, struct seed_error *err)
{
	SEED_AUTO(seed_file_writer_closep) struct seed_file_writer *w = NULL;
	struct seed_stored_facts stored;

	if (seed_file_writer_open(&w, f->volume->dir, id, &f->volume->data_key, err) < 0 ||
	    seed_file_writer_put(w, data, len, err) < 0 ||
	    seed_file_writer_finish(w, plain, &stored, err) < 0)
		return -1;
	return note_file(f, id, &stored, err);
}

static int put_bytes(void *arg, const void *data, size_t len, struct seed_error *err)
{
	return seed_file_writer_put(arg, data, len, err);
}

static int put_part(struct finish *f, struct seed_list *list, const struct seed_file_id *id,
		    uint64_t *first, struct seed_vec *parts, struct seed_error *err)
{
	SEED_AUTO(seed_file_writer_closep) struct seed_file_writer *w = NULL;
	struct seed_stored_facts plain, stored;
	struct seed_manifest_part part;

	if (seed_file_writer_open(&w, f->volume->dir, id, &f->volume->data_key, err) < 0 ||
	    seed_list_part_write(list, id->number >> 16, id->number & 0xffff, *first, first,
				 SEED_LIST_PART_MAX, put_bytes, w, err) < 0 ||
	    seed_file_writer_finish(w, &plain, &stored, err) < 0)
		return -1;
	part = (struct seed_manifest_part){ plain.length, plain.digest };
	if (!seed_vec_push(parts, sizeof(part), &part))
		return seed_error_sys(err, ENOMEM, "digest list");
	return note_file(f, id, &stored, err);
}

static int put_list(struct finish *f, const struct seed_export_vm *vm, uint32_t disk,
		    const char *slot, uint64_t blocks, struct seed_vec *parts,
		    struct seed_error *err)
{
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
	char name[SEED_CAPTURE_LIST_NAME];
	uint64_t first = 0;
	uint32_t part = 0;

	if (seed_list_open(&list, vm->kept->dir, seed_capture_list_name(slot, name), blocks, false,
			   err) < 0)
		return -1;
	do {
		struct seed_file_id id = {
			.set = f->volume->set,
			.seed = vm->seed,
			.role = SEED_FILE_LIST,
			.number = disk << 16 | ++part,
		};

		if (put_part(f, list, &id, &first, parts, err) < 0)
			return -1;
	} while (first < blocks);
	return 0;
}

static int describe_disk(struct finish *f, struct seed_export_vm *vm, uint32_t index,
			 struct seed_manifest *m, struct seed_error *err)
{
	struct seed_export_disk *disk = seed_vec_at(&vm->disks, index);
	struct seed_describe_disk from = {
		.def = disk->def,
		.size = disk->size,
		.sector_size = disk->sector_size,
		.facts = disk->facts,
		.own_runs = disk->own_runs,
		.own_blocks = disk->own_blocks,
		.compared = disk->compared,
	};
	struct seed_manifest_disk *out;
	int rc = seed_describe_disk(m, &from, &out, err);

	disk->own_runs = from.own_runs;
	if (rc < 0)
		return -1;
	return put_list(f, vm, index, disk->def->slot, out->blocks, &out->parts, err);
}

static int put_side_files(struct finish *f, const struct seed_export_vm *vm,
			  struct seed_error *err)
{
	for (size_t i = 0; i < vm->files.count; i++) {
		const struct seed_side_file *file = seed_vec_at(&vm->files, i);
		struct seed_file_id id = {
			.set = f->volume->set,
			.seed = vm->seed,
			.role = SEED_FILE_SIDE,
			.number = (uint32_t)i,
		};

		if (put_file(f, &id, file->data, file->len, NULL, err) < 0)
			return -1;
	}
	return 0;
}

static int describe_vm(struct finish *f, const struct seed_export_vm *vm, struct seed_manifest *m,
		       struct seed_error *err)
{
	struct seed_describe_vm from = {
		.own = f->opt->own,
		.vm = vm->kept,
		.def = vm->def,
		.seed = &vm->seed,
		.captured = vm->captured,
		.data = f->opt->data,
	};

	m->set = f->volume->set;
	m->has_recipient = f->opt->recipient != NULL;
	if (m->has_recipient)
		m->recipient = f->opt->recipient->site;
	return seed_describe_vm(m, &from, err);
}

/* A plaintext manifest's signature stands beside it, so that minisign -Vm finds it. */
static int put_signature(struct finish *f, const struct seed_file_id *id, const char *signature,
			 struct seed_error *err)
{
	struct seed_commit_file *file = seed_vec_push(&f->files, sizeof(*file), NULL);
	size_t len = strlen(signature);

	if (!file)
		return seed_error_sys(err, ENOMEM, "commit");
	seed_file_name(id, false, file->path);
	strcat(file->path, ".minisig");
	file->facts.length = len;
	seed_digest_of(&file->facts.digest, signature, len);
	return seed_file_create(f->volume->dir, file->path, signature, len, 0644, err);
}

/* Sign, then seal: the manifest's own signature stays valid in the replica and on the wire. */
static int put_manifest(struct finish *f, const struct seed_export_vm *vm,
			const struct seed_manifest *m, struct seed_error *err)
{
	struct seed_file_id id = {
		.set = f->volume->set,
		.seed = vm->seed,
		.role = SEED_FILE_MANIFEST,
	};
	SEED_AUTO(seed_freep) char *text = NULL;
	SEED_AUTO(seed_freep) char *bundle = NULL;
	char signature[SEED_SIGNATURE_MAX];
	size_t len, bundle_len;

	if (seed_manifest_sign(m, f->opt->own->sign, &text, &len, signature, err) < 0)
		return -1;
	if (!f->volume->sealed)
		return put_file(f, &id, text, len, NULL, err) < 0 ?
			       -1 : put_signature(f, &id, signature, err);
	if (seed_manifest_bundle(text, len, signature, &bundle, &bundle_len, err) < 0)
		return -1;
	return put_file(f, &id, bundle, bundle_len, NULL, err);
}

/* A number that the set shows to be signed is not signed again. A seed of another line says nothing. */
static void look_back(struct finish *f, struct seed_export_vm *vm)
{
	for (size_t i = 0; i < f->target->before.count; i++) {
		const struct seed_target_signed *s = seed_vec_at(&f->target->before, i);

		if (seed_id_equal(&s->uuid, &vm->uuid) &&
		    seed_lineage_compare(&vm->kept->lineage, vm->kept->generation, &s->lineage,
					 s->generation) == SEED_LINEAGE_NEWER)
			vm->kept->generation = s->generation;
	}
}

static int finish_vm(struct finish *f, struct seed_export_vm *vm, struct seed_error *err)
{
	struct seed_manifest m;
	char id[SEED_ID_TEXT], folder[SEED_ID_TEXT + 8];
	int rc;

	seed_manifest_init(&m);
	rc = seed_random_id(&vm->seed, err);
	look_back(f, vm);
	if (rc == 0)
		rc = seed_source_vm_next_generation(vm->kept, err);
	if (rc == 0) {
		vm->generation = vm->kept->generation;
		snprintf(folder, sizeof(folder), "seeds/%s", seed_id_text(&vm->seed, id));
		rc = seed_path_make_folder(f->volume->dir, folder, 0755, err);
	}
	if (rc == 0)
		rc = describe_vm(f, vm, &m, err);
	for (uint32_t i = 0; rc == 0 && i < vm->disks.count; i++)
		rc = describe_disk(f, vm, i, &m, err);
	if (rc == 0)
		rc = seed_describe_files(&m, &vm->files, err);
	if (rc == 0)
		rc = put_side_files(f, vm, err);
	if (rc == 0)
		rc = put_manifest(f, vm, &m, err);
	if (rc == 0 && !seed_vec_push(&f->seeds, sizeof(vm->seed), &vm->seed))
		rc = seed_error_sys(err, ENOMEM, "commit");
	seed_manifest_clear(&m);
	return rc;
}

static int read_back(struct finish *f, struct seed_error *err)
{
	for (size_t i = 0; i < f->files.count; i++) {
		const struct seed_commit_file *file = seed_vec_at(&f->files, i);

		if (seed_file_read_back(f->volume->dir, file->path, file->facts.length,
					&file->facts.digest, &f->plan->totals.cached,
					f->opt->cancel, err) < 0)
			return -1;
		f->target->now->added += file->facts.length;
	}
	return 0;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct seed_commit_file *)a)->path,
		      ((const struct seed_commit_file *)b)->path);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = ((const struct seed_pack_facts *)a)->number;
	uint32_t y = ((const struct seed_pack_facts *)b)->number;

	return (x > y) - (x < y);
}

static int append(struct seed_vec *to, const struct seed_vec *from, size_t size,
		  struct seed_error *err)
{
	for (size_t i = 0; i < from->count; i++) {
		if (!seed_vec_push(to, size, seed_vec_at(from, i)))
			return seed_error_sys(err, ENOMEM, "commit");
	}
	return 0;
}

/* Everything that counts from now on: what counted before, and this run's. */
static int commit_all(struct finish *f, const struct seed_vec *new, struct seed_error *err)
{
	struct seed_volume *v = f->volume;
	SEED_AUTO(seed_vec_free) struct seed_vec others = { 0 };
	SEED_AUTO(seed_vec_free) struct seed_vec packs = { 0 };
	SEED_AUTO(seed_vec_free) struct seed_vec files = { 0 };
	SEED_AUTO(seed_vec_free) struct seed_vec seeds = { 0 };
	const struct seed_set_change change = { .full = true, .packs = &packs, .files = &files,
						.seeds = &seeds, .others = &others };

	if (append(&packs, &v->packs, sizeof(struct seed_pack_facts), err) < 0 ||
	    append(&packs, new, sizeof(struct seed_pack_facts), err) < 0 ||
	    append(&files, &v->files, sizeof(struct seed_commit_file), err) < 0 ||
	    append(&files, &f->files, sizeof(struct seed_commit_file), err) < 0 ||
	    append(&seeds, &v->seeds, sizeof(struct seed_id), err) < 0 ||
	    append(&seeds, &f->seeds, sizeof(struct seed_id), err) < 0 ||
	    seed_target_others(f->target, &others, err) < 0)
		return -1;
	if (packs.count)
		qsort(packs.items, packs.count, packs.size, by_number);
	qsort(files.items, files.count, files.size, by_path);
	if (seed_set_commit(f->opt->home, v, &f->target->now->record, f->opt->own, &change, err) < 0)
		return -1;
	f->plan->commit = v->last_commit;
	return 0;
}

/* The commit is read back: other sites can have it from now on. */
static int note_sent(const struct seed_export_vm *vm, struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec sent = { 0 };

	for (size_t i = 0; i < vm->disks.count; i++) {
		const struct seed_export_disk *disk = seed_vec_at(&vm->disks, i);
		struct seed_sent_disk *s = seed_vec_push(&sent, sizeof(*s), NULL);

		if (!s)
			return seed_error_sys(err, ENOMEM, "sent.json");
		snprintf(s->slot, sizeof(s->slot), "%s", disk->def->slot);
		s->size = disk->size;
		s->root = disk->facts.root;
	}
	return seed_sent_put(vm->kept->dir, vm->generation, &sent, err);
}

/* Of each VM a manifest, with the runs of its own blocks, and side files; of each disk a list. The commit
 * names all that counts on the volume. */
uint64_t seed_export_finish_bytes(const struct seed_export *plan, const struct seed_target *t,
				  size_t packs)
{
	const struct seed_volume *v = t->now->volume;
	uint64_t bytes = 4 * SMALL_FILE + (v->packs.count + v->files.count + packs) * ENTRY_TEXT;

	for (size_t i = 0; i < plan->vms.count; i++) {
		const struct seed_export_vm *vm = seed_vec_at(&plan->vms, i);

		if (vm->err.kind)
			continue;
		bytes += SMALL_FILE;
		for (size_t k = 0; k < vm->files.count; k++)
			bytes += SMALL_FILE +
				 ((const struct seed_side_file *)seed_vec_at(&vm->files, k))->len;
		for (size_t k = 0; k < vm->disks.count; k++) {
			const struct seed_export_disk *disk = seed_vec_at(&vm->disks, k);

			bytes += SMALL_FILE + disk->facts.data_blocks * (SEED_DIGEST_SIZE + 8) +
				 disk->own_runs.count * RUN_TEXT;
		}
	}
	return bytes;
}

int seed_export_finish(struct seed_export *plan, struct seed_target *t, const struct seed_vec *packs,
		       const struct seed_export_options *opt, struct seed_error *err)
{
	struct finish f = { .plan = plan, .target = t, .volume = t->now->volume, .opt = opt };
	int rc = seed_path_make_folder(f.volume->dir, "seeds", 0755, err);

	for (size_t i = 0; rc == 0 && i < plan->vms.count; i++) {
		struct seed_export_vm *vm = seed_vec_at(&plan->vms, i);

		if (!vm->err.kind)
			rc = finish_vm(&f, vm, err);
	}
	if (rc == 0 && f.seeds.count)
		rc = read_back(&f, err);
	if (rc == 0 && f.seeds.count)
		rc = commit_all(&f, packs, err);
	for (size_t i = 0; rc == 0 && i < plan->vms.count; i++) {
		struct seed_export_vm *vm = seed_vec_at(&plan->vms, i);

		vm->done = !vm->err.kind;
		/* A set of manifests alone gives nobody the blocks. */
		if (vm->done && opt->data)
			rc = note_sent(vm, err);
	}
	seed_vec_free(&f.files);
	seed_vec_free(&f.seeds);
	return rc;
}
