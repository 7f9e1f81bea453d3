// SPDX-License-Identifier: LGPL-2.1-or-later
/* What a reading leaves behind, when it serves again, and when it must not. */
#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/path.h"
#include "block/merkle.h"
#include "capture/capture.h"
#include "capture/own_kept.h"
#include "crypto/digest.h"
#include "image/mem_image.h"
#include "tmpdir.h"

#define B ((uint64_t)SEED_BLOCK_SIZE)
#define BLOCKS 80u

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
	return syscall(SYS_write, fd, buf, len);
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t offset)
{
	count_change();
	return syscall(SYS_pwrite64, fd, buf, len, offset);
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

/* ---- a disk whose identity is what a test says ---- */

static struct seed_source_identity identity;

static int told_identity(struct seed_source *src, struct seed_source_identity *out,
			 struct seed_error *err)
{
	(void)src;
	(void)err;
	*out = identity;
	return 0;
}

struct disk {
	struct seed_mem_image image;
	struct seed_source *source;
	struct seed_source_ops ops;
};

/* Content @version; written an hour ago, as version @version of the file. */
/* Long past, and the same however long a test takes: a version's times are its own. */
#define EPOCH ((int64_t)1500000000)

static void write_disk(struct disk *d, unsigned int version)
{
	for (uint64_t i = 0; i < d->image.size; i++) {
		uint64_t block = i / B;

		/* Blocks 20 to 39 are zero in even versions, 70 to 79 in all. */
		if ((block >= 20 && block < 40 && version % 2 == 0) || block >= 70)
			d->image.data[i] = 0;
		else
			d->image.data[i] = (uint8_t)(i / 4096 * 7 + block * version + version) | 1;
	}
	identity = (struct seed_source_identity){
		.device = 1, .inode = 2, .size = d->image.size, .provable = true,
		.mtime_ns = (EPOCH + version) * 1000000000,
		.ctime_ns = (EPOCH + version) * 1000000000,
	};
	d->image.bytes_read = 0;
}

static void open_disk(struct disk *d, unsigned int version)
{
	struct seed_error err = { 0 };

	*d = (struct disk){ .image = { .size = BLOCKS * B - 100, .fail_read_at = UINT64_MAX,
				       .fail_write_at = UINT64_MAX } };
	d->image.data = malloc(d->image.size);
	assert_non_null(d->image.data);
	write_disk(d, version);
	assert_ok(seed_mem_source_open(&d->source, &d->image, &err), &err);
	d->ops = *d->source->ops;
	d->ops.identity = told_identity;
	d->source->ops = &d->ops;
}

static void free_disk(struct disk *d)
{
	seed_source_close(d->source);
	free(d->image.data);
}

static uint64_t data_blocks(const struct disk *d)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < BLOCKS; i++)
		n += !seed_block_is_zero(d->image.data + i * B, seed_grid_length(d->image.size, i));
	return n;
}

/* ---- captures ---- */

static const struct seed_site site = { .name = "hq", .id = { { 5 } } };

static struct seed_source_vm *open_vm(const struct tmpdir *home)
{
	static const char name[] = "web01";
	struct seed_vmdef def = { .has_uuid = true, .uuid = { { 9 } } };
	struct seed_source_vm *vm = NULL;
	struct seed_error err = { 0 };
	const char *p = name;

	memcpy(&def.name, &p, sizeof(p));
	assert_ok(seed_source_vm_open(&vm, home->fd, &def, &site, 0, &err), &err);
	return vm;
}

static bool all_held(void *arg, const struct seed_digest *digest)
{
	(void)arg;
	(void)digest;
	return true;
}

static bool none_held(void *arg, const struct seed_digest *digest)
{
	(void)arg;
	(void)digest;
	return false;
}

struct taking {
	struct seed_source_vm *vm;
	struct seed_pool *pool;
	struct seed_capture *capture;
};

static struct taking begin(const struct tmpdir *home, struct disk *d,
			   bool (*held)(void *arg, const struct seed_digest *digest))
{
	const struct seed_pool_options pool = { .workers = 0 };
	struct taking t = { .vm = open_vm(home) };
	struct seed_capture_options opt = { .vm = t.vm, .slot = "vda", .source = d->source,
					    .depth = 2, .held = held };
	struct seed_error err = { 0 };

	assert_ok(seed_pool_new(&t.pool, &pool, &err), &err);
	opt.pool = t.pool;
	assert_ok(seed_capture_open(&t.capture, &opt, &err), &err);
	return t;
}

