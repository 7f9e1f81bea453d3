// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Carrying out what sync/replica.json has decided (no .h: sync_internal.h, replica_internal.h).
 * Each step is decided by what still lies there, so that it may be cut and begun again any
 * number of times:
 *
 *   sync/STEM.list is there   the disk is not known to be done: blocks where base and next list
 *                             differ are written (again), read back, made durable
 *   all lists are done        lists, new disks, missing lists and side files move up by rename; the
 *                             list of a disk before the disk itself, so that a sync/STEM.raw
 *                             without its list is one that is done
 *   nothing is left to move   stale files go, replica.json is replaced, sync/replica.json goes, and
 *                             the rest of sync/ with it
 *
 * A run that finds a record looks first whether all that it needs is at hand. If it is not, and the
 * stamps of the disks show that nothing was written yet, the record is taken back: the old state
 * is whole, and better than a new one with blocks missing.
 *
 * Once writing has begun there is no way back, and a journal whose header is damaged is given a new
 * one: its entries are looked at one by one anyway.
 *
 * A block that cannot be brought into place later, since the journal has rotten or the disk does
 * not give back what was written, goes on the missing list, and the replica is "incomplete": the
 * next resync fetches it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "block/grid.h"
#include "replica/missing.h"
#include "replica/replica_internal.h"
#include "replica/side_file.h"
#include "replica/sync_internal.h"

struct carry {
	struct seed_replica *replica;	/* what it was */
	struct seed_replica *next;	/* the record */
	int dir;			/* sync/ */
	struct seed_journal *journal;
	const struct seed_replica_watch *watch;
	unsigned int jobs;
	enum seed_proved *proved;	/* or NULL: the run that decided is gone */
	bool *written;			/* by disk: it was changed, or is new */
};

/* ---- disks ---- */

static int apply_disk(struct carry *c, size_t i, struct seed_error *err)
{
	struct seed_replica_disk *disk = seed_vec_at(&c->next->disks, i);
	SEED_AUTO(seed_vec_free) struct seed_vec lost = { 0 };
	struct seed_sync_target target = {
		.replica_dir = c->replica->dir, .sync_dir = c->dir, .journal = c->journal,
		.size = disk->size, .slot = disk->slot, .events = c->watch->events,
		.cancel = c->watch->cancel, .phase = c->proved ? "applying" : "finishing",
		.jobs = c->jobs,
		.lost = &lost,
	};
	struct seed_sync_names names;

	seed_sync_names_of(&names, disk->slot);
	if (c->proved)
		c->proved[i] = SEED_PROVED_STAMP;
	if (!seed_path_exists(c->dir, names.list)) {
		c->written[i] = seed_path_exists(c->dir, names.raw);
		return 0;
	}
	if (seed_sync_apply_disk(&target, &names, err) < 0)
		return -1;
	c->written[i] = target.written;
	if (c->proved && target.in_place)
		c->proved[i] = SEED_PROVED_FULL;
	disk->missing_blocks = target.lost_blocks;
	return seed_missing_write(c->dir, names.missing, &lost, err);
}

/* The record learns what could not be applied, before anything moves. */
static int save_losses(struct carry *c, uint64_t *lost, struct seed_error *err)
{
	enum seed_replica_state state;

	*lost = seed_replica_missing(c->next);
	state = *lost ? SEED_REPLICA_INCOMPLETE : SEED_REPLICA_CURRENT;
	if (*lost == 0 && state == c->next->state)
		return 0;
	c->next->state = state;
	return seed_replica_save(c->next, err);
}

static int apply_disks(struct carry *c, uint64_t *lost, struct seed_error *err)
{
	for (size_t i = 0; i < c->next->disks.count; i++)
		if (seed_cancelled(c->watch->cancel, err) < 0 || apply_disk(c, i, err) < 0)
			return seed_error_prefix(err, "disk %s", ((struct seed_replica_disk *)
						 seed_vec_at(&c->next->disks, i))->slot);
	return save_losses(c, lost, err);
}

/* ---- moving up ---- */

static int move_up(const struct carry *c, const char *name, struct seed_error *err)
{
	if (renameat(c->dir, name, c->replica->dir, name) == 0 || errno == ENOENT)
		return 0;
	return seed_error_sys(err, errno, "move " SEED_SYNC_DIR "/%s", name);
}

static int move_side_file(const char *name, void *arg, struct seed_error *err)
{
	return seed_side_file_is(name) ? move_up(arg, name, err) : 0;
}

static int move_all(struct carry *c, struct seed_error *err)
{
	for (size_t i = 0; i < c->next->disks.count; i++) {
		const struct seed_replica_disk *disk = seed_vec_at(&c->next->disks, i);
		struct seed_sync_names names;

		seed_sync_names_of(&names, disk->slot);
		if (move_up(c, names.missing, err) < 0 || move_up(c, names.list, err) < 0)
			return -1;
		/* The list has left sync/ for good before the disk does: a list that a power cut
		 * brought back would be applied to a disk that is not there. */
		if (seed_path_exists(c->dir, names.raw) &&
		    (seed_fd_sync(c->replica->dir, err) < 0 || seed_fd_sync(c->dir, err) < 0 ||
		     move_up(c, names.raw, err) < 0))
			return -1;
	}
	return seed_path_each(c->dir, ".", SEED_SYNC_NAMES_MAX, move_side_file, c, err);
}

