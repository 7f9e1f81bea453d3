/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Preamble and frames as bytes (vmseed-wire(5)), without descriptors and threads: what a channel,
 * its tests and its fuzz target share.
 */
#ifndef SEED_WIRE_FRAME_H
#define SEED_WIRE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define SEED_PREAMBLE_SIZE 16u
#define SEED_PREAMBLE_MAGIC "VMSEEDWR"
#define SEED_PREAMBLE_MAGIC_LEN 8u
#define SEED_FRAME_HEAD_SIZE 8u

/* Fills @out with SEED_PREAMBLE_SIZE bytes. */
void seed_preamble_put(uint8_t *out);
/* @data: SEED_PREAMBLE_SIZE bytes. FORMAT: another magic, no version in common, zero bytes that are
 * not zero. */
int seed_preamble_check(const uint8_t *data, struct seed_error *err);
/* FORMAT, for what came where a preamble belongs: shows the first of @len bytes. */
int seed_preamble_refuse(const uint8_t *data, size_t len, struct seed_error *err);

/* A frame in memory, header first. */
struct seed_frame_node {
	struct seed_frame_node *next;
	uint32_t len;			/* bytes behind the header */
	uint8_t type;
	uint8_t bytes[];		/* SEED_FRAME_HEAD_SIZE + @len */
};

/* Header filled in, body not; NULL: no memory. @len is at most SEED_FRAME_MAX; free() frees it. */
struct seed_frame_node *seed_frame_node_new(uint8_t type, uint32_t len);
/* What it costs in a queue. */
static inline size_t seed_frame_node_cost(const struct seed_frame_node *node)
{
	return sizeof(*node) + SEED_FRAME_HEAD_SIZE + node->len + 16;
}

/* Frames out of what arrives behind the preamble, in pieces of any size. */
struct seed_frame_reader;

/* @window_log: the largest window that a START may name. */
int seed_frame_reader_new(struct seed_frame_reader **out, unsigned int window_log,
			  struct seed_error *err);
void seed_frame_reader_free(struct seed_frame_reader *r);
static inline void seed_frame_reader_freep(struct seed_frame_reader **r)
{
	seed_frame_reader_free(*r);
}

/* Takes *@used of @len bytes until one frame is complete: *@got is it, the caller's. *@got NULL:
 * all is used and no frame is complete. START frames are obeyed and given like others. FORMAT for
 * what is no frame, INTEGRITY for damage inside the zstd stream; nothing can be read behind an
 * error.
 * Memory: one frame and the window, whatever the bytes unpack to. */
int seed_frame_reader_feed(struct seed_frame_reader *r, const uint8_t *data, size_t len,
			   size_t *used, struct seed_frame_node **got, struct seed_error *err);
/* A frame has begun and is not complete. */
bool seed_frame_reader_inside(const struct seed_frame_reader *r);
/* Bytes of frames so far, behind zstd. */
uint64_t seed_frame_reader_plain(const struct seed_frame_reader *r);

#endif
