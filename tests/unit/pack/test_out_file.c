// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What really goes to the kernel: this test's own pwrite64, fsync and fcntl64
 * stand before libc's, look at each call, and fail the one they are told to.
 */
#include "pack/out_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "cmocka_all.h"
#include "crypto/digest.h"
#include "tmpdir.h"

#define MIB ((size_t)1 << 20)
#define LONG_ENOUGH (9 * MIB + 33)	/* two full buffers, whole pages, an odd rest */
#define NEVER INT32_MAX

static struct {
	pthread_mutex_t lock;
	bool no_direct;		/* F_SETFL refuses O_DIRECT, as many file systems do */
	bool direct;		/* O_DIRECT is on */
	int fail_write, fail_sync;	/* countdown to the call that fails */
	bool sticky;			/* and all that follow it */
	int errnum;
	size_t short_by;		/* the failing write is cut instead */
	/* What was seen: */
	unsigned int writes, odd_direct, direct_writes, syncs, after_failure;
	uint64_t dirty, most_dirty;
	bool failed;
} shim = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void shim_reset(void)
{
	pthread_mutex_lock(&shim.lock);
	shim.no_direct = shim.direct = shim.failed = shim.sticky = false;
	shim.fail_write = shim.fail_sync = NEVER;
	shim.errnum = EIO;
	shim.short_by = 0;
	shim.writes = shim.odd_direct = shim.direct_writes = shim.syncs = shim.after_failure = 0;
	shim.dirty = shim.most_dirty = 0;
	pthread_mutex_unlock(&shim.lock);
}

static bool fails_now(int *countdown)
{
	bool now = *countdown == 0 || (*countdown < 0 && shim.sticky);

	if (*countdown != NEVER)
		(*countdown)--;
	return now;
}

int fcntl64(int fd, int cmd, ...);
int fcntl64(int fd, int cmd, ...)
{
	va_list ap;
	long arg;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	if (cmd == F_SETFL) {
		if (shim.no_direct && arg & O_DIRECT) {
			errno = EINVAL;
			return -1;
		}
		shim.direct = arg & O_DIRECT;
	}
	return (int)syscall(SYS_fcntl, fd, cmd, arg);
}

ssize_t pwrite64(int fd, const void *buf, size_t len, off64_t at)
{
	size_t cut = 0;

	pthread_mutex_lock(&shim.lock);
	shim.writes++;
	if (shim.failed)
		shim.after_failure++;
	if (shim.direct) {
		shim.direct_writes++;
		if ((uintptr_t)buf % SEED_IO_ALIGN || len % SEED_IO_ALIGN || at % SEED_IO_ALIGN)
			shim.odd_direct++;
	} else {
		shim.dirty += len;
		if (shim.dirty > shim.most_dirty)
			shim.most_dirty = shim.dirty;
	}
	if (fails_now(&shim.fail_write)) {
		cut = shim.short_by;
		if (!cut) {
			shim.failed = shim.errnum != EINVAL && shim.errnum != EINTR;
			pthread_mutex_unlock(&shim.lock);
			errno = shim.errnum;
			return -1;
		}
	}
	pthread_mutex_unlock(&shim.lock);
	return syscall(SYS_pwrite64, fd, buf, len > cut ? len - cut : len, at);
}

int fsync(int fd)
{
	bool now;

	pthread_mutex_lock(&shim.lock);
	shim.syncs++;
	shim.dirty = 0;
	now = fails_now(&shim.fail_sync);
	if (now)
		shim.failed = true;
	pthread_mutex_unlock(&shim.lock);
	if (!now)
		return (int)syscall(SYS_fsync, fd);
	errno = shim.errnum;
	return -1;
}

/* @len bytes in pieces of odd lengths; -1 with @err as soon as a call fails. */
static int write_file(const struct tmpdir *dir, const uint8_t *data, size_t len,
		      struct seed_error *err)
{
	SEED_AUTO(seed_out_file_closep) struct seed_out_file *file = NULL;
	struct seed_digest digest, wanted;
	size_t part;

	unlinkat(dir->fd, "file", 0);
	if (seed_out_file_open(&file, dir->fd, "file", err) < 0)
		return -1;
	for (size_t at = 0; at < len; at += part) {
		part = len - at < 300007 ? len - at : 300007;
		if (seed_out_file_put(file, data + at, part, at % 2 ? &digest : NULL, err) < 0)
			goto dead;
		if (at % 2) {
			seed_digest_of(&wanted, data + at, part);
			assert_memory_equal(&digest, &wanted, sizeof(digest));
		}
		assert_int_equal(seed_out_file_length(file), at + part);
	}
	if (seed_out_file_finish(file, &digest, err) < 0)
		goto dead;
	seed_digest_of(&wanted, data, len);
	assert_memory_equal(&digest, &wanted, sizeof(digest));
	return 0;
dead:
	assert_int_equal(seed_out_file_put(file, data, 1, NULL, NULL), -1);
	assert_int_equal(seed_out_file_finish(file, &digest, NULL), -1);
	return -1;
}

