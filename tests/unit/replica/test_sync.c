// SPDX-License-Identifier: LGPL-2.1-or-later
#include "syncing.h"

#include <signal.h>
#include <sys/resource.h>

static bool proves(const struct seed_replica *r, size_t disk, enum seed_proved want)
{
	SEED_AUTO(seed_pool_freep) struct seed_pool *pool = NULL;
	struct seed_proof proof = { 0 };
	struct seed_error err = { 0 };
	bool same;

	must(seed_pool_new(&pool, &(struct seed_pool_options){ 0 }, &err), &err);
	must(seed_replica_prove(&proof, r, disk,
				&(struct seed_proof_options){ .pool = pool, .depth = 1 }, &err),
	     &err);
	same = proof.result == want;
	seed_proof_clear(&proof);
	return same;
}

/* ---- whole syncs ---- */

static void a_replica_becomes_the_new_state(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_replica *r = old_replica(dir->fd);
	struct seed_manifest m = new_manifest(2);
	enum seed_proved proved[4];
	struct seed_error err = { 0 };
	long came = sync_to(r, &m, after, new_files, proved, &err);

	/* K, Z, the F that becomes whole, G, H; w; all of vdd that the journal has not (A and m
	 * once). */
	must((int)came, &err);
	assert_int_equal(came, 5 + 1 + 4);
	assert_true(is_new(r));
	assert_false(seed_path_exists(r->dir, "sync"));
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(proved[i], i == 3 ? SEED_PROVED_FULL : SEED_PROVED_STAMP);
		/* One that was not written keeps what it had: no stamp in this case. */
		assert_true(proves(r, i, i == 2 ? SEED_PROVED_FULL : SEED_PROVED_STAMP));
	}
	r = reopen(dir->fd, r);
	assert_true(is_new(r));
	for (size_t i = 0; i < 4; i++)
		assert_true(proves(r, i, SEED_PROVED_STAMP));
	seed_replica_close(r);
	seed_manifest_clear(&m);
}

/* Runs of all lengths, holes between them, many batches; a short last block. */
static void several_threads_make_the_same_state(void **state)
{
	const struct tmpdir *dir = *state;
	char was[701], is[701];
	const struct disk_of old[] = { { "vda", was, 100 }, { 0 } };
	const struct disk_of new[] = { { "vda", is, 100 }, { 0 } };
	struct seed_manifest m, n;
	struct seed_replica *r;
	enum seed_proved proved[1];
	struct seed_error err = { 0 };

	for (unsigned int i = 0; i < 700; i++) {
		was[i] = (char)('a' + i % 23);
		is[i] = i % 41 < 33 ? (char)('A' + i % 19) : i % 5 ? was[i] : '.';
	}
	was[700] = is[700] = '\0';
	m = manifest_with(1, old);
	n = manifest_with(2, new);
	r = replica_with(dir->fd, &m, old);
	sync_jobs = 2;
	must((int)sync_to(r, &n, new, NULL, proved, &err), &err);
	sync_jobs = 0;
	assert_int_equal(proved[0], SEED_PROVED_STAMP);
	assert_true(disks_are(r, new));
	assert_true(proves(r, 0, SEED_PROVED_STAMP));
	seed_replica_close(r);
	seed_manifest_clear(&m);
	seed_manifest_clear(&n);
}

static const char *const steps[] = { "reading what had arrived", "looking at what arrived",
				     "making room", "applying", "reading back", "finishing" };
static unsigned int shown[6];

static void count_steps(void *arg, const struct seed_event *e)
{
	(void)arg;
	for (size_t i = 0; e->kind == SEED_EVENT_PROGRESS && i < 6; i++)
		shown[i] += strcmp(e->phase, steps[i]) == 0 && e->done <= e->total;
}

/* Each of them takes hours where a disk is large, and a peer that hears nothing lets go. */
static void long_steps_say_how_far_they_are(void **state)
{
	const struct tmpdir *dir = *state;
	const struct seed_events events = { .report = count_steps };
	const struct seed_replica_watch watch = { .events = &events };
	struct seed_replica *r = old_replica(dir->fd);
	struct seed_manifest m = new_manifest(2);
	struct seed_sync *sync = NULL;
	enum seed_proved proved[4];
	struct seed_error err = { 0 };

	must(begin_sync(&sync, r, after, &err), &err);
	for (int i = 0; i < 40; i++) {
		uint8_t data[SEED_BLOCK_SIZE];
		struct seed_digest digest = block_digest((char)('1' + i), SEED_BLOCK_SIZE);

		fill_block(data, (char)('1' + i));
		must(seed_journal_add(seed_sync_journal(sync), &digest, data, SEED_BLOCK_SIZE,
				      &err), &err);
	}
	seed_sync_close(sync);
	memset(shown, 0, sizeof(shown));
	must(seed_sync_open(&sync, r, &watch, &err), &err);
	assert_in_range(shown[0], 1, 40);
	seed_sync_close(sync);
	sync_events = &events;
	assert_true(sync_to(r, &m, after, new_files, proved, &err) >= 0);
	sync_events = NULL;
	for (size_t i = 1; i < 5; i++)
		assert_true(shown[i] > 0);
	assert_true(is_new(r));
	seed_replica_close(r);
	seed_manifest_clear(&m);
}

