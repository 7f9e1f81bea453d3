/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The shim's power cut: every change since the last fsync that covers it is noted with what was
 * there before, and undone before the kill. An fsync of a file covers its content, one of a
 * folder the names in it, as POSIX has it: a new name is lost unless its folder was synced.
 *
 *   CRASH_LOSE=all          everything that was not synced is lost
 *   CRASH_LOSE=data         contents are, names and sizes' files stay
 *   CRASH_LOSE=names        names are, contents stay
 *   CRASH_LOSE=mixed:SEED   the newest of the names are, from some point on; of each file nothing,
 *                           everything, or single sectors whose place in the file remains
 *   CRASH_STASH=DIR         where unlinked files wait; same file system, outside CRASH_UNDER
 *
 * All of this runs under the shim's lock. Included by shim.c alone.
 */

enum lose_kind { LOSE_NONE, LOSE_CREATED, LOSE_MADE, LOSE_UNLINKED, LOSE_REMOVED, LOSE_RENAMED };

struct lose_id {
	dev_t dev;
	ino_t ino;
};

struct lose_name {
	enum lose_kind kind;
	struct lose_id folder;		/* whose fsync makes it durable */
	char *path, *from;		/* @from: LOSE_RENAMED */
	char *stash;			/* what was at @path, or NULL */
};

struct lose_change {			/* of a file's content */
	struct lose_id file;
	int fd;				/* our own, never O_DIRECT, only read from: whoever holds a
					 * file open for writing is in the way of its leases */
	off64_t size;			/* before */
	off64_t offset;
	char *bytes;			/* before, at @offset */
	size_t len;
};

struct lose_record {
	bool live;
	struct lose_name name;		/* kind NONE: a change */
	struct lose_change change;
};

static struct {
	bool all, data, names, mixed;
	bool files_lie, folders_lie;
	uint64_t random;
	const char *stash;
	unsigned int stashed;
	struct lose_record *records;
	size_t count, room;
} lose;

static void lose_begin(const char *mode, const char *stash, const char *lie)
{
	if (!mode)
		return;
	lose.all = strcmp(mode, "all") == 0;
	lose.data = strcmp(mode, "data") == 0;
	lose.names = strcmp(mode, "names") == 0;
	lose.mixed = strncmp(mode, "mixed:", 6) == 0;
	if (lose.mixed)
		lose.random = strtoull(mode + 6, NULL, 10) * 2654435761u + 88172645463325252u;
	lose.files_lie = lie && strcmp(lie, "files") == 0;
	lose.folders_lie = lie && strcmp(lie, "folders") == 0;
	lose.stash = stash;
	if (!stash || !(lose.all || lose.data || lose.names || lose.mixed)) {
		fprintf(stderr, "shim: CRASH_LOSE and CRASH_STASH\n");
		_exit(125);
	}
}

static uint64_t lose_random(void)
{
	lose.random ^= lose.random << 13;
	lose.random ^= lose.random >> 7;
	lose.random ^= lose.random << 17;
	return lose.random;
}

static void lose_fail(const char *what)
{
	fprintf(stderr, "shim: power cut: %s: %s\n", what, strerror(errno));
	_exit(125);
}

static struct lose_record *lose_add(void)
{
	if (lose.count == lose.room) {
		lose.room = lose.room ? 2 * lose.room : 256;
		lose.records = realloc(lose.records, lose.room * sizeof(*lose.records));
		if (!lose.records)
			lose_fail("memory");
	}
	lose.records[lose.count] = (struct lose_record){ .live = true };
	return &lose.records[lose.count++];
}

/* ---- noting names ---- */

static bool lose_folder_of(struct lose_id *out, const char *path)
{
	char folder[PATH_MAX];
	struct stat st;

	snprintf(folder, sizeof(folder), "%s", path);
	*strrchr(folder, '/') = '\0';
	if (stat(folder, &st) < 0)
		return false;
	*out = (struct lose_id){ st.st_dev, st.st_ino };
	return true;
}

