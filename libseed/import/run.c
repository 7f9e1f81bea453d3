/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ordered pass over all packs.
 *
 *   caller's thread              workers                          collector thread
 *   plan -> stored records, -->  digest, open, decompress,   -->  counts, lost blocks; at a pack's
 *   read in order, in batches    block digests, write where       end: replicas durable, pack noted
 *                                needed
 *
 * Workers write, unlike in an export: every block has a place of its own, so order does not
 * matter, and a disk file wants several writes in flight. A record, and each block of it, is checked
 * before a byte of it is written.
 *
 * Failures. A damaged record or block is lost for whoever needed it and nothing else. A disk
 * file that cannot be written fails its replica; the others go on. A pack that cannot be read
 * at all leaves what only it holds missing.
 */
#include <errno.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/pool.h"
#include "crypto/digest.h"
#include "import/import_internal.h"
#include "pack/reader.h"
#include "pack/scrub.h"

#define BATCH_BYTES (4u << 20)		/* stored bytes read at once */
#define ITEMS_MAX 16384u		/* positions that one job writes; a record needed in more
					 * places is opened again for the rest */
#define WRITERS_PER_JOB 2u		/* a worker waits for the disk half of its time */

struct item {				/* one position that a block goes to */
	uint64_t block;
	uint32_t disk;			/* over all builds */
	uint16_t slot;
	uint16_t build;			/* index */
};

struct pack {				/* one that the plan reads from */
	const struct seed_volume *volume;
	const struct seed_pack_facts *facts;
	struct seed_vec table;		/* struct seed_table_entry: worked out, when the tail is damaged */
	struct seed_pack_reader *reader;	/* while it is read */
};

struct batch {				/* stored bytes of neighbouring records */
	uint8_t *data;
	_Atomic unsigned int users;
};

struct record {
	struct seed_job job;		/* must be first */
	struct run *run;
	struct pack *pack;
	uint32_t number;
	bool ends_pack;
	struct batch *batch;
	const uint8_t *stored;
	struct seed_vec items;		/* struct item, by (slot, disk, block) as planned */
	uint16_t bad;			/* slots whose block is not what it should be */
	struct seed_error why;
};

struct run {
	struct seed_import *plan;
	const struct seed_import_options *opt;
	struct seed_build *builds;
	size_t count;
	struct seed_vec packs;		/* struct pack, by ordinal */
	struct seed_vec disks;		/* struct item: which build and disk an ordinal is */
	struct seed_locate *locate;
	struct seed_pool *pool;
	struct seed_lane *lane;
	pthread_t collector;
	pthread_mutex_t lock;		/* guards failed and vm->err of builds */
	_Atomic uint64_t total_bytes;	/* to write; the reading thread takes off what is done already */
	uint64_t done_bytes;		/* collector's */
	struct seed_error err;		/* the collector's, fatal */
	bool failed;
};

struct worker {
	struct seed_record_codec *codec;
	uint8_t *plain;
};

/* ---- builds ---- */

static void fail_build(struct run *run, struct seed_build *b, const struct seed_error *err)
{
	pthread_mutex_lock(&run->lock);
	if (!b->failed) {
		b->failed = true;
		b->vm->err = *err;
	}
	pthread_mutex_unlock(&run->lock);
}

static bool build_failed(struct run *run, struct seed_build *b)
{
	bool failed;

	pthread_mutex_lock(&run->lock);
	failed = b->failed;
	pthread_mutex_unlock(&run->lock);
	return failed;
}

static struct seed_build_disk *disk_of(struct run *run, const struct item *item)
{
	struct seed_build *b = &run->builds[item->build];

	return &b->disks[item->disk - b->first_disk];
}

/* ---- workers ---- */

static void *worker_new(void *arg, struct seed_error *err)
{
	struct worker *w = calloc(1, sizeof(*w));

	(void)arg;
	if (!w) {
		seed_error_sys(err, ENOMEM, "worker");
		return NULL;
	}
	w->plain = seed_buffer_new(SEED_RECORD_PLAIN_MAX, err);
	if (!w->plain || seed_record_codec_new(&w->codec, 1, err) < 0) {
		free(w->plain);
		free(w);
		return NULL;
	}
	return w;
}

static void worker_free(void *scratch)
{
	struct worker *w = scratch;

	seed_record_codec_free(w->codec);
	free(w->plain);
	free(w);
}