static uint8_t *make_data(size_t len)
{
	uint8_t *data = malloc(len);

	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 15);
	return data;
}

static void files_of_all_lengths_come_out_whole(void **state)
{
	static const size_t lengths[] = { 0, 1, 4095, 4096, 4097, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1,
					  8 * MIB, 8 * MIB + 4096, 17 * MIB + 33 };
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_freep) uint8_t *data = make_data(17 * MIB + 33);
	struct seed_error err = { 0 };

	for (int buffered = 0; buffered < 2; buffered++) {
		for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
			shim_reset();
			shim.no_direct = buffered;
			assert_ok(write_file(dir, data, lengths[i], &err), &err);
			assert_true(tmpdir_holds(dir, "file", data, lengths[i]));
			assert_int_equal(shim.odd_direct, 0);
			assert_true(shim.syncs >= 1);
			if (buffered)
				assert_int_equal(shim.direct_writes, 0);
		}
	}
}

static void buffered_writes_leave_few_pages_dirty(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_freep) uint8_t *data = make_data(37 * MIB);
	struct seed_error err = { 0 };

	shim_reset();
	shim.no_direct = true;
	assert_ok(write_file(dir, data, 37 * MIB, &err), &err);
	assert_true(shim.most_dirty <= 32 * MIB);
	assert_int_equal(shim.syncs, 2);
	assert_int_equal(shim.dirty, 0);
}

/* Whichever write or sync fails: the error comes out, nothing follows it, and it is the medium's. */
static void a_failure_at_any_call_is_final(void **state)
{
	static const int errors[] = { EIO, ENOSPC, ENODEV };
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_freep) uint8_t *data = make_data(LONG_ENOUGH);
	struct seed_error err = { 0 };
	unsigned int writes, syncs;

	for (int k = 0; k < 2; k++) {
		bool buffered = k;

		shim_reset();
		shim.no_direct = buffered;
		assert_ok(write_file(dir, data, LONG_ENOUGH, &err), &err);
		writes = shim.writes;
		syncs = shim.syncs;
		for (unsigned int i = 0; i < writes + syncs; i++) {
			shim_reset();
			shim.no_direct = buffered;
			shim.errnum = errors[i % 3];
			shim.fail_write = i < writes ? (int)i : NEVER;
			shim.fail_sync = i < writes ? NEVER : (int)(i - writes);
			assert_fails(write_file(dir, data, LONG_ENOUGH, &err), &err,
				     SEED_ERR_MEDIUM);
			assert_int_equal(err.sys_errno, shim.errnum);
			assert_int_equal(shim.after_failure, 0);
		}
	}
}

/* O_DIRECT that was taken and is then refused, or writes that come up short, cost nothing. */
static void refused_and_short_direct_writes_are_made_good(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_freep) uint8_t *data = make_data(LONG_ENOUGH);
	static const size_t cuts[] = { 0, 1, 3 * MIB + 5 };
	struct seed_error err = { 0 };

	for (int i = 0; i < 3; i++) {
		for (size_t k = 0; k < sizeof(cuts) / sizeof(cuts[0]); k++) {
			shim_reset();
			shim.fail_write = i;
			shim.errnum = EINVAL;
			shim.short_by = cuts[k];
			/* The last write is 33 bytes through the cache: EINVAL there is real. */
			if (write_file(dir, data, LONG_ENOUGH, &err) < 0)
				fail_msg("write %d cut by %zu: %s", i, cuts[k], err.text);
			assert_true(tmpdir_holds(dir, "file", data, LONG_ENOUGH));
		}
		shim_reset();
		shim.fail_write = i;
		shim.errnum = EINTR;
		assert_ok(write_file(dir, data, LONG_ENOUGH, &err), &err);
	}
}

static void an_open_file_can_be_abandoned_at_any_time(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_freep) uint8_t *data = make_data(9 * MIB);
	struct seed_error err = { 0 };

	shim_reset();
	for (size_t len = 0; len <= 9 * MIB; len += 3 * MIB) {
		SEED_AUTO(seed_out_file_closep) struct seed_out_file *file = NULL;

		unlinkat(dir->fd, "file", 0);
		assert_ok(seed_out_file_open(&file, dir->fd, "file", &err), &err);
		assert_ok(seed_out_file_put(file, data, len, NULL, &err), &err);
	}
	seed_out_file_close(NULL);
	assert_int_equal(shim.syncs, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(files_of_all_lengths_come_out_whole),
		TEST(buffered_writes_leave_few_pages_dirty),
		TEST(a_failure_at_any_call_is_final),
		TEST(refused_and_short_direct_writes_are_made_good),
		TEST(an_open_file_can_be_abandoned_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
