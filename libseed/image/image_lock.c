// SPDX-License-Identifier: LGPL-2.1-or-later
#include "image/image_lock.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/text.h"

/* QEMU's block/file-posix.c and include/block/block-common.h. */
enum { LOCK_USED = 100, LOCK_UNSHARED = 200 };
enum { PERM_READ = 0, PERM_WRITE = 1, PERM_RESIZE = 3 };

static void close_stream(FILE **f)
{
	if (*f)
		fclose(*f);
}

static void close_folder(DIR **d)
{
	if (*d)
		closedir(*d);
}

/* "lock:	1: OFDLCK ADVISORY  READ -1 fd:01:1234 101 101" of /proc/PID/fdinfo/FD; the last
 * byte may be "EOF". An image that somebody locks whole, and not as QEMU does, counts too. */
static bool line_covers(const char *line, unsigned int byte)
{
	unsigned long long first, last;
	char end[24];

	if (sscanf(line, "lock: %*u: %*s %*s %*s %*d %*x:%*x:%*u %llu %23s", &first, end) != 2)
		return false;
	last = strcmp(end, "EOF") == 0 ? ~0ull : strtoull(end, NULL, 10);
	return first <= byte && byte <= last;
}

static bool descriptor_locks(const char *pid, const char *fd, unsigned int byte)
{
	char path[600], line[256];
	SEED_AUTO(close_stream) FILE *info = NULL;

	snprintf(path, sizeof(path), "/proc/%s/fdinfo/%s", pid, fd);
	info = fopen(path, "re");
	while (info && fgets(line, sizeof(line), info))
		if (line_covers(line, byte))
			return true;
	return false;
}

/* Has process @pid a descriptor on this file with a lock on @byte? Other people's
 * descriptors are hidden from all but root. */
static bool process_locks(const char *pid, const struct stat *image, unsigned int byte)
{
	char path[600];
	SEED_AUTO(close_folder) DIR *fds = NULL;
	struct dirent *entry;
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	fds = opendir(path);
	while (fds && (entry = readdir(fds))) {
		if (!isdigit((unsigned char)entry->d_name[0]) ||
		    fstatat(dirfd(fds), entry->d_name, &st, 0) < 0)
			continue;
		if (st.st_dev == image->st_dev && st.st_ino == image->st_ino &&
		    descriptor_locks(pid, entry->d_name, byte))
			return true;
	}
	return false;
}

/* A lock of an open file description has no owner that the kernel would name: look for a
 * process that has it open. Returns its pid, or 0. */
static long find_holder(int fd, unsigned int byte)
{
	SEED_AUTO(close_folder) DIR *proc = opendir("/proc");
	struct dirent *entry;
	struct stat image;

	if (!proc || fstat(fd, &image) < 0)
		return 0;
	while ((entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    process_locks(entry->d_name, &image, byte))
			return strtol(entry->d_name, NULL, 10);
	return 0;
}

/* A process names itself: the name is shown quoted. */
static void program_name(long pid, char *out, size_t size)
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
		snprintf(out, size, "a program");
}

static int busy(int fd, const struct flock *lock, const char *what, struct seed_error *err)
{
	/* Locks of the older kind have an owner. */
	long pid = lock->l_pid > 0 ? lock->l_pid : find_holder(fd, (unsigned int)lock->l_start);
	char name[SEED_QUOTED];

	if (!pid)
		return seed_error_set(err, SEED_ERR_BUSY, "in use by another program, which %s",
				      what);
	program_name(pid, name, sizeof(name));
	return seed_error_set(err, SEED_ERR_BUSY, "in use by %s (pid %ld), which %s", name, pid,
			      what);
}

/* File systems and kernels without these locks: nothing is known then. */
static bool unsupported(int errnum)
{
	return errnum == EINVAL || errnum == ENOLCK || errnum == EOPNOTSUPP || errnum == ENOSYS;
}

static int lock_byte(int fd, unsigned int byte, bool *held, struct seed_error *err)
{
	struct flock lock = { .l_type = F_RDLCK, .l_start = byte, .l_len = 1 };

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return busy(fd, &lock, "has locked it", err);
	if (!unsupported(errno))
		return seed_error_sys(err, errno, "lock the image");
	*held = false;
	return 0;
}

static int check_byte(int fd, unsigned int byte, const char *what, bool *held,
		      struct seed_error *err)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = byte, .l_len = 1 };

	if (fcntl(fd, F_OFD_GETLK, &lock) < 0) {
		if (!unsupported(errno))
			return seed_error_sys(err, errno, "ask for locks of the image");
		*held = false;
		return 0;
	}
	if (lock.l_type == F_UNLCK)
		return 0;
	lock.l_start = byte;
	return busy(fd, &lock, what, err);
}

/* Lock first and look then: of two who come at once at least one sees the other. */
int seed_image_lock(int fd, bool *held, struct seed_error *err)
{
	bool works = true;

	if (lock_byte(fd, LOCK_USED + PERM_READ, &works, err) < 0 ||
	    lock_byte(fd, LOCK_UNSHARED + PERM_WRITE, &works, err) < 0 ||
	    lock_byte(fd, LOCK_UNSHARED + PERM_RESIZE, &works, err) < 0 ||
	    check_byte(fd, LOCK_USED + PERM_WRITE, "may write it", &works, err) < 0 ||
	    check_byte(fd, LOCK_USED + PERM_RESIZE, "may resize it", &works, err) < 0 ||
	    check_byte(fd, LOCK_UNSHARED + PERM_READ, "forbids reading it", &works, err) < 0)
		return -1;
	*held = works;
	return 0;
}

bool seed_image_has_writer(int fd)
{
	/* Whoever opens it for writing in between waits until the lease is back, and the kernel
	 * tells us by a signal: one that nobody minds. */
	if (fcntl(fd, F_SETSIG, SIGURG) < 0)
		return false;
	if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0)
		return errno == EAGAIN;
	(void)fcntl(fd, F_SETLEASE, F_UNLCK);
	return false;
}
