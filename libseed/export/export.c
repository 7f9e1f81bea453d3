/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Carrying out an export: see export.h for the steps. */
#include "export/export.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "export/export_internal.h"

#define DEPTH_PER_WORKER 4u		/* chunks, and records, in flight */
#define COMMIT_BYTES ((uint64_t)8 << 30)
#define COMMIT_MS (10u * 60u * 1000u)
#define LEVEL 1				/* zstd: 3 costs a fifth more time for 5 % fewer bytes */

struct run {
	struct seed_export *plan;
	const struct seed_export_options *opt;
	struct seed_export_reading read;	/* and the writer */
	struct seed_target target;
	struct seed_digest_map *map;	/* what the volumes at hand hold, and what was added */
	struct seed_set_roll roll;
	struct seed_set_totals before;	/* of writers that gave up */
	uint64_t counted;		/* bytes read back that were put down to a volume */
	bool named;			/* the error names its medium */
};

static void *codec_new(void *arg, struct seed_error *err)
{
	struct seed_record_codec *codec;

	(void)arg;
	return seed_record_codec_new(&codec, LEVEL, err) < 0 ? NULL : codec;
}

static void codec_free(void *codec)
{
	seed_record_codec_free(codec);
}

static bool any_captured(const struct seed_export *plan)
{
	for (size_t i = 0; i < plan->vms.count; i++) {
		if (!((const struct seed_export_vm *)seed_vec_at(&plan->vms, i))->err.kind)
			return true;
	}
	return false;
}

static void phase(struct run *run, const char *name, uint64_t total)
{
	seed_event_send(run->opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PHASE, .phase = name, .total = total });
}

/* ---- from volume to volume ---- */

/* What the writer has read back since is the present volume's. */
static void count_bytes(struct run *run)
{
	struct seed_set_totals totals;

	if (!run->read.writer)
		return;
	seed_set_writer_totals(run->read.writer, &totals);
	run->target.now->added += totals.read_back_bytes - run->counted;
	run->counted = totals.read_back_bytes;
}

static int room_now(void *arg, uint64_t *bytes, struct seed_error *err)
{
	return seed_target_room(&((struct run *)arg)->target, bytes, err);
}

static uint64_t left_to_read(void *arg)
{
	const struct seed_export *plan = ((struct run *)arg)->plan;

	return plan->scanned_bytes < plan->data_bytes ? plan->data_bytes - plan->scanned_bytes : 0;
}

static int go_on(struct run *run, struct seed_error *err)
{
	char name[SEED_QUOTED], next[SEED_QUOTED];

	count_bytes(run);
	seed_medium_name(run->target.now->medium, name);
	if (seed_target_next(&run->target, err) < 0) {
		run->named = true;
		return -1;
	}
	seed_event_note(run->opt->events, SEED_EVENT_NOTE,
			"medium %s is full: going on with medium %s, volume %u",
			name, seed_medium_name(run->target.now->medium, next),
			run->target.now->record.volume);
	return 0;
}

static int next_volume(void *arg, struct seed_volume **volume, struct seed_set_record **record,
		       struct seed_error *err)
{
	struct run *run = arg;

	if (go_on(run, err) < 0)
		return -1;
	*volume = run->target.now->volume;
	*record = &run->target.now->record;
	return 0;
}

static int open_map(struct run *run, struct seed_error *err)
{
	if (!run->opt->data)
		return 0;
	if (seed_digest_map_new(&run->map, run->opt->memory, err) < 0)
		return -1;
	for (size_t i = 0; i < run->target.volumes.count; i++) {
		const struct seed_target_volume *v =
			*(struct seed_target_volume **)seed_vec_at(&run->target.volumes, i);

		if (seed_set_map_load(run->map, v->volume, LEVEL, run->opt->cancel, err) < 0)
			return -1;
	}
	return 0;
}

