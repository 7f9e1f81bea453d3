// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Answering the receiver: tree nodes at once, blocks by way of the pool, which reads them, hashes
 * them again (the source may have changed since) and compares pieces; answers go out in the order
 * of the questions. The receiver bounds how much it asks for, and we how much of it we work on:
 * what lies between waits in the channel's queue, and beyond that with the receiver.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "block/hint.h"
#include "crypto/digest.h"
#include "resync/sender.h"

#define JOBS 64u			/* blocks worked on at once: 4 MiB */
/* Blocks, and tree nodes, that are answered for one VM: an honest receiver asks for each block
 * twice at most, and for each node once. */
#define ANSWERS_MAX(blocks) (4 * (blocks) + 8192)

struct block_job {
	struct seed_job job;		/* must be first */
	struct seed_vm_reading_disk *d;
	const struct seed_hint_key *key;
	struct seed_digest wanted;	/* what the list says */
	bool hints;			/* @theirs count */
	uint32_t theirs[SEED_PIECES];
	uint32_t len;
	struct seed_msg_block answer;
	uint8_t *data;			/* SEED_BLOCK_SIZE bytes */
	uint8_t *pieces;		/* those that go, one behind the other; the same size */
	struct block_job *next_free;
};

struct answering {
	struct seed_session *s;
	struct seed_vm_reading *r;
	struct seed_hint_key key;
	struct seed_lane *lane;
	struct block_job jobs[JOBS];
	struct block_job *idle;
	unsigned int busy;
	uint64_t sent, total;		/* bytes, for progress */
	uint64_t blocks;		/* of all disks */
	uint64_t asked, nodes;		/* so far */
	bool counted;			/* NEED came */
};

/* ---- on a worker ---- */

static void choose_pieces(struct block_job *b)
{
	uint32_t ours[SEED_PIECES];
	unsigned int count = seed_hints(b->key, b->data, b->len, ours);
	uint32_t len = 0;

	for (unsigned int i = 0; i < count; i++) {
		uint32_t at = i * SEED_PIECE_SIZE;
		uint32_t n = b->len - at < SEED_PIECE_SIZE ? b->len - at : SEED_PIECE_SIZE;

		if (ours[i] == b->theirs[i])
			continue;
		memcpy(b->pieces + len, b->data + at, n);
		len += n;
		b->answer.pieces |= (uint16_t)(1u << i);
	}
	b->answer.form = SEED_FORM_PIECES;
	b->answer.data = b->pieces;
	b->answer.len = len;
}

static int run_block(struct seed_job *job, void *scratch, struct seed_error *err)
{
	struct block_job *b = (struct block_job *)job;
	struct seed_digest now;

	(void)scratch;
	if (seed_source_read(b->d->source, b->data, b->len, b->answer.index * SEED_BLOCK_SIZE,
			     err) < 0)
		return seed_error_prefix(err, "disk %s", b->d->def->slot);
	seed_digest_of(&now, b->data, b->len);
	b->answer.changed = !seed_digest_equal(&now, &b->wanted);
	b->answer.digest = now;
	if (b->answer.changed && seed_block_is_zero(b->data, b->len)) {
		b->answer.form = SEED_FORM_ZERO;
		b->answer.digest = seed_digest_zero;
		return 0;
	}
	if (b->hints) {
		choose_pieces(b);
		return 0;
	}
	b->answer.form = SEED_FORM_WHOLE;
	b->answer.data = b->data;
	b->answer.len = b->len;
	return 0;
}

/* ---- blocks ---- */

static int send_block(struct answering *a, struct block_job *b, struct seed_error *err)
{
	uint8_t head[SEED_BLOCK_HEAD_MAX];
	size_t len;

	if (b->job.status < 0) {
		*err = b->job.err;
		return -1;
	}
	if (seed_session_may_go_on(a->s, err) < 0)
		return -1;
	/* A zero block that was asked for though it is listed as one is no change, or a peer could
	 * have any disk called "changed". */
	if (b->answer.changed &&
	    (b->answer.form != SEED_FORM_ZERO || seed_digest_kind(&b->wanted) != SEED_BLOCK_ZERO) &&
	    seed_vm_reading_changed(a->r, b->answer.disk, b->answer.index, &b->answer.digest, err) <
		    0)
		return -1;
	len = seed_msg_block_head(head, &b->answer);
	if (seed_channel_send2(a->s->ch, SEED_FRAME_BLOCK, head, len, b->answer.data, b->answer.len,
			       err) < 0)
		return -1;
	a->sent += b->len;
	seed_event_send(a->s->opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PROGRESS, .phase = "sending", .vm = a->r->def->name,
		.disk = b->d->def->slot, .done = a->sent < a->total ? a->sent : a->total,
		.total = a->total });
	return 0;
}

