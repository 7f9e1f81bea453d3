/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Checking one pack: its bytes are read once, in order, past the page cache. The
 * caller's thread hashes the file and each record in one interleaved pass; workers open,
 * decompress and hash the blocks.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "crypto/digest.h"
#include "pack/reader.h"
#include "verify/verify_internal.h"

#define BATCH_BYTES (4u << 20)
#define DEPTH 32u			/* records in flight */

struct batch {				/* stored bytes of neighbouring records */
	uint8_t *data;
	_Atomic unsigned int users;
};

struct record {
	struct seed_job job;		/* must be first */
	struct seed_pack_reader *reader;
	uint32_t number;
	struct batch *batch;
	const uint8_t *stored;
	const struct seed_index_entry *entries;	/* of its blocks, in slot order */
	size_t count;
	struct seed_error why;		/* set when something is wrong */
};

struct pass {
	struct seed_pack_check *check;
	const struct seed_pack_facts *facts;
	struct seed_pack_reader *reader;
	int fd;				/* for the bytes that are not records */
	struct seed_lane *lane;		/* NULL without the key */
	size_t in_flight;
	struct seed_vec all;		/* the whole index */
	struct seed_digest_stream file;
	bool unread;			/* part of the file could not be read */
	struct seed_vec *sound;
};

struct worker {
	struct seed_record_codec *codec;
	uint8_t *plain;
};

void *seed_check_worker_new(void *arg, struct seed_error *err)
{
	struct worker *w = calloc(1, sizeof(*w));

	(void)arg;
	if (!w) {
		seed_error_sys(err, ENOMEM, "worker");
		return NULL;
	}
	w->plain = seed_buffer_new(SEED_RECORD_PLAIN_MAX, err);
	if (!w->plain || seed_record_codec_new(&w->codec, 1, err) < 0) {
		seed_check_worker_free(w);
		return NULL;
	}
	return w;
}

void seed_check_worker_free(void *scratch)
{
	struct worker *w = scratch;

	seed_record_codec_free(w->codec);
	free(w->plain);
	free(w);
}

/* ---- workers ---- */

static int check_blocks(const struct record *r, const struct seed_record_plain *info,
			const uint8_t *plain, struct seed_error *err)
{
	struct seed_digest digests[SEED_RECORD_BLOCKS];
	const void *data[SEED_RECORD_BLOCKS];
	size_t lens[SEED_RECORD_BLOCKS], at = 0;

	if (info->blocks != r->count)
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "holds %u blocks where the index has %zu", info->blocks,
				      r->count);
	for (uint16_t i = 0; i < info->blocks; i++) {
		data[i] = plain + at;
		lens[i] = info->lengths[i];
		at += info->lengths[i];
	}
	seed_digest_many(digests, data, lens, info->blocks);
	for (uint16_t i = 0; i < info->blocks; i++) {
		if (!seed_digest_equal(&digests[i], &r->entries[i].digest) ||
		    info->lengths[i] != r->entries[i].length)
			return seed_error_set(err, SEED_ERR_INTEGRITY,
					      "block %u differs from the block index", i);
	}
	return 0;
}

static int check_record(struct seed_job *job, void *scratch, struct seed_error *err)
{
	struct record *r = (struct record *)job;
	const struct seed_table_entry *entry = seed_pack_reader_record(r->reader, r->number);
	struct seed_record_plain info;
	struct worker *w = scratch;

	(void)err;
	if (r->why.kind)
		return 0;
	if (seed_record_decode(w->codec, seed_pack_reader_seal(r->reader), r->number, false,
			       r->stored, entry->length, w->plain, SEED_RECORD_PLAIN_MAX, &info,
			       &r->why) == 0)
		check_blocks(r, &info, w->plain, &r->why);
	return 0;
}

/* ---- caller's thread ---- */

static void release_batch(struct batch *batch)
{
	if (batch && --batch->users == 0) {
		free(batch->data);
		free(batch);
	}
}

static int note_record(struct pass *p, uint32_t number, const struct seed_error *why,
		       struct seed_error *err)
{
	if (seed_verify_note(&p->check->verify->problems, p->check->opt->events, why,
			     "%spack %08u: record %u", p->check->where, p->facts->number,
			     number) < 0)
		return seed_error_sys(err, ENOMEM, "verify");
	return 0;
}

