// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/pool.h"

/* A job of the tests: squares a number, sleeping and failing as told. */
struct square {
	struct seed_job job;	/* first: a job is cast back */
	uint64_t in, out;
	unsigned int sleep_us;
	bool fail;
	bool ran, dropped;
};

static int square(struct seed_job *job, void *scratch, struct seed_error *err)
{
	struct square *s = (struct square *)job;

	(void)scratch;
	if (s->sleep_us)
		usleep(s->sleep_us);
	s->ran = true;
	s->out = s->in * s->in;
	return s->fail ? seed_error_set(err, SEED_ERR_INTEGRITY, "job %u", (unsigned int)s->in) : 0;
}

static struct square *squares_new(size_t count, unsigned int max_sleep_us)
{
	struct square *s = calloc(count, sizeof(*s));

	assert_non_null(s);
	for (size_t i = 0; i < count; i++) {
		s[i].job.run = square;
		s[i].in = i;
		s[i].sleep_us = max_sleep_us ? (unsigned int)rand() % max_sleep_us : 0;
	}
	return s;
}

static struct seed_pool *pool_of(unsigned int workers)
{
	struct seed_pool_options opt = { .workers = workers };
	struct seed_error err = { 0 };
	struct seed_pool *pool = NULL;

	assert_ok(seed_pool_new(&pool, &opt, &err), &err);
	return pool;
}

static struct seed_lane *lane_of(struct seed_pool *pool, size_t depth)
{
	struct seed_error err = { 0 };
	struct seed_lane *lane = NULL;

	assert_ok(seed_lane_open(&lane, pool, depth, &err), &err);
	return lane;
}

/* --- order --- */

struct feed {
	struct seed_lane *lane;
	struct square *squares;
	size_t count, refused;
};

static void *submit_all(void *arg)
{
	struct feed *feed = arg;

	for (size_t i = 0; i < feed->count; i++)
		if (!seed_lane_submit(feed->lane, &feed->squares[i].job))
			feed->refused++;
	seed_lane_end(feed->lane);
	return NULL;
}

static void check_order(unsigned int workers, size_t depth)
{
	SEED_AUTO(seed_pool_freep) struct seed_pool *pool = pool_of(workers);
	struct feed feed = { .lane = lane_of(pool, depth), .count = 400 };
	pthread_t submitter;
	struct seed_job *job;
	size_t at = 0;

	feed.squares = squares_new(feed.count, 300);
	assert_int_equal(pthread_create(&submitter, NULL, submit_all, &feed), 0);
	while ((job = seed_lane_next(feed.lane))) {
		assert_ptr_equal(job, &feed.squares[at].job);
		assert_int_equal(feed.squares[at].out, at * at);
		assert_int_equal(job->status, 0);
		at++;
	}
	assert_int_equal(at, feed.count);
	assert_null(seed_lane_next(feed.lane));	/* and stays so */
	pthread_join(submitter, NULL);
	assert_int_equal(feed.refused, 0);
	seed_lane_close(feed.lane, NULL);
	free(feed.squares);
}

static void results_come_in_submission_order(void **state)
{
	(void)state;
	for (unsigned int workers = 0; workers <= 4; workers++)
		for (size_t depth = 1; depth <= 33; depth += 16)
			check_order(workers, depth);
}

static void one_thread_can_submit_and_take(void **state)
{
	(void)state;
	for (unsigned int workers = 0; workers <= 3; workers++) {
		SEED_AUTO(seed_pool_freep) struct seed_pool *pool = pool_of(workers);
		struct seed_lane *lane = lane_of(pool, 4);
		struct square *s = squares_new(200, 50);
		size_t in = 0, out = 0;

		while (out < 200) {
			while (in < 200 && seed_lane_try_submit(lane, &s[in].job))
				in++;
			assert_true(in - out <= 4);
			assert_ptr_equal(seed_lane_next(lane), &s[out].job);
			out++;
		}
		seed_lane_close(lane, NULL);
		free(s);
	}
}

/* --- bounds --- */

struct gate {
	struct seed_job job;
	sem_t *started, *release;
};

