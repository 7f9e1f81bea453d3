/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps of an import, for import.c. */
#ifndef SEED_IMPORT_IMPORT_INTERNAL_H
#define SEED_IMPORT_IMPORT_INTERNAL_H

#include <pthread.h>

#include "image/sink.h"
#include "import/import.h"
#include "import/log.h"
#include "media/locate.h"

/* survey.c: all volumes of the media and the newest seed of each VM in them. */
int seed_import_survey(struct seed_import *plan, const struct seed_import_options *opt,
		       struct seed_error *err);
int seed_import_note_problem(struct seed_import *plan, const struct seed_error *err,
			     const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Takes @seed over, also on failure: it becomes its VM's unless a newer one is known already. */
int seed_import_add_seed(struct seed_import *plan, struct seed_seed *seed, struct seed_error *err);

/* kept.c: seeds of the sets at hand whose manifests lie in the store, not on the media. */
int seed_import_add_kept(struct seed_import *plan, const struct seed_import_options *opt,
			 struct seed_error *err);

/* judge.c: what to do with a seed, given the store and the marks. Fails only when the home or the
 * store cannot be read. */
int seed_import_judge(struct seed_import_vm *vm, const struct seed_import_options *opt,
		      struct seed_error *err);

/* One disk of a replica being built. */
struct seed_build_disk {
	struct seed_list *list;		/* what it must hold */
	struct seed_sink *sink;
	uint64_t size;
	struct seed_vec runs;		/* FILL: the blocks still missing; else empty */
	struct seed_vec lost;		/* struct seed_run: missing after this import */
	uint64_t missing;		/* blocks in @lost */
};

/* build.c: one replica being built. */
struct seed_build {
	struct seed_import_vm *vm;
	struct seed_replica *replica;	/* open and locked */
	bool fill;			/* only @runs of each disk are needed */
	struct seed_build_disk *disks;
	uint32_t disk_count;
	uint32_t first_disk;		/* ordinal of disks[0] over all builds */
	struct seed_import_log *log;
	bool resumed;			/* the log's packs count: same seed, same packs */
	bool has_pack;			/* ... and the pack being read is one of them */
	bool touched;			/* written to since the last sync; guarded by run.c */
	bool failed;			/* its error is in vm->err; guarded by run.c */
};

int seed_build_begin(struct seed_build *build, const struct seed_import_options *opt,
		     struct seed_error *err);
int seed_build_sync(struct seed_build *build, struct seed_error *err);
/* Put the slot of disks[@disk] before an error of it; -1. */
int seed_build_blame(const struct seed_build *build, uint32_t disk, struct seed_error *err);
/* The last steps: missing lists, side files, manifest, state, switch, mark. */
int seed_build_finish(struct seed_build *build, const struct seed_import_options *opt,
		      struct seed_error *err);
void seed_build_end(struct seed_build *build);

/* run.c: the ordered pass over all packs. */
int seed_import_packs(struct seed_import *plan, struct seed_build *builds, size_t count,
		      const struct seed_import_options *opt, struct seed_error *err);

#endif