/* Take chunks until block @upto was delivered. */
static void take(struct taking *t, uint64_t upto)
{
	struct seed_chunk *c;
	uint64_t at = 0;
	struct seed_error err = { 0 };

	while (at < upto) {
		assert_ok(seed_capture_next(t->capture, &c, &err), &err);
		if (!c)
			break;
		at = c->first + c->count;
		seed_capture_give_back(t->capture, c);
	}
	assert_true(at >= upto);
}

static void end(struct taking *t)
{
	seed_capture_close(t->capture);
	seed_pool_free(t->pool);
	seed_source_vm_close(t->vm);
}

static struct seed_capture_facts finish(struct taking *t)
{
	struct seed_capture_facts facts;
	struct seed_chunk *c;
	struct seed_error err = { 0 };

	assert_ok(seed_capture_next(t->capture, &c, &err), &err);
	assert_null(c);
	assert_ok(seed_capture_finish(t->capture, &facts, &err), &err);
	end(t);
	return facts;
}

static struct seed_capture_facts capture(const struct tmpdir *home, struct disk *d,
					 bool (*held)(void *arg, const struct seed_digest *digest))
{
	struct taking t = begin(home, d, held);

	take(&t, BLOCKS);
	return finish(&t);
}

/* The kept list says what the disk holds, block by block. */
static void check_kept(const struct tmpdir *home, const struct disk *d)
{
	SEED_AUTO(seed_source_vm_closep) struct seed_source_vm *vm = open_vm(home);
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
	struct seed_error err = { 0 };

	assert_ok(seed_list_open(&list, vm->dir, "vda.list", BLOCKS, false, &err), &err);
	for (uint64_t i = 0; i < BLOCKS; i++) {
		uint32_t len = seed_grid_length(d->image.size, i);
		struct seed_digest want = seed_digest_zero, have;

		if (!seed_block_is_zero(d->image.data + i * B, len))
			seed_digest_of(&want, d->image.data + i * B, len);
		assert_ok(seed_list_get(list, i, &have, 1, &err), &err);
		assert_memory_equal(&have, &want, sizeof(want));
	}
	assert_false(seed_path_exists(vm->dir, "vda+part.list"));
	assert_false(seed_path_exists(vm->dir, "vda+part.stamp"));
}

static bool has_file(const struct tmpdir *home, const char *name)
{
	SEED_AUTO(seed_source_vm_closep) struct seed_source_vm *vm = open_vm(home);

	return seed_path_exists(vm->dir, name);
}

/* ---- tests ---- */

static void a_first_reading_reads_all_data_and_keeps_its_digests(void **state)
{
	struct disk d;
	struct seed_capture_facts facts;

	open_disk(&d, 2);
	facts = capture(*state, &d, none_held);
	assert_int_equal(facts.blocks, BLOCKS);
	assert_int_equal(facts.data_blocks, data_blocks(&d));
	assert_int_equal(facts.captured, SEED_CAPTURED_OFFLINE);
	assert_int_equal(facts.bytes_read, 50 * B);
	check_kept(*state, &d);
	assert_true(has_file(*state, "vda.stamp"));
	free_disk(&d);
}

static void an_unchanged_source_is_not_read_for_what_is_held(void **state)
{
	struct seed_capture_facts first, again;
	struct disk d;

	open_disk(&d, 1);
	first = capture(*state, &d, none_held);
	again = capture(*state, &d, all_held);
	assert_int_equal(again.bytes_read, 0);
	assert_memory_equal(&again.root, &first.root, sizeof(first.root));
	assert_int_equal(again.data_blocks, first.data_blocks);
	check_kept(*state, &d);
	/* What is not held is read, proof or not; and proof outlives both. */
	assert_int_equal(capture(*state, &d, none_held).bytes_read, 70 * B);
	assert_int_equal(capture(*state, &d, NULL).bytes_read, 70 * B);
	assert_int_equal(capture(*state, &d, all_held).bytes_read, 0);
	check_kept(*state, &d);
	free_disk(&d);
}

static void a_changed_source_is_read_anew(void **state)
{
	struct disk d;

	open_disk(&d, 1);
	capture(*state, &d, none_held);
	write_disk(&d, 2);
	assert_int_equal(capture(*state, &d, all_held).bytes_read, 50 * B);
	check_kept(*state, &d);
	write_disk(&d, 3);
	assert_int_equal(capture(*state, &d, all_held).bytes_read, 70 * B);
	check_kept(*state, &d);
	free_disk(&d);
}