static int wait_at_gate(struct seed_job *job, void *scratch, struct seed_error *err)
{
	struct gate *gate = (struct gate *)job;

	(void)scratch;
	(void)err;
	sem_post(gate->started);
	while (sem_wait(gate->release) < 0 && errno == EINTR)
		;
	return 0;
}

static void a_full_lane_takes_no_more(void **state)
{
	SEED_AUTO(seed_pool_freep) struct seed_pool *pool = pool_of(1);
	struct seed_lane *lane = lane_of(pool, 2);
	struct square *s = squares_new(2, 0);
	struct gate gate = { .job.run = wait_at_gate };
	sem_t started, release;

	(void)state;
	sem_init(&started, 0, 0);
	sem_init(&release, 0, 0);
	gate.started = &started;
	gate.release = &release;
	assert_true(seed_lane_try_submit(lane, &gate.job));
	sem_wait(&started);
	assert_null(seed_lane_try_next(lane));		/* it runs: not ready */
	assert_true(seed_lane_try_submit(lane, &s[0].job));
	assert_false(seed_lane_try_submit(lane, &s[1].job));
	assert_null(seed_lane_try_next(lane));
	sem_post(&release);
	assert_ptr_equal(seed_lane_next(lane), &gate.job);
	assert_true(seed_lane_try_submit(lane, &s[1].job));
	assert_ptr_equal(seed_lane_next(lane), &s[0].job);
	assert_ptr_equal(seed_lane_next(lane), &s[1].job);
	seed_lane_end(lane);
	assert_null(seed_lane_try_next(lane));
	seed_lane_close(lane, NULL);
	free(s);
	sem_destroy(&started);
	sem_destroy(&release);
}

/* --- priority --- */

struct trace {
	struct seed_job job;
	int id, *log;
	atomic_int *at;
};

static int log_turn(struct seed_job *job, void *scratch, struct seed_error *err)
{
	struct trace *t = (struct trace *)job;

	(void)scratch;
	(void)err;
	t->log[atomic_fetch_add(t->at, 1)] = t->id;
	return 0;
}

static void later_lanes_drain_first(void **state)
{
	SEED_AUTO(seed_pool_freep) struct seed_pool *pool = pool_of(1);
	struct seed_lane *lanes[3] = { lane_of(pool, 8), lane_of(pool, 8), lane_of(pool, 8) };
	struct gate gate = { .job.run = wait_at_gate };
	static const int expected[] = { 2, 2, 1, 1, 0, 0 };
	struct trace traces[6];
	int log[6] = { 0 };
	sem_t started, release;
	atomic_int at = 0;

	(void)state;
	sem_init(&started, 0, 0);
	sem_init(&release, 0, 0);
	gate.started = &started;
	gate.release = &release;
	assert_true(seed_lane_submit(lanes[1], &gate.job));
	sem_wait(&started);	/* the only worker is held: all six queue up */
	for (int i = 0; i < 6; i++) {
		traces[i] = (struct trace){ .job.run = log_turn, .id = i % 3, .log = log,
					    .at = &at };
		assert_true(seed_lane_submit(lanes[i % 3], &traces[i].job));
	}
	sem_post(&release);
	assert_ptr_equal(seed_lane_next(lanes[1]), &gate.job);
	for (int i = 0; i < 6; i++)
		assert_ptr_equal(seed_lane_next(lanes[i % 3]), &traces[i].job);
	assert_memory_equal(log, expected, sizeof(expected));
	for (int i = 0; i < 3; i++)
		seed_lane_close(lanes[i], NULL);
	sem_destroy(&started);
	sem_destroy(&release);
}

/* --- errors --- */

static void an_error_comes_at_its_place(void **state)
{
	(void)state;
	for (unsigned int workers = 0; workers <= 3; workers++) {
		SEED_AUTO(seed_pool_freep) struct seed_pool *pool = pool_of(workers);
		struct seed_lane *lane = lane_of(pool, 100);
		struct square *s = squares_new(100, 100);

		s[40].fail = true;
		for (size_t i = 0; i < 100; i++)
			assert_true(seed_lane_submit(lane, &s[i].job));
		seed_lane_end(lane);
		for (size_t i = 0; i < 100; i++) {
			struct seed_job *job = seed_lane_next(lane);

			assert_ptr_equal(job, &s[i].job);
			assert_int_equal(job->status, i == 40 ? -1 : 0);
			assert_int_equal(job->err.kind, i == 40 ? SEED_ERR_INTEGRITY : SEED_ERR_NONE);
			if (i == 40)
				assert_string_equal(job->err.text, "job 40");
		}
		assert_null(seed_lane_next(lane));
		seed_lane_close(lane, NULL);
		free(s);
	}
}