/* Write neighbouring blocks that go to neighbouring places in one go. @plain lies as the
 * record does: all blocks but a disk's last are whole, so slots follow each other by 64 KiB. */
static void write_items(struct record *r, const uint8_t *const *blocks, const uint32_t *lengths)
{
	const struct item *items = r->items.items;

	for (size_t i = 0, next; i < r->items.count; i = next) {
		const struct item *first = &items[i];
		struct seed_build *b = &r->run->builds[first->build];
		struct seed_build_disk *disk = disk_of(r->run, first);
		struct seed_error err = { 0 };
		size_t len = lengths[first->slot];

		for (next = i + 1; next < r->items.count; next++) {
			const struct item *last = &items[next - 1], *item = &items[next];

			if (item->disk != first->disk || item->block != last->block + 1 ||
			    item->slot != last->slot + 1 || r->bad & 1u << item->slot ||
			    lengths[last->slot] != SEED_BLOCK_SIZE)
				break;
			len += lengths[item->slot];
		}
		if (r->bad & 1u << first->slot || build_failed(r->run, b))
			continue;
		if (seed_sink_write(disk->sink, blocks[first->slot], len,
				    first->block * SEED_BLOCK_SIZE, &err) < 0)
			fail_build(r->run, b, &err);
	}
}

static int by_place(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->disk != y->disk)
		return x->disk < y->disk ? -1 : 1;
	if (x->block != y->block)
		return x->block < y->block ? -1 : 1;
	return 0;
}

/* Which of the needed slots hold what their index entry promises? The entry's digest is the one
 * that the signed list asked for: that is how the plan found it. */
static void check_blocks(struct record *r, const uint8_t *const *blocks,
			 const struct seed_record_plain *info)
{
	struct seed_digest digests[SEED_RECORD_BLOCKS];
	const void *data[SEED_RECORD_BLOCKS];
	size_t lens[SEED_RECORD_BLOCKS], n = 0;
	uint16_t slots[SEED_RECORD_BLOCKS], wanted = 0, have = 0;
	const struct item *items = r->items.items;

	for (size_t i = 0; i < r->items.count; i++)
		wanted |= (uint16_t)(1u << items[i].slot);
	for (uint16_t slot = 0; slot < info->blocks; slot++) {
		if (!(wanted & 1u << slot))
			continue;
		data[n] = blocks[slot];
		lens[n] = info->lengths[slot];
		slots[n++] = slot;
		have |= (uint16_t)(1u << slot);
	}
	r->bad = wanted & (uint16_t)~have;
	seed_digest_many(digests, data, lens, n);
	for (size_t i = 0; i < r->items.count; i++) {
		const struct item *item = &items[i];
		struct seed_build_disk *disk;
		struct seed_digest want;
		size_t k = 0;

		while (k < n && slots[k] != item->slot)
			k++;
		if (k == n)
			continue;
		/* Against the replica's own signed list, position by position. */
		disk = disk_of(r->run, item);
		pthread_mutex_lock(&r->run->lock);
		if (seed_list_get(disk->list, item->block, &want, 1, NULL) < 0 ||
		    !seed_digest_equal(&want, &digests[k]) ||
		    lens[k] != seed_grid_length(disk->size, item->block))
			r->bad |= (uint16_t)(1u << item->slot);
		pthread_mutex_unlock(&r->run->lock);
	}
}

static int use_record(struct seed_job *job, void *scratch, struct seed_error *err)
{
	struct record *r = (struct record *)job;
	const struct seed_table_entry *entry;
	struct seed_record_plain info;
	const uint8_t *blocks[SEED_RECORD_BLOCKS];
	struct worker *w = scratch;
	struct seed_digest digest;
	size_t at = 0;

	(void)err;
	if (r->ends_pack)
		return 0;
	entry = seed_pack_reader_record(r->pack->reader, r->number);
	seed_digest_of(&digest, r->stored, entry->length);
	if (!seed_digest_equal(&digest, &entry->digest)) {
		r->bad = 0xffff;
		seed_error_set(&r->why, SEED_ERR_INTEGRITY, "differs from its digest");
		return 0;
	}
	if (seed_record_decode(w->codec, seed_pack_reader_seal(r->pack->reader), r->number, false,
			       r->stored, entry->length, w->plain, SEED_RECORD_PLAIN_MAX, &info,
			       &r->why) < 0) {
		r->bad = 0xffff;
		return 0;
	}
	for (uint16_t slot = 0; slot < info.blocks; slot++) {
		blocks[slot] = w->plain + at;
		at += info.lengths[slot];
	}
	check_blocks(r, blocks, &info);
	if (r->bad)
		seed_error_set(&r->why, SEED_ERR_INTEGRITY, "holds blocks that differ from their digests");
	qsort(r->items.items, r->items.count, sizeof(struct item), by_place);
	write_items(r, blocks, info.lengths);
	return 0;
}

