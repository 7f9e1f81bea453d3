// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base_internal.h"
#include "base/cleanup.h"
#include "base/fd.h"

#define RACE_TRIES 16	/* openat2 says EAGAIN when a rename elsewhere raced with ".." */

/* openat2 beneath @dir; a descriptor, or -1 with errno. */
static int open_beneath(int dir, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)flags | O_CLOEXEC,
		.mode = flags & O_CREAT ? mode & 07777 : 0,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	long fd = -1;

	for (int i = 0; i < RACE_TRIES; i++) {
		fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return (int)fd;
}

/* What errno after opening or resolving @path means, in our kinds. */
static int open_error(const char *path, int errnum, struct seed_error *err)
{
	switch (errnum) {
	case ENOENT:
		return seed_error_set(err, SEED_ERR_NOTFOUND, "%s: not there", path);
	case ELOOP:
		return seed_error_set(err, SEED_ERR_FORMAT, "%s: a symbolic link is in the way",
				      path);
	case EXDEV:
		return seed_error_set(err, SEED_ERR_FORMAT, "%s: leads out of its folder", path);
	case ENOTDIR:
		return seed_error_set(err, SEED_ERR_FORMAT, "%s: not a folder", path);
	case EISDIR:
	case ENXIO:	/* a fifo without a reader, a socket */
		return seed_error_set(err, SEED_ERR_FORMAT, "%s: not a regular file", path);
	case ENOSYS:
		return seed_error_sys(err, errnum, "%s: openat2 is missing (Linux 5.6 or later "
				      "is needed, and a sandbox must allow it)", path);
	default:
		return seed_error_sys(err, errnum, "%s", path);
	}
}

int seed_path_open_folder(int *out, const char *path, struct seed_error *err)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return open_error(path, errno, err);
	*out = fd;
	return 0;
}

int seed_path_open_folder_at(int *out, int dir, const char *path, struct seed_error *err)
{
	int fd = open_beneath(dir, path, O_RDONLY | O_DIRECTORY, 0);

	if (fd < 0)
		return open_error(path, errno, err);
	*out = fd;
	return 0;
}

int seed_path_open(int *out, int dir, const char *path, int flags, mode_t mode,
		   struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int fd = open_beneath(dir, path, flags | O_NONBLOCK | O_NOCTTY,
							 mode);
	struct stat st;
	int status;

	if (fd < 0 || fstat(fd, &st) < 0)
		return open_error(path, errno, err);
	if (!S_ISREG(st.st_mode))
		return seed_error_set(err, SEED_ERR_FORMAT, "%s: not a regular file", path);
	if (!(flags & O_NONBLOCK)) {
		status = fcntl(fd, F_GETFL);
		if (status < 0 || fcntl(fd, F_SETFL, status & ~O_NONBLOCK) < 0)
			return seed_error_sys(err, errno, "%s", path);
	}
	*out = fd;
	fd = -1;
	return 0;
}

int seed_path_split(int *parent, const char **name, int dir, const char *path,
		    struct seed_error *err)
{
	const char *slash = strrchr(path, '/'), *last = slash ? slash + 1 : path;
	char folder[PATH_MAX] = ".";

	if (!*last || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
		return seed_error_set(err, SEED_ERR_FORMAT, "%s: not a name in a folder", path);
	if (slash == path)		/* openat2 refuses "/x" itself with this error */
		return open_error(path, EXDEV, err);
	if (slash) {
		if ((size_t)(slash - path) >= sizeof(folder))
			return open_error(path, ENAMETOOLONG, err);
		memcpy(folder, path, (size_t)(slash - path));
		folder[slash - path] = '\0';
	}
	if (seed_path_open_folder_at(parent, dir, folder, err) < 0)
		return -1;
	*name = last;
	return 0;
}

int seed_path_make_folder(int dir, const char *path, mode_t mode, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int parent = -1;
	SEED_AUTO(seed_fd_closep) int there = -1;
	const char *name;

	if (seed_path_split(&parent, &name, dir, path, err) < 0)
		return -1;
	if (mkdirat(parent, name, mode) == 0) {
		if (seed_fd_sync(parent, err) < 0)
			return seed_error_prefix(err, "folder of %s", path);
		return 0;
	}
	if (errno != EEXIST)
		return open_error(path, errno, err);
	return seed_path_open_folder_at(&there, parent, name, err);
}

bool seed_path_exists(int dir, const char *path)
{
	/* With O_PATH and O_NOFOLLOW a link at the end is itself what is opened. */
	SEED_AUTO(seed_fd_closep) int fd = open_beneath(dir, path, O_PATH | O_NOFOLLOW, 0);

	return fd >= 0;
}

int seed_path_unlink(int dir, const char *path, struct seed_error *err)
{
	struct seed_error inner = { 0 };
	SEED_AUTO(seed_fd_closep) int parent = -1;
	const char *name;

	if (seed_path_split(&parent, &name, dir, path, &inner) < 0) {
		if (inner.kind == SEED_ERR_NOTFOUND)
			return 0;
		if (err)
			*err = inner;
		return -1;
	}
	if (unlinkat(parent, name, 0) < 0 && errno != ENOENT)
		return seed_error_sys(err, errno, "unlink %s", path);
	return 0;
}
