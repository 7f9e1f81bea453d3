/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Carrying out an export: see export.h for the steps. */
#include "export/export.h"

#include <errno.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "capture/side_files.h"
#include "export/export_internal.h"
#include "image/raw_source.h"

#define DEPTH_PER_WORKER 4u		/* chunks, and records, in flight */
#define COMMIT_BYTES ((uint64_t)8 << 30)
#define COMMIT_MS (10u * 60u * 1000u)
#define LEVEL 1				/* zstd: 3 costs a fifth more time for 5 % fewer bytes */

struct run {
	struct seed_export *plan;
	const struct seed_export_options *opt;
	struct seed_target target;
	struct seed_pool *pool;
	size_t depth;
	struct seed_digest_map *map;	/* what the volumes at hand hold, and what was added */
	struct seed_set_writer *writer;	/* NULL with --no-data */
	struct seed_set_roll roll;
	struct seed_set_totals before;	/* of writers that gave up */
	uint64_t counted;		/* bytes read back that were put down to a volume */
	bool named;			/* the error names its medium */
	uint32_t commits;		/* seen so far */
	bool set_failed;		/* an error came from the set, not from a source */
	uint64_t skipped;
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

static bool held_by_set(void *arg, const struct seed_digest *digest)
{
	struct run *run = arg;

	return !run->writer || seed_set_writer_has(run->writer, digest);
}

static void report_progress(struct run *run, const struct seed_export_vm *vm,
			    const struct seed_export_disk *disk)
{
	struct seed_export *plan = run->plan;
	uint64_t done = plan->scanned_bytes < plan->data_bytes ? plan->scanned_bytes
							       : plan->data_bytes;

	seed_event_send(run->opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PROGRESS,
		.phase = "reading",
		.done = done,
		.total = plan->data_bytes,
		.skipped = run->skipped,
		.vm = vm->def->name,
		.disk = disk->def->slot,
	});
}

/* An error here is the set's, whatever disk was being read: it ends the run. */
static int export_chunk(struct run *run, const struct seed_export_vm *vm,
			const struct seed_export_disk *disk, struct seed_chunk *chunk,
			struct seed_error *err)
{
	for (uint64_t i = 0; !chunk->hole && i < chunk->count; i++) {
		run->plan->scanned_bytes += chunk->lengths[i];
		if (chunk->known[i])
			run->skipped += chunk->lengths[i];
	}
	if (run->writer && seed_set_writer_add(run->writer, chunk, err) < 0) {
		run->set_failed = true;
		return -1;
	}
	report_progress(run, vm, disk);
	return 0;
}

static int scan_disk(struct run *run, const struct seed_export_vm *vm,
		     const struct seed_export_disk *disk, struct seed_capture *capture,
		     struct seed_error *err)
{
	for (;;) {
		struct seed_chunk *chunk;

		int rc;

		if (seed_capture_next(capture, &chunk, err) < 0)
			return -1;
		if (!chunk)
			return 0;
		rc = export_chunk(run, vm, disk, chunk, err);
		seed_capture_give_back(capture, chunk);
		if (rc < 0)
			return -1;
		if (run->writer && seed_set_writer_commits(run->writer) != run->commits) {
			run->commits = seed_set_writer_commits(run->writer);
			if (seed_capture_checkpoint(capture, err) < 0)
				return -1;
		}
	}
}

/* Errors of the source are its VM's; errors of the set, and being stopped, end the run. */
static bool ends_run(const struct run *run, const struct seed_error *err)
{
	return run->set_failed || err->kind == SEED_ERR_CANCELLED;
}

static int export_disk(struct run *run, struct seed_export_vm *vm, struct seed_export_disk *disk,
		       struct seed_source *source, struct seed_error *err)
{
	struct seed_capture_options opt = {
		.vm = vm->kept,
		.slot = disk->def->slot,
		.source = source,
		.pool = run->pool,
		.depth = run->depth,
		.held = held_by_set,
		.arg = run,
		.cancel = run->opt->cancel,
	};
	SEED_AUTO(seed_capture_closep) struct seed_capture *capture = NULL;

