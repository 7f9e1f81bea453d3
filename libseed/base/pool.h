/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A bounded pool of workers with ordered lanes.
 *
 * A lane is a queue whose jobs run on any worker, in any order, but come back
 * from seed_lane_next() in the order of seed_lane_submit(). One thread
 * submits to a lane and one thread takes from it (they may be the same); any
 * number of lanes share a pool, so that one pipeline keeps all cores busy with
 * whatever stage has work. Lanes made earlier are served first only when
 * the others are empty: later stages drain before new work begins.
 *
 * With @workers 0 the pool is its own serial twin: jobs run inside submit, in
 * order, on the caller's thread, one at a time over all lanes. Same results,
 * repeatable failures. Workers take no signals.
 *
 * Jobs do no output I/O. A job that fails sets its @err; the taker sees it at
 * that job's place in the order, decides, and cancels the rest by closing.
 */
#ifndef SEED_BASE_POOL_H
#define SEED_BASE_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct seed_pool;
struct seed_lane;

struct seed_job {
	/* Runs on a worker; @scratch is that worker's own, see seed_pool_options. */
	int (*run)(struct seed_job *job, void *scratch, struct seed_error *err);
	int status;		/* what run returned; valid once taken */
	struct seed_error err;	/* set when status is -1 */
	struct seed_job *next;	/* the lane's */
	bool done;		/* the lane's */
};

struct seed_pool_options {
	unsigned int workers;				/* threads; 0 = serial twin */
	/* Per-worker scratch (compression contexts); NULL for none. */
	void *(*scratch_new)(void *arg, struct seed_error *err);
	void (*scratch_free)(void *scratch);
	void *arg;
};

int seed_pool_new(struct seed_pool **out, const struct seed_pool_options *opt,
		  struct seed_error *err);
/* All lanes are closed first. Joins the workers. NULL is fine. */
void seed_pool_free(struct seed_pool *pool);
static inline void seed_pool_freep(struct seed_pool **pool) { seed_pool_free(*pool); }

/* @depth: submit waits while this many jobs are in the lane (queued, running or done). */
int seed_lane_open(struct seed_lane **out, struct seed_pool *pool, size_t depth,
		   struct seed_error *err);
/* Takes @job until it is returned by seed_lane_next() or by closing. Returns false, with
 * the job not taken, once the lane was aborted. */
bool seed_lane_submit(struct seed_lane *lane, struct seed_job *job);
/* As submit, but never waits: false when the lane is full (or aborted). */
bool seed_lane_try_submit(struct seed_lane *lane, struct seed_job *job);
/* No more jobs will come: next returns NULL after the last one. */
void seed_lane_end(struct seed_lane *lane);
/* The oldest job, once it has run; waits for it. NULL: the lane ended (or was aborted). */
struct seed_job *seed_lane_next(struct seed_lane *lane);
/* As next, but NULL at once when the oldest job has not run yet. */
struct seed_job *seed_lane_try_next(struct seed_lane *lane);
/* Wake both sides with failure; running jobs finish, queued ones do not start. */
void seed_lane_abort(struct seed_lane *lane);
/* Waits for running jobs, then hands every job still in the lane to @drop (NULL: forgotten). */
void seed_lane_close(struct seed_lane *lane, void (*drop)(struct seed_job *job));

#endif
