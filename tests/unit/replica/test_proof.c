// SPDX-License-Identifier: LGPL-2.1-or-later
#include "disks.h"

#include <sys/wait.h>
#include <time.h>

#include "block/stamp.h"

static const struct disk_of two[] = {
	{ "vda", "AB.0C.D", 1000 }, { "hd:1.b", "xy", 0 }, { NULL, NULL, 0 },
};

struct stand {
	struct seed_manifest m;
	struct seed_replica *r;
	struct seed_pool *pool;
};

static struct stand stand_on(const struct tmpdir *dir)
{
	struct stand s = { .m = manifest_with(1, two) };
	struct seed_error err = { 0 };

	s.r = replica_with(dir->fd, &s.m, two);
	must(seed_pool_new(&s.pool, &(struct seed_pool_options){ 0 }, &err), &err);
	return s;
}

static void clear(struct stand *s)
{
	seed_replica_close(s->r);
	seed_pool_free(s->pool);
	seed_manifest_clear(&s->m);
}

static struct seed_proof prove(const struct stand *s, size_t disk, bool paranoid)
{
	const struct seed_proof_options opt = { .paranoid = paranoid, .pool = s->pool, .depth = 2 };
	struct seed_proof proof = { 0 };
	struct seed_error err = { 0 };

	must(seed_replica_prove(&proof, s->r, disk, &opt, &err), &err);
	return proof;
}

static enum seed_proved result(const struct stand *s, size_t disk, bool paranoid)
{
	struct seed_proof proof = prove(s, disk, paranoid);
	enum seed_proved proved = proof.result;

	seed_proof_clear(&proof);
	return proved;
}

static void poke(const struct stand *s, const char *name, off_t at, const char *what)
{
	int fd = openat(s->r->dir, name, O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, what, strlen(what), at), strlen(what));
	close(fd);
}

static void a_disk_is_read_once_and_its_stamp_serves_from_then_on(void **state)
{
	struct stand s = stand_on(*state);
	struct seed_proof proof;

	for (size_t disk = 0; disk < 2; disk++) {
		proof = prove(&s, disk, false);
		assert_int_equal(proof.result, SEED_PROVED_FULL);
		assert_int_not_equal(proof.bytes_read, 0);
		assert_int_equal(proof.differ_blocks, 0);
		proof = prove(&s, disk, false);
		assert_int_equal(proof.result, SEED_PROVED_STAMP);
		assert_int_equal(proof.bytes_read, 0);
		assert_int_equal(result(&s, disk, true), SEED_PROVED_FULL);
		assert_int_equal(result(&s, disk, false), SEED_PROVED_STAMP);
	}
	assert_true(seed_path_exists(s.r->dir, "vda.stamp"));
	assert_true(seed_path_exists(s.r->dir, "hd+1.b.stamp"));
	clear(&s);
}

/* Over and over, for the clock's step is some milliseconds: a rule that looked at a time that
 * is "now" would miss one of them. */
static void a_write_right_after_the_stamp_is_noticed(void **state)
{
	struct stand s = stand_on(*state);
	struct seed_error err = { 0 };

	for (int i = 0; i < 50; i++) {
		char text[2] = { (char)('a' + i % 20), 0 };
		struct seed_proof proof;

		put_disk(s.r->dir, "vda.raw", &two[0]);
		must(seed_replica_stamp(s.r->dir, "vda", "vda.raw", 7, &err), &err);
		assert_int_equal(result(&s, 0, false), SEED_PROVED_STAMP);
		poke(&s, "vda.raw", 3 * SEED_BLOCK_SIZE + 17, text);
		proof = prove(&s, 0, false);
		assert_int_equal(proof.result, SEED_PROVED_EDITED);
		assert_int_equal(proof.differ_blocks, 1);
		assert_int_equal(((struct seed_run *)proof.differ.items)->start, 3);
		assert_int_equal(((struct seed_run *)proof.differ.items)->kind, SEED_BLOCK_MISSING);
		seed_proof_clear(&proof);
	}
	clear(&s);
}

