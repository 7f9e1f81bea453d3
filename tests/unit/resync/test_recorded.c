// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * One connection between vmseed, which pushed a VM of two disks, and the receiver that was written
 * from the manual (tests/interop/peer.py), as it was recorded once: tests/vectors/wire/sender and
 * receiver are what each end said, without START, ALIVE and PROGRESS. What was said then means the
 * same today: each frame is read, and written again to the same bytes, and each document is its
 * signer's. (A pair of streams is made with RECORD=FOLDER in the environment of peer.py.)
 */
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "crypto/digest.h"
#include "doc/signed_doc.h"
#include "manifest/receipt.h"
#include "resync/offer.h"
#include "trust/card.h"
#include "wire/frame.h"
#include "wire/message.h"

#define RECORD_MAX (1u << 20)
#define DOC_MAX (64u << 10)

struct document {			/* text and signature, as seed_manifest_unbundle() has them */
	struct seed_doc_parts parts;
	const char *text, *signature;
	size_t len, signature_len;
};

static struct recorded {
	struct seed_card hq, dr;
	unsigned int count[2][SEED_FRAME_PROGRESS + 1];	/* frames of the sender, of the receiver */
	struct seed_msg_hello hello[2];
	struct document proof[2], offer, manifest, receipt;
	struct seed_msg_head head;
	struct seed_msg_base base;
	struct seed_msg_need arrived;
} rec;

static void read_card(struct seed_card *out, int dir, const char *name)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	struct seed_error err = { 0 };
	size_t len;

	assert_ok(seed_file_read(dir, name, SEED_CARD_MAX, &text, &len, &err), &err);
	assert_ok(seed_card_read(out, text, len, &err), &err);
}

/* ---- frames ---- */

static void add_part(struct document *doc, const struct seed_frame *f)
{
	struct seed_error err = { 0 };

	assert_false(doc->parts.whole);
	assert_ok(seed_doc_add(&doc->parts, f, DOC_MAX, &err), &err);
	if (doc->parts.whole)
		assert_ok(seed_manifest_unbundle(doc->parts.buf.data, doc->parts.buf.len, &doc->text,
						 &doc->len, &doc->signature, &doc->signature_len,
						 &err), &err);
}

/* What was read is written as it was. */
static void check_same(const struct seed_frame *f, struct seed_buf *buf)
{
	assert_int_equal(buf->len, f->len);
	assert_memory_equal(buf->data, f->data, f->len);
	seed_buf_free(buf);
}

