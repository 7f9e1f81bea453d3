// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "base/base_internal.h"

/* After a failed call on @fd: true when the call is worth repeating. A pipe or socket
 * that is set not to block is waited for here. */
static bool try_again(int fd, short events)
{
	struct pollfd wait = { .fd = fd, .events = events };

	if (errno == EINTR)
		return true;
	return errno == EAGAIN && (poll(&wait, 1, -1) > 0 || errno == EINTR);
}

/* off_t is signed: what does not fit cannot be in any file. */
static int check_range(size_t len, uint64_t offset, struct seed_error *err)
{
	if (offset > INT64_MAX || len > INT64_MAX - offset)
		return seed_error_set(err, SEED_ERR_RANGE,
				      "%zu bytes at offset %ju lie past the end of any file", len,
				      (uintmax_t)offset);
	return 0;
}

int seed_fd_read(int fd, void *buf, size_t len, struct seed_error *err)
{
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		n = read(fd, (char *)buf + got, len - got);
		if (n == 0)
			return seed_error_set(err, SEED_ERR_FORMAT, "ends after %zu of %zu bytes",
					      got, len);
		if (n > 0)
			got += (size_t)n;
		else if (!try_again(fd, POLLIN))
			return seed_error_sys(err, errno, "read");
	}
	return 0;
}

int seed_fd_pread_some(int fd, void *buf, size_t len, uint64_t offset, size_t *got,
		       struct seed_error *err)
{
	size_t sum = 0;
	ssize_t n;

	if (check_range(len, offset, err) < 0)
		return -1;
	while (sum < len) {
		n = pread(fd, (char *)buf + sum, len - sum, (off_t)(offset + sum));
		if (n == 0)
			break;
		if (n > 0)
			sum += (size_t)n;
		else if (!try_again(fd, POLLIN))
			return seed_error_sys(err, errno, "read at offset %ju",
					     (uintmax_t)(offset + sum));
	}
	*got = sum;
	return 0;
}

int seed_fd_pread(int fd, void *buf, size_t len, uint64_t offset, struct seed_error *err)
{
	size_t got;

	if (seed_fd_pread_some(fd, buf, len, offset, &got, err) < 0)
		return -1;
	if (got < len)
		return seed_error_set(err, SEED_ERR_FORMAT, "ends at offset %ju, %zu bytes early",
				      (uintmax_t)(offset + got), len - got);
	return 0;
}

int seed_fd_write(int fd, const void *buf, size_t len, struct seed_error *err)
{
	size_t put = 0;
	ssize_t n;

	while (put < len) {
		n = write(fd, (const char *)buf + put, len - put);
		if (n > 0)
			put += (size_t)n;
		else if (n == 0)
			return seed_error_sys(err, EIO, "write");
		else if (!try_again(fd, POLLOUT))
			return seed_error_sys(err, errno, "write");
	}
	return 0;
}

int seed_fd_pwrite(int fd, const void *buf, size_t len, uint64_t offset, struct seed_error *err)
{
	size_t put = 0;
	ssize_t n;

	if (check_range(len, offset, err) < 0)
		return -1;
	while (put < len) {
		n = pwrite(fd, (const char *)buf + put, len - put, (off_t)(offset + put));
		if (n > 0)
			put += (size_t)n;
		else if (n == 0 || !try_again(fd, POLLOUT))
			return seed_error_sys(err, n == 0 ? EIO : errno, "write at offset %ju",
					     (uintmax_t)(offset + put));
	}
	return 0;
}

/* Some network file systems answer EINVAL or ENOTTY for a folder: they have no such
 * operation. For a file the same answer means that nothing is durable. */
static bool folder_without_sync(int fd, int errnum)
{
	struct stat st;

	return (errnum == EINVAL || errnum == ENOTTY) && fstat(fd, &st) == 0 &&
	       S_ISDIR(st.st_mode);
}

int seed_fd_sync(int fd, struct seed_error *err)
{
	int errnum;

	if (fsync(fd) == 0)
		return 0;
	errnum = errno;
	if (folder_without_sync(fd, errnum))
		return 0;
	return seed_error_sys(err, errnum, "fsync");
}

int seed_fd_close(int *fd, struct seed_error *err)
{
	int old = *fd;

	*fd = -1;
	/* Linux frees the descriptor first, so EINTR is no reason to close again. */
	if (old >= 0 && close(old) < 0 && errno != EINTR)
		return seed_error_sys(err, errno, "close");
	return 0;
}

void seed_fd_closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

void seed_fd_begin_writing(int fd, uint64_t offset, size_t len)
{
	/* Waits for nothing, and so takes no error from the fsync that decides. */
	(void)sync_file_range(fd, (off_t)offset, (off_t)len, SYNC_FILE_RANGE_WRITE);
}

void seed_fd_drop_cache(int fd)
{
	/* Advice: where it is not taken, tmpfs say, there is no medium behind it either. */
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
}
