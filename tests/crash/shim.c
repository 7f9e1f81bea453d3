// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * LD_PRELOAD shim: counts the calls of a program that change files, and at one of them kills the
 * program, makes the call fail, or shortens it. With CRASH_LOSE a kill is a power cut: what was
 * not yet made durable is undone first (lose.h). Told by the environment:
 *
 *   CRASH_UNDER=DIR[:DIR...]  only calls on files under these absolute paths count
 *   CRASH_OPS=OP[,OP...]      only these count (default: all; the names stand in op_names)
 *   CRASH_LOG=FILE            a line "NUMBER OP PATH" is added for each call that counts
 *   CRASH_AT=N                act at the Nth call that counts
 *   CRASH_ACT=before|after    kill before or after the call
 *   CRASH_ACT=exit            let the program end by itself, and cut the power then
 *   CRASH_ACT=torn            write half of what is to be written, then kill
 *   CRASH_ACT=short           write half and say so
 *   CRASH_ACT=fail            fail with CRASH_ERRNO (a number)
 *   CRASH_STICKY=1            act at the Nth call and at all after it, as a dead disk does
 *   CRASH_LOSE=all|data|names|mixed:SEED, CRASH_STASH=DIR   see lose.h
 *   CRASH_LIE=files|folders   their fsyncs have no effect on what a power cut takes
 *
 * Calls that count are serialised, so that a kill meets the others before or behind their call.
 * Programs that write through stdio's own buffers are not seen, nor are stdout and stderr.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum op {
	OP_OPEN, OP_MKDIR, OP_UNLINK, OP_RMDIR, OP_RENAME, OP_LINK, OP_WRITE, OP_TRUNCATE,
	OP_ALLOCATE, OP_SYNC, OP_MODE, OP_COUNT
};

static const char *const op_names[OP_COUNT] = {
	"open", "mkdir", "unlink", "rmdir", "rename", "link", "write", "truncate", "allocate",
	"sync", "mode",
};

enum act { ACT_NONE, ACT_BEFORE, ACT_AFTER, ACT_TORN, ACT_SHORT, ACT_FAIL, ACT_EXIT };

static struct {
	pthread_mutex_t lock;
	bool on;
	const char *under;
	unsigned int ops;	/* bits */
	enum act act;
	long at, count;
	bool sticky;
	int errnum;
	int log;
} shim = { .lock = PTHREAD_MUTEX_INITIALIZER, .log = -1 };

/* The functions that we stand in for. */
static struct {
	int (*openat)(int, const char *, int, ...);
	int (*mkdirat)(int, const char *, mode_t);
	int (*unlinkat)(int, const char *, int);
	int (*renameat2)(int, const char *, int, const char *, unsigned int);
	int (*linkat)(int, const char *, int, const char *, int);
	ssize_t (*write)(int, const void *, size_t);
	ssize_t (*pwrite)(int, const void *, size_t, off64_t);
	int (*ftruncate)(int, off64_t);
	int (*fallocate)(int, int, off64_t, off64_t);
	int (*fsync)(int);
	int (*fdatasync)(int);
	int (*syncfs)(int);
	int (*fchmod)(int, mode_t);
	long (*syscall)(long, ...);
} real;

#include "lose.h"

