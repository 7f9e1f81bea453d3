/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Planning an export: which VMs, which disks, how much there is to read. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "block/scan.h"
#include "capture/side_files.h"
#include "capture/source_vm.h"
#include "export/export.h"
#include "image/raw_source.h"

static bool slot_is_excluded(const char *slot, const char *const *slots)
{
	for (; slots && *slots; slots++) {
		if (strcmp(slot, *slots) == 0)
			return true;
	}
	return false;
}

static int set_reason(struct seed_vmdef_disk *disk, const char *reason, struct seed_error *err)
{
	free(disk->excluded);
	disk->excluded = strdup(reason);
	return disk->excluded ? 0 : seed_error_sys(err, ENOMEM, "plan");
}

/* Open a disk for a moment, to learn its size and that it can be had. */
static int look_at_disk(struct seed_export_disk *disk, struct seed_error *err)
{
	SEED_AUTO(seed_source_closep) struct seed_source *src = NULL;
	char quoted[SEED_QUOTED];

	if (!disk->def->raw)
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "disk %s is %s, and only raw images can be read so far: convert %s "
				      "with qemu-img convert -O raw, or leave it out with --exclude-disk",
				      disk->def->slot, disk->def->format ? disk->def->format : "of unknown format",
				      seed_quote(disk->def->path, quoted, sizeof(quoted)));
	if (seed_raw_source_open(&src, disk->def->path, err) < 0 ||
	    seed_scan_measure(src, &disk->data_bytes, err) < 0)
		return seed_error_prefix(err, "disk %s", disk->def->slot);
	disk->size = src->size;
	disk->sector_size = src->sector_size;
	if (disk->size > SEED_DISK_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "disk %s: larger than 1 PiB",
				      disk->def->slot);
	return 0;
}

static int plan_disks(struct seed_export_vm *vm, const struct seed_export_options *opt,
		      struct seed_error *err)
{
	for (size_t i = 0; i < vm->def->disks.count; i++) {
		struct seed_vmdef_disk *def = seed_vec_at(&vm->def->disks, i);
		struct seed_export_disk disk = { .def = def };

		if (!def->excluded && slot_is_excluded(def->slot, opt->exclude_slots) &&
		    set_reason(def, "--exclude-disk", err) < 0)
			return -1;
		if (def->excluded)
			continue;
		if (!seed_vec_push(&vm->disks, sizeof(disk), &disk))
			return seed_error_sys(err, ENOMEM, "plan");
	}
	return 0;
}

/* A problem with one VM's disks is that VM's verdict. */
static void look_at_disks(struct seed_export *plan, struct seed_export_vm *vm)
{
	if (vm->disks.count == 0) {
		seed_error_set(&vm->err, SEED_ERR_USAGE, "no disk is left to export");
		return;
	}
	for (size_t i = 0; i < vm->disks.count; i++) {
		struct seed_export_disk *disk = seed_vec_at(&vm->disks, i);

		if (look_at_disk(disk, &vm->err) < 0)
			return;
		plan->data_bytes += disk->data_bytes;
	}
}

static int refuse_twins(const struct seed_export *plan, struct seed_error *err)
{
	char a[SEED_QUOTED], b[SEED_QUOTED], uuid[SEED_UUID_TEXT];

	for (size_t i = 0; i < plan->vms.count; i++) {
		const struct seed_export_vm *vm = seed_vec_at(&plan->vms, i);

		for (size_t j = 0; j < i; j++) {
			const struct seed_export_vm *other = seed_vec_at(&plan->vms, j);

			if (!seed_id_equal(&vm->uuid, &other->uuid))
				continue;
			return seed_error_set(err, SEED_ERR_USAGE,
					      "%s and %s are one VM (uuid %s): name each VM once, or give a "
					      "clone its own uuid",
					      seed_quote(other->def->source, a, sizeof(a)),
					      seed_quote(vm->def->source, b, sizeof(b)),
					      seed_uuid_text(&vm->uuid, uuid));
		}
	}
	return 0;
}

static int check_excluded(const struct seed_export *plan, const struct seed_export_options *opt,
			  struct seed_error *err)
{
	for (const char *const *slot = opt->exclude_slots; slot && *slot; slot++) {
		bool found = false;

		for (size_t i = 0; i < plan->vms.count; i++) {
			const struct seed_export_vm *vm = seed_vec_at(&plan->vms, i);

			for (size_t k = 0; k < vm->def->disks.count; k++) {
				const struct seed_vmdef_disk *d = seed_vec_at(&vm->def->disks, k);

				found |= strcmp(d->slot, *slot) == 0;
			}
		}
		if (!found) {
			char quoted[SEED_QUOTED];

			return seed_error_set(err, SEED_ERR_USAGE,
					      "--exclude-disk %s: no VM named here has such a disk",
					      seed_quote(*slot, quoted, sizeof(quoted)));
		}
	}
	return 0;
}

static int add_vm(struct seed_export *plan, struct seed_vmdef *def,
		  const struct seed_export_options *opt, struct seed_error *err)
{
	struct seed_export_vm *vm = seed_vec_push(&plan->vms, sizeof(*vm), NULL);

	if (!vm) {
		seed_vmdef_free(def);
		return seed_error_sys(err, ENOMEM, "plan");
	}
	vm->def = def;
	if (seed_source_vm_uuid(&vm->uuid, def, opt->own, err) < 0)
		return -1;
	return plan_disks(vm, opt, err);
}

int seed_export_plan(struct seed_export *out, struct seed_vec *defs,
		     const struct seed_export_options *opt, struct seed_error *err)
{
	int rc = 0;

	*out = (struct seed_export){ 0 };
	for (size_t i = 0; i < defs->count; i++) {
		struct seed_vmdef **def = seed_vec_at(defs, i);

		if (rc == 0)
			rc = add_vm(out, *def, opt, err);
		else
			seed_vmdef_free(*def);
	}
	seed_vec_free(defs);
	if (rc < 0 || refuse_twins(out, err) < 0 || check_excluded(out, opt, err) < 0)
		return -1;
	for (size_t i = 0; i < out->vms.count; i++)
		look_at_disks(out, seed_vec_at(&out->vms, i));
	return 0;
}

void seed_export_clear(struct seed_export *plan)
{
	for (size_t i = 0; i < plan->vms.count; i++) {
		struct seed_export_vm *vm = seed_vec_at(&plan->vms, i);

		seed_side_files_clear(&vm->files);
		for (size_t k = 0; k < vm->disks.count; k++)
			seed_vec_free(&((struct seed_export_disk *)seed_vec_at(&vm->disks, k))
					       ->own_runs);
		seed_vec_free(&vm->disks);
		seed_source_vm_close(vm->kept);
		seed_vmdef_free(vm->def);
	}
	seed_vec_free(&plan->vms);
	seed_vec_free(&plan->volumes);
}
