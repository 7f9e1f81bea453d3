// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * One mutex for the pool and all its lanes: a job is 64 KiB of hashing at the
 * least, so the lock is idle nearly always. A lane is one list in submission
 * order,
 *
 *	oldest (next taken) ... done or running ... queued (first not started) ... newest
 *
 * of which workers consume at "queued" and the taker at "oldest". The order of
 * results is the order of the list: nothing else sorts them.
 */
#include "base/pool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"

struct seed_lane {
	struct seed_pool *pool;
	struct seed_lane *earlier;	/* the lane made before this one */
	struct seed_job *oldest, *queued, *newest;
	size_t depth, count;		/* jobs: at most, and now in the list or running inline */
	unsigned int running;
	unsigned int waiting;		/* threads asleep in submit or next */
	bool ended, aborted;
	pthread_cond_t room;		/* the submitter waits here */
	pthread_cond_t ready;		/* the taker waits here, and close */
};

struct seed_pool {
	pthread_mutex_t lock;
	pthread_mutex_t inline_lock;	/* serial twin: one job at a time, one scratch */
	pthread_cond_t work;		/* workers wait here */
	struct seed_lane *latest;	/* all lanes, the one made last first */
	unsigned int idle;		/* workers asleep */
	bool stopping;
	unsigned int workers, started;
	struct worker {
		struct seed_pool *pool;
		void *scratch;
		pthread_t thread;
	} *worker;			/* one even when serial */
	void (*scratch_free)(void *scratch);
};

static void run_job(struct seed_job *job, void *scratch)
{
	job->err.kind = SEED_ERR_NONE;
	job->err.sys_errno = 0;
	job->err.text[0] = '\0';
	job->status = job->run(job, scratch, &job->err);
}

/* The job to run next: of the lane made last that has one, so that later stages drain. */
static struct seed_job *take_queued(struct seed_pool *pool, struct seed_lane **from)
{
	for (struct seed_lane *lane = pool->latest; lane; lane = lane->earlier) {
		struct seed_job *job = lane->queued;

		if (!job || lane->aborted)
			continue;
		lane->queued = job->next;
		lane->running++;
		*from = lane;
		return job;
	}
	return NULL;
}

/* With the lock held: @job of @lane has run. */
static void finish_job(struct seed_lane *lane, struct seed_job *job)
{
	job->done = true;
	lane->running--;
	/* The taker waits for the oldest job, close for the last one that runs. */
	if (job == lane->oldest || lane->aborted)
		pthread_cond_broadcast(&lane->ready);
}

