// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Deciding for the new state: all that is checked and made durable before the record is written. An
 * error up to there leaves the old replica as it is; room that was reserved in its disks reads as
 * the zeroes that were there.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "block/grid.h"
#include "block/merkle.h"
#include "crypto/digest.h"
#include "replica/replica_internal.h"
#include "replica/side_file.h"
#include "replica/points.h"
#include "replica/sync_internal.h"

#define LOOKING "looking at what arrived"
#define MAKING_ROOM "making room"

/* ---- disks ---- */

struct at_hand {
	const struct seed_sync *sync;
	const struct seed_sync_unit *unit;
	const struct seed_events *events;
};

/* Both walks of a disk take hours where it is large, and somebody waits for the end. */
static void show_walk(const struct seed_events *events, enum seed_event_kind kind,
		      const struct seed_sync_unit *unit, const char *phase, uint64_t index)
{
	seed_event_send(events, &(struct seed_event){
		.kind = kind, .phase = phase, .disk = unit->slot,
		.done = index * SEED_BLOCK_SIZE, .total = unit->size });
}

static int check_at_hand(void *arg, uint64_t index, uint64_t count,
			 const struct seed_digest *digests, struct seed_error *err)
{
	const struct at_hand *h = arg;

	if (seed_cancelled(h->sync->cancel, err) < 0)
		return -1;
	show_walk(h->events, SEED_EVENT_PROGRESS, h->unit, LOOKING, index);
	for (uint64_t i = 0; digests && i < count; i++) {
		uint32_t len;

		if (seed_journal_length(h->sync->journal, &digests[i], &len, NULL) < 0 ||
		    len != seed_grid_length(h->unit->size, index + i))
			return seed_error_set(err, SEED_ERR_INTEGRITY,
					      "block %" PRIu64 " has not arrived", index + i);
	}
	return 0;
}

static int check_unit(struct seed_sync *sync, struct seed_sync_unit *unit,
		      const struct seed_manifest_disk *d, const struct seed_events *events,
		      struct seed_error *err)
{
	struct at_hand h = { sync, unit, events };
	struct seed_digest root;

	if (seed_list_sync(unit->next, err) < 0 ||
	    ((unit->has_base || unit->sink) && seed_list_sync(unit->base, err) < 0) ||
	    seed_merkle_of_list(&root, unit->next, unit->size, NULL, NULL, err) < 0)
		return -1;
	if (!seed_digest_equal(&root, &d->root))
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "the digest list's root is not the manifest's");
	show_walk(events, SEED_EVENT_PHASE, unit, LOOKING, 0);
	if (seed_sync_differ(unit->base, unit->next, check_at_hand, &h, err) < 0)
		return -1;
	return unit->sink ? 0 : seed_sync_unit_still(unit, err);
}

static int check_units(struct seed_sync *sync, const struct seed_manifest *m,
		       const struct seed_events *events, struct seed_error *err)
{
	if (!seed_id_equal(&m->site, &sync->replica->site) ||
	    !seed_id_equal(&m->uuid, &sync->replica->uuid))
		return seed_error_set(err, SEED_ERR_IDENTITY, "the manifest is of another VM");
	if (m->disks.count != sync->count)
		return seed_error_set(err, SEED_ERR_USAGE, "the manifest has other disks");
	for (size_t i = 0; i < sync->count; i++) {
		const struct seed_manifest_disk *d = seed_vec_at(&m->disks, i);
		struct seed_sync_unit *unit = &sync->units[i];

		if (seed_cancelled(sync->cancel, err) < 0)
			return -1;
		if (strcmp(d->slot, unit->slot) != 0 || d->size != unit->size)
			return seed_error_set(err, SEED_ERR_USAGE, "the manifest has other disks");
		if (check_unit(sync, unit, d, events, err) < 0)
			return seed_error_prefix(err, "disk %s", unit->slot);
	}
	return 0;
}

/* ---- side files ---- */

static int drop_side_file(const char *name, void *arg, struct seed_error *err)
{
	const struct seed_sync *sync = arg;

	return seed_side_file_is(name) ? seed_path_unlink(sync->dir, name, err) : 0;
}

static bool is_file(const struct seed_manifest_file *f, const void *data, size_t len)
{
	struct seed_digest digest;

	seed_digest_of(&digest, data, len);
	return len == f->facts.length && seed_digest_equal(&digest, &f->facts.digest);
}

struct own_file {
	int dir;
	const struct seed_manifest_file *file;
	char *data;		/* once it is found */
};

/* The replica's own of that role, whichever number it has there. */
static int look_at_own(const char *name, void *arg, struct seed_error *err)
{
	struct own_file *own = arg;
	size_t role = strlen(own->file->role), len;
	char *data = NULL;

	(void)err;
	if (own->data || strncmp(name, own->file->role, role) != 0 ||
	    (name[role] && name[role] != '.') || !seed_side_file_is(name))
		return 0;
	if (seed_file_read(own->dir, name, own->file->facts.length, &data, &len, NULL) == 0 &&
	    is_file(own->file, data, len))
		own->data = seed_steal(&data);
	free(data);
	return 0;
}

