// SPDX-License-Identifier: LGPL-2.1-or-later
/* See sync.h. Here: a sync until it commits; what was taken, and throwing it away. */
#include "replica/sync.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "block/grid.h"
#include "image/sink.h"
#include "replica/replica_internal.h"
#include "replica/sync_internal.h"

/* ---- opening and closing ---- */

static int open_folder(struct seed_sync *sync, const struct seed_replica_watch *watch,
		       struct seed_error *err)
{
	int dir = sync->replica->dir;
	struct seed_error why = { 0 };

	/* One that was decided is carried out first: seed_replica_open() did, unless this very
	 * process committed it and failed then. */
	if (seed_replica_finish_sync(sync->replica, watch, err) < 0 ||
	    seed_path_make_folder(dir, SEED_SYNC_DIR, 0700, err) < 0 ||
	    seed_path_open_folder_at(&sync->dir, dir, SEED_SYNC_DIR, err) < 0 ||
	    seed_file_sweep(sync->dir, err) < 0)
		return -1;
	if (seed_journal_open_shown(&sync->journal, sync->dir, &sync->replica->site,
				    &sync->replica->uuid, watch ? watch->events : NULL,
				    sync->cancel, &why) == 0)
		return 0;
	*err = why;
	if (why.kind == SEED_ERR_FORMAT)
		seed_error_set(err, SEED_ERR_FORMAT,
			       "%s; 'vmseed resync --abort %s', at the site that has it, throws "
			       "away what had arrived",
			       why.text, sync->replica->name);
	return -1;
}

int seed_sync_open(struct seed_sync **out, struct seed_replica *replica,
		   const struct seed_replica_watch *watch, struct seed_error *err)
{
	SEED_AUTO(seed_sync_closep) struct seed_sync *sync = malloc(sizeof(*sync));

	if (!sync)
		return seed_error_sys(err, ENOMEM, "sync");
	*sync = (struct seed_sync){ .replica = replica, .dir = -1,
				    .cancel = watch ? watch->cancel : NULL };
	if (replica->state == SEED_REPLICA_PROMOTED)
		return seed_error_set(err, SEED_ERR_IDENTITY,
				      "replica %s is promoted: it is the VM now, and nothing is "
				      "put over it",
				      replica->name);
	if (open_folder(sync, watch, err) < 0)
		return seed_error_prefix(err, "replica %s", replica->name);
	*out = seed_steal(&sync);
	return 0;
}

static void close_units(struct seed_sync *sync)
{
	for (size_t i = 0; i < sync->count; i++)
		seed_sync_unit_close(&sync->units[i]);
	free(sync->units);
	sync->units = NULL;
	sync->count = 0;
}

void seed_sync_close(struct seed_sync *sync)
{
	if (!sync)
		return;
	close_units(sync);
	seed_journal_close(sync->journal);
	seed_fd_closep(&sync->dir);
	free(sync);
}

/* ---- beginning ---- */

static const struct seed_replica_disk *find_own(const struct seed_replica *replica,
						const char *slot)
{
	/* What a cut import or sync left of a first seed is no disk yet. */
	if (replica->state == SEED_REPLICA_SEEDING)
		return NULL;
	for (size_t i = 0; i < replica->disks.count; i++) {
		const struct seed_replica_disk *own = seed_vec_at(&replica->disks, i);

		if (strcmp(own->slot, slot) == 0)
			return seed_path_exists(replica->dir, own->file) ? own : NULL;
	}
	return NULL;
}

int seed_sync_make_units(struct seed_sync *sync, size_t count, struct seed_error *err)
{
	close_units(sync);
	sync->units = calloc(count ? count : 1, sizeof(*sync->units));
	if (!sync->units)
		return seed_error_sys(err, ENOMEM, "sync");
	sync->count = count;
	for (size_t i = 0; i < count; i++)
		sync->units[i].fd = -1;
	return 0;
}

int seed_sync_name_unit(struct seed_sync *sync, size_t i, const char *slot, uint64_t size,
			struct seed_error *err)
{
	struct seed_sync_unit *unit = &sync->units[i];