static void report_progress(struct pass *p)
{
	seed_event_send(p->check->opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PROGRESS,
		.phase = "verifying",
		.done = p->check->done,
		.total = p->check->total,
	});
}

static int take_result(struct pass *p, struct record *r, struct seed_error *err)
{
	struct seed_verify *v = p->check->verify;
	int rc = 0;

	v->records++;
	if (r->why.kind) {
		rc = note_record(p, r->number, &r->why, err);
	} else {
		v->blocks += r->count;
		for (size_t i = 0; rc == 0 && i < r->count; i++) {
			if (!seed_vec_push(p->sound, sizeof(r->entries[i]), &r->entries[i]))
				rc = seed_error_sys(err, ENOMEM, "verify");
		}
	}
	release_batch(r->batch);
	free(r);
	return rc;
}

static int drain(struct pass *p, size_t down_to, struct seed_error *err)
{
	while (p->in_flight > down_to) {
		struct record *r = (struct record *)seed_lane_next(p->lane);

		p->in_flight--;
		if (take_result(p, r, err) < 0)
			return -1;
	}
	return 0;
}

/* Hash one record's stored bytes; with the key, hand it on. */
static int pass_record(struct pass *p, uint32_t number, const uint8_t *stored,
		       struct batch *batch, const struct seed_index_entry *entries, size_t count,
		       struct seed_error *err)
{
	const struct seed_table_entry *entry = seed_pack_reader_record(p->reader, number);
	struct seed_error why = { 0 };
	struct seed_digest digest;
	struct record *r;

