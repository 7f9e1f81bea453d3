// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/clone.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"

#define COPY_CHUNK (1u << 20)	/* bytes of one read and write */

int seed_clone(int from, int to, bool *shared, struct seed_error *err)
{
	if (ioctl(to, FICLONE, from) == 0) {
		*shared = true;
		return 0;
	}
	switch (errno) {
	case EOPNOTSUPP:
	case ENOTTY:
	case ENOSYS:
	case EXDEV:
	case EINVAL:	/* also btrfs, between a file with checksums and one without */
		*shared = false;
		return 0;
	default:
		return seed_error_sys(err, errno, "share blocks");
	}
}

/* A file without a name, or one whose name goes at once where there is no O_TMPFILE. */
static int nameless(int dir)
{
	static const char name[] = ".tmp-clone";
	int fd = openat(dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return fd;
	fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd >= 0)
		unlinkat(dir, name, 0);
	return fd;
}

bool seed_clone_possible(int dir)
{
	static const char block[4096] = { 1 };
	SEED_AUTO(seed_fd_closep) int from = nameless(dir);
	SEED_AUTO(seed_fd_closep) int to = from < 0 ? -1 : nameless(dir);
	bool shared = false;

	return to >= 0 && seed_fd_write(from, block, sizeof(block), NULL) == 0 &&
	       seed_clone(from, to, &shared, NULL) == 0 && shared;
}

static int copy_extent(int from, int to, uint64_t at, uint64_t end, char *buf,
		       const struct seed_copy_options *opt, struct seed_error *err)
{
	while (at < end) {
		size_t len = end - at < COPY_CHUNK ? (size_t)(end - at) : COPY_CHUNK;

		if (seed_cancelled(opt->cancel, err) < 0 ||
		    seed_fd_pread(from, buf, len, at, err) < 0 ||
		    seed_fd_pwrite(to, buf, len, at, err) < 0)
			return -1;
		if (opt->copied)
			opt->copied(opt->arg, len);
		at += len;
	}
	return 0;
}

/* The data from @at on: false at the end. A file system that knows no holes has data only. */
static int next_extent(int fd, uint64_t size, uint64_t *at, uint64_t *end, bool *more,
		       struct seed_error *err)
{
	off_t data = lseek(fd, (off_t)*at, SEEK_DATA), hole;

	*more = false;
	if (data < 0 && errno == ENXIO)
		return 0;
	if (data < 0 && errno != EINVAL)
		return seed_error_sys(err, errno, "look for data");
	hole = data < 0 ? (off_t)size : lseek(fd, data, SEEK_HOLE);
	if (hole < 0)
		return seed_error_sys(err, errno, "look for holes");
	*at = data < 0 ? *at : (uint64_t)data;
	*end = (uint64_t)hole < size ? (uint64_t)hole : size;
	*more = *at < *end;
	return 0;
}

int seed_copy(int from, int to, const struct seed_copy_options *opt, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *buf = malloc(COPY_CHUNK);
	uint64_t at = 0, end = 0;
	struct stat st;
	bool more;

	if (!buf)
		return seed_error_sys(err, ENOMEM, "copy");
	if (fstat(from, &st) < 0)
		return seed_error_sys(err, errno, "copy");
	if (ftruncate(to, st.st_size) < 0)
		return seed_error_sys(err, errno, "make %jd bytes long", (intmax_t)st.st_size);
	for (;; at = end) {
		if (next_extent(from, (uint64_t)st.st_size, &at, &end, &more, err) < 0)
			return -1;
		if (!more)
			return 0;
		if (copy_extent(from, to, at, end, buf, opt, err) < 0)
			return -1;
	}
}
