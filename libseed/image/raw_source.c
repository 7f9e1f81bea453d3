// SPDX-License-Identifier: LGPL-2.1-or-later
#include "image/raw_source.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "image/blockdev.h"
#include "image/image_lock.h"

struct raw_source {
	struct seed_source base;
	int fd;
	bool device;
	/* The last extent that was found: a walk in order asks the kernel once for each. */
	pthread_mutex_t lock;
	uint64_t start, end;
	enum seed_extent_kind kind;
};

static int shrunk(const struct raw_source *raw, uint64_t end, struct seed_error *err)
{
	return seed_error_set(err, SEED_ERR_BUSY,
			      "it changes: it ends at offset %" PRIu64 " now and had %" PRIu64
			      " bytes", end, raw->base.size);
}

static int raw_read(struct seed_source *src, void *buf, size_t len, uint64_t offset,
		    struct seed_error *err)
{
	struct raw_source *raw = (struct raw_source *)src;
	size_t got;

	if (seed_fd_pread_some(raw->fd, buf, len, offset, &got, err) < 0)
		return -1;
	return got < len ? shrunk(raw, offset + got, err) : 0;
}

/* Holes end where SEEK_DATA says, data where SEEK_HOLE says. A file system or device that
 * knows no holes refuses, and then all is data, as it is after any other trouble: the read
 * will say what it is. */
static int find_extent(struct raw_source *raw, uint64_t offset, struct seed_error *err)
{
	uint64_t size = raw->base.size;
	off_t data = lseek(raw->fd, (off_t)offset, SEEK_DATA), hole;
	struct stat st;

	if (data < 0 && errno == ENXIO) {
		/* A hole up to the end, unless the end has come nearer. */
		if (fstat(raw->fd, &st) < 0)
			return seed_error_sys(err, errno, "fstat");
		if ((uint64_t)st.st_size < size)
			return shrunk(raw, (uint64_t)st.st_size, err);
		data = (off_t)size;
	}
	raw->start = offset;
	if (data > (off_t)offset) {
		raw->kind = SEED_EXTENT_ZERO;
		raw->end = (uint64_t)data < size ? (uint64_t)data : size;
		return 0;
	}
	hole = data < 0 ? -1 : lseek(raw->fd, data, SEEK_HOLE);
	raw->kind = SEED_EXTENT_DATA;
	raw->end = hole > (off_t)offset && (uint64_t)hole < size ? (uint64_t)hole : size;
	return 0;
}

static int raw_extent(struct seed_source *src, uint64_t offset, uint64_t *end,
		      enum seed_extent_kind *kind, struct seed_error *err)
{
	struct raw_source *raw = (struct raw_source *)src;
	int rc = 0;

	pthread_mutex_lock(&raw->lock);
	if (offset < raw->start || offset >= raw->end)
		rc = find_extent(raw, offset, err);
	if (rc == 0) {
		*end = raw->end;
		*kind = raw->kind;
	}
	pthread_mutex_unlock(&raw->lock);
	return rc;
}

static int raw_identity(struct seed_source *src, struct seed_source_identity *out,
			struct seed_error *err)
{
	const struct raw_source *raw = (const struct raw_source *)src;
	struct stat st;

	if (fstat(raw->fd, &st) < 0)
		return seed_error_sys(err, errno, "fstat");
	seed_source_identity_of_file(out, &st);
	if (raw->device) {
		out->device = st.st_rdev;
		out->inode = 0;
		out->size = raw->base.size;
		out->provable = false;
	}
	return 0;
}

static void raw_close(struct seed_source *src)
{
	struct raw_source *raw = (struct raw_source *)src;

	seed_fd_closep(&raw->fd);
	pthread_mutex_destroy(&raw->lock);
	free(raw->base.name);
	free(raw);
}

static const struct seed_source_ops raw_ops = {
	.read = raw_read,
	.extent = raw_extent,
	.identity = raw_identity,
	.close = raw_close,
};

static int open_file(struct raw_source *raw, const char *path, struct seed_error *err)
{
	struct stat st;

	/* A fifo that took the file's place since stat() does not make us wait. */
	raw->fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (raw->fd < 0)
		return seed_error_sys(err, errno, "open");
	if (fstat(raw->fd, &st) < 0)
		return seed_error_sys(err, errno, "fstat");
	if (!S_ISREG(st.st_mode))
		return seed_error_set(err, SEED_ERR_FORMAT, "neither a file nor a block device");
	raw->base.size = (uint64_t)st.st_size;
	raw->base.sector_size = 512;
	return 0;
}

static int open_held(struct raw_source *raw, const char *path, struct seed_error *err)
{
	struct stat st;
	bool held;

	/* Looking first: opening a terminal, tape or fifo can have effects. */
	if (stat(path, &st) < 0)
		return seed_error_sys(err, errno, "open");
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return seed_error_set(err, SEED_ERR_FORMAT, "neither a file nor a block device");
	raw->device = S_ISBLK(st.st_mode);
	if (raw->device) {
		if (seed_blockdev_open(&raw->fd, path, &raw->base.size, &raw->base.sector_size,
				       err) < 0)
			return -1;
	} else if (open_file(raw, path, err) < 0) {
		return -1;
	}
	if (seed_image_lock(raw->fd, &held, err) < 0)
		return -1;
	if (raw->device)
		held = true;	/* O_EXCL */
	else if (seed_image_has_writer(raw->fd))
		held = false;
	raw->base.held = held ? SEED_CAPTURED_OFFLINE : SEED_CAPTURED_UNPROVEN;
	/* Readahead in large steps; a refusal costs nothing but that. */
	(void)posix_fadvise(raw->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	return 0;
}

/* A disk that was opened by way of its folder is shown as its name there. */
static const char *shown(const char *path)
{
	static const char folders[] = "/proc/self/fd/";
	const char *name = strncmp(path, folders, strlen(folders)) == 0 ?
				   strchr(path + strlen(folders), '/') : NULL;

	return name ? name + 1 : path;
}

int seed_raw_source_open(struct seed_source **out, const char *path, struct seed_error *err)
{
	struct raw_source *raw = malloc(sizeof(*raw));

	if (!raw)
		return seed_error_sys(err, ENOMEM, "%s", shown(path));
	*raw = (struct raw_source){
		.base = { .ops = &raw_ops, .name = strdup(path) },
		.fd = -1,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};
	if (raw->base.name && open_held(raw, path, err) == 0) {
		*out = &raw->base;
		return 0;
	}
	if (!raw->base.name)
		seed_error_sys(err, ENOMEM, "open a disk");
	raw_close(&raw->base);
	return seed_error_prefix(err, "%s", shown(path));
}
