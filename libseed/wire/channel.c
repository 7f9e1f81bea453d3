// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What callers see of a channel: queues, waiting, and which of two errors to tell. A peer that
 * goes away is met by both threads in any order. The reading one knows more (its last frame may say
 * why it went), so who meets the writing one's error waits a moment for the other.
 */
#include "wire/channel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "codec/zstd_stream.h"
#include "wire/channel_internal.h"

#define SLICE_MS 100u	/* how soon a cancel flag is seen */
#define GRACE_MS 1000u	/* for the other thread to meet the same end */

void seed_channel_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t until_ms)
{
	struct timespec until = { .tv_sec = (time_t)(until_ms / 1000),
				  .tv_nsec = (long)(until_ms % 1000) * 1000000 };

	pthread_cond_timedwait(cond, lock, &until);
}

static void wait_slice(struct seed_channel *ch, pthread_cond_t *cond)
{
	seed_channel_wait(cond, &ch->lock, seed_clock_ms() + SLICE_MS);
}

static void init_locks(struct seed_channel *ch)
{
	pthread_cond_t *conds[] = { &ch->arrived, &ch->arrived_room, &ch->outgoing,
				    &ch->outgoing_room };
	pthread_condattr_t attr;

	pthread_mutex_init(&ch->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	for (size_t i = 0; i < sizeof(conds) / sizeof(conds[0]); i++)
		pthread_cond_init(conds[i], &attr);
	pthread_condattr_destroy(&attr);
}

/* The flags belong to the open file, which others may share: put back at the end. */
static int set_nonblocking(int fd, int *before, struct seed_error *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return seed_error_sys(err, errno, "channel");
	*before = flags;
	return 0;
}

/* Signals belong to the threads of the program; SIGPIPE stays pending here and goes with the
 * thread. */
static int start_threads(struct seed_channel *ch, struct seed_error *err)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&ch->reader, NULL, seed_channel_read_loop, ch);
	ch->reader_runs = rc == 0;
	if (rc == 0) {
		rc = pthread_create(&ch->writer, NULL, seed_channel_write_loop, ch);
		ch->writer_runs = rc == 0;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc ? seed_error_sys(err, rc, "channel threads") : 0;
}

/* With the lock held: the peer is gone as far as the writing side saw, and the reading side had its
 * time to see more. */
static bool write_end_is_final(struct seed_channel *ch)
{
	return ch->writer_ended && seed_clock_ms() - ch->writer_ended_ms > GRACE_MS;
}

static int wait_greeting(struct seed_channel *ch, struct seed_error *err)
{
	int rc = 0;

	pthread_mutex_lock(&ch->lock);
	while (!ch->greeted && !ch->reader_ended && !write_end_is_final(ch)) {
		rc = seed_cancelled(ch->cancel, err);
		if (rc < 0)
			break;
		wait_slice(ch, &ch->arrived);
	}
	if (rc == 0 && !ch->greeted) {
		*err = ch->reader_ended ? ch->read_err : ch->write_err;
		rc = -1;
	}
	pthread_mutex_unlock(&ch->lock);
	return rc;
}

static struct seed_channel *new_channel(const struct seed_channel_options *opt)
{
	struct seed_channel *ch = calloc(1, sizeof(*ch));

	if (!ch)
		return NULL;
	ch->in = opt->in;
	ch->out = opt->out;
	ch->in_flags = ch->out_flags = ch->stop_reader = ch->stop_writer = -1;
	ch->quiet_ms = opt->quiet_ms ? opt->quiet_ms : 60000;
	ch->first_ms = opt->first_ms;
	ch->alive_ms = opt->alive_ms ? opt->alive_ms : 10000;
	ch->idle_ms = opt->idle_ms ? opt->idle_ms : 6u * 60 * 60 * 1000;
	ch->window_log = opt->window_log;
	ch->proof_ms = opt->proof_ms;
	ch->admitted = !opt->proof_ms;
	ch->cancel = opt->cancel;
	atomic_store(&ch->limit, opt->limit);
	return ch;
}

int seed_channel_open(struct seed_channel **out, const struct seed_channel_options *opt,
		      struct seed_error *err)
{
	struct seed_error local = { 0 };
	SEED_AUTO(seed_channel_closep) struct seed_channel *ch = new_channel(opt);

