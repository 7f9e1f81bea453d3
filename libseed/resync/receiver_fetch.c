// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Getting the blocks that differ: from the journal of an earlier run, from what lies elsewhere at
 * this site, or from the sender. Questions on their way are bounded by the bytes that they may
 * bring (IN_FLIGHT blocks of 64 KiB); answers come in the order of the questions. What is here
 * counts when its SHA-256 does.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/cleanup.h"
#include "block/list_diff.h"
#include "crypto/digest.h"
#include "resync/receiver.h"

#define IN_FLIGHT 2048u			/* blocks: 128 MiB */
#define BATCH SEED_REQUEST_BLOCKS
#define LATER_MAX 4096u			/* that wait for others of their kind */
#define KNOWN_MEMORY (64u << 20)
#define CHECKPOINT_BYTES (256u << 20)
#define CHECKPOINT_MS 30000u
#define BUCKETS 4096u
#define TELL_MS 2000u

struct wanted {
	uint64_t index;
	struct seed_digest digest;
	uint8_t disk;
	bool hints;
	bool again;			/* it waited once: whatever else is on its way, it is asked
					 * for */
};

struct fetch {
	struct seed_receiving *r;
	struct wanted ring[IN_FLIGHT];	/* asked for, oldest first */
	unsigned int first, count;
	uint16_t buckets[BUCKETS];	/* how many of the ring have these first bits */
	struct seed_msg_request batch;	/* not sent yet */
	unsigned int batched;		/* of the ring, at its end */
	struct seed_vec later;		/* struct wanted: their digest is on its way for another
					 * place, or hints led astray; those before @later_first are
					 * done with */
	size_t later_first;
	uint8_t *buf;			/* a block */
	bool gathered;			/* this replica is in the table of known blocks */
	uint64_t unsafe;		/* bytes since the last checkpoint */
	uint64_t checkpoint_ms;
	uint64_t told_ms;		/* when the sender was told that we are at it */
	uint64_t done;			/* blocks, for progress */
};

static unsigned int bucket_of(const struct seed_digest *digest)
{
	return (digest->bytes[0] | (unsigned int)digest->bytes[1] << 8) % BUCKETS;
}

static uint32_t length_of(const struct fetch *t, const struct wanted *w)
{
	return seed_grid_length(t->r->disks[w->disk].size, w->index);
}

static void report(struct fetch *t)
{
	const struct seed_receiving *r = t->r;

	seed_event_send(r->s->opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PROGRESS, .phase = "receiving", .vm = r->head.name,
		.done = t->done * SEED_BLOCK_SIZE,
		.total = r->counts.changed * SEED_BLOCK_SIZE });
}

/* ---- putting ---- */

/* What arrived must survive a cut: now and then it is made durable. */
static int checkpoint(struct fetch *t, struct seed_error *err)
{
	uint64_t now = seed_clock_ms();

	if (t->unsafe < CHECKPOINT_BYTES && now - t->checkpoint_ms < CHECKPOINT_MS)
		return 0;
	t->unsafe = 0;
	t->checkpoint_ms = now;
	return seed_sync_checkpoint(t->r->sync, err);
}

static int put(struct fetch *t, const struct wanted *w, struct seed_error *err)
{
	const struct seed_receiving_disk *d = &t->r->disks[w->disk];

	if (seed_sync_put(t->r->sync, w->disk, w->index, &w->digest, t->buf, length_of(t, w),
			  err) < 0)
		return -1;
	if (t->r->s->known && t->r->replica)
		seed_known_add(t->r->s->known, t->r->replica->name, d->file, w->index, &w->digest);
	t->unsafe += length_of(t, w);
	t->done++;
	report(t);
	return checkpoint(t, err);
}

/* ---- from here ---- */

/* The table serves all VMs of a connection; a candidate, whose line is still its own, comes to it
 * when its turn comes. */
