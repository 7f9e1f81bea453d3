/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * See set_writer.h. One lock guards what the three threads share: the free
 * records, the live packs, the keeper's queue, the first error and the totals.
 * Blocks themselves are handed over, never shared.
 */
#include "export/set_writer.h"

#include <errno.h>
#include <pthread.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/digest_map.h"
#include "pack/reader.h"
#include "pack/scrub.h"
#include "pack/writer.h"

/* Below this many new blocks of a chunk, they are copied into a shared record. */
#define OWN_RECORD_BLOCKS 12u

struct pack {				/* one being written */
	struct seed_pack_writer *writer;
	struct seed_pack_facts facts;	/* once finished */
	struct pack *next;		/* keeper's queue */
	struct pack *next_live;
};

struct record {
	struct seed_job job;		/* must be first */
	struct pack *pack;
	uint32_t number;
	bool ends_pack;			/* finish the pack behind this record */
	uint16_t blocks;		/* 0: no record, only the end of a pack */
	uint32_t lengths[SEED_RECORD_BLOCKS];
	struct seed_digest digests[SEED_RECORD_BLOCKS];
	uint8_t *plain;			/* SEED_CHUNK_SIZE, aligned */
	size_t plain_len;
	uint8_t *stored;		/* SEED_RECORD_MAX */
	size_t stored_len;
	struct record *next_free;
};

struct seed_set_writer {
	struct seed_set_writer_options opt;
	struct record *records;		/* @depth + 1: one is being filled */
	size_t made;

	/* Caller's thread. */
	struct seed_digest_map *map;
	struct record *filling;
	struct pack *pack;		/* that new records belong to */
	uint32_t pack_records;
	uint32_t next_pack;

	struct seed_lane *lane;		/* caller -> workers -> writer thread */
	pthread_t writer, keeper;
	bool writer_runs, keeper_runs;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct record *free;
	struct pack *live;		/* every pack that exists; freed by the keeper or by close */
	struct pack *finished, **finished_tail;	/* writer -> keeper */
	bool no_more_packs;
	struct seed_error err;		/* the first one */
	bool failed;
	struct seed_set_totals totals;
	uint32_t commits;

	/* Keeper's thread, until it is joined. */
	struct seed_vec packs;		/* read back, not committed */
	uint64_t uncommitted_bytes, last_commit_ms;
	uint32_t reserved;		/* the record's, after the last commit that went well */
};

/* ---- shared state ---- */

static void fail(struct seed_set_writer *w, const struct seed_error *err)
{
	pthread_mutex_lock(&w->lock);
	if (!w->failed) {
		w->failed = true;
		w->err = *err;
	}
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	seed_lane_abort(w->lane);
}

static int failure(struct seed_set_writer *w, struct seed_error *err)
{
	pthread_mutex_lock(&w->lock);
	if (err)
		*err = w->err;
	pthread_mutex_unlock(&w->lock);
	return -1;
}