static void a_job_can_be_submitted_again(void **state)
{
	(void)state;
	for (unsigned int workers = 0; workers <= 2; workers++) {
		SEED_AUTO(seed_pool_freep) struct seed_pool *pool = pool_of(workers);
		struct seed_lane *lane = lane_of(pool, 1);
		struct square *s = squares_new(1, 0);

		for (int i = 0; i < 50; i++) {
			s->in = (uint64_t)i;
			s->fail = i % 2 == 0;
			assert_true(seed_lane_submit(lane, &s->job));
			assert_ptr_equal(seed_lane_next(lane), &s->job);
			assert_int_equal(s->out, i * i);
			assert_int_equal(s->job.status, i % 2 ? 0 : -1);
			assert_int_equal(s->job.err.kind, i % 2 ? SEED_ERR_NONE : SEED_ERR_INTEGRITY);
		}
		seed_lane_close(lane, NULL);
		free(s);
	}
}

/* --- abort and close --- */

static void drop_square(struct seed_job *job)
{
	((struct square *)job)->dropped = true;
}

static void check_abort(unsigned int workers, size_t take)
{
	SEED_AUTO(seed_pool_freep) struct seed_pool *pool = pool_of(workers);
	struct feed feed = { .lane = lane_of(pool, 8), .count = 300 };
	size_t dropped = 0;
	pthread_t submitter;

	feed.squares = squares_new(feed.count, 60);
	assert_int_equal(pthread_create(&submitter, NULL, submit_all, &feed), 0);
	for (size_t i = 0; i < take; i++)
		assert_ptr_equal(seed_lane_next(feed.lane), &feed.squares[i].job);
	seed_lane_abort(feed.lane);
	assert_null(seed_lane_next(feed.lane));
	assert_null(seed_lane_try_next(feed.lane));
	pthread_join(submitter, NULL);		/* a waiting submit was woken */
	seed_lane_close(feed.lane, drop_square);
	for (size_t i = 0; i < feed.count; i++) {
		dropped += feed.squares[i].dropped;
		assert_false(feed.squares[i].dropped && i < take);
	}
	/* Every job was taken, dropped or refused: none is lost, none comes twice. */
	assert_int_equal(take + dropped + feed.refused, feed.count);
	free(feed.squares);
}

static void abort_in_the_middle_loses_no_job(void **state)
{
	(void)state;
	for (unsigned int workers = 0; workers <= 3; workers++)
		for (size_t take = 0; take < 250; take += 50)
			check_abort(workers, take);
}

static void *take_all(void *arg)
{
	while (seed_lane_next(arg))
		;
	return NULL;
}

static void abort_wakes_a_waiting_taker(void **state)
{
	(void)state;
	for (unsigned int workers = 0; workers <= 2; workers++) {
		SEED_AUTO(seed_pool_freep) struct seed_pool *pool = pool_of(workers);
		struct seed_lane *lane = lane_of(pool, 2);
		pthread_t taker;

		assert_int_equal(pthread_create(&taker, NULL, take_all, lane), 0);
		usleep(2000);
		seed_lane_abort(lane);
		pthread_join(taker, NULL);
		assert_false(seed_lane_submit(lane, NULL));
		seed_lane_close(lane, NULL);
	}
}

static void end_wakes_a_waiting_taker(void **state)
{
	SEED_AUTO(seed_pool_freep) struct seed_pool *pool = pool_of(2);
	struct seed_lane *lane = lane_of(pool, 2);
	pthread_t taker;

	(void)state;
	assert_int_equal(pthread_create(&taker, NULL, take_all, lane), 0);
	usleep(2000);
	seed_lane_end(lane);
	pthread_join(taker, NULL);
	seed_lane_close(lane, NULL);
}