/* ---- collector thread ---- */

static void free_record(struct record *r)
{
	if (r->batch && --r->batch->users == 0) {
		free(r->batch->data);
		free(r->batch);
	}
	seed_vec_free(&r->items);
	free(r);
}

static void report_progress(struct run *run, const struct record *r)
{
	const struct item *item = r->items.count ? r->items.items : NULL;

	seed_event_send(run->opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PROGRESS,
		.phase = "importing",
		.done = run->done_bytes,
		.total = run->total_bytes,
		.vm = item ? run->builds[item->build].vm->seed->manifest.name : NULL,
	});
}

static int lose_items(struct run *run, const struct record *r, struct seed_error *err)
{
	uint64_t lost = 0;

	for (size_t i = 0; i < r->items.count; i++) {
		const struct item *item = seed_vec_at(&r->items, i);
		struct seed_build *b = &run->builds[item->build];
		struct seed_import_lost entry = {
			.disk = item->disk - b->first_disk,
			.start = item->block,
			.count = 1,
		};

		struct seed_error why = { 0 };

		if (!(r->bad & 1u << item->slot))
			continue;
		lost++;
		if (seed_locate_lost(run->locate, item->disk, item->block, err) < 0)
			return -1;
		if (seed_import_log_add_lost(b->log, &entry, &why) < 0)
			fail_build(run, b, &why);
	}
	seed_event_note(run->opt->events, SEED_EVENT_WARNING,
			"pack %08u: record %u %s: %llu blocks are missing from their replicas",
			r->pack->facts->number, r->number, r->why.text, (unsigned long long)lost);
	return 0;
}

static int collect_record(struct run *run, struct record *r, struct seed_error *err)
{
	for (size_t i = 0; i < r->items.count; i++) {
		const struct item *item = seed_vec_at(&r->items, i);
		uint32_t length = seed_grid_length(disk_of(run, item)->size, item->block);

		run->builds[item->build].touched = true;
		if (!(r->bad & 1u << item->slot))
			run->builds[item->build].vm->written_bytes += length;
		run->done_bytes += length;
	}
	if (r->bad && lose_items(run, r, err) < 0)
		return -1;
	report_progress(run, r);
	return 0;
}

/* All of a pack has been written: make it durable, then say so. A crash between the two
 * costs reading the pack again. */
static void end_pack(struct run *run, struct pack *pack)
{
	seed_pack_reader_close(pack->reader);
	pack->reader = NULL;
	for (size_t i = 0; i < run->count; i++) {
		struct seed_build *b = &run->builds[i];
		struct seed_error err = { 0 };

		if (!b->touched || build_failed(run, b))
			continue;
		b->touched = false;
		if (seed_build_sync(b, &err) < 0 ||
		    seed_import_log_pack(b->log, pack->volume->number, pack->facts, &err) < 0)
			fail_build(run, b, &err);
	}
}

static void *collector_main(void *arg)
{
	struct run *run = arg;
	struct seed_job *job;

	while ((job = seed_lane_next(run->lane)) != NULL) {
		struct record *r = (struct record *)job;

		if (r->ends_pack)
			end_pack(run, r->pack);
		else if (collect_record(run, r, &run->err) < 0) {
			run->failed = true;
			seed_lane_abort(run->lane);
		}
		free_record(r);
	}
	return NULL;
}

/* ---- caller's thread: planning ---- */

static bool volume_is_needed(const struct run *run, const struct seed_volume *v)
{
	for (size_t i = 0; i < run->count; i++) {
		if (seed_id_equal(&run->builds[i].vm->seed->manifest.set, &v->set))
			return true;
	}
	return false;
}

/* A pack whose tail is damaged still has its records: they are walked, which reads all of it once
 * more. What cannot be walked either is as good as not there. */
