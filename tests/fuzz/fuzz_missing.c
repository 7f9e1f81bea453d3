// SPDX-License-Identifier: LGPL-2.1-or-later
/* A list of missing blocks: read or refused; runs rise, do not touch, and lie in the disk; and
 * one file has one reading. */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "replica/missing.h"

#define BLOCKS ((uint64_t)1 << 34)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[] = "/dev/shm/fuzz-missing-XXXXXX";
static int dir = -1;

static void remove_scratch(void)
{
	unlinkat(dir, "m", 0);
	rmdir(path);
}

/* A folder in memory. */
static int scratch(void)
{
	if (dir < 0 && mkdtemp(path)) {
		dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		atexit(remove_scratch);
	}
	return dir;
}

static void put(const uint8_t *data, size_t size)
{
	int fd = openat(dir, "m", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SEED_AUTO(seed_vec_free) struct seed_vec runs = { 0 };
	SEED_AUTO(seed_freep) char *text = NULL;
	struct seed_error err = { 0 };
	uint64_t end = 0;
	size_t len;

	if (scratch() < 0)
		return -1;
	put(data, size);
	if (seed_missing_read(&runs, dir, "m", BLOCKS, &err) < 0) {
		assert(err.kind == SEED_ERR_FORMAT && runs.count == 0);
		return 0;
	}
	assert(runs.count > 0);
	for (size_t i = 0; i < runs.count; i++) {
		const struct seed_run *run = seed_vec_at(&runs, i);

		assert(run->count > 0 && (i == 0 || run->start > end));
		assert(run->start < BLOCKS && run->count <= BLOCKS - run->start);
		end = run->start + run->count;
	}
	assert(seed_missing_write(dir, "m", &runs, &err) == 0);
	assert(seed_file_read(dir, "m", size, &text, &len, &err) == 0);
	assert(len == size && memcmp(text, data, size) == 0);
	return 0;
}
