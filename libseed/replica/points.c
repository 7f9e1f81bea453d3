// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A point counts when its replica.json is there: it is written last, and goes first. What a crash
 * leaves:
 *
 *   making      points/G/ without replica.json, removed by whoever makes or deletes next
 *   deleting    the same
 *   restoring   next/ without replica.json, which no build goes on with; from "switching" on
 *               seed_replica_open() finishes, as for a newer seed (replica_build.c)
 *
 * Files of points are 0400: a program that is given one by path opens it to read.
 */
#include "replica/points.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clone.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "block/grid.h"
#include "replica/proof.h"
#include "replica/replica_internal.h"
#include "replica/side_file.h"

#define POINTS_MAX 100000u	/* names in points/ */
#define NAMES_MAX 10000u	/* in a replica's folder */
#define POINT_PATH 48		/* "points/", 16 digits, "/replica.json" */

bool seed_points_possible(int store)
{
	return seed_clone_possible(store);
}

static char *point_path(uint64_t generation, const char *file, char *out)
{
	snprintf(out, POINT_PATH, "points/%" PRIu64 "%s", generation, file);
	return out;
}

/* ---- cloning ---- */

static int cannot_share(struct seed_error *err)
{
	return seed_error_set(err, SEED_ERR_USAGE,
			      "the file system of the replicas cannot share blocks between files "
			      "(xfs and btrfs can): a recovery point would be a second copy of "
			      "every disk");
}

static int clone_file(int from_dir, int to_dir, const char *name, mode_t mode,
		      struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int from = -1;
	SEED_AUTO(seed_fd_closep) int to = -1;
	bool shared;

	if (seed_path_open(&from, from_dir, name, O_RDONLY, 0, err) < 0 ||
	    seed_path_open(&to, to_dir, name, O_WRONLY | O_CREAT | O_EXCL, mode, err) < 0)
		return -1;
	if (seed_clone(from, to, &shared, err) < 0)
		return seed_error_prefix(err, "%s", name);
	if (!shared)
		return cannot_share(err);
	return seed_fd_sync(to, err) < 0 ? seed_error_prefix(err, "%s", name) : 0;
}

struct cloning {
	int from, to;
	mode_t mode;
};

/* Progress of an import that is over tells nobody anything. */
static int clone_side_file(const char *name, void *arg, struct seed_error *err)
{
	const struct cloning *c = arg;

	if (!seed_side_file_is(name) || strcmp(name, "import.log") == 0)
		return 0;
	return clone_file(c->from, c->to, name, c->mode, err);
}

/* Everything that @replica says it has, and what describes it; not replica.json. */
static int clone_all(const struct cloning *c, const struct seed_replica *replica,
		     struct seed_error *err)
{
	for (size_t i = 0; i < replica->disks.count; i++) {
		const struct seed_replica_disk *disk = seed_vec_at(&replica->disks, i);

		if (clone_file(c->from, c->to, disk->file, c->mode, err) < 0 ||
		    clone_file(c->from, c->to, disk->list, c->mode, err) < 0 ||
		    (disk->missing_blocks &&
		     clone_file(c->from, c->to, disk->missing, c->mode, err) < 0))
			return -1;
	}
	return seed_path_each(c->from, ".", NAMES_MAX, clone_side_file, (void *)c, err);
}

/* A clone of what is proven is proven. Without a stamp the disk is read by the next resync, so
 * failing here loses nothing else. */
static void stamp_clone(int dir, const struct seed_replica_disk *disk)
{
	char stem[33];

	seed_replica_slot_stem(disk->slot, stem);
	(void)seed_replica_stamp(dir, stem, disk->file, seed_grid_blocks(disk->size), NULL);
}

/* ---- reading points ---- */