static void close_waits_for_running_jobs_and_starts_no_others(void **state)
{
	SEED_AUTO(seed_pool_freep) struct seed_pool *pool = pool_of(2);
	struct seed_lane *lane = lane_of(pool, 10);
	struct square *s = squares_new(10, 0);
	size_t ran = 0;

	(void)state;
	for (size_t i = 0; i < 10; i++) {
		s[i].sleep_us = 30000;
		assert_true(seed_lane_submit(lane, &s[i].job));
	}
	usleep(5000);
	seed_lane_close(lane, drop_square);
	for (size_t i = 0; i < 10; i++) {
		assert_true(s[i].dropped);
		assert_int_equal(s[i].job.done, s[i].ran);
		ran += s[i].ran;
	}
	assert_true(ran < 10);
	free(s);	/* the sanitizers see a job that still ran */
}

static void closing_one_lane_leaves_the_others(void **state)
{
	SEED_AUTO(seed_pool_freep) struct seed_pool *pool = pool_of(2);
	struct seed_lane *lanes[3] = { lane_of(pool, 5), lane_of(pool, 5), lane_of(pool, 5) };
	struct square *s = squares_new(15, 500);

	(void)state;
	for (size_t i = 0; i < 15; i++)
		assert_true(seed_lane_submit(lanes[i % 3], &s[i].job));
	seed_lane_close(lanes[1], drop_square);
	for (size_t i = 0; i < 15; i++)
		if (i % 3 != 1)
			assert_ptr_equal(seed_lane_next(lanes[i % 3]), &s[i].job);
	seed_lane_close(lanes[2], NULL);
	seed_lane_close(lanes[0], NULL);
	seed_lane_close(NULL, NULL);
	free(s);
}

/* --- scratch --- */

struct scratch_arg {
	int made, freed, fail_at;
};

struct scratch {
	struct scratch_arg *arg;
	atomic_int users;
};

static void *scratch_new(void *arg, struct seed_error *err)
{
	struct scratch_arg *a = arg;
	struct scratch *scratch = calloc(1, sizeof(*scratch));

	if (!scratch || ++a->made == a->fail_at) {
		free(scratch);
		a->made--;
		seed_error_sys(err, ENOMEM, "scratch");
		return NULL;
	}
	scratch->arg = a;
	return scratch;
}

static void scratch_free(void *scratch)
{
	((struct scratch *)scratch)->arg->freed++;
	free(scratch);
}

static int use_scratch(struct seed_job *job, void *scratch, struct seed_error *err)
{
	struct scratch *s = scratch;
	bool alone = atomic_fetch_add(&s->users, 1) == 0;

	(void)job;
	usleep(100);
	atomic_fetch_sub(&s->users, 1);
	return alone ? 0 : seed_error_set(err, SEED_ERR_RANGE, "scratch is shared");
}

static void *submit_20(void *arg)
{
	struct feed *feed = arg;

	for (size_t i = 0; i < 20; i++) {
		feed->squares[i].job.run = use_scratch;
		if (!seed_lane_submit(feed->lane, &feed->squares[i].job))
			abort();
	}
	return NULL;
}

static void each_worker_has_its_own_scratch(void **state)
{
	(void)state;
	for (unsigned int workers = 0; workers <= 3; workers++) {
		struct scratch_arg arg = { 0 };
		struct seed_pool_options opt = { .workers = workers, .scratch_new = scratch_new,
						 .scratch_free = scratch_free, .arg = &arg };
		struct seed_error err = { 0 };
		struct seed_pool *pool = NULL;
		struct feed feeds[2];
		pthread_t threads[2];

		assert_ok(seed_pool_new(&pool, &opt, &err), &err);
		assert_int_equal(arg.made, workers ? workers : 1);
		for (int i = 0; i < 2; i++) {
			feeds[i] = (struct feed){ .lane = lane_of(pool, 20),
						  .squares = squares_new(20, 0) };
			assert_int_equal(pthread_create(&threads[i], NULL, submit_20, &feeds[i]), 0);
		}
		for (int i = 0; i < 2; i++) {
			pthread_join(threads[i], NULL);
			for (size_t j = 0; j < 20; j++)
				assert_int_equal(seed_lane_next(feeds[i].lane)->status, 0);
			seed_lane_close(feeds[i].lane, NULL);
			free(feeds[i].squares);
		}
		seed_pool_free(pool);
		assert_int_equal(arg.freed, arg.made);
	}
}

