/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ordered pass over all packs.
 *
 *   caller's thread              workers                          collector thread
 *   plan -> stored records, -->  digest, open, decompress,   -->  counts, lost blocks; at a pack's
 *   read in order, in batches    block digests, write where       end: replicas durable, pack noted
 *                                needed
 *
 * Workers write, unlike in an export: every block has a place of its own, so order does not
 * matter, and a disk file wants several writes in flight. A record, and each block of it, is
 * checked before a byte of it is written.
 *
 * Failures. A damaged record or block is lost for whoever needed it and nothing else. A disk
 * file that cannot be written fails its replica; the others go on. A pack that cannot be read
 * at all leaves what only it holds missing. Where two media hold copies of a volume, what is
 * damaged on one is asked from the other first.
 */
#include <errno.h>
#include <stdio.h>

#include "import/run_internal.h"

#define WRITERS_PER_JOB 2u		/* a worker waits for the disk half of its time */

void seed_import_fail_build(struct import_run *run, struct seed_build *b,
			    const struct seed_error *err)
{
	pthread_mutex_lock(&run->lock);
	if (!b->failed) {
		b->failed = true;
		b->vm->err = *err;
	}
	pthread_mutex_unlock(&run->lock);
}

bool seed_import_build_failed(struct import_run *run, struct seed_build *b)
{
	bool failed;

	pthread_mutex_lock(&run->lock);
	failed = b->failed;
	pthread_mutex_unlock(&run->lock);
	return failed;
}

const char *seed_import_medium_prefix(const struct import_run *run, const struct seed_volume *v,
				      char out[SEED_QUOTED + 2])
{
	char name[SEED_QUOTED];

	*out = '\0';
	if (run->plan->media.count > 1)
		snprintf(out, SEED_QUOTED + 2, "%s ", seed_medium_name(v->medium, name));
	return out;
}

static void drop_job(struct seed_job *job)
{
	seed_import_free_record((struct import_record *)job);
}

static int pass(struct import_run *run, struct seed_error *err)
{
	const unsigned int workers = run->opt->jobs * WRITERS_PER_JOB;
	const struct seed_pool_options pool = {
		.workers = workers,
		.scratch_new = seed_import_worker_new,
		.scratch_free = seed_import_worker_free,
	};
	int rc;

	if (seed_pool_new(&run->pool, &pool, err) < 0 ||
	    seed_lane_open(&run->lane, run->pool, 2 * workers + 2, err) < 0)
		return -1;
	rc = pthread_create(&run->collector, NULL, seed_import_collect, run);
	if (rc)
		return seed_error_sys(err, rc, "collector thread");
	rc = seed_import_read_packs(run, err);
	/* Also after a failure: what was submitted is written and noted. */
	seed_lane_end(run->lane);
	pthread_join(run->collector, NULL);
	if (run->failed) {
		*err = run->err;
		return -1;
	}
	return rc;
}

/* What no pack holds, and what was lost on the way, goes to each disk's missing list. */
static int sort_out_missing(struct import_run *run, struct seed_error *err)
{
	for (;;) {
		struct seed_build_disk *disk;
		struct seed_run missing;
		uint32_t ordinal;
		bool more;

		if (seed_locate_next_missing(run->locate, &ordinal, &missing, &more, err) < 0)
			return -1;
		if (!more)
			return 0;
		disk = seed_import_disk_of(run, seed_vec_at(&run->disks, ordinal));
		if (!seed_vec_push(&disk->lost, sizeof(missing), &missing))
			return seed_error_sys(err, ENOMEM, "missing list");
		disk->missing += missing.count;
	}
}

int seed_import_packs(struct seed_import *plan, struct seed_build *builds, size_t count,
		      const struct seed_import_options *opt, struct seed_error *err)
{
	struct import_run run = { .plan = plan, .opt = opt, .builds = builds, .count = count };
	struct seed_digest_stream name;
	int rc;

	pthread_mutex_init(&run.lock, NULL);
	seed_digest_begin(&name);
	rc = seed_locate_new(&run.locate, opt->store, opt->memory, err);
	if (rc == 0)
		rc = seed_import_add_packs(&run, &name, err);
	if (rc == 0)
		rc = seed_import_add_needs(&run, err);
	if (rc == 0)
		seed_import_open_logs(&run, &name);
	if (rc == 0)
		rc = seed_locate_join(run.locate, err);
	seed_event_send(opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PHASE, .phase = "importing", .total = run.total_bytes });
	if (rc == 0)
		rc = pass(&run, err);
	if (rc == 0)
		rc = sort_out_missing(&run, err);
	if (run.lane)
		seed_lane_close(run.lane, drop_job);
	seed_pool_free(run.pool);
	for (size_t i = 0; i < run.packs.count; i++) {
		struct import_pack *pack = seed_vec_at(&run.packs, i);

		seed_pack_reader_close(pack->reader);
		seed_vec_free(&pack->table);
		seed_vec_free(&pack->twins);
	}
	seed_locate_free(run.locate);
	seed_vec_free(&run.packs);
	seed_vec_free(&run.disks);
	pthread_mutex_destroy(&run.lock);
	return rc;
}