static void release_record(struct seed_set_writer *w, struct record *r)
{
	pthread_mutex_lock(&w->lock);
	r->next_free = w->free;
	w->free = r;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

/* Waits for a free record; NULL after a failure. */
static struct record *take_record(struct seed_set_writer *w)
{
	struct record *r;

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

static void free_pack(struct seed_set_writer *w, struct pack *p)
{
	struct pack **at = &w->live;

	pthread_mutex_lock(&w->lock);
	while (*at != p)
		at = &(*at)->next_live;
	*at = p->next_live;
	pthread_mutex_unlock(&w->lock);
	seed_pack_writer_close(p->writer);
	free(p);
}

/* ---- workers ---- */

static int encode_record(struct seed_job *job, void *scratch, struct seed_error *err)
{
	struct record *r = (struct record *)job;
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

/* ---- writer thread ---- */

static int write_record(struct seed_set_writer *w, struct record *r,
			struct seed_record_codec *codec, struct seed_error *err)
{
	struct pack *p = r->pack;

	if (r->blocks && seed_pack_writer_add(p->writer, r->stored, r->stored_len, r->digests,
					      r->lengths, r->blocks, err) < 0)
		return -1;
	if (r->ends_pack && seed_pack_writer_finish(p->writer, codec, &p->facts, err) < 0)
		return -1;
	pthread_mutex_lock(&w->lock);
	w->totals.stored_bytes += r->blocks ? r->stored_len : 0;
	if (r->ends_pack) {
		*w->finished_tail = p;
		w->finished_tail = &p->next;
		pthread_cond_broadcast(&w->changed);
	}
	pthread_mutex_unlock(&w->lock);
	return 0;
}

static void *writer_main(void *arg)
{
	struct seed_set_writer *w = arg;
	SEED_AUTO(seed_record_codec_freep) struct seed_record_codec *codec = NULL;
	struct seed_error err = { 0 };
	struct seed_job *job;

	if (seed_record_codec_new(&codec, w->opt.level, &err) < 0)
		fail(w, &err);
	while ((job = seed_lane_next(w->lane)) != NULL) {
		struct record *r = (struct record *)job;

		if (job->status < 0)
			fail(w, &job->err);
		else if (write_record(w, r, codec, &err) < 0)
			fail(w, &err);
		release_record(w, r);
	}
	pthread_mutex_lock(&w->lock);
	w->no_more_packs = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* ---- keeper thread ---- */

int seed_set_commit(int home, struct seed_volume *volume, struct seed_set_record *record,
		    const struct seed_site *own, bool full, const struct seed_vec *packs,
		    const struct seed_vec *files, const struct seed_vec *seeds,
		    struct seed_error *err)
{
	uint32_t number = record->reserved + 1;

	if (number <= volume->highest_seen)
		number = volume->highest_seen + 1;
	if (number > SEED_MEDIA_NUMBER_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "no commit number is left in this set");
	/* Durable before the key signs: a number that may have been signed is never signed
	 * again. A crash after this line costs one number. */
	record->reserved = number;
	if (seed_set_record_write(home, record, err) < 0 ||
	    seed_volume_commit(volume, number, full, packs, files, seeds, own, err) < 0)
		return -1;
	/* A crash before this line leaves a valid commit above @confirmed; the next run
	 * finds it, sees that it verifies, and takes it. */
	record->confirmed = number;
	record->confirmed_digest = volume->last_digest;
	return seed_set_record_write(home, record, err);
}

/* Not again after a commit that failed, ours or a full one: it may lie there whole, and then one
 * that does not name it as the commit before would be damage that carries our signature. */
static int commit_delta(struct seed_set_writer *w, struct seed_error *err)
{
	const struct seed_vec none = { 0 };

	if (w->packs.count == 0 || w->opt.record->reserved != w->reserved)
		return 0;
	if (seed_set_commit(w->opt.home, w->opt.volume, w->opt.record, w->opt.own, false, &w->packs,
			    &none, &none, err) < 0)
		return -1;
	w->packs.count = 0;
	w->uncommitted_bytes = 0;
	w->last_commit_ms = seed_clock_ms();
	w->reserved = w->opt.record->reserved;
	pthread_mutex_lock(&w->lock);
	w->commits++;
	pthread_mutex_unlock(&w->lock);
	return 0;
}

static int keep_pack(struct seed_set_writer *w, const struct seed_pack_facts *facts,
		     struct seed_error *err)
{
	char name[SEED_PACK_NAME];
	bool cached = false;

	if (seed_file_read_back(w->opt.volume->dir, seed_pack_name(facts->number, name),
				facts->length, &facts->digest, &cached, w->opt.cancel, err) < 0)
		return -1;
	if (!seed_vec_push(&w->packs, sizeof(*facts), facts))
		return seed_error_sys(err, ENOMEM, "pack %08u", facts->number);
	w->uncommitted_bytes += facts->length;
	pthread_mutex_lock(&w->lock);
	w->totals.read_back_bytes += facts->length;
	w->totals.packs++;
	w->totals.cached |= cached;
	pthread_mutex_unlock(&w->lock);
	if (w->uncommitted_bytes < w->opt.commit_bytes &&
	    seed_clock_ms() - w->last_commit_ms < w->opt.commit_ms)
		return 0;
	return commit_delta(w, err);
}

static struct pack *next_finished(struct seed_set_writer *w)
{
	struct pack *p;

	pthread_mutex_lock(&w->lock);
	while (!w->finished && !w->no_more_packs)
		pthread_cond_wait(&w->changed, &w->lock);
	p = w->finished;
	if (p) {
		w->finished = p->next;
		if (!w->finished)
			w->finished_tail = &w->finished;
	}
	pthread_mutex_unlock(&w->lock);
	return p;
}

static void *keeper_main(void *arg)
{
	struct seed_set_writer *w = arg;
	struct seed_error err = { 0 };
	bool broken = false;
	struct pack *p;

	while ((p = next_finished(w)) != NULL) {
		struct seed_pack_facts facts = p->facts;

		free_pack(w, p);
		if (!broken && keep_pack(w, &facts, &err) < 0) {
			broken = true;
			fail(w, &err);
		}
	}
	return NULL;
}

/* ---- caller's thread ---- */

static int open_pack(struct seed_set_writer *w, struct seed_error *err)
{
	struct seed_pack_id id = {
		.set = w->opt.volume->set,
		.volume = w->opt.volume->number,
		.pack = w->next_pack,
	};
	struct pack *p = calloc(1, sizeof(*p));

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
	pthread_mutex_unlock(&w->lock);
	w->next_pack++;
	w->pack = p;
	w->pack_records = 0;
	return 0;
}

/* Hand a record (or a bare end of pack) to the workers. Takes @r, also on failure. */
static int submit(struct seed_set_writer *w, struct record *r, bool ends, struct seed_error *err)
{
	if (!w->pack && open_pack(w, err) < 0) {
		release_record(w, r);
		return -1;
	}
	r->pack = w->pack;
	r->job.run = encode_record;
	if (r->blocks)
		r->number = w->pack_records++;
	r->ends_pack = ends || w->pack_records == SEED_PACK_RECORDS;
	if (r->ends_pack)
		w->pack = NULL;
	if (!seed_lane_submit(w->lane, &r->job)) {
		release_record(w, r);
		return failure(w, err);
	}
	return 0;
}

static void put_block(struct record *r, const struct seed_chunk *c, uint32_t i)
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
	struct record *r = take_record(w);
	uint8_t *data;

	if (!r)
		return failure(w, err);
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
		if (!w->filling && !(w->filling = take_record(w)))
			return failure(w, err);
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
	if (w->filling && submit(w, seed_steal(&w->filling), true, err) < 0)
		return -1;
	if (w->pack) {
		struct record *end = take_record(w);

		if (!end)
			return failure(w, err);
		if (submit(w, end, true, err) < 0)
			return -1;
	}
	seed_lane_end(w->lane);
	join_threads(w);
	return w->failed ? failure(w, err) : 0;
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

static int load_pack(struct seed_set_writer *w, struct seed_record_codec *codec,
		     const struct seed_pack_facts *facts, struct seed_error *err)
{
	struct seed_pack_id id = {
		.set = w->opt.volume->set,
		.volume = w->opt.volume->number,
		.pack = facts->number,
	};
	SEED_AUTO(seed_pack_reader_closep) struct seed_pack_reader *reader = NULL;
	SEED_AUTO(seed_vec_free) struct seed_vec index = { 0 };

	if (seed_pack_reader_open(&reader, w->opt.volume->dir, &id, facts, &w->opt.volume->data_key,
				  false, err) < 0 ||
	    seed_pack_reader_index(reader, codec, &index, err) < 0)
		return -1;
	for (size_t i = 0; i < index.count; i++) {
		const struct seed_index_entry *e = seed_vec_at(&index, i);
		bool added;

		if (seed_digest_map_add(w->map, &e->digest, &added, err) < 0)
			return -1;
	}
	return 0;
}

static int load_packs(struct seed_set_writer *w, struct seed_error *err)
{
	SEED_AUTO(seed_record_codec_freep) struct seed_record_codec *codec = NULL;

	if (seed_record_codec_new(&codec, w->opt.level, err) < 0)
		return -1;
	w->next_pack = 1;
	for (size_t i = 0; i < w->opt.volume->packs.count; i++) {
		const struct seed_pack_facts *facts = seed_vec_at(&w->opt.volume->packs, i);

		if (seed_cancelled(w->opt.cancel, err) < 0 || load_pack(w, codec, facts, err) < 0)
			return -1;
		if (facts->number >= w->next_pack)
			w->next_pack = facts->number + 1;
	}
	return 0;
}

static int make_records(struct seed_set_writer *w, struct seed_error *err)
{
	size_t count = w->opt.depth + 1;

	w->records = calloc(count, sizeof(*w->records));
	if (!w->records)
		return seed_error_sys(err, ENOMEM, "records");
	while (w->made < count) {
		struct record *r = &w->records[w->made++];

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
	int rc = pthread_create(&w->writer, NULL, writer_main, w);

	if (rc)
		return seed_error_sys(err, rc, "writer thread");
	w->writer_runs = true;
	rc = pthread_create(&w->keeper, NULL, keeper_main, w);
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
	w->reserved = opt->record->reserved;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	if (seed_digest_map_new(&w->map, opt->map_bytes, err) < 0 || load_packs(w, err) < 0 ||
	    make_records(w, err) < 0 ||
	    seed_lane_open(&w->lane, opt->pool, opt->depth, err) < 0 || start_threads(w, err) < 0)
		return -1;
	*out = seed_steal(&w);
	return 0;
}

void seed_set_writer_close(struct seed_set_writer *w)
{
	if (!w)
		return;
	if (w->lane)
		seed_lane_abort(w->lane);
	join_threads(w);
	/* Whatever went wrong, packs that were read back are worth keeping. If it was the
	 * medium, this fails too, and what there is to say was said already. After the
	 * full commit there is nothing to keep. */
	commit_delta(w, NULL);
	if (w->lane)
		seed_lane_close(w->lane, NULL);
	while (w->live)
		free_pack(w, w->live);
	for (size_t i = 0; i < w->made; i++) {
		free(w->records[i].plain);
		free(w->records[i].stored);
	}
	free(w->records);
	seed_vec_free(&w->packs);
	seed_digest_map_free(w->map);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
