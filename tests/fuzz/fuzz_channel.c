// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What a peer sends: preamble, frames, zstd stream. The first byte chooses: the bytes as they come,
 * or behind a START, or packed behind one so that the frames inside are what is tried; and in
 * pieces of what size. The window is mostly the smallest and packing mostly no more than framing:
 * a sanitizer takes a hundred times as long to give out large windows as all the rest does.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "codec/zstd_stream.h"
#include "wire/channel.h"
#include "wire/frame.h"

#define FRAMES 4096u	/* a bomb has no end of them */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(const struct seed_error *err)
{
	if ((err->kind != SEED_ERR_FORMAT && err->kind != SEED_ERR_INTEGRITY) || !err->text[0])
		abort();
}

static void check_frame(const struct seed_frame_node *node)
{
	uint32_t sum = 0;

	if (node->len > SEED_FRAME_MAX || seed_get32(node->bytes) != node->len ||
	    node->bytes[4] != node->type || (node->type > 1 && node->type < SEED_FRAME_FIRST))
		abort();
	for (uint32_t i = 0; i < node->len; i++)	/* all of it is there */
		sum += node->bytes[SEED_FRAME_HEAD_SIZE + i];
	if (sum == UINT32_MAX)
		abort();
}

static void read_frames(const uint8_t *data, size_t size, size_t piece)
{
	SEED_AUTO(seed_frame_reader_freep) struct seed_frame_reader *r = NULL;
	struct seed_frame_node *node = NULL;
	struct seed_error err = { 0 };
	unsigned int frames = 0;
	size_t used;

	if (seed_frame_reader_new(&r, 20, &err) < 0)
		abort();
	for (size_t at = 0; (at < size || node) && frames < FRAMES; at += used) {
		size_t give = size - at < piece ? size - at : piece;

		free(node);
		if (seed_frame_reader_feed(r, data + at, give, &used, &node, &err) < 0) {
			check_error(&err);
			return;
		}
		if (used > give || (!node && used != give))
			abort();
		if (!node)
			continue;
		check_frame(node);
		frames++;
	}
	free(node);
}

static size_t pack(uint8_t *out, size_t room, const uint8_t *data, size_t size)
{
	SEED_AUTO(seed_zstd_writer_freep) struct seed_zstd_writer *w = NULL;
	size_t used, made, len = 0;
	bool done = false;

	if (seed_zstd_writer_new(&w, 20, NULL) < 0)
		abort();
	for (size_t at = 0; at < size; at += used, len += made)
		if (seed_zstd_write(w, data + at, size - at, &used, out + len, room - len, &made,
				    NULL) < 0)
			abort();
	for (; !done; len += made)
		if (seed_zstd_flush(w, out + len, room - len, &made, &done, NULL) < 0)
			abort();
	return len;
}

/* The same as a stream of raw blocks: nothing but their heads. */
static size_t pack_raw(uint8_t *out, const uint8_t *data, size_t size)
{
	static const uint8_t head[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x00 };	/* window of 2^10 */
	size_t len = sizeof(head);

	memcpy(out, head, sizeof(head));
	for (size_t at = 0, n; at < size; at += n, len += 3 + n) {
		n = size - at < 1024 ? size - at : 1024;
		out[len] = (uint8_t)(n << 3);
		seed_put16(out + len + 1, (uint16_t)(n >> 5));
		memcpy(out + len + 3, data + at, n);
	}
	return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t start[9] = { 1, 0, 0, 0, SEED_FRAME_START };
	SEED_AUTO(seed_freep) uint8_t *stream = NULL;
	struct seed_error err = { 0 };
	size_t room = 2 * size + 1024, len, piece;
	bool large;

	if (size < 2)
		return 0;
	large = data[0] >> 3 == 0x15;
	start[8] = large ? 20 : 10;
	piece = data[0] & 4 ? 1 + data[1] : size + sizeof(start) + 1024;
	stream = malloc(room);
	if (!stream)
		abort();
	memcpy(stream, start, sizeof(start));
	switch (data[0] & 3) {
	case 0:
		if (size >= 2 + SEED_PREAMBLE_SIZE && seed_preamble_check(data + 2, &err) < 0)
			check_error(&err);
		seed_preamble_refuse(data + 2, size - 2, &err);
		check_error(&err);
		read_frames(data + 2, size - 2, piece);
		return 0;
	case 1:
		memcpy(stream + sizeof(start), data + 2, size - 2);
		len = size - 2;
		break;
	default:
		len = large ? pack(stream + sizeof(start), room - sizeof(start), data + 2, size - 2) :
			      pack_raw(stream + sizeof(start), data + 2, size - 2);
	}
	read_frames(stream, sizeof(start) + len, piece);
	return 0;
}
