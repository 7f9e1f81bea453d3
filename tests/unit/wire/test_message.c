// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What the frames say: written and read again it is the same, each length but the right one is
 * refused, and so is each bound one past its end.
 */
#include "cmocka_all.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "block/grid.h"
#include "wire/message.h"

typedef int get_fn(void *m, const struct seed_frame *f, struct seed_error *err);

#define GETTER(name)									\
	static int get_##name(void *m, const struct seed_frame *f, struct seed_error *err) \
	{										\
		return seed_msg_##name##_get(m, f, err);				\
	}

GETTER(hello)
GETTER(want)
GETTER(head)
GETTER(base)
GETTER(descend)
GETTER(need)
GETTER(request)
GETTER(block)
GETTER(error)
GETTER(progress)

/* From memory that is exactly as long, so that a sanitizer sees a read past it. */
static int get(get_fn *fn, void *m, uint8_t type, const void *data, size_t len, struct seed_error *err)
{
	uint8_t *copy = malloc(len + (len == 0));
	struct seed_frame f = { type, (uint32_t)len, copy };
	int rc;

	assert_non_null(copy);
	if (len)
		memcpy(copy, data, len);
	rc = fn(m, &f, err);
	free(copy);
	return rc;
}

static void refused(get_fn *fn, void *m, uint8_t type, const void *data, size_t len)
{
	struct seed_error err;

	assert_fails(get(fn, m, type, data, len, &err), &err, SEED_ERR_FORMAT);
	if (!strstr(err.text, seed_frame_name(type)))
		fail_msg("%s", err.text);
}

/* No other length than @len will do. */
static void only_whole(get_fn *fn, void *m, uint8_t type, const struct seed_buf *buf)
{
	uint8_t *more = malloc(buf->len + 1);

	assert_non_null(more);
	memcpy(more, buf->data, buf->len);
	more[buf->len] = 0;
	for (size_t len = 0; len < buf->len; len++)
		refused(fn, m, type, more, len);
	refused(fn, m, type, more, buf->len + 1);
	free(more);
}

/* @at with @value is refused; as it was, it is fine. */
static void bad_byte(get_fn *fn, void *m, uint8_t type, struct seed_buf *buf, size_t at, uint8_t value)
{
	char was = buf->data[at];
	struct seed_error err = { 0 };

	buf->data[at] = (char)value;
	refused(fn, m, type, buf->data, buf->len);
	buf->data[at] = was;
	assert_ok(get(fn, m, type, buf->data, buf->len, &err), &err);
}

static void hello(void **state)
{
	struct seed_msg_hello m = { .site.bytes = { 1, 2 }, .nonce = { 3, 4 }, .sender = true }, out;
	struct seed_buf buf = { 0 };
	struct seed_error err = { 0 };

	(void)state;
	assert_ok(seed_msg_hello_put(&buf, &m, &err), &err);
	assert_int_equal(buf.len, 56);
	assert_ok(get(get_hello, &out, SEED_FRAME_HELLO, buf.data, buf.len, &err), &err);
	assert_true(seed_id_equal(&out.site, &m.site) && out.sender && !out.caller);
	assert_memory_equal(out.nonce, m.nonce, sizeof(m.nonce));
	only_whole(get_hello, &out, SEED_FRAME_HELLO, &buf);
	bad_byte(get_hello, &out, SEED_FRAME_HELLO, &buf, 48, 2);
	bad_byte(get_hello, &out, SEED_FRAME_HELLO, &buf, 49, 2);
	for (size_t i = 50; i < 56; i++)
		bad_byte(get_hello, &out, SEED_FRAME_HELLO, &buf, i, 1);
	seed_buf_free(&buf);
}