/* The replica of then, its folder not open. NOTFOUND; FORMAT when it is none, or another's. */
static int load_point(struct seed_replica **out, const struct seed_replica *replica,
		      uint64_t generation, struct seed_error *err)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *then =
		seed_replica_new(replica->name, err);
	SEED_AUTO(seed_freep) char *text = NULL;
	char path[POINT_PATH];
	size_t len;

	if (!then)
		return -1;
	if (seed_file_read(replica->dir, point_path(generation, "/replica.json", path),
			   SEED_REPLICA_JSON_MAX, &text, &len, err) < 0)
		return -1;
	if (seed_replica_from_text(then, text, len, err) < 0)
		return seed_error_prefix(err, "%s", path);
	if (!seed_id_equal(&then->site, &replica->site) ||
	    !seed_id_equal(&then->uuid, &replica->uuid) || then->generation != generation)
		return seed_error_set(err, SEED_ERR_FORMAT, "%s: is of another replica", path);
	*out = seed_steal(&then);
	return 0;
}

static int no_point(const struct seed_replica *replica, uint64_t generation, struct seed_error *err)
{
	return seed_error_set(err, SEED_ERR_NOTFOUND,
			      "replica %s: no recovery point of generation %" PRIu64
			      " ('vmseed points' lists them)",
			      replica->name, generation);
}

/* A name that we give: decimal, no leading zero. */
static bool is_generation(const char *name, uint64_t *out)
{
	char again[24], *end;

	errno = 0;
	*out = strtoull(name, &end, 10);
	snprintf(again, sizeof(again), "%" PRIu64, *out);
	return errno == 0 && strcmp(name, again) == 0;
}

struct listing {
	const struct seed_replica *replica;
	struct seed_vec *out;
};

static int list_point(const char *name, void *arg, struct seed_error *err)
{
	const struct listing *l = arg;
	SEED_AUTO(seed_replica_closep) struct seed_replica *then = NULL;
	struct seed_point point = { 0 };
	struct seed_error why = { 0 };

	if (!is_generation(name, &point.generation))
		return 0;
	if (load_point(&then, l->replica, point.generation, &why) < 0) {
		if (why.kind == SEED_ERR_NOTFOUND)
			return 0;	/* being made, or going */
		point.broken = true;
	} else {
		point.imported = then->imported;
		for (size_t i = 0; i < then->disks.count; i++)
			point.size +=
				((struct seed_replica_disk *)seed_vec_at(&then->disks, i))->size;
	}
	if (!seed_vec_push(l->out, sizeof(point), &point))
		return seed_error_sys(err, ENOMEM, "recovery points");
	return 0;
}

static int by_generation(const void *a, const void *b)
{
	const struct seed_point *x = a, *y = b;

	return (x->generation > y->generation) - (x->generation < y->generation);
}

int seed_points_list(struct seed_vec *out, const struct seed_replica *replica,
		     struct seed_error *err)
{
	struct listing l = { .replica = replica, .out = out };

	if (!seed_path_exists(replica->dir, "points"))
		return 0;
	if (seed_path_each(replica->dir, "points", POINTS_MAX, list_point, &l, err) < 0)
		return seed_error_prefix(err, "replica %s", replica->name);
	if (out->count)
		qsort(out->items, out->count, out->size, by_generation);
	return 0;
}

int seed_points_open(int *dir, const struct seed_replica *replica, uint64_t generation,
		     struct seed_error *err)
{
	char path[POINT_PATH];

	if (!seed_path_exists(replica->dir, point_path(generation, "/replica.json", path)))
		return no_point(replica, generation, err);
	return seed_path_open_folder_at(dir, replica->dir, point_path(generation, "", path), err);
}

/* ---- deleting ---- */

/* What counts goes first. */
static int remove_point(const struct seed_replica *replica, uint64_t generation,
			struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int points = -1;
	SEED_AUTO(seed_fd_closep) int point = -1;
	char path[POINT_PATH];

	if (seed_path_open_folder_at(&points, replica->dir, "points", err) < 0 ||
	    seed_path_open_folder_at(&point, replica->dir, point_path(generation, "", path), err) <
		    0 ||
	    seed_path_unlink(point, "replica.json", err) < 0 || seed_fd_sync(point, err) < 0 ||
	    seed_path_remove_tree(replica->dir, path, err) < 0)
		return -1;
	return seed_fd_sync(points, err);
}

