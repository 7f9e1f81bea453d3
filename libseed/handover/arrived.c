// SPDX-License-Identifier: LGPL-2.1-or-later
/* Whether what the disks hold is anywhere else. (no .h: handover_internal.h) */
#include <string.h>

#include "base/cleanup.h"
#include "capture/receipts.h"
#include "capture/sent.h"
#include "handover/handover_internal.h"

static bool acknowledges(const struct seed_receipt *receipt, const struct seed_vec *readings)
{
	for (size_t i = 0; i < readings->count; i++) {
		const struct seed_reading *r = seed_vec_at(readings, i);
		bool same = false;

		for (size_t k = 0; k < receipt->disks.count && !same; k++) {
			const struct seed_receipt_disk *d = seed_vec_at(&receipt->disks, k);

			same = strcmp(d->slot, r->slot) == 0 && d->size == r->source->size &&
			       seed_digest_equal(&d->root, &r->root);
		}
		if (!same)
			return false;
	}
	return true;
}

/* The highest generation that a site acknowledged which may go on with it, 0: none did. *@same:
 * one of them has what was read. A receipt that does not verify is none. */
static uint64_t ask_receipts(const struct seed_source_vm *vm, const struct seed_vec *readings,
			     const struct seed_adopt_options *opt, bool *same)
{
	size_t trusted = opt->trust ? seed_trust_count(opt->trust) : 0;
	uint64_t highest = 0;

	*same = false;
	for (size_t i = 0; i < trusted; i++) {
		const struct seed_trusted *site = seed_trust_at(opt->trust, i);
		SEED_AUTO(seed_receipt_clear) struct seed_receipt receipt = { 0 };
		struct seed_error ignored = { 0 };

		if (site->own || site->revoked ||
		    (opt->follow && !seed_id_equal(opt->follow, &site->card.site)) ||
		    seed_receipts_get(&receipt, vm->dir, &site->card.site, &site->card.key,
				      &ignored) < 0)
			continue;
		if (receipt.generation > highest)
			highest = receipt.generation;
		*same |= readings && acknowledges(&receipt, readings);
	}
	return highest;
}

uint64_t seed_arrival_acknowledged(const struct seed_source_vm *vm,
				   const struct seed_adopt_options *opt)
{
	uint64_t base = seed_lineage_base(&vm->lineage), receipts;
	bool same;

	receipts = ask_receipts(vm, NULL, opt, &same);
	return receipts > base ? receipts : base;
}

/* What a promotion here forked from came from the site that signed it. */
static bool came_from_there(const struct seed_source_vm *vm, uint64_t generation)
{
	const struct seed_timeline *last = &vm->lineage.timelines[vm->lineage.count - 1];

	return vm->lineage.count > 1 && last->parent_generation == generation &&
	       !seed_id_equal(&last[-1].writer, &vm->site);
}

int seed_arrival_of(enum seed_arrival *out, const struct seed_source_vm *vm,
		    const struct seed_vec *readings, const struct seed_adopt_options *opt,
		    struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec sent = { 0 };
	struct seed_error why = { 0 };
	uint64_t generation = 0;
	bool same;

	if (seed_sent_get(&sent, &generation, vm->dir, &why) < 0 && why.kind != SEED_ERR_NOTFOUND) {
		*err = why;
		return -1;
	}
	*out = SEED_ARRIVAL_ACKNOWLEDGED;
	for (size_t i = 0; i < readings->count; i++) {
		const struct seed_reading *r = seed_vec_at(readings, i);

		if (!seed_sent_has(&sent, r->slot, r->source->size, &r->root))
			*out = SEED_ARRIVAL_UNSENT;
	}
	if (*out == SEED_ARRIVAL_UNSENT || came_from_there(vm, generation))
		return 0;
	if (ask_receipts(vm, readings, opt, &same) == 0)
		*out = SEED_ARRIVAL_UNKNOWN;
	else if (!same)
		*out = SEED_ARRIVAL_DOUBTED;
	return 0;
}
