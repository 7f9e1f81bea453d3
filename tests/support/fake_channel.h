/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A channel without threads and descriptors, for one program: these definitions stand in for
 * wire/channel.c wherever they are included. The peer is a pair of functions on the same
 * thread, so thousands of exchanges a second are possible, and each is repeatable.
 */
#ifndef TESTS_FAKE_CHANNEL_H
#define TESTS_FAKE_CHANNEL_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/channel.h"

struct fake_peer {
	/* One frame from us to the peer. */
	void (*take)(void *arg, uint8_t type, const uint8_t *data, size_t len);
	/* The next frame of the peer, borrowed until the next call; false: it has none. */
	bool (*give)(void *arg, struct seed_frame *out);
	void *arg;
};

struct seed_channel {
	struct fake_peer peer;
	uint64_t sent, received;
};

static inline struct seed_channel *fake_channel(const struct fake_peer *peer)
{
	struct seed_channel *ch = calloc(1, sizeof(*ch));

	if (!ch)
		abort();
	ch->peer = *peer;
	return ch;
}

/* The channel that seed_channel_open() gives next; its descriptors are closed. */
static struct seed_channel *fake_channel_next;

int seed_channel_open(struct seed_channel **out, const struct seed_channel_options *opt,
		      struct seed_error *err)
{
	close(opt->in);
	if (opt->out != opt->in)
		close(opt->out);
	if (!fake_channel_next)
		return seed_error_set(err, SEED_ERR_LINK, "nobody is there");
	*out = fake_channel_next;
	fake_channel_next = NULL;
	return 0;
}

void seed_channel_close(struct seed_channel *ch)
{
	free(ch);
}

int seed_channel_start(struct seed_channel *ch, unsigned int window_log, struct seed_error *err)
{
	(void)ch;
	(void)window_log;
	(void)err;
	return 0;
}

void seed_channel_admit(struct seed_channel *ch)
{
	(void)ch;
}

void seed_channel_limit(struct seed_channel *ch, uint64_t bytes_per_second)
{
	(void)ch;
	(void)bytes_per_second;
}

int seed_channel_send2(struct seed_channel *ch, uint8_t type, const void *head, size_t head_len,
		       const void *data, size_t len, struct seed_error *err)
{
	/* Exactly as long as the frame, so that a sanitizer sees who reads past its end. */
	uint8_t *frame;

	if (head_len > SEED_FRAME_MAX || len > SEED_FRAME_MAX - head_len)
		return seed_error_set(err, SEED_ERR_RANGE, "a frame of %zu bytes", head_len + len);
	frame = malloc(head_len + len + (head_len + len == 0));
	if (!frame)
		abort();
	if (head_len)
		memcpy(frame, head, head_len);
	if (len)
		memcpy(frame + head_len, data, len);
	ch->sent += head_len + len;
	ch->peer.take(ch->peer.arg, type, frame, head_len + len);
	free(frame);
	return 0;
}

int seed_channel_send(struct seed_channel *ch, uint8_t type, const void *data, size_t len,
		      struct seed_error *err)
{
	return seed_channel_send2(ch, type, data, len, NULL, 0, err);
}

int seed_channel_receive(struct seed_channel *ch, struct seed_frame *out, struct seed_error *err)
{
	if (!ch->peer.give(ch->peer.arg, out))
		return seed_error_set(err, SEED_ERR_LINK, "the other side ended");
	ch->received += out->len;
	return 0;
}

/* A peer that has nothing more may yet be sent something: no end is told here. */
int seed_channel_try_receive(struct seed_channel *ch, struct seed_frame *out, bool *got,
			     struct seed_error *err)
{
	(void)err;
	*got = ch->peer.give(ch->peer.arg, out);
	ch->received += *got ? out->len : 0;
	return 0;
}

int seed_channel_drain(struct seed_channel *ch, struct seed_error *err)
{
	(void)ch;
	(void)err;
	return 0;
}

void seed_channel_totals(struct seed_channel *ch, struct seed_channel_totals *out)
{
	*out = (struct seed_channel_totals){ .sent = ch->sent, .received = ch->received,
					     .sent_plain = ch->sent,
					     .received_plain = ch->received };
}

#endif