static int drop_stale(const struct carry *c, struct seed_error *err)
{
	for (size_t i = 0; i < c->next->disks.count; i++) {
		const struct seed_replica_disk *disk = seed_vec_at(&c->next->disks, i);

		if (disk->missing_blocks == 0 &&
		    seed_path_unlink(c->replica->dir, disk->missing, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < c->next->drop.count; i++)
		if (seed_path_unlink(c->replica->dir, *(char **)seed_vec_at(&c->next->drop, i),
				     err) < 0)
			return -1;
	return 0;
}

/* What the record says, without what was to be dropped, becomes replica.json and @replica. */
static int become(struct carry *c, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	size_t len;

	for (size_t i = 0; i < c->next->drop.count; i++)
		free(*(char **)seed_vec_at(&c->next->drop, i));
	seed_vec_free(&c->next->drop);
	if (seed_replica_to_text(c->next, &text, &len, err) < 0 ||
	    seed_file_replace(c->replica->dir, "replica.json", text, len, 0600, err) < 0)
		return -1;
	seed_replica_end_build(c->replica);
	return seed_replica_from_text(c->replica, text, len, err);
}

/* Last, for moving a file changes its identity. A run that found the record cannot know who else
 * wrote to the disk since: without a stamp it is read once. */
static int stamp_disks(const struct carry *c, struct seed_error *err)
{
	for (size_t i = 0; c->proved && i < c->next->disks.count; i++) {
		const struct seed_replica_disk *disk = seed_vec_at(&c->next->disks, i);
		struct seed_sync_names names;

		seed_sync_names_of(&names, disk->slot);
		if (c->written[i] && seed_replica_stamp(c->replica->dir, names.stem, disk->file,
							seed_grid_blocks(disk->size), err) < 0)
			return -1;
	}
	return 0;
}

/* The record goes first, durably: what is left is a sync that nobody decided for. */
static int remove_sync(const struct carry *c, struct seed_error *err)
{
	if (seed_path_unlink(c->dir, "replica.json", err) < 0 || seed_fd_sync(c->dir, err) < 0 ||
	    seed_path_remove_tree(c->replica->dir, SEED_SYNC_DIR, err) < 0)
		return -1;
	return seed_fd_sync(c->replica->dir, err);
}

static int carry_out(struct carry *c, uint64_t *lost, struct seed_error *err)
{
	c->written = calloc(c->next->disks.count ? c->next->disks.count : 1, sizeof(*c->written));
	if (!c->written)
		return seed_error_sys(err, ENOMEM, "sync");
	if (apply_disks(c, lost, err) < 0 || seed_fd_sync(c->dir, err) < 0 ||
	    move_all(c, err) < 0 || drop_stale(c, err) < 0 ||
	    seed_fd_sync(c->replica->dir, err) < 0 || seed_fd_sync(c->dir, err) < 0 ||
	    become(c, err) < 0 || stamp_disks(c, err) < 0)
		return -1;
	return remove_sync(c, err);
}

/* ---- the record ---- */

static int read_record(struct seed_replica **out, const struct seed_replica *replica, int dir,
		       struct seed_error *err)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *next =
		seed_replica_new(replica->name, err);
	SEED_AUTO(seed_freep) char *text = NULL;
	size_t len;

	if (!next ||
	    seed_file_read(dir, "replica.json", SEED_REPLICA_JSON_MAX, &text, &len, err) < 0)
		return -1;
	if (seed_replica_from_text(next, text, len, err) < 0)
		return seed_error_prefix(err, SEED_SYNC_DIR "/replica.json");
	if (!seed_id_equal(&next->site, &replica->site) ||
	    !seed_id_equal(&next->uuid, &replica->uuid))
		return seed_error_set(err, SEED_ERR_FORMAT, SEED_SYNC_DIR "/replica.json: is of "
				      "another replica");
	next->dir = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	if (next->dir < 0)
		return seed_error_sys(err, errno, "dup");
	*out = seed_steal(&next);
	return 0;
}

int seed_sync_carry_out(struct seed_replica *replica, int dir, struct seed_journal *journal,
			const struct seed_replica_watch *watch, unsigned int jobs,
			enum seed_proved *proved, uint64_t *lost, struct seed_error *err)
{
	struct carry c = { .replica = replica, .dir = dir, .journal = journal, .watch = watch,
			   .jobs = jobs, .proved = proved };
	int rc = -1;

	if (read_record(&c.next, replica, dir, err) == 0)
		rc = carry_out(&c, lost, err);
	seed_replica_close(c.next);
	free(c.written);
	return rc;
}

/* Does the stamp of every disk that would be written to still prove it? It goes, durably, before
 * the first write, so then there was none. New disks, in sync/, are nobody's yet. */
static bool is_untouched(const struct seed_replica *replica, const struct seed_replica *next,
			 int dir)
{
	for (size_t i = 0; i < next->disks.count; i++) {
		const struct seed_replica_disk *disk = seed_vec_at(&next->disks, i);
		struct seed_source_identity now;
		struct seed_sync_names names;

		seed_sync_names_of(&names, disk->slot);
		if (!seed_path_exists(dir, names.list))
			return false;		/* it was applied, or moved up, already */
		if (!seed_path_exists(dir, names.raw) &&
		    !seed_replica_stamped(replica->dir, disk, &now))
			return false;
	}
	return true;
}

/* A journal that cannot be opened (NULL) gives nothing. */
static int is_at_hand(const struct seed_replica *replica, const struct seed_replica *next, int dir,
		      struct seed_journal *journal, const struct seed_replica_watch *watch,
		      bool *at_hand, struct seed_error *err)
{
	*at_hand = journal != NULL;
	for (size_t i = 0; *at_hand && i < next->disks.count; i++) {
		const struct seed_replica_disk *disk = seed_vec_at(&next->disks, i);
		const struct seed_sync_target target = {
			.replica_dir = replica->dir, .sync_dir = dir, .journal = journal,
			.size = disk->size, .slot = disk->slot, .events = watch->events,
			.cancel = watch->cancel,
		};
		struct seed_sync_names names;

		/* Who was stopped has not looked: nothing is taken back for that. */
		seed_sync_names_of(&names, disk->slot);
		if (seed_sync_check_disk(&target, &names, at_hand, NULL) < 0 &&
		    seed_cancelled(watch->cancel, err) < 0)
			return -1;
	}
	return 0;
}

/* *@taken: there is no record any more; the old state stands, and what is left in sync/ is for the
 * next resync. */
static int take_back(const struct seed_replica *replica, int dir, struct seed_journal *journal,
		     const struct seed_replica_watch *watch, bool *taken, struct seed_error *err)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *next = NULL;
	bool at_hand;

	*taken = false;
	if (read_record(&next, replica, dir, err) < 0)
		return -1;
	if (!is_untouched(replica, next, dir))
		return 0;
	if (is_at_hand(replica, next, dir, journal, watch, &at_hand, err) < 0)
		return -1;
	if (at_hand)
		return 0;
	if (seed_path_unlink(dir, "replica.json", err) < 0 || seed_fd_sync(dir, err) < 0)
		return -1;
	*taken = true;
	/* A journal that nobody can open would stand in the way of the next one. */
	return journal ? 0 : seed_path_unlink(dir, "journal", err);
}