static void die(void)
{
	lose_unsynced();
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

static void __attribute__((noreturn)) usage(const char *what)
{
	fprintf(stderr, "shim: %s\n", what);
	_exit(125);
}

static void take_ops(const char *list)
{
	shim.ops = list ? 0 : (1u << OP_COUNT) - 1;
	while (list && *list) {
		size_t len = strcspn(list, ",");
		unsigned int before = shim.ops;

		for (int op = 0; op < OP_COUNT; op++)
			if (strlen(op_names[op]) == len && memcmp(list, op_names[op], len) == 0)
				shim.ops |= 1u << op;
		if (shim.ops == before)
			usage("unknown name in CRASH_OPS");
		list += len + (list[len] == ',');
	}
}

static void take_act(const char *name)
{
	static const char *const names[] = {
		"", "before", "after", "torn", "short", "fail", "exit",
	};

	for (int i = 1; name && i <= ACT_EXIT; i++)
		if (strcmp(name, names[i]) == 0)
			shim.act = (enum act)i;
	if (name && shim.act == ACT_NONE)
		usage("unknown CRASH_ACT");
}

static long env_number(const char *name)
{
	const char *text = getenv(name);

	return text ? strtol(text, NULL, 10) : 0;
}

static void *find(const char *name)
{
	void *fn = dlsym(RTLD_NEXT, name);

	if (!fn)
		usage(name);
	return fn;
}

static void __attribute__((constructor)) begin(void)
{
	const char *log = getenv("CRASH_LOG");
	int fd;

	*(void **)&real.openat = find("openat64");
	*(void **)&real.mkdirat = find("mkdirat");
	*(void **)&real.unlinkat = find("unlinkat");
	*(void **)&real.renameat2 = find("renameat2");
	*(void **)&real.linkat = find("linkat");
	*(void **)&real.write = find("write");
	*(void **)&real.pwrite = find("pwrite64");
	*(void **)&real.ftruncate = find("ftruncate64");
	*(void **)&real.fallocate = find("fallocate64");
	*(void **)&real.fsync = find("fsync");
	*(void **)&real.fdatasync = find("fdatasync");
	*(void **)&real.syncfs = find("syncfs");
	*(void **)&real.fchmod = find("fchmod");
	*(void **)&real.syscall = find("syscall");
	shim.under = getenv("CRASH_UNDER");
	shim.at = env_number("CRASH_AT");
	shim.errnum = (int)env_number("CRASH_ERRNO");
	shim.sticky = env_number("CRASH_STICKY") != 0;
	take_ops(getenv("CRASH_OPS"));
	take_act(getenv("CRASH_ACT"));
	lose_begin(getenv("CRASH_LOSE"), getenv("CRASH_STASH"), getenv("CRASH_LIE"));
	if (log) {
		fd = real.openat(AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
		shim.log = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 400);
		if (shim.log < 0)
			usage("CRASH_LOG cannot be written");
		close(fd);
	}
	shim.on = shim.under != NULL;
}

static void __attribute__((destructor)) end(void)
{
	if (shim.act == ACT_EXIT)
		lose_unsynced();
}

/* ---- one call ---- */

static void path_of_fd(char out[PATH_MAX], int fd)
{
	char link[32];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, out, PATH_MAX - 1);
	out[len < 0 ? 0 : len] = '\0';
}

/* Absolute, and good enough for the names that the tests use: no links, no "..". */
static void path_at(char out[PATH_MAX], int dir, const char *path)
{
	size_t len = 0;

	out[0] = '\0';
	if (path[0] != '/') {
		if (dir == AT_FDCWD) {
			if (!getcwd(out, PATH_MAX))
				out[0] = '\0';
		} else {
			path_of_fd(out, dir);
		}
		len = strlen(out);
	}
	if (strcmp(path, ".") != 0)
		snprintf(out + len, PATH_MAX - len, "%s%s", len ? "/" : "", path);
}

