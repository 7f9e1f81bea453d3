// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * An append, step by step, and what a crash behind each step leaves:
 *
 *   1. open, made if need be     an empty file or none: no entries either way
 *   2. lock                      nothing new
 *   3. verify the last entry     nothing new
 *   4. cut a torn tail           the entries before it, as readers saw them already
 *   5. write the line at the end the old entries, and perhaps a torn tail, which 4 cuts next time
 *   6. fsync the file            the new entry, unless its file is new and its name is not durable
 *   7. fsync the folder          the new entry; always, since the append that made the file may
 *                                have been killed before it came here
 *
 * The file grows only behind its last newline, and file systems make a file longer only once
 * the bytes are there, so a line with its newline is whole. Where that fails, the signature
 * says so and the chain is refused, not mended.
 */
#include "doc/chain.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "crypto/digest.h"
#include "doc/chain_internal.h"

static void entry_freep(struct seed_chain_entry *entry)
{
	seed_json_free(entry->doc);
}

static int at_entry(struct seed_error *err, uint64_t number)
{
	return seed_error_prefix(err, "entry %" PRIu64, number);
}

/* ---- reading ---- */

/* A window of the file that holds at least one whole line. */
struct window {
	int fd;
	uint64_t offset;	/* in the file, of the byte behind @have */
	size_t at, have;
	char bytes[SEED_CHAIN_LINE_MAX];
};

/* The next line with its newline; *@line NULL at the end, a torn tail counting as the end. */
static int next_line(struct window *w, const char **line, size_t *len, struct seed_error *err)
{
	for (;;) {
		char *newline = memchr(w->bytes + w->at, '\n', w->have - w->at);
		size_t got;

		if (newline) {
			*line = w->bytes + w->at;
			*len = (size_t)(newline + 1 - *line);
			w->at += *len;
			return 0;
		}
		memmove(w->bytes, w->bytes + w->at, w->have - w->at);
		w->have -= w->at;
		w->at = 0;
		if (w->have == sizeof(w->bytes))
			return seed_error_set(err, SEED_ERR_INTEGRITY, "too long for an entry");
		if (seed_fd_pread_some(w->fd, w->bytes + w->have, sizeof(w->bytes) - w->have,
				       w->offset, &got, err) < 0)
			return -1;
		if (got == 0) {
			*line = NULL;
			return 0;
		}
		w->offset += got;
		w->have += got;
	}
}

struct visit {
	int (*fn)(struct seed_json_reader *entry, const struct seed_public_key *key, void *arg,
		  struct seed_error *err);
	void *arg;
};

static int visit_line(const struct visit *visit, uint64_t number, const struct seed_digest *last,
		      const char *line, size_t len, struct seed_error *err)
{
	SEED_AUTO(entry_freep) struct seed_chain_entry entry = { .doc = NULL };

	if (seed_chain_line_open(&entry, line, len, err) < 0)
		return -1;
	if (entry.number != number)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "has the number %" PRIu64,
				      entry.number);
	if (!entry.first && !seed_digest_equal(&entry.previous, last))
		return seed_error_set(err, SEED_ERR_INTEGRITY, "does not follow the one before it");
	return visit->fn(&entry.reader, &entry.key, visit->arg, err);
}

static int each_line(int fd, const struct visit *visit, struct seed_error *err)
{
	SEED_AUTO(seed_freep) struct window *w = calloc(1, sizeof(*w));
	struct seed_digest last = { { 0 } };

	if (!w)
		return seed_error_sys(err, ENOMEM, "chain");
	w->fd = fd;
	for (uint64_t number = 1;; number++) {
		const char *line;
		size_t len;

		if (next_line(w, &line, &len, err) < 0)
			return at_entry(err, number);
		if (!line)
			return 0;
		if (visit_line(visit, number, &last, line, len, err) < 0)
			return at_entry(err, number);
		seed_digest_of(&last, line, len);
	}
}

int seed_chain_each(int dir, const char *path,
		    int (*fn)(struct seed_json_reader *entry, const struct seed_public_key *key,
			      void *arg, struct seed_error *err),
		    void *arg, struct seed_error *err)
{
	const struct visit visit = { .fn = fn, .arg = arg };
	SEED_AUTO(seed_fd_closep) int fd = -1;
	struct seed_error why = { 0 };

	if (seed_path_open(&fd, dir, path, O_RDONLY, 0, &why) < 0) {
		if (why.kind == SEED_ERR_NOTFOUND)
			return 0;
		if (err)
			*err = why;
		return -1;
	}
	if (each_line(fd, &visit, err) < 0)
		return seed_error_prefix(err, "%s", path);
	return 0;
}

