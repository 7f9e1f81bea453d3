/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which blocks of the exported VMs no other VM of this site has. */
#include <errno.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "capture/own.h"
#include "export/export_internal.h"

static int want(struct seed_vec *wanted, const struct seed_export *plan, struct seed_error *err)
{
	for (size_t i = 0; i < plan->vms.count; i++) {
		const struct seed_export_vm *vm = seed_vec_at(&plan->vms, i);

		for (size_t k = 0; !vm->err.kind && k < vm->disks.count; k++) {
			const struct seed_export_disk *disk = seed_vec_at(&vm->disks, k);
			struct seed_own_wanted w = {
				.uuid = &vm->uuid,
				.slot = disk->def->slot,
				.size = disk->size,
				.root = disk->facts.root,
			};

			if (!seed_vec_push(wanted, sizeof(w), &w))
				return seed_error_sys(err, ENOMEM, "own blocks");
		}
	}
	return 0;
}

/* In the order of want(). */
static void hand_out(struct seed_vec *wanted, struct seed_export *plan)
{
	struct seed_own_wanted *w = wanted->items;

	for (size_t i = 0; i < plan->vms.count; i++) {
		const struct seed_export_vm *vm = seed_vec_at(&plan->vms, i);

		for (size_t k = 0; !vm->err.kind && k < vm->disks.count; k++, w++) {
			struct seed_export_disk *disk = seed_vec_at(&vm->disks, k);

			disk->own_runs = w->runs;
			disk->own_blocks = w->blocks;
			disk->compared = w->compared;
		}
	}
}

int seed_export_own_blocks(struct seed_export *plan, const struct seed_export_options *opt,
			   struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec wanted = { 0 };
	const int64_t now = seed_clock_wall();
	/* All VMs of the run are asked for at once: none of the others is this run's. */
	const struct seed_own_search search = {
		.home = opt->home, .began = now, .now = now, .events = opt->events,
		.cancel = opt->cancel,
	};

	if (want(&wanted, plan, err) < 0)
		return -1;
	if (seed_capture_own_blocks(&search, wanted.items, wanted.count, err) < 0) {
		for (size_t i = 0; i < wanted.count; i++)
			seed_vec_free(&((struct seed_own_wanted *)seed_vec_at(&wanted, i))->runs);
		return -1;
	}
	hand_out(&wanted, plan);
	return 0;
}