static void zeroes_become_holes_again(void **state)
{
	const struct tmpdir *dir = *state;
	static const struct disk_of full[] = { { "vda", "AAAAAAAAAAAAAAAA", 0 }, { 0 } };
	static const struct disk_of empty[] = { { "vda", "A.............0A", 0 }, { 0 } };
	struct seed_manifest m = manifest_with(1, full), n = manifest_with(2, empty);
	struct seed_replica *r = replica_with(dir->fd, &m, full);
	enum seed_proved proved[1];
	struct seed_error err = { 0 };
	struct stat st;

	assert_int_equal(sync_to(r, &n, empty, NULL, proved, &err), 0);
	assert_true(disks_are(r, empty));
	assert_int_equal(fstatat(r->dir, "vda.raw", &st, 0), 0);
	assert_true(st.st_blocks * 512 <= 4 * SEED_BLOCK_SIZE);
	seed_replica_close(r);
	seed_manifest_clear(&m);
	seed_manifest_clear(&n);
}

static void what_arrived_before_a_cut_does_not_come_again(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_replica *r = old_replica(dir->fd);
	struct seed_manifest m = new_manifest(2);
	struct seed_sync *sync = NULL;
	enum seed_proved proved[4];
	struct seed_error err = { 0 };
	uint64_t bytes;
	bool committed;

	must(seed_sync_pending(r, &bytes, &committed, &err), &err);
	assert_int_equal(bytes, 0);
	must(begin_sync(&sync, r, after, &err), &err);
	assert_int_equal(feed_disk(sync, 0, &after[0], &err), 5);
	assert_int_equal(feed_disk(sync, 3, &after[3], &err), 4);
	must(seed_sync_checkpoint(sync, &err), &err);
	seed_sync_close(sync);
	r = reopen(dir->fd, r);
	assert_true(is_old(r));
	must(seed_sync_pending(r, &bytes, &committed, &err), &err);
	assert_true(bytes >= 9 * SEED_BLOCK_SIZE);
	assert_false(committed);
	assert_int_equal(sync_to(r, &m, after, new_files, proved, &err), 1);
	assert_true(is_new(r));
	seed_replica_close(r);
	seed_manifest_clear(&m);
}

/* The source moved on between the runs: a disk that is written in place had other blocks. */
static void a_first_seed_goes_on_when_the_source_moved_on(void **state)
{
	const struct tmpdir *dir = *state;
	static const struct disk_of first[] = { { "vda", "ABC..DE.", 3 }, { 0 } };
	static const struct disk_of then[] = { { "vda", "A.CX.YE0", 3 }, { 0 } };
	struct seed_manifest m = manifest_with(1, first), n = manifest_with(2, then);
	struct seed_replica *r = NULL;
	struct seed_sync *sync = NULL;
	enum seed_proved proved[1];
	struct seed_error err = { 0 };
	struct seed_digest got;
	uint8_t data[SEED_BLOCK_SIZE];

	must(seed_replica_create(&r, dir->fd, &m, &err), &err);
	must(begin_sync(&sync, r, first, &err), &err);
	assert_int_equal(feed_disk(sync, 0, &first[0], &err), 5);
	must(seed_sync_checkpoint(sync, &err), &err);
	/* Written, and not claimed: the run ends before the next checkpoint. */
	fill_block(data, 'Q');
	got = block_digest('Q', SEED_BLOCK_SIZE);
	must(seed_sync_put(sync, 0, 4, &got, data, SEED_BLOCK_SIZE, &err), &err);
	assert_true(seed_sync_has(sync, 0, 4, &got));
	seed_sync_close(sync);
	sync = NULL;
	r = reopen(dir->fd, r);
	assert_int_equal(r->state, SEED_REPLICA_SEEDING);
	must(begin_sync(&sync, r, then, &err), &err);
	must(seed_list_get(seed_sync_base(sync, 0), 4, &got, 1, &err), &err);
	assert_int_equal(seed_digest_kind(&got), SEED_BLOCK_MISSING);
	must(seed_list_get(seed_sync_base(sync, 0), 1, &got, 1, &err), &err);
	assert_int_equal(seed_digest_kind(&got), SEED_BLOCK_DATA);
	assert_int_equal(feed_disk(sync, 0, &then[0], &err), 2);
	must(commit_sync(sync, &n, NULL, proved, &err), &err);
	seed_sync_close(sync);
	assert_int_equal(proved[0], SEED_PROVED_FULL);
	assert_true(disks_are(r, then));
	assert_int_equal(r->state, SEED_REPLICA_CURRENT);
	assert_true(proves(r, 0, SEED_PROVED_STAMP));
	assert_false(seed_path_exists(r->dir, "sync"));
	seed_replica_close(r);
	seed_manifest_clear(&m);
	seed_manifest_clear(&n);
}

