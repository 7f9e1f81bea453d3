// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Two descriptors on one file: a buffered one, and one that goes past the page
 * cache. Linux keeps the two coherent for reads (a direct write drops the cached
 * pages under it, a direct read flushes them first).
 */
#include "image/raw_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/fd.h"
#include "base/path.h"

struct raw_sink {
	struct seed_sink base;
	int fd, direct;			/* direct: -1 where the file system refuses */
	atomic_bool direct_works;	/* some open with O_DIRECT and refuse to write then */
	/* After a failed sync nobody knows what is on the disk. */
	atomic_bool dead;
	pthread_mutex_t lock;
	struct seed_error cause;	/* under @lock, until @dead */
};

static int check_alive(struct raw_sink *raw, struct seed_error *err)
{
	if (!atomic_load(&raw->dead))
		return 0;
	if (err)
		*err = raw->cause;
	return -1;
}

static bool use_direct(const struct raw_sink *raw, const void *buf, size_t len, uint64_t offset)
{
	return ((uintptr_t)buf | len | offset) % SEED_IO_ALIGN == 0 &&
	       atomic_load_explicit(&raw->direct_works, memory_order_relaxed);
}

static int raw_write(struct seed_sink *sink, const void *buf, size_t len, uint64_t offset,
		     struct seed_error *err)
{
	struct raw_sink *raw = (struct raw_sink *)sink;
	struct seed_error direct = { 0 };

	if (check_alive(raw, err) < 0)
		return -1;
	if (use_direct(raw, buf, len, offset)) {
		if (seed_fd_pwrite(raw->direct, buf, len, offset, &direct) == 0)
			return 0;
		if (direct.sys_errno != EINVAL) {
			if (err)
				*err = direct;
			return -1;
		}
		/* Alignment of another size, or none that it would take. */
		atomic_store(&raw->direct_works, false);
	}
	return seed_fd_pwrite(raw->fd, buf, len, offset, err);
}

static int raw_read(struct seed_sink *sink, void *buf, size_t len, uint64_t offset,
		    struct seed_error *err)
{
	struct raw_sink *raw = (struct raw_sink *)sink;
	struct seed_error direct = { 0 };

	if (check_alive(raw, err) < 0)
		return -1;
	if (use_direct(raw, buf, len, offset)) {
		if (seed_fd_pread(raw->direct, buf, len, offset, &direct) == 0)
			return 0;
		if (direct.sys_errno != EINVAL) {
			if (err)
				*err = direct;
			return -1;
		}
		atomic_store(&raw->direct_works, false);
	}
	return seed_fd_pread(raw->fd, buf, len, offset, err);
}

static int raw_reserve(struct seed_sink *sink, uint64_t offset, uint64_t len,
		       struct seed_error *err)
{
	struct raw_sink *raw = (struct raw_sink *)sink;
	int rc;

	if (check_alive(raw, err) < 0)
		return -1;
	do
		rc = fallocate(raw->fd, FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len);
	while (rc < 0 && errno == EINTR);
	if (rc == 0 || errno == EOPNOTSUPP || errno == ENOSYS)
		return 0;
	return seed_error_sys(err, errno, "reserve room");
}

/* Both: each descriptor reports the errors of writing back that it has not reported yet. A
 * failure is final, since the kernel forgets it once told. */
static int raw_sync(struct seed_sink *sink, struct seed_error *err)
{
	struct raw_sink *raw = (struct raw_sink *)sink;
	int rc;

	pthread_mutex_lock(&raw->lock);
	if (!atomic_load(&raw->dead) &&
	    ((raw->direct >= 0 && seed_fd_sync(raw->direct, &raw->cause) < 0) ||
	     seed_fd_sync(raw->fd, &raw->cause) < 0))
		atomic_store(&raw->dead, true);
	rc = check_alive(raw, err);
	pthread_mutex_unlock(&raw->lock);
	return rc;
}