static int open_writer(struct run *run, struct seed_error *err)
{
	const struct seed_set_writer_options opt = {
		.home = run->opt->home,
		.volume = run->target.now->volume,
		.record = &run->target.now->record,
		.own = run->opt->own,
		.pool = run->read.pool,
		.depth = run->read.depth,
		.map = run->map,
		.level = LEVEL,
		.roll = &run->roll,
		.commit_bytes = COMMIT_BYTES,
		.commit_ms = COMMIT_MS,
		.cancel = run->opt->cancel,
	};

	run->counted = 0;
	run->read.commits = 0;
	if (!run->opt->data)
		return 0;
	return seed_set_writer_open(&run->read.writer, &opt, err);
}

/* ---- one attempt ---- */

static void take_totals(struct run *run)
{
	struct seed_set_totals *sum = &run->plan->totals, more = { 0 };

	if (run->read.writer)
		seed_set_writer_totals(run->read.writer, &more);
	*sum = run->before;
	sum->new_blocks += more.new_blocks;
	sum->new_bytes += more.new_bytes;
	sum->held_blocks += more.held_blocks;
	sum->stored_bytes += more.stored_bytes;
	sum->read_back_bytes += more.read_back_bytes;
	sum->packs += more.packs;
	sum->cached |= more.cached;
}

/* The volume that is to have the manifests has room for them. */
static int find_room_to_finish(struct run *run, struct seed_error *err)
{
	for (;;) {
		size_t packs =
			run->read.writer ? seed_set_writer_packs(run->read.writer)->count : 0;
		uint64_t free;

		if (seed_target_free(&run->target, &free, err) < 0)
			return -1;
		if (free >= seed_export_finish_bytes(run->plan, &run->target, packs))
			return 0;
		if ((run->read.writer ? seed_set_writer_roll(run->read.writer, err) :
					go_on(run, err)) < 0)
			return -1;
	}
}

static int write_set(struct run *run, struct seed_error *err)
{
	static const struct seed_vec none;

	if (open_writer(run, err) < 0)
		return -1;
	phase(run, "reading", run->plan->data_bytes);
	if (seed_export_read(&run->read, err) < 0)
		return -1;
	phase(run, "reading back", 0);
	run->read.set_failed = true;		/* from here on whatever fails ends the run */
	if (run->read.writer && seed_set_writer_flush(run->read.writer, err) < 0)
		return -1;
	if (!any_captured(run->plan))
		return 0;
	if (seed_export_own_blocks(run->plan, run->opt, err) < 0)
		return seed_set_home_failed(err);
	if (find_room_to_finish(run, err) < 0)
		return -1;
	phase(run, "committing", 0);
	return seed_export_finish(run->plan, &run->target,
				  run->read.writer ? seed_set_writer_packs(run->read.writer) :
						     &none,
				  run->opt, err);
}

/* ---- when there was no room after all ---- */

/* Somebody else writes to the medium too, or a file system needs more than it said. */
static bool filled_up(const struct run *run, const struct seed_error *err)
{
	return run->read.set_failed && !run->named && err->kind == SEED_ERR_MEDIUM &&
	       (err->sys_errno == ENOSPC || err->sys_errno == EDQUOT);
}

/* The attempt is dead. What it had read back is committed, what it had not leaves the
 * deduplication table, and all VMs are gone over again on the next volume: what is proven to be
 * unchanged and held is not read again. */
static int start_over(struct run *run, struct seed_error *err)
{
	char name[SEED_QUOTED];

	seed_medium_name(run->target.now->medium, name);
	if (run->read.writer) {
		seed_set_writer_give_up(run->read.writer);
		count_bytes(run);
		take_totals(run);
		run->before = run->plan->totals;
		seed_set_writer_close(seed_steal(&run->read.writer));
	}
	seed_target_recover(&run->target);
	if (go_on(run, err) < 0)
		return -1;
	seed_event_note(run->opt->events, SEED_EVENT_WARNING,
			"medium %s filled up too early: what was not safe on it yet is stored "
			"again",
			name);
	seed_export_read_again(&run->read);
	return 0;
}

static int write_whole_set(struct run *run, struct seed_error *err)
{
	struct seed_error why = { 0 };

	if (open_map(run, err) < 0)
		return -1;
	while (write_set(run, &why) < 0) {
		if (!filled_up(run, &why)) {
			*err = why;
			return -1;
		}
		if (start_over(run, err) < 0)
			return -1;
		why = (struct seed_error){ 0 };
	}
	return 0;
}

