// SPDX-License-Identifier: LGPL-2.1-or-later
/* Recovery points: made, listed, restored, let go; whole, and killed anywhere. */
#include "fixture.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "replica/points.h"

/* ---- a file system that shares blocks, and a process that ends at its n-th change ---- */

static bool can_share = true;
static int changes_left = -1;	/* -1: no limit */

static void count_change(void)
{
	if (changes_left == 0)
		_exit(42);
	if (changes_left > 0)
		changes_left--;
}

/* Ours stand in for the C library's in everything linked into this test. A copy is what
 * sharing looks like from above. */
int ioctl(int fd, unsigned long request, ...)
{
	char buf[4096];
	ssize_t got;
	va_list ap;
	int from;

	va_start(ap, request);
	from = va_arg(ap, int);
	va_end(ap);
	if (request != FICLONE || !can_share) {
		errno = EOPNOTSUPP;
		return -1;
	}
	count_change();
	for (off_t at = 0; (got = pread(from, buf, sizeof(buf), at)) > 0; at += got)
		if (pwrite(fd, buf, (size_t)got, at) != got)
			return -1;
	return got < 0 ? -1 : 0;
}

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

/* ---- a replica at some generation ---- */

static const char *text_of(uint64_t generation)
{
	static const char *const texts[] = { "none", "one", "two", "three", "four" };

	return texts[generation];
}

/* The VM's state at a generation, of that many missing blocks. An odd one has an NVRAM file. */
static void bring_to(const struct tmpdir *dir, uint8_t generation, uint64_t missing, char *name)
{
	SEED_AUTO(seed_manifest_clear) struct seed_manifest m = manifest_of("web01", generation);
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	const char *text = text_of(generation);
	struct seed_replica_disk *disk;
	struct seed_error err = { 0 };

	seed_replica_folder_name(&m.site, &m.uuid, m.name, name);
	if (seed_replica_open(&r, dir->fd, name, true, &err) < 0)
		must(seed_replica_create(&r, dir->fd, &m, &err), &err);
	else
		must(seed_replica_begin_build(r, &m, &err), &err);
	must(seed_replica_describe(r, &m, &err), &err);
	disk = seed_vec_at(&r->disks, 0);
	put(r->build, disk->file, text);
	put(r->build, disk->list, text);
	put(r->build, "manifest.json", text);
	put(r->build, "manifest.json.minisig", text);
	if (generation % 2)
		put(r->build, "nvram.0", text);
	if (missing)
		put_missing(r->build, disk->missing, 2, missing);
	disk->missing_blocks = missing;
	r->imported = 1000 + generation;
	r->state = missing ? SEED_REPLICA_INCOMPLETE : SEED_REPLICA_SEEDED;
	must(seed_replica_switch(r, &err), &err);
}

static void open_it(const struct tmpdir *dir, const char *name, struct seed_replica **out)
{
	struct seed_error err = { 0 };

	seed_replica_close(*out);
	*out = NULL;
	must(seed_replica_open(out, dir->fd, name, true, &err), &err);
}

static void keep_it(const struct tmpdir *dir, const char *name, unsigned int keep)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	struct seed_error err = { 0 };

	open_it(dir, name, &r);
	must(seed_points_make(r, keep, &err), &err);
}

/* All files in @folder are of this generation. */
static void assert_files(int folder, uint64_t generation, bool missing)
{
	static const char *const files[] = { "vda.raw", "vda.list", "manifest.json",
					     "manifest.json.minisig" };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (!holds(folder, files[i], text_of(generation)))
			fail_msg("%s is not of generation %d", files[i], (int)generation);
	assert_int_equal(seed_path_exists(folder, "nvram.0"), generation % 2);
	assert_int_equal(seed_path_exists(folder, "vda.missing"), missing);
}

