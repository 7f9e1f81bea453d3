// SPDX-License-Identifier: LGPL-2.1-or-later
#include "wire/message.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/text.h"
#include "block/grid.h"

#define HELLO_SIZE 56u
#define COUNT_MAX ((uint64_t)1 << 40)	/* blocks in all disks of a VM */

static const char *const frame_names[] = {
	[SEED_FRAME_HELLO] = "HELLO", [SEED_FRAME_PROOF] = "PROOF", [SEED_FRAME_WANT] = "WANT",
	[SEED_FRAME_HEAD] = "HEAD", [SEED_FRAME_MORE] = "MORE", [SEED_FRAME_OFFER] = "OFFER",
	[SEED_FRAME_BASE] = "BASE", [SEED_FRAME_FILE] = "FILE", [SEED_FRAME_CHANGES] = "CHANGES",
	[SEED_FRAME_CHANGES_END] = "CHANGES_END", [SEED_FRAME_DESCEND] = "DESCEND",
	[SEED_FRAME_NODES] = "NODES", [SEED_FRAME_NEED] = "NEED",
	[SEED_FRAME_REQUEST] = "REQUEST", [SEED_FRAME_BLOCK] = "BLOCK",
	[SEED_FRAME_ARRIVED] = "ARRIVED", [SEED_FRAME_MANIFEST] = "MANIFEST",
	[SEED_FRAME_RECEIPT] = "RECEIPT", [SEED_FRAME_REFUSE] = "REFUSE",
	[SEED_FRAME_FAIL] = "FAIL", [SEED_FRAME_BYE] = "BYE", [SEED_FRAME_PROGRESS] = "PROGRESS",
	[SEED_FRAME_NOTE] = "NOTE", [SEED_FRAME_DONE] = "DONE",
};

const char *seed_frame_name(uint8_t type)
{
	const char *name = type < sizeof(frame_names) / sizeof(frame_names[0]) ?
				   frame_names[type] : NULL;

	return name ? name : "frame of unknown type";
}

static int malformed(const struct seed_frame *f, struct seed_error *err)
{
	return seed_error_set(err, SEED_ERR_FORMAT, "malformed %s frame of %" PRIu32 " bytes",
			      seed_frame_name(f->type), f->len);
}

static struct seed_cursor cursor_of(const struct seed_frame *f)
{
	return seed_cursor_of(f->data, f->len);
}

/* Everything was there and nothing is left over. */
static bool ended(const struct seed_cursor *c)
{
	return !c->bad && c->left == 0;
}

/* ---- building ---- */

static int put(struct seed_buf *out, const void *data, size_t len, struct seed_error *err)
{
	return seed_buf_add(out, data, len, err);
}

static int put_u8(struct seed_buf *out, uint8_t v, struct seed_error *err)
{
	return put(out, &v, 1, err);
}

static int put_u16(struct seed_buf *out, uint16_t v, struct seed_error *err)
{
	uint8_t bytes[2];

	seed_put16(bytes, v);
	return put(out, bytes, sizeof(bytes), err);
}

static int put_u64(struct seed_buf *out, uint64_t v, struct seed_error *err)
{
	uint8_t bytes[8];

	seed_put64(bytes, v);
	return put(out, bytes, sizeof(bytes), err);
}

static int put_zero(struct seed_buf *out, size_t len, struct seed_error *err)
{
	static const uint8_t zeroes[16];

	return put(out, zeroes, len, err);
}

/* A text with its length before it, in one byte. */
static int put_text(struct seed_buf *out, const char *text, struct seed_error *err)
{
	size_t len = strlen(text);

	return put_u8(out, (uint8_t)len, err) < 0 ? -1 : put(out, text, len, err);
}

/* @room: bytes of @out with the NUL. */
static bool take_text(struct seed_cursor *c, char *out, size_t room)
{
	size_t len = seed_cursor_u8(c);
	const uint8_t *text;

	if (len >= room)
		return false;
	text = seed_cursor_take(c, len);
	if (!text || memchr(text, '\0', len))
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return true;
}

/* What may stand in it, who knows VMs decides. */
static bool name_is_text(const char *name)
{
	return name[0] && seed_utf8_valid(name, strlen(name));
}

