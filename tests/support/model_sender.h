/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A trusted sender as a model: says what vmseed-wire(5) has it say, without any code of
 * resync/sender*.c, and hands each of its frames to @bend before it goes: that is where it turns
 * hostile. Its documents are signed behind @tune_*, so that what is wrong in them is said by the key
 * that we trust.
 */
#ifndef TESTS_MODEL_SENDER_H
#define TESTS_MODEL_SENDER_H

#include "base/bytes.h"
#include "block/hint.h"
#include "block/merkle_tree.h"
#include "frame_queue.h"
#include "resync/offer.h"
#include "resync_sites.h"

struct model_sender {
	const struct sites *s;
	const struct content *have;	/* what it sends */
	const struct content *base;	/* the reading before; NULL: none */
	uint64_t generation;
	const struct seed_signing_key *key;	/* NULL: hq's */
	const char *file;		/* text of its one side file, the definition; NULL: none */
	struct frames out;
	struct seed_msg_base asked;	/* the BASE that came */
	unsigned int blocks_asked, blocks_sent, receipts, refusals;
	bool needed;			/* NEED came */
	unsigned int told;		/* PROGRESS that came behind it, before any REQUEST */
	struct seed_error said;		/* REFUSE or FAIL that came last */
	/* A frame is about to go: puts what goes instead with frames_put*(&m->out), returns true;
	 * false: it goes as it is. */
	bool (*bend)(struct model_sender *m, uint8_t type, const uint8_t *data, size_t len);
	void (*tune_head)(struct model_sender *m, struct seed_msg_head *head);
	void (*tune_offer)(struct model_sender *m, struct seed_offer *offer);
	void (*tune_manifest)(struct model_sender *m, struct seed_manifest *manifest);
	void *arg;
};

static inline void model_say2(struct model_sender *m, uint8_t type, const void *head,
			      size_t head_len, const void *data, size_t len)
{
	struct seed_buf buf = { 0 };

	if ((head_len && seed_buf_add(&buf, head, head_len, NULL) < 0) ||
	    (len && seed_buf_add(&buf, data, len, NULL) < 0))
		abort();
	if (!m->bend || !m->bend(m, type, (const uint8_t *)buf.data, buf.len))
		frames_put(&m->out, type, buf.data, buf.len);
	seed_buf_free(&buf);
}

static inline void model_say_doc(struct model_sender *m, uint8_t type, const char *text,
				 size_t len, const char *signature)
{
	struct seed_error err = { 0 };
	char *bundle;
	size_t size;

	sure(seed_manifest_bundle(text, len, signature, &bundle, &size, &err), &err);
	for (size_t at = 0; at < size;) {	/* as many frames as it takes */
		size_t n = size - at < SEED_DOC_PART ? size - at : SEED_DOC_PART;
		const uint8_t head[8] = { at + n == size };

		model_say2(m, type, head, sizeof(head), bundle + at, n);
		at += n;
	}
	free(bundle);
}

static inline const struct seed_signing_key *model_key(const struct model_sender *m)
{
	return m->key ? m->key : m->s->hq.own->sign;
}

static inline void model_files(const struct model_sender *m, struct seed_vec *files)
{
	struct seed_manifest_file f = { .role = "definition" };

	if (!m->file)
		return;
	f.facts.length = strlen(m->file);
	seed_digest_of(&f.facts.digest, m->file, strlen(m->file));
	if (!seed_vec_push(files, sizeof(f), &f))
		abort();
}

static inline void model_head(struct model_sender *m, struct seed_msg_head *head)
{
	SEED_AUTO(seed_vec_free) struct seed_vec files = { 0 };

	*head = (struct seed_msg_head){ .origin = m->s->hq.own->id, .uuid = m->s->uuid,
					.name = VM_NAME, .disk_count = VM_DISKS };
	model_files(m, &files);
	seed_offer_files_digest(&head->files, &files);
	for (uint32_t i = 0; i < VM_DISKS; i++) {
		snprintf(head->disks[i].slot, sizeof(head->disks[i].slot), "%s", content_slots[i]);
		head->disks[i].size = content_size(m->have, i);
		head->disks[i].root = content_root(m->have, i);
	}
	if (m->tune_head)
		m->tune_head(m, head);
}

