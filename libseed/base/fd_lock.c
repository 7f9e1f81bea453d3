// SPDX-License-Identifier: LGPL-2.1-or-later
/* The part of fd.h that takes locks and says who holds one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/text.h"

static void close_stream(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* "1: FLOCK  ADVISORY  WRITE 4711 fd:01:1234 0 EOF", waiters as "1: -> FLOCK ...".
 * The device is that of the superblock: on btrfs it may differ from st_dev, and the
 * holder then stays unnamed. */
static bool line_names(const char *line, const struct stat *st, long *pid)
{
	unsigned int dev_major, dev_minor;
	unsigned long long inode;
	long holder;

	if (sscanf(line, "%*u: FLOCK %*s %*s %ld %x:%x:%llu", &holder, &dev_major,
		   &dev_minor, &inode) != 4)
		return false;
	if (dev_major != major(st->st_dev) || dev_minor != minor(st->st_dev) ||
	    inode != st->st_ino)
		return false;
	*pid = holder;
	return true;
}

/* The process that holds a lock on @fd's file, or 0 when /proc does not tell. */
static long holder_pid(int fd)
{
	SEED_AUTO(close_stream) FILE *locks = fopen("/proc/locks", "re");
	char line[256];
	struct stat st;
	long pid = 0;

	if (!locks || fstat(fd, &st) < 0)
		return 0;
	while (fgets(line, sizeof(line), locks))
		if (line_names(line, &st, &pid))
			break;
	return pid > 0 ? pid : 0;
}

/* A process names itself: the name is shown quoted. */
static void holder_name(long pid, char *out, size_t size)
{
	char path[64], name[64] = "";
	SEED_AUTO(close_stream) FILE *comm = NULL;

	snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
	comm = fopen(path, "re");
	if (comm && fgets(name, sizeof(name), comm))
		name[strcspn(name, "\n")] = '\0';
	if (name[0])
		seed_quote(name, out, size);
	else
		snprintf(out, size, "a process");
}

int seed_fd_lock(int fd, const char *what, bool exclusive, struct seed_error *err)
{
	char name[SEED_QUOTED];
	long pid;
	int rc;

	do
		rc = flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB);
	while (rc < 0 && errno == EINTR);
	if (rc == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return seed_error_sys(err, errno, "lock %s", what);
	pid = holder_pid(fd);
	if (!pid)
		return seed_error_set(err, SEED_ERR_LOCKED, "%s is locked by another run", what);
	holder_name(pid, name, sizeof(name));
	return seed_error_set(err, SEED_ERR_LOCKED, "%s is locked by %s (pid %ld)", what, name,
			      pid);
}

bool seed_fd_is_locked(int fd)
{
	return holder_pid(fd) != 0;
}

int seed_fd_lock_wait(int fd, const char *what, struct seed_error *err)
{
	const struct timespec pause = { .tv_nsec = 10 * 1000 * 1000 };

	for (int tries = 500;; tries--) {
		struct seed_error why = { 0 };

		if (seed_fd_lock(fd, what, true, &why) == 0)
			return 0;
		if (why.kind != SEED_ERR_LOCKED || tries == 0) {
			if (err)
				*err = why;
			return -1;
		}
		nanosleep(&pause, NULL);
	}
}