/* ---- appending ---- */

/* Where the chain ends. */
struct end {
	uint64_t offset;	/* behind the last newline */
	uint64_t number;	/* of the last entry, 0 if there is none */
	struct seed_digest digest;	/* of its line */
};

/* Read the last line, of which @bytes holds the end of the file; @from is their offset. */
static int judge_last_line(struct end *end, const char *bytes, size_t len, uint64_t from,
			   struct seed_error *err)
{
	SEED_AUTO(entry_freep) struct seed_chain_entry entry = { .doc = NULL };
	const char *newline = memrchr(bytes, '\n', len), *before;
	size_t line_len;

	if (!newline && from == 0)	/* nothing whole: at most a torn first entry */
		return 0;
	if (!newline)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "no entry ends in its last %u bytes",
				      2 * SEED_CHAIN_LINE_MAX);
	before = memrchr(bytes, '\n', (size_t)(newline - bytes));
	before = before ? before + 1 : bytes;
	line_len = (size_t)(newline + 1 - before);
	if (seed_chain_line_open(&entry, before, line_len, err) < 0)
		return seed_error_prefix(err, "last entry");
	if (entry.first != (from == 0 && before == bytes))
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "last entry: has the number %" PRIu64, entry.number);
	end->offset = from + (uint64_t)(newline + 1 - bytes);
	end->number = entry.number;
	seed_digest_of(&end->digest, before, line_len);
	return 0;
}

static int find_end(struct end *end, int fd, struct seed_error *err)
{
	const size_t room = 2 * SEED_CHAIN_LINE_MAX;	/* a torn tail and the line before it */
	SEED_AUTO(seed_freep) char *bytes = malloc(room);
	struct stat st;
	uint64_t size, from;

	*end = (struct end){ .offset = 0 };
	if (!bytes)
		return seed_error_sys(err, ENOMEM, "chain");
	if (fstat(fd, &st) < 0)
		return seed_error_sys(err, errno, "size");
	size = (uint64_t)st.st_size;
	from = size > room ? size - room : 0;
	if (seed_fd_pread(fd, bytes, (size_t)(size - from), from, err) < 0 ||
	    judge_last_line(end, bytes, (size_t)(size - from), from, err) < 0)
		return -1;
	if (size - end->offset > SEED_CHAIN_LINE_MAX)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "%" PRIu64 " bytes behind the last "
				      "entry", size - end->offset);
	if (size > end->offset && ftruncate(fd, (off_t)end->offset) < 0)
		return seed_error_sys(err, errno, "cut a torn entry");
	return 0;
}

static int write_line(int fd, const char *line, size_t len, uint64_t offset,
		      struct seed_error *err)
{
	int cut;

	if (seed_fd_pwrite(fd, line, len, offset, err) == 0)
		return seed_fd_sync(fd, err);
	cut = ftruncate(fd, (off_t)offset);
	(void)cut;	/* where this fails too, the next append cuts the tail */
	return -1;
}

/* Make the name of the file durable. */
static int sync_folder_of(int dir, const char *path, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int folder = -1;
	const char *slash = strrchr(path, '/');
	char name[PATH_MAX] = ".";

	if (slash && (size_t)(slash - path) < sizeof(name)) {
		memcpy(name, path, (size_t)(slash - path));
		name[slash - path] = '\0';
	}
	if (seed_path_open_folder_at(&folder, dir, name, err) < 0)
		return -1;
	return seed_fd_sync(folder, err);
}

static int append(int fd, int dir, const char *path, const struct seed_json *fields,
		  const struct seed_signing_key *key, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *line = NULL;
	struct end end;
	size_t len;

	if (find_end(&end, fd, err) < 0)
		return -1;
	if (seed_chain_line_make(&line, &len, end.number + 1, end.number ? &end.digest : NULL,
				 fields, key, err) < 0 ||
	    write_line(fd, line, len, end.offset, err) < 0)
		return -1;
	return sync_folder_of(dir, path, err);
}

int seed_chain_append(int dir, const char *path, const struct seed_json *fields,
		      const struct seed_signing_key *key, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int fd = -1;

	if (seed_path_open(&fd, dir, path, O_RDWR | O_CREAT, 0600, err) < 0 ||
	    seed_fd_lock_wait(fd, path, err) < 0)
		return -1;
	if (append(fd, dir, path, fields, key, err) < 0)
		return seed_error_prefix(err, "%s", path);
	return 0;
}