static void a_new_disk_of_another_size_is_begun_anew(void **state)
{
	const struct tmpdir *dir = *state;
	static const struct disk_of first[] = { { "vda", "ABCD", 0 }, { 0 } };
	static const struct disk_of then[] = { { "vda", "ABCDE", 0 }, { 0 } };
	struct seed_manifest m = manifest_with(1, first), n = manifest_with(2, then);
	struct seed_replica *r = NULL;
	struct seed_sync *sync = NULL;
	enum seed_proved proved[1];
	struct seed_error err = { 0 };

	must(seed_replica_create(&r, dir->fd, &m, &err), &err);
	must(begin_sync(&sync, r, first, &err), &err);
	assert_int_equal(feed_disk(sync, 0, &first[0], &err), 4);
	must(seed_sync_checkpoint(sync, &err), &err);
	seed_sync_close(sync);
	assert_int_equal(sync_to(r, &n, then, NULL, proved, &err), 5);
	assert_true(disks_are(r, then));
	seed_replica_close(r);
	seed_manifest_clear(&m);
	seed_manifest_clear(&n);
}

static void rotten_and_missing_blocks_are_fetched(void **state)
{
	const struct tmpdir *dir = *state;
	static const struct disk_of same[] = { { "vda", "ABCDEF", 0 }, { 0 } };
	static const struct seed_run rot[] = { { 4, 1, SEED_BLOCK_MISSING } };
	struct seed_vec rotten = { 0 };
	const struct seed_sync_disk disk = { "vda", 6 * SEED_BLOCK_SIZE, &rotten };
	struct seed_manifest m = manifest_with(1, same), n = manifest_with(2, same);
	struct seed_replica *r = replica_with(dir->fd, &m, same);
	struct seed_sync *sync = NULL;
	enum seed_proved proved[1];
	struct seed_error err = { 0 };
	int fd = openat(r->dir, "vda.raw", O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, "?", 1, 4 * SEED_BLOCK_SIZE + 3), 1);
	assert_int_equal(pwrite(fd, "?", 1, SEED_BLOCK_SIZE), 1);
	close(fd);
	put_missing(r->dir, "vda.missing", 1, 1);
	((struct seed_replica_disk *)seed_vec_at(&r->disks, 0))->missing_blocks = 1;
	r->state = SEED_REPLICA_INCOMPLETE;
	must(seed_replica_save(r, &err), &err);
	seed_vec_push(&rotten, sizeof(rot[0]), &rot[0]);
	must(seed_sync_open(&sync, r, NULL, &err), &err);
	must(seed_sync_begin(sync, &disk, 1, &err), &err);
	assert_int_equal(feed_disk(sync, 0, &same[0], &err), 2);
	must(commit_sync(sync, &n, NULL, proved, &err), &err);
	seed_sync_close(sync);
	assert_true(disks_are(r, same));
	assert_int_equal(r->state, SEED_REPLICA_CURRENT);
	assert_false(seed_path_exists(r->dir, "vda.missing"));
	seed_vec_free(&rotten);
	seed_replica_close(r);
	seed_manifest_clear(&m);
	seed_manifest_clear(&n);
}

/* ---- refusals ---- */