	seed_digest_add_and_hash(&p->file, stored, entry->length, &digest);
	if (!seed_digest_equal(&digest, &entry->digest))
		seed_error_set(&why, SEED_ERR_INTEGRITY, "differs from its digest");
	if (!p->lane) {
		p->check->verify->records++;
		p->check->verify->unopened_records++;
		return why.kind ? note_record(p, number, &why, err) : 0;
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		return seed_error_sys(err, ENOMEM, "verify");
	r->job.run = check_record;
	r->reader = p->reader;
	r->number = number;
	r->batch = batch;
	r->stored = stored;
	r->entries = entries;
	r->count = count;
	r->why = why;
	batch->users++;
	if (drain(p, DEPTH - 1, err) < 0 || !seed_lane_submit(p->lane, &r->job)) {
		release_batch(batch);
		free(r);
		return -1;
	}
	p->in_flight++;
	return 0;
}

static int lose_records(struct pass *p, uint32_t first, uint32_t count,
			const struct seed_error *why, struct seed_error *err)
{
	p->unread = true;
	for (uint32_t i = 0; i < count; i++) {
		if (note_record(p, first + i, why, err) < 0)
			return -1;
	}
	return 0;
}

/* How many records from @first lie in one batch, and their bytes. */
static uint32_t batch_of(struct pass *p, uint32_t first, size_t *bytes)
{
	uint32_t records = seed_pack_reader_records(p->reader), count = 0;

	*bytes = 0;
	while (first + count < records) {
		size_t length = seed_pack_reader_record(p->reader, first + count)->length;

		if (count && *bytes + length > BATCH_BYTES)
			break;
		*bytes += length;
		count++;
	}
	return count;
}

static int pass_batch(struct pass *p, uint32_t first, uint32_t count, size_t bytes,
		      size_t *entry, struct seed_error *err)
{
	struct batch *batch = calloc(1, sizeof(*batch));
	size_t room = bytes + 2 * SEED_IO_ALIGN, start = 0;
	struct seed_error why = { 0 };
	int rc = 0;

	if (!batch)
		return seed_error_sys(err, ENOMEM, "verify");
	batch->users = 1;
	batch->data = seed_buffer_new(room, err);
	if (!batch->data) {
		free(batch);
		return -1;
	}
	if (seed_pack_reader_read(p->reader, first, count, batch->data, room, &start, &why) < 0)
		rc = lose_records(p, first, count, &why, err);
	for (uint32_t i = 0; rc == 0 && i < count; i++) {
		const struct seed_index_entry *entries = p->all.items;
		size_t n = 0;

		while (*entry + n < p->all.count && entries[*entry + n].record == first + i)
			n++;
		if (!why.kind)
			rc = pass_record(p, first + i, batch->data + start, batch,
					 p->all.count ? entries + *entry : NULL, n, err);
		start += seed_pack_reader_record(p->reader, first + i)->length;
		*entry += n;
	}
	release_batch(batch);
	p->check->done += bytes;
	p->check->verify->bytes += bytes;
	report_progress(p);
	return rc;
}

/* Bytes [@from, @to) that are not data records: header, index, table, trailer. */
static int pass_bytes(struct pass *p, uint64_t from, uint64_t to, struct seed_error *err)
{
	SEED_AUTO(seed_freep) uint8_t *buf = malloc(BATCH_BYTES);

	if (!buf)
		return seed_error_sys(err, ENOMEM, "verify");
	while (from < to) {
		size_t n = to - from < BATCH_BYTES ? to - from : BATCH_BYTES;

		if (seed_fd_pread(p->fd, buf, n, from, err) < 0)
			return -1;
		seed_digest_add(&p->file, buf, n);
		p->check->verify->bytes += n;
		p->check->done += n;
		from += n;
	}
	return 0;
}

static int pass_pack(struct pass *p, struct seed_error *why, struct seed_error *err)
{
	uint32_t records = seed_pack_reader_records(p->reader);
	uint64_t tail = SEED_PACK_HEADER;
	struct seed_digest digest;
	size_t entry = 0;

	seed_digest_begin(&p->file);
	if (pass_bytes(p, 0, SEED_PACK_HEADER, why) < 0)
		return 0;
	for (uint32_t first = 0, count; first < records; first += count) {
		size_t bytes;

		count = batch_of(p, first, &bytes);
		if (seed_cancelled(p->check->opt->cancel, err) < 0 ||
		    pass_batch(p, first, count, bytes, &entry, err) < 0)
			return -1;
		tail += bytes;
	}
	if (p->lane && drain(p, 0, err) < 0)
		return -1;
	if (pass_bytes(p, tail, p->facts->length, why) < 0)
		return 0;
	report_progress(p);
	seed_digest_end(&p->file, &digest);
	if (!p->unread && !seed_digest_equal(&digest, &p->facts->digest))
		seed_error_set(why, SEED_ERR_INTEGRITY, "differs from the digest in its commit");
	return 0;
}

static int open_pass(struct pass *p, struct seed_error *why)
{
	const struct seed_volume *v = p->check->volume;
	const struct seed_pack_id id = { v->set, v->number, p->facts->number };
	SEED_AUTO(seed_record_codec_freep) struct seed_record_codec *codec = NULL;
	char name[SEED_PACK_NAME];

	if (seed_pack_reader_open(&p->reader, v->dir, &id, p->facts, &v->data_key, true, why) < 0 ||
	    seed_path_open(&p->fd, v->dir, seed_pack_name(p->facts->number, name), O_RDONLY, 0,
			   why) < 0)
		return -1;
	if (v->data_key.sealed && !v->data_key.known)
		return 0;
	if (seed_record_codec_new(&codec, 1, why) < 0 ||
	    seed_pack_reader_index(p->reader, codec, &p->all, why) < 0)
		return -1;
	return seed_lane_open(&p->lane, p->check->pool, DEPTH, why);
}

static void drop_record(struct seed_job *job)
{
	struct record *r = (struct record *)job;

	release_batch(r->batch);
	free(r);
}

int seed_check_pack(struct seed_pack_check *check, const struct seed_pack_facts *facts,
		    struct seed_vec *index, struct seed_error *err)
{
	struct pass p = { .check = check, .facts = facts, .fd = -1, .sound = index };
	struct seed_error why = { 0 };
	int rc = 0;

	if (open_pass(&p, &why) == 0)
		rc = pass_pack(&p, &why, err);
	if (p.lane) {
		seed_lane_abort(p.lane);
		seed_lane_close(p.lane, drop_record);
	}
	check->verify->packs++;
	if (rc == 0 && why.kind &&
	    seed_verify_note(&check->verify->problems, check->opt->events, &why, "%spack %08u",
			     check->where, facts->number) < 0)
		rc = seed_error_sys(err, ENOMEM, "verify");
	seed_pack_reader_close(p.reader);
	seed_fd_closep(&p.fd);
	seed_vec_free(&p.all);
	return rc;
}
