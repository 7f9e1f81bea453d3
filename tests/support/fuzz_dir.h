/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A folder for fuzz targets whose parser reads files; in memory where there is such a place. */
#ifndef TESTS_FUZZ_DIR_H
#define TESTS_FUZZ_DIR_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char fuzz_dir_path[64], fuzz_dir_file[320], fuzz_dir_sub[3][256];
static int fuzz_dir_subs;

static void fuzz_dir_remove(void)
{
	unlink(fuzz_dir_file);
	while (fuzz_dir_subs--)
		rmdir(fuzz_dir_sub[fuzz_dir_subs]);
	rmdir(fuzz_dir_path);
}

/* Made at the first call, removed at exit, also by a target that calls it often. @subs: folders in
 * it, parents first, NULL-terminated. */
static inline int fuzz_dir(const char *const *subs)
{
	static int fd = -1;

	if (fd >= 0)
		return fd;
	snprintf(fuzz_dir_path, sizeof(fuzz_dir_path), "%s/seed-fuzz-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (!mkdtemp(fuzz_dir_path))
		abort();
	for (; *subs; subs++) {
		char *sub = fuzz_dir_sub[fuzz_dir_subs++];

		snprintf(sub, sizeof(fuzz_dir_sub[0]), "%s/%s", fuzz_dir_path, *subs);
		if (mkdir(sub, 0755) < 0)
			abort();
	}
	fd = open(fuzz_dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		abort();
	atexit(fuzz_dir_remove);
	return fd;
}

/* The one file of the folder. */
static inline void fuzz_dir_put(int dir, const char *name, const void *data, size_t len)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	snprintf(fuzz_dir_file, sizeof(fuzz_dir_file), "%s/%s", fuzz_dir_path, name);
	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		abort();
	close(fd);
}

#endif
