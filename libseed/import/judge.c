/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What to do with a seed: the store, the mark and the lineage decide. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/text.h"
#include "import/import_internal.h"
#include "replica/marks.h"

#define STORE_MAX 1000000u		/* names in a store */

/* A replica keeps its folder when its VM is renamed, so it is found by the id behind the dot. */
struct find {
	const struct seed_import_options *opt;
	const struct seed_manifest *manifest;
	const char *id;			/* ".1a2b3c4d" */
	char *folder;			/* result */
};

static int look_at_name(const char *name, void *arg, struct seed_error *err)
{
	struct find *find = arg;
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	size_t len = strlen(name);

	(void)err;
	if (len < 10 || len >= SEED_REPLICA_NAME || strcmp(name + len - 9, find->id) != 0)
		return 0;
	/* What cannot be opened is no replica of this VM, or a broken one: creating the folder
	 * will meet it and say so. */
	if (seed_replica_open(&r, find->opt->store, name, false, NULL) == 0 &&
	    seed_id_equal(&r->site, &find->manifest->site) &&
	    seed_id_equal(&r->uuid, &find->manifest->uuid))
		strcpy(find->folder, name);
	return 0;
}

static int find_folder(struct seed_import_vm *vm, const struct seed_import_options *opt,
		       struct seed_error *err)
{
	const struct seed_manifest *m = &vm->seed->manifest;
	struct find find = { .opt = opt, .manifest = m, .folder = vm->folder };

	seed_replica_folder_name(&m->site, &m->uuid, m->name, vm->folder);
	find.id = vm->folder + strlen(vm->folder) - 9;
	if (seed_path_exists(opt->store, vm->folder))
		return 0;
	find.id = strdupa(find.id);
	return seed_path_each(opt->store, ".", STORE_MAX, look_at_name, &find, err);
}

static void refuse(struct seed_import_vm *vm, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static void refuse(struct seed_import_vm *vm, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	vm->action = SEED_IMPORT_REFUSE;
	seed_error_set(&vm->err, SEED_ERR_IDENTITY, "%s", text);
}

static unsigned long long number(uint64_t n)
{
	return n;
}

/* The mark outlives the replica: what is older than what was once accepted, and not older than
 * a replica that stands here, is a rollback. */
static void check_mark(struct seed_import_vm *vm, const struct seed_mark *mark)
{
	const struct seed_manifest *m = &vm->seed->manifest;

	if (!mark->known)
		return;
	switch (seed_lineage_compare(&mark->lineage, mark->generation, &m->lineage,
				     m->generation)) {
	case SEED_LINEAGE_NEWER:
		return;
	case SEED_LINEAGE_SAME:
		if (!seed_digest_equal(&mark->manifest, &vm->seed->digest))
			refuse(vm,
			       "generation %llu was accepted here before with other content: its "
			       "site signed two manifests with one number; ask there which one is "
			       "right",
			       number(m->generation));
		return;
	case SEED_LINEAGE_OLDER:
		refuse(vm, "a rollback: generation %llu was accepted here before and this is %llu; "
		       "import a newer seed", number(mark->generation), number(m->generation));
		return;
	default:
		refuse(vm,
		       "its history has parted from the one accepted here at generation %llu: this "
		       "seed is generation %llu of another line",
		       number(mark->generation), number(m->generation));
	}
}

static void judge_replica(struct seed_import_vm *vm, const struct seed_replica *r)
{
	const struct seed_manifest *m = &vm->seed->manifest;

	vm->have_generation = r->generation;
	vm->switching = r->switching;
	if (r->state == SEED_REPLICA_PROMOTED) {
		refuse(vm, "its replica was promoted and is a VM of its own now");
		return;
	}
	if (seed_id_equal(&r->seed, &m->seed)) {
		vm->action = r->state == SEED_REPLICA_SEEDING	   ? SEED_IMPORT_RESUME
			     : r->state == SEED_REPLICA_INCOMPLETE ? SEED_IMPORT_FILL
								   : SEED_IMPORT_NOTHING;
		return;
	}
	switch (seed_replica_relation(r, &m->lineage, m->generation)) {
	case SEED_LINEAGE_NEWER:
		vm->action = SEED_IMPORT_REPLACE;
		return;
	case SEED_LINEAGE_OLDER:
		vm->action = SEED_IMPORT_NOTHING;
		vm->older = true;
		return;
	case SEED_LINEAGE_SAME:
		refuse(vm,
		       "generation %llu is here already with other content: its site signed two "
		       "manifests with one number; ask there which one is right",
		       number(m->generation));
		return;
	default:
		refuse(vm,
		       "its history has parted from its replica's: the replica is generation %llu "
		       "and this seed is generation %llu of another line",
		       number(r->generation), number(m->generation));
	}
}

/* A folder without a state is one whose creation was cut, or is going on in another run, or is none
 * of ours: creating the replica tells them apart, under its lock. */
static bool has_state(const struct seed_import_vm *vm, const struct seed_import_options *opt)
{
	char path[SEED_REPLICA_NAME + 16];

	snprintf(path, sizeof(path), "%s/replica.json", vm->folder);
	return seed_path_exists(opt->store, path);
}

int seed_import_judge(struct seed_import_vm *vm, const struct seed_import_options *opt,
		      struct seed_error *err)
{
	const struct seed_manifest *m = &vm->seed->manifest;
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	struct seed_error why = { 0 };
	struct seed_mark mark = { 0 };

	for (size_t i = 0; i < m->disks.count; i++) {
		const struct seed_manifest_disk *d = seed_vec_at(&m->disks, i);

		vm->need_bytes += d->data_blocks * SEED_BLOCK_SIZE;
	}
	if (find_folder(vm, opt, err) < 0 ||
	    seed_mark_read(&mark, opt->home, &m->site, &m->uuid, err) < 0)
		return -1;
	if (vm->err.kind) {	/* the survey could not tell which seed is right */
		vm->action = SEED_IMPORT_REFUSE;
		return 0;
	}
	if (!m->data) {
		vm->action = SEED_IMPORT_REFUSE;
		seed_error_set(&vm->err, SEED_ERR_FORMAT,
			       "the seed was exported with --no-data and holds no blocks: export "
			       "it with its data");
		return 0;
	}
	vm->action = SEED_IMPORT_CREATE;
	if (seed_replica_open(&r, opt->store, vm->folder, false, &why) == 0) {
		judge_replica(vm, r);
	} else if (why.kind != SEED_ERR_NOTFOUND &&
		   (why.kind != SEED_ERR_FORMAT || has_state(vm, opt))) {
		vm->action = SEED_IMPORT_REFUSE;
		vm->err = why;
		return 0;
	}
	if (vm->action != SEED_IMPORT_NOTHING && vm->action != SEED_IMPORT_REFUSE)
		check_mark(vm, &mark);
	return 0;
}
