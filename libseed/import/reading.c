/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reading side of the pass: walks the plan in pack order, gathers the records that it needs
 * into large reads past the page cache, and hands them to the workers.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/cancel.h"
#include "import/run_internal.h"

#define BATCH_BYTES (4u << 20)		/* stored bytes read at once */
#define ITEMS_MAX 16384u		/* positions that one job writes; a record needed in more
					 * places is opened again for the rest */

struct reading {			/* records gathered for one read */
	struct import_pack *pack;
	struct import_record *records[64];
	uint32_t count;
	size_t bytes;
};

static int submit(struct import_run *run, struct import_record *r, struct seed_error *err)
{
	if (seed_lane_submit(run->lane, &r->job))
		return 0;
	seed_import_free_record(r);
	return seed_error_set(err, SEED_ERR_CANCELLED, "import was stopped");
}

/* Bytes that cannot be read are as lost as bytes that read wrong: the records stay without any. */
static void lose_batch(struct reading *g, const struct seed_error *why)
{
	for (uint32_t i = 0; i < g->count; i++)
		g->records[i]->why = *why;
}

static int read_batch(struct import_run *run, struct reading *g, struct seed_error *err)
{
	uint32_t first = g->records[0]->number, last = g->records[g->count - 1]->number;
	size_t room = g->bytes + 2 * SEED_IO_ALIGN, start = 0;
	struct import_batch *batch = calloc(1, sizeof(*batch));
	struct seed_error why = { 0 };

	if (!batch)
		return seed_error_sys(err, ENOMEM, "read");
	batch->data = seed_buffer_new(room, err);
	if (!batch->data) {
		free(batch);
		return -1;
	}
	batch->users = g->count;
	for (uint32_t i = 0; i < g->count; i++)
		g->records[i]->batch = batch;
	if (seed_pack_reader_read(g->pack->reader, first, last - first + 1, batch->data, room,
				  &start, &why) < 0) {
		lose_batch(g, &why);
		return 0;
	}
	for (uint32_t i = 0; i < g->count; i++) {
		g->records[i]->stored = batch->data + start;
		/* Two jobs of one record (see ITEMS_MAX) share its bytes. */
		if (i + 1 < g->count && g->records[i + 1]->number != g->records[i]->number)
			start += seed_pack_reader_record(g->pack->reader, g->records[i]->number)
					 ->length;
	}
	run->plan->read_bytes += g->bytes;
	return 0;
}

static int flush(struct import_run *run, struct reading *g, struct seed_error *err)
{
	int rc = 0;

	if (g->count == 0)
		return 0;
	rc = read_batch(run, g, err);
	for (uint32_t i = 0; i < g->count; i++) {
		if (rc == 0)
			rc = submit(run, g->records[i], err);
		else
			seed_import_free_record(g->records[i]);
	}
	g->count = 0;
	g->bytes = 0;
	return rc;
}

static int end_of_pack(struct import_run *run, struct reading *g, struct seed_error *err)
{
	struct import_record *r;

	if (!g->pack)
		return 0;
	if (flush(run, g, err) < 0)
		return -1;
	r = calloc(1, sizeof(*r));
	if (!r)
		return seed_error_sys(err, ENOMEM, "read");
	r->job.run = seed_import_use_record;
	r->pack = g->pack;
	r->ends_pack = true;
	g->pack = NULL;
	return submit(run, r, err);
}

static int begin_pack(struct import_run *run, struct reading *g, struct import_pack *pack,
		      struct seed_error *err)
{
	if (end_of_pack(run, g, err) < 0 || seed_import_open_pack(pack, err) < 0)
		return -1;
	g->pack = pack;
	return 0;
}

/* The record that the next item belongs to: the one being gathered, or a new one. */
static struct import_record *record_for(struct import_run *run, struct reading *g, uint32_t number,
				 struct seed_error *err)
{
	struct import_record *last = g->count ? g->records[g->count - 1] : NULL, *r;
	size_t length = seed_pack_reader_record(g->pack->reader, number)->length;
	bool same = last && last->number == number;

	if (same && last->items.count < ITEMS_MAX)
		return last;
	if (g->count == 64 || (!same && g->bytes + length > BATCH_BYTES) ||
	    (last && !same && last->number + 1 != number)) {
		if (flush(run, g, err) < 0)
			return NULL;
		same = false;
	}
	r = calloc(1, sizeof(*r));
	if (!r) {
		seed_error_sys(err, ENOMEM, "read");
		return NULL;
	}
	r->job.run = seed_import_use_record;
	r->run = run;
	r->pack = g->pack;
	r->number = number;
	g->records[g->count++] = r;
	g->bytes += same ? 0 : length;
	return r;
}

/* Which builds have this pack's blocks already, from the run before. */
static void look_up_pack(struct import_run *run, const struct import_pack *pack)
{
	for (size_t i = 0; i < run->count; i++) {
		struct seed_build *b = &run->builds[i];

		b->has_pack =
			b->resumed && seed_import_log_has_pack(b->log, pack->place, pack->facts);
	}
}

static int read_all(struct import_run *run, struct reading *g, struct seed_error *err)
{
	const struct import_pack *last = NULL;

	for (;;) {
		const struct seed_located *at;
		struct seed_build *b;
		struct import_record *r;
		struct import_pack *pack;
		struct import_item item;

		if (seed_cancelled(run->opt->cancel, err) < 0 ||
		    seed_locate_next(run->locate, &at, err) < 0)
			return -1;
		if (!at)
			return end_of_pack(run, g, err);
		item = *(struct import_item *)seed_vec_at(&run->disks, at->disk);
		item.block = at->block;
		item.slot = at->slot;
		b = &run->builds[item.build];
		pack = seed_vec_at(&run->packs, at->pack);
		if (pack != last)
			look_up_pack(run, pack);
		last = pack;
		if (b->has_pack) {
			run->total_bytes -= SEED_BLOCK_SIZE;
			continue;
		}
		if (g->pack != pack && begin_pack(run, g, pack, err) < 0)
			return -1;
		r = record_for(run, g, at->record, err);
		if (!r)
			return -1;
		if (!seed_vec_push(&r->items, sizeof(item), &item))
			return seed_error_sys(err, ENOMEM, "read");
	}
}

int seed_import_read_packs(struct import_run *run, struct seed_error *err)
{
	struct reading g = { 0 };
	int rc = read_all(run, &g, err);

	for (uint32_t i = 0; i < g.count; i++)
		seed_import_free_record(g.records[i]);
	return rc;
}