static void what_was_touched_and_is_equal_is_proven_by_reading(void **state)
{
	struct stand s = stand_on(*state);

	assert_int_equal(result(&s, 0, false), SEED_PROVED_FULL);
	assert_int_equal(utimensat(s.r->dir, "vda.raw", NULL, 0), 0);
	assert_int_equal(result(&s, 0, false), SEED_PROVED_FULL);
	assert_int_equal(result(&s, 0, false), SEED_PROVED_STAMP);
	/* Moved away and back: another inode's times do not count, nor does a rename go by
	 * unseen. */
	assert_int_equal(renameat(s.r->dir, "vda.raw", s.r->dir, "away"), 0);
	put_disk(s.r->dir, "vda.raw", &two[0]);
	assert_int_equal(result(&s, 0, false), SEED_PROVED_FULL);
	clear(&s);
}

/* The stamp's identity is what the file has, and the bytes are not: as if the disk had rotten. */
static void blocks_that_differ_though_nobody_wrote_are_rot(void **state)
{
	struct stand s = stand_on(*state);
	struct seed_proof proof;
	struct seed_error err = { 0 };

	poke(&s, "vda.raw", 0, "rot");
	poke(&s, "vda.raw", 4 * SEED_BLOCK_SIZE, "rot");
	poke(&s, "vda.raw", 5 * SEED_BLOCK_SIZE + 9, "rot");
	must(seed_replica_stamp(s.r->dir, "vda", "vda.raw", 7, &err), &err);
	assert_int_equal(result(&s, 0, false), SEED_PROVED_STAMP);
	proof = prove(&s, 0, true);
	assert_int_equal(proof.result, SEED_PROVED_ROTTEN);
	assert_int_equal(proof.differ_blocks, 3);
	assert_int_equal(proof.differ.count, 2);
	assert_int_equal(((struct seed_run *)seed_vec_at(&proof.differ, 1))->start, 4);
	assert_int_equal(((struct seed_run *)seed_vec_at(&proof.differ, 1))->count, 2);
	seed_proof_clear(&proof);
	must(seed_replica_unstamp(s.r->dir, "vda", &err), &err);
	assert_int_equal(result(&s, 0, false), SEED_PROVED_EDITED);
	clear(&s);
}

static void known_missing_blocks_do_not_count(void **state)
{
	struct stand s = stand_on(*state);
	struct seed_proof proof;

	poke(&s, "vda.raw", SEED_BLOCK_SIZE, "not here yet");
	poke(&s, "vda.raw", 2 * SEED_BLOCK_SIZE, "not here yet");
	put_missing(s.r->dir, "vda.missing", 1, 2);
	((struct seed_replica_disk *)seed_vec_at(&s.r->disks, 0))->missing_blocks = 2;
	assert_int_equal(result(&s, 0, false), SEED_PROVED_FULL);
	assert_int_equal(result(&s, 0, false), SEED_PROVED_STAMP);
	poke(&s, "vda.raw", 3 * SEED_BLOCK_SIZE, "edited");
	proof = prove(&s, 0, false);
	assert_int_equal(proof.result, SEED_PROVED_EDITED);
	assert_int_equal(proof.differ_blocks, 1);
	seed_proof_clear(&proof);
	clear(&s);
}

/* A run that noted what is wrong was cut before it said so in replica.json: it is still found. */
static void a_missing_list_that_nothing_counts_hides_nothing(void **state)
{
	struct stand s = stand_on(*state);
	struct seed_replica_disk *disk = seed_vec_at(&s.r->disks, 0);
	struct seed_proof proof;
	struct seed_error err = { 0 };

	poke(&s, "vda.raw", SEED_BLOCK_SIZE, "edited");
	put_missing(s.r->dir, "vda.missing", 1, 1);
	for (int turn = 0; turn < 2; turn++) {
		proof = prove(&s, 0, false);
		assert_int_equal(proof.result, SEED_PROVED_EDITED);
		assert_int_equal(proof.differ_blocks, 1);
		if (turn == 0) {
			seed_proof_clear(&proof);
			put_missing(s.r->dir, "vda.missing", 0, 3);
		}
	}
	/* What is noted now is what was found, and nothing of that list. */
	must(seed_missing_note(s.r->dir, disk, &proof.differ, &err), &err);
	assert_int_equal(disk->missing_blocks, 1);
	seed_proof_clear(&proof);
	assert_int_equal(result(&s, 0, false), SEED_PROVED_FULL);
	clear(&s);
}

