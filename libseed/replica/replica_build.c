// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The part of replica.h that builds a newer seed beside the replica and switches to it.
 *
 * next/ holds a replica.json of its own, written first, which says what is being
 * built there. What a crash leaves:
 *
 *   emptying or making next/      the old replica; next/ without its replica.json, emptied again
 *   building                      the old replica; next/ of that seed, gone on with
 *   before "switching" is saved   the old replica; the complete next/
 *   after that                    the new replica says "switching": whoever opens it with the lock
 *                                 moves what is still in next/, drops what the new seed does not
 *                                 have, removes next/, and saves it without "switching"
 *
 * From "switching" on every step is done by looking at what is still there, so
 * that it may be cut and begun again any number of times.
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
#include "replica/replica_internal.h"
#include "replica/side_file.h"

#define NAMES_MAX 10000u	/* in a replica's folder */

/* ---- beginning ---- */

/* Is next/ building this very seed? Anything that is not clearly so is not. */
static bool next_builds(const struct seed_replica *replica, const struct seed_id *seed)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *next =
		seed_replica_new(replica->name, NULL);
	SEED_AUTO(seed_freep) char *text = NULL;
	size_t len;

	return next && seed_file_read(replica->dir, "next/replica.json", SEED_REPLICA_JSON_MAX,
				      &text, &len, NULL) == 0 &&
	       seed_replica_from_text(next, text, len, NULL) == 0 &&
	       seed_id_equal(&next->seed, seed);
}

int seed_replica_remove_next(const struct seed_replica *replica, struct seed_error *err)
{
	struct seed_error inner = { 0 };

	if (!seed_path_exists(replica->dir, "next"))
		return 0;
	/* replica.json first, so that a half-emptied build is never gone on with. */
	if (seed_path_unlink(replica->dir, "next/replica.json", &inner) < 0 ||
	    seed_path_remove_tree(replica->dir, "next", &inner) < 0) {
		if (err)
			*err = inner;
		return -1;
	}
	return seed_fd_sync(replica->dir, err);
}

static int start_next(struct seed_replica *replica, const struct seed_manifest *manifest,
		      struct seed_error *err)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *next =
		seed_replica_new(replica->name, err);

	if (!next || seed_replica_remove_next(replica, err) < 0 ||
	    seed_path_make_folder(replica->dir, "next", 0700, err) < 0 ||
	    seed_path_open_folder_at(&next->dir, replica->dir, "next", err) < 0)
		return -1;
	next->state = SEED_REPLICA_SEEDING;
	if (seed_replica_describe(next, manifest, err) < 0)
		return -1;
	return seed_replica_save(next, err);
}

/* Built in place: a first import that goes on, or blocks that were missing. */
static bool in_place(const struct seed_replica *replica, const struct seed_manifest *manifest)
{
	return (replica->state == SEED_REPLICA_SEEDING ||
		replica->state == SEED_REPLICA_INCOMPLETE) &&
	       seed_id_equal(&replica->seed, &manifest->seed);
}

int seed_replica_begin_build(struct seed_replica *replica, const struct seed_manifest *manifest,
			     struct seed_error *err)
{
	if (!seed_id_equal(&replica->site, &manifest->site) ||
	    !seed_id_equal(&replica->uuid, &manifest->uuid))
		return seed_error_set(err, SEED_ERR_IDENTITY, "replica %s is of another VM",
				      replica->name);
	if (replica->state == SEED_REPLICA_PROMOTED)
		return seed_error_set(err, SEED_ERR_IDENTITY,
				      "replica %s is promoted: it is the VM now, and no seed is "
				      "put over it",
				      replica->name);
	seed_replica_end_build(replica);
	if (in_place(replica, manifest)) {
		replica->build = replica->dir;
		return 0;
	}
	if (!next_builds(replica, &manifest->seed) && start_next(replica, manifest, err) < 0)
		return seed_error_prefix(err, "replica %s", replica->name);
	if (seed_path_open_folder_at(&replica->build, replica->dir, "next", err) < 0 ||
	    seed_file_sweep(replica->build, err) < 0)
		return seed_error_prefix(err, "replica %s", replica->name);
	return 0;
}