	if (!err)
		err = &local;
	if (!ch) {
		close(opt->in);
		if (opt->out != opt->in)
			close(opt->out);
		return seed_error_sys(err, ENOMEM, "channel");
	}
	init_locks(ch);
	ch->stop_reader = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ch->stop_writer = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ch->stop_reader < 0 || ch->stop_writer < 0)
		return seed_error_sys(err, errno, "channel");
	if (set_nonblocking(ch->in, &ch->in_flags, err) < 0 ||
	    (ch->out != ch->in && set_nonblocking(ch->out, &ch->out_flags, err) < 0) ||
	    start_threads(ch, err) < 0 || wait_greeting(ch, err) < 0)
		return -1;
	*out = seed_steal(&ch);
	return 0;
}

static void free_queue(struct frame_queue *q)
{
	for (struct seed_frame_node *node = frame_queue_pop(q); node; node = frame_queue_pop(q))
		free(node);
}

static void stop_threads(struct seed_channel *ch)
{
	uint64_t one = 1;

	pthread_mutex_lock(&ch->lock);
	ch->stopping = true;
	pthread_cond_broadcast(&ch->outgoing);
	pthread_cond_broadcast(&ch->arrived_room);
	pthread_mutex_unlock(&ch->lock);
	/* A counter of 0 always takes 1. */
	if (ch->reader_runs && write(ch->stop_reader, &one, sizeof(one)) == (ssize_t)sizeof(one))
		pthread_join(ch->reader, NULL);
	if (ch->writer_runs && write(ch->stop_writer, &one, sizeof(one)) == (ssize_t)sizeof(one))
		pthread_join(ch->writer, NULL);
}

void seed_channel_close(struct seed_channel *ch)
{
	if (!ch)
		return;
	stop_threads(ch);
	if (ch->in_flags >= 0)
		fcntl(ch->in, F_SETFL, ch->in_flags);
	if (ch->out_flags >= 0)
		fcntl(ch->out, F_SETFL, ch->out_flags);
	if (ch->in >= 0)
		close(ch->in);
	if (ch->out >= 0 && ch->out != ch->in)
		close(ch->out);
	if (ch->stop_reader >= 0)
		close(ch->stop_reader);
	if (ch->stop_writer >= 0)
		close(ch->stop_writer);
	free_queue(&ch->in_queue);
	free_queue(&ch->out_queue);
	free(ch->current);
	pthread_cond_destroy(&ch->arrived);
	pthread_cond_destroy(&ch->arrived_room);
	pthread_cond_destroy(&ch->outgoing);
	pthread_cond_destroy(&ch->outgoing_room);
	pthread_mutex_destroy(&ch->lock);
	free(ch);
}

/* With the lock held: nothing that is sent can arrive any more. */
static int check_peer(struct seed_channel *ch, struct seed_error *err)
{
	while (ch->writer_ended && !ch->reader_ended && !write_end_is_final(ch)) {
		if (seed_cancelled(ch->cancel, err) < 0)
			return -1;
		wait_slice(ch, &ch->outgoing_room);
	}
	if (!ch->writer_ended && !ch->reader_ended)
		return 0;
	if (err)
		*err = ch->reader_ended ? ch->read_err : ch->write_err;
	return -1;
}

/* Takes @node, also on failure. */
static int queue_out(struct seed_channel *ch, struct seed_frame_node *node, struct seed_error *err)
{
	int rc;

	pthread_mutex_lock(&ch->lock);
	for (;;) {
		rc = seed_cancelled(ch->cancel, err) < 0 || check_peer(ch, err) < 0 ? -1 : 0;
		if (rc < 0 || !ch->out_queue.first ||
		    ch->out_queue.cost + seed_frame_node_cost(node) <= SEED_CHANNEL_QUEUE)
			break;
		wait_slice(ch, &ch->outgoing_room);
	}
	if (rc == 0) {
		frame_queue_push(&ch->out_queue, node);
		pthread_cond_signal(&ch->outgoing);
	}
	pthread_mutex_unlock(&ch->lock);
	if (rc < 0)
		free(node);
	return rc;
}

int seed_channel_send2(struct seed_channel *ch, uint8_t type, const void *head, size_t head_len,
		       const void *data, size_t len, struct seed_error *err)
{
	struct seed_frame_node *node;

	assert(type >= SEED_FRAME_FIRST);
	if (head_len > SEED_FRAME_MAX || len > SEED_FRAME_MAX - head_len)
		return seed_error_set(err, SEED_ERR_RANGE, "a frame of %zu bytes (at most %u)",
				      head_len + len, SEED_FRAME_MAX);
	node = seed_frame_node_new(type, (uint32_t)(head_len + len));
	if (!node)
		return seed_error_sys(err, ENOMEM, "frame");
	if (head_len)
		memcpy(node->bytes + SEED_FRAME_HEAD_SIZE, head, head_len);
	if (len)
		memcpy(node->bytes + SEED_FRAME_HEAD_SIZE + head_len, data, len);
	return queue_out(ch, node, err);
}

