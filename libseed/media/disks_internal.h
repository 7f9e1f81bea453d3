/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Shared by disks.c and its parts: block devices as udev tells them (block.c), what
 * stands on what (stack.c), and the verdicts (judge.c).
 */
#ifndef SEED_MEDIA_DISKS_INTERNAL_H
#define SEED_MEDIA_DISKS_INTERNAL_H

#include "media/disks.h"

#define SEED_BLOCKS_MAX 65536u

enum seed_block_kind {
	SEED_BLOCK_DISK,	/* hardware of its own */
	SEED_BLOCK_PARTITION,
	SEED_BLOCK_STACKED,	/* device mapper, RAID, bcache: stands on others */
	SEED_BLOCK_LOOP,
	SEED_BLOCK_OTHER,	/* optical, floppy, memory, network */
};

struct seed_block {
	enum seed_block_kind kind;
	char name[64], node[192];
	char syspath[512];
	char parent[64];		/* the disk that a partition is of */
	dev_t device;
	uint64_t bytes;
	bool read_only, external;
	bool looked;			/* udev has something to say of it */
	char model[SEED_DISK_TEXT], serial[SEED_DISK_TEXT], bus[16];
	char fs_type[32], fs_usage[16], fs_uuid[64], fs_label[257];
	char stack[32];			/* a stacked one: "LVM", "LUKS", "RAID"... */
	char stack_name[SEED_DISK_TEXT];	/* and what people call it */
	char file[512];			/* behind a loop device */
	size_t disk;			/* a disk: its index in the list */
	const struct seed_mount *mount;	/* where it is mounted, rather whole than a folder of it */
};

struct seed_stack_edge {
	size_t above, below;		/* blocks */
};

struct seed_disks {
	struct seed_vec disks;		/* struct seed_disk */
	struct seed_vec blocks;		/* struct seed_block, by name */
	struct seed_vec edges;		/* struct seed_stack_edge, by above */
	struct seed_vec pools;		/* struct seed_stack_edge: (pool's number, block) of btrfs
					 * file systems that are mounted */
	struct seed_vec mounts, swaps;
};

#define SEED_NO_BLOCK SIZE_MAX

/* block.c: every block device, sorted by name (strverscmp). */
int seed_blocks_read(struct seed_vec *out, struct seed_error *err);

/* stack.c */
size_t seed_block_by_name(const struct seed_disks *disks, const char *name);
size_t seed_block_by_device(const struct seed_disks *disks, dev_t device);
/* By a path in /dev: the device's own, or a link to it. */
size_t seed_block_by_path(const struct seed_disks *disks, const char *path);
static inline struct seed_block *seed_block_at(const struct seed_disks *disks, size_t index)
{
	return seed_vec_at(&disks->blocks, index);
}
/* Fills @edges and @pools; blocks, mounts are there. */
int seed_stack_read(struct seed_disks *disks, struct seed_error *err);
/* The blocks that a mount stands on, into *@out (size_t); none for tmpfs and the like. */
int seed_stack_of_mount(const struct seed_disks *disks, const struct seed_mount *mount,
			struct seed_vec *out, struct seed_error *err);
/* Call @visit once for each block that @block stands on and that stands on nothing itself (a disk,
 * mostly; @block itself when it is one), with what lies between: "LVM on LUKS", or "". */
int seed_stack_walk(const struct seed_disks *disks, size_t block,
		    void (*visit)(size_t lowest, const char *through, void *arg), void *arg,
		    struct seed_error *err);

/* judge.c: fills verdict and why of every disk. */
int seed_disks_judge(struct seed_disks *disks, struct seed_error *err);

#endif