/* "1 3": the points that count, each of them whole. */
static char *points_of(const struct seed_replica *r, char *out)
{
	SEED_AUTO(seed_vec_free) struct seed_vec points = { 0 };
	struct seed_error err = { 0 };
	size_t len = 0;

	out[0] = '\0';
	must(seed_points_list(&points, r, &err), &err);
	for (size_t i = 0; i < points.count; i++) {
		const struct seed_point *p = seed_vec_at(&points, i);
		SEED_AUTO(seed_fd_closep) int folder = -1;

		assert_false(p->broken);
		assert_int_equal(p->imported, 1000 + p->generation);
		assert_int_equal(p->size, 10 * SEED_BLOCK_SIZE + 512);
		must(seed_points_open(&folder, r, p->generation, &err), &err);
		assert_files(folder, p->generation, seed_path_exists(folder, "vda.missing"));
		len += (size_t)sprintf(out + len, "%s%d", len ? " " : "", (int)p->generation);
	}
	return out;
}

#define assert_points(r, expected)							\
	do {										\
		char points_text[64];							\
		assert_string_equal(points_of(r, points_text), expected);		\
	} while (0)

/* ---- tests ---- */

static void a_point_holds_what_the_replica_held(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	SEED_AUTO(seed_fd_closep) int folder = -1;
	struct seed_error err = { 0 };
	char name[SEED_REPLICA_NAME];
	struct stat st;

	bring_to(dir, 1, 0, name);
	open_it(dir, name, &r);
	assert_points(r, "");
	keep_it((seed_replica_close(seed_steal(&r)), dir), name, 0);
	bring_to(dir, 2, 0, name);
	open_it(dir, name, &r);
	assert_points(r, "1");
	assert_files(r->dir, 2, false);
	must(seed_points_open(&folder, r, 1, &err), &err);
	assert_int_equal(fstatat(folder, "vda.raw", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0400);
	assert_fails(seed_points_open(&folder, r, 2, &err), &err, SEED_ERR_NOTFOUND);
}

static void the_oldest_go_and_the_one_just_made_stays(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	struct seed_error err = { 0 };
	char name[SEED_REPLICA_NAME];

	for (uint8_t g = 1; g <= 4; g++) {
		bring_to(dir, g, 0, name);
		keep_it(dir, name, 3);
	}
	open_it(dir, name, &r);
	assert_points(r, "2 3 4");
	must(seed_points_restore(r, 2, &err), &err);
	must(seed_points_make(r, 1, &err), &err);	/* the lowest of all, and it is the one */
	assert_points(r, "2");
	assert_files(r->dir, 2, false);
}

static void a_restore_keeps_the_state_before_it(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	struct seed_error err = { 0 };
	char name[SEED_REPLICA_NAME];

	bring_to(dir, 1, 0, name);
	keep_it(dir, name, 0);
	bring_to(dir, 2, 0, name);
	open_it(dir, name, &r);
	put(r->dir, "vda.stamp", "of the disk that goes");
	must(seed_points_restore(r, 1, &err), &err);
	assert_int_equal(r->generation, 1);
	assert_int_equal(r->state, SEED_REPLICA_SEEDED);
	assert_int_equal(r->imported, 1001);
	assert_files(r->dir, 1, false);
	assert_false(seed_path_exists(r->dir, "vda.stamp"));
	assert_points(r, "1 2");
	open_it(dir, name, &r);
	must(seed_points_restore(r, 2, &err), &err);
	assert_files(r->dir, 2, false);
	assert_int_equal(r->generation, 2);
	assert_points(r, "1 2");
	assert_fails(seed_points_restore(r, 3, &err), &err, SEED_ERR_NOTFOUND);
	assert_false(seed_path_exists(r->dir, "next"));
}

static void an_incomplete_state_stays_incomplete(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	struct seed_error err = { 0 };
	char name[SEED_REPLICA_NAME];

	bring_to(dir, 1, 3, name);
	keep_it(dir, name, 0);
	bring_to(dir, 2, 0, name);
	open_it(dir, name, &r);
	must(seed_points_restore(r, 1, &err), &err);
	assert_int_equal(r->state, SEED_REPLICA_INCOMPLETE);
	assert_files(r->dir, 1, true);
	assert_int_equal(((struct seed_replica_disk *)seed_vec_at(&r->disks, 0))->missing_blocks, 3);
	must(seed_points_restore(r, 2, &err), &err);
	assert_files(r->dir, 2, false);
}

static void a_point_of_fewer_blocks_gives_way(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	SEED_AUTO(seed_fd_closep) int folder = -1;
	struct seed_replica_disk *disk;
	struct seed_error err = { 0 };
	char name[SEED_REPLICA_NAME];

	bring_to(dir, 1, 3, name);
	keep_it(dir, name, 0);
	open_it(dir, name, &r);
	disk = seed_vec_at(&r->disks, 0);
	disk->missing_blocks = 0;
	must(seed_points_make(r, 0, &err), &err);
	must(seed_points_open(&folder, r, 1, &err), &err);
	assert_false(seed_path_exists(folder, "vda.missing"));
	disk->missing_blocks = 2;	/* and one of more never takes its place */
	must(seed_points_make(r, 0, &err), &err);
	seed_fd_closep(&folder);
	must(seed_points_open(&folder, r, 1, &err), &err);
	assert_false(seed_path_exists(folder, "vda.missing"));
}

static void what_must_not_become_a_point_is_refused(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	struct seed_error err = { 0 };
	char name[SEED_REPLICA_NAME];

	bring_to(dir, 1, 0, name);
	keep_it(dir, name, 0);
	bring_to(dir, 2, 0, name);
	open_it(dir, name, &r);
	r->state = SEED_REPLICA_PROMOTED;
	assert_fails(seed_points_make(r, 0, &err), &err, SEED_ERR_IDENTITY);
	assert_fails(seed_points_restore(r, 1, &err), &err, SEED_ERR_IDENTITY);
	r->state = SEED_REPLICA_SEEDING;
	assert_fails(seed_points_make(r, 0, &err), &err, SEED_ERR_USAGE);
	r->state = SEED_REPLICA_SEEDED;
	can_share = false;
	assert_fails(seed_points_make(r, 0, &err), &err, SEED_ERR_USAGE);
	assert_fails(seed_points_restore(r, 1, &err), &err, SEED_ERR_USAGE);
	assert_non_null(strstr(err.text, "xfs"));
	assert_false(seed_points_possible(dir->fd));
	can_share = true;
	assert_true(seed_points_possible(dir->fd));
	/* Generation 1 of another line: neither is thrown away. */
	r->generation = 1;
	assert_fails(seed_points_make(r, 0, &err), &err, SEED_ERR_USAGE);
	assert_points(r, "1");
	assert_files(r->dir, 2, false);
}

static void a_broken_point_is_listed_and_can_be_deleted(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	SEED_AUTO(seed_vec_free) struct seed_vec points = { 0 };
	SEED_AUTO(seed_fd_closep) int folder = -1;
	struct seed_error err = { 0 };
	char name[SEED_REPLICA_NAME];

	bring_to(dir, 1, 0, name);
	keep_it(dir, name, 0);
	bring_to(dir, 2, 0, name);
	open_it(dir, name, &r);
	must(seed_points_open(&folder, r, 1, &err), &err);
	put(folder, "replica.json", "{");
	assert_int_equal(mkdirat(r->dir, "points/not-ours", 0700), 0);
	assert_int_equal(mkdirat(r->dir, "points/007", 0700), 0);
	must(seed_points_list(&points, r, &err), &err);
	assert_int_equal(points.count, 1);
	assert_true(((struct seed_point *)seed_vec_at(&points, 0))->broken);
	assert_fails(seed_points_restore(r, 1, &err), &err, SEED_ERR_FORMAT);
	must(seed_points_delete(r, 1, &err), &err);
	assert_fails(seed_points_delete(r, 1, &err), &err, SEED_ERR_NOTFOUND);
	assert_points(r, "");
	assert_true(seed_path_exists(r->dir, "points/not-ours"));
}

/* End at each change in turn; what stands then is whole, and a rerun gets there. */
static void sweep_ends(const struct tmpdir *dir, const char *name,
		       int (*run)(struct seed_replica *, struct seed_error *),
		       void (*check)(struct seed_replica *, bool done), unsigned int at_least)
{
	unsigned int ends = 0;
	bool done = false;

	for (int at = 0; !done; at++, ends++) {
		SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
		struct seed_error err = { 0 };
		int status;
		pid_t pid;

		pid = fork();
		if (pid == 0) {
			if (seed_replica_open(&r, dir->fd, name, true, &err) < 0)
				_exit(1);
			changes_left = at;
			_exit(run(r, &err) < 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		done = WEXITSTATUS(status) == 0;
		assert_true(done || WEXITSTATUS(status) == 42);
		open_it(dir, name, &r);
		check(r, done);
	}
	print_message("%u ends\n", ends);
	assert_true(ends >= at_least);
}

static int make_one(struct seed_replica *r, struct seed_error *err)
{
	return seed_points_make(r, 1, err);
}

/* Kept anew each time, with an older one that goes. */
static void check_make(struct seed_replica *r, bool done)
{
	struct seed_error err = { 0 };
	char text[64];

	points_of(r, text);
	assert_true(strcmp(text, "1") == 0 || strcmp(text, "1 2") == 0 || strcmp(text, "2") == 0);
	assert_files(r->dir, 2, false);
	if (!done)
		return;
	assert_string_equal(text, "2");
	must(seed_points_delete(r, 2, &err), &err);
}

static int restore_one(struct seed_replica *r, struct seed_error *err)
{
	return seed_points_restore(r, 1, err);
}

static void check_restore(struct seed_replica *r, bool done)
{
	struct seed_error err = { 0 };

	assert_true(!done || r->generation == 1);
	assert_files(r->dir, r->generation, false);
	assert_points(r, r->generation == 1 || seed_path_exists(r->dir, "points/2/replica.json") ?
			 "1 2" : "1");
	if (r->generation == 2)
		return;
	must(seed_points_restore(r, 2, &err), &err);
	if (!done)
		must(seed_points_delete(r, 2, &err), &err);
}

static void killed_anywhere_points_are_whole_or_not_there(void **state)
{
	const struct tmpdir *dir = *state;
	char name[SEED_REPLICA_NAME];

	bring_to(dir, 1, 0, name);
	keep_it(dir, name, 0);
	bring_to(dir, 2, 0, name);
	sweep_ends(dir, name, make_one, check_make, 15);
}

static void killed_anywhere_a_restore_is_old_or_new(void **state)
{
	const struct tmpdir *dir = *state;
	char name[SEED_REPLICA_NAME];

	bring_to(dir, 1, 0, name);
	keep_it(dir, name, 0);
	bring_to(dir, 2, 0, name);
	sweep_ends(dir, name, restore_one, check_restore, 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_tmpdir(a_point_holds_what_the_replica_held),
		on_tmpdir(the_oldest_go_and_the_one_just_made_stays),
		on_tmpdir(a_restore_keeps_the_state_before_it),
		on_tmpdir(an_incomplete_state_stays_incomplete),
		on_tmpdir(a_point_of_fewer_blocks_gives_way),
		on_tmpdir(what_must_not_become_a_point_is_refused),
		on_tmpdir(a_broken_point_is_listed_and_can_be_deleted),
		on_tmpdir(killed_anywhere_points_are_whole_or_not_there),
		on_tmpdir(killed_anywhere_a_restore_is_old_or_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
