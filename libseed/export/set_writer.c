/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The caller's side of a set writer: what is new, which record and pack it goes to. See set_writer.h
 * for the whole, set_threads.c for the other two threads.
 */
#include "export/set_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "export/set_writer_internal.h"
#include "pack/reader.h"

/* Below this many new blocks of a chunk, they are copied into a shared record. */
#define OWN_RECORD_BLOCKS 12u

static int encode_record(struct seed_job *job, void *scratch, struct seed_error *err)
{
	struct pending_record *r = (struct pending_record *)job;
	struct seed_record_spec spec = {
		.number = r->number,
		.lengths = r->lengths,
		.blocks = r->blocks,
		.plain = r->plain,
		.plain_len = r->plain_len,
	};

	if (r->blocks == 0)
		return 0;
	return seed_record_encode(scratch, seed_pack_writer_seal(r->pack->writer), &spec,
				  r->stored, SEED_RECORD_MAX, &r->stored_len, err);
}

/* Waits for a free record; NULL after a failure. */
static struct pending_record *take_record(struct seed_set_writer *w)
{
	struct pending_record *r;

	pthread_mutex_lock(&w->lock);
	while (!w->free && !w->failed)
		pthread_cond_wait(&w->changed, &w->lock);
	r = w->failed ? NULL : w->free;
	if (r) {
		w->free = r->next_free;
		r->blocks = 0;
		r->plain_len = 0;
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}

static int open_pack(struct seed_set_writer *w, struct seed_error *err)
{
	struct pending_pack *p;
	struct seed_pack_id id;

	if (seed_set_pack_limit(w, &w->pack_limit, err) < 0 ||
	    seed_medium_recheck(w->opt.volume->medium, err) < 0)
		return -1;
	id = (struct seed_pack_id){
		.set = w->opt.volume->set,
		.volume = w->opt.volume->number,
		.pack = w->next_pack,
	};
	p = calloc(1, sizeof(*p));
	if (!p)
		return seed_error_sys(err, ENOMEM, "pack");
	if (seed_pack_writer_open(&p->writer, w->opt.volume->dir, &id, &w->opt.volume->data_key,
				  err) < 0) {
		free(p);
		return -1;
	}
	pthread_mutex_lock(&w->lock);
	p->next_live = w->live;
	w->live = p;
	w->unkept++;
	pthread_mutex_unlock(&w->lock);
	w->next_pack++;
	w->pack = p;
	w->pack_records = 0;
	return 0;
}

/* Hand a record (or a bare end of pack) to the workers. Takes @r, also on failure. */
static int submit(struct seed_set_writer *w, struct pending_record *r, bool ends, struct seed_error *err)
{
	if (!w->pack && open_pack(w, err) < 0) {
		seed_set_release_record(w, r);
		return -1;
	}
	r->pack = w->pack;
	r->job.run = encode_record;
	if (r->blocks)
		r->number = w->pack_records++;
	w->waiting -= r->plain_len;
	r->ends_pack = ends || w->pack_records == w->pack_limit;
	if (r->ends_pack) {
		/* The blocks of this chunk may go on in a record of the next pack. */
		w->pack->end_mark = w->filling ? w->filling_mark : w->chunk_mark;
		w->pack = NULL;
	}
	if (!seed_lane_submit(w->lane, &r->job)) {
		seed_set_release_record(w, r);
		return seed_set_failure(w, err);
	}
	return 0;
}

static void put_block(struct pending_record *r, const struct seed_chunk *c, uint32_t i)
{
	r->digests[r->blocks] = c->digests[i];
	r->lengths[r->blocks++] = c->lengths[i];
	r->plain_len += c->lengths[i];
}

/* Most of the chunk is new: it becomes a record of its own, without a copy where nothing lies
 * between its blocks. */
static int submit_chunk(struct seed_set_writer *w, struct seed_chunk *c, const uint32_t *fresh,
			uint32_t count, struct seed_error *err)
{
	struct pending_record *r = take_record(w);
	uint8_t *data;

	if (!r)
		return seed_set_failure(w, err);
	for (uint32_t k = 0; k < count; k++) {
		const uint8_t *from = c->data + (size_t)fresh[k] * SEED_BLOCK_SIZE;

		if (from != c->data + r->plain_len)
			memmove(c->data + r->plain_len, from, c->lengths[fresh[k]]);
		put_block(r, c, fresh[k]);
	}
	data = r->plain;
	r->plain = c->data;
	c->data = data;
	return submit(w, r, false, err);
}

static int gather(struct seed_set_writer *w, const struct seed_chunk *c, const uint32_t *fresh,
		  uint32_t count, struct seed_error *err)
{
	for (uint32_t k = 0; k < count; k++) {
		if (!w->filling) {
			w->filling = take_record(w);
			w->filling_mark = w->chunk_mark;
		}
		if (!w->filling)
			return seed_set_failure(w, err);
		memcpy(w->filling->plain + w->filling->plain_len,
		       c->data + (size_t)fresh[k] * SEED_BLOCK_SIZE, c->lengths[fresh[k]]);
		put_block(w->filling, c, fresh[k]);
		if (w->filling->blocks == SEED_RECORD_BLOCKS &&
		    submit(w, seed_steal(&w->filling), false, err) < 0)
			return -1;
	}
	return 0;
}

int seed_set_writer_add(struct seed_set_writer *w, struct seed_chunk *c, struct seed_error *err)
{
	uint32_t fresh[SEED_CHUNK_BLOCKS], count = 0;

	w->chunk_mark = seed_digest_map_mark(w->map);
	for (uint32_t i = 0; !c->hole && i < c->count; i++) {
		bool added = false;

		if (c->kinds[i] != SEED_BLOCK_DATA)
			continue;
		if (!c->known[i] &&
		    seed_digest_map_add(w->map, &c->digests[i], &added, err) < 0)
			return -1;
		if (!added) {
			w->totals.held_blocks++;
			continue;
		}
		w->totals.new_blocks++;
		w->totals.new_bytes += c->lengths[i];
		w->waiting += c->lengths[i];
		fresh[count++] = i;
	}
	if (count >= OWN_RECORD_BLOCKS)
		return submit_chunk(w, c, fresh, count, err);
	return gather(w, c, fresh, count, err);
}

bool seed_set_writer_has(const struct seed_set_writer *w, const struct seed_digest *digest)
{
	return seed_digest_map_has(w->map, digest);
}

/* The lane was ended or aborted, so both threads come to their end. */
static void join_threads(struct seed_set_writer *w)
{
	if (w->writer_runs)
		pthread_join(w->writer, NULL);
	w->writer_runs = false;
	if (w->keeper_runs)
		pthread_join(w->keeper, NULL);
	w->keeper_runs = false;
}

int seed_set_writer_flush(struct seed_set_writer *w, struct seed_error *err)
{
	w->chunk_mark = seed_digest_map_mark(w->map);	/* all that came is in what ends now */
	if (w->filling && submit(w, seed_steal(&w->filling), true, err) < 0)
		return -1;
	if (w->pack) {
		struct pending_record *end = take_record(w);

		if (!end)
			return seed_set_failure(w, err);
		if (submit(w, end, true, err) < 0)
			return -1;
	}
	seed_lane_end(w->lane);
	join_threads(w);
	return w->failed ? seed_set_failure(w, err) : 0;
}

const struct seed_vec *seed_set_writer_packs(const struct seed_set_writer *w)
{
	return &w->packs;
}

void seed_set_writer_totals(struct seed_set_writer *w, struct seed_set_totals *out)
{
	pthread_mutex_lock(&w->lock);
	*out = w->totals;
	pthread_mutex_unlock(&w->lock);
}

uint32_t seed_set_writer_commits(struct seed_set_writer *w)
{
	uint32_t n;

	pthread_mutex_lock(&w->lock);
	n = w->commits;
	pthread_mutex_unlock(&w->lock);
	return n;
}

/* ---- opening and closing ---- */

static int load_pack(struct seed_digest_map *map, const struct seed_volume *volume,
		     struct seed_record_codec *codec, const struct seed_pack_facts *facts,
		     struct seed_error *err)
{
	struct seed_pack_id id = {
		.set = volume->set,
		.volume = volume->number,
		.pack = facts->number,
	};
	SEED_AUTO(seed_pack_reader_closep) struct seed_pack_reader *reader = NULL;
	SEED_AUTO(seed_vec_free) struct seed_vec index = { 0 };