static void want(void **state)
{
	struct seed_msg_want m = { .flags = SEED_WANT_FINAL | SEED_WANT_PARANOID,
				   .limit = UINT64_MAX, .name = "w\xc3\xa4" };
	struct seed_msg_want out;
	struct seed_buf buf = { 0 };
	struct seed_error err = { 0 };

	(void)state;
	assert_ok(seed_msg_want_put(&buf, &m, &err), &err);
	assert_ok(get(get_want, &out, SEED_FRAME_WANT, buf.data, buf.len, &err), &err);
	assert_true(out.flags == m.flags && out.limit == m.limit && strcmp(out.name, m.name) == 0);
	only_whole(get_want, &out, SEED_FRAME_WANT, &buf);
	bad_byte(get_want, &out, SEED_FRAME_WANT, &buf, 0, 8);		/* a flag of tomorrow */
	bad_byte(get_want, &out, SEED_FRAME_WANT, &buf, 1, 1);
	bad_byte(get_want, &out, SEED_FRAME_WANT, &buf, 17, 0);		/* NUL */
	bad_byte(get_want, &out, SEED_FRAME_WANT, &buf, 18, 'x');	/* no UTF-8 */
	seed_buf_free(&buf);
	m.name[0] = '\0';
	assert_ok(seed_msg_want_put(&buf, &m, &err), &err);
	refused(get_want, &out, SEED_FRAME_WANT, buf.data, buf.len);
	seed_buf_free(&buf);
	memset(m.name, 'n', SEED_WIRE_NAME_MAX);
	assert_ok(seed_msg_want_put(&buf, &m, &err), &err);
	assert_ok(get(get_want, &out, SEED_FRAME_WANT, buf.data, buf.len, &err), &err);
	assert_int_equal(strlen(out.name), SEED_WIRE_NAME_MAX);
	seed_buf_free(&buf);
}

static void head(void **state)
{
	struct seed_msg_head *m = calloc(1, sizeof(*m)), *out = calloc(1, sizeof(*m));
	struct seed_buf buf = { 0 };
	struct seed_error err = { 0 };
	size_t disk;

	(void)state;
	assert_true(m && out);
	m->uuid.bytes[0] = 7;
	m->flags = SEED_WANT_OVER_WIRE | SEED_WANT_FINAL | SEED_WANT_PARANOID;
	m->keep = 300;
	m->disk_count = SEED_WIRE_DISKS_MAX;
	strcpy(m->name, "web");
	for (uint32_t i = 0; i < m->disk_count; i++) {
		memset(m->disks[i].slot, 'a', 30);
		m->disks[i].slot[30] = (char)('0' + i / 10);
		m->disks[i].slot[31] = (char)('0' + i % 10);
		m->disks[i].size = SEED_DISK_MAX;
		m->disks[i].root.bytes[0] = (uint8_t)i;
	}
	assert_ok(seed_msg_head_put(&buf, m, &err), &err);
	assert_ok(get(get_head, out, SEED_FRAME_HEAD, buf.data, buf.len, &err), &err);
	assert_memory_equal(out, m, sizeof(*m));
	refused(get_head, out, SEED_FRAME_HEAD, buf.data, buf.len - 1);
	bad_byte(get_head, out, SEED_FRAME_HEAD, &buf, 32, 8);
	bad_byte(get_head, out, SEED_FRAME_HEAD, &buf, 33, SEED_WIRE_DISKS_MAX + 1);
	bad_byte(get_head, out, SEED_FRAME_HEAD, &buf, 33, SEED_WIRE_DISKS_MAX - 1);
	disk = 36 + 32 + 1 + 3;
	bad_byte(get_head, out, SEED_FRAME_HEAD, &buf, disk, 33);	/* a slot too long */
	bad_byte(get_head, out, SEED_FRAME_HEAD, &buf, disk + 32, '1');	/* that of the second */
	bad_byte(get_head, out, SEED_FRAME_HEAD, &buf, disk + 33, 1);	/* past 1 PiB */
	seed_buf_free(&buf);
	m->disk_count = 1;
	assert_ok(seed_msg_head_put(&buf, m, &err), &err);
	only_whole(get_head, out, SEED_FRAME_HEAD, &buf);
	seed_buf_free(&buf);
	m->disks[0].slot[0] = '\0';
	assert_ok(seed_msg_head_put(&buf, m, &err), &err);
	refused(get_head, out, SEED_FRAME_HEAD, buf.data, buf.len);
	seed_buf_free(&buf);
	free(m);
	free(out);
}

static void base(void **state)
{
	struct seed_msg_base m = { .disk_count = 3, .modes = { 0, 1, 2 }, .files = 1ull << 63 }, out;
	struct seed_buf buf = { 0 };
	struct seed_error err = { 0 };

	(void)state;
	m.hint_seed[31] = 9;
	assert_ok(seed_msg_base_put(&buf, &m, &err), &err);
	assert_ok(get(get_base, &out, SEED_FRAME_BASE, buf.data, buf.len, &err), &err);
	assert_memory_equal(&out, &m, sizeof(m));
	only_whole(get_base, &out, SEED_FRAME_BASE, &buf);
	bad_byte(get_base, &out, SEED_FRAME_BASE, &buf, 40, SEED_WIRE_DISKS_MAX + 1);
	bad_byte(get_base, &out, SEED_FRAME_BASE, &buf, 43, 3);
	seed_buf_free(&buf);
}