static void what_proves_nothing_is_read_again(void **state)
{
	struct disk d;

	/* A device: its identity says nothing. */
	open_disk(&d, 1);
	identity.provable = false;
	capture(*state, &d, none_held);
	assert_false(has_file(*state, "vda.stamp"));
	assert_int_equal(capture(*state, &d, all_held).bytes_read, 70 * B);
	/* Written so lately that another write would not show. */
	identity.provable = true;
	identity.mtime_ns = seed_clock_wall() * 1000000000;
	capture(*state, &d, none_held);
	assert_int_equal(capture(*state, &d, all_held).bytes_read, 70 * B);
	identity.mtime_ns -= 3600 * (int64_t)1000000000;
	identity.ctime_ns = seed_clock_wall() * 1000000000;
	capture(*state, &d, none_held);
	assert_int_equal(capture(*state, &d, all_held).bytes_read, 70 * B);
	free_disk(&d);
}

static void each_part_of_the_identity_counts(void **state)
{
	struct seed_source_identity as_read;
	struct disk d;

	open_disk(&d, 1);
	as_read = identity;
	for (int i = 0; i < 4; i++) {
		identity = as_read;
		capture(*state, &d, none_held);
		if (i == 0)
			identity.device++;
		if (i == 1)
			identity.inode++;
		if (i == 2)
			identity.mtime_ns++;
		if (i == 3)
			identity.ctime_ns++;
		assert_int_equal(capture(*state, &d, all_held).bytes_read, 70 * B);
	}
	free_disk(&d);
}

static void a_source_that_changes_meanwhile_is_changed_and_proves_nothing(void **state)
{
	struct seed_capture_facts facts;
	struct taking t;
	struct disk d;

	open_disk(&d, 1);
	t = begin(*state, &d, none_held);
	take(&t, 40);
	identity.mtime_ns++;
	take(&t, BLOCKS);
	facts = finish(&t);
	assert_int_equal(facts.captured, SEED_CAPTURED_CHANGED);
	assert_false(has_file(*state, "vda.stamp"));
	check_kept(*state, &d);
	assert_int_equal(capture(*state, &d, all_held).bytes_read, 70 * B);
	free_disk(&d);
}

static void how_the_source_is_held_is_how_it_is_captured(void **state)
{
	struct disk d;

	open_disk(&d, 1);
	d.source->held = SEED_CAPTURED_UNPROVEN;
	assert_int_equal(capture(*state, &d, none_held).captured, SEED_CAPTURED_UNPROVEN);
	d.source->held = SEED_CAPTURED_SNAPSHOT;
	assert_int_equal(capture(*state, &d, none_held).captured, SEED_CAPTURED_SNAPSHOT);
	free_disk(&d);
}

static void after_a_checkpoint_only_the_rest_is_read(void **state)
{
	struct seed_error err = { 0 };
	struct taking t;
	struct disk d;

	open_disk(&d, 1);
	t = begin(*state, &d, none_held);
	take(&t, 32);
	assert_ok(seed_capture_checkpoint(t.capture, &err), &err);
	take(&t, 16);
	end(&t);		/* stopped: what came after the checkpoint is not proven */
	assert_true(has_file(*state, "vda+part.stamp"));
	d.image.bytes_read = 0;
	assert_int_equal(capture(*state, &d, all_held).bytes_read, (70 - 32) * B);
	check_kept(*state, &d);
	free_disk(&d);
}

static void going_on_twice_reads_each_part_once(void **state)
{
	struct seed_error err = { 0 };
	uint64_t read = 0;
	struct disk d;

	open_disk(&d, 1);
	for (uint64_t upto = 16; upto <= 64; upto += 16) {
		struct taking t = begin(*state, &d, all_held);

		d.image.bytes_read = 0;
		take(&t, upto);
		assert_ok(seed_capture_checkpoint(t.capture, &err), &err);
		end(&t);
	}
	/* The pass runs ahead by two chunks, and what it ran ahead by was not delivered. */
	read = capture(*state, &d, all_held).bytes_read;
	assert_int_equal(read, 6 * B);
	check_kept(*state, &d);
	free_disk(&d);
}

static void a_checkpoint_early_in_going_on_keeps_what_was_proven(void **state)
{
	struct seed_error err = { 0 };
	struct taking t;
	struct disk d;

	open_disk(&d, 1);
	t = begin(*state, &d, none_held);
	take(&t, 64);
	assert_ok(seed_capture_checkpoint(t.capture, &err), &err);
	end(&t);
	t = begin(*state, &d, all_held);
	take(&t, 16);
	assert_ok(seed_capture_checkpoint(t.capture, &err), &err);
	end(&t);
	assert_int_equal(capture(*state, &d, all_held).bytes_read, 6 * B);
	check_kept(*state, &d);
	free_disk(&d);
}