static int sweep_name(const char *name, void *arg, struct seed_error *err)
{
	const struct seed_replica *replica = arg;
	char path[POINT_PATH];
	uint64_t generation;

	if (!is_generation(name, &generation) ||
	    seed_path_exists(replica->dir, point_path(generation, "/replica.json", path)))
		return 0;
	return seed_path_remove_tree(replica->dir, point_path(generation, "", path), err);
}

static int sweep(const struct seed_replica *replica, struct seed_error *err)
{
	if (!seed_path_exists(replica->dir, "points"))
		return 0;
	return seed_path_each(replica->dir, "points", POINTS_MAX, sweep_name, (void *)replica, err);
}

int seed_points_delete(struct seed_replica *replica, uint64_t generation, struct seed_error *err)
{
	char path[POINT_PATH];

	if (!seed_path_exists(replica->dir, point_path(generation, "/replica.json", path)))
		return no_point(replica, generation, err);
	if (remove_point(replica, generation, err) < 0 || sweep(replica, err) < 0)
		return seed_error_prefix(err, "replica %s: delete recovery point %" PRIu64,
					 replica->name, generation);
	return 0;
}

/* ---- making ---- */

/* The lowest generations go; never the one just made, which may be low after a restore. */
static int let_go(const struct seed_replica *replica, unsigned int keep, struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec points = { 0 };
	size_t surplus;

	if (!keep)
		return 0;
	if (seed_points_list(&points, replica, err) < 0)
		return -1;
	surplus = points.count > keep ? points.count - keep : 0;
	for (size_t i = 0; i < points.count && surplus; i++) {
		const struct seed_point *point = seed_vec_at(&points, i);

		if (point->generation == replica->generation)
			continue;
		if (remove_point(replica, point->generation, err) < 0)
			return -1;
		surplus--;
	}
	return 0;
}

/* Does a point hold the present state? One of the same seed with more blocks missing is made
 * anew. */
static int look_for_it(const struct seed_replica *replica, bool *there, struct seed_error *err)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *then = NULL;
	struct seed_error why = { 0 };

	*there = false;
	if (load_point(&then, replica, replica->generation, &why) < 0) {
		if (why.kind == SEED_ERR_NOTFOUND)
			return 0;
		*err = why;
		return -1;
	}
	/* A candidate has no seed: when it was adopted tells it from another. */
	if (!seed_id_equal(&then->seed, &replica->seed) ||
	    (replica->state == SEED_REPLICA_CANDIDATE && then->imported != replica->imported))
		return seed_error_set(err, SEED_ERR_USAGE,
				      "its recovery point %" PRIu64 " is of another "
				      "line of history: 'vmseed points delete %s %" PRIu64
				      "' makes room",
				      replica->generation, replica->name, replica->generation);
	*there = seed_replica_missing(then) <= seed_replica_missing(replica);
	return *there ? 0 : remove_point(replica, replica->generation, err);
}

static int make_point(const struct seed_replica *replica, struct seed_error *err)
{
	struct cloning c = { .from = replica->dir, .mode = 0400 };
	SEED_AUTO(seed_fd_closep) int points = -1;
	SEED_AUTO(seed_fd_closep) int point = -1;
	SEED_AUTO(seed_freep) char *text = NULL;
	char path[POINT_PATH];
	size_t len;

	if (seed_path_make_folder(replica->dir, "points", 0700, err) < 0 ||
	    seed_path_open_folder_at(&points, replica->dir, "points", err) < 0 ||
	    seed_path_make_folder(replica->dir, point_path(replica->generation, "", path), 0700,
				  err) < 0 ||
	    seed_path_open_folder_at(&point, replica->dir, path, err) < 0)
		return -1;
	c.to = point;
	if (clone_all(&c, replica, err) < 0)
		return -1;
	for (size_t i = 0; i < replica->disks.count; i++)
		if (seed_replica_stamped(replica->dir, seed_vec_at(&replica->disks, i), NULL))
			stamp_clone(point, seed_vec_at(&replica->disks, i));
	if (seed_fd_sync(point, err) < 0 ||
	    seed_replica_to_text(replica, &text, &len, err) < 0 ||
	    seed_file_replace(point, "replica.json", text, len, 0400, err) < 0)
		return -1;
	return seed_fd_sync(points, err);
}

