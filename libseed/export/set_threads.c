/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The writer thread and the keeper thread of a set writer, and what they share with the caller. One
 * lock guards the free records, the live packs, the keeper's queue, the first error and the
 * totals. Blocks themselves are handed over, never shared.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "export/set_writer_internal.h"
#include "pack/scrub.h"

void seed_set_fail(struct seed_set_writer *w, const struct seed_error *err)
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

int seed_set_failure(struct seed_set_writer *w, struct seed_error *err)
{
	pthread_mutex_lock(&w->lock);
	if (err)
		*err = w->err;
	pthread_mutex_unlock(&w->lock);
	return -1;
}

void seed_set_release_record(struct seed_set_writer *w, struct pending_record *r)
{
	pthread_mutex_lock(&w->lock);
	r->next_free = w->free;
	w->free = r;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
}

void seed_set_free_pack(struct seed_set_writer *w, struct pending_pack *p)
{
	struct pending_pack **at = &w->live;

	pthread_mutex_lock(&w->lock);
	while (*at != p)
		at = &(*at)->next_live;
	*at = p->next_live;
	pthread_mutex_unlock(&w->lock);
	seed_pack_writer_close(p->writer);
	free(p);
}

/* ---- writer thread ---- */

static int write_record(struct seed_set_writer *w, struct pending_record *r,
			struct seed_record_codec *codec, struct seed_error *err)
{
	struct pending_pack *p = r->pack;

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

void *seed_set_write_packs(void *arg)
{
	struct seed_set_writer *w = arg;
	SEED_AUTO(seed_record_codec_freep) struct seed_record_codec *codec = NULL;
	struct seed_error err = { 0 };
	struct seed_job *job;

	if (seed_record_codec_new(&codec, w->opt.level, &err) < 0)
		seed_set_fail(w, &err);
	while ((job = seed_lane_next(w->lane)) != NULL) {
		struct pending_record *r = (struct pending_record *)job;

		if (job->status < 0)
			seed_set_fail(w, &job->err);
		else if (write_record(w, r, codec, &err) < 0)
			seed_set_fail(w, &err);
		seed_set_release_record(w, r);
	}
	pthread_mutex_lock(&w->lock);
	w->no_more_packs = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* ---- keeper thread ---- */

/* Not again after a commit that failed, ours or a full one: it may lie there whole, and then one
 * that does not name it as the commit before would be damage that carries our signature. */
int seed_set_commit_delta(struct seed_set_writer *w, struct seed_error *err)
{
	const struct seed_vec none = { 0 };
	const struct seed_set_change change = { .packs = &w->packs, .files = &none, .seeds = &none };

	if (w->packs.count == 0 || w->opt.record->reserved != w->reserved)
		return 0;
	if (seed_set_commit(w->opt.home, w->opt.volume, w->opt.record, w->opt.own, &change, err) < 0)
		return -1;
	w->packs.count = 0;
	w->uncommitted_bytes = 0;
	w->last_commit_ms = seed_clock_ms();
	w->reserved = w->opt.record->reserved;
	pthread_mutex_lock(&w->lock);
	w->commits++;
	w->committed_mark = w->kept_mark;
	pthread_mutex_unlock(&w->lock);
	return 0;
}

static int keep_pack(struct seed_set_writer *w, const struct seed_pack_facts *facts,
		     uint64_t end_mark, struct seed_error *err)
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
	w->kept_mark = end_mark;
	pthread_mutex_unlock(&w->lock);
	if (w->uncommitted_bytes < w->opt.commit_bytes &&
	    seed_clock_ms() - w->last_commit_ms < w->opt.commit_ms)
		return 0;
	return seed_set_commit_delta(w, err);
}

static struct pending_pack *next_finished(struct seed_set_writer *w)
{
	struct pending_pack *p;

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

void *seed_set_keep_packs(void *arg)
{
	struct seed_set_writer *w = arg;
	struct seed_error err = { 0 };
	bool broken = false;
	struct pending_pack *p;

	while ((p = next_finished(w)) != NULL) {
		struct seed_pack_facts facts = p->facts;
		uint64_t end_mark = p->end_mark;

		seed_set_free_pack(w, p);
		if (!broken && keep_pack(w, &facts, end_mark, &err) < 0) {
			broken = true;
			seed_set_fail(w, &err);
		}
		pthread_mutex_lock(&w->lock);
		w->unkept--;
		pthread_cond_broadcast(&w->changed);
		pthread_mutex_unlock(&w->lock);
	}
	return NULL;
}
