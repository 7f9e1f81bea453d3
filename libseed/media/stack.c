// SPDX-License-Identifier: LGPL-2.1-or-later
/* What stands on what: partitions, device mapper, RAID, loops, btrfs (no .h: disks_internal.h). */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"
#include "media/disks_internal.h"

#define THROUGH 128		/* bytes of "LVM on LUKS on RAID" */
#define DEPTH_MAX 256		/* layers; the kernel nests far fewer */

static void close_folder(DIR **folder)
{
	if (*folder)
		closedir(*folder);
}

/* ---- finding ---- */

size_t seed_block_by_name(const struct seed_disks *disks, const char *name)
{
	size_t low = 0, high = disks->blocks.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strverscmp(seed_block_at(disks, middle)->name, name);

		if (order == 0)
			return middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return SEED_NO_BLOCK;
}

size_t seed_block_by_device(const struct seed_disks *disks, dev_t device)
{
	for (size_t i = 0; device && i < disks->blocks.count; i++)
		if (seed_block_at(disks, i)->device == device)
			return i;
	return SEED_NO_BLOCK;
}

size_t seed_block_by_path(const struct seed_disks *disks, const char *path)
{
	struct stat st;

	for (size_t i = 0; i < disks->blocks.count; i++)
		if (strcmp(seed_block_at(disks, i)->node, path) == 0)
			return i;
	if (strncmp(path, "/dev/", 5) == 0 && stat(path, &st) == 0 && S_ISBLK(st.st_mode))
		return seed_block_by_device(disks, st.st_rdev);
	return SEED_NO_BLOCK;
}

/* ---- reading ---- */

static int add_edge(struct seed_vec *edges, size_t above, size_t below, struct seed_error *err)
{
	const struct seed_stack_edge edge = { above, below };

	if (above == SEED_NO_BLOCK || below == SEED_NO_BLOCK || above == below)
		return 0;
	return seed_vec_push(edges, sizeof(edge), &edge) ? 0 : seed_error_sys(err, ENOMEM, "disks");
}

/* Call @found for each block that is named in a folder of sysfs. A folder that is not there has no
 * names: plain disks have no slaves, and kernels without btrfs no such file systems. */
static int each_name(struct seed_disks *disks, const char *path,
		     int (*found)(struct seed_disks *disks, size_t block, size_t arg,
				  struct seed_error *err), size_t arg, struct seed_error *err)
{
	SEED_AUTO(close_folder) DIR *folder = opendir(path);
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		char name[64];

		if (entry->d_name[0] == '.' ||
		    snprintf(name, sizeof(name), "%s", entry->d_name) >= (int)sizeof(name))
			continue;
		for (char *p = name; (p = strchr(p, '!')); *p = '/')	/* as libudev has them */
			;
		if (found(disks, seed_block_by_name(disks, name), arg, err) < 0)
			return -1;
	}
	return 0;
}

static int below_found(struct seed_disks *disks, size_t below, size_t above, struct seed_error *err)
{
	return add_edge(&disks->edges, above, below, err);
}

static int above_found(struct seed_disks *disks, size_t above, size_t below, struct seed_error *err)
{
	return add_edge(&disks->edges, above, below, err);
}

static int pool_found(struct seed_disks *disks, size_t block, size_t pool, struct seed_error *err)
{
	const struct seed_stack_edge member = { pool, block };

	if (block == SEED_NO_BLOCK || seed_vec_push(&disks->pools, sizeof(member), &member))
		return 0;
	return seed_error_sys(err, ENOMEM, "disks");
}