static void a_block_that_did_not_arrive_leaves_the_old_state(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_replica *r = old_replica(dir->fd);
	struct seed_manifest m = new_manifest(2), other = manifest_with(2, before);
	struct seed_sync *sync = NULL;
	enum seed_proved proved[4];
	struct seed_digest digest = block_digest('!', SEED_BLOCK_SIZE);
	struct seed_error err = { 0 };

	must(begin_sync(&sync, r, after, &err), &err);
	assert_fails(commit_sync(sync, &m, new_files, proved, &err), &err, SEED_ERR_INTEGRITY);
	for (size_t i = 0; i < 4; i++)
		assert_true(feed_disk(sync, i, &after[i], &err) >= 0);
	assert_fails(commit_sync(sync, &other, new_files, proved, &err), &err, SEED_ERR_USAGE);
	/* The nvram that comes is not the one of the manifest. */
	assert_fails(commit_sync(sync, &m, old_files + 1, proved, &err), &err, SEED_ERR_INTEGRITY);
	assert_fails(commit_sync(sync, &m, NULL, proved, &err), &err, SEED_ERR_INTEGRITY);
	must(seed_list_set(seed_sync_next(sync, 1), 1, &digest, 1, &err), &err);
	assert_fails(commit_sync(sync, &m, new_files, proved, &err), &err, SEED_ERR_INTEGRITY);
	seed_sync_close(sync);
	r = reopen(dir->fd, r);
	assert_true(is_old(r));
	assert_true(sync_to(r, &m, after, new_files, proved, &err) == 0);
	assert_true(is_new(r));
	seed_replica_close(r);
	seed_manifest_clear(&m);
	seed_manifest_clear(&other);
}

/* The root is right, and a digest is that of a block too short for its place. */
static void a_block_of_another_length_is_not_at_hand(void **state)
{
	const struct tmpdir *dir = *state;
	static const struct disk_of old[] = { { "vda", "AB", 0 }, { 0 } };
	struct seed_manifest m = manifest_with(1, old), n = manifest_with(2, old);
	struct seed_replica *r = replica_with(dir->fd, &m, old);
	struct seed_manifest_disk *d = seed_vec_at(&n.disks, 0);
	struct seed_sync *sync = NULL;
	enum seed_proved proved[1];
	struct seed_digest digest;
	struct seed_error err = { 0 };

	must(begin_sync(&sync, r, old, &err), &err);
	seed_digest_of(&digest, "short", 5);
	assert_fails(seed_sync_put(sync, 0, 0, &digest, "short", 5, &err), &err, SEED_ERR_RANGE);
	must(seed_journal_add(seed_sync_journal(sync), &digest, "short", 5, &err), &err);
	must(seed_list_set(seed_sync_next(sync, 0), 0, &digest, 1, &err), &err);
	must(seed_merkle_of_list(&d->root, seed_sync_next(sync, 0), d->size, NULL, NULL, &err), &err);
	assert_fails(commit_sync(sync, &n, NULL, proved, &err), &err, SEED_ERR_INTEGRITY);
	seed_sync_close(sync);
	assert_true(disks_are(r, old));
	seed_replica_close(r);
	seed_manifest_clear(&m);
	seed_manifest_clear(&n);
}

static void a_disk_that_somebody_writes_is_left_alone(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_replica *r = old_replica(dir->fd);
	struct seed_manifest m = new_manifest(2);
	struct seed_sync *sync = NULL;
	enum seed_proved proved[4];
	struct seed_error err = { 0 };
	int fd = openat(r->dir, "vda.raw", O_WRONLY | O_CLOEXEC);

	assert_fails(begin_sync(&sync, r, after, &err), &err, SEED_ERR_BUSY);
	seed_sync_close(sync);
	close(fd);
	must(begin_sync(&sync, r, after, &err), &err);
	for (size_t i = 0; i < 4; i++)
		assert_true(feed_disk(sync, i, &after[i], &err) >= 0);
	assert_int_equal(utimensat(r->dir, "vdz.raw", NULL, 0), 0);
	assert_fails(commit_sync(sync, &m, new_files, proved, &err), &err, SEED_ERR_BUSY);
	seed_sync_close(sync);
	assert_true(is_old(r));
	seed_replica_close(r);
	seed_manifest_clear(&m);
}

static void a_promoted_replica_is_refused(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_replica *r = old_replica(dir->fd);
	struct seed_sync *sync = NULL;
	struct seed_error err = { 0 };

	r->state = SEED_REPLICA_PROMOTED;
	assert_fails(seed_sync_open(&sync, r, NULL, &err), &err, SEED_ERR_IDENTITY);
	seed_replica_close(r);
}

static void what_another_replica_left_is_refused(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_replica *r = old_replica(dir->fd), *out = NULL;
	struct seed_sync *sync = NULL;
	SEED_AUTO(seed_freep) char *text = NULL;
	char name[SEED_REPLICA_NAME];
	struct seed_error err = { 0 };
	size_t len;

	must(seed_sync_open(&sync, r, NULL, &err), &err);
	seed_sync_close(sync);
	r->uuid.bytes[3] ^= 1;
	assert_fails(seed_sync_open(&sync, r, NULL, &err), &err, SEED_ERR_FORMAT);
	/* A record of another VM. */
	must(seed_replica_to_text(r, &text, &len, &err), &err);
	must(seed_file_replace(r->dir, "sync/replica.json", text, len, 0600, &err), &err);
	memcpy(name, r->name, sizeof(name));
	seed_replica_close(r);
	assert_fails(seed_replica_open(&out, dir->fd, name, true, &err), &err, SEED_ERR_FORMAT);
	assert_non_null(strstr(err.text, "another replica"));
	must(seed_replica_open(&out, dir->fd, name, false, &err), &err);
	seed_replica_close(out);
}