static int ensure_known(struct fetch *t, struct seed_error *err)
{
	struct seed_session *s = t->r->s;
	uint64_t memory = s->opt->memory && s->opt->memory < KNOWN_MEMORY ? s->opt->memory :
									    KNOWN_MEMORY;

	if (!s->known && seed_known_new(&s->known, s->store, &s->peer->card.site, memory,
					s->opt->cancel, err) < 0)
		return -1;
	if (t->r->replica->state == SEED_REPLICA_CANDIDATE && !t->gathered)
		seed_known_add_replica(s->known, t->r->replica);
	t->gathered = true;
	return 0;
}

/* It arrived in an earlier run; or it is the twin of one that came in this. */
static void count_here(struct fetch *t, const struct wanted *w)
{
	struct seed_journal *journal = seed_sync_journal(t->r->sync);

	if (journal && seed_journal_has(journal, &w->digest) &&
	    !seed_journal_had(journal, &w->digest))
		t->r->counts.local++;
	else
		t->r->counts.journal++;
}

static int take_local(struct fetch *t, const struct wanted *w, bool *found, struct seed_error *err)
{
	struct seed_journal *journal = seed_sync_journal(t->r->sync);
	uint32_t len = length_of(t, w), got;

	*found = false;
	if (seed_sync_has(t->r->sync, w->disk, w->index, &w->digest)) {
		count_here(t, w);
		t->done++;
		*found = true;
		return 0;
	}
	/* In the journal for another place; or, for a disk that is written in place, by digest. */
	if (journal && seed_journal_has(journal, &w->digest) &&
	    seed_journal_read(journal, &w->digest, t->buf, &got, NULL) == 0 && got == len) {
		count_here(t, w);
		*found = true;
		return put(t, w, err);
	}
	if (ensure_known(t, err) < 0)
		return -1;
	if (!seed_known_read(t->r->s->known, &w->digest, t->buf, len))
		return 0;
	t->r->counts.local++;
	*found = true;
	return put(t, w, err);
}

/* ---- asking ---- */

static bool on_its_way(const struct fetch *t, const struct seed_digest *digest)
{
	if (!t->buckets[bucket_of(digest)])
		return false;
	for (unsigned int i = 0; i < t->count; i++)
		if (seed_digest_equal(&t->ring[(t->first + i) % IN_FLIGHT].digest, digest))
			return true;
	return false;
}

static int send_batch(struct fetch *t, struct seed_error *err)
{
	struct seed_buf buf = { 0 };

	if (!t->batch.count)
		return 0;
	if (seed_msg_request_put(&buf, &t->batch, err) < 0) {
		seed_buf_free(&buf);
		return -1;
	}
	t->batch.count = 0;
	t->batched = 0;
	return seed_session_send(t->r->s, SEED_FRAME_REQUEST, &buf, err);
}

static int receive_block(struct fetch *t, struct seed_error *err);

static int make_room(struct fetch *t, struct seed_error *err)
{
	while (t->count == IN_FLIGHT)
		if (send_batch(t, err) < 0 || receive_block(t, err) < 0)
			return -1;
	return 0;
}

/* There is room. With hints, t->buf has what lies in that place. */
static int ask(struct fetch *t, struct wanted *w, struct seed_error *err)
{
	struct seed_msg_ask *a;

	if (t->batch.count && (t->batch.disk != w->disk || t->batch.hints != w->hints) &&
	    send_batch(t, err) < 0)
		return -1;
	t->batch.disk = w->disk;
	t->batch.hints = w->hints;
	a = &t->batch.ask[t->batch.count++];
	a->index = w->index;
	if (w->hints)
		seed_hints(&t->r->key, t->buf, length_of(t, w), a->hints);
	t->ring[(t->first + t->count++) % IN_FLIGHT] = *w;
	t->buckets[bucket_of(&w->digest)]++;
	t->batched++;
	t->r->counts.fetched++;
	return t->batch.count == BATCH ? send_batch(t, err) : 0;
}