static void *work(void *arg)
{
	struct worker *self = arg;
	struct seed_pool *pool = self->pool;
	struct seed_lane *lane = NULL;
	struct seed_job *job;

	pthread_mutex_lock(&pool->lock);
	for (;;) {
		job = take_queued(pool, &lane);
		if (job) {
			pthread_mutex_unlock(&pool->lock);
			run_job(job, self->scratch);
			pthread_mutex_lock(&pool->lock);
			finish_job(lane, job);
		} else if (pool->stopping) {
			break;
		} else {
			pool->idle++;
			pthread_cond_wait(&pool->work, &pool->lock);
			pool->idle--;
		}
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* Signals belong to the threads of the program: workers take none. */
static int start_workers(struct seed_pool *pool, struct seed_error *err)
{
	sigset_t all, old;
	int rc = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (; pool->started < pool->workers && !rc; pool->started += !rc)
		rc = pthread_create(&pool->worker[pool->started].thread, NULL, work,
				    &pool->worker[pool->started]);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc ? seed_error_sys(err, rc, "start worker %u", pool->started + 1) : 0;
}

static int make_scratch(struct seed_pool *pool, const struct seed_pool_options *opt,
			struct seed_error *err)
{
	unsigned int count = opt->workers ? opt->workers : 1;

	pool->worker = calloc(count, sizeof(*pool->worker));
	if (!pool->worker)
		return seed_error_sys(err, ENOMEM, "pool of %u workers", count);
	for (unsigned int i = 0; i < count; i++) {
		pool->worker[i].pool = pool;
		if (!opt->scratch_new)
			continue;
		pool->worker[i].scratch = opt->scratch_new(opt->arg, err);
		if (!pool->worker[i].scratch)
			return -1;
	}
	return 0;
}

int seed_pool_new(struct seed_pool **out, const struct seed_pool_options *opt,
		  struct seed_error *err)
{
	SEED_AUTO(seed_pool_freep) struct seed_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return seed_error_sys(err, ENOMEM, "pool");
	pool->workers = opt->workers;
	pool->scratch_free = opt->scratch_free;
	pthread_mutex_init(&pool->lock, NULL);
	pthread_mutex_init(&pool->inline_lock, NULL);
	pthread_cond_init(&pool->work, NULL);
	if (make_scratch(pool, opt, err) < 0 || start_workers(pool, err) < 0)
		return -1;
	*out = seed_steal(&pool);
	return 0;
}

void seed_pool_free(struct seed_pool *pool)
{
	if (!pool)
		return;
	assert(!pool->latest);	/* a lane outlives its pool: our caller's bug */
	pthread_mutex_lock(&pool->lock);
	pool->stopping = true;
	pthread_cond_broadcast(&pool->work);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned int i = 0; i < pool->started; i++)
		pthread_join(pool->worker[i].thread, NULL);
	for (unsigned int i = 0; pool->worker && i < (pool->workers ? pool->workers : 1); i++)
		if (pool->worker[i].scratch && pool->scratch_free)
			pool->scratch_free(pool->worker[i].scratch);
	pthread_cond_destroy(&pool->work);
	pthread_mutex_destroy(&pool->inline_lock);
	pthread_mutex_destroy(&pool->lock);
	free(pool->worker);
	free(pool);
}

int seed_lane_open(struct seed_lane **out, struct seed_pool *pool, size_t depth,
		   struct seed_error *err)
{
	struct seed_lane *lane = calloc(1, sizeof(*lane));

	assert(depth > 0);
	if (!lane)
		return seed_error_sys(err, ENOMEM, "lane");
	lane->pool = pool;
	lane->depth = depth;
	pthread_cond_init(&lane->room, NULL);
	pthread_cond_init(&lane->ready, NULL);
	pthread_mutex_lock(&pool->lock);
	lane->earlier = pool->latest;
	pool->latest = lane;
	pthread_mutex_unlock(&pool->lock);
	*out = lane;
	return 0;
}

static void append(struct seed_lane *lane, struct seed_job *job)
{
	if (lane->oldest)
		lane->newest->next = job;
	else
		lane->oldest = job;
	lane->newest = job;
}

/* The serial twin: run first, unlocked, then append as done. A job counts as being
 * in the lane while it runs, and it is the only one of its lane that does. */
static void run_inline(struct seed_lane *lane, struct seed_job *job)
{
	struct seed_pool *pool = lane->pool;

	lane->running++;
	pthread_mutex_unlock(&pool->lock);
	pthread_mutex_lock(&pool->inline_lock);
	run_job(job, pool->worker[0].scratch);
	pthread_mutex_unlock(&pool->inline_lock);
	pthread_mutex_lock(&pool->lock);
	append(lane, job);
	finish_job(lane, job);
}

static bool submit(struct seed_lane *lane, struct seed_job *job, bool wait)
{
	struct seed_pool *pool = lane->pool;
	bool taken;

	pthread_mutex_lock(&pool->lock);
	assert(!lane->ended);
	while (wait && lane->count >= lane->depth && !lane->aborted) {
		lane->waiting++;
		pthread_cond_wait(&lane->room, &pool->lock);
		lane->waiting--;
	}
	taken = lane->count < lane->depth && !lane->aborted;
	if (taken) {
		job->done = false;
		job->next = NULL;
		lane->count++;
		if (pool->workers == 0) {
			run_inline(lane, job);
		} else {
			append(lane, job);
			if (!lane->queued)
				lane->queued = job;
			if (pool->idle)
				pthread_cond_signal(&pool->work);
		}
	}
	if (lane->aborted)	/* close may wait for us to leave */
		pthread_cond_broadcast(&lane->ready);
	pthread_mutex_unlock(&pool->lock);
	return taken;
}

bool seed_lane_submit(struct seed_lane *lane, struct seed_job *job)
{
	return submit(lane, job, true);
}

bool seed_lane_try_submit(struct seed_lane *lane, struct seed_job *job)
{
	return submit(lane, job, false);
}

void seed_lane_end(struct seed_lane *lane)
{
	pthread_mutex_lock(&lane->pool->lock);
	lane->ended = true;
	pthread_cond_broadcast(&lane->ready);
	pthread_mutex_unlock(&lane->pool->lock);
}

/* With the lock held: the taker must wait for more to happen. */
static bool nothing_ready(const struct seed_lane *lane)
{
	if (lane->aborted)
		return false;
	return lane->oldest ? !lane->oldest->done : !(lane->ended && lane->count == 0);
}

static struct seed_job *take(struct seed_lane *lane, bool wait)
{
	struct seed_pool *pool = lane->pool;
	struct seed_job *job = NULL;

	pthread_mutex_lock(&pool->lock);
	while (wait && nothing_ready(lane)) {
		lane->waiting++;
		pthread_cond_wait(&lane->ready, &pool->lock);
		lane->waiting--;
	}
	if (!lane->aborted && lane->oldest && lane->oldest->done) {
		job = lane->oldest;
		lane->oldest = job->next;
		lane->count--;
		job->next = NULL;
		pthread_cond_signal(&lane->room);
	}
	if (lane->aborted)
		pthread_cond_broadcast(&lane->ready);
	pthread_mutex_unlock(&pool->lock);
	return job;
}

struct seed_job *seed_lane_next(struct seed_lane *lane)
{
	return take(lane, true);
}

struct seed_job *seed_lane_try_next(struct seed_lane *lane)
{
	return take(lane, false);
}

void seed_lane_abort(struct seed_lane *lane)
{
	pthread_mutex_lock(&lane->pool->lock);
	lane->aborted = true;
	pthread_cond_broadcast(&lane->room);
	pthread_cond_broadcast(&lane->ready);
	pthread_mutex_unlock(&lane->pool->lock);
}

static void unlink_lane(struct seed_pool *pool, const struct seed_lane *lane)
{
	struct seed_lane **at = &pool->latest;

	while (*at != lane)
		at = &(*at)->earlier;
	*at = lane->earlier;
}

void seed_lane_close(struct seed_lane *lane, void (*drop)(struct seed_job *job))
{
	struct seed_pool *pool;
	struct seed_job *job, *next;

	if (!lane)
		return;
	pool = lane->pool;
	seed_lane_abort(lane);
	pthread_mutex_lock(&pool->lock);
	while (lane->running || lane->waiting)
		pthread_cond_wait(&lane->ready, &pool->lock);
	unlink_lane(pool, lane);
	pthread_mutex_unlock(&pool->lock);
	for (job = lane->oldest; job; job = next) {
		next = job->next;
		job->next = NULL;
		if (drop)
			drop(job);
	}
	pthread_cond_destroy(&lane->room);
	pthread_cond_destroy(&lane->ready);
	free(lane);
}