int seed_channel_send(struct seed_channel *ch, uint8_t type, const void *data, size_t len,
		      struct seed_error *err)
{
	return seed_channel_send2(ch, type, data, len, NULL, 0, err);
}

int seed_channel_start(struct seed_channel *ch, unsigned int window_log, struct seed_error *err)
{
	struct seed_frame_node *node;

	if (ch->started)
		return seed_error_set(err, SEED_ERR_USAGE, "the stream was started before");
	if (window_log < SEED_ZSTD_WINDOW_MIN || window_log > SEED_WIRE_WINDOW_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "no window of 2^%u bytes", window_log);
	node = seed_frame_node_new(SEED_FRAME_START, 1);
	if (!node)
		return seed_error_sys(err, ENOMEM, "frame");
	node->bytes[SEED_FRAME_HEAD_SIZE] = (uint8_t)window_log;
	ch->started = true;
	return queue_out(ch, node, err);
}

void seed_channel_limit(struct seed_channel *ch, uint64_t bytes_per_second)
{
	atomic_store(&ch->limit, bytes_per_second);
}

void seed_channel_admit(struct seed_channel *ch)
{
	pthread_mutex_lock(&ch->lock);
	ch->admitted = true;
	pthread_cond_signal(&ch->arrived_room);
	pthread_mutex_unlock(&ch->lock);
}

/* With the lock held: why no frame will come, once the queue is empty. */
static int check_arrivals(struct seed_channel *ch, struct seed_error *err)
{
	if (ch->reader_ended || write_end_is_final(ch)) {
		if (err)
			*err = ch->reader_ended ? ch->read_err : ch->write_err;
		return -1;
	}
	/* A proof stands before START, and who admits does not receive meanwhile: it was none. */
	if (ch->at_start && !ch->admitted)
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "the other side starts a zstd stream before it has proven "
				      "who it is");
	return seed_cancelled(ch->cancel, err);
}

/* Frames that came before the end are given first. */
static int receive(struct seed_channel *ch, struct seed_frame *out, bool wait, bool *got,
		   struct seed_error *err)
{
	struct seed_frame_node *node;
	int rc = 0;

	pthread_mutex_lock(&ch->lock);
	while (rc == 0 && !ch->in_queue.first) {
		rc = check_arrivals(ch, err);
		if (rc < 0 || !wait)
			break;
		wait_slice(ch, &ch->arrived);
	}
	node = rc == 0 ? frame_queue_pop(&ch->in_queue) : NULL;
	if (node)
		pthread_cond_signal(&ch->arrived_room);
	pthread_mutex_unlock(&ch->lock);
	*got = node;
	if (!node)
		return rc;
	free(ch->current);
	ch->current = node;
	*out = (struct seed_frame){ .type = node->type, .len = node->len,
				    .data = node->bytes + SEED_FRAME_HEAD_SIZE };
	return 0;
}

int seed_channel_receive(struct seed_channel *ch, struct seed_frame *out, struct seed_error *err)
{
	bool got;

	if (seed_cancelled(ch->cancel, err) < 0)
		return -1;
	return receive(ch, out, true, &got, err);
}

int seed_channel_try_receive(struct seed_channel *ch, struct seed_frame *out, bool *got,
			     struct seed_error *err)
{
	*got = false;
	return receive(ch, out, false, got, err);
}

/* A peer that ended may have taken all before: the writing side has a moment to tell. */
int seed_channel_drain(struct seed_channel *ch, struct seed_error *err)
{
	uint64_t ended_ms = 0;
	int rc = 0;

	pthread_mutex_lock(&ch->lock);
	ch->drains++;
	pthread_cond_signal(&ch->outgoing);
	while (rc == 0 && (ch->out_queue.first || ch->writer_busy)) {
		if (ch->reader_ended && !ended_ms)
			ended_ms = seed_clock_ms();
		rc = seed_cancelled(ch->cancel, err);
		if (rc == 0 && (ch->writer_ended ||
				(ended_ms && seed_clock_ms() - ended_ms > GRACE_MS)))
			rc = check_peer(ch, err);
		else if (rc == 0)
			wait_slice(ch, &ch->outgoing_room);
	}
	ch->drains--;
	pthread_mutex_unlock(&ch->lock);
	return rc;
}

void seed_channel_totals(struct seed_channel *ch, struct seed_channel_totals *out)
{
	out->sent = atomic_load(&ch->sent);
	out->received = atomic_load(&ch->received);
	out->sent_plain = atomic_load(&ch->sent_plain);
	out->received_plain = atomic_load(&ch->received_plain);
}
