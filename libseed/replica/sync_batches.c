// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Batches of a pass over a disk, several at once (no .h: sync_internal.h). One write past the page
 * cache at a time leaves most of a disk's speed unused, and one thread's SHA-256 most of the
 * processors; the order on the disk does not matter, since nothing counts before the pass has ended
 * and the disk is synced.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "replica/sync_internal.h"

#define WORKERS_PER_JOB 2u	/* they wait for the disk half of the time */
#define WORKERS_MAX 32u		/* two batches of a mebibyte each; no disk needs more */

struct seed_sync_batches {
	struct seed_pool *pool;
	struct seed_lane *lane;
	int (*run)(struct seed_job *job, void *scratch, struct seed_error *err);
	int (*taken)(void *arg, const struct seed_sync_batch *batch, struct seed_error *err);
	void *arg;
	struct seed_sync_batch *batches, *idle;
	size_t count, busy;
};

static int make_batches(struct seed_sync_batches *b, struct seed_error *err)
{
	b->batches = calloc(b->count, sizeof(*b->batches));
	if (!b->batches)
		return seed_error_sys(err, ENOMEM, "batches");
	for (size_t i = 0; i < b->count; i++) {
		struct seed_sync_batch *batch = &b->batches[i];

		batch->buffer = seed_buffer_new(SEED_SYNC_BATCH, err);
		if (!batch->buffer)
			return -1;
		batch->next_idle = b->idle;
		b->idle = batch;
	}
	return 0;
}

int seed_sync_batches_open(struct seed_sync_batches **out, unsigned int jobs,
			   const struct seed_sync_pass *pass, struct seed_error *err)
{
	const struct seed_pool_options workers = {
		.workers = jobs < WORKERS_MAX / WORKERS_PER_JOB ? jobs * WORKERS_PER_JOB :
								   WORKERS_MAX };
	SEED_AUTO(seed_sync_batches_closep) struct seed_sync_batches *b = malloc(sizeof(*b));

	if (!b)
		return seed_error_sys(err, ENOMEM, "batches");
	*b = (struct seed_sync_batches){
		.run = pass->run, .taken = pass->taken, .arg = pass->arg,
		.count = workers.workers ? 2 * workers.workers : 1,
	};
	if (make_batches(b, err) < 0 || seed_pool_new(&b->pool, &workers, err) < 0 ||
	    seed_lane_open(&b->lane, b->pool, b->count, err) < 0)
		return -1;
	*out = seed_steal(&b);
	return 0;
}

void seed_sync_batches_close(struct seed_sync_batches *b)
{
	if (!b)
		return;
	if (b->lane)
		seed_lane_close(b->lane, NULL);
	seed_pool_free(b->pool);
	for (size_t i = 0; b->batches && i < b->count; i++)
		free(b->batches[i].buffer);
	free(b->batches);
	free(b);
}

static int take_one(struct seed_sync_batches *b, struct seed_error *err)
{
	struct seed_sync_batch *batch = (struct seed_sync_batch *)seed_lane_next(b->lane);

	b->busy--;
	batch->next_idle = b->idle;
	b->idle = batch;
	if (batch->job.status < 0) {
		*err = batch->job.err;
		return -1;
	}
	return b->taken(b->arg, batch, err);
}

int seed_sync_batches_add(struct seed_sync_batches *b, uint64_t index, uint64_t count,
			  const struct seed_digest *digests, struct seed_error *err)
{
	struct seed_sync_batch *batch;

	if (!b->idle && take_one(b, err) < 0)
		return -1;
	batch = b->idle;
	b->idle = batch->next_idle;
	batch->job = (struct seed_job){ .run = b->run };
	batch->arg = b->arg;
	batch->index = index;
	batch->count = count;
	batch->zero = !digests;
	batch->wrong = 0;
	if (digests)
		memcpy(batch->digests, digests, (size_t)count * sizeof(*digests));
	b->busy++;
	return seed_lane_submit(b->lane, &batch->job) ? 0 : -1;	/* nobody aborts the lane */
}

int seed_sync_batches_finish(struct seed_sync_batches *b, struct seed_error *err)
{
	while (b->busy)
		if (take_one(b, err) < 0)
			return -1;
	return 0;
}