#define READ_AND_WRITE(NAME, MESSAGE) do {						\
	assert_ok(seed_msg_##NAME##_get(MESSAGE, f, &err), &err);			\
	assert_ok(seed_msg_##NAME##_put(&buf, MESSAGE, &err), &err);			\
	check_same(f, &buf);								\
} while (0)

static void take_request(const struct seed_frame *f)
{
	struct seed_msg_request *m = malloc(sizeof(*m));
	struct seed_error err = { 0 };
	struct seed_buf buf = { 0 };

	assert_non_null(m);
	READ_AND_WRITE(request, m);
	assert_true(m->disk < rec.head.disk_count);
	free(m);
}

static void take_block(const struct seed_frame *f)
{
	uint8_t head[SEED_BLOCK_HEAD_MAX];
	struct seed_error err = { 0 };
	struct seed_msg_block m;
	size_t len;

	assert_ok(seed_msg_block_get(&m, f, &err), &err);
	assert_true(m.disk < rec.head.disk_count);
	len = seed_msg_block_head(head, &m);
	assert_int_equal(len + m.len, f->len);
	assert_memory_equal(head, f->data, len);
}

static void take_frame(unsigned int side, const struct seed_frame *f)
{
	struct seed_msg_descend descend;
	struct seed_error err = { 0 };
	struct seed_buf buf = { 0 };
	struct seed_msg_need need;

	assert_true(f->type <= SEED_FRAME_PROGRESS);
	rec.count[side][f->type]++;
	switch (f->type) {
	case SEED_FRAME_HELLO:
		READ_AND_WRITE(hello, &rec.hello[side]);
		break;
	case SEED_FRAME_PROOF:
		add_part(&rec.proof[side], f);
		break;
	case SEED_FRAME_HEAD:
		READ_AND_WRITE(head, &rec.head);
		break;
	case SEED_FRAME_OFFER:
		add_part(&rec.offer, f);
		break;
	case SEED_FRAME_BASE:
		READ_AND_WRITE(base, &rec.base);
		break;
	case SEED_FRAME_DESCEND:
		READ_AND_WRITE(descend, &descend);
		break;
	case SEED_FRAME_NEED:
		READ_AND_WRITE(need, &need);
		break;
	case SEED_FRAME_REQUEST:
		take_request(f);
		break;
	case SEED_FRAME_BLOCK:
		take_block(f);
		break;
	case SEED_FRAME_ARRIVED:
		READ_AND_WRITE(need, &rec.arrived);
		break;
	case SEED_FRAME_MANIFEST:
		add_part(&rec.manifest, f);
		break;
	case SEED_FRAME_RECEIPT:
		add_part(&rec.receipt, f);
		break;
	case SEED_FRAME_MORE:
	case SEED_FRAME_BYE:
		assert_int_equal(f->len, 0);
		break;
	case SEED_FRAME_FILE:		/* their readers are the receiver's own */
	case SEED_FRAME_CHANGES:
	case SEED_FRAME_CHANGES_END:
	case SEED_FRAME_NODES:
		break;
	default:
		fail_msg("a %s frame", seed_frame_name(f->type));
	}
}

static void read_stream(unsigned int side, int dir, const char *name)
{
	SEED_AUTO(seed_frame_reader_freep) struct seed_frame_reader *reader = NULL;
	SEED_AUTO(seed_freep) char *data = NULL;
	struct seed_error err = { 0 };
	size_t len, at = SEED_PREAMBLE_SIZE, used;

	assert_ok(seed_file_read(dir, name, RECORD_MAX, &data, &len, &err), &err);
	assert_true(len > at);
	assert_ok(seed_preamble_check((const uint8_t *)data, &err), &err);
	assert_ok(seed_frame_reader_new(&reader, SEED_WIRE_WINDOW_MAX, &err), &err);
	for (;;) {
		struct seed_frame_node *node;

		assert_ok(seed_frame_reader_feed(reader, (const uint8_t *)data + at, len - at, &used,
						 &node, &err), &err);
		at += used;
		if (!node)
			break;
		take_frame(side, &(struct seed_frame){ .type = node->type, .len = node->len,
						       .data = node->bytes + SEED_FRAME_HEAD_SIZE });
		free(node);
	}
	assert_int_equal(at, len);
	assert_false(seed_frame_reader_inside(reader));
}

static int setup(void **state)
{
	SEED_AUTO(seed_fd_closep) int dir = -1;
	struct seed_error err = { 0 };

	(void)state;
	if (seed_path_open_folder(&dir, "tests/vectors/wire", &err) < 0) {
		print_error("run this from the top of the tree: %s\n", err.text);
		return -1;
	}
	read_card(&rec.hq, dir, "hq.card");
	read_card(&rec.dr, dir, "dr.card");
	read_stream(0, dir, "sender");		/* first: it has the HEAD */
	read_stream(1, dir, "receiver");
	return 0;
}

static int teardown(void **state)
{
	struct document *all[] = { &rec.proof[0], &rec.proof[1], &rec.offer, &rec.manifest,
				   &rec.receipt };

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		seed_buf_free(&all[i]->parts.buf);
	return 0;
}

/* ---- what was said ---- */

static void every_message_of_a_push_is_there(void **state)
{
	static const uint8_t sent[] = {
		SEED_FRAME_HELLO, SEED_FRAME_PROOF, SEED_FRAME_HEAD, SEED_FRAME_OFFER, SEED_FRAME_FILE,
		SEED_FRAME_CHANGES, SEED_FRAME_CHANGES_END, SEED_FRAME_NODES, SEED_FRAME_BLOCK,
		SEED_FRAME_MANIFEST, SEED_FRAME_BYE,
	};
	static const uint8_t answered[] = {
		SEED_FRAME_HELLO, SEED_FRAME_PROOF, SEED_FRAME_MORE, SEED_FRAME_BASE,
		SEED_FRAME_DESCEND, SEED_FRAME_NEED, SEED_FRAME_REQUEST, SEED_FRAME_ARRIVED,
		SEED_FRAME_RECEIPT,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(sent); i++)
		if (!rec.count[0][sent[i]])
			fail_msg("the sender said no %s", seed_frame_name(sent[i]));
	for (size_t i = 0; i < sizeof(answered); i++)
		if (!rec.count[1][answered[i]])
			fail_msg("the receiver said no %s", seed_frame_name(answered[i]));
	assert_int_equal(rec.count[0][SEED_FRAME_NODES], rec.count[1][SEED_FRAME_DESCEND]);
	assert_int_equal(rec.count[0][SEED_FRAME_BLOCK], rec.arrived.fetched);
}

static void open_proof(unsigned int side, const struct seed_card *card)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_error err = { 0 };
	struct seed_json_reader r;
	struct seed_id site;

	assert_ok(seed_doc_open(&doc, &r, SEED_DOC_HELLO, rec.proof[side].text,
				rec.proof[side].len, rec.proof[side].signature,
				rec.proof[side].signature_len, &card->key, &err), &err);
	seed_json_take_id(&r, "site", &site);
	assert_true(seed_id_equal(&site, &card->site));
	assert_true(seed_id_equal(&site, &rec.hello[side].site));
}