/* ---- HELLO ---- */

int seed_msg_hello_put(struct seed_buf *out, const struct seed_msg_hello *m,
		       struct seed_error *err)
{
	if (put(out, m->site.bytes, SEED_ID_SIZE, err) < 0 ||
	    put(out, m->nonce, SEED_NONCE_SIZE, err) < 0 || put_u8(out, m->sender, err) < 0 ||
	    put_u8(out, m->caller, err) < 0)
		return -1;
	return put_zero(out, HELLO_SIZE - SEED_ID_SIZE - SEED_NONCE_SIZE - 2, err);
}

int seed_msg_hello_get(struct seed_msg_hello *m, const struct seed_frame *f,
		       struct seed_error *err)
{
	struct seed_cursor c = cursor_of(f);
	uint8_t sender, caller;

	seed_cursor_copy(&c, m->site.bytes, SEED_ID_SIZE);
	seed_cursor_copy(&c, m->nonce, SEED_NONCE_SIZE);
	sender = seed_cursor_u8(&c);
	caller = seed_cursor_u8(&c);
	if (!seed_cursor_zero(&c, HELLO_SIZE - SEED_ID_SIZE - SEED_NONCE_SIZE - 2) || !ended(&c) ||
	    sender > 1 || caller > 1)
		return malformed(f, err);
	m->sender = sender;
	m->caller = caller;
	return 0;
}

/* ---- WANT ---- */

#define WANT_FLAGS (SEED_WANT_OVER_WIRE | SEED_WANT_FINAL | SEED_WANT_PARANOID)

int seed_msg_want_put(struct seed_buf *out, const struct seed_msg_want *m, struct seed_error *err)
{
	if (put_u8(out, m->flags, err) < 0 || put_zero(out, 7, err) < 0 ||
	    put_u64(out, m->limit, err) < 0)
		return -1;
	return put_text(out, m->name, err);
}

int seed_msg_want_get(struct seed_msg_want *m, const struct seed_frame *f, struct seed_error *err)
{
	struct seed_cursor c = cursor_of(f);

	*m = (struct seed_msg_want){ 0 };
	m->flags = seed_cursor_u8(&c);
	if (!seed_cursor_zero(&c, 7))
		return malformed(f, err);
	m->limit = seed_cursor_u64(&c);
	if (!take_text(&c, m->name, sizeof(m->name)) || !ended(&c) || (m->flags & ~WANT_FLAGS) ||
	    !name_is_text(m->name))
		return malformed(f, err);
	return 0;
}

/* ---- HEAD ---- */

int seed_msg_head_put(struct seed_buf *out, const struct seed_msg_head *m, struct seed_error *err)
{
	if (put(out, m->origin.bytes, SEED_ID_SIZE, err) < 0 ||
	    put(out, m->uuid.bytes, SEED_ID_SIZE, err) < 0 || put_u8(out, m->flags, err) < 0 ||
	    put_u8(out, (uint8_t)m->disk_count, err) < 0 || put_u16(out, m->keep, err) < 0 ||
	    put(out, m->files.bytes, SEED_DIGEST_SIZE, err) < 0 || put_text(out, m->name, err) < 0)
		return -1;
	for (uint32_t i = 0; i < m->disk_count; i++)
		if (put_text(out, m->disks[i].slot, err) < 0 ||
		    put_u64(out, m->disks[i].size, err) < 0 ||
		    put(out, m->disks[i].root.bytes, SEED_DIGEST_SIZE, err) < 0)
			return -1;
	return 0;
}

static bool slot_is_new(const struct seed_msg_head *m, uint32_t disk)
{
	for (uint32_t i = 0; i < disk; i++)
		if (strcmp(m->disks[i].slot, m->disks[disk].slot) == 0)
			return false;
	return true;
}

static bool take_disk(struct seed_cursor *c, struct seed_msg_head *m, uint32_t i)
{
	struct seed_msg_disk *d = &m->disks[i];

	if (!take_text(c, d->slot, sizeof(d->slot)))
		return false;
	d->size = seed_cursor_u64(c);
	seed_cursor_copy(c, d->root.bytes, SEED_DIGEST_SIZE);
	return !c->bad && d->slot[0] && d->size <= SEED_DISK_MAX && slot_is_new(m, i);
}

