/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Planning and carrying out an import: see import.h for the steps. */
#include "import/import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "import/import_internal.h"
#include "replica/marks.h"

#define NEXT_NAMES_MAX 10000u
#define DISKS_MAX 256u			/* written at once: 64 MiB of list windows */
#define DESCRIPTORS_PER_DISK 6u		/* its VM's folders and log, list, disk file twice */
#define DESCRIPTORS_KEPT 64u		/* for everything else */

static bool writes(const struct seed_import_vm *vm)
{
	return vm->action != SEED_IMPORT_NOTHING && vm->action != SEED_IMPORT_REFUSE;
}

struct held {
	int dir;
	uint64_t bytes;
};

static int add_held(const char *name, void *arg, struct seed_error *err)
{
	struct held *held = arg;
	struct stat st;

	(void)err;
	if (fstatat(held->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		held->bytes += (uint64_t)st.st_blocks * 512;
	return 0;
}

/* What an interrupted build beside the replica has taken up: it is gone on with, or gives way to
 * this seed's. */
static uint64_t held_by_next(int store, const char *folder)
{
	char path[SEED_REPLICA_NAME + 8];
	SEED_AUTO(seed_fd_closep) int dir = -1;
	struct held held = { 0 };

	snprintf(path, sizeof(path), "%s/next", folder);
	if (seed_path_open_folder_at(&dir, store, path, NULL) < 0)
		return 0;
	held.dir = dir;
	seed_path_each(dir, ".", NEXT_NAMES_MAX, add_held, &held, NULL);
	return held.bytes;
}

/* Space is reckoned before anything is written; a VM that does not fit any more is refused and the
 * next, smaller one may still fit. */
static int reckon_space(struct seed_import *plan, const struct seed_import_options *opt,
			struct seed_error *err)
{
	struct statvfs st;
	uint64_t room;

	if (fstatvfs(opt->store, &st) < 0)
		return seed_error_sys(err, errno, "space of the store");
	room = (uint64_t)st.f_bavail * st.f_frsize;
	for (size_t i = 0; i < plan->vms.count; i++) {
		struct seed_import_vm *vm = seed_vec_at(&plan->vms, i);
		char need[32], have[32];
		uint64_t left;

		if (!writes(vm))
			continue;
		/* Going on has its room already. */
		if (vm->action == SEED_IMPORT_RESUME || vm->action == SEED_IMPORT_FILL) {
			plan->need_bytes += vm->need_bytes;
			continue;
		}
		left = vm->need_bytes;
		if (vm->action == SEED_IMPORT_REPLACE) {
			uint64_t held = held_by_next(opt->store, vm->folder);

			left -= held < left ? held : left;
		}
		if (left <= room) {
			room -= left;
			plan->need_bytes += vm->need_bytes;
			continue;
		}
		vm->action = SEED_IMPORT_REFUSE;
		/* The kind that meeting it later would have. */
		seed_error_set(&vm->err, SEED_ERR_MEDIUM, "needs %s and the store has %s left",
			       seed_size_text(left, need), seed_size_text(room, have));
		vm->err.sys_errno = ENOSPC;
	}
	return 0;
}

int seed_import_plan(struct seed_import *out, struct seed_vec *media,
		     const struct seed_import_options *opt, struct seed_error *err)
{
	*out = (struct seed_import){ .media = *media };
	*media = (struct seed_vec){ 0 };
	if (seed_import_survey(out, opt, err) < 0)
		return -1;
	for (size_t i = 0; i < out->vms.count; i++) {
		struct seed_import_vm *vm = seed_vec_at(&out->vms, i);
		char quoted[SEED_QUOTED];

		if (seed_import_judge(vm, opt, err) < 0)
			return seed_error_prefix(err, "%s",
						 seed_quote(vm->seed->manifest.name, quoted,
							    sizeof(quoted)));
	}
	return reckon_space(out, opt, err);
}

void seed_import_clear(struct seed_import *plan)
{
	for (size_t i = 0; i < plan->vms.count; i++)
		seed_seed_close(((struct seed_import_vm *)seed_vec_at(&plan->vms, i))->seed);
	for (size_t i = 0; i < plan->volumes.count; i++)
		seed_volume_close(*(struct seed_volume **)seed_vec_at(&plan->volumes, i));
	for (size_t i = 0; i < plan->media.count; i++)
		seed_medium_close(*(struct seed_medium **)seed_vec_at(&plan->media, i));
	seed_set_views_clear(&plan->views);
	seed_vec_free(&plan->vms);
	seed_vec_free(&plan->volumes);
	seed_vec_free(&plan->media);
	seed_vec_free(&plan->problems);
}

/* How many disks are written at once: each keeps a window of its list in memory, and some
 * descriptors open. */
static size_t disks_at_once(void)
{
	struct rlimit limit;
	size_t most = DISKS_MAX;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
	    limit.rlim_cur < DESCRIPTORS_KEPT + most * DESCRIPTORS_PER_DISK)
		most = limit.rlim_cur < DESCRIPTORS_KEPT + DESCRIPTORS_PER_DISK ? 1 :
		       (limit.rlim_cur - DESCRIPTORS_KEPT) / DESCRIPTORS_PER_DISK;
	return most;
}

/* The next VMs from *@next on, as many as go at once; those that could be begun come side by side
 * in
 * @builds. */
static size_t begin_builds(struct seed_import *plan, size_t *next, struct seed_build *builds,
			   const struct seed_import_options *opt)
{
	size_t count = 0, disks = 0, most = disks_at_once();

	seed_event_send(opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PHASE, .phase = "preparing" });
	for (; *next < plan->vms.count; ++*next) {
		struct seed_import_vm *vm = seed_vec_at(&plan->vms, *next);
		struct seed_build *b = &builds[count];

		if (!writes(vm))
			continue;
		disks += vm->seed->manifest.disks.count;
		if (count && disks > most)
			break;
		*b = (struct seed_build){ 0 };
		b->vm = vm;
		if (seed_build_begin(b, opt, &vm->err) == 0) {
			count++;
			continue;
		}
		seed_build_end(b);
	}
	return count;
}