/* Both directions are read: whichever of the two sysfs shows, nothing in use is missed. */
static int read_edges_of(struct seed_disks *disks, size_t index, struct seed_error *err)
{
	const struct seed_block *block = seed_block_at(disks, index);
	char path[sizeof(block->syspath) + 16];

	if (block->kind == SEED_BLOCK_PARTITION &&
	    add_edge(&disks->edges, index, seed_block_by_name(disks, block->parent), err) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/slaves", block->syspath);
	if (each_name(disks, path, below_found, index, err) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/holders", block->syspath);
	return each_name(disks, path, above_found, index, err);
}

/* A loop device stands on what its file lies on. */
static int read_loop(struct seed_disks *disks, size_t index, struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec below = { 0 };
	const struct seed_block *block = seed_block_at(disks, index);
	const struct seed_mount *mount = block->file[0] ?
					 seed_mounts_over(&disks->mounts, block->file) : NULL;

	if (!mount)
		return 0;
	if (seed_stack_of_mount(disks, mount, &below, err) < 0)
		return -1;
	for (size_t i = 0; i < below.count; i++)
		if (add_edge(&disks->edges, index, *(size_t *)seed_vec_at(&below, i), err) < 0)
			return -1;
	return 0;
}

static int read_pools(struct seed_disks *disks, struct seed_error *err)
{
	SEED_AUTO(close_folder) DIR *folder = opendir("/sys/fs/btrfs");
	struct dirent *entry;
	char path[512];

	for (size_t pool = 0; folder && (entry = readdir(folder)); pool++)
		if (entry->d_name[0] != '.' &&
		    snprintf(path, sizeof(path), "/sys/fs/btrfs/%s/devices", entry->d_name) <
		    (int)sizeof(path) && each_name(disks, path, pool_found, pool, err) < 0)
			return -1;
	return 0;
}

static int compare_edges(const void *a, const void *b)
{
	const struct seed_stack_edge *x = a, *y = b;

	return x->above != y->above ? (x->above < y->above ? -1 : 1) :
	       x->below != y->below ? (x->below < y->below ? -1 : 1) : 0;
}

int seed_stack_read(struct seed_disks *disks, struct seed_error *err)
{
	if (read_pools(disks, err) < 0)
		return -1;
	for (size_t i = 0; i < disks->blocks.count; i++)
		if (read_edges_of(disks, i, err) < 0)
			return -1;
	for (size_t i = 0; i < disks->blocks.count; i++)
		if (seed_block_at(disks, i)->kind == SEED_BLOCK_LOOP &&
		    read_loop(disks, i, err) < 0)
			return -1;
	if (disks->edges.count)
		qsort(disks->edges.items, disks->edges.count, disks->edges.size, compare_edges);
	return 0;
}

/* ---- walking ---- */

/* All of a btrfs file system's devices, when the kernel names them; else the one of the mount. */
static int add_pool_of(const struct seed_disks *disks, size_t block, struct seed_vec *out,
		       struct seed_error *err)
{
	size_t pool = SEED_NO_BLOCK;

	for (size_t i = 0; i < disks->pools.count; i++) {
		const struct seed_stack_edge *member = seed_vec_at(&disks->pools, i);

		if (member->below == block)
			pool = member->above;
	}
	for (size_t i = 0; i < disks->pools.count && pool != SEED_NO_BLOCK; i++) {
		const struct seed_stack_edge *member = seed_vec_at(&disks->pools, i);

		if (member->above == pool &&
		    !seed_vec_push(out, sizeof(member->below), &member->below))
			return seed_error_sys(err, ENOMEM, "disks");
	}
	if (pool == SEED_NO_BLOCK && !seed_vec_push(out, sizeof(block), &block))
		return seed_error_sys(err, ENOMEM, "disks");
	return 0;
}

int seed_stack_of_mount(const struct seed_disks *disks, const struct seed_mount *mount,
			struct seed_vec *out, struct seed_error *err)
{
	bool btrfs = strcmp(mount->type, "btrfs") == 0;
	size_t block = SEED_NO_BLOCK;

	/* Anonymous devices: only of these kinds does root alone choose the source. */
	if (major(mount->device))
		block = seed_block_by_device(disks, mount->device);
	else if (btrfs || strcmp(mount->type, "fuseblk") == 0)
		block = seed_block_by_path(disks, mount->source);
	if (block == SEED_NO_BLOCK)
		return 0;
	if (btrfs)
		return add_pool_of(disks, block, out, err);
	return seed_vec_push(out, sizeof(block), &block) ? 0 : seed_error_sys(err, ENOMEM, "disks");
}

struct walk {
	const struct seed_disks *disks;
	bool *seen;
	void (*visit)(size_t lowest, const char *through, void *arg);
	void *arg;
};

static size_t first_edge(const struct seed_disks *disks, size_t above)
{
	size_t low = 0, high = disks->edges.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (((struct seed_stack_edge *)seed_vec_at(&disks->edges, middle))->above < above)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void walk_down(const struct walk *walk, size_t index, const char *through,
		      unsigned int depth)
{
	const struct seed_block *block = seed_block_at(walk->disks, index);
	char deeper[THROUGH];
	bool lowest = true;

	if (walk->seen[index])
		return;
	walk->seen[index] = true;
	snprintf(deeper, sizeof(deeper), "%s", through);
	if (block->kind == SEED_BLOCK_STACKED || block->kind == SEED_BLOCK_LOOP)
		snprintf(deeper, sizeof(deeper), "%s%s%s", through, *through ? " on " : "",
			 block->kind == SEED_BLOCK_LOOP ? "a loop device" : block->stack);
	for (size_t i = first_edge(walk->disks, index); i < walk->disks->edges.count; i++) {
		const struct seed_stack_edge *edge = seed_vec_at(&walk->disks->edges, i);

		if (edge->above != index)
			break;
		lowest = false;
		if (depth < DEPTH_MAX)
			walk_down(walk, edge->below, deeper, depth + 1);
	}
	if (lowest)
		walk->visit(index, through, walk->arg);
}

int seed_stack_walk(const struct seed_disks *disks, size_t block,
		    void (*visit)(size_t lowest, const char *through, void *arg), void *arg,
		    struct seed_error *err)
{
	SEED_AUTO(seed_freep) bool *seen = calloc(disks->blocks.count, sizeof(*seen));
	const struct walk walk = { disks, seen, visit, arg };

	if (!seen)
		return seed_error_sys(err, ENOMEM, "disks");
	walk_down(&walk, block, "", 0);
	return 0;
}