static int raw_close(struct seed_sink *sink, struct seed_error *err)
{
	struct raw_sink *raw = (struct raw_sink *)sink;
	int rc = seed_fd_close(&raw->direct, err);

	if (seed_fd_close(&raw->fd, rc < 0 ? NULL : err) < 0)
		rc = -1;
	pthread_mutex_destroy(&raw->lock);
	free(raw->base.name);
	free(raw);
	return rc;
}

static const struct seed_sink_ops raw_ops = {
	.write = raw_write,
	.read = raw_read,
	.reserve = raw_reserve,
	.sync = raw_sync,
	.close = raw_close,
};

/* @flags adds to O_RDWR. */
static int open_sink(struct raw_sink **out, int dir, const char *path, uint64_t size, int flags,
		     struct seed_error *err)
{
	struct raw_sink *raw;
	int direct = -1;

	if (size > INT64_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "%s: a disk of %" PRIu64
				      " bytes", path, size);
	raw = malloc(sizeof(*raw));
	if (!raw)
		return seed_error_sys(err, ENOMEM, "%s", path);
	*raw = (struct raw_sink){
		.base = { .ops = &raw_ops, .name = strdup(path), .size = size, .zeroed = true },
		.fd = -1, .direct = -1,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	if (!raw->base.name) {
		raw_close(&raw->base, NULL);
		return seed_error_sys(err, ENOMEM, "%s", path);
	}
	if (seed_path_open(&raw->fd, dir, path, O_RDWR | flags, 0600, err) < 0) {
		raw_close(&raw->base, NULL);
		return -1;
	}
	if (seed_path_open(&direct, dir, path, O_RDWR | O_DIRECT, 0, NULL) == 0) {
		raw->direct = direct;
		atomic_store(&raw->direct_works, true);
	}
	*out = raw;
	return 0;
}

/* Both descriptors are on one file, also when somebody plays with names. */
static int check_same(struct raw_sink *raw, struct stat *st, struct seed_error *err)
{
	struct stat other;

	if (fstat(raw->fd, st) < 0)
		return seed_error_sys(err, errno, "fstat");
	if (raw->direct < 0)
		return 0;
	if (fstat(raw->direct, &other) < 0)
		return seed_error_sys(err, errno, "fstat");
	if (other.st_dev != st->st_dev || other.st_ino != st->st_ino)
		return seed_error_set(err, SEED_ERR_BUSY, "somebody exchanges the file");
	return 0;
}

int seed_raw_sink_create(struct seed_sink **out, int dir, const char *path, uint64_t size,
			 struct seed_error *err)
{
	struct raw_sink *raw = NULL;
	struct stat st;
	int rc;

	if (open_sink(&raw, dir, path, size, O_CREAT | O_EXCL, err) < 0)
		return -1;
	rc = check_same(raw, &st, err);
	if (rc == 0 && ftruncate(raw->fd, (off_t)size) < 0)
		rc = seed_error_sys(err, errno, "set its size");
	if (rc == 0) {
		*out = &raw->base;
		return 0;
	}
	raw_close(&raw->base, NULL);
	seed_path_unlink(dir, path, NULL);
	return seed_error_prefix(err, "%s", path);
}

int seed_raw_sink_open(struct seed_sink **out, int dir, const char *path, uint64_t size,
		       struct seed_error *err)
{
	struct raw_sink *raw = NULL;
	struct stat st;
	int rc;

	if (open_sink(&raw, dir, path, size, 0, err) < 0)
		return -1;
	rc = check_same(raw, &st, err);
	if (rc == 0 && (uint64_t)st.st_size != size)
		rc = seed_error_set(err, SEED_ERR_FORMAT,
				    "it has %" PRIu64 " bytes and should have %" PRIu64,
				    (uint64_t)st.st_size, size);
	if (rc == 0) {
		*out = &raw->base;
		return 0;
	}
	raw_close(&raw->base, NULL);
	return seed_error_prefix(err, "%s", path);
}
