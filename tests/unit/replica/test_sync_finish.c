// SPDX-License-Identifier: LGPL-2.1-or-later
/* Opening a replica that a cut left decided and not carried out: it is shown, and can be stopped. */
#include "cmocka_all.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "syncing.h"

/* Two disks, so that there is a place between them; runs with gaps, so that there are several. */
static const struct disk_of was[] = { { "vda", "A.......................", 0 },
				      { "vdb", "abcdef", 0 }, { NULL, NULL, 0 } };
static const struct disk_of shall[] = { { "vda", "A.B..C................D.", 0 },
					{ "vdb", "aBcDef", 0 }, { NULL, NULL, 0 } };

struct place {
	const struct tmpdir *dir;
	char name[SEED_REPLICA_NAME];
	struct seed_cancel cancel;
	struct seed_events events;
	unsigned int stop_at, seen;	/* progress of the phase "finishing"; 0: never */
	bool began;
};

static void watch_it(void *arg, const struct seed_event *event)
{
	struct place *p = arg;

	p->began |= event->kind == SEED_EVENT_PHASE && strcmp(event->phase, "finishing") == 0;
	if (event->kind == SEED_EVENT_PROGRESS && strcmp(event->phase, "finishing") == 0 &&
	    ++p->seen == p->stop_at)
		atomic_store(&p->cancel.signal, SIGINT);
}

/* Decided, and then a file that may not grow stops it at its first disk. @untouched: the stamps say that
 * nothing was written. */
static struct place decided(void **state, bool untouched)
{
	struct place p = { .dir = *state };
	struct seed_manifest m = manifest_with(1, was), n = manifest_with(2, shall);
	struct seed_replica *r = replica_with(p.dir->fd, &m, was);
	struct rlimit whole, limit;
	struct seed_sync *sync = NULL;
	enum seed_proved proved[2];
	struct seed_error err = { 0 };

	memcpy(p.name, r->name, sizeof(p.name));
	must(begin_sync(&sync, r, shall, &err), &err);
	for (size_t i = 0; i < 2; i++)
		assert_true(feed_disk(sync, i, &shall[i], &err) >= 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &whole), 0);
	limit = (struct rlimit){ 100000, whole.rlim_max };
	must(seed_sync_checkpoint(sync, &err), &err);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_fails(commit_sync(sync, &n, NULL, proved, &err), &err, SEED_ERR_MEDIUM);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &whole), 0);
	seed_sync_close(sync);
	assert_true(seed_path_exists(r->dir, "sync/replica.json"));
	for (size_t i = 0; untouched && i < 2; i++) {
		const struct seed_replica_disk *d = seed_vec_at(&r->disks, i);

		must(seed_replica_stamp(r->dir, d->slot, d->file, seed_grid_blocks(d->size), &err), &err);
	}
	seed_replica_close(r);
	seed_manifest_clear(&m);
	seed_manifest_clear(&n);
	return p;
}

static int open_it(struct place *p, struct seed_replica **out, struct seed_error *err)
{
	struct seed_replica_watch watch = { &p->events, &p->cancel };

	p->events = (struct seed_events){ watch_it, p };
	return seed_replica_open_watched(out, p->dir->fd, p->name, &watch, err);
}

static void is_left_decided(struct place *p)
{
	char path[SEED_REPLICA_NAME + 32];

	snprintf(path, sizeof(path), "%s/sync/replica.json", p->name);
	assert_true(seed_path_exists(p->dir->fd, path));
}

static void is_finished(struct place *p)
{
	struct seed_replica *r = NULL;
	struct seed_error err = { 0 };

	atomic_store(&p->cancel.signal, 0);
	p->stop_at = 0;
	p->began = false;
	must(open_it(p, &r, &err), &err);
	assert_true(p->began);
	assert_int_equal(r->generation, 2);
	assert_int_equal(r->state, SEED_REPLICA_CURRENT);
	assert_true(disks_are(r, shall));
	assert_false(seed_path_exists(r->dir, "sync"));
	seed_replica_close(r);
}

static void finishing_can_be_stopped_anywhere_and_goes_on(void **state)
{
	struct place p = decided(state, false);
	struct seed_replica *r = NULL;
	struct seed_error err;
	unsigned int stops = 0;

	atomic_store(&p.cancel.signal, SIGINT);
	assert_fails(open_it(&p, &r, &err), &err, SEED_ERR_CANCELLED);
	is_left_decided(&p);
	for (p.stop_at = 1; p.stop_at < 20; p.stop_at++) {
		p.seen = 0;
		atomic_store(&p.cancel.signal, 0);
		if (open_it(&p, &r, &err) == 0)
			break;
		assert_int_equal(err.kind, SEED_ERR_CANCELLED);
		is_left_decided(&p);
		stops++;
	}
	assert_true(stops >= 3);	/* within a disk, and between the two */
	assert_true(disks_are(r, shall));
	assert_int_equal(r->generation, 2);
	seed_replica_close(r);
}

static void what_is_finished_is_shown(void **state)
{
	struct place p = decided(state, false);

	is_finished(&p);
	assert_true(p.seen > 0);
}

/* A look that was cut short found no block missing: the record stays. */
static void who_is_stopped_while_looking_takes_nothing_back(void **state)
{
	struct place p = decided(state, true);
	struct seed_replica *r = NULL;
	struct seed_error err;

	atomic_store(&p.cancel.signal, SIGTERM);
	assert_fails(open_it(&p, &r, &err), &err, SEED_ERR_CANCELLED);
	is_left_decided(&p);
	is_finished(&p);
}

#define T(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(finishing_can_be_stopped_anywhere_and_goes_on),
		T(what_is_finished_is_shown),
		T(who_is_stopped_while_looking_takes_nothing_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