/* Decided, and then a write fails: whoever opens the replica next carries it out. */
static void a_commit_that_fails_half_way_is_finished_later(void **state)
{
	const struct tmpdir *dir = *state;
	static const struct disk_of old[] = { { "vda", "A.......................", 0 }, { 0 } };
	static const struct disk_of new[] = { { "vda", "A......................B", 0 }, { 0 } };
	struct seed_manifest m = manifest_with(1, old), n = manifest_with(2, new);
	struct seed_replica *r = replica_with(dir->fd, &m, old);
	struct seed_sync *sync = NULL;
	struct rlimit whole, limit;
	enum seed_proved proved[1];
	struct seed_error err = { 0 };
	uint64_t bytes;
	bool committed, was;

	must(seed_replica_stamp(r->dir, "vda", "vda.raw", 24, &err), &err);
	must(begin_sync(&sync, r, new, &err), &err);
	assert_int_equal(feed_disk(sync, 0, &new[0], &err), 1);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &whole), 0);
	limit = (struct rlimit){ 1000000, whole.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_fails(commit_sync(sync, &n, NULL, proved, &err), &err, SEED_ERR_MEDIUM);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &whole), 0);
	seed_sync_close(sync);
	must(seed_sync_pending(r, &bytes, &committed, &err), &err);
	assert_true(committed);
	assert_fails(seed_sync_abort(r, &was, &err), &err, SEED_ERR_USAGE);
	assert_true(disks_are(r, new));
	assert_int_equal(r->generation, 2);
	must(seed_sync_abort(r, &was, &err), &err);
	assert_false(was);
	/* Who else wrote to it in between nobody knows. */
	assert_true(proves(r, 0, SEED_PROVED_FULL));
	seed_replica_close(r);
	seed_manifest_clear(&m);
	seed_manifest_clear(&n);
}

/* The journal rots between the record and the next opening. */
static void what_a_rotten_journal_does_not_give_is_missing(void **state)
{
	const struct tmpdir *dir = *state;
	static const struct disk_of old[] = { { "vda", "A.......................", 0 }, { 0 } };
	static const struct disk_of new[] = { { "vda", "AC....................BD", 0 }, { 0 } };
	struct seed_manifest m = manifest_with(1, old), n = manifest_with(2, new);
	struct seed_replica *r = replica_with(dir->fd, &m, old);
	SEED_AUTO(seed_vec_free) struct seed_vec runs = { 0 };
	struct seed_sync *sync = NULL;
	struct rlimit whole, limit;
	enum seed_proved proved[1];
	struct seed_error err = { 0 };
	struct seed_replica_disk *disk;
	int fd;

	must(begin_sync(&sync, r, new, &err), &err);
	assert_int_equal(feed_disk(sync, 0, &new[0], &err), 3);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &whole), 0);
	limit = (struct rlimit){ 1000000, whole.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_fails(commit_sync(sync, &n, NULL, proved, &err), &err, SEED_ERR_MEDIUM);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &whole), 0);
	seed_sync_close(sync);
	fd = openat(r->dir, "sync/journal", O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "?", 1, 64 + 40 + SEED_BLOCK_SIZE + 50), 1);
	close(fd);
	r = reopen(dir->fd, r);
	assert_int_equal(r->generation, 2);
	assert_int_equal(r->state, SEED_REPLICA_INCOMPLETE);
	disk = seed_vec_at(&r->disks, 0);
	assert_int_equal(disk->missing_blocks, 2);
	must(seed_missing_read(&runs, r->dir, "vda.missing", 24, &err), &err);
	assert_int_equal(runs.count, 1);
	assert_int_equal(((struct seed_run *)runs.items)->start, 22);
	assert_int_equal(sync_to(r, &n, new, NULL, proved, &err), 2);
	assert_true(disks_are(r, new));
	assert_int_equal(r->state, SEED_REPLICA_CURRENT);
	seed_replica_close(r);
	seed_manifest_clear(&m);
	seed_manifest_clear(&n);
}

/* Where writing has begun, a journal whose header is damaged gives what its entries hold, and one that is no
 * journal any more leaves blocks missing: either way the replica can be opened, and resynced. */