/* A second name for what lies at @path, so that it outlives its own. */
static char *lose_keep(const char *path)
{
	char name[PATH_MAX];

	snprintf(name, sizeof(name), "%s/%d-%u", lose.stash, getpid(), lose.stashed++);
	if (real.linkat(AT_FDCWD, path, AT_FDCWD, name, 0) < 0)
		return NULL;
	return strdup(name);
}

static void lose_prepare(struct lose_name *undo, enum lose_kind kind, const char *path)
{
	if (lose.stash && lose_folder_of(&undo->folder, path)) {
		undo->kind = kind;
		undo->path = strdup(path);
	}
}

static void lose_before_change(int fd, off64_t offset, size_t len, off64_t cut);

static void lose_before_open(struct lose_name *undo, const char *path, bool truncates)
{
	struct stat st;
	int fd;

	if (!lose.stash)
		return;
	if (lstat(path, &st) < 0) {
		lose_prepare(undo, LOSE_CREATED, path);
		return;
	}
	fd = truncates ? real.openat(AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
	if (fd >= 0) {
		lose_before_change(fd, 0, 0, 0);
		close(fd);
	}
}

static void lose_before_mkdir(struct lose_name *undo, const char *path)
{
	lose_prepare(undo, LOSE_MADE, path);
}

static void lose_before_unlink(struct lose_name *undo, const char *path, bool folder)
{
	if (!lose.stash)
		return;
	lose_prepare(undo, folder ? LOSE_REMOVED : LOSE_UNLINKED, path);
	if (!folder)
		undo->stash = lose_keep(path);
}

static void lose_before_rename(struct lose_name *undo, const char *from, const char *to)
{
	if (!lose.stash)
		return;
	lose_prepare(undo, LOSE_RENAMED, to);
	undo->from = strdup(from);
	undo->stash = lose_keep(to);
}

static void lose_after_name(const struct lose_name *undo)
{
	if (undo->kind != LOSE_NONE)
		lose_add()->name = *undo;
}

/* ---- noting contents ---- */

static int lose_own_fd(struct lose_id id, int fd)
{
	char path[32];
	int own;

	for (size_t i = 0; i < lose.count; i++) {
		const struct lose_change *c = &lose.records[i].change;

		if (lose.records[i].name.kind == LOSE_NONE && c->file.dev == id.dev &&
		    c->file.ino == id.ino)
			return c->fd;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = real.openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (own >= 0) {		/* out of the way of the program's own numbers */
		fd = fcntl(own, F_DUPFD_CLOEXEC, 410);
		close(own);
		own = fd;
	}
	if (own < 0)
		lose_fail("a file's second descriptor");
	return own;
}

/* @len bytes at @offset will change, or with @cut >= 0 the size to @cut. */
static void lose_before_change(int fd, off64_t offset, size_t len, off64_t cut)
{
	struct lose_change change = { .offset = offset };
	struct stat st;
	ssize_t got;

	if (!lose.stash || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	change.file = (struct lose_id){ st.st_dev, st.st_ino };
	change.fd = lose_own_fd(change.file, fd);
	change.size = st.st_size;
	change.len = cut < 0 ? len : cut < st.st_size ? (size_t)(st.st_size - cut) : 0;
	change.bytes = calloc(1, change.len + 1);
	got = change.bytes ? pread64(change.fd, change.bytes, change.len, offset) : -1;
	if (got < 0)
		lose_fail("what a file held");
	lose_add()->change = change;
}

/* ---- made durable ---- */

static void lose_no_more(int fd, bool whole)
{
	struct stat st;

	if (!lose.stash || fstat(fd, &st) < 0 ||
	    (S_ISDIR(st.st_mode) ? lose.folders_lie : lose.files_lie))
		return;
	for (size_t i = 0; i < lose.count; i++) {
		struct lose_record *r = &lose.records[i];
		const struct lose_id *id = r->name.kind == LOSE_NONE ? &r->change.file
								     : &r->name.folder;

		if (whole || (id->dev == st.st_dev && id->ino == st.st_ino))
			r->live = false;
	}
}

/* ---- the cut ---- */

static void lose_tree(int dir, const char *name);

static void lose_folder(int fd)
{
	char buf[4096];
	long len;

	while ((len = real.syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < len;) {
			struct {
				uint64_t ino;
				int64_t off;
				unsigned short reclen;
				unsigned char type;
				char name[];
			} const *entry = (void *)(buf + at);

			if (strcmp(entry->name, ".") != 0 && strcmp(entry->name, "..") != 0)
				lose_tree(fd, entry->name);
			at += entry->reclen;
		}
	}
}

static void lose_tree(int dir, const char *name)
{
	int fd;

	if (real.unlinkat(dir, name, 0) == 0)
		return;
	fd = real.openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		lose_folder(fd);
		close(fd);
	}
	real.unlinkat(dir, name, AT_REMOVEDIR);
}

static void lose_undo_name(const struct lose_name *name)
{
	switch (name->kind) {
	case LOSE_CREATED:
	case LOSE_MADE:
		lose_tree(AT_FDCWD, name->path);
		break;
	case LOSE_UNLINKED:
		if (name->stash)
			real.linkat(AT_FDCWD, name->stash, AT_FDCWD, name->path, 0);
		break;
	case LOSE_REMOVED:
		real.mkdirat(AT_FDCWD, name->path, 0700);
		break;
	case LOSE_RENAMED:
		real.renameat2(AT_FDCWD, name->path, AT_FDCWD, name->from, 0);
		if (name->stash)
			real.linkat(AT_FDCWD, name->stash, AT_FDCWD, name->path, 0);
		break;
	case LOSE_NONE:
		break;
	}
}

static int lose_writable(const struct lose_change *c)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", c->fd);
	fd = real.openat(AT_FDCWD, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		lose_fail("a file to undo");
	return fd;
}

static void lose_undo_change(const struct lose_change *c)
{
	int fd = lose_writable(c);

	if (c->len && real.pwrite(fd, c->bytes, c->len, c->offset) != (ssize_t)c->len)
		lose_fail("undo a write");
	if (real.ftruncate(fd, c->size) < 0)
		lose_fail("undo a size");
	close(fd);
}

/* Sectors at random: those behind the old end become zeroes. */
static void lose_undo_sectors(const struct lose_change *c)
{
	int fd = lose_writable(c);

	for (size_t at = 0, len; at < c->len; at += len) {
		len = 512 - (size_t)(c->offset + (off64_t)at) % 512;
		if (len > c->len - at)
			len = c->len - at;
		if (lose_random() % 2 &&
		    real.pwrite(fd, c->bytes + at, len, c->offset + (off64_t)at) != (ssize_t)len)
			lose_fail("undo a sector");
	}
	close(fd);
}

static void lose_mixed(void)
{
	size_t names = lose.count ? lose_random() % (lose.count + 1) : 0;
	uint64_t salt = lose_random();

	for (size_t i = lose.count; i-- > 0;) {
		const struct lose_record *r = &lose.records[i];

		if (!r->live)
			continue;
		if (r->name.kind != LOSE_NONE) {
			if (i >= names)
				lose_undo_name(&r->name);
			continue;
		}
		switch ((r->change.file.ino * 2654435761u + salt) >> 16 & 3) {
		case 0:
			break;
		case 1:
			lose_undo_change(&r->change);
			break;
		default:
			lose_undo_sectors(&r->change);
		}
	}
}

static void lose_unsynced(void)
{
	if (!lose.stash)
		return;
	if (lose.mixed) {
		lose_mixed();
		return;
	}
	for (size_t i = lose.count; i-- > 0;) {
		const struct lose_record *r = &lose.records[i];

		if (!r->live)
			continue;
		if (r->name.kind != LOSE_NONE && (lose.all || lose.names))
			lose_undo_name(&r->name);
		else if (r->name.kind == LOSE_NONE && (lose.all || lose.data))
			lose_undo_change(&r->change);
	}
}