static void descend(void **state)
{
	struct seed_msg_descend m = { .disk = 200, .level = 63, .count = SEED_DESCEND_NODES }, out;
	struct seed_buf buf = { 0 };
	struct seed_error err = { 0 };

	(void)state;
	m.index[SEED_DESCEND_NODES - 1] = UINT64_MAX;
	assert_ok(seed_msg_descend_put(&buf, &m, &err), &err);
	assert_ok(get(get_descend, &out, SEED_FRAME_DESCEND, buf.data, buf.len, &err), &err);
	assert_true(out.disk == 200 && out.level == 63 && out.count == m.count &&
		    out.index[SEED_DESCEND_NODES - 1] == UINT64_MAX);
	only_whole(get_descend, &out, SEED_FRAME_DESCEND, &buf);
	bad_byte(get_descend, &out, SEED_FRAME_DESCEND, &buf, 1, 64);
	bad_byte(get_descend, &out, SEED_FRAME_DESCEND, &buf, 2, 0);
	bad_byte(get_descend, &out, SEED_FRAME_DESCEND, &buf, 2, SEED_DESCEND_NODES + 1);
	bad_byte(get_descend, &out, SEED_FRAME_DESCEND, &buf, 3, 0xff);
	bad_byte(get_descend, &out, SEED_FRAME_DESCEND, &buf, 4, 1);
	seed_buf_free(&buf);
}

static void need(void **state)
{
	struct seed_msg_need m = { 1, 2, 3, (uint64_t)1 << 40 }, out;
	struct seed_buf buf = { 0 };
	struct seed_error err = { 0 };

	(void)state;
	assert_ok(seed_msg_need_put(&buf, &m, &err), &err);
	assert_int_equal(buf.len, 32);
	assert_ok(get(get_need, &out, SEED_FRAME_NEED, buf.data, buf.len, &err), &err);
	assert_memory_equal(&out, &m, sizeof(m));
	only_whole(get_need, &out, SEED_FRAME_NEED, &buf);
	for (size_t i = 7; i < 32; i += 8)
		bad_byte(get_need, &out, SEED_FRAME_NEED, &buf, i, 1);
	seed_buf_free(&buf);
}

static void request_of(bool hints)
{
	struct seed_msg_request *m = calloc(1, sizeof(*m)), *out = calloc(1, sizeof(*m));
	struct seed_buf buf = { 0 };
	struct seed_error err = { 0 };

	assert_true(m && out);
	m->disk = 5;
	m->hints = hints;
	m->count = SEED_REQUEST_BLOCKS;
	for (unsigned int i = 0; i < m->count; i++) {
		m->ask[i].index = (uint64_t)i << 56 | i;
		for (unsigned int k = 0; hints && k < SEED_PIECES; k++)
			m->ask[i].hints[k] = i * 31 + k;
	}
	assert_ok(seed_msg_request_put(&buf, m, &err), &err);
	assert_true(buf.len <= SEED_FRAME_MAX);
	assert_ok(get(get_request, out, SEED_FRAME_REQUEST, buf.data, buf.len, &err), &err);
	assert_memory_equal(out, m, sizeof(*m));
	refused(get_request, out, SEED_FRAME_REQUEST, buf.data, buf.len - 1);
	bad_byte(get_request, out, SEED_FRAME_REQUEST, &buf, 1, 2);
	bad_byte(get_request, out, SEED_FRAME_REQUEST, &buf, 1, !hints);
	bad_byte(get_request, out, SEED_FRAME_REQUEST, &buf, 2, 1);	/* 257 */
	bad_byte(get_request, out, SEED_FRAME_REQUEST, &buf, 3, 0);	/* none */
	bad_byte(get_request, out, SEED_FRAME_REQUEST, &buf, 7, 1);
	seed_buf_free(&buf);
	m->count = 2;
	assert_ok(seed_msg_request_put(&buf, m, &err), &err);
	only_whole(get_request, out, SEED_FRAME_REQUEST, &buf);
	seed_buf_free(&buf);
	free(m);
	free(out);
}

static void request(void **state)
{
	(void)state;
	request_of(false);
	request_of(true);
}

/* The head, and @len bytes behind it. */
static int block_of(struct seed_msg_block *m, uint32_t len, struct seed_error *err)
{
	static uint8_t bytes[SEED_BLOCK_HEAD_MAX + SEED_BLOCK_SIZE + 1];
	size_t head = seed_msg_block_head(bytes, m);
	struct seed_msg_block out;

	assert_int_equal(head, m->changed ? 48 : 16);
	return get(get_block, &out, SEED_FRAME_BLOCK, bytes, head + len, err);
}