static bool is_under(const char *path)
{
	const char *dir = shim.under;

	while (*dir) {
		size_t len = strcspn(dir, ":");

		if (strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0'))
			return true;
		dir += len + (dir[len] == ':');
	}
	return false;
}

struct call {
	bool ours;		/* under the paths that count: the lock is held */
	enum act act;		/* what end_call() and the caller have to do */
};

static void log_call(enum op op, const char *path)
{
	char line[PATH_MAX + 64];
	int len = snprintf(line, sizeof(line), "%ld %s %s\n", shim.count, op_names[op], path);

	if (real.write(shim.log, line, (size_t)len) != len)
		usage("CRASH_LOG cannot be written");
}

static struct call begin_call(enum op op, const char *path)
{
	struct call call = { .ours = false };
	int saved = errno;

	if (!shim.on || !is_under(path))
		return call;
	call.ours = true;
	pthread_mutex_lock(&shim.lock);
	if (shim.ops & 1u << op) {
		shim.count++;
		if (shim.log >= 0)
			log_call(op, path);
		if (shim.at && (shim.count == shim.at || (shim.sticky && shim.count > shim.at)))
			call.act = shim.act;
	}
	if (call.act == ACT_BEFORE)
		die();
	errno = saved;
	return call;
}

static struct call begin_fd_call(enum op op, int fd)
{
	char path[PATH_MAX];
	int saved = errno;

	if (!shim.on || fd == shim.log)
		return (struct call){ .ours = false };
	path_of_fd(path, fd);
	errno = saved;
	return begin_call(op, path);
}

static long end_call(struct call call, long result)
{
	int saved = errno;

	if (!call.ours)
		return result;
	if (call.act == ACT_AFTER || call.act == ACT_TORN)
		die();
	pthread_mutex_unlock(&shim.lock);
	errno = saved;
	return result;
}

static long fail_call(struct call call)
{
	pthread_mutex_unlock(&shim.lock);
	(void)call;
	errno = shim.errnum;
	return -1;
}

/* ---- names ---- */

static long do_open(int dir, const char *path, uint64_t flags, mode_t mode, struct open_how *how,
		    size_t how_size)
{
	bool changes = flags & (O_CREAT | O_TRUNC) && (flags & O_TMPFILE) != O_TMPFILE;
	struct call call = { .ours = false };
	struct lose_name undo = { .kind = LOSE_NONE };
	char full[PATH_MAX];
	long fd;

	if (shim.on && (changes || (flags & O_TMPFILE) == O_TMPFILE)) {
		path_at(full, dir, path);
		call = begin_call(OP_OPEN, full);
	}
	if (call.act == ACT_FAIL)
		return fail_call(call);
	if (call.ours && changes)
		lose_before_open(&undo, full, flags & O_TRUNC);
	fd = how ? real.syscall(SYS_openat2, dir, path, how, how_size)
		 : real.openat(dir, path, (int)flags, mode);
	if (call.ours && fd >= 0 && changes)
		lose_after_name(&undo);
	return end_call(call, fd);
}

static mode_t mode_of(int flags, va_list ap)
{
	return flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(ap, mode_t) : 0;
}

#define OPEN_FUNCTION(name)							\
	int name(const char *path, int flags, ...);				\
	int name(const char *path, int flags, ...)				\
	{									\
		va_list ap;							\
		mode_t mode;							\
		va_start(ap, flags);						\
		mode = mode_of(flags, ap);					\
		va_end(ap);							\
		return (int)do_open(AT_FDCWD, path, (uint64_t)(unsigned int)flags, mode, NULL, 0); \
	}

#define OPENAT_FUNCTION(name)							\
	int name(int dir, const char *path, int flags, ...);			\
	int name(int dir, const char *path, int flags, ...)			\
	{									\
		va_list ap;							\
		mode_t mode;							\
		va_start(ap, flags);						\
		mode = mode_of(flags, ap);					\
		va_end(ap);							\
		return (int)do_open(dir, path, (uint64_t)(unsigned int)flags, mode, NULL, 0); \
	}

OPEN_FUNCTION(open)
OPEN_FUNCTION(open64)
OPENAT_FUNCTION(openat)
OPENAT_FUNCTION(openat64)

int mkdirat(int dir, const char *path, mode_t mode)
{
	struct lose_name undo = { .kind = LOSE_NONE };
	char full[PATH_MAX];
	struct call call;
	long rc;

	path_at(full, dir, path);
	call = begin_call(OP_MKDIR, full);
	if (call.act == ACT_FAIL)
		return (int)fail_call(call);
	if (call.ours)
		lose_before_mkdir(&undo, full);
	rc = real.mkdirat(dir, path, mode);
	if (call.ours && rc == 0)
		lose_after_name(&undo);
	return (int)end_call(call, rc);
}

int mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

int unlinkat(int dir, const char *path, int flags)
{
	struct lose_name undo = { .kind = LOSE_NONE };
	char full[PATH_MAX];
	struct call call;
	long rc;

	path_at(full, dir, path);
	call = begin_call(flags & AT_REMOVEDIR ? OP_RMDIR : OP_UNLINK, full);
	if (call.act == ACT_FAIL)
		return (int)fail_call(call);
	if (call.ours)
		lose_before_unlink(&undo, full, flags & AT_REMOVEDIR);
	rc = real.unlinkat(dir, path, flags);
	if (call.ours && rc == 0)
		lose_after_name(&undo);
	return (int)end_call(call, rc);
}

int unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned int flags)
{
	struct lose_name undo = { .kind = LOSE_NONE };
	char old[PATH_MAX], new[PATH_MAX];
	struct call call;
	long rc;

	path_at(old, from_dir, from);
	path_at(new, to_dir, to);
	call = begin_call(OP_RENAME, new);
	if (call.act == ACT_FAIL)
		return (int)fail_call(call);
	if (call.ours)
		lose_before_rename(&undo, old, new);
	rc = real.renameat2(from_dir, from, to_dir, to, flags);
	if (call.ours && rc == 0)
		lose_after_name(&undo);
	return (int)end_call(call, rc);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return renameat2(from_dir, from, to_dir, to, 0);
}