static void a_pool_whose_scratch_fails_is_not_made(void **state)
{
	struct scratch_arg arg = { .fail_at = 3 };
	struct seed_pool_options opt = { .workers = 4, .scratch_new = scratch_new,
					 .scratch_free = scratch_free, .arg = &arg };
	struct seed_pool *pool = NULL;
	struct seed_error err;

	(void)state;
	assert_fails(seed_pool_new(&pool, &opt, &err), &err, SEED_ERR_SYSTEM);
	assert_null(pool);
	assert_int_equal(arg.made, 2);
	assert_int_equal(arg.freed, 2);
	seed_pool_free(NULL);
}

/* --- a pipeline of two stages, as export has, cut at a random place --- */

struct pipe {
	struct seed_lane *first, *second;
	struct square *a, *b;
	size_t count;
};

static void *middle(void *arg)
{
	struct pipe *pipe = arg;
	struct seed_job *job;

	while ((job = seed_lane_next(pipe->first))) {
		size_t i = (size_t)((struct square *)job - pipe->a);

		pipe->b[i].in = pipe->a[i].out;
		if (!seed_lane_submit(pipe->second, &pipe->b[i].job))
			break;
	}
	seed_lane_end(pipe->second);
	return NULL;
}

static void *reader(void *arg)
{
	struct pipe *pipe = arg;

	for (size_t i = 0; i < pipe->count; i++)
		if (!seed_lane_submit(pipe->first, &pipe->a[i].job))
			break;
	seed_lane_end(pipe->first);
	return NULL;
}

static void run_pipeline(unsigned int workers, size_t stop_at)
{
	SEED_AUTO(seed_pool_freep) struct seed_pool *pool = pool_of(workers);
	struct pipe pipe = { .first = lane_of(pool, 5), .second = lane_of(pool, 3), .count = 120 };
	pthread_t threads[2];
	struct seed_job *job;
	size_t at = 0;

	pipe.a = squares_new(pipe.count, 40);
	pipe.b = squares_new(pipe.count, 80);
	assert_int_equal(pthread_create(&threads[0], NULL, reader, &pipe), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, middle, &pipe), 0);
	while (at < stop_at && (job = seed_lane_next(pipe.second))) {
		assert_ptr_equal(job, &pipe.b[at].job);
		assert_int_equal(pipe.b[at].out, at * at * at * at);
		at++;
	}
	assert_int_equal(at, stop_at < pipe.count ? stop_at : pipe.count);
	seed_lane_abort(pipe.first);
	seed_lane_abort(pipe.second);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	seed_lane_close(pipe.first, drop_square);
	seed_lane_close(pipe.second, drop_square);
	free(pipe.a);
	free(pipe.b);
}

static void a_pipeline_runs_through_or_stops_anywhere(void **state)
{
	(void)state;
	for (unsigned int workers = 0; workers <= 3; workers++) {
		run_pipeline(workers, 1000);
		for (int i = 0; i < 5; i++)
			run_pipeline(workers, (size_t)rand() % 120);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_come_in_submission_order),
		cmocka_unit_test(one_thread_can_submit_and_take),
		cmocka_unit_test(a_full_lane_takes_no_more),
		cmocka_unit_test(later_lanes_drain_first),
		cmocka_unit_test(an_error_comes_at_its_place),
		cmocka_unit_test(a_job_can_be_submitted_again),
		cmocka_unit_test(abort_in_the_middle_loses_no_job),
		cmocka_unit_test(abort_wakes_a_waiting_taker),
		cmocka_unit_test(end_wakes_a_waiting_taker),
		cmocka_unit_test(close_waits_for_running_jobs_and_starts_no_others),
		cmocka_unit_test(closing_one_lane_leaves_the_others),
		cmocka_unit_test(each_worker_has_its_own_scratch),
		cmocka_unit_test(a_pool_whose_scratch_fails_is_not_made),
		cmocka_unit_test(a_pipeline_runs_through_or_stops_anywhere),
	};

	alarm(300);	/* a deadlock is a failure */
	srand(5);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
