// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The writing thread: preamble, then frames from the queue, compressed behind START, flushed when
 * nothing more is queued. It never gives up on a slow peer by itself before @idle_ms: whether the
 * peer is alive is the reading thread's to judge, and a peer with a full queue may be busy.
 *
 * The level follows where the time goes, counted over half a second: waiting for the link (or the
 * limit) raises it, compressing lowers it, waiting for frames leaves it.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "codec/zstd_stream.h"
#include "wire/channel_internal.h"
#include "wire/pace.h"

#define LINGER_MS 2u		/* a flush ends a job of zstd: more may come at once */
#define JUDGE_NS UINT64_C(500000000)

struct writing {
	struct seed_channel *ch;
	struct seed_zstd_writer *zstd;	/* behind START */
	bool unflushed;			/* zstd holds bytes back */
	int level;
	struct seed_pace pace;
	uint64_t last_ms;		/* when a frame last went out */
	uint64_t judged_ns, link_ns, zstd_ns;	/* time spent since @judged_ns */
	uint8_t buf[SEED_CHANNEL_PIECE];
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static int closed(struct seed_error *err)
{
	return seed_error_set(err, SEED_ERR_CANCELLED, "closed");
}

/* Until @out takes bytes (or, with @out false, only for @ns); -1: the channel is being closed. */
static int wait_link(struct seed_channel *ch, bool out, uint64_t ns, struct seed_error *err)
{
	struct pollfd fds[2] = { { .fd = ch->stop_writer, .events = POLLIN },
				 { .fd = ch->out, .events = POLLOUT } };
	struct timespec time = { .tv_sec = (time_t)(ns / UINT64_C(1000000000)),
				 .tv_nsec = (long)(ns % UINT64_C(1000000000)) };

	if (ppoll(fds, out ? 2 : 1, &time, NULL) > 0 && fds[0].revents)
		return closed(err);
	return 0;
}

static int write_failed(int errnum, struct seed_error *err)
{
	char text[128];

	if (errnum == EPIPE || errnum == ECONNRESET)
		return seed_error_set(err, SEED_ERR_LINK, "the other side closed the connection");
	return seed_error_set(err, SEED_ERR_LINK, "the connection broke: %s",
			      strerror_r(errnum, text, sizeof(text)));
}

/* One write or one wait: *@took bytes went. */
static int put_some(struct writing *w, const uint8_t *data, size_t len, size_t *took,
		    struct seed_error *err)
{
	struct seed_channel *ch = w->ch;
	uint64_t limit = atomic_load(&ch->limit), begun = now_ns(), wait_ns = 0;
	size_t may = seed_pace_ask(&w->pace, limit, begun, len, &wait_ns);
	ssize_t n;
	int rc = 0;

	*took = 0;
	if (!may) {	/* in slices: a limit that is lifted counts at once */
		rc = wait_link(ch, false, wait_ns < 100000000 ? wait_ns : 100000000, err);
		w->link_ns += now_ns() - begun;
		return rc;
	}
	n = write(ch->out, data, may);
	if (n < 0 && errno == EAGAIN) {
		rc = wait_link(ch, true, UINT64_C(1000000000), err);
		w->link_ns += now_ns() - begun;
		return rc;
	}
	if (n < 0)
		return errno == EINTR ? 0 : write_failed(errno, err);
	seed_pace_took(&w->pace, (size_t)n);
	atomic_fetch_add(&ch->sent, (uint64_t)n);
	*took = (size_t)n;
	return 0;
}

static int put(struct writing *w, const uint8_t *data, size_t len, struct seed_error *err)
{
	uint64_t moved_ms = seed_clock_ms();
	size_t took;

	for (size_t at = 0; at < len; at += took) {
		if (put_some(w, data + at, len - at, &took, err) < 0)
			return -1;
		if (took)
			moved_ms = seed_clock_ms();
		else if (seed_clock_ms() - moved_ms > w->ch->idle_ms)
			return seed_error_set(err, SEED_ERR_LINK,
					      "the other side reads nothing for %u minutes",
					      w->ch->idle_ms / 60000);
	}
	return 0;
}

static void judge_level(struct writing *w)
{
	uint64_t now = now_ns(), all = now - w->judged_ns;

	if (all < JUDGE_NS)
		return;
	if (w->link_ns > all / 2)
		w->level = seed_zstd_writer_level(w->zstd, w->level + 1);
	else if (w->link_ns < all / 10 && w->zstd_ns > all / 2)
		w->level = seed_zstd_writer_level(w->zstd, w->level - 1);
	w->judged_ns = now;
	w->link_ns = w->zstd_ns = 0;
}

static int put_zstd(struct writing *w, const uint8_t *data, size_t len, struct seed_error *err)
{
	size_t used = 0, made = 0;
	uint64_t begun;

	w->unflushed = true;
	for (size_t at = 0; at < len; at += used) {
		begun = now_ns();
		if (seed_zstd_write(w->zstd, data + at, len - at, &used, w->buf, sizeof(w->buf),
				    &made, err) < 0)
			return -1;
		w->zstd_ns += now_ns() - begun;
		if (put(w, w->buf, made, err) < 0)
			return -1;
	}
	judge_level(w);
	return 0;
}

static int flush(struct writing *w, struct seed_error *err)
{
	bool done = !w->unflushed;
	size_t made = 0;
	uint64_t begun;

	while (!done) {
		begun = now_ns();
		if (seed_zstd_flush(w->zstd, w->buf, sizeof(w->buf), &made, &done, err) < 0)
			return -1;
		w->zstd_ns += now_ns() - begun;
		if (put(w, w->buf, made, err) < 0)
			return -1;
	}
	w->unflushed = false;
	return 0;
}

static int put_frame(struct writing *w, const struct seed_frame_node *node,
		     struct seed_error *err)
{
	size_t len = SEED_FRAME_HEAD_SIZE + node->len;

