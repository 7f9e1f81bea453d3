// SPDX-License-Identifier: LGPL-2.1-or-later
/* Building a newer seed beside a replica, and switching to it: whole, and killed anywhere. */
#include "fixture.h"

#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- a process that ends at its n-th change of the file system ---- */

static int changes_left = -1;	/* -1: no limit */

static void count_change(void)
{
	if (changes_left == 0)
		_exit(42);
	if (changes_left > 0)
		changes_left--;
}

/* Ours stand in for the C library's in everything linked into this test. */
ssize_t write(int fd, const void *buf, size_t len)
{
	count_change();
	if (changes_left == 0)	/* the last one is torn */
		len = len > 1 ? len / 2 : len;
	return syscall(SYS_write, fd, buf, len);
}

int fsync(int fd)
{
	count_change();
	(void)fd;	/* the machine stays up: only where a process ends matters */
	return 0;
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	count_change();
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

int unlinkat(int dir, const char *name, int flags)
{
	count_change();
	return (int)syscall(SYS_unlinkat, dir, name, flags);
}

int mkdirat(int dir, const char *name, mode_t mode)
{
	count_change();
	return (int)syscall(SYS_mkdirat, dir, name, mode);
}

/* ---- a replica at seed 1, and a build of seed 2 ---- */

static void build_files(struct seed_replica *replica, const char *text, uint64_t missing)
{
	struct seed_replica_disk *disk = seed_vec_at(&replica->disks, 0);

	put(replica->build, disk->file, text);
	put(replica->build, disk->list, text);
	put(replica->build, "manifest.json", text);
	put(replica->build, "manifest.json.minisig", text);
	put(replica->build, "definition.xml", text);
	if (missing)
		put_missing(replica->build, disk->missing, 2, missing);
	disk->missing_blocks = missing;
	replica->state = missing ? SEED_REPLICA_INCOMPLETE : SEED_REPLICA_SEEDED;
}

/* Seed 1: imported, with an NVRAM file and @missing blocks missing. */
static void make_first(const struct tmpdir *dir, char *name, uint64_t missing)
{
	SEED_AUTO(seed_manifest_clear) struct seed_manifest m = manifest_of("web01", 1);
	SEED_AUTO(seed_replica_closep) struct seed_replica *replica = NULL;
	struct seed_error err = { 0 };

	must(seed_replica_create(&replica, dir->fd, &m, &err), &err);
	put(replica->build, "nvram.0", "one");
	build_files(replica, "one", missing);
	must(seed_replica_switch(replica, &err), &err);
	memcpy(name, replica->name, SEED_REPLICA_NAME);
}

/* All of what a run does to bring the replica to seed 2. */
static int make_second(const struct tmpdir *dir, const char *name, uint64_t missing,
		       struct seed_error *err)
{
	SEED_AUTO(seed_manifest_clear) struct seed_manifest m = manifest_of("web01", 2);
	SEED_AUTO(seed_replica_closep) struct seed_replica *replica = NULL;

	if (seed_replica_open(&replica, dir->fd, name, true, err) < 0 ||
	    seed_replica_begin_build(replica, &m, err) < 0)
		return -1;
	if (seed_replica_describe(replica, &m, err) < 0)
		return -1;
	build_files(replica, "two", missing);
	return seed_replica_switch(replica, err);
}

/* The replica is whole at one of its seeds: all of its files are of it, and none is left over. */
static int assert_whole(const struct tmpdir *dir, const char *name, uint64_t missing_one,
			uint64_t missing_two)
{
	static const char *const files[] = { "vda.raw", "vda.list", "manifest.json",
					     "manifest.json.minisig", "definition.xml" };
	SEED_AUTO(seed_replica_closep) struct seed_replica *replica = NULL;
	SEED_AUTO(seed_vec_free) struct seed_vec runs = { 0 };
	struct seed_error err = { 0 };
	uint64_t missing;
	bool two;

	must(seed_replica_open(&replica, dir->fd, name, true, &err), &err);
	assert_false(replica->switching);
	assert_int_equal(replica->drop.count, 0);
	two = replica->generation == 2;
	assert_int_equal(replica->seed.bytes[0], two ? 2 : 1);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (!holds(replica->dir, files[i], two ? "two" : "one"))
			fail_msg("%s is not of seed %d", files[i], two ? 2 : 1);
	assert_int_equal(seed_path_exists(replica->dir, "nvram.0"), !two);
	missing = two ? missing_two : missing_one;
	must(seed_missing_read(&runs, replica->dir, "vda.missing", 11, &err), &err);
	assert_int_equal(runs.count, missing ? 1 : 0);
	if (missing)
		assert_int_equal(((struct seed_run *)seed_vec_at(&runs, 0))->count, missing);
	assert_int_equal(((struct seed_replica_disk *)seed_vec_at(&replica->disks, 0))->
			 missing_blocks, missing);
	assert_int_equal(replica->state, missing ? SEED_REPLICA_INCOMPLETE : SEED_REPLICA_SEEDED);
	if (two)
		assert_false(seed_path_exists(replica->dir, "next"));
	return two ? 2 : 1;
}

static void a_first_import_is_built_in_place(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_manifest_clear) struct seed_manifest m = manifest_of("web01", 1);
	SEED_AUTO(seed_replica_closep) struct seed_replica *replica = NULL;
	struct seed_error err = { 0 };
	char name[SEED_REPLICA_NAME];

	must(seed_replica_create(&replica, dir->fd, &m, &err), &err);
	memcpy(name, replica->name, sizeof(name));
	put(replica->build, "vda.raw", "half");
	seed_replica_close(seed_steal(&replica));
	/* The next run goes on with it. */
	must(seed_replica_open(&replica, dir->fd, name, true, &err), &err);
	must(seed_replica_begin_build(replica, &m, &err), &err);
	assert_int_equal(replica->build, replica->dir);
	assert_true(holds(replica->build, "vda.raw", "half"));
	build_files(replica, "one", 3);
	must(seed_replica_switch(replica, &err), &err);
	assert_int_equal(replica->build, -1);
	/* Missing blocks of this seed are written in place too. */
	must(seed_replica_begin_build(replica, &m, &err), &err);
	assert_int_equal(replica->build, replica->dir);
	seed_replica_close(seed_steal(&replica));
	put_missing(dir->fd, "x", 1, 1);
	assert_false(seed_path_exists(dir->fd, "web01/next"));
}

