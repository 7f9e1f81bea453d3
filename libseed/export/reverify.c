// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading the packs of earlier runs again (no .h: export_internal.h). What a run adds it reads back
 * anyway, so behind this all of the set at hand was read since @last_full_read.
 */
#include "base/cancel.h"
#include "base/clock.h"
#include "base/text.h"
#include "export/export_internal.h"
#include "export/target.h"
#include "pack/scrub.h"

#define PHASE "reading the set"

static uint64_t pack_bytes(const struct seed_volume *v)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < v->packs.count; i++)
		sum += ((const struct seed_pack_facts *)seed_vec_at(&v->packs, i))->length;
	return sum;
}

static int read_volume(struct seed_target *t, struct seed_target_volume *at, uint64_t *done,
		       uint64_t total, struct seed_error *err)
{
	const struct seed_volume *v = at->volume;
	char path[SEED_PACK_NAME];

	for (size_t i = 0; i < v->packs.count; i++) {
		const struct seed_pack_facts *pack = seed_vec_at(&v->packs, i);

		if (seed_file_read_back(v->dir, seed_pack_name(pack->number, path), pack->length,
					&pack->digest, &t->plan->totals.cached, t->opt->cancel,
					err) < 0) {
			/* It was right once: that it differs now is damage. */
			if (err && err->kind == SEED_ERR_MEDIUM && !err->sys_errno)
				err->kind = SEED_ERR_INTEGRITY;
			return -1;
		}
		*done += pack->length;
		seed_event_send(t->opt->events, &(struct seed_event){
			.kind = SEED_EVENT_PROGRESS, .phase = PHASE, .done = *done,
			.total = total });
	}
	at->record.last_full_read = seed_clock_wall();
	return seed_set_record_write(t->opt->home, &at->record, err);
}

int seed_export_reverify(struct seed_target *t, struct seed_error *err)
{
	uint64_t done = 0, total = 0;
	char name[SEED_QUOTED];

	for (size_t i = 0; i < t->volumes.count; i++) {
		struct seed_target_volume *at =
			*(struct seed_target_volume **)seed_vec_at(&t->volumes, i);

		total += at->volume ? pack_bytes(at->volume) : 0;
	}
	seed_event_send(t->opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PHASE, .phase = PHASE, .total = total });
	for (size_t i = 0; i < t->volumes.count; i++) {
		struct seed_target_volume *at =
			*(struct seed_target_volume **)seed_vec_at(&t->volumes, i);

		if (at->volume && at->volume->packs.count &&
		    read_volume(t, at, &done, total, err) < 0)
			return seed_error_prefix(err, "medium %s",
						 seed_medium_name(at->medium, name));
	}
	return 0;
}
