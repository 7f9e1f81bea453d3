// SPDX-License-Identifier: LGPL-2.1-or-later
#include "resync/sender.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "block/list_diff.h"
#include "capture/receipts.h"
#include "capture/sent.h"
#include "capture/side_files.h"
#include "manifest/receipt.h"

#define CHANGES_MAX (128u << 10)	/* bytes of one CHANGES frame */
#define FILE_PART (128u << 10)

static struct seed_vm_reading_disk *disk_at(const struct seed_vm_reading *r, size_t i)
{
	return seed_vec_at(&r->disks, i);
}

/* ---- CHANGES ---- */

struct changes {
	struct seed_session *s;
	struct seed_buf buf;
	uint8_t disk;
	size_t run;			/* where the last run's head lies in @buf; 0: none */
	uint64_t next;			/* block behind the last run */
	uint32_t count;
	enum seed_block_kind kind;
};

static int begin_frame(struct changes *c, struct seed_error *err)
{
	const uint8_t head[4] = { c->disk };

	c->run = 0;
	return seed_buf_add(&c->buf, head, sizeof(head), err);
}

static int send_changes(struct changes *c, struct seed_error *err)
{
	if (!c->run)
		return 0;
	if (seed_session_send(c->s, SEED_FRAME_CHANGES, &c->buf, err) < 0)
		return -1;
	return begin_frame(c, err);
}

/* A run's count stands before its digests and grows with it. */
static int add_change(struct changes *c, uint64_t index, const struct seed_digest *digest,
		      struct seed_error *err)
{
	enum seed_block_kind kind = seed_digest_kind(digest);
	uint8_t head[SEED_CHANGES_RUN] = { 0 };

	if (c->buf.len > CHANGES_MAX && send_changes(c, err) < 0)
		return -1;
	if (!c->run || index != c->next || kind != c->kind || c->count == UINT32_MAX) {
		c->run = c->buf.len;
		c->kind = kind;
		c->count = 0;
		seed_put64(head, index);
		seed_put32(head + 12, kind);
		if (seed_buf_add(&c->buf, head, sizeof(head), err) < 0)
			return -1;
	}
	c->next = index + 1;
	seed_put32((uint8_t *)c->buf.data + c->run + 8, ++c->count);
	return kind == SEED_BLOCK_DATA ?
		       seed_buf_add(&c->buf, digest->bytes, SEED_DIGEST_SIZE, err) : 0;
}

/* The last block that the base had in part: with another size it is another block, even where its
 * digest is the same. UINT64_MAX: there is none. */
static uint64_t partial_block(const struct seed_vm_reading_disk *d)
{
	uint64_t smaller = d->base_size < d->source->size ? d->base_size : d->source->size;

	if (d->base_size == d->source->size || smaller % SEED_BLOCK_SIZE == 0)
		return UINT64_MAX;
	return smaller / SEED_BLOCK_SIZE;
}

static int list_changes(struct changes *c, struct seed_vm_reading_disk *d, struct seed_error *err)
{
	SEED_AUTO(seed_freep) struct seed_list_diff *diff = malloc(sizeof(*diff));
	uint64_t partial = partial_block(d), index = 0;
	struct seed_digest old, new;
	bool more = true, partial_done = partial == UINT64_MAX;

	if (!diff)
		return seed_error_sys(err, ENOMEM, "changes");
	seed_list_diff_begin(diff, d->base, d->list);
	while (more) {
		if (seed_list_diff_next(diff, &more, &index, &old, &new, err) < 0)
			return -1;
		if (!partial_done && (!more || index >= partial)) {
			struct seed_digest digest;

			partial_done = true;
			if ((!more || index > partial) &&
			    (seed_list_get(d->list, partial, &digest, 1, err) < 0 ||
			     add_change(c, partial, &digest, err) < 0))
				return -1;
		}
		if (more && add_change(c, index, &new, err) < 0)
			return -1;
	}
	return send_changes(c, err);
}

static int send_disk_changes(struct seed_session *s, struct seed_vm_reading *r, uint8_t i,
			     struct seed_error *err)
{
	struct changes c = { .s = s, .disk = i };
	struct seed_buf end = { 0 };
	int rc = begin_frame(&c, err);