	disk->size = source->size;
	disk->sector_size = source->sector_size;
	if (seed_capture_open(&capture, &opt, err) < 0)
		return -1;
	if (scan_disk(run, vm, disk, capture, err) < 0) {
		/* What was read is worth remembering; should that fail, it is read again. */
		if (ends_run(run, err))
			seed_capture_checkpoint(capture, NULL);
		return -1;
	}
	if (seed_capture_finish(capture, &disk->facts, err) < 0)
		return -1;
	run->plan->bytes_read += disk->facts.bytes_read;
	if (disk->facts.captured > vm->captured)
		vm->captured = disk->facts.captured;
	return 0;
}

/* All disks of a VM are held together while any of them is read. */
static int export_disks(struct run *run, struct seed_export_vm *vm, struct seed_source **sources,
			struct seed_error *err)
{
	for (size_t i = 0; i < vm->disks.count; i++) {
		struct seed_export_disk *disk = seed_vec_at(&vm->disks, i);

		if (seed_raw_source_open(&sources[i], disk->def->path, err) < 0)
			return seed_error_prefix(err, "disk %s", disk->def->slot);
	}
	for (size_t i = 0; i < vm->disks.count; i++) {
		struct seed_export_disk *disk = seed_vec_at(&vm->disks, i);

		if (export_disk(run, vm, disk, sources[i], err) < 0)
			return ends_run(run, err) ? -1 :
			       seed_error_prefix(err, "disk %s", disk->def->slot);
	}
	return 0;
}

static int export_vm(struct run *run, struct seed_export_vm *vm, struct seed_error *err)
{
	struct seed_source *sources[SEED_VM_DISKS_MAX] = { 0 };
	int rc;

	if (seed_source_vm_open(&vm->kept, run->opt->home, vm->def, run->opt->own, 0, err) < 0 ||
	    seed_source_vm_note_definition(vm->kept, vm->def, err) < 0 ||
	    seed_side_files_read(&vm->files, vm->def, run->opt->events, err) < 0)
		return -1;
	rc = export_disks(run, vm, sources, err);
	for (size_t i = 0; i < vm->disks.count; i++)
		seed_source_close(sources[i]);
	return rc;
}

static int export_vms(struct run *run, struct seed_error *err)
{
	for (size_t i = 0; i < run->plan->vms.count; i++) {
		struct seed_export_vm *vm = seed_vec_at(&run->plan->vms, i);
		struct seed_error why = { 0 };

		if (vm->err.kind)
			continue;
		if (export_vm(run, vm, &why) < 0) {
			if (ends_run(run, &why)) {
				*err = why;
				return -1;
			}
			vm->err = why;
			seed_source_vm_close(vm->kept);
			vm->kept = NULL;
		}
	}
	return 0;
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

	if (!run->writer)
		return;
	seed_set_writer_totals(run->writer, &totals);
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
	seed_event_note(run->opt->events, SEED_EVENT_NOTE, "medium %s is full: going on with medium %s, "
			"volume %u", name, seed_medium_name(run->target.now->medium, next),
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
		.pool = run->pool,
		.depth = run->depth,
		.map = run->map,
		.level = LEVEL,
		.roll = &run->roll,
		.commit_bytes = COMMIT_BYTES,
		.commit_ms = COMMIT_MS,
		.cancel = run->opt->cancel,
	};

	run->counted = 0;
	run->commits = 0;
	if (!run->opt->data)
		return 0;
	return seed_set_writer_open(&run->writer, &opt, err);
}

/* ---- one attempt ---- */

static void take_totals(struct run *run)
{
	struct seed_set_totals *sum = &run->plan->totals, more = { 0 };

	if (run->writer)
		seed_set_writer_totals(run->writer, &more);
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
		size_t packs = run->writer ? seed_set_writer_packs(run->writer)->count : 0;
		uint64_t free;

		if (seed_target_free(&run->target, &free, err) < 0)
			return -1;
		if (free >= seed_export_finish_bytes(run->plan, &run->target, packs))
			return 0;
		if ((run->writer ? seed_set_writer_roll(run->writer, err) : go_on(run, err)) < 0)
			return -1;
	}
}

