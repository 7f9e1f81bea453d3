/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A trusted receiver as a model, the other half of model_sender.h: asks for what it likes, and looks
 * at each answer: nothing comes that was not asked for, in the order of the questions, and each
 * block and node is what the disk has.
 */
#ifndef TESTS_MODEL_RECEIVER_H
#define TESTS_MODEL_RECEIVER_H

#include "base/bytes.h"
#include "block/merkle_tree.h"
#include "frame_queue.h"
#include "manifest/receipt.h"
#include "resync/offer.h"
#include "resync_sites.h"

#define MODEL_ASKED 8192u

struct model_receiver {
	const struct sites *s;
	const struct content *disks;	/* what the sender must have */
	const struct seed_signing_key *key;	/* NULL: dr's */
	bool current;			/* says at once that it has it all */
	bool hints;
	enum seed_base_mode mode;	/* of all disks */
	struct frames out;
	struct seed_msg_head head;
	struct seed_id seed;
	struct seed_lineage lineage;
	uint64_t generation;
	struct { uint8_t disk; uint64_t index; } asked[MODEL_ASKED];	/* blocks on their way */
	unsigned int first, count, ended, wanted, blocks;
	unsigned int done, refusals, manifests;
	struct seed_error said;
	/* As in model_sender.h. */
	bool (*bend)(struct model_receiver *m, uint8_t type, const uint8_t *data, size_t len);
	void (*tune_receipt)(struct model_receiver *m, struct seed_receipt *receipt);
	void *arg;
};

static inline void receiver_say(struct model_receiver *m, uint8_t type, struct seed_buf *buf)
{
	if (!m->bend || !m->bend(m, type, (const uint8_t *)buf->data, buf->len))
		frames_put(&m->out, type, buf->data, buf->len);
	seed_buf_free(buf);
}

static inline void receiver_receipt(struct model_receiver *m)
{
	SEED_AUTO(seed_receipt_clear) struct seed_receipt receipt = {
		.site = m->s->dr.own->id, .origin = m->s->hq.own->id, .uuid = m->s->uuid,
		.seed = m->seed, .generation = m->generation, .lineage = m->lineage,
		.state = "current", .at = 1,
	};
	SEED_AUTO(seed_freep) char *text = NULL;
	const uint8_t last[8] = { 1 };
	char signature[SEED_SIGNATURE_MAX], *bundle;
	struct seed_buf buf = { 0 };
	struct seed_error err = { 0 };
	size_t len, size;

	for (size_t i = 0; i < VM_DISKS; i++) {
		struct seed_receipt_disk d = { .size = content_size(m->disks, i),
					       .root = content_root(m->disks, i), .proved = "full" };

		snprintf(d.slot, sizeof(d.slot), "%s", content_slots[i]);
		if (!seed_vec_push(&receipt.disks, sizeof(d), &d))
			abort();
	}
	if (m->tune_receipt)
		m->tune_receipt(m, &receipt);
	if (seed_receipt_sign(&receipt, m->key ? m->key : m->s->dr.own->sign, &text, &len,
			      signature, &err) < 0)
		return;			/* our code signs no nonsense */
	sure(seed_manifest_bundle(text, len, signature, &bundle, &size, &err), &err);
	if (seed_buf_add(&buf, last, sizeof(last), NULL) < 0 ||
	    seed_buf_add(&buf, bundle, size, NULL) < 0)
		abort();
	free(bundle);
	receiver_say(m, SEED_FRAME_RECEIPT, &buf);
}

static inline void receiver_base(struct model_receiver *m)
{
	struct seed_msg_base base = { .disk_count = m->head.disk_count, .files = 1 };
	struct seed_buf buf = { 0 };

	for (uint32_t i = 0; i < base.disk_count; i++)
		base.modes[i] = (uint8_t)m->mode;
	if (seed_msg_base_put(&buf, &base, NULL) < 0)
		abort();
	receiver_say(m, SEED_FRAME_BASE, &buf);
}

/* The root of each disk, then each block, then the end. */
static inline void receiver_questions(struct model_receiver *m)
{
	static struct seed_msg_request q;
	const struct seed_msg_need need = { .changed = 1 };
	struct seed_buf buf = { 0 };

	for (uint8_t i = 0; i < VM_DISKS; i++) {
		uint64_t blocks = strlen(m->disks->blocks[i]);
		struct seed_msg_descend d = { .disk = i, .count = 1,
					      .level = (uint8_t)seed_tree_height(blocks) };

		if (seed_msg_descend_put(&buf, &d, NULL) < 0)
			abort();
		receiver_say(m, SEED_FRAME_DESCEND, &buf);
	}
	if (seed_msg_need_put(&buf, &need, NULL) < 0)
		abort();
	receiver_say(m, SEED_FRAME_NEED, &buf);
	for (uint8_t i = 0; i < VM_DISKS; i++) {
		memset(&q, 0, sizeof(q));
		q.disk = i;
		q.hints = m->hints;
		for (uint64_t k = 0; m->disks->blocks[i][k]; k++)
			if (m->disks->blocks[i][k] != '.')
				q.ask[q.count++].index = k;
		m->wanted += q.count;
		if (seed_msg_request_put(&buf, &q, NULL) < 0)
			abort();
		receiver_say(m, SEED_FRAME_REQUEST, &buf);
	}
}

