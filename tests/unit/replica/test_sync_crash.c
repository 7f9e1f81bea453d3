// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A sync that dies at each call that changes a file, and recoveries that die as well: what opens
 * afterwards is the old state or the new one, whole, and the next sync reaches the new one.
 *
 * The calls are this program's own: they stand in for libc's.
 */
#include "syncing.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define KILLED 77

static long die_at, calls;	/* 0: never */
static bool no_room;

static void count_call(void)
{
	calls++;
	if (die_at && calls == die_at)
		_exit(KILLED);
}

static long result(long rc)
{
	return rc;	/* syscall() has set errno */
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t at)
{
	count_call();
	return result(syscall(SYS_pwrite64, fd, buf, len, at));
}

ssize_t write(int fd, const void *buf, size_t len)
{
	if (fd > 2)
		count_call();
	return result(syscall(SYS_write, fd, buf, len));
}

int fsync(int fd)
{
	count_call();
	return (int)result(syscall(SYS_fsync, fd));
}

int ftruncate(int fd, off_t size)
{
	count_call();
	return (int)result(syscall(SYS_ftruncate, fd, size));
}

int unlinkat(int dir, const char *path, int flags)
{
	count_call();
	return (int)result(syscall(SYS_unlinkat, dir, path, flags));
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	count_call();
	return (int)result(syscall(SYS_renameat2, from_dir, from, to_dir, to, 0));
}

int mkdirat(int dir, const char *path, mode_t mode)
{
	count_call();
	return (int)result(syscall(SYS_mkdirat, dir, path, mode));
}

int futimens(int fd, const struct timespec times[2])
{
	count_call();
	return (int)result(syscall(SYS_utimensat, fd, NULL, times, 0));
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
	count_call();
	if (no_room && !(mode & FALLOC_FL_PUNCH_HOLE)) {
		errno = ENOSPC;
		return -1;
	}
	return (int)result(syscall(SYS_fallocate, fd, mode, at, len));
}

/* ---- the store ---- */

static char folder[SEED_REPLICA_NAME];

static void make_store(const struct tmpdir *dir)
{
	struct seed_replica *r;
	struct seed_error err = { 0 };

	seed_path_remove_tree(dir->fd, folder, NULL);
	r = old_replica(dir->fd);
	for (size_t i = 0; i < r->disks.count; i++) {
		const struct seed_replica_disk *d = seed_vec_at(&r->disks, i);
		char stem[33];

		must(seed_replica_stamp(r->dir, seed_replica_slot_stem(d->slot, stem), d->file,
					seed_grid_blocks(d->size), &err), &err);
	}
	seed_replica_close(r);
}

/* One run of a sync, or of nothing but opening. */
static int run(int store, const struct seed_manifest *m, bool sync)
{
	struct seed_replica *r = NULL;
	enum seed_proved proved[4];
	struct seed_error err = { 0 };

	if (seed_replica_open(&r, store, folder, true, &err) < 0) {
		fprintf(stderr, "open: %s\n", err.text);
		return 1;
	}
	if (sync && sync_to(r, m, after, new_files, proved, &err) < 0) {
		fprintf(stderr, "sync: %s\n", err.text);
		return 2;
	}
	seed_replica_close(r);
	return 0;
}

/* True when the child came to its end; it dies at its @at-th call. */
static bool run_until(int store, const struct seed_manifest *m, bool sync, long at)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		die_at = at;
		calls = 0;
		_exit(run(store, m, sync));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == KILLED)
		return false;
	assert_int_equal(WEXITSTATUS(status), 0);
	return true;
}