static void finish_builds(struct seed_build *builds, size_t count,
			  const struct seed_import_options *opt)
{
	for (size_t i = 0; i < count; i++) {
		struct seed_build *b = &builds[i];

		if (b->failed)
			continue;
		if (seed_build_finish(b, opt, &b->vm->err) < 0)
			continue;
		b->vm->done = true;
	}
}

/* What a run that was cut behind its last replica.json left undone: a switch, the end of the log,
 * the mark. Opening with the lock finishes the switch. */
static int catch_up(struct seed_import_vm *vm, const struct seed_import_options *opt,
		    struct seed_error *err)
{
	const struct seed_replica_watch watch = { opt->events, opt->cancel };
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	struct seed_error why = { 0 };

	if (seed_replica_open_watched(&r, opt->store, vm->folder, &watch, &why) < 0) {
		if (why.kind == SEED_ERR_LOCKED && !vm->switching)
			return 0;		/* in use, and nothing that matters is left */
		*err = why;
		return -1;
	}
	vm->done |= vm->switching;
	if (!seed_id_equal(&r->seed, &vm->seed->manifest.seed))
		return 0;
	if (seed_path_unlink(r->dir, SEED_IMPORT_LOG, err) < 0)
		return -1;
	return seed_mark_advance(opt->home, &vm->seed->manifest, &vm->seed->digest, opt->own, err);
}

static void catch_up_all(struct seed_import *plan, const struct seed_import_options *opt)
{
	for (size_t i = 0; i < plan->vms.count; i++) {
		struct seed_import_vm *vm = seed_vec_at(&plan->vms, i);

		if (vm->action == SEED_IMPORT_NOTHING && (vm->switching || !vm->older))
			catch_up(vm, opt, &vm->err);
	}
}

int seed_import_verdict(const struct seed_import *plan, struct seed_error *err)
{
	const struct seed_import_vm *first = NULL;
	size_t bad = 0, good = 0, problems = 0;
	char quoted[SEED_QUOTED];

	for (size_t i = 0; i < plan->vms.count; i++) {
		const struct seed_import_vm *vm = seed_vec_at(&plan->vms, i);

		if (vm->err.kind) {
			bad++;
			first = first ? first : vm;
		} else if (vm->missing_blocks) {
			bad++;
			good++;
		} else {
			good++;
		}
	}
	for (size_t i = 0; i < plan->problems.count; i++)
		problems += !((const struct seed_import_problem *)
				      seed_vec_at(&plan->problems, i))->harmless;
	if (!bad && !problems)
		return 0;
	if (!good && first) {
		*err = first->err;
		return seed_error_prefix(err, "%s", seed_quote(first->seed->manifest.name, quoted,
							       sizeof(quoted)));
	}
	if (bad)
		return seed_error_set(err, SEED_ERR_PARTIAL,
				      "%zu of %zu VMs are not complete: see their verdicts", bad,
				      plan->vms.count);
	return seed_error_set(err, SEED_ERR_PARTIAL,
			      "%zu VM%s imported, but not all of the media could be used: see "
			      "above",
			      good, good == 1 ? " is" : "s are");
}

/* One pass over the media for as many VMs as go at once. */
static int import_batch(struct seed_import *plan, size_t *next, struct seed_build *builds,
			const struct seed_import_options *opt, struct seed_error *err)
{
	size_t count = begin_builds(plan, next, builds, opt);
	int rc = 0;

	if (count)
		rc = seed_import_packs(plan, builds, count, opt, err);
	if (rc == 0)
		finish_builds(builds, count, opt);
	for (size_t i = 0; i < count; i++)
		seed_build_end(&builds[i]);
	return rc;
}

int seed_import_run(struct seed_import *plan, const struct seed_import_options *opt,
		    struct seed_error *err)
{
	SEED_AUTO(seed_freep) struct seed_build *builds =
		calloc(plan->vms.count ? plan->vms.count : 1, sizeof(*builds));
	int rc = 0;

	if (!builds)
		return seed_error_sys(err, ENOMEM, "import");
	for (size_t next = 0; rc == 0 && next < plan->vms.count;)
		rc = import_batch(plan, &next, builds, opt, err);
	if (rc < 0)
		return -1;
	catch_up_all(plan, opt);
	return seed_import_verdict(plan, err);
}