/* One verdict for the command from those of its VMs. */
int seed_export_verdict(const struct seed_export *plan, struct seed_error *err)
{
	const struct seed_export_vm *first = NULL;
	size_t failed = 0;
	char quoted[SEED_QUOTED];

	for (size_t i = 0; i < plan->vms.count; i++) {
		const struct seed_export_vm *vm = seed_vec_at(&plan->vms, i);

		if (!vm->err.kind)
			continue;
		failed++;
		first = first ? first : vm;
	}
	if (!failed)
		return 0;
	if (plan->vms.count == 1) {
		*err = first->err;
		return seed_error_prefix(err, "%s",
					 seed_quote(first->def->name, quoted, sizeof(quoted)));
	}
	seed_error_set(err, failed < plan->vms.count ? SEED_ERR_PARTIAL : first->err.kind,
		       "%zu of %zu VMs were not exported, the first is %s: %s", failed,
		       plan->vms.count, seed_quote(first->def->name, quoted, sizeof(quoted)),
		       first->err.text);
	err->sys_errno = first->err.sys_errno;
	return -1;
}

/* What came of it, whether it ended well or not. */
static int conclude(struct run *run, int rc, struct seed_error *err)
{
	char name[SEED_QUOTED];

	if (rc < 0 && err && err->kind == SEED_ERR_MEDIUM && !run->named)
		seed_error_prefix(err, "medium %s",
				  seed_medium_name(run->target.now->medium, name));
	take_totals(run);
	count_bytes(run);
	seed_set_writer_close(run->read.writer);
	if (seed_target_show(&run->target, rc < 0 ? NULL : err) < 0)
		rc = -1;
	for (size_t i = 0; i < run->plan->volumes.count; i++)
		run->plan->added_bytes += ((const struct seed_export_volume *)
					   seed_vec_at(&run->plan->volumes, i))->added_bytes;
	return rc;
}

/* Since when all that earlier runs left was read: since the volume that was read first. */
static void note_old_packs(struct run *run)
{
	struct seed_export *plan = run->plan;

	for (size_t i = 0; i < run->target.volumes.count; i++) {
		const struct seed_target_volume *at =
			*(struct seed_target_volume **)seed_vec_at(&run->target.volumes, i);

		if (!at->volume || !at->volume->packs.count)
			continue;
		if (!plan->old_packs || at->record.last_full_read < plan->last_full_read)
			plan->last_full_read = at->record.last_full_read;
		plan->old_packs = true;
	}
}

int seed_export_run(struct seed_export *plan, struct seed_medium *const *media, size_t count,
		    const struct seed_export_options *opt, struct seed_error *err)
{
	struct run run = {
		.plan = plan,
		.opt = opt,
		.read = {
			.plan = plan,
			.opt = opt,
			.depth = (size_t)DEPTH_PER_WORKER * (opt->jobs ? opt->jobs : 1),
		},
	};
	const struct seed_pool_options pool = {
		.workers = opt->jobs,
		.scratch_new = codec_new,
		.scratch_free = codec_free,
	};
	int rc;

	if (!any_captured(plan))
		return seed_export_verdict(plan, err);
	if (seed_target_open(&run.target, plan, media, count, opt, err) < 0)
		return -1;
	run.roll = (struct seed_set_roll){ room_now, left_to_read, next_volume, &run };
	rc = seed_pool_new(&run.read.pool, &pool, err);
	if (rc == 0 && opt->reverify) {
		rc = seed_export_reverify(&run.target, err);
		run.named = rc < 0;
	}
	note_old_packs(&run);
	if (rc == 0)
		rc = write_whole_set(&run, err);
	rc = conclude(&run, rc, err);
	seed_pool_free(run.read.pool);
	seed_digest_map_free(run.map);
	seed_target_close(&run.target);
	return rc < 0 ? -1 : seed_export_verdict(plan, err);
}
