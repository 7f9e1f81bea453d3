// SPDX-License-Identifier: LGPL-2.1-or-later
#include "tmpdir.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int tmpdir_setup(void **state)
{
	const char *base = getenv("TMPDIR");
	struct tmpdir *dir = calloc(1, sizeof(*dir));

	if (!dir)
		return -1;
	snprintf(dir->path, sizeof(dir->path), "%s/seed-test-XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(dir->path)) {
		free(dir);
		return -1;
	}
	dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = dir;
	return dir->fd < 0 ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

int tmpdir_teardown(void **state)
{
	struct tmpdir *dir = *state;
	int rc = nftw(dir->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);

	close(dir->fd);
	free(dir);
	return rc;
}

void tmpdir_put(const struct tmpdir *dir, const char *name, const void *data, size_t len)
{
	int fd = openat(dir->fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || (len && write(fd, data, len) != (ssize_t)len) || close(fd) < 0)
		abort();	/* the test's own footing is gone */
}

bool tmpdir_holds(const struct tmpdir *dir, const char *name, const void *data, size_t len)
{
	int fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC);
	char *copy = malloc(len + 1);
	bool same = fd >= 0 && copy && read(fd, copy, len + 1) == (ssize_t)len &&
		    memcmp(copy, data, len) == 0;

	free(copy);
	if (fd >= 0)
		close(fd);
	return same;
}

unsigned int tmpdir_count(const struct tmpdir *dir)
{
	DIR *folder = opendir(dir->path);
	unsigned int count = 0;
	struct dirent *entry;

	if (!folder)
		abort();
	while ((entry = readdir(folder)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			count++;
	closedir(folder);
	return count;
}
