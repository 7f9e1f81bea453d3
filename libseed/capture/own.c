/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See own.h. */
#include "capture/own.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "block/own_blocks.h"
#include "capture/capture.h"

#define SORT_MEMORY (64u << 20)
#define VMS_MAX 100000u
#define LISTS_MAX 1024u			/* in one VM's folder */

struct gather {
	struct seed_own_wanted *wanted;
	size_t count;
	const struct seed_events *events;
	int vms;			/* HOME/vms */
	int vm_dir;			/* the VM being looked at */
	char uuid[SEED_UUID_TEXT];
	uint32_t vm;			/* its number */
	bool counted;
	struct seed_vec disks;		/* struct seed_own_disk */
	struct seed_vec owners;		/* struct seed_own_wanted *, NULL: nobody asked */
};

/* Who asked for this list, or NULL. */
static struct seed_own_wanted *find_wanted(struct gather *g, const char *name)
{
	char list[SEED_CAPTURE_LIST_NAME], uuid[SEED_UUID_TEXT];

	for (size_t i = 0; i < g->count; i++) {
		struct seed_own_wanted *w = &g->wanted[i];

		if (strcmp(seed_uuid_text(w->uuid, uuid), g->uuid) == 0 &&
		    strcmp(seed_capture_list_name(w->slot, list), name) == 0)
			return w;
	}
	return NULL;
}

static int add_list(const char *name, void *arg, struct seed_error *err)
{
	struct gather *g = arg;
	size_t len = strlen(name);
	struct seed_own_disk disk = { .vm = g->vm };
	struct seed_own_wanted *owner;
	struct seed_error why = { 0 };
	struct stat st;

	if (len < 6 || strcmp(name + len - 5, ".list") != 0 || strstr(name, "+part"))
		return 0;
	if (fstatat(g->vm_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return seed_error_sys(err, errno, "%s", name);
	owner = find_wanted(g, name);
	disk.wanted = owner != NULL;
	if (seed_list_open(&disk.list, g->vm_dir, name, (uint64_t)st.st_size / SEED_DIGEST_SIZE,
			   false, &why) < 0) {
		if (!owner && why.kind == SEED_ERR_FORMAT) {
			/* A damaged list of some other VM must not cost this run's manifests. */
			seed_event_note(g->events, SEED_EVENT_WARNING,
					"vms/%s/%s: not compared with: %s", g->uuid, name, why.text);
			return 0;
		}
		*err = why;
		return -1;
	}
	if (!seed_vec_push(&g->disks, sizeof(disk), &disk)) {
		seed_list_close(disk.list);
		return seed_error_sys(err, ENOMEM, "own blocks");
	}
	if (!seed_vec_push(&g->owners, sizeof(owner), &owner))
		return seed_error_sys(err, ENOMEM, "own blocks");
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
	if (seed_path_open_folder_at(&dir, g->vms, name, err) < 0)
		return -1;
	g->vm_dir = dir;
	g->counted = false;
	memcpy(g->uuid, name, sizeof(g->uuid));
	if (seed_path_each(dir, ".", LISTS_MAX, add_list, g, err) < 0)
		return seed_error_prefix(err, "vms/%s", name);
	g->vm += g->counted;
	return 0;
}

static int work_out(struct gather *g, int folder, struct seed_error *err)
{
	if (seed_own_blocks(g->disks.items, g->disks.count, folder, SORT_MEMORY, err) < 0)
		return -1;
	for (size_t i = 0; i < g->disks.count; i++) {
		struct seed_own_disk *own = seed_vec_at(&g->disks, i);
		struct seed_own_wanted *wanted = *(struct seed_own_wanted **)seed_vec_at(&g->owners, i);

		if (!wanted)
			continue;
		wanted->runs = own->runs;
		own->runs = (struct seed_vec){ 0 };
		wanted->blocks = own->blocks;
		wanted->compared = g->vm ? g->vm - 1 : 0;
	}
	return 0;
}

int seed_capture_own_blocks(int home, struct seed_own_wanted *wanted, size_t count,
			    const struct seed_events *events, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int vms = -1;
	struct gather g = { .wanted = wanted, .count = count, .events = events };
	int rc;

	if (seed_path_open_folder_at(&vms, home, "vms", err) < 0)
		return -1;
	g.vms = vms;
	rc = seed_path_each(vms, ".", VMS_MAX, add_vm, &g, err);
	if (rc == 0)
		rc = work_out(&g, vms, err);
	for (size_t i = 0; i < g.disks.count; i++) {
		struct seed_own_disk *own = seed_vec_at(&g.disks, i);

		seed_list_close(own->list);
		seed_vec_free(&own->runs);
	}
	seed_vec_free(&g.disks);
	seed_vec_free(&g.owners);
	return rc < 0 ? seed_error_prefix(err, "own blocks") : 0;
}