int rename(const char *from, const char *to)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	struct lose_name undo = { .kind = LOSE_NONE };
	char full[PATH_MAX];
	struct call call;
	long rc;

	path_at(full, to_dir, to);
	call = begin_call(OP_LINK, full);
	if (call.act == ACT_FAIL)
		return (int)fail_call(call);
	if (call.ours)
		lose_before_open(&undo, full, false);
	rc = real.linkat(from_dir, from, to_dir, to, flags);
	if (call.ours && rc == 0)
		lose_after_name(&undo);
	return (int)end_call(call, rc);
}

int link(const char *from, const char *to)
{
	return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int fchmod(int fd, mode_t mode)
{
	struct call call = begin_fd_call(OP_MODE, fd);

	return call.act == ACT_FAIL ? (int)fail_call(call)
				    : (int)end_call(call, real.fchmod(fd, mode));
}

/* ---- contents ---- */

/* What O_DIRECT takes; a call of less than two such pieces is cut at the byte, or not at all. */
static size_t half_of(int fd, size_t len)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && flags & O_DIRECT)
		return len / 2 / 4096 * 4096;
	return len / 2;
}

static ssize_t do_write(int fd, const void *buf, size_t len, off64_t offset, bool at)
{
	struct call call = begin_fd_call(OP_WRITE, fd);
	off64_t where = offset;

	if (call.act == ACT_FAIL)
		return fail_call(call);
	if (call.act == ACT_TORN || call.act == ACT_SHORT)
		len = half_of(fd, len) ? half_of(fd, len) : call.act == ACT_TORN ? 0 : len;
	if (call.ours && !at)
		where = fcntl(fd, F_GETFL) & O_APPEND ? lseek64(fd, 0, SEEK_END)
						      : lseek64(fd, 0, SEEK_CUR);
	if (call.ours)
		lose_before_change(fd, where, len, -1);
	return end_call(call, at ? real.pwrite(fd, buf, len, offset) : real.write(fd, buf, len));
}

ssize_t write(int fd, const void *buf, size_t len)
{
	return do_write(fd, buf, len, 0, false);
}

ssize_t pwrite64(int fd, const void *buf, size_t len, off64_t offset)
{
	return do_write(fd, buf, len, offset, true);
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t offset)
{
	return do_write(fd, buf, len, offset, true);
}

int ftruncate64(int fd, off64_t size)
{
	struct call call = begin_fd_call(OP_TRUNCATE, fd);

	if (call.act == ACT_FAIL)
		return (int)fail_call(call);
	if (call.ours)
		lose_before_change(fd, size, 0, size);
	return (int)end_call(call, real.ftruncate(fd, size));
}

int ftruncate(int fd, off_t size)
{
	return ftruncate64(fd, size);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t len)
{
	struct call call = begin_fd_call(OP_ALLOCATE, fd);

	if (call.act == ACT_FAIL)
		return (int)fail_call(call);
	if (call.ours)
		lose_before_change(fd, offset, (size_t)len, -1);
	return (int)end_call(call, real.fallocate(fd, mode, offset, len));
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
	return fallocate64(fd, mode, offset, len);
}

/* ---- durability ---- */

static int do_sync(int fd, int (*sync)(int), bool whole)
{
	struct call call = begin_fd_call(OP_SYNC, fd);
	int rc;

	if (call.act == ACT_FAIL)
		return (int)fail_call(call);
	rc = sync(fd);
	if (call.ours && rc == 0)
		lose_no_more(fd, whole);
	return (int)end_call(call, rc);
}

int fsync(int fd)
{
	return do_sync(fd, real.fsync, false);
}

int fdatasync(int fd)
{
	return do_sync(fd, real.fdatasync, false);
}

int syncfs(int fd)
{
	return do_sync(fd, real.syncfs, true);
}

/* ---- calls without a function of their own ---- */

long syscall(long number, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (number == SYS_openat2 && real.syscall) {
		struct open_how *how = (struct open_how *)a[2];

		return do_open((int)a[0], (const char *)a[1], how->flags, 0, how, (size_t)a[3]);
	}
	return real.syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
