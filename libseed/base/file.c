// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base_internal.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"

#define TEMP_PREFIX ".tmp-"
#define TEMP_NAME 32		/* bytes that a temporary name needs, with its NUL */
#define SWEEP_MAX 1000000u	/* names in a folder that we sweep */

int seed_file_read(int dir, const char *path, size_t max, char **out, size_t *len,
		   struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int fd = -1;
	SEED_AUTO(seed_freep) char *data = NULL;
	struct stat st;
	size_t got;

	if (seed_path_open(&fd, dir, path, O_RDONLY, 0, err) < 0)
		return -1;
	if (fstat(fd, &st) < 0)
		return seed_error_sys(err, errno, "%s", path);
	if ((uintmax_t)st.st_size > max || (uintmax_t)st.st_size >= SIZE_MAX)
		return seed_error_set(err, SEED_ERR_RANGE,
				      "%s: %jd bytes long, at most %zu expected", path,
				      (intmax_t)st.st_size, max);
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		return seed_error_sys(err, ENOMEM, "%s", path);
	if (seed_fd_pread_some(fd, data, (size_t)st.st_size, 0, &got, err) < 0)
		return seed_error_prefix(err, "%s", path);
	data[got] = '\0';
	*out = seed_steal(&data);
	*len = got;
	return 0;
}

/* Write, and make durable if asked to. */
static int write_out(int *fd, const void *data, size_t len, bool durable, struct seed_error *err)
{
	if (seed_fd_write(*fd, data, len, err) < 0 || (durable && seed_fd_sync(*fd, err) < 0))
		return -1;
	return seed_fd_close(fd, err);
}

int seed_file_create(int dir, const char *path, const void *data, size_t len, mode_t mode,
		     struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int fd = -1;

	if (seed_path_open(&fd, dir, path, O_WRONLY | O_CREAT | O_EXCL, mode, err) < 0)
		return -1;
	if (write_out(&fd, data, len, true, err) < 0) {
		/* After a failed fsync nobody knows what the file holds: it goes. */
		seed_fd_closep(&fd);
		seed_path_unlink(dir, path, NULL);
		return seed_error_prefix(err, "%s", path);
	}
	return 0;
}

static int temp_name(char *out, struct seed_error *err)
{
	uint64_t number;

	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return seed_error_sys(err, errno, "getrandom");
	snprintf(out, TEMP_NAME, TEMP_PREFIX "%016jx", (uintmax_t)number);
	return 0;
}

/* Order: the data is durable before the name points to it, the name before we
 * return. A crash before the rename leaves a .tmp- file for the sweep. */
static int replace_in(int parent, const char *name, const void *data, size_t len, mode_t mode,
		      bool durable, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int fd = -1;
	char temp[TEMP_NAME];

	if (temp_name(temp, err) < 0 ||
	    seed_path_open(&fd, parent, temp, O_WRONLY | O_CREAT | O_EXCL, mode, err) < 0)
		return -1;
	if (write_out(&fd, data, len, durable, err) < 0) {
		unlinkat(parent, temp, 0);
		return -1;
	}
	if (renameat(parent, temp, parent, name) < 0) {
		seed_error_sys(err, errno, "rename");
		unlinkat(parent, temp, 0);
		return -1;
	}
	return durable ? seed_fd_sync(parent, err) : 0;
}

static int replace(int dir, const char *path, const void *data, size_t len, mode_t mode,
		   bool durable, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int parent = -1;
	const char *name;

	if (seed_path_split(&parent, &name, dir, path, err) < 0)
		return -1;
	if (replace_in(parent, name, data, len, mode, durable, err) < 0)
		return seed_error_prefix(err, "%s", path);
	return 0;
}

int seed_file_replace(int dir, const char *path, const void *data, size_t len, mode_t mode,
		      struct seed_error *err)
{
	return replace(dir, path, data, len, mode, true, err);
}

int seed_file_replace_unsynced(int dir, const char *path, const void *data, size_t len, mode_t mode,
			       struct seed_error *err)
{
	return replace(dir, path, data, len, mode, false, err);
}

int seed_file_unnamed(int *out, int folder, struct seed_error *err)
{
	char temp[TEMP_NAME];
	int fd = openat(folder, ".", O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 && errno != EOPNOTSUPP && errno != EISDIR)
		return seed_error_sys(err, errno, "open");
	if (fd < 0) {	/* a crash between open and unlink leaves it for the sweep */
		if (temp_name(temp, err) < 0 ||
		    seed_path_open(&fd, folder, temp, O_RDWR | O_CREAT | O_EXCL, 0600, err) < 0)
			return -1;
		unlinkat(folder, temp, 0);
	}
	*out = fd;
	return 0;
}

static int sweep_name(const char *name, void *arg, struct seed_error *err)
{
	const int *dir = arg;

	if (strncmp(name, TEMP_PREFIX, strlen(TEMP_PREFIX)) != 0)
		return 0;
	return seed_path_unlink(*dir, name, err);
}

int seed_file_sweep(int dir, struct seed_error *err)
{
	return seed_path_each(dir, ".", SWEEP_MAX, sweep_name, &dir, err);
}