/* Stamps that are there do not lie. */
static void check_stamps(const struct seed_replica *r)
{
	SEED_AUTO(seed_pool_freep) struct seed_pool *pool = NULL;
	struct seed_error err = { 0 };

	must(seed_pool_new(&pool, &(struct seed_pool_options){ 0 }, &err), &err);
	for (size_t i = 0; i < r->disks.count; i++) {
		const struct seed_proof_options opt = { .pool = pool, .depth = 1,
							.paranoid = true };
		struct seed_proof proof = { 0 };

		must(seed_replica_prove(&proof, r, i, &opt, &err), &err);
		assert_int_equal(proof.result, SEED_PROVED_FULL);
	}
}

/* Open, look, and go on to the new state. Returns whether the new one was there already. */
static bool check_and_finish(int store, const struct seed_manifest *m)
{
	struct seed_replica *r = NULL;
	struct seed_error err = { 0 };
	bool new;

	must(seed_replica_open(&r, store, folder, true, &err), &err);
	new = is_new(r);
	if (!new && !is_old(r))
		fail_msg("neither the old state nor the new one");
	/* Only what nobody decided for, or what is left of what was carried out. */
	assert_false(seed_path_exists(r->dir, "sync/replica.json"));
	check_stamps(r);
	seed_replica_close(r);
	assert_int_equal(run(store, m, true), 0);
	must(seed_replica_open(&r, store, folder, true, &err), &err);
	assert_true(is_new(r));
	assert_false(seed_path_exists(r->dir, "sync"));
	seed_replica_close(r);
	return new;
}

static void a_sync_that_is_killed_leaves_the_old_state_or_the_new(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_manifest m = new_manifest(2);
	bool decided = false, ended = false;
	long at;

	for (at = 1; !ended; at++) {
		bool new;

		make_store(dir);
		ended = run_until(dir->fd, &m, true, at);
		new = check_and_finish(dir->fd, &m);
		assert_true(new || !decided);	/* once decided, always decided */
		decided |= new;
		assert_true(at < 1000);
	}
	assert_true(decided && at > 50);
	seed_manifest_clear(&m);
}

static void a_recovery_may_be_killed_again_and_again(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_manifest m = new_manifest(2);

	for (long at = 1; at < 1000; at += 3) {
		bool ended, recovered = false;

		make_store(dir);
		ended = run_until(dir->fd, &m, true, at);
		/* Each recovery comes one call further before it dies. */
		for (long more = 1; !recovered; more++)
			recovered = run_until(dir->fd, &m, false, more);
		check_and_finish(dir->fd, &m);
		if (ended)
			break;
	}
	seed_manifest_clear(&m);
}

static void a_full_store_leaves_the_old_state(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_manifest m = new_manifest(2);
	struct seed_replica *r = NULL;
	struct seed_sync *sync = NULL;
	enum seed_proved proved[4];
	struct seed_error err = { 0 };

	make_store(dir);
	must(seed_replica_open(&r, dir->fd, folder, true, &err), &err);
	must(begin_sync(&sync, r, after, &err), &err);
	for (size_t i = 0; i < 4; i++)
		assert_true(feed_disk(sync, i, &after[i], &err) >= 0);
	no_room = true;
	assert_fails(commit_sync(sync, &m, new_files, proved, &err), &err, SEED_ERR_MEDIUM);
	no_room = false;
	seed_sync_close(sync);
	assert_false(seed_path_exists(r->dir, "sync/replica.json"));
	assert_true(is_old(r));
	assert_int_equal(sync_to(r, &m, after, new_files, proved, &err), 0);
	assert_true(is_new(r));
	seed_replica_close(r);
	seed_manifest_clear(&m);
}

static int setup(void **state)
{
	struct seed_manifest m = manifest_with(1, before);

	seed_replica_folder_name(&m.site, &m.uuid, m.name, folder);
	seed_manifest_clear(&m);
	return tmpdir_setup(state);
}

#define on_store(name) cmocka_unit_test_setup_teardown(name, setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_store(a_sync_that_is_killed_leaves_the_old_state_or_the_new),
		on_store(a_recovery_may_be_killed_again_and_again),
		on_store(a_full_store_leaves_the_old_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
