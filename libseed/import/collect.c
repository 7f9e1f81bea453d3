/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The collector thread of the pass: takes records back in order, counts, notes what was lost, and
 * makes each pack's replicas durable before it says so.
 */
#include "import/run_internal.h"

static void report_progress(struct import_run *run, const struct import_record *r)
{
	const struct import_item *item = r->items.count ? r->items.items : NULL;

	seed_event_send(run->opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PROGRESS,
		.phase = "importing",
		.done = run->done_bytes,
		.total = run->total_bytes,
		.vm = item ? run->builds[item->build].vm->seed->manifest.name : NULL,
	});
}

static int lose_items(struct import_run *run, const struct import_record *r, struct seed_error *err)
{
	char medium[SEED_QUOTED + 2];
	uint64_t lost = 0;

	for (size_t i = 0; i < r->items.count; i++) {
		const struct import_item *item = seed_vec_at(&r->items, i);
		struct seed_build *b = &run->builds[item->build];
		struct seed_import_lost entry = {
			.disk = item->disk - b->first_disk,
			.start = item->block,
			.count = 1,
		};

		struct seed_error why = { 0 };

		if (!(r->bad & 1u << item->slot) || seed_import_build_failed(run, b))
			continue;
		lost++;
		if (seed_locate_lost(run->locate, item->disk, item->block, err) < 0)
			return -1;
		if (seed_import_log_add_lost(b->log, &entry, &why) < 0)
			seed_import_fail_build(run, b, &why);
	}
	seed_event_note(run->opt->events, SEED_EVENT_WARNING,
			"%spack %08u: record %u %s: %llu blocks are missing from their replicas",
			seed_import_medium_prefix(run, r->pack->volume, medium),
			r->pack->facts->number, r->number, r->why.text,
			(unsigned long long)lost);
	return 0;
}

static void note_twin(struct import_run *run, const struct import_record *r)
{
	char damaged[SEED_QUOTED], taken[SEED_QUOTED];

	seed_event_note(run->opt->events, SEED_EVENT_WARNING,
			"medium %s: pack %08u: record %u %s: it is taken from its copy on %s",
			seed_medium_name(r->pack->volume->medium, damaged), r->pack->facts->number,
			r->number, r->why.text, seed_medium_name(r->twin->medium, taken));
}

static int collect_record(struct import_run *run, struct import_record *r, struct seed_error *err)
{
	for (size_t i = 0; i < r->items.count; i++) {
		const struct import_item *item = seed_vec_at(&r->items, i);
		uint32_t length =
			seed_grid_length(seed_import_disk_of(run, item)->size, item->block);

		run->builds[item->build].touched = true;
		if (!(r->bad & 1u << item->slot))
			run->builds[item->build].vm->written_bytes += length;
		run->done_bytes += length;
	}
	if (r->bad && lose_items(run, r, err) < 0)
		return -1;
	if (r->twin && !r->bad)
		note_twin(run, r);
	report_progress(run, r);
	return 0;
}

/* All of a pack has been written: make it durable, then say so. A crash between the two
 * costs reading the pack again. */
static void end_pack(struct import_run *run, struct import_pack *pack)
{
	seed_pack_reader_close(pack->reader);
	pack->reader = NULL;
	for (size_t i = 0; i < run->count; i++) {
		struct seed_build *b = &run->builds[i];
		struct seed_error err = { 0 };

		if (!b->touched || seed_import_build_failed(run, b))
			continue;
		b->touched = false;
		if (seed_build_sync(b, &err) < 0 ||
		    seed_import_log_pack(b->log, pack->place, pack->facts, &err) < 0)
			seed_import_fail_build(run, b, &err);
	}
}

void *seed_import_collect(void *arg)
{
	struct import_run *run = arg;
	struct seed_job *job;

	while ((job = seed_lane_next(run->lane)) != NULL) {
		struct import_record *r = (struct import_record *)job;

		if (r->ends_pack)
			end_pack(run, r->pack);
		else if (collect_record(run, r, &run->err) < 0) {
			run->failed = true;
			seed_lane_abort(run->lane);
		}
		seed_import_free_record(r);
	}
	return NULL;
}