static void a_damaged_journal_does_not_keep_a_replica_half_way(void **state)
{
	const struct tmpdir *dir = *state;
	static const struct disk_of old[] = { { "vda", "A.......................", 0 }, { 0 } };
	static const struct disk_of new[] = { { "vda", "AC....................BD", 0 }, { 0 } };
	static const struct disk_of newer[] = { { "vda", "AE....................FG", 0 }, { 0 } };
	struct seed_manifest m = manifest_with(1, old), n = manifest_with(2, new);
	struct seed_manifest o = manifest_with(3, newer);
	struct seed_replica *r = replica_with(dir->fd, &m, old);
	char garbage[500];
	struct rlimit whole, limit;
	enum seed_proved proved[1];
	struct seed_error err = { 0 };

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &whole), 0);
	limit = (struct rlimit){ 1000000, whole.rlim_max };
	memset(garbage, '?', sizeof(garbage));
	for (int i = 0; i < 2; i++) {
		struct seed_sync *sync = NULL;
		int fd;

		must(begin_sync(&sync, r, i ? newer : new, &err), &err);
		assert_int_equal(feed_disk(sync, 0, i ? &newer[0] : &new[0], &err), 3);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		assert_fails(commit_sync(sync, i ? &o : &n, NULL, proved, &err), &err, SEED_ERR_MEDIUM);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &whole), 0);
		seed_sync_close(sync);
		fd = openat(r->dir, "sync/journal", O_WRONLY | O_CLOEXEC | (i ? O_TRUNC : 0));
		assert_true(fd >= 0);
		assert_true(pwrite(fd, garbage, i ? sizeof(garbage) : 12, 0) > 0);
		close(fd);
		r = reopen(dir->fd, r);
		assert_int_equal(r->generation, i ? 3 : 2);
		assert_int_equal(r->state, i ? SEED_REPLICA_INCOMPLETE : SEED_REPLICA_CURRENT);
		assert_true(disks_are(r, newer) == false);
		assert_true(i || disks_are(r, new));
	}
	/* The one that was written before the first failure is there. */
	assert_int_equal(((struct seed_replica_disk *)seed_vec_at(&r->disks, 0))->missing_blocks, 2);
	assert_int_equal(sync_to(r, &o, newer, NULL, proved, &err), 2);
	assert_true(disks_are(r, newer));
	assert_int_equal(r->state, SEED_REPLICA_CURRENT);
	seed_replica_close(r);
	seed_manifest_clear(&m);
	seed_manifest_clear(&n);
	seed_manifest_clear(&o);
}

/* Zeroes where the header was: a sector that was lost. What lies behind them is sound. */
static void a_lost_header_does_not_cost_what_arrived(void **state)
{
	const struct tmpdir *dir = *state;
	static const struct disk_of old[] = { { "vda", "A.......................", 0 }, { 0 } };
	static const struct disk_of new[] = { { "vda", "AC....................BD", 0 }, { 0 } };
	struct seed_manifest m = manifest_with(1, old), n = manifest_with(2, new);
	struct seed_replica *r = replica_with(dir->fd, &m, old);
	struct seed_sync *sync = NULL;
	struct rlimit whole, limit;
	enum seed_proved proved[1];
	struct seed_error err = { 0 };
	char zeroes[64] = { 0 };
	int fd;

	must(begin_sync(&sync, r, new, &err), &err);
	assert_int_equal(feed_disk(sync, 0, &new[0], &err), 3);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &whole), 0);
	limit = (struct rlimit){ 1000000, whole.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_fails(commit_sync(sync, &n, NULL, proved, &err), &err, SEED_ERR_MEDIUM);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &whole), 0);
	seed_sync_close(sync);
	fd = openat(r->dir, "sync/journal", O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, zeroes, sizeof(zeroes), 0), sizeof(zeroes));
	close(fd);
	r = reopen(dir->fd, r);
	assert_int_equal(r->state, SEED_REPLICA_CURRENT);
	assert_true(disks_are(r, new));
	seed_replica_close(r);
	seed_manifest_clear(&m);
	seed_manifest_clear(&n);
}