static void a_newer_seed_is_built_beside_and_gone_on_with(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_manifest_clear) struct seed_manifest two = manifest_of("web01", 2);
	SEED_AUTO(seed_manifest_clear) struct seed_manifest three = manifest_of("web01", 3);
	SEED_AUTO(seed_replica_closep) struct seed_replica *replica = NULL;
	struct seed_error err = { 0 };
	char name[SEED_REPLICA_NAME];

	make_first(dir, name, 0);
	for (int run = 0; run < 3; run++) {
		must(seed_replica_open(&replica, dir->fd, name, true, &err), &err);
		must(seed_replica_begin_build(replica, run < 2 ? &two : &three, &err), &err);
		assert_int_not_equal(replica->build, replica->dir);
		assert_int_equal(replica->generation, 1);	/* still what is there */
		assert_true(holds(replica->dir, "vda.raw", "one"));
		/* The second run finds the first one's work; another seed begins anew. */
		assert_int_equal(seed_path_exists(replica->build, "vda.raw"), run == 1);
		put(replica->build, "vda.raw", "half");
		seed_replica_close(seed_steal(&replica));
	}
	assert_int_equal(assert_whole(dir, name, 0, 0), 1);
}

static void a_switch_replaces_everything_of_the_old_seed(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_error err = { 0 };
	char name[SEED_REPLICA_NAME];

	make_first(dir, name, 4);
	must(make_second(dir, name, 0, &err), &err);
	assert_int_equal(assert_whole(dir, name, 4, 0), 2);
}