static int write_side_file(struct seed_sync *sync, const struct seed_sync_commit *commit,
			   uint32_t index, struct seed_error *err)
{
	const struct seed_manifest_file *f = seed_vec_at(&commit->manifest->files, index);
	struct own_file own = { .dir = sync->replica->dir, .file = f };
	char name[SEED_SIDE_FILE_NAME];
	int rc;

	seed_side_file_name(commit->manifest, index, name);
	for (size_t i = 0; i < commit->file_count; i++) {
		const struct seed_sync_file *new = &commit->files[i];

		if (new->index != index)
			continue;
		if (!is_file(f, new->data, new->len))
			return seed_error_set(err, SEED_ERR_INTEGRITY,
					      "%s: differs from its digest", name);
		return seed_file_replace(sync->dir, name, new->data, new->len, 0600, err);
	}
	if (seed_path_each(own.dir, ".", SEED_SYNC_NAMES_MAX, look_at_own, &own, err) < 0)
		return -1;
	rc = own.data ? seed_file_replace(sync->dir, name, own.data, f->facts.length, 0600, err) :
			seed_error_set(err, SEED_ERR_INTEGRITY, "%s: has not arrived", name);
	free(own.data);
	return rc;
}

static int write_side_files(struct seed_sync *sync, const struct seed_sync_commit *commit,
			    struct seed_error *err)
{
	if (seed_path_each(sync->dir, ".", SEED_SYNC_NAMES_MAX, drop_side_file, sync, err) < 0)
		return -1;
	for (uint32_t i = 0; i < commit->manifest->files.count; i++)
		if (write_side_file(sync, commit, i, err) < 0)
			return -1;
	/* The signature first: a manifest is never there without it. */
	if (seed_file_replace(sync->dir, "manifest.json.minisig", commit->signature,
			      strlen(commit->signature), 0600, err) < 0)
		return -1;
	return seed_file_replace(sync->dir, "manifest.json", commit->text, commit->len, 0600, err);
}

/* ---- room ---- */

struct room {
	int fd;
	uint64_t size;		/* of the disk */
	bool shared;		/* recovery points may have parts of it too */
	bool touched;		/* its times changed */
	const struct seed_sync_unit *unit;
	const struct seed_events *events;
};

static int allocate(struct room *room, int mode, uint64_t from, uint64_t to, struct seed_error *err)
{
	int rc;

	do
		rc = fallocate(room->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)from,
			       (off_t)(to - from));
	while (rc < 0 && errno == EINTR);
	if (rc == 0)
		room->touched = true;
	if (rc == 0 || errno == EOPNOTSUPP || errno == ENOSYS || (mode && errno == EINVAL))
		return 0;
	return seed_error_sys(err, errno, "reserve room");
}

/* Only what is a hole: a file whose blocks are all there is not touched. Where holes are not known,
 * or behind the end, all of it. */
static int reserve_range(struct room *room, uint64_t from, uint64_t to, struct seed_error *err)
{
	while (from < to) {
		off_t hole = lseek(room->fd, (off_t)from, SEEK_HOLE), data;
		uint64_t begin = from, end = to;

		if (hole >= 0) {
			begin = (uint64_t)hole > from ? (uint64_t)hole : from;
			data = begin < to ? lseek(room->fd, (off_t)begin, SEEK_DATA) : -1;
			end = data > (off_t)begin && (uint64_t)data < to ? (uint64_t)data : to;
		}
		if (begin >= to)
			break;
		if (allocate(room, 0, begin, end, err) < 0)
			return -1;
		from = end;
	}
	return 0;
}

static int reserve_run(void *arg, uint64_t index, uint64_t count,
		       const struct seed_digest *digests, struct seed_error *err)
{
	struct room *room = arg;
	uint64_t from = index * SEED_BLOCK_SIZE, to = from + count * SEED_BLOCK_SIZE;

	if (!digests)
		return 0;
	show_walk(room->events, SEED_EVENT_PROGRESS, room->unit, MAKING_ROOM, index);
	if (to > room->size)
		to = room->size;
	if (reserve_range(room, from, to, err) < 0)
		return -1;
	return room->shared ? allocate(room, FALLOC_FL_UNSHARE_RANGE, from, to, err) : 0;
}

static int reserve_unit(struct seed_sync *sync, struct seed_sync_unit *unit,
			const struct seed_events *events, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int fd = -1;
	struct room room = { .size = unit->size, .unit = unit, .events = events };
	int rc;

	if (seed_path_open(&fd, unit->sink ? sync->dir : sync->replica->dir, unit->names.raw,
			   O_RDWR, 0, err) < 0)
		return -1;
	room.fd = fd;
	room.shared = !unit->sink && seed_path_exists(sync->replica->dir, "points");
	show_walk(events, SEED_EVENT_PHASE, unit, MAKING_ROOM, 0);
	rc = seed_sync_differ(unit->base, unit->next, reserve_run, &room, err);
	if (rc == 0 || unit->sink || !room.touched)
		return rc;
	/* The bytes are those of before, so what was proven still is: only the times moved. */
	seed_fd_closep(&fd);
	if (unit->stamped)
		(void)seed_replica_stamp(sync->replica->dir, unit->names.stem, unit->names.raw,
					 seed_grid_blocks(unit->identity.size), NULL);
	return seed_sync_unit_identify(unit, rc < 0 ? NULL : err) < 0 ? -1 : rc;
}