static inline void model_offer(struct model_sender *m)
{
	SEED_AUTO(seed_offer_clear) struct seed_offer offer = {
		.receiver = m->s->dr.own->id, .origin = m->s->hq.own->id, .uuid = m->s->uuid,
		.name = strdup(VM_NAME), .lineage = m->s->lineage, .generation = m->generation,
	};
	SEED_AUTO(seed_freep) char *text = NULL;
	char signature[SEED_SIGNATURE_MAX];
	struct seed_error err = { 0 };
	size_t len;

	memset(offer.nonce, 0x52, sizeof(offer.nonce));
	for (size_t i = 0; i < VM_DISKS; i++) {
		struct seed_offer_disk d = { .size = content_size(m->have, i), .sector_size = 512,
					     .root = content_root(m->have, i) };

		snprintf(d.slot, sizeof(d.slot), "%s", content_slots[i]);
		d.has_base = m->base != NULL;
		if (m->base) {
			d.base_size = content_size(m->base, i);
			d.base_root = content_root(m->base, i);
		}
		if (!seed_vec_push(&offer.disks, sizeof(d), &d))
			abort();
	}
	model_files(m, &offer.files);
	if (m->tune_offer)
		m->tune_offer(m, &offer);
	sure(seed_offer_sign(&offer, model_key(m), &text, &len, signature, &err), &err);
	model_say_doc(m, SEED_FRAME_OFFER, text, len, signature);
}

static inline void model_manifest(struct model_sender *m)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	char signature[SEED_SIGNATURE_MAX];
	struct seed_error err = { 0 };
	struct seed_manifest manifest;
	size_t len;

	vm_manifest(&manifest, m->s, m->have, m->generation);
	model_files(m, &manifest.files);
	if (m->tune_manifest)
		m->tune_manifest(m, &manifest);
	manifest.key = *seed_signing_key_public(model_key(m));
	/* One that breaks the format's own rules cannot be signed by our code: nothing is said. */
	if (seed_manifest_sign(&manifest, model_key(m), &text, &len, signature, &err) == 0)
		model_say_doc(m, SEED_FRAME_MANIFEST, text, len, signature);
	seed_manifest_clear(&manifest);
}

static inline void model_changes(struct model_sender *m, uint8_t disk)
{
	const char *now = m->have->blocks[disk], *old = m->base ? m->base->blocks[disk] : "";
	uint8_t end = disk;

	for (uint64_t i = 0; now[i]; i++) {
		struct seed_digest digest = content_digest(m->have, disk, i);
		uint8_t head[4 + SEED_CHANGES_RUN] = { disk };

		if (i < strlen(old)) {
			struct seed_digest before = content_digest(m->base, disk, i);

			if (seed_digest_equal(&before, &digest))
				continue;
		}
		seed_put64(head + 4, i);
		seed_put32(head + 12, 1);
		seed_put32(head + 16, seed_digest_kind(&digest));
		model_say2(m, SEED_FRAME_CHANGES, head, sizeof(head), digest.bytes,
			   seed_digest_kind(&digest) == SEED_BLOCK_DATA ? SEED_DIGEST_SIZE : 0);
	}
	model_say2(m, SEED_FRAME_CHANGES_END, &end, 1, NULL, 0);
}

static inline void model_base(struct model_sender *m)
{
	const uint8_t head[8] = { 0, 1 };

	if (m->file && m->asked.files & 1)
		model_say2(m, SEED_FRAME_FILE, head, sizeof(head), m->file, strlen(m->file));
	for (uint8_t i = 0; i < m->asked.disk_count && i < VM_DISKS; i++)
		if (m->asked.modes[i] == SEED_BASE_EQUAL)
			model_changes(m, i);
}

