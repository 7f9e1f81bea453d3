/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading the VMs of an export, disk by disk, into the set (no .h: export_internal.h). */
#include "base/cleanup.h"
#include "capture/side_files.h"
#include "export/export_internal.h"
#include "image/raw_source.h"

static bool held_by_set(void *arg, const struct seed_digest *digest)
{
	struct seed_export_reading *run = arg;

	return !run->writer || seed_set_writer_has(run->writer, digest);
}

static void report_progress(struct seed_export_reading *run, const struct seed_export_vm *vm,
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
static int export_chunk(struct seed_export_reading *run, const struct seed_export_vm *vm,
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

static int scan_disk(struct seed_export_reading *run, const struct seed_export_vm *vm,
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
static bool ends_run(const struct seed_export_reading *run, const struct seed_error *err)
{
	return run->set_failed || err->kind == SEED_ERR_CANCELLED;
}

static int export_disk(struct seed_export_reading *run, struct seed_export_vm *vm,
		       struct seed_export_disk *disk, struct seed_source *source,
		       struct seed_error *err)
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
static int export_disks(struct seed_export_reading *run, struct seed_export_vm *vm,
			struct seed_source **sources, struct seed_error *err)
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

static int export_vm(struct seed_export_reading *run, struct seed_export_vm *vm,
		     struct seed_error *err)
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

int seed_export_read(struct seed_export_reading *run, struct seed_error *err)
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

static void begin_again(struct seed_export_vm *vm)
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

void seed_export_read_again(struct seed_export_reading *run)
{
	for (size_t i = 0; i < run->plan->vms.count; i++) {
		struct seed_export_vm *vm = seed_vec_at(&run->plan->vms, i);

		if (!vm->err.kind)
			begin_again(vm);
	}
	run->plan->scanned_bytes = 0;
	run->skipped = 0;
	run->set_failed = false;
}
