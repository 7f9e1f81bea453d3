// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Disks get into a candidate's folder: by shared blocks, by copying what is data, or by
 * rename. (no .h: handover_internal.h)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clone.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "block/grid.h"
#include "handover/handover_internal.h"

#define COPY_CHUNK (1u << 20)	/* bytes of one read; a multiple of the block */

struct copying {
	const struct seed_placing *p;
	const struct seed_reading *reading;
	uint8_t *buf;
	uint64_t done, total;
};

static const struct seed_replica_disk *disk_of(const struct seed_placing *p, size_t i)
{
	return seed_vec_at(&p->replica->disks, i);
}

/* ---- copies ---- */

/* Only of files: a device shares nothing. */
static int try_clone(const char *path, int to, bool *shared, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int from =
		open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	*shared = false;
	if (from < 0 || fstat(from, &st) < 0)
		return seed_error_sys(err, errno, "open");
	return S_ISREG(st.st_mode) ? seed_clone(from, to, shared, err) : 0;
}

static int copy_range(struct copying *c, int to, uint64_t at, uint64_t end, struct seed_error *err)
{
	while (at < end) {
		size_t len = end - at < COPY_CHUNK ? (size_t)(end - at) : COPY_CHUNK;

		if (seed_cancelled(c->p->cancel, err) < 0 ||
		    seed_source_read(c->reading->source, c->buf, len, at, err) < 0)
			return -1;
		/* The file is new: what is not written is zero. */
		if (!seed_block_is_zero(c->buf, len) &&
		    seed_fd_pwrite(to, c->buf, len, at, err) < 0)
			return -1;
		at += len;
		c->done += len;
		seed_event_send(c->p->events, &(struct seed_event){
			.kind = SEED_EVENT_PROGRESS, .done = c->done, .total = c->total,
			.disk = c->reading->slot });
	}
	return 0;
}

static int copy_disk(struct copying *c, int to, struct seed_error *err)
{
	uint64_t size = c->reading->source->size, end;
	enum seed_extent_kind kind;

	if (ftruncate(to, (off_t)size) < 0)
		return seed_error_sys(err, errno, "make %ju bytes long", (uintmax_t)size);
	for (uint64_t at = 0; at < size; at = end) {
		if (seed_source_extent(c->reading->source, at, &end, &kind, err) < 0 ||
		    (kind == SEED_EXTENT_DATA && copy_range(c, to, at, end, err) < 0))
			return -1;
		if (kind == SEED_EXTENT_ZERO)
			c->done += end - at;
	}
	return 0;
}

static int place_copy(struct copying *c, const struct seed_replica_disk *disk, bool *shared,
		      struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int to = -1;

	if (seed_path_open(&to, c->p->replica->dir, disk->file, O_WRONLY | O_CREAT | O_EXCL, 0600,
			   err) < 0 ||
	    try_clone(c->reading->path, to, shared, err) < 0 ||
	    (!*shared && copy_disk(c, to, err) < 0) || seed_fd_sync(to, err) < 0)
		return -1;
	if (*shared)
		c->done += c->reading->source->size;
	return seed_fd_close(&to, err);
}

int seed_place_copies(const struct seed_placing *p, bool *shared, struct seed_error *err)
{
	SEED_AUTO(seed_freep) uint8_t *buf = malloc(COPY_CHUNK);
	struct copying c = { .p = p, .buf = buf };
	bool one;

	*shared = true;
	if (!buf)
		return seed_error_sys(err, ENOMEM, "copy");
	for (size_t i = 0; i < p->readings->count; i++)
		c.total += ((const struct seed_reading *)seed_vec_at(p->readings, i))->source->size;
	seed_event_send(p->events, &(struct seed_event){
		.kind = SEED_EVENT_PHASE, .phase = "copying", .total = c.total });
	for (size_t i = 0; i < p->readings->count; i++) {
		c.reading = seed_vec_at(p->readings, i);
		if (place_copy(&c, disk_of(p, i), &one, err) < 0)
			return seed_error_prefix(err, "copy disk %s", c.reading->slot);
		*shared = *shared && one;
	}
	return 0;
}

/* ---- moving ---- */

static bool is_there(const struct seed_placing *p, size_t i)
{
	return p->replica && seed_path_exists(p->replica->dir, disk_of(p, i)->file);
}

/* The name itself must be the file that was read: a link would be moved in its place. */
static int check_name(const struct seed_placing *p, const struct seed_reading *r,
		      struct seed_error *err)
{
	char quoted[SEED_QUOTED];
	struct stat st, store;

	seed_quote(r->path, quoted, sizeof(quoted));
	if (lstat(r->path, &st) < 0 || fstat(p->store, &store) < 0)
		return seed_error_sys(err, errno, "%s", quoted);
	if (!S_ISREG(st.st_mode))
		return seed_error_set(err, SEED_ERR_USAGE,
				      "%s is %s: only a file can be moved into the store; leave "
				      "out --in-place",
				      quoted, S_ISLNK(st.st_mode) ? "a link" : "no file");
	if (st.st_dev != store.st_dev)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "%s lies in another file system than the store: leave out "
				      "--in-place, and it is copied",
				      quoted);
	if (r->identity.provable && st.st_ino != r->identity.inode)
		return seed_error_set(err, SEED_ERR_BUSY, "%s was replaced meanwhile", quoted);
	return 0;
}

/* Moved by an earlier run: it is read where it lies, through the folder's descriptor. */
static bool by_descriptor(const struct seed_reading *r)
{
	return strncmp(r->path, "/proc/self/fd/", 14) == 0;
}

int seed_place_may_move(const struct seed_placing *p, struct seed_error *err)
{
	for (size_t i = 0; i < p->readings->count; i++)
		if (!is_there(p, i) && !by_descriptor(seed_vec_at(p->readings, i)) &&
		    check_name(p, seed_vec_at(p->readings, i), err) < 0)
			return -1;
	return 0;
}

/* The name is durable in the new folder before it is durably gone from the old one. */
static int move_disk(const struct seed_placing *p, const struct seed_reading *r, const char *file,
		     struct seed_error *err)
{
	const char *slash = strrchr(r->path, '/');
	SEED_AUTO(seed_freep) char *parent =
		slash ? strndup(r->path, (size_t)(slash - r->path) + 1) : strdup(".");
	SEED_AUTO(seed_fd_closep) int dir = -1;
	char quoted[SEED_QUOTED];

	if (!parent)
		return seed_error_sys(err, ENOMEM, "move");
	if (check_name(p, r, err) < 0 || seed_path_open_folder(&dir, parent, err) < 0)
		return -1;
	if (renameat2(AT_FDCWD, r->path, p->replica->dir, file, RENAME_NOREPLACE) < 0)
		return seed_error_sys(err, errno, "move %s",
				      seed_quote(r->path, quoted, sizeof(quoted)));
	return seed_fd_sync(p->replica->dir, err) < 0 ? -1 : seed_fd_sync(dir, err);
}

int seed_place_moved(const struct seed_placing *p, struct seed_error *err)
{
	for (size_t i = 0; i < p->readings->count; i++)
		if (!is_there(p, i) &&
		    move_disk(p, seed_vec_at(p->readings, i), disk_of(p, i)->file, err) < 0)
			return -1;
	return 0;
}
