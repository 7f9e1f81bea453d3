// SPDX-License-Identifier: LGPL-2.1-or-later
#include "media/disks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/cleanup.h"
#include "media/disks_internal.h"

static void clear(struct seed_disks *disks)
{
	for (size_t i = 0; i < disks->disks.count; i++)
		seed_vec_free(&((struct seed_disk *)seed_vec_at(&disks->disks, i))->filesystems);
	seed_vec_free(&disks->disks);
	seed_vec_free(&disks->blocks);
	seed_vec_free(&disks->edges);
	seed_vec_free(&disks->pools);
	seed_mounts_free(&disks->mounts);
	seed_swaps_free(&disks->swaps);
}

void seed_disks_free(struct seed_disks *disks)
{
	if (disks)
		clear(disks);
	free(disks);
}

size_t seed_disks_count(const struct seed_disks *disks)
{
	return disks->disks.count;
}

const struct seed_disk *seed_disks_at(const struct seed_disks *disks, size_t index)
{
	return seed_vec_at(&disks->disks, index);
}

/* ---- the list ---- */

static int add_disk(struct seed_disks *disks, struct seed_block *block, struct seed_error *err)
{
	struct seed_disk *disk = seed_vec_push(&disks->disks, sizeof(*disk), NULL);

	if (!disk)
		return seed_error_sys(err, ENOMEM, "disks");
	memcpy(disk->name, block->name, sizeof(disk->name));
	memcpy(disk->node, block->node, sizeof(disk->node));
	memcpy(disk->model, block->model, sizeof(disk->model));
	memcpy(disk->serial, block->serial, sizeof(disk->serial));
	memcpy(disk->bus, block->bus, sizeof(disk->bus));
	disk->bytes = block->bytes;
	disk->external = block->external;
	disk->read_only = block->read_only;
	block->disk = disks->disks.count - 1;
	return 0;
}

/* Where blocks are mounted: rather the whole file system than a folder of it, then the first. */
static int find_mounts(struct seed_disks *disks, struct seed_error *err)
{
	for (size_t i = 0; i < disks->mounts.count; i++) {
		SEED_AUTO(seed_vec_free) struct seed_vec blocks = { 0 };
		const struct seed_mount *mount = seed_vec_at(&disks->mounts, i);

		if (seed_stack_of_mount(disks, mount, &blocks, err) < 0)
			return -1;
		for (size_t k = 0; k < blocks.count; k++) {
			struct seed_block *block =
				seed_block_at(disks, *(size_t *)seed_vec_at(&blocks, k));

			if (!block->mount || (strcmp(block->mount->root, "/") != 0 &&
					      strcmp(mount->root, "/") == 0))
				block->mount = mount;
		}
	}
	return 0;
}

struct lowest {
	size_t block, count;
};

static void count_lowest(size_t lowest, const char *through, void *arg)
{
	struct lowest *found = arg;

	(void)through;
	found->block = lowest;
	found->count++;
}

/* May there be a file system for people on this block? Not on what is a layer of something else. */
static bool may_hold_files(const struct seed_block *block)
{
	switch (block->kind) {
	case SEED_BLOCK_DISK:
	case SEED_BLOCK_PARTITION:
		return true;
	case SEED_BLOCK_STACKED:
		return strcmp(block->stack, "LUKS") == 0 || strcmp(block->stack, "dm-crypt") == 0;
	case SEED_BLOCK_LOOP:
	case SEED_BLOCK_OTHER:
		break;
	}
	return false;
}

static int add_filesystem(struct seed_disks *disks, size_t index, struct seed_error *err)
{
	const struct seed_block *block = seed_block_at(disks, index);
	const struct seed_mount *mount = block->mount;
	struct lowest lowest = { 0 };
	struct seed_disk_fs fs = { .bytes = block->bytes };
	struct seed_disk *disk;
	struct statvfs st;

	if (!may_hold_files(block) || (!block->fs_type[0] && !mount))
		return 0;
	if (seed_stack_walk(disks, index, count_lowest, &lowest, err) < 0)
		return -1;
	if (lowest.count != 1 ||
	    seed_block_at(disks, lowest.block)->kind != SEED_BLOCK_DISK)
		return 0;
	if (block->kind == SEED_BLOCK_STACKED)
		snprintf(fs.node, sizeof(fs.node), "/dev/mapper/%s", block->stack_name);
	else
		memcpy(fs.node, block->node, sizeof(fs.node));
	memcpy(fs.type, block->fs_type, sizeof(fs.type));
	memcpy(fs.uuid, block->fs_uuid, sizeof(fs.uuid));
	memcpy(fs.label, block->fs_label, sizeof(fs.label));
	if (!fs.type[0])
		snprintf(fs.type, sizeof(fs.type), "%s", mount->type);
	fs.mount = mount;
	if (mount && statvfs(mount->point, &st) == 0)
		fs.free = (uint64_t)st.f_bavail * st.f_frsize;
	disk = seed_vec_at(&disks->disks, seed_block_at(disks, lowest.block)->disk);
	return seed_vec_push(&disk->filesystems, sizeof(fs), &fs) ? 0 :
	       seed_error_sys(err, ENOMEM, "disks");
}

static int fill(struct seed_disks *disks, const struct seed_disks_from *from,
		struct seed_error *err)
{
	const char *mountinfo = from && from->mountinfo ? from->mountinfo : "/proc/self/mountinfo";
	const char *swaps = from && from->swaps ? from->swaps : "/proc/swaps";

	if (seed_mounts_read(&disks->mounts, mountinfo, err) < 0 ||
	    seed_swaps_read(&disks->swaps, swaps, err) < 0 ||
	    seed_blocks_read(&disks->blocks, err) < 0)
		return -1;
	for (size_t i = 0; i < disks->blocks.count; i++)
		if (seed_block_at(disks, i)->kind == SEED_BLOCK_DISK &&
		    add_disk(disks, seed_block_at(disks, i), err) < 0)
			return -1;
	if (seed_stack_read(disks, err) < 0 || find_mounts(disks, err) < 0)
		return -1;
	for (int stacked = 0; stacked < 2; stacked++)	/* what is unlocked behind what it lies
							 * in */
		for (size_t i = 0; i < disks->blocks.count; i++)
			if ((seed_block_at(disks, i)->kind == SEED_BLOCK_STACKED) == stacked &&
			    add_filesystem(disks, i, err) < 0)
				return -1;
	return seed_disks_judge(disks, err);
}

int seed_disks_read(struct seed_disks **out, const struct seed_disks_from *from,
		    struct seed_error *err)
{
	SEED_AUTO(seed_disks_freep) struct seed_disks *disks = calloc(1, sizeof(*disks));

	if (!disks)
		return seed_error_sys(err, ENOMEM, "disks");
	if (fill(disks, from, err) < 0)
		return -1;
	*out = seed_steal(&disks);
	return 0;
}
