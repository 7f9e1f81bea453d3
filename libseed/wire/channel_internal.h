/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the two threads of a channel and its callers share. Everything below @lock is looked at with
 * the lock held; what stands above it does not change after open, or is atomic.
 */
#ifndef SEED_WIRE_CHANNEL_INTERNAL_H
#define SEED_WIRE_CHANNEL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "wire/channel.h"
#include "wire/frame.h"

#define SEED_CHANNEL_QUEUE (4u << 20)	/* bytes, each way */
#define SEED_CHANNEL_PIECE (64u << 10)	/* bytes of one read or write */

struct frame_queue {
	struct seed_frame_node *first, *last;
	size_t cost;	/* bytes of memory */
};

struct seed_channel {
	int in, out;
	int in_flags, out_flags;		/* before us; -1: not known, not put back */
	int stop_reader, stop_writer;		/* eventfds: readable once the thread is to end */
	unsigned int quiet_ms, first_ms, alive_ms, idle_ms, proof_ms;
	unsigned int window_log;
	const struct seed_cancel *cancel;
	pthread_t reader, writer;
	bool reader_runs, writer_runs;		/* open and close alone */
	bool started;				/* START was queued: the sending thread's */
	struct seed_frame_node *current;	/* lent to who receives: that thread's */
	_Atomic uint64_t limit, sent, received, sent_plain, received_plain;

	pthread_mutex_t lock;
	pthread_cond_t arrived;		/* receive and open wait: a frame, a preamble, an end */
	pthread_cond_t arrived_room;	/* the reader waits: for room, or for admission */
	pthread_cond_t outgoing;	/* the writer waits: a frame, an end */
	pthread_cond_t outgoing_room;	/* send and drain wait */
	struct frame_queue in_queue, out_queue;
	bool stopping;
	bool greeted;			/* the peer's preamble is good */
	bool admitted;			/* it has proven itself, or need not */
	bool at_start;			/* the reader stands at its START until it is admitted */
	bool reader_ended, writer_ended;
	bool writer_busy;		/* took frames that are not all with the kernel */
	unsigned int drains;		/* who waits in drain: flush without lingering */
	uint64_t writer_ended_ms;
	struct seed_error read_err, write_err;
};

static inline void frame_queue_push(struct frame_queue *q, struct seed_frame_node *node)
{
	if (q->last)
		q->last->next = node;
	else
		q->first = node;
	q->last = node;
	q->cost += seed_frame_node_cost(node);
}

static inline struct seed_frame_node *frame_queue_pop(struct frame_queue *q)
{
	struct seed_frame_node *node = q->first;

	if (!node)
		return NULL;
	q->first = node->next;
	if (!q->first)
		q->last = NULL;
	node->next = NULL;
	q->cost -= seed_frame_node_cost(node);
	return node;
}

/* The threads; @arg is the channel. */
void *seed_channel_read_loop(void *arg);
void *seed_channel_write_loop(void *arg);

/* pthread_cond_timedwait() until a time of seed_clock_ms(). */
void seed_channel_wait(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t until_ms);

#endif