	if ((w->zstd ? put_zstd(w, node->bytes, len, err) : put(w, node->bytes, len, err)) < 0)
		return -1;
	atomic_fetch_add(&w->ch->sent_plain, len);
	w->last_ms = seed_clock_ms();
	if (node->type != SEED_FRAME_START)
		return 0;
	w->judged_ns = now_ns();
	w->link_ns = w->zstd_ns = 0;
	/* Here and not in start(): zstd's own thread takes the signal mask of this one. */
	return seed_zstd_writer_new(&w->zstd, node->bytes[SEED_FRAME_HEAD_SIZE], err);
}

static int put_alive(struct writing *w, struct seed_error *err)
{
	SEED_AUTO(seed_freep) struct seed_frame_node *node =
		seed_frame_node_new(SEED_FRAME_ALIVE, 0);

	if (!node)
		return seed_error_sys(err, ENOMEM, "frame");
	return put_frame(w, node, err) < 0 || flush(w, err) < 0 ? -1 : 0;
}

/* The next frame; NULL when none came until @until_ms or, with @lingering, somebody drains. */
static struct seed_frame_node *next_frame(struct writing *w, uint64_t until_ms, bool lingering)
{
	struct seed_channel *ch = w->ch;
	struct seed_frame_node *node;

	pthread_mutex_lock(&ch->lock);
	ch->writer_busy = w->unflushed;
	if (!ch->writer_busy && !ch->out_queue.first && ch->drains)
		pthread_cond_broadcast(&ch->outgoing_room);
	while (!ch->stopping && !ch->out_queue.first && seed_clock_ms() < until_ms &&
	       !(lingering && ch->drains))
		seed_channel_wait(&ch->outgoing, &ch->lock, until_ms);
	node = ch->stopping ? NULL : frame_queue_pop(&ch->out_queue);
	if (node) {
		ch->writer_busy = true;
		pthread_cond_broadcast(&ch->outgoing_room);
	}
	pthread_mutex_unlock(&ch->lock);
	return node;
}

static bool is_stopping(struct seed_channel *ch)
{
	bool stopping;

	pthread_mutex_lock(&ch->lock);
	stopping = ch->stopping;
	pthread_mutex_unlock(&ch->lock);
	return stopping;
}

static int write_frames(struct writing *w, struct seed_error *err)
{
	struct seed_frame_node *node;
	uint64_t until;
	int rc;

	for (;;) {
		bool lingering = w->unflushed;

		until = lingering ? seed_clock_ms() + LINGER_MS : w->last_ms + w->ch->alive_ms;
		node = next_frame(w, until, lingering);
		if (node) {
			rc = put_frame(w, node, err);
			free(node);
		} else if (is_stopping(w->ch)) {
			return closed(err);
		} else if (lingering) {
			rc = flush(w, err);
		} else {
			rc = put_alive(w, err);
		}
		if (rc < 0)
			return -1;
	}
}

static int write_all(struct seed_channel *ch, struct seed_error *err)
{
	SEED_AUTO(seed_freep) struct writing *w = calloc(1, sizeof(*w));
	uint8_t preamble[SEED_PREAMBLE_SIZE];
	int rc;

	if (!w)
		return seed_error_sys(err, ENOMEM, "channel");
	w->ch = ch;
	w->level = SEED_ZSTD_LEVEL_START;
	w->last_ms = seed_clock_ms();
	seed_preamble_put(preamble);
	rc = put(w, preamble, sizeof(preamble), err);
	if (rc == 0) {
		atomic_fetch_add(&ch->sent_plain, sizeof(preamble));
		rc = write_frames(w, err);
	}
	seed_zstd_writer_free(w->zstd);
	return rc;
}

void *seed_channel_write_loop(void *arg)
{
	struct seed_channel *ch = arg;
	struct seed_error err = { 0 };

	write_all(ch, &err);
	pthread_mutex_lock(&ch->lock);
	ch->write_err = err;
	ch->writer_ended = true;
	ch->writer_ended_ms = seed_clock_ms();
	pthread_cond_broadcast(&ch->outgoing_room);
	pthread_cond_broadcast(&ch->arrived);
	pthread_mutex_unlock(&ch->lock);
	return NULL;
}