/* The same, but nothing was written to the disks yet, as their stamps show: the old state stands. */
static void a_record_without_its_blocks_is_taken_back(void **state)
{
	const struct tmpdir *dir = *state;
	static const struct disk_of old[] = { { "vda", "A.......................", 0 }, { 0 } };
	static const struct disk_of new[] = { { "vda", "A.....................BD", 0 }, { 0 } };
	static const size_t damage[] = { 1, 64 + 40 + 50 };	/* the header; the first entry */
	struct seed_manifest m = manifest_with(1, old), n = manifest_with(2, new);
	struct seed_replica *r = replica_with(dir->fd, &m, old);
	struct rlimit whole, limit;
	enum seed_proved proved[1];
	struct seed_error err = { 0 };

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &whole), 0);
	limit = (struct rlimit){ 1000000, whole.rlim_max };
	for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
		enum seed_replica_state was = r->state;
		struct seed_sync *sync = NULL;
		int fd;

		must(begin_sync(&sync, r, new, &err), &err);
		assert_true(feed_disk(sync, 0, &new[0], &err) <= 2);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
		assert_fails(commit_sync(sync, &n, NULL, proved, &err), &err, SEED_ERR_MEDIUM);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &whole), 0);
		seed_sync_close(sync);
		assert_true(seed_path_exists(r->dir, "sync/replica.json"));
		must(seed_replica_stamp(r->dir, "vda", "vda.raw", 24, &err), &err);
		fd = openat(r->dir, "sync/journal", O_WRONLY | O_CLOEXEC);
		assert_int_equal(pwrite(fd, "?", 1, (off_t)damage[i]), 1);
		close(fd);
		r = reopen(dir->fd, r);
		assert_int_equal(r->generation, 1);
		assert_int_equal(r->state, was);
		assert_true(disks_are(r, old));
		assert_false(seed_path_exists(r->dir, "sync/replica.json"));
	}
	assert_true(sync_to(r, &n, new, NULL, proved, &err) >= 1);
	assert_true(disks_are(r, new));
	assert_int_equal(r->generation, 2);
	seed_replica_close(r);
	seed_manifest_clear(&m);
	seed_manifest_clear(&n);
}

/* ---- filling ---- */

static void an_incomplete_replica_is_filled(void **state)
{
	const struct tmpdir *dir = *state;
	static const struct disk_of want[] = { { "vda", "ABCD.F", 11 }, { "vdb", "xy", 0 }, { 0 } };
	static const struct disk_of have[] = { { "vda", "A?C?0?", 11 }, { "vdb", "xy", 0 }, { 0 } };
	struct seed_manifest m = manifest_with(1, want);
	struct seed_replica *r = replica_with(dir->fd, &m, want);
	struct seed_sync *sync = NULL;
	SEED_AUTO(seed_vec_free) struct seed_vec runs = { 0 };
	static const struct seed_run missing[] = { { 1, 1, 0 }, { 3, 3, 0 } };
	struct seed_error err = { 0 };
	uint8_t data[SEED_BLOCK_SIZE];
	struct seed_digest digest;
	uint64_t left;

	put_disk(r->dir, "vda.raw", &have[0]);
	seed_vec_push(&runs, sizeof(missing[0]), &missing[0]);
	seed_vec_push(&runs, sizeof(missing[1]), &missing[1]);
	must(seed_missing_write(r->dir, "vda.missing", &runs, &err), &err);
	((struct seed_replica_disk *)seed_vec_at(&r->disks, 0))->missing_blocks = 4;
	r->state = SEED_REPLICA_INCOMPLETE;
	must(seed_replica_save(r, &err), &err);
	must(seed_replica_stamp(r->dir, "vda", "vda.raw", 6, &err), &err);
	must(seed_sync_open(&sync, r, NULL, &err), &err);
	must(seed_sync_begin_fill(sync, &err), &err);
	digest = block_digest('B', SEED_BLOCK_SIZE);
	fill_block(data, 'B');
	assert_false(seed_sync_has(sync, 0, 1, &digest));
	/* Not what the list asks for, and not what is missing. */
	assert_fails(seed_sync_put(sync, 0, 3, &digest, data, SEED_BLOCK_SIZE, &err), &err,
		     SEED_ERR_INTEGRITY);
	assert_fails(seed_sync_put(sync, 0, 2, &digest, data, SEED_BLOCK_SIZE, &err), &err,
		     SEED_ERR_INTEGRITY);
	must(seed_sync_put(sync, 0, 1, &digest, data, SEED_BLOCK_SIZE, &err), &err);
	must(seed_sync_checkpoint(sync, &err), &err);
	seed_sync_close(sync);		/* cut */
	sync = NULL;
	r = reopen(dir->fd, r);
	assert_int_equal(r->state, SEED_REPLICA_INCOMPLETE);
	assert_int_equal(((struct seed_replica_disk *)seed_vec_at(&r->disks, 0))->missing_blocks, 3);
	assert_false(seed_path_exists(r->dir, "vda.stamp"));
	must(seed_sync_open(&sync, r, NULL, &err), &err);
	must(seed_sync_begin_fill(sync, &err), &err);
	assert_true(seed_sync_has(sync, 0, 1, &digest));
	must(seed_sync_finish_fill(sync, &left, &err), &err);
	assert_int_equal(left, 2);	/* the zero block needs nobody */
	seed_sync_close(sync);
	sync = NULL;
	must(seed_sync_open(&sync, r, NULL, &err), &err);
	must(seed_sync_begin_fill(sync, &err), &err);
	for (uint64_t at = 3; at < 6; at += 2) {
		uint32_t len = seed_grid_length(disk_size(&want[0]), at);

		digest = block_digest(want[0].blocks[at], len);
		fill_block(data, want[0].blocks[at]);
		must(seed_sync_put(sync, 0, at, &digest, data, len, &err), &err);
	}
	must(seed_sync_finish_fill(sync, &left, &err), &err);
	assert_int_equal(left, 0);
	seed_sync_close(sync);
	r = reopen(dir->fd, r);
	assert_int_equal(r->state, SEED_REPLICA_CURRENT);
	assert_true(disks_are(r, want));
	assert_false(seed_path_exists(r->dir, "vda.missing"));
	assert_false(seed_path_exists(r->dir, "sync"));
	seed_replica_close(r);
	seed_manifest_clear(&m);
}