static void a_checkpoint_of_a_source_that_changed_since_is_not_used(void **state)
{
	struct seed_error err = { 0 };
	struct taking t;
	struct disk d;

	open_disk(&d, 1);
	t = begin(*state, &d, none_held);
	take(&t, 64);
	assert_ok(seed_capture_checkpoint(t.capture, &err), &err);
	end(&t);
	write_disk(&d, 2);
	assert_int_equal(capture(*state, &d, all_held).bytes_read, 50 * B);
	check_kept(*state, &d);
	free_disk(&d);
}

static void an_unprovable_source_has_no_checkpoints(void **state)
{
	struct seed_error err = { 0 };
	struct taking t;
	struct disk d;

	open_disk(&d, 1);
	identity.provable = false;
	t = begin(*state, &d, none_held);
	take(&t, 64);
	assert_ok(seed_capture_checkpoint(t.capture, &err), &err);
	end(&t);
	assert_false(has_file(*state, "vda+part.stamp"));
	free_disk(&d);
}

static void put_junk(const struct tmpdir *home, const char *name)
{
	SEED_AUTO(seed_source_vm_closep) struct seed_source_vm *vm = open_vm(home);
	int fd = openat(vm->dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "junk", 4), 4);
	close(fd);
}

static void junk_in_place_of_what_was_kept_costs_a_reading(void **state)
{
	static const char *const names[] = { "vda.stamp", "vda.list", "vda+part.list",
					     "vda+part.stamp" };
	struct disk d;

	open_disk(&d, 1);
	for (size_t i = 0; i < 4; i++) {
		capture(*state, &d, none_held);
		put_junk(*state, names[i]);
		assert_int_equal(capture(*state, &d, all_held).bytes_read, i < 2 ? 70 * B : 0);
		check_kept(*state, &d);
	}
	free_disk(&d);
}

/* Version 1 was kept. A run over version 2, with a checkpoint in it, ends at its n-th change of
 * the home; then version @then is there. Whatever was left, no digest is taken that is
 * not the disk's. */