/* What lies at this place now is mostly what will lie there: its pieces are compared. */
static int ask_for(struct fetch *t, struct wanted *w, enum seed_block_kind base,
		   struct seed_error *err)
{
	/* First: blocks that arrive go through the same buffer. */
	if (make_room(t, err) < 0)
		return -1;
	w->hints = base == SEED_BLOCK_DATA &&
		   seed_sync_read(t->r->sync, w->disk, w->index, t->buf, NULL) == 0;
	return ask(t, w, err);
}

/* ---- receiving ---- */

/* The pieces that came, over those that are here. */
static int assemble(struct fetch *t, const struct wanted *w, const struct seed_msg_block *m,
		    struct seed_error *err)
{
	uint32_t len = length_of(t, w), from = 0;

	if (!w->hints)
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "BLOCK: pieces that were not asked for");
	if (seed_sync_read(t->r->sync, w->disk, w->index, t->buf, err) < 0)
		return -1;
	for (unsigned int i = 0; i < SEED_PIECES; i++) {
		uint32_t at = i * SEED_PIECE_SIZE, n;

		if (!(m->pieces >> i & 1))
			continue;
		if (at >= len)
			return seed_error_set(err, SEED_ERR_FORMAT, "BLOCK: a piece past its end");
		n = len - at < SEED_PIECE_SIZE ? len - at : SEED_PIECE_SIZE;
		if (n > m->len - from)
			return seed_error_set(err, SEED_ERR_FORMAT,
					      "BLOCK: pieces that are cut short");
		memcpy(t->buf + at, m->data + from, n);
		from += n;
	}
	return from == m->len ? 0 :
				seed_error_set(err, SEED_ERR_FORMAT, "BLOCK: more than its pieces");
}

static int wrong_bytes(const struct fetch *t, const struct wanted *w, struct seed_error *err)
{
	return seed_error_set(err, SEED_ERR_INTEGRITY,
			      "block %" PRIu64 " of disk %s is not what its digest says", w->index,
			      t->r->head.disks[w->disk].slot);
}

/* Changed at the source since it was listed: the list says what it is now. */
static int note_changed(struct fetch *t, struct wanted *w, const struct seed_msg_block *m,
			struct seed_error *err)
{
	/* Filling up an old seed, nothing but its own blocks will do. */
	if (t->r->fill)
		return seed_error_set(err, SEED_ERR_BUSY,
				      "block %" PRIu64
				      " of disk %s changed at the source meanwhile: run the "
				      "command again",
				      w->index, t->r->head.disks[w->disk].slot);
	w->digest = m->digest;
	return seed_list_set(t->r->disks[w->disk].next, w->index, &m->digest, 1, err);
}

static int take_block(struct fetch *t, struct wanted w, const struct seed_msg_block *m,
		      struct seed_error *err)
{
	struct seed_digest digest;

	if (m->changed && note_changed(t, &w, m, err) < 0)
		return -1;
	if (m->form == SEED_FORM_ZERO) {
		t->done++;	/* zeroes are applied from the list alone */
		return 0;
	}
	if (m->form == SEED_FORM_PIECES) {
		if (assemble(t, &w, m, err) < 0)
			return -1;
	} else if (m->len != length_of(t, &w)) {
		return seed_error_set(err, SEED_ERR_FORMAT, "BLOCK: %" PRIu32 " bytes", m->len);
	} else {
		memcpy(t->buf, m->data, m->len);
	}
	seed_digest_of(&digest, t->buf, length_of(t, &w));
	if (!seed_digest_equal(&digest, &w.digest)) {
		if (m->form != SEED_FORM_PIECES)
			return wrong_bytes(t, &w, err);
		w.hints = false;	/* two pieces had one hint: all of it, then */
		t->r->counts.fetched--;
		return seed_vec_push(&t->later, sizeof(w), &w) ? 0 :
		       seed_error_sys(err, ENOMEM, "blocks");
	}
	return put(t, &w, err);
}