/* ---- throwing away ---- */

static void an_abort_leaves_the_old_replica_alone(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_replica *r = old_replica(dir->fd);
	struct seed_sync *sync = NULL;
	struct seed_error err = { 0 };
	bool was = true;

	must(seed_sync_abort(r, &was, &err), &err);
	assert_false(was);
	must(begin_sync(&sync, r, after, &err), &err);
	assert_int_equal(feed_disk(sync, 0, &after[0], &err), 5);
	assert_int_equal(feed_disk(sync, 3, &after[3], &err), 4);
	seed_sync_close(sync);
	must(seed_sync_abort(r, &was, &err), &err);
	assert_true(was);
	assert_false(seed_path_exists(r->dir, "sync"));
	assert_true(is_old(r));
	seed_replica_close(r);
}

/* An import of a newer seed goes by what lies in sync/. */
static void an_import_wins_and_the_pool_stays(void **state)
{
	const struct tmpdir *dir = *state;
	static const struct disk_of newer[] = { { "vda", "ZZ", 0 }, { 0 } };
	static const struct disk_of last[] = { { "vda", "ZGH", 0 }, { 0 } };
	struct seed_replica *r = old_replica(dir->fd);
	struct seed_manifest m = manifest_with(3, newer), n = manifest_with(4, last);
	struct seed_sync *sync = NULL;
	enum seed_proved proved[1];
	struct seed_error err = { 0 };

	must(begin_sync(&sync, r, after, &err), &err);
	assert_int_equal(feed_disk(sync, 0, &after[0], &err), 5);
	seed_sync_close(sync);
	must(seed_replica_begin_build(r, &m, &err), &err);
	put_disk(r->build, "vda.raw", &newer[0]);
	put_list(r->build, "vda.list", &newer[0]);
	must(seed_replica_describe(r, &m, &err), &err);
	must(seed_replica_switch(r, &err), &err);
	assert_true(disks_are(r, newer));
	assert_true(seed_path_exists(r->dir, "sync/journal"));
	assert_int_equal(sync_to(r, &n, last, NULL, proved, &err), 0);
	assert_true(disks_are(r, last));
	seed_replica_close(r);
	seed_manifest_clear(&m);
	seed_manifest_clear(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_tmpdir(a_replica_becomes_the_new_state),
		on_tmpdir(several_threads_make_the_same_state),
		on_tmpdir(long_steps_say_how_far_they_are),
		on_tmpdir(zeroes_become_holes_again),
		on_tmpdir(what_arrived_before_a_cut_does_not_come_again),
		on_tmpdir(a_first_seed_goes_on_when_the_source_moved_on),
		on_tmpdir(a_new_disk_of_another_size_is_begun_anew),
		on_tmpdir(rotten_and_missing_blocks_are_fetched),
		on_tmpdir(a_block_that_did_not_arrive_leaves_the_old_state),
		on_tmpdir(a_block_of_another_length_is_not_at_hand),
		on_tmpdir(a_disk_that_somebody_writes_is_left_alone),
		on_tmpdir(a_promoted_replica_is_refused),
		on_tmpdir(what_another_replica_left_is_refused),
		on_tmpdir(a_commit_that_fails_half_way_is_finished_later),
		on_tmpdir(what_a_rotten_journal_does_not_give_is_missing),
		on_tmpdir(a_damaged_journal_does_not_keep_a_replica_half_way),
		on_tmpdir(a_lost_header_does_not_cost_what_arrived),
		on_tmpdir(a_record_without_its_blocks_is_taken_back),
		on_tmpdir(an_incomplete_replica_is_filled),
		on_tmpdir(an_abort_leaves_the_old_replica_alone),
		on_tmpdir(an_import_wins_and_the_pool_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