int seed_msg_head_get(struct seed_msg_head *m, const struct seed_frame *f, struct seed_error *err)
{
	struct seed_cursor c = cursor_of(f);

	*m = (struct seed_msg_head){ 0 };
	seed_cursor_copy(&c, m->origin.bytes, SEED_ID_SIZE);
	seed_cursor_copy(&c, m->uuid.bytes, SEED_ID_SIZE);
	m->flags = seed_cursor_u8(&c);
	m->disk_count = seed_cursor_u8(&c);
	m->keep = seed_cursor_u16(&c);
	seed_cursor_copy(&c, m->files.bytes, SEED_DIGEST_SIZE);
	if (!take_text(&c, m->name, sizeof(m->name)) || m->disk_count > SEED_WIRE_DISKS_MAX ||
	    (m->flags & ~WANT_FLAGS) || !name_is_text(m->name))
		return malformed(f, err);
	for (uint32_t i = 0; i < m->disk_count; i++)
		if (!take_disk(&c, m, i))
			return malformed(f, err);
	return ended(&c) ? 0 : malformed(f, err);
}

/* ---- BASE ---- */

int seed_msg_base_put(struct seed_buf *out, const struct seed_msg_base *m, struct seed_error *err)
{
	if (put(out, m->hint_seed, SEED_HINT_SEED, err) < 0 || put_u64(out, m->files, err) < 0 ||
	    put_u8(out, (uint8_t)m->disk_count, err) < 0)
		return -1;
	return put(out, m->modes, m->disk_count, err);
}

int seed_msg_base_get(struct seed_msg_base *m, const struct seed_frame *f, struct seed_error *err)
{
	struct seed_cursor c = cursor_of(f);

	*m = (struct seed_msg_base){ 0 };
	seed_cursor_copy(&c, m->hint_seed, SEED_HINT_SEED);
	m->files = seed_cursor_u64(&c);
	m->disk_count = seed_cursor_u8(&c);
	if (m->disk_count > SEED_WIRE_DISKS_MAX)
		return malformed(f, err);
	seed_cursor_copy(&c, m->modes, m->disk_count);
	for (uint32_t i = 0; i < m->disk_count; i++)
		if (m->modes[i] > SEED_BASE_LISTED)
			return malformed(f, err);
	return ended(&c) ? 0 : malformed(f, err);
}

/* ---- DESCEND ---- */

int seed_msg_descend_put(struct seed_buf *out, const struct seed_msg_descend *m,
			 struct seed_error *err)
{
	if (put_u8(out, m->disk, err) < 0 || put_u8(out, m->level, err) < 0 ||
	    put_u16(out, m->count, err) < 0 || put_zero(out, 4, err) < 0)
		return -1;
	for (unsigned int i = 0; i < m->count; i++)
		if (put_u64(out, m->index[i], err) < 0)
			return -1;
	return 0;
}

int seed_msg_descend_get(struct seed_msg_descend *m, const struct seed_frame *f,
			 struct seed_error *err)
{
	struct seed_cursor c = cursor_of(f);

	m->disk = seed_cursor_u8(&c);
	m->level = seed_cursor_u8(&c);
	m->count = seed_cursor_u16(&c);
	if (!seed_cursor_zero(&c, 4) || m->count == 0 || m->count > SEED_DESCEND_NODES ||
	    m->level > 63)
		return malformed(f, err);
	for (unsigned int i = 0; i < m->count; i++)
		m->index[i] = seed_cursor_u64(&c);
	return ended(&c) ? 0 : malformed(f, err);
}

/* ---- NEED, ARRIVED ---- */

int seed_msg_need_put(struct seed_buf *out, const struct seed_msg_need *m, struct seed_error *err)
{
	if (put_u64(out, m->changed, err) < 0 || put_u64(out, m->fetched, err) < 0 ||
	    put_u64(out, m->local, err) < 0)
		return -1;
	return put_u64(out, m->journal, err);
}