static inline void receiver_arrived(struct model_receiver *m)
{
	const struct seed_msg_need need = { .changed = 1 };
	struct seed_buf buf = { 0 };

	if (seed_msg_need_put(&buf, &need, NULL) < 0)
		abort();
	receiver_say(m, SEED_FRAME_ARRIVED, &buf);
}

static inline void receiver_manifest(struct model_receiver *m, const uint8_t *data, size_t len)
{
	const char *text, *signature;
	size_t text_len, signature_len;
	struct seed_manifest manifest;
	struct seed_error err = { 0 };

	sure(seed_manifest_unbundle((const char *)data + 8, len - 8, &text, &text_len, &signature,
				    &signature_len, &err), &err);
	sure(seed_manifest_open(&manifest, text, text_len, signature, signature_len,
				seed_signing_key_public(m->s->hq.own->sign), &err), &err);
	m->seed = manifest.seed;
	m->lineage = manifest.lineage;
	m->generation = manifest.generation;
	m->manifests++;
	seed_manifest_clear(&manifest);
	receiver_receipt(m);
}

static inline void receiver_block(struct model_receiver *m, const struct seed_frame *f)
{
	struct seed_msg_block b;
	struct seed_error err = { 0 };
	const uint8_t *block;
	uint32_t len, from = 0;

	sure(seed_msg_block_get(&b, f, &err), &err);
	if (!m->count || m->asked[m->first].disk != b.disk || m->asked[m->first].index != b.index ||
	    b.disk >= VM_DISKS || b.index >= strlen(m->disks->blocks[b.disk]))
		abort();
	m->first = (m->first + 1) % MODEL_ASKED;
	m->count--;
	m->blocks++;
	block = content_block(m->disks->blocks[b.disk][b.index]);
	len = seed_grid_length(content_size(m->disks, b.disk), b.index);
	/* A zero block's digest is no SHA-256: asked for, it is told as changed, and zero. */
	if (b.form == SEED_FORM_ZERO && m->disks->blocks[b.disk][b.index] != '.')
		abort();
	if (b.form == SEED_FORM_WHOLE && (b.len != len || memcmp(b.data, block, len) != 0))
		abort();
	for (unsigned int i = 0; b.form == SEED_FORM_PIECES && i < SEED_PIECES; i++) {
		uint32_t at = i * SEED_PIECE_SIZE, n;

		if (!(b.pieces >> i & 1))
			continue;
		n = len - at < SEED_PIECE_SIZE ? len - at : SEED_PIECE_SIZE;
		if (at >= len || n > b.len - from || memcmp(b.data + from, block + at, n) != 0)
			abort();
		from += n;
	}
	if (m->blocks == m->wanted)
		receiver_arrived(m);
}

/* For struct fake_peer. */
static inline void model_receiver_take(void *arg, uint8_t type, const uint8_t *data, size_t len)
{
	const struct seed_frame f = { .type = type, .len = (uint32_t)len, .data = data };
	struct model_receiver *m = arg;
	struct seed_error err = { 0 };
	struct seed_buf none = { 0 };

	switch (type) {
	case SEED_FRAME_HEAD:
		sure(seed_msg_head_get(&m->head, &f, &err), &err);
		if (m->current)
			receiver_receipt(m);
		else
			receiver_say(m, SEED_FRAME_MORE, &none);
		break;
	case SEED_FRAME_OFFER:
		if (!data[0])
			break;
		receiver_base(m);
		if (m->mode != SEED_BASE_EQUAL)
			receiver_questions(m);
		break;
	case SEED_FRAME_CHANGES_END:
		if (++m->ended == VM_DISKS)
			receiver_questions(m);
		break;
	case SEED_FRAME_BLOCK:
		receiver_block(m, &f);
		break;
	case SEED_FRAME_MANIFEST:
		receiver_manifest(m, data, len);
		break;
	case SEED_FRAME_DONE:
		m->done++;
		break;
	case SEED_FRAME_REFUSE:
		m->refusals++;
		sure(seed_msg_error_get(&m->said, &f, &err), &err);
		break;
	default:
		break;
	}
}

/* What is asked counts as it goes out, bent or not. */
static inline bool model_receiver_give(void *arg, struct seed_frame *out)
{
	static struct seed_msg_request q;
	struct model_receiver *m = arg;

	if (!frames_take(&m->out, out))
		return false;
	if (out->type == SEED_FRAME_REQUEST && seed_msg_request_get(&q, out, NULL) == 0)
		for (unsigned int i = 0; i < q.count && m->count < MODEL_ASKED; i++) {
			unsigned int at = (m->first + m->count++) % MODEL_ASKED;

			m->asked[at].disk = q.disk;
			m->asked[at].index = q.ask[i].index;
		}
	return true;
}

#endif
