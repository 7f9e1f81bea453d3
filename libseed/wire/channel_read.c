// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The reading thread: preamble, then frames into the queue. It alone judges whether the peer is
 * alive. It ends with the first error, which is the last thing that is received.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "wire/channel_internal.h"

#define GREETING 64u		/* bytes kept of a preamble that is none */
#define GREETING_MS 300u	/* how long the rest of its line is waited for */
#define ALIVE_RUN (1u << 20)	/* ALIVE frames in a row: zstd makes them nearly free to send */

struct reading {
	struct seed_channel *ch;
	struct seed_frame_reader *frames;
	uint64_t since_ms;	/* the last frame's end or the current one's first byte */
	uint64_t work_ms;	/* the last frame that was no ALIVE */
	uint64_t greeted_ms;
	unsigned int alive_run;
	uint8_t buf[SEED_CHANNEL_PIECE];
};

enum ready { READY, LATE, STOPPED };

/* Waits until there is something to read; @until_ms UINT64_MAX: for ever. */
static enum ready wait_readable(struct seed_channel *ch, uint64_t until_ms)
{
	for (;;) {
		struct pollfd fds[2] = { { .fd = ch->in, .events = POLLIN },
					 { .fd = ch->stop_reader, .events = POLLIN } };
		uint64_t now = seed_clock_ms();
		uint64_t left = until_ms > now ? until_ms - now : 0;
		int n = poll(fds, 2, left > 60000 ? 60000 : (int)left);

		if (fds[1].revents)
			return STOPPED;
		if (n > 0 && fds[0].revents)
			return READY;
		if (n == 0 && left == 0)
			return LATE;
	}
}

/* What there is, at most @room bytes: *@got. 0 at the end of the stream, also where a peer left
 * without reading what we sent. */
static int read_some(struct seed_channel *ch, void *buf, size_t room, size_t *got,
		     bool *again, struct seed_error *err)
{
	ssize_t n = read(ch->in, buf, room);
	char text[128];

	*again = n < 0 && (errno == EINTR || errno == EAGAIN);
	*got = n > 0 ? (size_t)n : 0;
	atomic_fetch_add(&ch->received, *got);
	if (n >= 0 || *again || errno == ECONNRESET)
		return 0;
	return seed_error_set(err, SEED_ERR_LINK, "the connection broke: %s",
			      strerror_r(errno, text, sizeof(text)));
}

/* Something else than a preamble: the rest of the line says more, if it comes soon. */
static int refuse_greeting(struct seed_channel *ch, uint8_t *buf, size_t len,
			   struct seed_error *err)
{
	uint64_t until = seed_clock_ms() + GREETING_MS;
	struct seed_error dropped;
	size_t got = 1;
	bool again;

	while (len < GREETING && wait_readable(ch, until) == READY) {
		if (read_some(ch, buf + len, GREETING - len, &got, &again, &dropped) < 0 ||
		    (!got && !again))
			break;
		len += got;
	}
	return seed_preamble_refuse(buf, len, err);
}

static int read_preamble(struct seed_channel *ch, struct seed_error *err)
{
	uint64_t until = ch->first_ms ? seed_clock_ms() + ch->first_ms : UINT64_MAX;
	uint8_t buf[GREETING];
	size_t len = 0, got, cmp;
	enum ready ready;
	bool again;

	while (len < SEED_PREAMBLE_SIZE) {
		ready = wait_readable(ch, until);
		if (ready == STOPPED)
			return seed_error_set(err, SEED_ERR_CANCELLED, "closed");
		if (ready == LATE)
			return seed_error_set(err, SEED_ERR_LINK, "the other side %s", len ?
					      "stopped in the middle of its greeting" :
					      "said nothing");
		if (read_some(ch, buf + len, SEED_PREAMBLE_SIZE - len, &got, &again, err) < 0)
			return -1;
		if (again)
			continue;
		if (!got)
			return seed_error_set(err, SEED_ERR_LINK,
					      "the other side ended before it said anything");
		if (!len)
			until = seed_clock_ms() + ch->quiet_ms;
		len += got;
		cmp = len < SEED_PREAMBLE_MAGIC_LEN ? len : SEED_PREAMBLE_MAGIC_LEN;
		if (memcmp(buf, SEED_PREAMBLE_MAGIC, cmp) != 0)
			return refuse_greeting(ch, buf, len, err);
	}
	return seed_preamble_check(buf, err);
}

/* Waits for room, and then for no more of the peer than it can have sent meanwhile. */
static void queue_frame(struct reading *r, struct seed_frame_node *node)
{
	struct seed_channel *ch = r->ch;

	pthread_mutex_lock(&ch->lock);
	while (!ch->stopping && ch->in_queue.cost >= SEED_CHANNEL_QUEUE)
		pthread_cond_wait(&ch->arrived_room, &ch->lock);
	frame_queue_push(&ch->in_queue, node);
	pthread_cond_signal(&ch->arrived);
	pthread_mutex_unlock(&ch->lock);
	r->work_ms = seed_clock_ms();
	r->alive_run = 0;
}

