/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A home, a store, disks of small known content, and a process that ends at its n-th change. */
#ifndef TESTS_HANDOVER_FIXTURE_H
#define TESTS_HANDOVER_FIXTURE_H

#include "cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "block/grid.h"
#include "capture/capture.h"
#include "capture/vm_file.h"
#include "crypto/digest.h"
#include "doc/chain.h"
#include "image/raw_source.h"
#include "replica/find.h"
#include "replica/replica.h"
#include "tmpdir.h"

#define on_tmpdir(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

/* ---- ours stand in for the C library's in everything linked into a test ---- */

static int changes_left = -1;	/* -1: no limit */

static inline void count_change(void)
{
	if (changes_left == 0)
		_exit(42);
	if (changes_left > 0)
		changes_left--;
}

ssize_t write(int fd, const void *buf, size_t len)
{
	count_change();
	if (changes_left == 0)	/* the last one is torn */
		len = len > 1 ? len / 2 : len;
	return syscall(SYS_write, fd, buf, len);
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t at)
{
	count_change();
	return syscall(SYS_pwrite64, fd, buf, len, at);
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

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned int flags)
{
	count_change();
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
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

/* ---- the sites ---- */

struct place {
	int home, store;
	char store_path[400];
	struct seed_site *own;
};

static inline void place_open(struct place *p, const struct tmpdir *dir, const char *name)
{
	struct seed_error err = { 0 };
	char path[64];

	assert_ok(seed_path_make_folder(dir->fd, name, 0700, &err), &err);
	snprintf(path, sizeof(path), "%s/replicas", name);
	assert_ok(seed_path_make_folder(dir->fd, path, 0700, &err), &err);
	assert_ok(seed_path_open_folder_at(&p->home, dir->fd, name, &err), &err);
	assert_ok(seed_path_open_folder_at(&p->store, dir->fd, path, &err), &err);
	snprintf(p->store_path, sizeof(p->store_path), "%s/%s", dir->path, path);
	if (!seed_site_exists(p->home))
		assert_ok(seed_site_create(p->home, name, NULL, &err), &err);
	assert_ok(seed_site_open(&p->own, p->home, NULL, &err), &err);
}

static inline void place_close(struct place *p)
{
	seed_site_close(p->own);
	seed_fd_closep(&p->store);
	seed_fd_closep(&p->home);
}

/* ---- disks: blocks named by letters, '.' a hole, the last one 512 bytes short of whole ---- */

static inline void disk_write(int dir, const char *name, const char *blocks)
{
	static char block[SEED_BLOCK_SIZE];
	size_t count = strlen(blocks);
	struct timespec then[2] = { { .tv_nsec = UTIME_OMIT }, { 0 } };
	SEED_AUTO(seed_fd_closep) int fd = openat(dir, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
					       0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)(count * SEED_BLOCK_SIZE - 512)), 0);
	for (size_t i = 0; i < count; i++) {
		size_t len = i + 1 < count ? sizeof(block) : sizeof(block) - 512;

		if (blocks[i] == '.')
			continue;
		memset(block, blocks[i], len);
		assert_int_equal(pwrite(fd, block, len, (off_t)(i * SEED_BLOCK_SIZE)), (ssize_t)len);
	}
	then[1].tv_sec = 1000000000;	/* long ago: mtime proves something */
	assert_int_equal(futimens(fd, then), 0);
}

static inline bool disk_is(int dir, const char *name, const char *blocks)
{
	static uint8_t block[SEED_BLOCK_SIZE];
	SEED_AUTO(seed_fd_closep) int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	size_t count = strlen(blocks);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 ||
	    st.st_size != (off_t)(count * SEED_BLOCK_SIZE - 512))
		return false;
	for (size_t i = 0; i < count; i++) {
		size_t len = i + 1 < count ? sizeof(block) : sizeof(block) - 512;
		uint8_t want = blocks[i] == '.' ? 0 : (uint8_t)blocks[i];

		assert_int_equal(pread(fd, block, len, (off_t)(i * SEED_BLOCK_SIZE)), (ssize_t)len);
		for (size_t k = 0; k < len; k++)
			if (block[k] != want)
				return false;
	}
	return true;
}

static inline void list_write(int dir, const char *name, const char *blocks)
{
	static uint8_t block[SEED_BLOCK_SIZE];
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
	size_t count = strlen(blocks);
	struct seed_error err = { 0 };
	struct seed_digest digest;

	assert_ok(seed_list_create(&list, dir, name, count, &err), &err);
	for (size_t i = 0; i < count; i++) {
		if (blocks[i] == '.')
			continue;
		memset(block, blocks[i], sizeof(block));
		seed_digest_of(&digest, block, i + 1 < count ? sizeof(block) : sizeof(block) - 512);
		assert_ok(seed_list_set(list, i, &digest, 1, &err), &err);
	}
	assert_ok(seed_list_sync(list, &err), &err);
}

static inline bool list_is(int dir, const char *name, const char *blocks)
{
	SEED_AUTO(seed_freep) char *have = NULL;
	SEED_AUTO(seed_freep) char *want = NULL;
	SEED_AUTO(seed_fd_closep) int scratch = -1;
	struct seed_error err = { 0 };
	size_t len, want_len;

	assert_ok(seed_path_open_folder(&scratch, "/tmp", &err), &err);
	char expected[64];
	snprintf(expected, sizeof(expected), "handover-list-%d", (int)getpid());
	list_write(scratch, expected, blocks);
	assert_ok(seed_file_read(scratch, expected, 1 << 20, &want, &want_len, &err), &err);
	unlinkat(scratch, expected, 0);
	return seed_file_read(dir, name, 1 << 20, &have, &len, NULL) == 0 && len == want_len &&
	       memcmp(have, want, len) == 0;
}

/* ---- history ---- */

struct events {
	char text[256];		/* "promote adopt" */
};

static inline int visit_event(struct seed_json_reader *r, const struct seed_public_key *key, void *arg,
			      struct seed_error *err)
{
	struct events *events = arg;
	size_t len = strlen(events->text);

	(void)key;
	(void)err;
	snprintf(events->text + len, sizeof(events->text) - len, "%s%s", len ? " " : "",
		 seed_json_take_text(r, "event", 32));
	return 0;
}

static inline void assert_history(const struct place *p, const char *expected)
{
	struct events events = { { 0 } };
	struct seed_error err = { 0 };

	assert_ok(seed_chain_each(p->home, "history.chain", visit_event, &events, &err), &err);
	assert_string_equal(events.text, expected);
}

/* The record of a VM; cleared by the caller. */
static inline void read_record(const struct place *p, const struct seed_id *uuid,
			       struct seed_vm_file *out, int *dir)
{
	char path[64], text[SEED_UUID_TEXT];
	struct seed_error err = { 0 };

	snprintf(path, sizeof(path), "vms/%s", seed_uuid_text(uuid, text));
	assert_ok(seed_path_open_folder_at(dir, p->home, path, &err), &err);
	assert_ok(seed_vm_file_read(out, *dir, uuid, &err), &err);
}

#endif