static void another_vm_is_never_built_here(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_manifest_clear) struct seed_manifest other = manifest_of("web02", 2);
	SEED_AUTO(seed_manifest_clear) struct seed_manifest two = manifest_of("web01", 2);
	SEED_AUTO(seed_replica_closep) struct seed_replica *replica = NULL;
	struct seed_error err = { 0 };
	char name[SEED_REPLICA_NAME];

	make_first(dir, name, 0);
	must(seed_replica_open(&replica, dir->fd, name, true, &err), &err);
	assert_fails(seed_replica_begin_build(replica, &other, &err), &err, SEED_ERR_IDENTITY);
	replica->state = SEED_REPLICA_PROMOTED;
	must(seed_replica_save(replica, &err), &err);
	assert_fails(seed_replica_begin_build(replica, &two, &err), &err, SEED_ERR_IDENTITY);
	assert_false(seed_path_exists(replica->dir, "next"));
}

static void a_disk_that_the_newer_seed_lost_stays_as_a_file(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_manifest_clear) struct seed_manifest one = manifest_of("web01", 1);
	SEED_AUTO(seed_replica_closep) struct seed_replica *replica = NULL;
	struct seed_error err = { 0 };
	char name[SEED_REPLICA_NAME];

	add_slot(&one, "vdb", 512);
	must(seed_replica_create(&replica, dir->fd, &one, &err), &err);
	put(replica->build, "vdb.raw", "kept");
	build_files(replica, "one", 0);
	must(seed_replica_switch(replica, &err), &err);
	memcpy(name, replica->name, sizeof(name));
	seed_replica_close(seed_steal(&replica));
	must(make_second(dir, name, 0, &err), &err);
	must(seed_replica_open(&replica, dir->fd, name, true, &err), &err);
	assert_int_equal(replica->disks.count, 1);
	assert_true(holds(replica->dir, "vdb.raw", "kept"));
}

/* End the run at each of its changes, then the recovery at each of its own: whoever opens the
 * replica at last finds one seed, whole, and a rerun gets to the second. */
static void killed_anywhere_it_is_old_or_new(void **state)
{
	static const struct {
		uint64_t one, two;	/* blocks missing */
	} cases[] = { { 0, 0 }, { 4, 0 }, { 0, 3 }, { 4, 3 } };
	const struct tmpdir *dir = *state;
	unsigned int points = 0, old = 0, new = 0, nested = 0;

	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		bool done = false;

		for (int at = 0; !done; at++, points++) {
			struct seed_error err = { 0 };
			char name[SEED_REPLICA_NAME];
			int status;
			pid_t pid;

			make_first(dir, name, cases[c].one);
			pid = fork();
			if (pid == 0) {
				changes_left = at;
				_exit(make_second(dir, name, cases[c].two, &err) < 0);
			}
			assert_int_equal(waitpid(pid, &status, 0), pid);
			assert_true(WIFEXITED(status));
			done = WEXITSTATUS(status) == 0;
			assert_true(done || WEXITSTATUS(status) == 42);
			/* A second run, ended too, at a place that moves along. */
			pid = fork();
			if (pid == 0) {
				SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;

				changes_left = at % 7;
				_exit(seed_replica_open(&r, dir->fd, name, true, &err) < 0);
			}
			assert_int_equal(waitpid(pid, &status, 0), pid);
			assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 1);
			nested += WEXITSTATUS(status) == 42;
			if (assert_whole(dir, name, cases[c].one, cases[c].two) == 2)
				new++;
			else
				old++;
			must(make_second(dir, name, cases[c].two, &err), &err);
			assert_int_equal(assert_whole(dir, name, cases[c].one, cases[c].two), 2);
			must(seed_path_remove_tree(dir->fd, name, &err), &err);
		}
	}
	print_message("%u points: %u old, %u new; %u recoveries ended too\n", points, old, new,
		      nested);
	assert_true(points >= 150 && old >= 60 && new >= 40 && nested >= 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_tmpdir(a_first_import_is_built_in_place),
		on_tmpdir(a_newer_seed_is_built_beside_and_gone_on_with),
		on_tmpdir(a_switch_replaces_everything_of_the_old_seed),
		on_tmpdir(another_vm_is_never_built_here),
		on_tmpdir(a_disk_that_the_newer_seed_lost_stays_as_a_file),
		on_tmpdir(killed_anywhere_it_is_old_or_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