/* Opens the journal, and decides whether the record stands. */
static int look_first(const struct seed_replica *replica, int dir,
		      const struct seed_replica_watch *watch, struct seed_journal **journal,
		      bool *taken, struct seed_error *err)
{
	struct seed_error why = { 0 };

	if (seed_journal_open_shown(journal, dir, &replica->site, &replica->uuid, watch->events,
				    watch->cancel, &why) < 0 &&
	    why.kind != SEED_ERR_FORMAT) {
		*err = why;
		return -1;
	}
	if (take_back(replica, dir, *journal, watch, taken, err) < 0)
		return -1;
	if (*taken || *journal)
		return 0;
	/* The disks are half way to the new state, and what lies in the journal is the rest of it.
	 * What it does not give goes on the missing list, as ever, and the next resync fetches
	 * it. */
	if (seed_journal_mend(dir, &replica->site, &replica->uuid, err) < 0)
		return -1;
	return seed_journal_open_shown(journal, dir, &replica->site, &replica->uuid, watch->events,
				       watch->cancel, err);
}

static int finish(struct seed_replica *replica, int dir, const struct seed_replica_watch *watch,
		  struct seed_error *err)
{
	SEED_AUTO(seed_journal_closep) struct seed_journal *journal = NULL;
	uint64_t lost = 0;
	bool taken = false;

	seed_event_send(watch->events, &(struct seed_event){
		.kind = SEED_EVENT_PHASE, .phase = "finishing", .vm = replica->vm_name });
	if (look_first(replica, dir, watch, &journal, &taken, err) < 0)
		return -1;
	/* What was lost stands in the missing lists, and the state says so. */
	return taken ? 0 : seed_sync_carry_out(replica, dir, journal, watch, 0, NULL, &lost, err);
}

int seed_replica_finish_sync(struct seed_replica *replica, const struct seed_replica_watch *watch,
			     struct seed_error *err)
{
	static const struct seed_replica_watch nobody;
	SEED_AUTO(seed_fd_closep) int dir = -1;
	struct seed_error inner = { 0 };

	if (!seed_path_exists(replica->dir, SEED_SYNC_DIR "/replica.json"))
		return 0;
	if (seed_path_open_folder_at(&dir, replica->dir, SEED_SYNC_DIR, err) < 0 ||
	    seed_file_sweep(dir, err) < 0)
		return seed_error_prefix(err, "finish the sync");
	if (finish(replica, dir, watch ? watch : &nobody, &inner) == 0)
		return 0;
	if (err)
		*err = inner;
	return seed_error_prefix(err, "finish the sync");
}
