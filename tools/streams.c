/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "streams.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void streams_open(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			abort();	/* no /dev/null and no way to say so */
}

/* Whatever is full behind stdout, it is no medium: exit 1. */
static int output_failed(struct seed_error *err)
{
	seed_error_sys(err, errno, "write to stdout");
	err->kind = SEED_ERR_SYSTEM;
	return -1;
}

int streams_finish(struct seed_error *err)
{
	int failed = ferror(stdout);

	errno = 0;
	if (fflush(stdout) != 0)
		return output_failed(err);
	/* The stream keeps only that an earlier write failed, not why. */
	if (failed)
		return seed_error_set(err, SEED_ERR_SYSTEM, "writing to stdout failed");
	/* A network file system tells of a full disk only here. */
	if (close(STDOUT_FILENO) < 0 && errno != EINTR)
		return output_failed(err);
	return 0;
}