static int mend_pack(struct run *run, struct pack *pack, const struct seed_pack_id *id,
		     const struct seed_error *tail, struct seed_vec *index, struct seed_error *err)
{
	struct seed_error why = { 0 };

	if (seed_pack_reindex(pack->volume->dir, id, &pack->volume->data_key, &pack->table, index,
			      &why) < 0 || pack->table.count == 0) {
		seed_event_note(run->opt->events, SEED_EVENT_WARNING, "%s", tail->text);
		return seed_import_note_problem(run->plan, tail, "pack %08u", id->pack) < 0 ?
			       seed_error_sys(err, ENOMEM, "plan") : 0;
	}
	seed_event_note(run->opt->events, SEED_EVENT_WARNING,
			"%s: found %zu of its %u records without it", tail->text, pack->table.count,
			pack->facts->records - 1);
	return 0;
}

/* What a plan takes from a pack depends on the index that it has of it. */
static void name_pack(struct seed_digest_stream *name, const struct pack *pack)
{
	seed_digest_add(name, pack->facts->index.bytes, SEED_DIGEST_SIZE);
	for (size_t i = 0; i < pack->table.count; i++) {
		const struct seed_table_entry *entry = seed_vec_at(&pack->table, i);

		seed_digest_add(name, entry->digest.bytes, SEED_DIGEST_SIZE);
	}
}

/* The pack's index goes into the join, and into the name of the plan. A pack that cannot be
 * used is reported; whatever only it holds comes out missing. */
static int add_pack(struct run *run, const struct seed_volume *v,
		    const struct seed_pack_facts *facts, struct seed_record_codec *codec,
		    struct seed_digest_stream *name, struct seed_error *err)
{
	const struct seed_pack_id id = { v->set, v->number, facts->number };
	SEED_AUTO(seed_pack_reader_closep) struct seed_pack_reader *reader = NULL;
	SEED_AUTO(seed_vec_free) struct seed_vec index = { 0 };
	struct pack *pack = seed_vec_push(&run->packs, sizeof(*pack), NULL);
	struct seed_error why = { 0 };
	uint32_t ordinal;

	if (!pack)
		return seed_error_sys(err, ENOMEM, "plan");
	*pack = (struct pack){ .volume = v, .facts = facts };
	if (seed_pack_reader_open(&reader, v->dir, &id, facts, &v->data_key, false, &why) < 0 ||
	    seed_pack_reader_index(reader, codec, &index, &why) < 0) {
		if (mend_pack(run, pack, &id, &why, &index, err) < 0)
			return -1;
	}
	name_pack(name, pack);
	return seed_locate_pack(run->locate, &index, &ordinal, err);
}

static int add_packs(struct run *run, struct seed_digest_stream *name, struct seed_error *err)
{
	SEED_AUTO(seed_record_codec_freep) struct seed_record_codec *codec = NULL;

	if (seed_record_codec_new(&codec, 1, err) < 0)
		return -1;
	for (size_t i = 0; i < run->plan->volumes.count; i++) {
		const struct seed_volume *v = *(struct seed_volume **)seed_vec_at(&run->plan->volumes, i);

		if (!volume_is_needed(run, v))
			continue;
		for (size_t k = 0; k < v->packs.count; k++) {
			if (seed_cancelled(run->opt->cancel, err) < 0 ||
			    add_pack(run, v, seed_vec_at(&v->packs, k), codec, name, err) < 0)
				return -1;
		}
	}
	return 0;
}

static uint64_t runs_bytes(const struct seed_vec *runs)
{
	uint64_t blocks = 0;

	for (size_t i = 0; i < runs->count; i++)
		blocks += ((const struct seed_run *)seed_vec_at(runs, i))->count;
	return blocks * SEED_BLOCK_SIZE;
}

static int add_needs(struct run *run, struct seed_error *err)
{
	for (size_t i = 0; i < run->count; i++) {
		struct seed_build *b = &run->builds[i];

		b->first_disk = (uint32_t)run->disks.count;
		for (uint32_t k = 0; k < b->disk_count; k++) {
			struct item place = { .disk = b->first_disk + k, .build = (uint16_t)i };
			struct seed_build_disk *disk = &b->disks[k];
			const struct seed_manifest_disk *d =
				seed_vec_at(&b->vm->seed->manifest.disks, k);

			if (!seed_vec_push(&run->disks, sizeof(place), &place))
				return seed_error_sys(err, ENOMEM, "plan");
			if (seed_locate_list(run->locate, disk->list, place.disk,
					     b->fill ? &disk->runs : NULL, err) < 0)
				return -1;
			run->total_bytes += b->fill ? runs_bytes(&disk->runs)
						    : d->data_blocks * SEED_BLOCK_SIZE;
		}
	}
	return 0;
}