static void block(void **state)
{
	struct seed_msg_block m = { .disk = 1, .index = UINT64_MAX };
	uint8_t bytes[SEED_BLOCK_HEAD_MAX + 8];
	struct seed_error err = { 0 };

	(void)state;
	assert_ok(block_of(&m, 1, &err), &err);
	assert_ok(block_of(&m, SEED_BLOCK_SIZE, &err), &err);
	assert_fails(block_of(&m, 0, &err), &err, SEED_ERR_FORMAT);
	assert_fails(block_of(&m, SEED_BLOCK_SIZE + 1, &err), &err, SEED_ERR_FORMAT);
	m.pieces = 1;
	assert_fails(block_of(&m, 1, &err), &err, SEED_ERR_FORMAT);
	m.form = SEED_FORM_PIECES;
	assert_ok(block_of(&m, 1, &err), &err);
	m.form = SEED_FORM_ZERO;
	m.pieces = 0;
	assert_fails(block_of(&m, 0, &err), &err, SEED_ERR_FORMAT);	/* it must say so */
	m.changed = true;
	assert_ok(block_of(&m, 0, &err), &err);
	assert_fails(block_of(&m, 1, &err), &err, SEED_ERR_FORMAT);
	m.form = SEED_FORM_ZERO + 1;
	assert_fails(block_of(&m, 1, &err), &err, SEED_ERR_FORMAT);
	m.form = SEED_FORM_WHOLE;
	assert_fails(block_of(&m, 1, &err), &err, SEED_ERR_FORMAT);	/* a digest that no block has */
	m.digest = seed_digest_missing;
	assert_fails(block_of(&m, 1, &err), &err, SEED_ERR_FORMAT);
	m.digest.bytes[0] = 1;
	assert_ok(block_of(&m, 1, &err), &err);
	seed_msg_block_head(bytes, &m);
	for (size_t len = 0; len < 48; len++)
		refused(get_block, &m, SEED_FRAME_BLOCK, bytes, len);
	bytes[2] = 2;
	refused(get_block, &m, SEED_FRAME_BLOCK, bytes, 50);
	bytes[2] = 1;
	bytes[3] = 1;
	refused(get_block, &m, SEED_FRAME_BLOCK, bytes, 50);
	bytes[3] = 0;
	bytes[7] = 1;
	refused(get_block, &m, SEED_FRAME_BLOCK, bytes, 50);
}

static void errors(void **state)
{
	struct seed_error m = { .kind = SEED_ERR_IDENTITY, .text = "a rollback" }, out;
	struct seed_buf buf = { 0 };
	struct seed_error err = { 0 };

	(void)state;
	for (int kind = SEED_ERR_SYSTEM; kind <= SEED_ERR_LINK; kind++) {
		m.kind = (enum seed_error_kind)kind;
		assert_ok(seed_msg_error_put(&buf, &m, &err), &err);
		assert_ok(get(get_error, &out, SEED_FRAME_FAIL, buf.data, buf.len, &err), &err);
		/* Our link, and our being stopped, are nobody else's to tell of. */
		assert_int_equal(out.kind, kind == SEED_ERR_LINK || kind == SEED_ERR_CANCELLED ?
					   SEED_ERR_SYSTEM : kind);
		assert_string_equal(out.text, "a rollback");
		seed_buf_free(&buf);
	}
	m = (struct seed_error){ .kind = SEED_ERR_SYSTEM, .sys_errno = 28, .text = "vda" };
	assert_ok(seed_msg_error_put(&buf, &m, &err), &err);
	assert_ok(get(get_error, &out, SEED_FRAME_FAIL, buf.data, buf.len, &err), &err);
	assert_string_equal(out.text, "vda: No space left on device");
	assert_int_equal(out.sys_errno, 0);		/* not ours */
	for (size_t len = 0; len < 8; len++)
		refused(get_error, &out, SEED_FRAME_FAIL, buf.data, len);
	bad_byte(get_error, &out, SEED_FRAME_FAIL, &buf, 7, 1);
	bad_byte(get_error, &out, SEED_FRAME_FAIL, &buf, 9, 0);
	buf.data[0] = (char)200;			/* a kind of tomorrow */
	assert_ok(get(get_error, &out, SEED_FRAME_FAIL, buf.data, buf.len, &err), &err);
	assert_int_equal(out.kind, SEED_ERR_SYSTEM);
	memcpy(buf.data + 8, "\x1b[2J\n\r", 6);	/* for a terminal */
	assert_ok(get(get_error, &out, SEED_FRAME_NOTE, buf.data, buf.len, &err), &err);
	for (const char *c = out.text; *c; c++)
		assert_true((unsigned char)*c >= ' ' && *c != 127);
	seed_buf_free(&buf);
	memset(m.text, 't', sizeof(m.text) - 1);
	assert_ok(seed_msg_error_put(&buf, &m, &err), &err);
	assert_ok(get(get_error, &out, SEED_FRAME_FAIL, buf.data, buf.len, &err), &err);
	assert_ok(seed_buf_add(&buf, "t", 1, &err), &err);
	refused(get_error, &out, SEED_FRAME_FAIL, buf.data, buf.len);
	seed_buf_free(&buf);
}