/* @f answers the oldest question. */
static int take_answer(struct fetch *t, const struct seed_frame *f, struct seed_error *err)
{
	struct wanted w = t->ring[t->first];
	struct seed_msg_block m;

	if (f->type != SEED_FRAME_BLOCK)
		return seed_session_unexpected(f, err);
	if (seed_msg_block_get(&m, f, err) < 0)
		return -1;
	if (m.disk != w.disk || m.index != w.index)
		return seed_error_set(err, SEED_ERR_FORMAT, "BLOCK: one that nobody asked for");
	t->first = (t->first + 1) % IN_FLIGHT;
	t->count--;
	t->buckets[bucket_of(&w.digest)]--;
	return take_block(t, w, &m, err);
}

static int receive_block(struct fetch *t, struct seed_error *err)
{
	struct seed_frame f;

	return seed_session_may_go_on(t->r->s, err) < 0 ||
	       seed_session_next(t->r->s, &f, err) < 0 ? -1 : take_answer(t, &f, err);
}

/* What has arrived by now: while we look for blocks here, the link must not stand still behind a
 * queue that nobody empties. */
static int take_arrived(struct fetch *t, struct seed_error *err)
{
	bool got = true;

	while (t->count && got) {
		struct seed_frame f;
		bool ours;

		if (seed_channel_try_receive(t->r->s->ch, &f, &got, err) < 0)
			return -1;
		if (!got)
			break;
		if (seed_session_take(t->r->s, &f, &ours, err) < 0 ||
		    (ours && take_answer(t, &f, err) < 0))
			return -1;
	}
	return 0;
}

/* A sender that nobody asks for anything lets go after some hours, and much may lie here. Questions
 * on their way are word enough. */
static int tell_sender(struct fetch *t, struct seed_error *err)
{
	const struct seed_receiving *r = t->r;
	uint64_t now = seed_clock_ms();

	if (t->count || now - t->told_ms < TELL_MS)
		return 0;
	t->told_ms = now;
	return seed_session_progress(r->s, SEED_PHASE_PROVING, t->done * SEED_BLOCK_SIZE,
				     r->counts.changed * SEED_BLOCK_SIZE, err);
}

/* ---- the walk ---- */

static int want(struct fetch *t, struct wanted *w, enum seed_block_kind base,
		struct seed_error *err)
{
	bool found;

	if (take_local(t, w, &found, err) < 0)
		return -1;
	if (found)
		return 0;
	if (w->again || !on_its_way(t, &w->digest))
		return ask_for(t, w, base, err);
	w->hints = base == SEED_BLOCK_DATA;
	return seed_vec_push(&t->later, sizeof(*w), w) ? 0 : seed_error_sys(err, ENOMEM, "blocks");
}

/* How much differs: for the sender's progress, and ours. */
static int count_changed(struct seed_receiving *r, struct seed_error *err)
{
	SEED_AUTO(seed_freep) struct seed_list_diff *diff = malloc(sizeof(*diff));
	struct seed_digest old, new;
	uint64_t index;
	bool more;

	if (!diff)
		return seed_error_sys(err, ENOMEM, "blocks");
	for (uint32_t i = 0; i < r->head.disk_count; i++) {
		seed_list_diff_begin(diff, r->disks[i].base, r->disks[i].next);
		for (;;) {
			if (seed_list_diff_next(diff, &more, &index, &old, &new, err) < 0)
				return -1;
			if (!more)
				break;
			r->counts.changed++;
		}
	}
	return 0;
}

static int send_counts(struct seed_receiving *r, uint8_t type, const struct seed_msg_need *counts,
		       struct seed_error *err)
{
	struct seed_buf buf = { 0 };

	if (seed_msg_need_put(&buf, counts, err) < 0) {
		seed_buf_free(&buf);
		return -1;
	}
	return seed_session_send(r->s, type, &buf, err);
}

