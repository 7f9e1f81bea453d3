// SPDX-License-Identifier: LGPL-2.1-or-later
#include "scratch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"

#define FILES_MAX 16u

int scratch_make(struct scratch *out, struct seed_error *err)
{
	const char *base = getenv("TMPDIR");

	out->fd = -1;
	snprintf(out->path, sizeof(out->path), "%s/vmseed-XXXXXX",
		 base && strlen(base) < 40 ? base : "/var/tmp");
	if (!mkdtemp(out->path))
		return seed_error_sys(err, errno, "a temporary folder in %s",
				      base ? base : "/var/tmp");
	return seed_path_open_folder(&out->fd, out->path, err);
}

static int remove_file(const char *name, void *arg, struct seed_error *err)
{
	return seed_path_unlink(((struct scratch *)arg)->fd, name, err);
}

void scratch_remove(struct scratch *scratch)
{
	if (scratch->fd >= 0)
		seed_path_each(scratch->fd, ".", FILES_MAX, remove_file, scratch, NULL);
	seed_fd_closep(&scratch->fd);
	rmdir(scratch->path);
}