static void a_disk_of_another_size_was_edited(void **state)
{
	struct stand s = stand_on(*state);
	struct seed_proof proof;
	char path[64];

	assert_int_equal(result(&s, 0, false), SEED_PROVED_FULL);
	snprintf(path, sizeof(path), "/proc/self/fd/%d/vda.raw", s.r->dir);
	assert_int_equal(truncate(path, 7 * SEED_BLOCK_SIZE), 0);	/* longer */
	proof = prove(&s, 0, false);
	assert_int_equal(proof.result, SEED_PROVED_EDITED);
	assert_int_equal(proof.differ_blocks, 0);
	assert_int_equal(truncate(path, 4 * SEED_BLOCK_SIZE + 5), 0);	/* within block 4 */
	proof = prove(&s, 0, false);
	assert_int_equal(proof.result, SEED_PROVED_EDITED);
	assert_int_equal(proof.differ_blocks, 3);
	assert_int_equal(((struct seed_run *)proof.differ.items)->start, 4);
	seed_proof_clear(&proof);
	assert_int_equal(truncate(path, 0), 0);
	proof = prove(&s, 0, false);
	assert_int_equal(proof.differ_blocks, 7);
	seed_proof_clear(&proof);
	clear(&s);
}

static void a_disk_that_somebody_writes_is_busy(void **state)
{
	struct stand s = stand_on(*state);
	const struct seed_proof_options opt = { .pool = s.pool, .depth = 2 };
	struct flock lock = { .l_type = F_RDLCK, .l_start = 101, .l_len = 1 };
	struct seed_proof proof = { 0 };
	struct seed_error err = { 0 };
	int fd = openat(s.r->dir, "vda.raw", O_RDWR | O_CLOEXEC);

	assert_fails(seed_replica_prove(&proof, s.r, 0, &opt, &err), &err, SEED_ERR_BUSY);
	assert_null(strstr(err.text, "disk vda: "));	/* the caller says which */
	must(seed_replica_stamp(s.r->dir, "vda", "vda.raw", 7, &err), &err);
	assert_false(seed_path_exists(s.r->dir, "vda.stamp"));
	/* As QEMU says that it may write. */
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	assert_fails(seed_replica_prove(&proof, s.r, 0, &opt, &err), &err, SEED_ERR_BUSY);
	close(fd);
	assert_int_equal(result(&s, 0, false), SEED_PROVED_FULL);
	unlinkat(s.r->dir, "vda.raw", 0);
	assert_fails(seed_replica_prove(&proof, s.r, 0, &opt, &err), &err, SEED_ERR_NOTFOUND);
	clear(&s);
}

static void a_damaged_stamp_proves_nothing_and_is_replaced(void **state)
{
	struct stand s = stand_on(*state);
	struct seed_stamp stamp;
	struct seed_error err = { 0 };

	put(s.r->dir, "vda.stamp", "{}");
	assert_int_equal(result(&s, 0, false), SEED_PROVED_FULL);
	assert_int_equal(result(&s, 0, false), SEED_PROVED_STAMP);
	must(seed_stamp_read(&stamp, s.r->dir, "vda", &err), &err);
	stamp.blocks--;
	must(seed_stamp_write(s.r->dir, "vda", &stamp, &err), &err);
	assert_int_equal(result(&s, 0, false), SEED_PROVED_FULL);
	clear(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_tmpdir(a_disk_is_read_once_and_its_stamp_serves_from_then_on),
		on_tmpdir(a_write_right_after_the_stamp_is_noticed),
		on_tmpdir(what_was_touched_and_is_equal_is_proven_by_reading),
		on_tmpdir(blocks_that_differ_though_nobody_wrote_are_rot),
		on_tmpdir(known_missing_blocks_do_not_count),
		on_tmpdir(a_missing_list_that_nothing_counts_hides_nothing),
		on_tmpdir(a_disk_of_another_size_was_edited),
		on_tmpdir(a_disk_that_somebody_writes_is_busy),
		on_tmpdir(a_damaged_stamp_proves_nothing_and_is_replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