	if (strlen(slot) >= sizeof(unit->slot) || size > SEED_DISK_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "a slot's name or a disk's size is out "
				      "of range");
	memcpy(unit->slot, slot, strlen(slot) + 1);
	seed_sync_names_of(&unit->names, slot);
	unit->size = size;
	unit->blocks = seed_grid_blocks(size);
	for (size_t k = 0; k < i; k++)
		if (strcmp(sync->units[k].names.stem, unit->names.stem) == 0)
			return seed_error_set(err, SEED_ERR_USAGE, "two disks would share %s",
					      unit->names.raw);
	return 0;
}

/* An earlier run's lists and side files are made again, or not; what arrived stays. */
static int drop_leftover(const char *name, void *arg, struct seed_error *err)
{
	struct seed_sync *sync = arg;

	if (strcmp(name, "journal") == 0)
		return 0;
	for (size_t i = 0; i < sync->count; i++) {
		const struct seed_sync_unit *unit = &sync->units[i];

		if (!find_own(sync->replica, unit->slot) && (strcmp(name, unit->names.raw) == 0 ||
							     strcmp(name, unit->names.have) == 0))
			return 0;
	}
	return seed_path_unlink(sync->dir, name, err);
}

int seed_sync_begin(struct seed_sync *sync, const struct seed_sync_disk *disks, size_t count,
		    struct seed_error *err)
{
	if (seed_sync_make_units(sync, count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (seed_sync_name_unit(sync, i, disks[i].slot, disks[i].size, err) < 0)
			return seed_error_prefix(err, "replica %s", sync->replica->name);
	if (seed_path_each(sync->dir, ".", SEED_SYNC_NAMES_MAX, drop_leftover, sync, err) < 0)
		return seed_error_prefix(err, "replica %s", sync->replica->name);
	for (size_t i = 0; i < count; i++)
		if (seed_cancelled(sync->cancel, err) < 0 ||
		    seed_sync_unit_open(sync, &sync->units[i], &disks[i],
					find_own(sync->replica, disks[i].slot), err) < 0)
			return seed_error_prefix(err, "replica %s: disk %s", sync->replica->name,
						 disks[i].slot);
	return 0;
}

struct seed_list *seed_sync_base(struct seed_sync *sync, size_t i)
{
	return sync->units[i].base;
}

struct seed_list *seed_sync_next(struct seed_sync *sync, size_t i)
{
	return sync->units[i].next;
}

struct seed_journal *seed_sync_journal(struct seed_sync *sync)
{
	return sync->journal;
}

int seed_sync_read(struct seed_sync *sync, size_t i, uint64_t index, void *buf,
		   struct seed_error *err)
{
	struct seed_sync_unit *unit = &sync->units[i];
	uint32_t len;
	size_t got;

	if (index >= unit->blocks)
		return seed_error_set(err, SEED_ERR_RANGE, "disk %s has no block %llu", unit->slot,
				      (unsigned long long)index);
	len = seed_grid_length(unit->size, index);
	if (seed_fd_pread_some(unit->fd, buf, len, index * SEED_BLOCK_SIZE, &got, err) < 0)
		return seed_error_prefix(err, "disk %s", unit->slot);
	memset((char *)buf + got, 0, len - got);
	return 0;
}

/* ---- blocks ---- */

static struct seed_sync_put *find_put(const struct seed_sync_unit *unit, uint64_t index)
{
	for (size_t i = unit->puts.count; i-- > 0;) {
		struct seed_sync_put *put = seed_vec_at(&unit->puts, i);

		if (put->index == index)
			return put;
	}
	return NULL;
}

bool seed_sync_has(struct seed_sync *sync, size_t i, uint64_t index,
		   const struct seed_digest *digest)
{
	struct seed_sync_unit *unit = &sync->units[i];
	const struct seed_sync_put *put = find_put(unit, index);
	enum seed_block_kind kind = seed_digest_kind(digest);
	struct seed_digest base;

	if (kind != SEED_BLOCK_DATA)
		return kind == SEED_BLOCK_ZERO;
	if (put && seed_digest_equal(&put->digest, digest))
		return true;
	if (!put && seed_list_get(unit->base, index, &base, 1, NULL) == 0 &&
	    seed_digest_equal(&base, digest))
		return true;
	return seed_journal_has(sync->journal, digest);
}

/* What lies in the place of a block now nobody knows, not even where the list has zeroes. */
static void distrust_block(struct seed_sync_unit *unit, uint64_t index)
{
	struct seed_sync_put *put = find_put(unit, index);

	(void)seed_list_fill(unit->base, index, 1, SEED_BLOCK_MISSING, NULL);
	if (put)	/* the order of puts is nobody's business */
		*put = *(struct seed_sync_put *)seed_vec_at(&unit->puts, --unit->puts.count);
}

static int put_in_place(struct seed_sync *sync, struct seed_sync_unit *unit,
			const struct seed_sync_put *new, const void *data, uint32_t len,
			struct seed_error *err)
{
	struct seed_sync_put *put;

	if (seed_sink_write(unit->sink, data, len, new->index * SEED_BLOCK_SIZE, err) < 0) {
		distrust_block(unit, new->index);
		return -1;
	}
	put = find_put(unit, new->index);
	if (put) {
		*put = *new;
	} else if (!seed_vec_push(&unit->puts, sizeof(*new), new)) {
		distrust_block(unit, new->index);
		return seed_error_sys(err, ENOMEM, "sync");
	}
	return unit->puts.count < SEED_SYNC_PUTS ? 0 : seed_sync_unit_checkpoint(sync, unit, err);
}

/* In a fill only what the list asks for, and only where nothing is right yet. */
static int check_fill(struct seed_sync_unit *unit, const struct seed_sync_put *new,
		      enum seed_block_kind base, struct seed_error *err)
{
	struct seed_digest want;

	if (seed_list_get(unit->next, new->index, &want, 1, err) < 0)
		return -1;
	if (base == SEED_BLOCK_MISSING && seed_digest_equal(&want, &new->digest))
		return 0;
	return seed_error_set(err, SEED_ERR_INTEGRITY, "block %llu is not one that is missing",
			      (unsigned long long)new->index);
}

int seed_sync_put_block(struct seed_sync *sync, struct seed_sync_unit *unit,
			const struct seed_sync_put *new, const void *data, uint32_t len,
			struct seed_error *err)
{
	const struct seed_sync_put *put = find_put(unit, new->index);
	enum seed_block_kind kind;
	struct seed_digest base;

	if (new->index >= unit->blocks || len != seed_grid_length(unit->size, new->index))
		return seed_error_set(err, SEED_ERR_RANGE, "%u bytes are no block %llu", len,
				      (unsigned long long)new->index);
	if (!unit->sink)
		return seed_journal_add(sync->journal, &new->digest, data, len, err);
	if (put && seed_digest_equal(&put->digest, &new->digest))
		return 0;
	if (seed_list_get(unit->base, new->index, &base, 1, err) < 0)
		return -1;
	kind = seed_digest_kind(&base);
	if (!put && kind == SEED_BLOCK_DATA && seed_digest_equal(&base, &new->digest))
		return 0;
	if (sync->fill && check_fill(unit, new, kind, err) < 0)
		return -1;
	/* The list claims another block here, durably: this one waits for the commit. */
	if (kind == SEED_BLOCK_DATA)
		return seed_journal_add(sync->journal, &new->digest, data, len, err);
	return put_in_place(sync, unit, new, data, len, err);
}

int seed_sync_put(struct seed_sync *sync, size_t i, uint64_t index,
		  const struct seed_digest *digest, const void *data, uint32_t len,
		  struct seed_error *err)
{
	const struct seed_sync_put put = { .index = index, .digest = *digest };

	if (seed_sync_put_block(sync, &sync->units[i], &put, data, len, err) < 0)
		return seed_error_prefix(err, "replica %s: disk %s", sync->replica->name,
					 sync->units[i].slot);
	return 0;
}

/* ---- checkpoints ---- */

int seed_sync_checkpoint(struct seed_sync *sync, struct seed_error *err)
{
	int rc = seed_journal_sync(sync->journal, err);

	for (size_t i = 0; rc == 0 && i < sync->count; i++) {
		rc = seed_sync_unit_checkpoint(sync, &sync->units[i], err);
		if (rc < 0)
			seed_error_prefix(err, "disk %s", sync->units[i].slot);
	}
	if (rc == 0 && sync->fill)
		rc = seed_sync_save_missing(sync, err);
	return rc < 0 ? seed_error_prefix(err, "replica %s", sync->replica->name) : 0;
}

/* ---- what lies there ---- */

int seed_sync_abort(struct seed_replica *replica, bool *was, struct seed_error *err)
{
	bool there = seed_path_exists(replica->dir, SEED_SYNC_DIR);

	if (there && seed_path_exists(replica->dir, SEED_SYNC_DIR "/replica.json")) {
		if (seed_replica_finish_sync(replica, NULL, err) < 0)
			return -1;
		return seed_error_set(err, SEED_ERR_USAGE,
				      "replica %s: what arrived was decided for already, and is in "
				      "place now",
				      replica->name);
	}
	/* Nothing counts without a record: any part of it may be left by a crash. */
	if (there && (seed_path_remove_tree(replica->dir, SEED_SYNC_DIR, err) < 0 ||
		      seed_fd_sync(replica->dir, err) < 0))
		return seed_error_prefix(err, "replica %s", replica->name);
	*was = there;
	return 0;
}

struct pending {
	int dir;
	uint64_t bytes, in_place;	/* in the journal; in new disks */
};

static int count_name(const char *name, void *arg, struct seed_error *err)
{
	struct pending *p = arg;
	size_t len = strlen(name);
	struct stat st;

	(void)err;
	if (fstatat(p->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return 0;
	if (strcmp(name, "journal") == 0)
		p->bytes += (uint64_t)st.st_size > SEED_JOURNAL_HEADER ?
			    (uint64_t)st.st_size - SEED_JOURNAL_HEADER : 0;
	else if (len > 4 && strcmp(name + len - 4, ".raw") == 0)
		p->in_place += (uint64_t)st.st_blocks * 512;
	return 0;
}

int seed_sync_pending(const struct seed_replica *replica, uint64_t *bytes, bool *committed,
		      struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int dir = -1;
	struct seed_error inner = { 0 };
	struct pending p = { 0 };

	*bytes = 0;
	*committed = false;
	if (seed_path_open_folder_at(&dir, replica->dir, SEED_SYNC_DIR, &inner) == 0) {
		p.dir = dir;
		if (seed_path_each(dir, ".", SEED_SYNC_NAMES_MAX, count_name, &p, &inner) == 0) {
			*bytes = p.bytes + p.in_place;
			*committed = seed_path_exists(dir, "replica.json");
			return 0;
		}
	}
	/* Not there, or gone while we looked. */
	if (inner.kind == SEED_ERR_NOTFOUND)
		return 0;
	if (err)
		*err = inner;
	return -1;
}

int seed_sync_pending_blocks(const struct seed_replica *replica, bool *there, uint64_t *blocks,
			     struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int dir = -1;
	struct seed_error inner = { 0 };
	struct pending p = { 0 };

	*blocks = 0;
	*there = false;
	if (seed_path_open_folder_at(&dir, replica->dir, SEED_SYNC_DIR, &inner) == 0) {
		*there = true;
		p.dir = dir;
		if (seed_path_each(dir, ".", SEED_SYNC_NAMES_MAX, count_name, &p, &inner) == 0 &&
		    seed_journal_count(dir, blocks, &inner) == 0) {
			*blocks += (p.in_place + SEED_BLOCK_SIZE - 1) / SEED_BLOCK_SIZE;
			return 0;
		}
	}
	if (inner.kind == SEED_ERR_NOTFOUND)
		return 0;
	*err = inner;
	return seed_error_prefix(err, "replica %s", replica->name);
}