	if (rc == 0)
		rc = list_changes(&c, disk_at(r, i), err);
	seed_buf_free(&c.buf);
	if (rc < 0 || seed_buf_add(&end, &i, 1, err) < 0)
		return -1;
	return seed_session_send(s, SEED_FRAME_CHANGES_END, &end, err);
}

/* ---- FILE ---- */

/* FILE: index:u8 last:u8 zero[6], then bytes. */
static int send_file(struct seed_session *s, const struct seed_side_file *file, uint8_t index,
		     struct seed_error *err)
{
	size_t done = 0;

	do {
		size_t part = file->len - done < FILE_PART ? file->len - done : FILE_PART;
		const uint8_t head[8] = { index, done + part == file->len };

		if (seed_channel_send2(s->ch, SEED_FRAME_FILE, head, sizeof(head),
				       file->data + done, part, err) < 0)
			return -1;
		done += part;
	} while (done < file->len);
	return 0;
}

static int send_wanted(struct seed_session *s, struct seed_vm_reading *r,
		       const struct seed_msg_base *base, struct seed_error *err)
{
	for (size_t i = 0; i < r->files.count && i < 64; i++)
		if (base->files >> i & 1 &&
		    send_file(s, seed_vec_at(&r->files, i), (uint8_t)i, err) < 0)
			return -1;
	for (uint32_t i = 0; i < base->disk_count; i++) {
		if (base->modes[i] == SEED_BASE_EQUAL && !disk_at(r, i)->base)
			return seed_error_set(err, SEED_ERR_FORMAT, "BASE: disk %u has no base", i);
		if (base->modes[i] == SEED_BASE_EQUAL &&
		    send_disk_changes(s, r, (uint8_t)i, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- receipts ---- */

/* The other end says what it holds; that must be what we have. */
static int check_receipt(const struct seed_session *s, const struct seed_vm_reading *r,
			 const struct seed_receipt *receipt, struct seed_error *err)
{
	if (!seed_id_equal(&receipt->site, &s->peer->card.site) ||
	    !seed_id_equal(&receipt->origin, &r->kept->origin) ||
	    !seed_id_equal(&receipt->uuid, &r->kept->uuid) ||
	    receipt->disks.count != r->disks.count)
		return seed_error_set(err, SEED_ERR_FORMAT, "the receipt is of another VM");
	if (r->is_signed && (!seed_id_equal(&receipt->seed, &r->seed) ||
			     receipt->generation != r->kept->generation))
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "the receipt is of another seed than was sent");
	for (size_t i = 0; i < r->disks.count; i++) {
		const struct seed_receipt_disk *d = seed_vec_at(&receipt->disks, i);
		const struct seed_vm_reading_disk *own = disk_at(r, i);

		if (strcmp(d->slot, own->def->slot) != 0 || d->size != own->source->size ||
		    !seed_digest_equal(&d->root, &own->facts.root))
			return seed_error_set(err, SEED_ERR_INTEGRITY,
					      "the receipt for disk %s is not of what was sent",
					      own->def->slot);
	}
	return 0;
}

static bool proved_full(const struct seed_receipt *receipt)
{
	for (size_t i = 0; i < receipt->disks.count; i++)
		if (strcmp(((const struct seed_receipt_disk *)seed_vec_at(&receipt->disks, i))
				   ->proved,
			   "full") != 0)
			return false;
	return true;
}

/* From now on this is what another site has. */
static int note_sent(struct seed_vm_reading *r, const struct seed_receipt *receipt,
		     struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec sent = { 0 };

	for (size_t i = 0; i < receipt->disks.count; i++) {
		const struct seed_receipt_disk *d = seed_vec_at(&receipt->disks, i);
		struct seed_sent_disk *s = seed_vec_push(&sent, sizeof(*s), NULL);

		if (!s)
			return seed_error_sys(err, ENOMEM, "receipt");
		memcpy(s->slot, d->slot, sizeof(s->slot));
		s->size = d->size;
		s->root = d->root;
	}
	return seed_sent_put(r->kept->dir, receipt->generation, &sent, err);
}

static int take_receipt(struct seed_session *s, struct seed_vm_reading *r, struct seed_frame *f,
			struct seed_resync_vm *vm, struct seed_error *err)
{
	SEED_AUTO(seed_buf_free) struct seed_buf bundle = { 0 };
	SEED_AUTO(seed_receipt_clear) struct seed_receipt receipt = { 0 };
	SEED_AUTO(seed_freep) char *end = NULL;
	const char *text, *signature;
	size_t len, signature_len;

	if (seed_session_document(s, f, SEED_RECEIPT_MAX + SEED_SIGNATURE_MAX + 4, &bundle, err) <
		    0 ||
	    seed_manifest_unbundle(bundle.data, bundle.len, &text, &len, &signature, &signature_len,
				   err) < 0 ||
	    seed_receipt_open(&receipt, text, len, signature, signature_len, &s->peer->card.key,
			      err) < 0 ||
	    check_receipt(s, r, &receipt, err) < 0)
		return seed_error_prefix(err, "receipt");
	end = strndup(signature, signature_len);
	if (!end)
		return seed_error_sys(err, ENOMEM, "receipt");
	if (seed_receipts_put(r->kept->dir, &receipt, text, len, end, err) < 0)
		return -1;
	if (note_sent(r, &receipt, err) < 0)
		return -1;
	vm->generation = receipt.generation;
	vm->proved_full = proved_full(&receipt);
	/* A planned switch-over is done: nothing more is signed here. */
	if (s->opt->final && seed_source_vm_hand_over(r->kept, true, err) < 0)
		return -1;
	/* Only now is it done at both ends: who pulled a last one must not believe it before. */
	return seed_channel_send(s->ch, SEED_FRAME_DONE, NULL, 0, err);
}

/* ---- the exchange ---- */

static int send_head(struct seed_session *s, const struct seed_vm_reading *r,
		     struct seed_error *err)
{
	SEED_AUTO(seed_freep) struct seed_msg_head *head = malloc(sizeof(*head));
	struct seed_buf buf = { 0 };

	if (!head)
		return seed_error_sys(err, ENOMEM, "HEAD");
	if (seed_vm_reading_head(r, s, head, err) < 0)
		return -1;
	if (seed_msg_head_put(&buf, head, err) < 0) {
		seed_buf_free(&buf);
		return -1;
	}
	return seed_session_send(s, SEED_FRAME_HEAD, &buf, err);
}

static int send_offer(struct seed_session *s, struct seed_vm_reading *r, struct seed_error *err)
{
	SEED_AUTO(seed_offer_clear) struct seed_offer offer = { 0 };
	SEED_AUTO(seed_freep) char *text = NULL;
	char signature[SEED_SIGNATURE_MAX];
	size_t len;

	if (seed_vm_reading_offer(r, s, &offer, err) < 0 ||
	    seed_offer_sign(&offer, s->opt->own->sign, &text, &len, signature, err) < 0)
		return -1;
	return seed_session_send_document(s, SEED_FRAME_OFFER, text, len, signature, err);
}

static int send_manifest(struct seed_session *s, struct seed_vm_reading *r,
			 struct seed_resync_vm *vm, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	char signature[SEED_SIGNATURE_MAX];
	struct seed_manifest m;
	size_t len;
	int rc = seed_vm_reading_sign(r, s, &m, &text, &len, signature, err);

	if (rc == 0) {
		vm->captured = m.captured;
		rc = seed_session_send_document(s, SEED_FRAME_MANIFEST, text, len, signature, err);
	}
	seed_manifest_clear(&m);
	return rc;
}

/* Everything behind OFFER. */
static int transfer(struct seed_session *s, struct seed_vm_reading *r, struct seed_resync_vm *vm,
		    bool *refused, struct seed_error *err)
{
	struct seed_msg_base base;
	struct seed_frame f;

	if (seed_session_expect(s, &f, SEED_FRAME_BASE, refused, err) < 0 ||
	    seed_msg_base_get(&base, &f, err) < 0)
		return -1;
	r->taken = true;
	if (base.disk_count != r->disks.count)
		return seed_error_set(err, SEED_ERR_FORMAT, "BASE for %u disks of %zu",
				      base.disk_count, r->disks.count);
	seed_event_send(s->opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PHASE, .phase = "sending", .vm = r->def->name });
	if (send_wanted(s, r, &base, err) < 0 ||
	    seed_sender_answer(s, r, &base, &f, &vm->counts, err) < 0)
		return -1;
	if (f.type == SEED_FRAME_ARRIVED) {
		if (send_manifest(s, r, vm, err) < 0 ||
		    seed_session_expect(s, &f, SEED_FRAME_RECEIPT, refused, err) < 0)
			return -1;
	}
	vm->result = SEED_RESYNC_SYNCED;
	return take_receipt(s, r, &f, vm, err);
}

static int exchange(struct seed_session *s, struct seed_vm_reading *r, struct seed_resync_vm *vm,
		    bool *refused, struct seed_error *err)
{
	bool begun = r->kept->unsaved;
	struct seed_frame f;

	seed_session_begin_vm(s);
	if (send_head(s, r, err) < 0 || seed_session_next(s, &f, err) < 0)
		return -1;
	if (f.type == SEED_FRAME_RECEIPT) {
		if ((begun && seed_source_vm_save(r->kept, err) < 0) ||
		    take_receipt(s, r, &f, vm, err) < 0)
			return -1;
		vm->result = SEED_RESYNC_CURRENT;
		return 0;
	}
	if (f.type == SEED_FRAME_REFUSE) {
		*refused = true;
		return seed_session_refused(s, &f, err);
	}
	if (f.type != SEED_FRAME_MORE || f.len)
		return seed_session_unexpected(&f, err);
	/* The timeline is ours for good before anybody may begin a replica on it. */
	if ((begun && seed_source_vm_save(r->kept, err) < 0) || send_offer(s, r, err) < 0)
		return -1;
	if (transfer(s, r, vm, refused, err) == 0)
		return 0;
	/* It is none of the VMs that are resynced from here, then. */
	if (begun && *refused && !r->taken)
		seed_source_vm_retract(r->kept, NULL);
	return -1;
}

/* Before anything is said: where nothing has changed no manifest is signed, and the receipt alone
 * hands the VM over. */
static int check_still(const struct seed_session *s, const struct seed_resync_vm *vm,
		       struct seed_error *err)
{
	if (!s->opt->final || vm->captured <= SEED_CAPTURED_SNAPSHOT)
		return 0;
	return seed_error_set(err, SEED_ERR_BUSY,
			      "it changed, or could not be held, while it was read: for --final "
			      "shut it down first");
}

static int check_scope(struct seed_session *s, const struct seed_vmdef *def, struct seed_error *err)
{
	struct seed_id uuid;

	return seed_source_vm_uuid(&uuid, def, s->opt->own, err) < 0 ? -1 :
	       seed_session_allows(s, &uuid, def->name, err);
}

int seed_sender_vm(struct seed_session *s, const struct seed_vmdef *def, struct seed_resync_vm *vm,
		   struct seed_error *err)
{
	SEED_AUTO(seed_vm_reading_closep) struct seed_vm_reading *r = NULL;
	struct seed_error why = { 0 };
	bool refused = false;

	vm->result = SEED_RESYNC_FAILED;
	/* What is wrong with our own VM the peer learns only when it asked for it. A card's scope
	 * bounds what that site gets as well as what it may send. */
	if (check_scope(s, def, &vm->err) < 0 || seed_vm_reading_open(&r, def, s, &vm->err) < 0) {
		if (vm->err.kind == SEED_ERR_LINK || vm->err.kind == SEED_ERR_CANCELLED) {
			*err = vm->err;
			return -1;
		}
		return s->caller ? 0 : seed_session_refuse(s, &vm->err, err);
	}
	vm->uuid = r->kept->uuid;
	vm->has_uuid = true;
	vm->disks = (uint32_t)r->disks.count;
	vm->captured = SEED_CAPTURED_OFFLINE;
	for (size_t i = 0; i < r->disks.count; i++)
		if (disk_at(r, i)->facts.captured > vm->captured)
			vm->captured = disk_at(r, i)->facts.captured;
	if (check_still(s, vm, &vm->err) < 0)
		return s->caller ? 0 : seed_session_refuse(s, &vm->err, err);
	if (exchange(s, r, vm, &refused, &why) == 0)
		return 0;
	vm->result = SEED_RESYNC_FAILED;
	vm->err = why;
	if (refused)
		return 0;
	*err = why;
	return -1;
}