/* A plan is known by its seed and the packs it may take from: the same plan takes each block from
 * the same pack, so packs noted under it need not be read again. */
static int open_logs(struct run *run, const struct seed_digest_stream *packs,
		     struct seed_error *err)
{
	for (size_t i = 0; i < run->count; i++) {
		struct seed_build *b = &run->builds[i];
		struct seed_digest_stream name = *packs;
		struct seed_digest digest;
		struct seed_id plan;

		seed_digest_add(&name, b->vm->seed->manifest.seed.bytes, SEED_ID_SIZE);
		seed_digest_add(&name, b->fill ? "fill" : "all ", 4);
		seed_digest_end(&name, &digest);
		memcpy(plan.bytes, digest.bytes, SEED_ID_SIZE);
		if (seed_import_log_open(&b->log, b->replica->build, &plan, &b->resumed, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- caller's thread: reading ---- */

struct reading {			/* records gathered for one read */
	struct pack *pack;
	struct record *records[64];
	uint32_t count;
	size_t bytes;
};

static int submit(struct run *run, struct record *r, struct seed_error *err)
{
	if (seed_lane_submit(run->lane, &r->job))
		return 0;
	free_record(r);
	return seed_error_set(err, SEED_ERR_CANCELLED, "import was stopped");
}

/* Bytes that cannot be read are as lost as bytes that read wrong. */
static void lose_batch(struct reading *g, const struct seed_error *why)
{
	for (uint32_t i = 0; i < g->count; i++) {
		g->records[i]->bad = 0xffff;
		g->records[i]->why = *why;
	}
}

static int lost_already(struct seed_job *job, void *scratch, struct seed_error *err)
{
	(void)job;
	(void)scratch;
	(void)err;
	return 0;
}

static int read_batch(struct run *run, struct reading *g, struct seed_error *err)
{
	uint32_t first = g->records[0]->number, last = g->records[g->count - 1]->number;
	size_t room = g->bytes + 2 * SEED_IO_ALIGN, start = 0;
	struct batch *batch = calloc(1, sizeof(*batch));
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
		for (uint32_t i = 0; i < g->count; i++)
			g->records[i]->job.run = lost_already;
		return 0;
	}
	for (uint32_t i = 0; i < g->count; i++) {
		g->records[i]->stored = batch->data + start;
		/* Two jobs of one record (see ITEMS_MAX) share its bytes. */
		if (i + 1 < g->count && g->records[i + 1]->number != g->records[i]->number)
			start += seed_pack_reader_record(g->pack->reader, g->records[i]->number)->length;
	}
	run->plan->read_bytes += g->bytes;
	return 0;
}

static int flush(struct run *run, struct reading *g, struct seed_error *err)
{
	int rc = 0;

	if (g->count == 0)
		return 0;
	rc = read_batch(run, g, err);
	for (uint32_t i = 0; i < g->count; i++) {
		if (rc == 0)
			rc = submit(run, g->records[i], err);
		else
			free_record(g->records[i]);
	}
	g->count = 0;
	g->bytes = 0;
	return rc;
}

static int end_of_pack(struct run *run, struct reading *g, struct seed_error *err)
{
	struct record *r;

	if (!g->pack)
		return 0;
	if (flush(run, g, err) < 0)
		return -1;
	r = calloc(1, sizeof(*r));
	if (!r)
		return seed_error_sys(err, ENOMEM, "read");
	r->job.run = use_record;
	r->pack = g->pack;
	r->ends_pack = true;
	g->pack = NULL;
	return submit(run, r, err);
}

static int begin_pack(struct run *run, struct reading *g, struct pack *pack,
		      struct seed_error *err)
{
	const struct seed_pack_id id = { pack->volume->set, pack->volume->number,
					 pack->facts->number };

	if (end_of_pack(run, g, err) < 0)
		return -1;
	if (pack->table.count ? seed_pack_reader_open_table(&pack->reader, pack->volume->dir, &id,
							    &pack->table, &pack->volume->data_key,
							    true, err) < 0
			      : seed_pack_reader_open(&pack->reader, pack->volume->dir, &id,
						      pack->facts, &pack->volume->data_key, true,
						      err) < 0)
		return -1;
	g->pack = pack;
	return 0;
}

/* The record that the next item belongs to: the one being gathered, or a new one. */
static struct record *record_for(struct run *run, struct reading *g, uint32_t number,
				 struct seed_error *err)
{
	struct record *last = g->count ? g->records[g->count - 1] : NULL, *r;
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
	r->job.run = use_record;
	r->run = run;
	r->pack = g->pack;
	r->number = number;
	g->records[g->count++] = r;
	g->bytes += same ? 0 : length;
	return r;
}

/* Which builds have this pack's blocks already, from the run before. */
static void look_up_pack(struct run *run, const struct pack *pack)
{
	for (size_t i = 0; i < run->count; i++) {
		struct seed_build *b = &run->builds[i];

		b->has_pack = b->resumed && seed_import_log_has_pack(b->log, pack->facts);
	}
}

static int read_packs(struct run *run, struct reading *g, struct seed_error *err)
{
	const struct pack *last = NULL;

	for (;;) {
		const struct seed_located *at;
		struct seed_build *b;
		struct record *r;
		struct pack *pack;
		struct item item;

		if (seed_cancelled(run->opt->cancel, err) < 0 ||
		    seed_locate_next(run->locate, &at, err) < 0)
			return -1;
		if (!at)
			return end_of_pack(run, g, err);
		item = *(struct item *)seed_vec_at(&run->disks, at->disk);
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

static void drop_job(struct seed_job *job)
{
	free_record((struct record *)job);
}

static int pass(struct run *run, struct seed_error *err)
{
	const unsigned int workers = run->opt->jobs * WRITERS_PER_JOB;
	const struct seed_pool_options pool = {
		.workers = workers,
		.scratch_new = worker_new,
		.scratch_free = worker_free,
	};
	struct reading g = { 0 };
	int rc;

	if (seed_pool_new(&run->pool, &pool, err) < 0 ||
	    seed_lane_open(&run->lane, run->pool, 2 * workers + 2, err) < 0)
		return -1;
	rc = pthread_create(&run->collector, NULL, collector_main, run);
	if (rc)
		return seed_error_sys(err, rc, "collector thread");
	rc = read_packs(run, &g, err);
	for (uint32_t i = 0; i < g.count; i++)
		free_record(g.records[i]);
	/* Also after a failure: what was submitted is written and noted. */
	seed_lane_end(run->lane);
	pthread_join(run->collector, NULL);
	if (run->failed) {
		*err = run->err;
		return -1;
	}
	return rc;
}

/* What no pack holds, and what was lost on the way, goes to each disk's missing list. */
static int sort_out_missing(struct run *run, struct seed_error *err)
{
	for (;;) {
		struct seed_build_disk *disk;
		struct seed_run missing;
		uint32_t ordinal;
		bool more;

		if (seed_locate_next_missing(run->locate, &ordinal, &missing, &more, err) < 0)
			return -1;
		if (!more)
			return 0;
		disk = disk_of(run, seed_vec_at(&run->disks, ordinal));
		if (!seed_vec_push(&disk->lost, sizeof(missing), &missing))
			return seed_error_sys(err, ENOMEM, "missing list");
		disk->missing += missing.count;
	}
}

int seed_import_packs(struct seed_import *plan, struct seed_build *builds, size_t count,
		      const struct seed_import_options *opt, struct seed_error *err)
{
	struct run run = { .plan = plan, .opt = opt, .builds = builds, .count = count };
	struct seed_digest_stream name;
	int rc;

	pthread_mutex_init(&run.lock, NULL);
	seed_digest_begin(&name);
	rc = seed_locate_new(&run.locate, opt->store, opt->memory, err);
	if (rc == 0)
		rc = add_packs(&run, &name, err);
	if (rc == 0)
		rc = add_needs(&run, err);
	if (rc == 0)
		rc = open_logs(&run, &name, err);
	if (rc == 0)
		rc = seed_locate_join(run.locate, err);
	seed_event_send(opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PHASE, .phase = "importing", .total = run.total_bytes });
	if (rc == 0)
		rc = pass(&run, err);
	if (rc == 0)
		rc = sort_out_missing(&run, err);
	if (run.lane)
		seed_lane_close(run.lane, drop_job);
	seed_pool_free(run.pool);
	for (size_t i = 0; i < run.packs.count; i++) {
		struct pack *pack = seed_vec_at(&run.packs, i);

		seed_pack_reader_close(pack->reader);
		seed_vec_free(&pack->table);
	}
	seed_locate_free(run.locate);
	seed_vec_free(&run.packs);
	seed_vec_free(&run.disks);
	pthread_mutex_destroy(&run.lock);
	return rc;
}