	if (seed_pack_reader_open(&reader, volume->dir, &id, facts, &volume->data_key, false,
				  err) < 0 ||
	    seed_pack_reader_index(reader, codec, &index, err) < 0)
		return -1;
	for (size_t i = 0; i < index.count; i++) {
		const struct seed_index_entry *e = seed_vec_at(&index, i);
		bool added;

		if (seed_digest_map_add(map, &e->digest, &added, err) < 0)
			return -1;
	}
	return 0;
}

int seed_set_map_load(struct seed_digest_map *map, const struct seed_volume *volume, int level,
		      const struct seed_cancel *cancel, struct seed_error *err)
{
	SEED_AUTO(seed_record_codec_freep) struct seed_record_codec *codec = NULL;

	if (seed_record_codec_new(&codec, level, err) < 0)
		return -1;
	for (size_t i = 0; i < volume->packs.count; i++) {
		if (seed_cancelled(cancel, err) < 0 ||
		    load_pack(map, volume, codec, seed_vec_at(&volume->packs, i), err) < 0)
			return -1;
	}
	return 0;
}

static int open_map(struct seed_set_writer *w, struct seed_error *err)
{
	w->map = w->opt.map;
	if (!w->map) {
		if (seed_digest_map_new(&w->own_map, w->opt.map_bytes, err) < 0 ||
		    seed_set_map_load(w->own_map, w->opt.volume, w->opt.level, w->opt.cancel,
				      err) < 0)
			return -1;
		w->map = w->own_map;
	}
	w->kept_mark = w->committed_mark = seed_digest_map_mark(w->map);
	return 0;
}

static int make_records(struct seed_set_writer *w, struct seed_error *err)
{
	size_t count = w->opt.depth + 1;

	w->records = calloc(count, sizeof(*w->records));
	if (!w->records)
		return seed_error_sys(err, ENOMEM, "records");
	while (w->made < count) {
		struct pending_record *r = &w->records[w->made++];

		r->plain = seed_buffer_new(SEED_CHUNK_SIZE, err);
		if (!r->plain)
			return -1;
		r->stored = malloc(SEED_RECORD_MAX);
		if (!r->stored)
			return seed_error_sys(err, ENOMEM, "records");
		r->next_free = w->free;
		w->free = r;
	}
	return 0;
}

static int start_threads(struct seed_set_writer *w, struct seed_error *err)
{
	int rc = pthread_create(&w->writer, NULL, seed_set_write_packs, w);

	if (rc)
		return seed_error_sys(err, rc, "writer thread");
	w->writer_runs = true;
	rc = pthread_create(&w->keeper, NULL, seed_set_keep_packs, w);
	if (rc)
		return seed_error_sys(err, rc, "read-back thread");
	w->keeper_runs = true;
	return 0;
}

int seed_set_writer_open(struct seed_set_writer **out, const struct seed_set_writer_options *opt,
			 struct seed_error *err)
{
	SEED_AUTO(seed_set_writer_closep) struct seed_set_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return seed_error_sys(err, ENOMEM, "set");
	w->opt = *opt;
	w->finished_tail = &w->finished;
	w->last_commit_ms = seed_clock_ms();
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	seed_set_use_volume(w, opt->volume, opt->record);
	if (open_map(w, err) < 0 || make_records(w, err) < 0 ||
	    seed_lane_open(&w->lane, opt->pool, opt->depth, err) < 0 || start_threads(w, err) < 0)
		return -1;
	*out = seed_steal(&w);
	return 0;
}

/* Nothing runs any more, and no pack is under way. */
static void stop(struct seed_set_writer *w)
{
	if (w->lane)
		seed_lane_abort(w->lane);
	join_threads(w);
	if (w->lane)
		seed_lane_close(w->lane, NULL);
	w->lane = NULL;
	while (w->live)
		seed_set_free_pack(w, w->live);
}

/* Where a commit was tried and failed, it may lie there whole: then all that it may name stays, and
 * the next run finds out. */
void seed_set_writer_give_up(struct seed_set_writer *w)
{
	stop(w);
	if (w->opt.record->reserved == w->reserved &&
	    seed_volume_sweep(w->opt.volume, &w->packs, NULL) == 0)
		seed_set_commit_delta(w, NULL);
	seed_digest_map_cut(w->map, w->packs.count ? w->committed_mark : w->kept_mark);
}

void seed_set_writer_close(struct seed_set_writer *w)
{
	if (!w)
		return;
	stop(w);
	/* Whatever went wrong, packs that were read back are worth keeping. If it was the
	 * medium, this fails too, and what there is to say was said already. After the
	 * full commit there is nothing to keep. */
	seed_set_commit_delta(w, NULL);
	for (size_t i = 0; i < w->made; i++) {
		free(w->records[i].plain);
		free(w->records[i].stored);
	}
	free(w->records);
	seed_vec_free(&w->packs);
	seed_digest_map_free(w->own_map);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