static void progress(void **state)
{
	struct seed_msg_progress m = { SEED_PHASE_APPLYING, UINT64_MAX, 5 }, out;
	struct seed_buf buf = { 0 };
	struct seed_error err = { 0 };

	(void)state;
	assert_ok(seed_msg_progress_put(&buf, &m, &err), &err);
	assert_ok(get(get_progress, &out, SEED_FRAME_PROGRESS, buf.data, buf.len, &err), &err);
	assert_true(out.phase == m.phase && out.done == m.done && out.total == m.total);
	only_whole(get_progress, &out, SEED_FRAME_PROGRESS, &buf);
	bad_byte(get_progress, &out, SEED_FRAME_PROGRESS, &buf, 0, SEED_PHASE_APPLYING + 1);
	bad_byte(get_progress, &out, SEED_FRAME_PROGRESS, &buf, 7, 1);
	seed_buf_free(&buf);
}

static int add_part(struct seed_doc_parts *doc, uint8_t last, uint8_t other, size_t len, size_t max,
		    struct seed_error *err)
{
	uint8_t *data = calloc(1, 8 + len);
	const struct seed_frame f = { SEED_FRAME_OFFER, (uint32_t)(8 + len), data };
	int rc;

	assert_non_null(data);
	data[0] = last;
	data[7] = other;
	rc = seed_doc_add(doc, &f, max, err);
	free(data);
	return rc;
}

static void documents(void **state)
{
	struct seed_doc_parts doc = { 0 };
	const struct seed_frame cut = { SEED_FRAME_OFFER, 7, (const uint8_t *)"\1\0\0\0\0\0\0" };
	struct seed_error err = { 0 };

	(void)state;
	assert_ok(add_part(&doc, 0, 0, SEED_DOC_PART, SEED_DOC_PART + 9, &err), &err);
	assert_false(doc.whole);
	assert_fails(add_part(&doc, 0, 0, 0, SEED_DOC_PART + 9, &err), &err, SEED_ERR_FORMAT);
	assert_fails(add_part(&doc, 2, 0, 1, SEED_DOC_PART + 9, &err), &err, SEED_ERR_FORMAT);
	assert_fails(add_part(&doc, 0, 1, 1, SEED_DOC_PART + 9, &err), &err, SEED_ERR_FORMAT);
	assert_fails(add_part(&doc, 0, 0, SEED_DOC_PART + 1, 1 << 20, &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_doc_add(&doc, &cut, 1 << 20, &err), &err, SEED_ERR_FORMAT);
	assert_fails(add_part(&doc, 1, 0, 10, SEED_DOC_PART + 9, &err), &err, SEED_ERR_RANGE);
	assert_ok(add_part(&doc, 1, 0, 9, SEED_DOC_PART + 9, &err), &err);
	assert_true(doc.whole && doc.buf.len == SEED_DOC_PART + 9);
	seed_buf_free(&doc.buf);
}

static void every_type_has_a_name(void **state)
{
	(void)state;
	assert_string_equal(seed_frame_name(SEED_FRAME_HELLO), "HELLO");
	for (int type = SEED_FRAME_WANT; type <= SEED_FRAME_DONE; type++)
		assert_null(strstr(seed_frame_name((uint8_t)type), "unknown"));
	for (int type = SEED_FRAME_DONE + 1; type < 256; type++)
		assert_non_null(strstr(seed_frame_name((uint8_t)type), "unknown"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello), cmocka_unit_test(want), cmocka_unit_test(head),
		cmocka_unit_test(base), cmocka_unit_test(descend), cmocka_unit_test(need),
		cmocka_unit_test(request), cmocka_unit_test(block), cmocka_unit_test(errors),
		cmocka_unit_test(progress), cmocka_unit_test(documents),
		cmocka_unit_test(every_type_has_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
