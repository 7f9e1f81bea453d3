// SPDX-License-Identifier: LGPL-2.1-or-later
#include "wire/frame.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "codec/zstd_stream.h"
#include "wire/channel.h"

#define SHOWN 60u	/* bytes of a greeting that is none */

struct seed_frame_reader {
	uint8_t head[SEED_FRAME_HEAD_SIZE];
	struct seed_frame_node *node;	/* once the header is complete */
	size_t filled;			/* bytes of the header, or of the node behind it */
	unsigned int window_log;
	struct seed_zstd_reader *zstd;	/* behind START */
	uint64_t plain;
};

void seed_preamble_put(uint8_t *out)
{
	memset(out, 0, SEED_PREAMBLE_SIZE);
	memcpy(out, SEED_PREAMBLE_MAGIC, SEED_PREAMBLE_MAGIC_LEN);
	seed_put16(out + 8, SEED_WIRE_VERSION);
	seed_put16(out + 10, SEED_WIRE_VERSION);
}

int seed_preamble_refuse(const uint8_t *data, size_t len, struct seed_error *err)
{
	char text[SHOWN + 1], quoted[4 * SHOWN];
	size_t n = 0;

	for (size_t i = 0; i < len && n < SHOWN && (data[i] != '\n' || !n); i++)
		if (data[i] >= 0x20 && data[i] < 0x7f)
			text[n++] = (char)data[i];
	text[n] = '\0';
	if (!n)
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "the other side does not speak vmseed's protocol");
	return seed_error_set(err, SEED_ERR_FORMAT,
			      "the other side does not speak vmseed's protocol, it says %s",
			      seed_quote(text, quoted, sizeof(quoted)));
}

int seed_preamble_check(const uint8_t *data, struct seed_error *err)
{
	uint16_t lowest = seed_get16(data + 8), highest = seed_get16(data + 10);

	if (memcmp(data, SEED_PREAMBLE_MAGIC, SEED_PREAMBLE_MAGIC_LEN) != 0)
		return seed_preamble_refuse(data, SEED_PREAMBLE_SIZE, err);
	if (lowest > highest)
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "the other side's preamble has versions %u to %u",
				      lowest, highest);
	/* Before the zero bytes, which a later version may use. */
	if (lowest > SEED_WIRE_VERSION)
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "the other side speaks versions %u to %u of the protocol, "
				      "this vmseed only %u: it is too old", lowest, highest,
				      SEED_WIRE_VERSION);
	if (highest < SEED_WIRE_VERSION)
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "the other side speaks versions %u to %u of the protocol, "
				      "this vmseed only %u: the other one is too old", lowest,
				      highest, SEED_WIRE_VERSION);
	if (seed_get32(data + 12) != 0)
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "the other side's preamble has bytes that should be zero");
	return 0;
}

struct seed_frame_node *seed_frame_node_new(uint8_t type, uint32_t len)
{
	struct seed_frame_node *node = malloc(sizeof(*node) + SEED_FRAME_HEAD_SIZE + len);

	assert(len <= SEED_FRAME_MAX);
	if (!node)
		return NULL;
	node->next = NULL;
	node->len = len;
	node->type = type;
	seed_put32(node->bytes, len);
	seed_put32(node->bytes + 4, type);
	return node;
}

int seed_frame_reader_new(struct seed_frame_reader **out, unsigned int window_log,
			  struct seed_error *err)
{
	struct seed_frame_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return seed_error_sys(err, ENOMEM, "frames");
	r->window_log = window_log;
	*out = r;
	return 0;
}

void seed_frame_reader_free(struct seed_frame_reader *r)
{
	if (!r)
		return;
	seed_zstd_reader_free(r->zstd);
	free(r->node);
	free(r);
}

bool seed_frame_reader_inside(const struct seed_frame_reader *r)
{
	return r->node || r->filled;
}

uint64_t seed_frame_reader_plain(const struct seed_frame_reader *r)
{
	return r->plain;
}

/* The header is complete: whether a body of that length may follow. */
static int begin_body(struct seed_frame_reader *r, struct seed_error *err)
{
	uint32_t len = seed_get32(r->head);
	uint8_t type = r->head[4];

	if (r->head[5] || r->head[6] || r->head[7])
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "a frame's header has bytes that should be zero");
	if (len > SEED_FRAME_MAX)
		return seed_error_set(err, SEED_ERR_FORMAT, "a frame of %u bytes (at most %u)",
				      len, SEED_FRAME_MAX);
	if (type < SEED_FRAME_FIRST && type != SEED_FRAME_ALIVE && type != SEED_FRAME_START)
		return seed_error_set(err, SEED_ERR_FORMAT, "a frame of unknown type %u", type);
	if ((type == SEED_FRAME_ALIVE && len != 0) || (type == SEED_FRAME_START && len != 1))
		return seed_error_set(err, SEED_ERR_FORMAT, "a frame of type %u with %u bytes",
				      type, len);
	r->node = seed_frame_node_new(type, len);
	if (!r->node)
		return seed_error_sys(err, ENOMEM, "frame");
	r->filled = 0;
	return 0;
}

static int obey_start(struct seed_frame_reader *r, unsigned int window_log, struct seed_error *err)
{
	if (r->zstd)
		return seed_error_set(err, SEED_ERR_FORMAT, "a zstd stream inside a zstd stream");
	if (window_log < SEED_ZSTD_WINDOW_MIN || window_log > r->window_log)
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "a zstd stream with a window of 2^%u bytes (at most 2^%u)",
				      window_log, r->window_log);
	return seed_zstd_reader_new(&r->zstd, window_log, err);
}

/* Up to @room bytes of the stream, plain or behind zstd. */
static int take(struct seed_frame_reader *r, const uint8_t *data, size_t len, size_t *used,
		uint8_t *to, size_t room, size_t *made, struct seed_error *err)
{
	*used = *made = len < room ? len : room;
	if (!r->zstd) {
		if (*made)
			memcpy(to, data, *made);
	} else if (seed_zstd_read(r->zstd, data, len, used, to, room, made, err) < 0) {
		return -1;
	}
	r->plain += *made;
	r->filled += *made;
	return 0;
}

int seed_frame_reader_feed(struct seed_frame_reader *r, const uint8_t *data, size_t len,
			   size_t *used, struct seed_frame_node **got, struct seed_error *err)
{
	size_t at = 0;

	*got = NULL;
	for (;;) {
		uint8_t *to = r->node ? r->node->bytes + SEED_FRAME_HEAD_SIZE : r->head;
		size_t room = (r->node ? r->node->len : SEED_FRAME_HEAD_SIZE) - r->filled;
		size_t step = 0, made = 0;

		if (room && take(r, data + at, len - at, &step, to + r->filled, room, &made,
				 err) < 0)
			return -1;
		at += step;
		if (made < room) {	/* all is used, nothing waits inside zstd */
			*used = len;
			return 0;
		}
		if (r->node)
			break;
		if (begin_body(r, err) < 0)
			return -1;
	}
	if (r->node->type == SEED_FRAME_START &&
	    obey_start(r, r->node->bytes[SEED_FRAME_HEAD_SIZE], err) < 0)
		return -1;
	*used = at;
	*got = seed_steal(&r->node);
	r->filled = 0;
	return 0;
}
