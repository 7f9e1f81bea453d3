// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pack/in_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "pack/pack_internal.h"

#define RESIDENCY_STEP ((uint64_t)64 << 20)	/* bytes of a file asked about at once */

int seed_in_file_open(struct seed_in_file *in, int dir, const char *path, struct seed_error *err)
{
	struct seed_error why = { 0 };
	struct stat st;
	int fd;

	if (seed_path_open(&fd, dir, path, O_RDONLY, 0, &why) < 0) {
		if (why.kind == SEED_ERR_NOTFOUND)
			return seed_error_set(err, SEED_ERR_MEDIUM, "missing");
		if (why.kind == SEED_ERR_FORMAT)
			return seed_error_set(err, SEED_ERR_INTEGRITY,
					      "not a regular file in its folder");
		seed_error_sys(err, why.sys_errno, "cannot be opened");
		return seed_medium_error(err);
	}
	if (fstat(fd, &st) < 0) {
		seed_error_sys(err, errno, "cannot be looked at");
		seed_fd_closep(&fd);
		return seed_medium_error(err);
	}
	*in = (struct seed_in_file){ .fd = fd, .length = (uint64_t)st.st_size };
	return 0;
}

void seed_in_file_closep(struct seed_in_file *in)
{
	seed_fd_closep(&in->fd);
}

static bool set_direct(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && fcntl(fd, F_SETFL, on ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

void seed_in_file_go_direct(struct seed_in_file *in)
{
	in->direct = set_direct(in->fd, true);
}

/* No page of the file is in memory. Where the kernel will not tell, they may all be. */
static bool none_resident(const struct seed_in_file *in)
{
	long page = sysconf(_SC_PAGESIZE);
	uint64_t step;
	bool none = true;

	SEED_AUTO(seed_freep) unsigned char *pages = malloc(RESIDENCY_STEP / (uint64_t)page);

	if (!pages)
		return false;
	for (uint64_t at = 0; none && at < in->length; at += step) {
		step = in->length - at < RESIDENCY_STEP ? in->length - at : RESIDENCY_STEP;
		void *map = mmap(NULL, step, PROT_READ, MAP_SHARED, in->fd, (off_t)at);

		if (map == MAP_FAILED)
			return false;
		none = mincore(map, step, pages) == 0;
		for (uint64_t i = 0; none && i * (uint64_t)page < step; i++)
			none = !(pages[i] & 1);
		munmap(map, step);
	}
	return none;
}

int seed_in_file_avoid_cache(struct seed_in_file *in, bool *sure, struct seed_error *err)
{
	struct statfs fs;

	/* A read-only mount has nothing to write and may say so. */
	if (fsync(in->fd) < 0 && errno != EROFS && errno != EINVAL) {
		seed_error_sys(err, errno, "fsync");
		return seed_medium_error(err);
	}
	/* Also ahead of O_DIRECT: some file systems take the flag and read through the cache. */
	seed_fd_drop_cache(in->fd);
	seed_in_file_go_direct(in);
	if (fstatfs(in->fd, &fs) == 0 && (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC))
		*sure = false;		/* the cache is all there is */
	else
		*sure = in->direct || none_resident(in);
	return 0;
}

/* Up to @want bytes at the aligned @at, at least @need or the file ended: an O_DIRECT read that met
 * the end stops at an odd offset, from where another one would be refused. */
static int read_window(struct seed_in_file *in, uint8_t *buf, uint64_t at, size_t want,
		       size_t need, struct seed_error *err)
{
	size_t got = 0;
	ssize_t n;

	while (got < need) {
		n = pread(in->fd, buf + got, want - got, (off_t)(at + got));
		if (n > 0) {
			got += (size_t)n;
		} else if (n == 0) {
			return seed_error_set(err, SEED_ERR_INTEGRITY, "ends at offset %ju",
					      (uintmax_t)(at + got));
		} else if (errno == EINVAL && in->direct && set_direct(in->fd, false)) {
			in->direct = false;	/* an odd short read, or stricter alignment */
		} else if (errno != EINTR) {
			seed_error_sys(err, errno, "read at offset %ju", (uintmax_t)(at + got));
			return seed_medium_error(err);
		}
	}
	return 0;
}

int seed_in_file_read(struct seed_in_file *in, uint64_t offset, size_t len, uint8_t *buf,
		      size_t room, size_t *start, struct seed_error *err)
{
	uint64_t at = offset / SEED_IO_ALIGN * SEED_IO_ALIGN;
	size_t skip = (size_t)(offset - at), want;

	if (offset > INT64_MAX / 2 || len > SIZE_MAX / 4)
		return seed_error_set(err, SEED_ERR_RANGE, "read of %zu bytes at offset %ju", len,
				      (uintmax_t)offset);
	want = (skip + len + SEED_IO_ALIGN - 1) / SEED_IO_ALIGN * SEED_IO_ALIGN;
	if (want > room)
		return seed_error_set(err, SEED_ERR_RANGE, "no room to read %zu bytes", len);
	if (read_window(in, buf, at, want, skip + len, err) < 0)
		return -1;
	*start = skip;
	return 0;
}