static void both_proofs_are_by_the_keys_of_their_cards(void **state)
{
	(void)state;
	assert_true(rec.hello[0].sender && rec.hello[0].caller);
	assert_false(rec.hello[1].sender || rec.hello[1].caller);
	open_proof(0, &rec.hq);
	open_proof(1, &rec.dr);
}

static void the_offer_is_of_the_head_and_for_the_nonce(void **state)
{
	struct seed_error err = { 0 };
	struct seed_offer offer;
	struct seed_digest files;

	(void)state;
	assert_ok(seed_offer_open(&offer, rec.offer.text, rec.offer.len, rec.offer.signature,
				  rec.offer.signature_len, &rec.hq.key, &err), &err);
	assert_true(seed_id_equal(&offer.receiver, &rec.dr.site));
	assert_memory_equal(offer.nonce, rec.hello[1].nonce, SEED_NONCE_SIZE);
	assert_true(seed_id_equal(&offer.uuid, &rec.head.uuid));
	assert_string_equal(offer.name, rec.head.name);
	seed_offer_files_digest(&files, &offer.files);
	assert_true(seed_digest_equal(&files, &rec.head.files));
	assert_int_equal(offer.disks.count, rec.head.disk_count);
	for (uint32_t i = 0; i < rec.head.disk_count; i++) {
		const struct seed_offer_disk *d = seed_vec_at(&offer.disks, i);

		assert_string_equal(d->slot, rec.head.disks[i].slot);
		assert_true(d->has_base);
		assert_true(seed_digest_equal(&d->root, &rec.head.disks[i].root));
	}
	seed_offer_clear(&offer);
}

static void the_receipt_is_of_the_manifest(void **state)
{
	static const struct seed_id none;
	struct seed_error err = { 0 };
	struct seed_receipt receipt;
	struct seed_manifest m;

	(void)state;
	assert_ok(seed_manifest_open(&m, rec.manifest.text, rec.manifest.len,
				     rec.manifest.signature, rec.manifest.signature_len, &rec.hq.key,
				     &err), &err);
	assert_ok(seed_receipt_open(&receipt, rec.receipt.text, rec.receipt.len,
				    rec.receipt.signature, rec.receipt.signature_len, &rec.dr.key,
				    &err), &err);
	assert_true(seed_id_equal(&m.set, &none));
	assert_true(m.has_recipient && seed_id_equal(&m.recipient, &rec.dr.site));
	assert_true(seed_id_equal(&receipt.seed, &m.seed));
	assert_int_equal(receipt.generation, m.generation);
	assert_int_equal(receipt.disks.count, m.disks.count);
	for (size_t i = 0; i < m.disks.count; i++) {
		const struct seed_manifest_disk *d = seed_vec_at(&m.disks, i);
		const struct seed_receipt_disk *got = seed_vec_at(&receipt.disks, i);

		assert_string_equal(got->slot, d->slot);
		assert_true(seed_digest_equal(&got->root, &d->root));
		assert_true(seed_digest_equal(&rec.head.disks[i].root, &d->root));
	}
	seed_receipt_clear(&receipt);
	seed_manifest_clear(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_of_a_push_is_there),
		cmocka_unit_test(both_proofs_are_by_the_keys_of_their_cards),
		cmocka_unit_test(the_offer_is_of_the_head_and_for_the_nonce),
		cmocka_unit_test(the_receipt_is_of_the_manifest),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