/* The oldest block that is being worked on goes out. */
static int finish_one(struct answering *a, struct seed_error *err)
{
	struct block_job *b = (struct block_job *)seed_lane_next(a->lane);
	int rc = send_block(a, b, err);

	b->next_free = a->idle;
	a->idle = b;
	a->busy--;
	return rc;
}

/* When the job is used first: mostly there are fewer blocks than jobs. */
static int make_buffers(struct block_job *b, struct seed_error *err)
{
	if (!b->data)
		b->data = seed_buffer_new(SEED_BLOCK_SIZE, err);
	if (b->data && !b->pieces)
		b->pieces = seed_buffer_new(SEED_BLOCK_SIZE, err);
	return b->pieces ? 0 : -1;
}

static int begin_one(struct answering *a, uint8_t disk, const struct seed_msg_ask *ask, bool hints,
		     struct seed_error *err)
{
	struct seed_vm_reading_disk *d = seed_vec_at(&a->r->disks, disk);
	struct block_job *b;

	if (ask->index >= d->facts.blocks)
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "REQUEST for a block past the end of disk %s", d->def->slot);
	if (!a->idle && finish_one(a, err) < 0)
		return -1;
	b = a->idle;
	if (make_buffers(b, err) < 0)
		return -1;
	a->idle = b->next_free;
	b->job.run = run_block;
	b->d = d;
	b->hints = hints;
	memcpy(b->theirs, ask->hints, sizeof(b->theirs));
	b->len = seed_grid_length(d->source->size, ask->index);
	b->answer = (struct seed_msg_block){ .disk = disk, .index = ask->index };
	a->busy++;
	if (seed_list_get(d->list, ask->index, &b->wanted, 1, err) < 0 ||
	    !seed_lane_submit(a->lane, &b->job)) {
		b->next_free = a->idle;
		a->idle = b;
		a->busy--;
		return -1;
	}
	return 0;
}

/* The same blocks over and over: the source is held, and read, for as long as it is asked. */
static int asks_too_much(const struct answering *a, const char *what, struct seed_error *err)
{
	return seed_error_set(err, SEED_ERR_FORMAT,
			      "more than %" PRIu64 " %s are asked for of a VM with %" PRIu64
			      " blocks",
			      ANSWERS_MAX(a->blocks), what, a->blocks);
}

static int take_request(struct answering *a, const struct seed_frame *f, struct seed_error *err)
{
	SEED_AUTO(seed_freep) struct seed_msg_request *m = malloc(sizeof(*m));

	if (!m)
		return seed_error_sys(err, ENOMEM, "REQUEST");
	if (seed_msg_request_get(m, f, err) < 0)
		return -1;
	if (m->disk >= a->r->disks.count)
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "REQUEST for disk %u, which is not there", m->disk);
	a->asked += m->count;
	if (a->asked > ANSWERS_MAX(a->blocks))
		return asks_too_much(a, "blocks", err);
	for (unsigned int i = 0; i < m->count; i++)
		if (begin_one(a, m->disk, &m->ask[i], m->hints, err) < 0)
			return -1;
	return 0;
}

/* ---- tree nodes ---- */

/* Nodes @step levels below one node: the hashes, or at the bottom the digests themselves. */
static int add_below(struct seed_vm_reading_disk *d, unsigned int level, uint64_t index,
		     struct seed_buf *out, struct seed_error *err)
{
	struct seed_digest nodes[1u << SEED_DESCEND_STEP];
	unsigned int below = level > SEED_DESCEND_STEP ? level - SEED_DESCEND_STEP : 0;
	uint64_t width = seed_tree_width(d->facts.blocks, below);
	uint64_t first = index << (level - below), count = (uint64_t)1 << (level - below);

	if (index >= seed_tree_width(d->facts.blocks, level) || first >= width)
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "DESCEND into a node that is not there");
	if (count > width - first)
		count = width - first;
	if ((below ? seed_tree_nodes(d->tree, below, first, (size_t)count, nodes, err) :
		     seed_list_get(d->list, first, nodes, (size_t)count, err)) < 0)
		return -1;
	return seed_buf_add(out, nodes, (size_t)count * SEED_DIGEST_SIZE, err);
}

