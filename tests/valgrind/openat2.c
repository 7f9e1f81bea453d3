// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * openat2() for programs under valgrind, which before 3.23 does not know it. Preloaded, this takes
 * the place of syscall(): openat2 is walked name by name as RESOLVE_BENEATH and NO_SYMLINKS ask
 * (not safe against races, which no test under valgrind makes); all else goes to the kernel.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

long syscall(long number, ...);

/* One name beneath @dir, which is closed unless it is @keep. */
static int step(int dir, int keep, const char *name, int flags, mode_t mode)
{
	int fd = openat(dir, name, flags | O_NOFOLLOW, mode), errnum = errno;
	struct stat st;

	if (dir != keep)
		close(dir);
	/* Only who asks for the link itself gets it. */
	if (fd >= 0 && !(flags & O_NOFOLLOW) && fstat(fd, &st) == 0 && S_ISLNK(st.st_mode)) {
		close(fd);
		fd = -1;
		errnum = ELOOP;
	}
	errno = errnum;
	return fd;
}

static int walk(int dir, const char *path, const struct open_how *how)
{
	char copy[PATH_MAX], *name = copy, *slash;
	int fd = dir, depth = 0;

	if (strlen(path) >= sizeof(copy)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (path[0] == '/') {
		errno = EXDEV;
		return -1;
	}
	strcpy(copy, path);
	for (; (slash = strchr(name, '/')); name = slash + 1) {
		*slash = '\0';
		depth += strcmp(name, "..") == 0 ? -1 : name[0] && strcmp(name, ".") != 0;
		if (name[0] && depth >= 0)
			fd = step(fd, dir, name, O_PATH | O_CLOEXEC, 0);
		if (fd < 0)
			return -1;
		if (depth < 0)
			break;
	}
	if (depth - (strcmp(name, "..") == 0) < 0) {
		if (fd != dir)
			close(fd);
		errno = EXDEV;
		return -1;
	}
	if (!name[0] && name != copy)
		name = strcpy(copy, ".");
	return step(fd, dir, name, (int)how->flags, (mode_t)how->mode);
}

long syscall(long number, ...)
{
	long (*real)(long, ...);
	void *symbol = dlsym(RTLD_NEXT, "syscall");
	va_list ap;
	long a[6];

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_openat2)
		return walk((int)a[0], (const char *)a[1], (const struct open_how *)a[2]);
	memcpy(&real, &symbol, sizeof(real));
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