static void end_anywhere(const struct tmpdir *home, unsigned int then)
{
	struct seed_error err = { 0 };
	struct disk d;
	int n, status = 0;

	open_disk(&d, 1);
	for (n = 0; n == 0 || WEXITSTATUS(status) == 42; n++) {
		pid_t pid;

		write_disk(&d, 1);
		capture(home, &d, none_held);
		write_disk(&d, 2);
		pid = fork();
		if (pid == 0) {
			struct taking t;

			changes_left = n;
			t = begin(home, &d, all_held);
			take(&t, 48);
			if (seed_capture_checkpoint(t.capture, &err) < 0)
				_exit(1);
			take(&t, BLOCKS);
			finish(&t);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		if (then != 2)
			write_disk(&d, then);
		capture(home, &d, all_held);
		check_kept(home, &d);
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(n > 15);
	free_disk(&d);
}

static void a_run_that_ends_anywhere_leaves_no_wrong_proof(void **state)
{
	end_anywhere(*state, 2);
}

static void nor_when_the_source_goes_on_changing(void **state)
{
	end_anywhere(*state, 3);
}

/* Version 1 comes back with version 1's times: the kept list of version 1 may prove it, version 2's
 * may not. */
static void nor_when_the_old_file_comes_back(void **state)
{
	end_anywhere(*state, 1);
}

/* The kept own blocks of the reading that vda.list holds: all that is data. */
static void put_own(const struct tmpdir *home)
{
	SEED_AUTO(seed_source_vm_closep) struct seed_source_vm *vm = open_vm(home);
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
	const struct seed_run run = { .count = 70, .kind = SEED_BLOCK_DATA };
	struct seed_own_kept kept = { .list_blocks = BLOCKS, .first = 70, .blocks = 70 };
	struct seed_error err = { 0 };

	assert_ok(seed_list_open(&list, vm->dir, "vda.list", BLOCKS, false, &err), &err);
	assert_ok(seed_own_reading(&kept.reading, list, 0, NULL, &err), &err);
	assert_non_null(seed_vec_push(&kept.runs, sizeof(run), &run));
	assert_ok(seed_own_kept_write(vm->dir, "vda", &kept, &err), &err);
	seed_own_kept_clear(&kept);
}

/* Either it is of the list that is kept, and says nothing of a block that changed, or it counts
 * for nothing. */
static bool check_own(const struct tmpdir *home, uint64_t blocks)
{
	SEED_AUTO(seed_source_vm_closep) struct seed_source_vm *vm = open_vm(home);
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
	SEED_AUTO(seed_own_kept_clear) struct seed_own_kept kept = { .compared = 0 };
	struct seed_digest reading;
	struct seed_error err = { 0 };

	assert_ok(seed_list_open(&list, vm->dir, "vda.list", BLOCKS, false, &err), &err);
	assert_ok(seed_own_reading(&reading, list, 0, NULL, &err), &err);
	if (seed_own_kept_read(&kept, vm->dir, "vda", &err) < 0 ||
	    !seed_digest_equal(&reading, &kept.reading))
		return false;
	assert_int_equal(kept.blocks, blocks);
	assert_int_equal(seed_own_runs_sum(&kept.runs), blocks);
	return true;
}

/* Does the kept list say what the disk holds at this block? */
static bool is_kept(const struct tmpdir *home, const struct disk *d, uint64_t block)
{
	SEED_AUTO(seed_source_vm_closep) struct seed_source_vm *vm = open_vm(home);
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
	struct seed_digest want, have;
	struct seed_error err = { 0 };

	seed_digest_of(&want, d->image.data + block * B, B);
	assert_ok(seed_list_open(&list, vm->dir, "vda.list", BLOCKS, false, &err), &err);
	assert_ok(seed_list_get(list, block, &have, 1, &err), &err);
	return seed_digest_equal(&want, &have);
}

static void own_blocks_go_along_less_what_changed(void **state)
{
	struct disk d;

	open_disk(&d, 1);
	capture(*state, &d, none_held);
	put_own(*state);
	assert_true(check_own(*state, 70));
	/* Three blocks change, one of them to zero. */
	d.image.data[10 * B] ^= 0x80;
	d.image.data[40 * B] ^= 0x80;
	memset(d.image.data + 60 * B, 0, B);
	identity.mtime_ns += 1000000000;
	capture(*state, &d, none_held);
	assert_true(check_own(*state, 67));
	capture(*state, &d, all_held);
	assert_true(check_own(*state, 67));
	write_disk(&d, 2);
	capture(*state, &d, none_held);
	assert_true(check_own(*state, 0));
	free_disk(&d);
}

static void a_run_that_ends_anywhere_leaves_no_own_block_that_changed(void **state)
{
	int n, status = 0, lost = 0;
	struct disk d;

	open_disk(&d, 1);
	for (n = 0; n == 0 || WEXITSTATUS(status) == 42; n++) {
		pid_t pid;

		write_disk(&d, 1);
		capture(*state, &d, none_held);
		put_own(*state);
		d.image.data[10 * B] ^= 0x80;
		identity.mtime_ns += 1000000000;
		pid = fork();
		if (pid == 0) {
			changes_left = n;
			capture(*state, &d, all_held);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		/* It is of the old reading, of the new one, or of none. */
		lost += !check_own(*state, is_kept(*state, &d, 10) ? 69 : 70);
		capture(*state, &d, all_held);
		check_own(*state, 69);
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_true(lost > 0 && lost < n);
	free_disk(&d);
}

#define on_tmpdir(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_tmpdir(a_first_reading_reads_all_data_and_keeps_its_digests),
		on_tmpdir(an_unchanged_source_is_not_read_for_what_is_held),
		on_tmpdir(a_changed_source_is_read_anew),
		on_tmpdir(what_proves_nothing_is_read_again),
		on_tmpdir(each_part_of_the_identity_counts),
		on_tmpdir(a_source_that_changes_meanwhile_is_changed_and_proves_nothing),
		on_tmpdir(how_the_source_is_held_is_how_it_is_captured),
		on_tmpdir(after_a_checkpoint_only_the_rest_is_read),
		on_tmpdir(going_on_twice_reads_each_part_once),
		on_tmpdir(a_checkpoint_early_in_going_on_keeps_what_was_proven),
		on_tmpdir(a_checkpoint_of_a_source_that_changed_since_is_not_used),
		on_tmpdir(an_unprovable_source_has_no_checkpoints),
		on_tmpdir(junk_in_place_of_what_was_kept_costs_a_reading),
		on_tmpdir(a_run_that_ends_anywhere_leaves_no_wrong_proof),
		on_tmpdir(nor_when_the_source_goes_on_changing),
		on_tmpdir(nor_when_the_old_file_comes_back),
		on_tmpdir(own_blocks_go_along_less_what_changed),
		on_tmpdir(a_run_that_ends_anywhere_leaves_no_own_block_that_changed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
