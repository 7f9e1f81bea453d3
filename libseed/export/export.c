/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Carrying out an export: see export.h for the steps. */
#include "export/export.h"

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
	struct seed_volume *volume;
	struct seed_set_record record;
	struct seed_pool *pool;
	size_t depth;
	struct seed_set_writer *writer;	/* NULL with --no-data */
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

static int open_writer(struct run *run, struct seed_error *err)
{
	struct seed_set_writer_options opt = {
		.home = run->opt->home,
		.volume = run->volume,
		.record = &run->record,
		.own = run->opt->own,
		.pool = run->pool,
		.depth = run->depth,
		.map_bytes = run->opt->memory,
		.level = LEVEL,
		.commit_bytes = COMMIT_BYTES,
		.commit_ms = COMMIT_MS,
		.cancel = run->opt->cancel,
	};

	if (!run->opt->data)
		return 0;
	return seed_set_writer_open(&run->writer, &opt, err);
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

static int write_set(struct run *run, struct seed_error *err)
{
	static const struct seed_vec none;
	const struct seed_vec *packs = &none;

	if (open_writer(run, err) < 0)
		return -1;
	phase(run, "reading", run->plan->data_bytes);
	if (export_vms(run, err) < 0)
		return -1;
	phase(run, "reading back", 0);
	if (run->writer) {
		if (seed_set_writer_flush(run->writer, err) < 0)
			return -1;
		seed_set_writer_totals(run->writer, &run->plan->totals);
		run->plan->added_bytes += run->plan->totals.read_back_bytes;
		packs = seed_set_writer_packs(run->writer);
	}
	if (!any_captured(run->plan))
		return 0;
	if (seed_export_own_blocks(run->plan, run->opt, err) < 0)
		return -1;
	phase(run, "committing", 0);
	return seed_export_finish(run->plan, run->volume, &run->record, packs, run->opt, err);
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

int seed_export_run(struct seed_export *plan, struct seed_medium *medium,
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
	char name[SEED_QUOTED];
	int rc;

	if (!any_captured(plan))
		return seed_export_verdict(plan, err);
	if (seed_medium_lock(medium, err) < 0)
		return -1;
	if (seed_export_target(&run.volume, &run.record, &plan->new_set, medium, opt, err) < 0)
		return seed_error_prefix(err, "medium %s", seed_medium_name(medium, name));
	plan->set = run.volume->set;
	rc = seed_pool_new(&run.pool, &pool, err);
	if (rc == 0)
		rc = write_set(&run, err);
	if (rc < 0 && err && err->kind == SEED_ERR_MEDIUM)
		seed_error_prefix(err, "medium %s", seed_medium_name(medium, name));
	seed_set_writer_close(run.writer);
	seed_pool_free(run.pool);
	seed_volume_close(run.volume);
	return rc < 0 ? -1 : seed_export_verdict(plan, err);
}
