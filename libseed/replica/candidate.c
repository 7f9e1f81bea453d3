// SPDX-License-Identifier: LGPL-2.1-or-later
#include "replica/candidate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "replica/replica_internal.h"

#define COPIES ".adopting-"
#define MOVED ".moving-"
#define NAMES_MAX 10000u	/* in a replica's folder */

bool seed_candidate_moving(int store, const struct seed_id *site, const struct seed_id *uuid,
			   char name[SEED_CANDIDATE_BESIDE])
{
	char tag[9];

	snprintf(name, SEED_CANDIDATE_BESIDE, MOVED "%s", seed_replica_tag(site, uuid, tag));
	return seed_path_exists(store, name);
}

/* Open and lock; one of copies is emptied first, under the lock of the one that goes. */
static int open_beside(struct seed_candidate *c, int store, bool move, struct seed_error *err)
{
	int *dir = &c->replica->dir;

	if (!move && seed_path_exists(store, c->beside)) {
		if (seed_path_open_folder_at(dir, store, c->beside, err) < 0 ||
		    seed_fd_lock(*dir, c->beside, true, err) < 0 ||
		    seed_path_remove_tree(store, c->beside, err) < 0)
			return -1;
		seed_fd_closep(dir);
	}
	if (seed_path_make_folder(store, c->beside, 0700, err) < 0 ||
	    seed_path_open_folder_at(dir, store, c->beside, err) < 0 ||
	    seed_fd_lock(*dir, c->beside, true, err) < 0)
		return -1;
	return seed_file_sweep(*dir, err);
}

int seed_candidate_begin(struct seed_candidate *out, int store, const struct seed_manifest *what,
			 bool move, struct seed_error *err)
{
	struct seed_candidate c = { 0 };
	char name[SEED_REPLICA_NAME], tag[9];

	seed_replica_folder_name(&what->site, &what->uuid, what->name, name);
	snprintf(c.beside, sizeof(c.beside), "%s%s", move ? MOVED : COPIES,
		 seed_replica_tag(&what->site, &what->uuid, tag));
	c.replica = seed_replica_new(name, err);
	if (!c.replica)
		return -1;
	if (seed_replica_describe(c.replica, what, err) < 0 ||
	    open_beside(&c, store, move, err) < 0) {
		seed_candidate_close(&c);
		return -1;
	}
	c.replica->state = SEED_REPLICA_CANDIDATE;
	c.replica->imported = seed_clock_wall();
	*out = c;
	return 0;
}

int seed_candidate_finish(struct seed_candidate *c, int store, struct seed_error *err)
{
	if (seed_replica_save(c->replica, err) < 0 || seed_fd_sync(c->replica->dir, err) < 0)
		return -1;
	/* Over an empty folder, which a creation cut short leaves, and over nothing else. */
	if (renameat(store, c->beside, store, c->replica->name) < 0) {
		if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR)
			return seed_error_set(err, SEED_ERR_USAGE,
					      "%s is there and no replica of ours: nothing in it "
					      "is touched",
					      c->replica->name);
		return seed_error_sys(err, errno, "rename %s", c->beside);
	}
	return seed_fd_sync(store, err);
}

static int note_disk(const char *name, void *arg, struct seed_error *err)
{
	const char *end = strrchr(name, '.');

	(void)err;
	if (end && strcmp(end, ".raw") == 0)
		*(bool *)arg = true;
	return 0;
}

void seed_candidate_abandon(struct seed_candidate *c, int store)
{
	bool disks = false;

	if (c->replica && (strncmp(c->beside, COPIES, strlen(COPIES)) == 0 ||
			   (seed_path_each(c->replica->dir, ".", NAMES_MAX, note_disk, &disks,
					   NULL) == 0 && !disks)))
		seed_path_remove_tree(store, c->beside, NULL);
	seed_candidate_close(c);
}

void seed_candidate_close(struct seed_candidate *c)
{
	seed_replica_close(c->replica);
	*c = (struct seed_candidate){ 0 };
}