static int reserve_all(struct seed_sync *sync, const struct seed_events *events,
		       struct seed_error *err)
{
	for (size_t i = 0; i < sync->count; i++)
		if (reserve_unit(sync, &sync->units[i], events, err) < 0)
			return seed_error_prefix(err, "disk %s", sync->units[i].slot);
	return 0;
}

/* ---- the record ---- */

struct stale {
	const struct seed_sync *sync;
	struct seed_vec *drop;
};

/* Noted in the record: once files have moved up, nobody could tell any more. */
static int note_stale(const char *name, void *arg, struct seed_error *err)
{
	struct stale *stale = arg;
	char *copy;

	if (!seed_side_file_is(name) || seed_path_exists(stale->sync->dir, name))
		return 0;
	if (stale->drop->count == SEED_REPLICA_DROP_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "more than %u old side files",
				      SEED_REPLICA_DROP_MAX);
	copy = strdup(name);
	if (!copy || !seed_vec_push(stale->drop, sizeof(copy), &copy)) {
		free(copy);
		return seed_error_sys(err, ENOMEM, "replica");
	}
	return 0;
}

/* Lists, disks and side files are durable with their names before the record is there. */
static int write_record(struct seed_sync *sync, const struct seed_sync_commit *commit,
			struct seed_error *err)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *next =
		seed_replica_new(sync->replica->name, err);
	struct stale stale = { .sync = sync, .drop = next ? &next->drop : NULL };

	if (!next || seed_replica_describe(next, commit->manifest, err) < 0)
		return -1;
	next->state = SEED_REPLICA_CURRENT;
	next->imported = seed_clock_wall();
	next->from = commit->from ? strndup(commit->from, SEED_REPLICA_FROM_MAX) : NULL;
	if (commit->from && !next->from)
		return seed_error_sys(err, ENOMEM, "replica");
	if (seed_path_each(sync->replica->dir, ".", SEED_SYNC_NAMES_MAX, note_stale, &stale,
			   err) < 0 ||
	    seed_fd_sync(sync->dir, err) < 0)
		return -1;
	next->dir = fcntl(sync->dir, F_DUPFD_CLOEXEC, 0);
	if (next->dir < 0)
		return seed_error_sys(err, errno, "dup");
	return seed_replica_save(next, err);
}

/* Descriptors that write go, so that disks can be stamped; those that read stay and keep a QEMU
 * off. */
static int close_sinks(struct seed_sync *sync, struct seed_error *err)
{
	for (size_t i = 0; i < sync->count; i++) {
		struct seed_sink *sink = seed_steal(&sync->units[i].sink);

		if (sink && seed_sink_close(sink, err) < 0)
			return seed_error_prefix(err, "disk %s", sync->units[i].slot);
	}
	return 0;
}

/* The state that stands, kept by reflink: before room is reserved, or what is unshared for it would
 * be shared again. */
static int make_point(struct seed_sync *sync, const struct seed_sync_commit *commit,
		      struct seed_error *err)
{
	if (!commit->keep || sync->replica->state == SEED_REPLICA_SEEDING)
		return 0;
	if (seed_points_make(sync->replica, commit->keep, err) < 0)
		return seed_error_prefix(err, "recovery point");
	return 0;
}

static int commit_sync(struct seed_sync *sync, const struct seed_sync_commit *commit,
		       enum seed_proved *proved, struct seed_error *err)
{
	/* Not to be stopped: what is decided is better done than left to the next run. */
	const struct seed_replica_watch watch = { .events = commit->events };
	uint64_t lost = 0;

	if (check_units(sync, commit->manifest, commit->events, err) < 0 ||
	    write_side_files(sync, commit, err) < 0 || make_point(sync, commit, err) < 0 ||
	    reserve_all(sync, commit->events, err) < 0)
		return -1;
	sync->done = true;
	if (close_sinks(sync, err) < 0 || write_record(sync, commit, err) < 0)
		return -1;
	/* Decided. */
	if (seed_sync_carry_out(sync->replica, sync->dir, sync->journal, &watch, commit->jobs,
				proved, &lost, err) < 0)
		return -1;
	if (lost)
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "%" PRIu64 " blocks do not read back "
				      "as they were written: they are missing now",
				      lost);
	return 0;
}

int seed_sync_commit(struct seed_sync *sync, const struct seed_sync_commit *commit,
		     enum seed_proved *proved, struct seed_error *err)
{
	if (sync->done || sync->fill)
		return seed_error_set(err, SEED_ERR_USAGE, "nothing to commit");
	if (seed_sync_checkpoint(sync, err) < 0)
		return -1;
	if (commit_sync(sync, commit, proved, err) < 0)
		return seed_error_prefix(err, "replica %s", sync->replica->name);
	return 0;
}