static int write_set(struct run *run, struct seed_error *err)
{
	static const struct seed_vec none;

	if (open_writer(run, err) < 0)
		return -1;
	phase(run, "reading", run->plan->data_bytes);
	if (export_vms(run, err) < 0)
		return -1;
	phase(run, "reading back", 0);
	run->set_failed = true;		/* from here on whatever fails ends the run */
	if (run->writer && seed_set_writer_flush(run->writer, err) < 0)
		return -1;
	if (!any_captured(run->plan))
		return 0;
	phase(run, "committing", 0);
	if (seed_export_own_blocks(run->plan, run->opt, err) < 0 ||
	    find_room_to_finish(run, err) < 0)
		return -1;
	return seed_export_finish(run->plan, &run->target,
				  run->writer ? seed_set_writer_packs(run->writer) : &none,
				  run->opt, err);
}

/* ---- when there was no room after all ---- */

/* Somebody else writes to the medium too, or a file system needs more than it said: what the error
 * says is of the medium and not of the home if there is hardly any room left for a pack. */
static bool filled_up(const struct run *run, const struct seed_error *err)
{
	uint64_t free;

	return run->set_failed && !run->named && err->kind == SEED_ERR_MEDIUM &&
	       (err->sys_errno == ENOSPC || err->sys_errno == EDQUOT) &&
	       seed_target_free(&run->target, &free, NULL) == 0 && free < SEED_PACK_MAX / 2;
}

static void begin_vm_again(struct seed_export_vm *vm)
{
	seed_source_vm_close(vm->kept);
	vm->kept = NULL;
	seed_side_files_clear(&vm->files);
	vm->captured = 0;
	for (size_t k = 0; k < vm->disks.count; k++) {
		struct seed_export_disk *disk = seed_vec_at(&vm->disks, k);

		disk->facts = (struct seed_capture_facts){ 0 };
		seed_vec_free(&disk->own_runs);
	}
}

/* The attempt is dead. What it had read back is committed, what it had not leaves the
 * deduplication table, and all VMs are gone over again on the next volume: what is proven to be
 * unchanged and held is not read again. */
static int start_over(struct run *run, struct seed_error *err)
{
	if (run->writer) {
		seed_set_writer_give_up(run->writer);
		count_bytes(run);
		take_totals(run);
		run->before = run->plan->totals;
		seed_set_writer_close(seed_steal(&run->writer));
	}
	if (go_on(run, err) < 0)
		return -1;
	for (size_t i = 0; i < run->plan->vms.count; i++) {
		struct seed_export_vm *vm = seed_vec_at(&run->plan->vms, i);

		if (!vm->err.kind)
			begin_vm_again(vm);
	}
	run->plan->scanned_bytes = 0;
	run->skipped = 0;
	run->set_failed = false;
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
		return seed_error_prefix(err, "%s", seed_quote(first->def->name, quoted, sizeof(quoted)));
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
	seed_set_writer_close(run->writer);
	if (seed_target_show(&run->target, rc < 0 ? NULL : err) < 0)
		rc = -1;
	for (size_t i = 0; i < run->plan->volumes.count; i++)
		run->plan->added_bytes += ((const struct seed_export_volume *)
					   seed_vec_at(&run->plan->volumes, i))->added_bytes;
	return rc;
}

int seed_export_run(struct seed_export *plan, struct seed_medium *const *media, size_t count,
		    const struct seed_export_options *opt, struct seed_error *err)
{
	struct run run = {
		.plan = plan,
		.opt = opt,
		.depth = (size_t)DEPTH_PER_WORKER * (opt->jobs ? opt->jobs : 1),
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
	rc = seed_pool_new(&run.pool, &pool, err);
	if (rc == 0)
		rc = write_whole_set(&run, err);
	rc = conclude(&run, rc, err);
	seed_pool_free(run.pool);
	seed_digest_map_free(run.map);
	seed_target_close(&run.target);
	return rc < 0 ? -1 : seed_export_verdict(plan, err);
}