int seed_msg_need_get(struct seed_msg_need *m, const struct seed_frame *f, struct seed_error *err)
{
	struct seed_cursor c = cursor_of(f);

	m->changed = seed_cursor_u64(&c);
	m->fetched = seed_cursor_u64(&c);
	m->local = seed_cursor_u64(&c);
	m->journal = seed_cursor_u64(&c);
	if (!ended(&c) || m->changed > COUNT_MAX || m->fetched > COUNT_MAX ||
	    m->local > COUNT_MAX || m->journal > COUNT_MAX)
		return malformed(f, err);
	return 0;
}

/* ---- REQUEST ---- */

int seed_msg_request_put(struct seed_buf *out, const struct seed_msg_request *m,
			 struct seed_error *err)
{
	uint8_t hint[4];

	if (put_u8(out, m->disk, err) < 0 || put_u8(out, m->hints, err) < 0 ||
	    put_u16(out, m->count, err) < 0 || put_zero(out, 4, err) < 0)
		return -1;
	for (unsigned int i = 0; i < m->count; i++) {
		if (put_u64(out, m->ask[i].index, err) < 0)
			return -1;
		for (unsigned int k = 0; m->hints && k < SEED_PIECES; k++) {
			seed_put32(hint, m->ask[i].hints[k]);
			if (put(out, hint, sizeof(hint), err) < 0)
				return -1;
		}
	}
	return 0;
}

int seed_msg_request_get(struct seed_msg_request *m, const struct seed_frame *f,
			 struct seed_error *err)
{
	struct seed_cursor c = cursor_of(f);
	uint8_t hints;

	m->disk = seed_cursor_u8(&c);
	hints = seed_cursor_u8(&c);
	m->count = seed_cursor_u16(&c);
	if (!seed_cursor_zero(&c, 4) || hints > 1 || m->count == 0 ||
	    m->count > SEED_REQUEST_BLOCKS)
		return malformed(f, err);
	m->hints = hints;
	for (unsigned int i = 0; i < m->count; i++) {
		m->ask[i].index = seed_cursor_u64(&c);
		for (unsigned int k = 0; k < SEED_PIECES; k++)
			m->ask[i].hints[k] = hints ? seed_cursor_u32(&c) : 0;
	}
	return ended(&c) ? 0 : malformed(f, err);
}

/* ---- BLOCK ---- */

size_t seed_msg_block_head(uint8_t *out, const struct seed_msg_block *m)
{
	memset(out, 0, 16);
	out[0] = m->disk;
	out[1] = m->form;
	out[2] = m->changed;
	seed_put16(out + 4, m->pieces);
	seed_put64(out + 8, m->index);
	if (!m->changed)
		return 16;
	memcpy(out + 16, m->digest.bytes, SEED_DIGEST_SIZE);
	return 16 + SEED_DIGEST_SIZE;
}

int seed_msg_block_get(struct seed_msg_block *m, const struct seed_frame *f,
		       struct seed_error *err)
{
	struct seed_cursor c = cursor_of(f);
	uint8_t changed;
	bool zero;

	*m = (struct seed_msg_block){ 0 };
	m->disk = seed_cursor_u8(&c);
	m->form = seed_cursor_u8(&c);
	changed = seed_cursor_u8(&c);
	zero = seed_cursor_zero(&c, 1);
	m->pieces = seed_cursor_u16(&c);
	zero &= seed_cursor_zero(&c, 2);
	m->index = seed_cursor_u64(&c);
	m->changed = changed;
	if (changed)
		seed_cursor_copy(&c, m->digest.bytes, SEED_DIGEST_SIZE);
	m->data = c.next;
	m->len = (uint32_t)c.left;
	if (c.bad || !zero || changed > 1 || m->form > SEED_FORM_ZERO || m->len > SEED_BLOCK_SIZE ||
	    (m->form == SEED_FORM_WHOLE && (m->len == 0 || m->pieces)) ||
	    (m->form == SEED_FORM_ZERO && (m->len || m->pieces || !changed)))
		return malformed(f, err);
	if (changed && m->form != SEED_FORM_ZERO &&
	    seed_digest_kind(&m->digest) != SEED_BLOCK_DATA)
		return malformed(f, err);
	return 0;
}

/* ---- REFUSE, FAIL ---- */

