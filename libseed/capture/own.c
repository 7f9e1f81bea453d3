// SPDX-License-Identifier: LGPL-2.1-or-later
/* See own.h. */
#include "capture/own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "block/own_blocks.h"
#include "capture/capture.h"
#include "capture/own_kept.h"
#include "crypto/digest.h"

#define SORT_MEMORY (64u << 20)
#define VMS_MAX 100000u
#define LISTS_MAX 1024u			/* in one VM's folder */
#define DAY (24 * 3600)
#define ENOUGH 4096u			/* own blocks: identity looks at no more */

/* A kept list of the home. */
struct kept_list {
	char path[SEED_UUID_TEXT + SEED_CAPTURE_LIST_NAME];	/* beneath vms/ */
	char slot[SEED_SLOT_MAX + 1];
	struct seed_own_wanted *owner;	/* who asked for it, or NULL */
	struct seed_digest reading;	/* fingerprint of what was read */
	uint64_t blocks;
};

struct gather {
	const struct seed_own_search *search;
	struct seed_own_wanted *wanted;
	size_t count;
	int vms;			/* HOME/vms */
	int vm_dir;			/* the VM being looked at */
	char uuid[SEED_UUID_TEXT];
	uint32_t vm;			/* its number */
	bool counted;
	uint64_t list_bytes;
	struct seed_digest_stream names;
	struct seed_digest names_digest;
	struct seed_vec lists;		/* struct kept_list */
	struct seed_vec disks;		/* struct seed_own_disk, one for each */
	struct seed_vec damaged;	/* struct kept_list: not compared with */
};

/* ---- which lists there are ---- */

static struct seed_own_wanted *find_wanted(struct gather *g, const char *slot)
{
	char uuid[SEED_UUID_TEXT];

	for (size_t i = 0; i < g->count; i++) {
		struct seed_own_wanted *w = &g->wanted[i];

		if (strcmp(w->slot, slot) == 0 &&
		    strcmp(seed_uuid_text(w->uuid, uuid), g->uuid) == 0)
			return w;
	}
	return NULL;
}

/* "vda.list" to "vda". A reading in progress is none yet. */
static bool slot_of(char out[SEED_SLOT_MAX + 1], const char *name)
{
	size_t len = strlen(name);

	if (len < 6 || len - 5 > SEED_SLOT_MAX || strcmp(name + len - 5, ".list") != 0 ||
	    strchr(name, '+'))
		return false;
	memcpy(out, name, len - 5);
	out[len - 5] = '\0';
	return true;
}