/* ---- switching ---- */

/* Of a disk that the newer seed's file replaces. */
static bool is_stamp(const char *name)
{
	size_t len = strlen(name);

	return len > 6 && strcmp(name + len - 6, ".stamp") == 0;
}

static int note_stale(const char *name, void *arg, struct seed_error *err)
{
	struct seed_replica *replica = arg;
	char *copy;

	if ((!seed_side_file_is(name) && !is_stamp(name)) ||
	    seed_path_exists(replica->build, name))
		return 0;
	if (replica->drop.count == SEED_REPLICA_DROP_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "more than %u old side files",
				      SEED_REPLICA_DROP_MAX);
	copy = strdup(name);
	if (!copy || !seed_vec_push(&replica->drop, sizeof(copy), &copy)) {
		free(copy);
		return seed_error_sys(err, ENOMEM, "replica");
	}
	return 0;
}

struct move {
	int dir, next;
};

static int move_up(const char *name, void *arg, struct seed_error *err)
{
	const struct move *move = arg;

	if (strcmp(name, "replica.json") == 0 || name[0] == '.')
		return 0;	/* says what was built; goes with next/ */
	if (renameat(move->next, name, move->dir, name) < 0)
		return seed_error_sys(err, errno, "move next/%s", name);
	return 0;
}

static int move_all(const struct seed_replica *replica, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int next = -1;
	struct move move = { .dir = replica->dir };

	if (!seed_path_exists(replica->dir, "next"))
		return 0;
	if (seed_path_open_folder_at(&next, replica->dir, "next", err) < 0)
		return -1;
	move.next = next;
	if (seed_path_each(next, ".", NAMES_MAX, move_up, &move, err) < 0)
		return -1;
	/* The new names before the old ones go. */
	return seed_fd_sync(replica->dir, err) < 0 ? -1 : seed_fd_sync(next, err);
}

/* An old seed's missing list must not become the new one's: replica.json says which disks have
 * one, whatever lies there. */
static int drop_stale(const struct seed_replica *replica, struct seed_error *err)
{
	for (size_t i = 0; i < replica->disks.count; i++) {
		const struct seed_replica_disk *disk = seed_vec_at(&replica->disks, i);

		if (disk->missing_blocks == 0 &&
		    seed_path_unlink(replica->dir, disk->missing, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < replica->drop.count; i++)
		if (seed_path_unlink(replica->dir, *(char **)seed_vec_at(&replica->drop, i),
				     err) < 0)
			return -1;
	return 0;
}

static void forget_drop(struct seed_replica *replica)
{
	for (size_t i = 0; i < replica->drop.count; i++)
		free(*(char **)seed_vec_at(&replica->drop, i));
	seed_vec_free(&replica->drop);
}

int seed_replica_finish_switch(struct seed_replica *replica, struct seed_error *err)
{
	if (move_all(replica, err) < 0 || drop_stale(replica, err) < 0 ||
	    seed_replica_remove_next(replica, err) < 0 || seed_fd_sync(replica->dir, err) < 0)
		return -1;
	forget_drop(replica);
	replica->switching = false;
	return seed_replica_save(replica, err);
}

static int switch_to_next(struct seed_replica *replica, struct seed_error *err)
{
	forget_drop(replica);
	if (seed_fd_sync(replica->build, err) < 0 ||
	    seed_path_each(replica->dir, ".", NAMES_MAX, note_stale, replica, err) < 0)
		return -1;
	replica->switching = true;
	if (seed_replica_save(replica, err) < 0)
		return -1;
	return seed_replica_finish_switch(replica, err);
}

int seed_replica_switch(struct seed_replica *replica, struct seed_error *err)
{
	int rc = replica->build == replica->dir ? seed_replica_save(replica, err) :
						  switch_to_next(replica, err);

	if (rc < 0)
		return seed_error_prefix(err, "replica %s: switch", replica->name);
	seed_replica_end_build(replica);
	return 0;
}