/* What lies behind START would be read with its window. */
static void await_admission(struct seed_channel *ch)
{
	pthread_mutex_lock(&ch->lock);
	ch->at_start = true;
	pthread_cond_signal(&ch->arrived);
	while (!ch->stopping && !ch->admitted)
		pthread_cond_wait(&ch->arrived_room, &ch->lock);
	pthread_mutex_unlock(&ch->lock);
}

static bool is_admitted(struct seed_channel *ch)
{
	bool admitted;

	pthread_mutex_lock(&ch->lock);
	admitted = ch->admitted;
	pthread_mutex_unlock(&ch->lock);
	return admitted;
}

/* A peer that proves nothing is let go, however alive it is. */
static int check_proof(const struct reading *r, struct seed_error *err)
{
	if (!r->ch->proof_ms || seed_clock_ms() - r->greeted_ms <= r->ch->proof_ms ||
	    is_admitted(r->ch))
		return 0;
	return seed_error_set(err, SEED_ERR_LINK,
			      "the other side did not prove who it is within %u seconds",
			      r->ch->proof_ms / 1000);
}

static int take_frame(struct reading *r, struct seed_frame_node *node, struct seed_error *err)
{
	if (node->type >= SEED_FRAME_FIRST) {
		queue_frame(r, node);
	} else {
		if (node->type == SEED_FRAME_START)
			await_admission(r->ch);
		r->alive_run++;
		free(node);
	}
	if (check_proof(r, err) < 0)
		return -1;
	r->since_ms = seed_clock_ms();
	if (r->since_ms - r->work_ms > r->ch->idle_ms)
		return seed_error_set(err, SEED_ERR_LINK,
				      "the other side is alive, and did nothing for %u minutes",
				      r->ch->idle_ms / 60000);
	if (r->alive_run > ALIVE_RUN)
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "the other side sends only ALIVE frames");
	return 0;
}

static int take_bytes(struct reading *r, size_t len, struct seed_error *err)
{
	struct seed_frame_node *node;
	size_t at = 0, used = 0;
	bool was_inside;
	int rc;

	do {
		was_inside = seed_frame_reader_inside(r->frames);
		rc = seed_frame_reader_feed(r->frames, r->buf + at, len - at, &used, &node, err);
		atomic_store(&r->ch->received_plain,
			     SEED_PREAMBLE_SIZE + seed_frame_reader_plain(r->frames));
		if (rc < 0)
			return -1;
		at += used;
		if (node && take_frame(r, node, err) < 0)
			return -1;
		if (!node && !was_inside && seed_frame_reader_inside(r->frames))
			r->since_ms = seed_clock_ms();
	} while (node);
	return 0;
}

static int went_silent(struct reading *r, struct seed_error *err)
{
	return seed_error_set(err, SEED_ERR_LINK, seed_frame_reader_inside(r->frames) ?
			      "the other side stopped in the middle of a frame" :
			      "the other side went silent");
}

static int read_frames(struct reading *r, struct seed_error *err)
{
	enum ready ready;
	bool again;
	size_t got;

	r->since_ms = r->work_ms = r->greeted_ms = seed_clock_ms();
	for (;;) {
		ready = wait_readable(r->ch, r->since_ms + r->ch->quiet_ms);
		if (ready == STOPPED)
			return seed_error_set(err, SEED_ERR_CANCELLED, "closed");
		if (ready == LATE)
			return went_silent(r, err);
		if (read_some(r->ch, r->buf, sizeof(r->buf), &got, &again, err) < 0)
			return -1;
		if (!got && !again)
			return seed_error_set(err, SEED_ERR_LINK,
					      seed_frame_reader_inside(r->frames) ?
					      "the connection ended inside a frame" :
					      "the other side closed the connection");
		if (got && take_bytes(r, got, err) < 0)
			return -1;
		/* Bytes that come one by one are never late for poll. Asked behind what they bring:
		 * a process that was stopped for a while finds it all in the pipe. */
		if (seed_clock_ms() > r->since_ms + r->ch->quiet_ms)
			return went_silent(r, err);
	}
}

static int read_all(struct seed_channel *ch, struct seed_error *err)
{
	SEED_AUTO(seed_freep) struct reading *r = malloc(sizeof(*r));
	SEED_AUTO(seed_frame_reader_freep) struct seed_frame_reader *frames = NULL;

	if (!r)
		return seed_error_sys(err, ENOMEM, "channel");
	if (seed_frame_reader_new(&frames, ch->window_log, err) < 0 || read_preamble(ch, err) < 0)
		return -1;
	atomic_store(&ch->received_plain, SEED_PREAMBLE_SIZE);
	pthread_mutex_lock(&ch->lock);
	ch->greeted = true;
	pthread_cond_signal(&ch->arrived);
	pthread_mutex_unlock(&ch->lock);
	r->ch = ch;
	r->frames = frames;
	r->alive_run = 0;
	return read_frames(r, err);
}

void *seed_channel_read_loop(void *arg)
{
	struct seed_channel *ch = arg;
	struct seed_error err = { 0 };

	read_all(ch, &err);
	pthread_mutex_lock(&ch->lock);
	ch->read_err = err;
	ch->reader_ended = true;
	pthread_cond_broadcast(&ch->arrived);
	pthread_cond_broadcast(&ch->outgoing_room);
	pthread_mutex_unlock(&ch->lock);
	return NULL;
}