/* Those whose twin has come, or has turned out to be another block: they are at hand now, or asked
 * for. Twice at most: what comes back a second time is asked for whole, and then it is right or
 * wrong. */
static int fetch_later(struct fetch *t, struct seed_error *err)
{
	while (t->later_first < t->later.count) {
		struct wanted w = *(struct wanted *)seed_vec_at(&t->later, t->later_first);

		if (on_its_way(t, &w.digest))
			return 0;
		t->later_first++;
		w.again = true;
		if (want(t, &w, w.hints ? SEED_BLOCK_DATA : SEED_BLOCK_MISSING, err) < 0)
			return -1;
	}
	t->later.count = t->later_first = 0;
	return 0;
}

/* Until nothing is on its way and nothing waits. */
static int drain(struct fetch *t, struct seed_error *err)
{
	while (t->count || t->later.count)
		if (fetch_later(t, err) < 0 || send_batch(t, err) < 0 ||
		    (t->count && receive_block(t, err) < 0))
			return -1;
	return 0;
}

static int walk_disk(struct fetch *t, uint8_t disk, struct seed_error *err)
{
	const struct seed_receiving_disk *d = &t->r->disks[disk];
	SEED_AUTO(seed_freep) struct seed_list_diff *diff = malloc(sizeof(*diff));
	struct seed_digest old;
	bool more;

	if (!diff)
		return seed_error_sys(err, ENOMEM, "blocks");
	seed_list_diff_begin(diff, d->base, d->next);
	for (;;) {
		struct wanted w = { .disk = disk };

		if (seed_cancelled(t->r->s->opt->cancel, err) < 0 ||
		    seed_session_may_go_on(t->r->s, err) < 0 || take_arrived(t, err) < 0 ||
		    fetch_later(t, err) < 0 || tell_sender(t, err) < 0 ||
		    seed_list_diff_next(diff, &more, &w.index, &old, &w.digest, err) < 0)
			return -1;
		if (!more)
			return 0;
		if (seed_digest_kind(&w.digest) != SEED_BLOCK_DATA) {
			t->done++;
			continue;
		}
		if (want(t, &w, seed_digest_kind(&old), err) < 0)
			return -1;
		/* A disk may be full of twins of one block: once that is here, they are at hand. */
		if (t->later.count >= LATER_MAX && drain(t, err) < 0)
			return -1;
	}
}

static int fetch_all(struct fetch *t, struct seed_error *err)
{
	struct seed_receiving *r = t->r;
	struct seed_msg_need need;

	if (count_changed(r, err) < 0)
		return -1;
	need = r->counts;
	need.fetched = need.changed;	/* as far as is known yet */
	if (send_counts(r, SEED_FRAME_NEED, &need, err) < 0)
		return -1;
	seed_event_send(r->s->opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PHASE, .phase = "receiving", .vm = r->head.name,
		.total = r->counts.changed * SEED_BLOCK_SIZE });
	for (uint32_t i = 0; i < r->head.disk_count; i++)
		if (walk_disk(t, (uint8_t)i, err) < 0)
			return -1;
	if (drain(t, err) < 0)
		return -1;
	return r->fill ? 0 : send_counts(r, SEED_FRAME_ARRIVED, &r->counts, err);
}

int seed_receiver_fetch(struct seed_receiving *r, struct seed_error *err)
{
	struct fetch *t = calloc(1, sizeof(*t));
	int rc = -1;

	if (!t)
		return seed_error_sys(err, ENOMEM, "blocks");
	t->r = r;
	t->checkpoint_ms = t->told_ms = seed_clock_ms();
	t->buf = seed_buffer_new(SEED_BLOCK_SIZE, err);
	if (t->buf)
		rc = fetch_all(t, err);
	/* What arrived before the cut is worth keeping, should even this not be durable. */
	if (rc < 0)
		seed_sync_checkpoint(r->sync, NULL);
	seed_vec_free(&t->later);
	free(t->buf);
	free(t);
	return rc;
}