static int add_list(const char *name, void *arg, struct seed_error *err)
{
	struct gather *g = arg;
	struct seed_own_disk disk = { .vm = g->vm };
	struct kept_list list = { .blocks = 0 };
	struct stat st;

	if (!slot_of(list.slot, name))
		return 0;
	if (fstatat(g->vm_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return seed_error_sys(err, errno, "%s", name);
	snprintf(list.path, sizeof(list.path), "%s/%s", g->uuid, name);
	list.owner = find_wanted(g, list.slot);
	if (!list.owner && (!S_ISREG(st.st_mode) || st.st_size % SEED_DIGEST_SIZE))
		return seed_vec_push(&g->damaged, sizeof(list), &list) ? 0 :
		       seed_error_sys(err, ENOMEM, "own blocks");
	disk.wanted = list.owner != NULL;
	if (!seed_vec_push(&g->lists, sizeof(list), &list) ||
	    !seed_vec_push(&g->disks, sizeof(disk), &disk))
		return seed_error_sys(err, ENOMEM, "own blocks");
	seed_digest_add(&g->names, list.path, strlen(list.path) + 1);
	g->list_bytes += (uint64_t)st.st_size;
	g->counted = true;
	return 0;
}

static int add_vm(const char *name, void *arg, struct seed_error *err)
{
	struct gather *g = arg;
	SEED_AUTO(seed_fd_closep) int dir = -1;
	struct seed_id uuid;

	if (seed_uuid_parse(&uuid, name, NULL) < 0)
		return 0;
	if (seed_cancelled(g->search->cancel, err) < 0 ||
	    seed_path_open_folder_at(&dir, g->vms, name, err) < 0)
		return -1;
	g->vm_dir = dir;
	g->counted = false;
	memcpy(g->uuid, name, sizeof(g->uuid));
	if (seed_path_each(dir, ".", LISTS_MAX, add_list, g, err) < 0)
		return seed_error_prefix(err, "vms/%s", name);
	g->vm += g->counted;
	return 0;
}

static struct kept_list *list_at(const struct gather *g, size_t i)
{
	return seed_vec_at(&g->lists, i);
}

static struct seed_own_disk *disk_at(const struct gather *g, size_t i)
{
	return seed_vec_at(&g->disks, i);
}

/* The folder of a list's VM. */
static int open_vm(int *out, const struct gather *g, const struct kept_list *list,
		   struct seed_error *err)
{
	char uuid[SEED_UUID_TEXT];

	snprintf(uuid, sizeof(uuid), "%.*s", (int)(sizeof(uuid) - 1), list->path);
	return seed_path_open_folder_at(out, g->vms, uuid, err);
}

/* ---- what is kept ---- */

static bool good_enough(const struct gather *g, const struct seed_own_kept *kept)
{
	int64_t age = g->search->now - kept->recorded;

	if (!seed_digest_equal(&kept->lists, &g->names_digest) || age < 0 ||
	    age > SEED_OWN_AGE_MAX || (kept->first && !kept->blocks))
		return false;
	if (age < DAY)
		return true;
	/* 2^34 blocks at most: this does not overflow. */
	return kept->blocks * 4 >= kept->first * 3 &&
	       (kept->blocks >= ENOUGH || kept->unjudged <= kept->blocks);
}

/* Is the kept file of the reading that was just taken? */
static bool is_of_reading(const struct kept_list *list, int vm_dir,
			  const struct seed_own_kept *kept)
{
	SEED_AUTO(seed_list_closep) struct seed_list *file = NULL;
	const struct seed_own_wanted *w = list->owner;
	struct seed_digest reading = w->root;

	if (w->size % SEED_BLOCK_SIZE != 0 &&
	    (seed_list_open(&file, vm_dir, strrchr(list->path, '/') + 1, kept->list_blocks, false,
			    NULL) < 0 ||
	     seed_own_reading(&reading, file, 0, NULL, NULL) < 0))
		return false;
	return seed_digest_equal(&reading, &kept->reading);
}

/* True: the results are what is kept. */
static bool use_kept(struct gather *g, const struct kept_list *list)
{
	SEED_AUTO(seed_own_kept_clear) struct seed_own_kept kept = { .compared = 0 };
	SEED_AUTO(seed_fd_closep) int dir = -1;
	struct seed_own_wanted *w = list->owner;
	struct seed_error ignored = { 0 };

	if (open_vm(&dir, g, list, &ignored) < 0 ||
	    seed_own_kept_read(&kept, dir, list->slot, &ignored) < 0 ||
	    !good_enough(g, &kept) || !is_of_reading(list, dir, &kept))
		return false;
	seed_vec_free(&w->runs);
	w->runs = kept.runs;
	kept.runs = (struct seed_vec){ 0 };
	w->blocks = kept.blocks;
	w->compared = kept.compared;
	return true;
}

/* Another VM, while all lists are being read anyway. What was worked out in this run is left. */
static bool is_due(const struct gather *g, const struct kept_list *list)
{
	SEED_AUTO(seed_own_kept_clear) struct seed_own_kept kept = { .compared = 0 };
	SEED_AUTO(seed_fd_closep) int dir = -1;
	struct seed_error ignored = { 0 };

	if (open_vm(&dir, g, list, &ignored) < 0)
		return false;
	return seed_own_kept_read(&kept, dir, list->slot, &ignored) < 0 ||
	       kept.recorded < g->search->began || kept.recorded > g->search->now;
}

/* ---- working it out ---- */

/* A list of another VM that cannot be read is left out: it must not cost this run's manifests. */
static int open_list(void *arg, size_t i, struct seed_list **out, struct seed_error *err)
{
	struct gather *g = arg;
	struct kept_list *list = list_at(g, i);
	SEED_AUTO(seed_list_closep) struct seed_list *file = NULL;
	struct seed_error why = { 0 };
	struct stat st;

	if (fstatat(g->vms, list->path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		seed_error_sys(&why, errno, "%s", list->path);
	else
		seed_list_open(&file, g->vms, list->path, (uint64_t)st.st_size / SEED_DIGEST_SIZE,
			       false, &why);
	if (!file && !list->owner &&
	    (why.kind == SEED_ERR_FORMAT || why.kind == SEED_ERR_NOTFOUND ||
	     (why.kind == SEED_ERR_SYSTEM && why.sys_errno == ENOENT))) {
		seed_event_note(g->search->events, SEED_EVENT_WARNING,
				"vms/%s: not compared with: %s", list->path, why.text);
		disk_at(g, i)->wanted = false;
		return 0;
	}
	if (!file) {
		*err = why;
		return -1;
	}
	list->blocks = seed_list_blocks(file);
	if (disk_at(g, i)->wanted &&
	    seed_own_reading(&list->reading, file, list->owner ? list->owner->size : 0,
			     list->owner ? &list->owner->root : NULL, err) < 0)
		return -1;
	*out = seed_steal(&file);
	return 0;
}

static int keep(const struct gather *g, const struct kept_list *list,
		const struct seed_own_runs *own, struct seed_error *err)
{
	const struct seed_own_kept kept = {
		.reading = list->reading,
		.lists = g->names_digest,
		.recorded = g->search->now,
		.list_blocks = list->blocks,
		.first = own->blocks,
		.blocks = own->blocks,
		.compared = g->vm - 1,
		.runs = own->runs,
	};
	SEED_AUTO(seed_fd_closep) int dir = -1;

	if (open_vm(&dir, g, list, err) < 0)
		return -1;
	return seed_own_kept_write(dir, list->slot, &kept, err);
}

/* What cannot be kept is worked out again: no error. With no other VM nothing is kept. */
static int take_result(void *arg, size_t i, struct seed_own_runs *own, struct seed_error *err)
{
	struct gather *g = arg;
	const struct kept_list *list = list_at(g, i);
	struct seed_own_wanted *w = list->owner;
	struct seed_error why = { 0 };

	(void)err;
	if (g->vm > 1 && keep(g, list, own, &why) < 0 && w)
		seed_event_note(g->search->events, SEED_EVENT_WARNING,
				"vms/%s: its own blocks cannot be kept, and cost the next run "
				"more: %s",
				list->path, why.text);
	if (!w)
		return 0;
	seed_vec_free(&w->runs);
	w->runs = own->runs;
	own->runs = (struct seed_vec){ 0 };
	w->blocks = own->blocks;
	w->compared = g->vm - 1;
	return 0;
}

static int work_out(struct gather *g, struct seed_error *err)
{
	const struct seed_own_options opt = {
		.folder = g->vms,
		.memory = SORT_MEMORY,
		.open = open_list,
		.done = take_result,
		.arg = g,
		.list_bytes = g->list_bytes,
		.events = g->search->events,
		.cancel = g->search->cancel,
	};

	for (size_t i = 0; i < g->damaged.count; i++)
		seed_event_note(g->search->events, SEED_EVENT_WARNING,
				"vms/%s: not compared with: it is no digest list",
				((const struct kept_list *)seed_vec_at(&g->damaged, i))->path);
	for (size_t i = 0; g->vm > 1 && i < g->lists.count; i++)
		if (!list_at(g, i)->owner)
			disk_at(g, i)->wanted = is_due(g, list_at(g, i));
	return seed_own_blocks(g->disks.items, g->disks.count, &opt, err);
}

static int find_out(struct gather *g, struct seed_error *err)
{
	bool missing = false;

	seed_digest_begin(&g->names);
	if (seed_path_each(g->vms, ".", VMS_MAX, add_vm, g, err) < 0)
		return -1;
	seed_digest_end(&g->names, &g->names_digest);
	for (size_t i = 0; i < g->lists.count; i++) {
		if (!list_at(g, i)->owner)
			continue;
		/* Disks whose result is good have it already, and keep it. */
		disk_at(g, i)->wanted = g->vm < 2 || !use_kept(g, list_at(g, i));
		missing |= disk_at(g, i)->wanted;
	}
	return missing ? work_out(g, err) : 0;
}

int seed_capture_own_blocks(const struct seed_own_search *search, struct seed_own_wanted *wanted,
			    size_t count, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int vms = -1;
	struct gather g = { .search = search, .wanted = wanted, .count = count };
	int rc;

	if (seed_path_open_folder_at(&vms, search->home, "vms", err) < 0)
		return -1;
	g.vms = vms;
	rc = find_out(&g, err);
	seed_vec_free(&g.lists);
	seed_vec_free(&g.disks);
	seed_vec_free(&g.damaged);
	return rc < 0 ? seed_error_prefix(err, "own blocks") : 0;
}
