/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames both ways over two descriptors (pipes of ssh or of a child): the lower half of
 * vmseed-wire(5). Whoever is on the other side is hostile.
 *
 *   preamble  "VMSEEDWR" lowest version:u16 highest version:u16 zero[4], each way, at once
 *   frame     length:u32 type:u8 zero[3], then @length bytes; little-endian
 *
 * Two threads serve a channel, so that neither side can bring the other to a stop by not reading:
 * one reads frames into a bounded queue, one takes frames from a bounded queue, compresses
 * and writes them, and flushes when the queue is empty. Behind START everything in that direction
 * is one zstd stream, whose window START names.
 *
 * Deadlines: a frame is complete @quiet_ms after its first byte, and the next one begins @quiet_ms
 * after the last; who is busy says so with ALIVE frames, which the channel sends and swallows by
 * itself. So one byte a second, and silence, both end with SEED_ERR_LINK; so does a peer that is
 * alive and does nothing, sending only that or reading nothing, for @idle_ms. While our own queue
 * is full the peer cannot be heard and its clocks stand still. (A full frame and a zstd block must
 * cross within @quiet_ms: with 60 s a link, or a limit, below 8 KiB/s needs smaller frames.)
 *
 * Until seed_channel_admit() a peer of whom a proof is asked (@proof_ms) costs no window: the
 * reading thread stops at its START, which belongs behind its proof. What it can have of us is the
 * queue, one frame, and @proof_ms.
 *
 * One thread at a time sends, one at a time receives; they may differ.
 */
#ifndef SEED_WIRE_CHANNEL_H
#define SEED_WIRE_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"

#define SEED_WIRE_VERSION 1u
#define SEED_FRAME_MAX (256u << 10)	/* bytes of a frame behind its header */
#define SEED_WIRE_WINDOW_MAX 27u	/* log2 bytes: 128 MiB, sender to receiver */
#define SEED_WIRE_WINDOW_BACK 20u	/* 1 MiB, receiver to sender */

/* Types below 8 are the channel's own and never seen by who receives. */
enum {
	SEED_FRAME_ALIVE = 0,		/* empty */
	SEED_FRAME_START = 1,		/* window log:u8: a zstd stream begins behind this frame */
	SEED_FRAME_FIRST = 8,
};

struct seed_frame {
	uint8_t type;
	uint32_t len;
	const uint8_t *data;		/* borrowed until the next receive */
};

struct seed_channel;

struct seed_channel_options {
	int in, out;			/* taken, also on failure; may be one socket. Made
					 * non-blocking, and what they were before at the end. */
	unsigned int quiet_ms;		/* 0: 60,000 */
	unsigned int first_ms;		/* until the peer's first byte; 0: no limit (a password may
					 * be typed meanwhile) */
	unsigned int alive_ms;		/* an ALIVE goes out after so long without a frame; 0:
					 * 10,000 */
	unsigned int idle_ms;		/* a peer may be alive and do nothing; 0: 6 hours */
	unsigned int window_log;	/* the largest window that the peer's stream may have; 0: it
					 * may not start one */
	unsigned int proof_ms;		/* from the peer's preamble to seed_channel_admit() at most,
					 * and none of its stream before; 0: no proof is asked */
	uint64_t limit;			/* bytes a second to write at most; 0: none */
	const struct seed_cancel *cancel;
};

/* Sends our preamble and waits for the peer's. FORMAT when it is none (the text shows the first
 * printable bytes: a shell that greets, an old ssh banner) or no version is spoken by both; LINK
 * when it ends before. */
int seed_channel_open(struct seed_channel **out, const struct seed_channel_options *opt,
		      struct seed_error *err);
/* Ends both threads; what was not yet written is dropped. NULL is fine. */
void seed_channel_close(struct seed_channel *ch);
static inline void seed_channel_closep(struct seed_channel **ch) { seed_channel_close(*ch); }

/* Behind this, what we send is one zstd stream of that window (log2 bytes, 10 to
 * SEED_WIRE_WINDOW_MAX, else RANGE; once, else USAGE). Above 2^20 the level follows the link. */
int seed_channel_start(struct seed_channel *ch, unsigned int window_log, struct seed_error *err);
/* Bytes a second from now on; 0: no limit. Exact within 5 % over a second. */
void seed_channel_limit(struct seed_channel *ch, uint64_t bytes_per_second);

/* The peer has proven who it is: its stream, and idling, are allowed from now on. */
void seed_channel_admit(struct seed_channel *ch);

/* Copies the bytes (send2: of two places, one behind the other) and returns; waits while the queue
 * (4 MiB) is full. @type from SEED_FRAME_FIRST; @len may be 0; RANGE above SEED_FRAME_MAX. LINK
 * when the peer is gone, with what the reading side saw if that says more (what it sent before can
 * still be received); CANCELLED. */
int seed_channel_send(struct seed_channel *ch, uint8_t type, const void *data, size_t len,
		      struct seed_error *err);
int seed_channel_send2(struct seed_channel *ch, uint8_t type, const void *head, size_t head_len,
		       const void *data, size_t len, struct seed_error *err);
/* The next frame of the peer; waits. LINK when the peer ended or was quiet too long; FORMAT for
 * what is no frame, or a stream of a peer that was not admitted; CANCELLED. */
int seed_channel_receive(struct seed_channel *ch, struct seed_frame *out, struct seed_error *err);
/* The same without waiting: *@got false when none is there yet. */
int seed_channel_try_receive(struct seed_channel *ch, struct seed_frame *out, bool *got,
			     struct seed_error *err);
/* Waits until all that was sent is with the kernel (flushed through the compressor). LINK,
 * CANCELLED. */
int seed_channel_drain(struct seed_channel *ch, struct seed_error *err);

/* On the wire, preambles, headers and ALIVE frames included. */
struct seed_channel_totals {
	uint64_t sent, received;		/* bytes as they crossed */
	uint64_t sent_plain, received_plain;	/* before and behind zstd */
};
void seed_channel_totals(struct seed_channel *ch, struct seed_channel_totals *out);

#endif