/* NODES: disk:u8 level:u8 zero[6], then what lies below each node that was asked about. */
static int answer_descend(struct answering *a, const struct seed_frame *f, struct seed_error *err)
{
	struct seed_msg_descend m;
	struct seed_buf out = { 0 };
	struct seed_vm_reading_disk *d;
	uint8_t head[8] = { 0 };
	int rc;

	if (seed_msg_descend_get(&m, f, err) < 0)
		return -1;
	if (m.disk >= a->r->disks.count)
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "DESCEND into disk %u, which is not there", m.disk);
	a->nodes += m.count;
	if (a->nodes > ANSWERS_MAX(a->blocks))
		return asks_too_much(a, "tree nodes", err);
	d = seed_vec_at(&a->r->disks, m.disk);
	if (m.level > seed_tree_height(d->facts.blocks))
		return seed_error_set(err, SEED_ERR_FORMAT, "DESCEND from above the root");
	if (!d->tree && seed_tree_new(&d->tree, d->list, d->source->size, err) < 0)
		return -1;
	head[0] = m.disk;
	head[1] = m.level;
	rc = seed_buf_add(&out, head, sizeof(head), err);
	for (unsigned int i = 0; rc == 0 && i < m.count; i++)
		rc = add_below(d, m.level, m.index[i], &out, err);
	if (rc < 0) {
		seed_buf_free(&out);
		return -1;
	}
	return seed_session_send(a->s, SEED_FRAME_NODES, &out, err);
}

/* ---- the loop ---- */

/* What is not worked on is asked for; what is finished goes out while nothing is asked. */
static int next_question(struct answering *a, struct seed_frame *f, struct seed_error *err)
{
	bool got;

	while (a->busy) {
		if (seed_channel_try_receive(a->s->ch, f, &got, err) < 0)
			return -1;
		if (got) {
			if (seed_session_take(a->s, f, &got, err) < 0)
				return -1;
			if (got)
				return 0;
			continue;
		}
		if (finish_one(a, err) < 0)
			return -1;
	}
	return seed_session_next(a->s, f, err);
}

static int answer_all(struct answering *a, struct seed_frame *f, struct seed_msg_need *counts,
		      struct seed_error *err)
{
	for (;;) {
		int rc = 0;

		if (next_question(a, f, err) < 0)
			return -1;
		switch (f->type) {
		case SEED_FRAME_DESCEND:
			rc = answer_descend(a, f, err);
			break;
		case SEED_FRAME_REQUEST:
			rc = take_request(a, f, err);
			break;
		case SEED_FRAME_NEED:
			if (a->counted)
				return seed_session_unexpected(f, err);
			a->counted = true;
			rc = seed_msg_need_get(counts, f, err);
			a->total = counts->fetched * SEED_BLOCK_SIZE;
			break;
		case SEED_FRAME_ARRIVED:
			if (a->busy)
				return seed_error_set(err, SEED_ERR_FORMAT,
						      "ARRIVED before all blocks were sent");
			return seed_msg_need_get(counts, f, err);
		case SEED_FRAME_RECEIPT:
			return a->busy ? seed_session_unexpected(f, err) : 0;
		default:
			return seed_session_unexpected(f, err);
		}
		if (rc < 0)
			return -1;
	}
}

static void make_jobs(struct answering *a)
{
	for (unsigned int i = JOBS; i-- > 0;) {
		struct block_job *b = &a->jobs[i];

		b->key = &a->key;
		b->next_free = a->idle;
		a->idle = b;
	}
}

int seed_sender_answer(struct seed_session *s, struct seed_vm_reading *r,
		       const struct seed_msg_base *base, struct seed_frame *f,
		       struct seed_msg_need *counts, struct seed_error *err)
{
	struct answering *a = calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return seed_error_sys(err, ENOMEM, "blocks");
	a->s = s;
	a->r = r;
	for (size_t i = 0; i < r->disks.count; i++)
		a->blocks +=
			((struct seed_vm_reading_disk *)seed_vec_at(&r->disks, i))->facts.blocks;
	rc = seed_hint_key_of(&a->key, base->hint_seed, err);
	make_jobs(a);
	if (rc == 0)
		rc = seed_lane_open(&a->lane, s->pool, JOBS, err);
	if (rc == 0)
		rc = answer_all(a, f, counts, err);
	if (a->lane)
		seed_lane_close(a->lane, NULL);
	for (unsigned int i = 0; i < JOBS; i++) {
		free(a->jobs[i].data);
		free(a->jobs[i].pieces);
	}
	free(a);
	return rc;
}