/* Numbers on the wire stay as they are whatever becomes of the enum. */
static const enum seed_error_kind kinds[] = {
	SEED_ERR_SYSTEM, SEED_ERR_USAGE, SEED_ERR_RANGE, SEED_ERR_FORMAT, SEED_ERR_INTEGRITY,
	SEED_ERR_TRUST, SEED_ERR_IDENTITY, SEED_ERR_MEDIUM, SEED_ERR_BUSY, SEED_ERR_LOCKED,
	SEED_ERR_PARTIAL, SEED_ERR_CANCELLED, SEED_ERR_NOTFOUND, SEED_ERR_LINK,
};

int seed_msg_error_put(struct seed_buf *out, const struct seed_error *m, struct seed_error *err)
{
	uint8_t kind = 0;
	char text[sizeof(m->text) + 128];

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i] == m->kind)
			kind = (uint8_t)i;
	/* The reason that tools/ would add on this side has to travel as text. */
	snprintf(text, sizeof(text), "%s%s%s", m->text, m->sys_errno ? ": " : "",
		 m->sys_errno ? strerrordesc_np(m->sys_errno) : "");
	if (put_u8(out, kind, err) < 0 || put_zero(out, 7, err) < 0)
		return -1;
	return put(out, text, strnlen(text, sizeof(m->text) - 1), err);
}

int seed_msg_error_get(struct seed_error *m, const struct seed_frame *f, struct seed_error *err)
{
	struct seed_cursor c = cursor_of(f);
	uint8_t kind = seed_cursor_u8(&c);
	enum seed_error_kind of;

	if (!seed_cursor_zero(&c, 7) || c.left >= sizeof(m->text) || memchr(c.next, '\0', c.left))
		return malformed(f, err);
	of = kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[kind] : SEED_ERR_SYSTEM;
	/* That our link broke, or that we were told to stop, nobody else can say. */
	if (of == SEED_ERR_LINK || of == SEED_ERR_CANCELLED)
		of = SEED_ERR_SYSTEM;
	seed_error_set(m, of, "%.*s", (int)c.left, (const char *)c.next);
	m->sys_errno = 0;
	return 0;
}

/* ---- PROGRESS ---- */

int seed_msg_progress_put(struct seed_buf *out, const struct seed_msg_progress *m,
			  struct seed_error *err)
{
	if (put_u8(out, m->phase, err) < 0 || put_zero(out, 7, err) < 0 ||
	    put_u64(out, m->done, err) < 0)
		return -1;
	return put_u64(out, m->total, err);
}

int seed_msg_progress_get(struct seed_msg_progress *m, const struct seed_frame *f,
			  struct seed_error *err)
{
	struct seed_cursor c = cursor_of(f);
	bool zero;

	m->phase = seed_cursor_u8(&c);
	zero = seed_cursor_zero(&c, 7);
	m->done = seed_cursor_u64(&c);
	m->total = seed_cursor_u64(&c);
	if (!zero || !ended(&c) || m->phase > SEED_PHASE_APPLYING)
		return malformed(f, err);
	return 0;
}

/* ---- documents ---- */

int seed_doc_send(struct seed_channel *ch, uint8_t type, const void *data, size_t len,
		  struct seed_error *err)
{
	const uint8_t *bytes = data;

	do {
		size_t part = len < SEED_DOC_PART ? len : SEED_DOC_PART;
		const uint8_t head[8] = { part == len };

		if (seed_channel_send2(ch, type, head, sizeof(head), bytes, part, err) < 0)
			return -1;
		bytes += part;
		len -= part;
	} while (len);
	return 0;
}

int seed_doc_add(struct seed_doc_parts *doc, const struct seed_frame *f, size_t max,
		 struct seed_error *err)
{
	struct seed_cursor c = cursor_of(f);
	uint8_t last = seed_cursor_u8(&c);

	if (!seed_cursor_zero(&c, 7) || last > 1 || c.left > SEED_DOC_PART ||
	    (c.left == 0 && !last))
		return malformed(f, err);
	if (c.left > max - doc->buf.len)
		return seed_error_set(err, SEED_ERR_RANGE, "%s of more than %zu bytes",
				      seed_frame_name(f->type), max);
	if (seed_buf_add(&doc->buf, c.next, c.left, err) < 0)
		return -1;
	doc->whole = last;
	return 0;
}