int seed_points_may(const struct seed_replica *replica, struct seed_error *err)
{
	if (replica->state == SEED_REPLICA_SEEDING)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "replica %s is still being seeded: there is no state yet to "
				      "keep",
				      replica->name);
	if (replica->state == SEED_REPLICA_PROMOTED)
		return seed_error_set(err, SEED_ERR_IDENTITY,
				      "replica %s is promoted: it is the VM now, and its disks "
				      "change under it",
				      replica->name);
	return seed_clone_possible(replica->dir) ? 0 : cannot_share(err);
}

int seed_points_make(struct seed_replica *replica, unsigned int keep, struct seed_error *err)
{
	bool there;

	if (seed_points_may(replica, err) < 0)
		return -1;
	if (sweep(replica, err) < 0 || look_for_it(replica, &there, err) < 0 ||
	    (!there && make_point(replica, err) < 0)) {
		/* A disk that cannot be kept leaves no half of a point behind. */
		sweep(replica, NULL);
		return seed_error_prefix(err, "replica %s: make a recovery point", replica->name);
	}
	if (let_go(replica, keep, err) < 0)
		return seed_error_prefix(err, "replica %s: delete old recovery points",
					 replica->name);
	return 0;
}

/* ---- restoring ---- */

/* next/ with the point's files and no replica.json: a build that is cut here is begun anew. */
static int build_next(struct seed_replica *replica, const struct seed_replica *then, int point,
		      struct seed_error *err)
{
	struct cloning c = { .from = point, .mode = 0600 };

	seed_replica_end_build(replica);
	if (seed_replica_remove_next(replica, err) < 0 ||
	    seed_path_make_folder(replica->dir, "next", 0700, err) < 0 ||
	    seed_path_open_folder_at(&replica->build, replica->dir, "next", err) < 0)
		return -1;
	c.to = replica->build;
	return clone_all(&c, then, err);
}

/* @replica says what @then said. */
static int become(struct seed_replica *replica, const struct seed_replica *then,
		  struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	size_t len;

	if (seed_replica_to_text(then, &text, &len, err) < 0 ||
	    seed_replica_from_text(replica, text, len, err) < 0)
		return -1;
	if (replica->state != SEED_REPLICA_CANDIDATE)
		replica->state = seed_replica_missing(replica) ? SEED_REPLICA_INCOMPLETE :
							   SEED_REPLICA_SEEDED;
	return 0;
}

int seed_points_restore(struct seed_replica *replica, uint64_t generation, struct seed_error *err)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *then = NULL;
	SEED_AUTO(seed_fd_closep) int point = -1;
	uint64_t proven = 0;		/* a bit for each disk: SEED_MANIFEST_DISKS_MAX are 64 */

	if (seed_points_open(&point, replica, generation, err) < 0)
		return -1;
	if (load_point(&then, replica, generation, err) < 0)
		return seed_error_prefix(err, "replica %s", replica->name);
	if (seed_points_make(replica, 0, err) < 0)
		return -1;
	for (size_t i = 0; i < then->disks.count; i++)
		if (seed_replica_stamped(point, seed_vec_at(&then->disks, i), NULL))
			proven |= (uint64_t)1 << i;
	if (build_next(replica, then, point, err) < 0 || become(replica, then, err) < 0)
		return seed_error_prefix(err, "replica %s: restore recovery point %" PRIu64,
					 replica->name, generation);
	if (seed_replica_switch(replica, err) < 0)
		return -1;
	for (size_t i = 0; i < replica->disks.count; i++)
		if (proven & (uint64_t)1 << i)
			stamp_clone(replica->dir, seed_vec_at(&replica->disks, i));
	return 0;
}