static inline void model_nodes(struct model_sender *m, const struct seed_msg_descend *q)
{
	unsigned int below = q->level > SEED_DESCEND_STEP ? q->level - SEED_DESCEND_STEP : 0;
	uint64_t blocks = q->disk < VM_DISKS ? strlen(m->have->blocks[q->disk]) : 0;
	const uint8_t head[8] = { q->disk, q->level };
	SEED_AUTO(seed_buf_free) struct seed_buf buf = { 0 };

	for (unsigned int i = 0; i < q->count && blocks; i++) {
		uint64_t first = q->index[i] << (q->level - below);
		uint64_t end = first + ((uint64_t)1 << (q->level - below));

		for (uint64_t k = first; k < end && k < seed_tree_width(blocks, below); k++) {
			uint64_t last = (k + 1) << below;
			struct seed_digest d = below ?
				content_node(m->have, q->disk, k << below, last < blocks ? last : blocks) :
				content_digest(m->have, q->disk, k);

			if (seed_buf_add(&buf, d.bytes, SEED_DIGEST_SIZE, NULL) < 0)
				abort();
		}
	}
	model_say2(m, SEED_FRAME_NODES, head, sizeof(head), buf.data, buf.len);
}

static inline void model_block(struct model_sender *m, const struct seed_msg_request *q,
			       const struct seed_msg_ask *ask)
{
	uint8_t pieces[SEED_BLOCK_SIZE], head[SEED_BLOCK_HEAD_MAX];
	struct seed_msg_block b = { .disk = q->disk, .index = ask->index };
	const uint8_t *data;
	struct seed_hint_key key;
	struct seed_error err = { 0 };
	uint32_t ours[SEED_PIECES];

	if (q->disk >= VM_DISKS || ask->index >= strlen(m->have->blocks[q->disk]))
		return;
	b.len = seed_grid_length(content_size(m->have, q->disk), ask->index);
	data = b.data = content_block(m->have->blocks[q->disk][ask->index]);
	if (q->hints) {
		uint32_t len = b.len;

		sure(seed_hint_key_of(&key, m->asked.hint_seed, &err), &err);
		b.form = SEED_FORM_PIECES;
		b.data = pieces;
		b.len = 0;
		for (unsigned int i = 0, n = seed_hints(&key, data, len, ours); i < n; i++) {
			uint32_t at = i * SEED_PIECE_SIZE;
			uint32_t part = len - at < SEED_PIECE_SIZE ? len - at : SEED_PIECE_SIZE;

			if (ours[i] == ask->hints[i])
				continue;
			b.pieces |= (uint16_t)(1u << i);
			memcpy(pieces + b.len, data + at, part);
			b.len += part;
		}
	}
	m->blocks_sent++;
	model_say2(m, SEED_FRAME_BLOCK, head, seed_msg_block_head(head, &b), b.data, b.len);
}

static inline void model_request(struct model_sender *m, const struct seed_frame *f)
{
	struct seed_msg_request *q = malloc(sizeof(*q));
	struct seed_error err = { 0 };

	if (!q)
		abort();
	sure(seed_msg_request_get(q, f, &err), &err);
	m->blocks_asked += q->count;
	for (unsigned int i = 0; i < q->count; i++)
		model_block(m, q, &q->ask[i]);
	free(q);
}

/* For struct fake_peer. */
static inline void model_sender_take(void *arg, uint8_t type, const uint8_t *data, size_t len)
{
	const struct seed_frame f = { .type = type, .len = (uint32_t)len, .data = data };
	struct model_sender *m = arg;
	struct seed_msg_descend descend;
	struct seed_error err = { 0 };

	switch (type) {
	case SEED_FRAME_MORE:
		model_offer(m);
		break;
	case SEED_FRAME_BASE:
		sure(seed_msg_base_get(&m->asked, &f, &err), &err);
		model_base(m);
		break;
	case SEED_FRAME_DESCEND:
		sure(seed_msg_descend_get(&descend, &f, &err), &err);
		model_nodes(m, &descend);
		break;
	case SEED_FRAME_REQUEST:
		model_request(m, &f);
		break;
	case SEED_FRAME_NEED:
		m->needed = true;
		break;
	case SEED_FRAME_PROGRESS:
		m->told += m->needed && !m->blocks_asked;
		break;
	case SEED_FRAME_ARRIVED:
		model_manifest(m);
		break;
	case SEED_FRAME_RECEIPT:
		m->receipts++;
		model_say2(m, SEED_FRAME_DONE, NULL, 0, NULL, 0);
		break;
	case SEED_FRAME_REFUSE:
		m->refusals++;
		sure(seed_msg_error_get(&m->said, &f, &err), &err);
		break;
	default:
		break;
	}
}

static inline bool model_sender_give(void *arg, struct seed_frame *out)
{
	return frames_take(&((struct model_sender *)arg)->out, out);
}

#endif
