// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * May a disk serve as a medium (no .h: disks_internal.h)? What it is used for decides before what
 * it is: a USB disk that / lies on is no medium.
 *
 * An unlocked LUKS container is not held against a disk: what is mounted from it is judged as if
 * it lay there in the open, so a medium may be encrypted. Every other layer is a use of its own.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "media/disks_internal.h"

#define WHAT 64			/* bytes of one mount point as a reason shows it */
#define NAMES_SHOWN 4

struct use {
	size_t disk;			/* block */
	enum seed_disk_verdict verdict;	/* IN_USE, SYSTEM */
	char what[WHAT];		/* SYSTEM: what it holds; IN_USE: the whole reason */
	char through[128];
};

struct uses {
	const struct seed_disks *disks;
	struct seed_vec vec;		/* struct use */
	struct use next;		/* what the walk under way found, but for the disk */
	bool no_memory;
};

static void note(size_t lowest, const char *through, void *arg)
{
	struct uses *uses = arg;
	struct use use = uses->next;

	if (seed_block_at(uses->disks, lowest)->kind != SEED_BLOCK_DISK)
		return;
	use.disk = lowest;
	snprintf(use.through, sizeof(use.through), "%s", through);
	if (!seed_vec_push(&uses->vec, sizeof(use), &use))
		uses->no_memory = true;
}

static int note_below(struct uses *uses, size_t block, struct seed_error *err)
{
	if (seed_stack_walk(uses->disks, block, note, uses, err) < 0)
		return -1;
	return uses->no_memory ? seed_error_sys(err, ENOMEM, "disks") : 0;
}

/* ---- what the system runs from ---- */

/* Where a medium is never mounted: with @deep, nothing below it either. The last ones are where
 * live systems mount the medium that they came from. */
static bool system_place(const char *point)
{
	static const struct { const char *path; bool deep; } places[] = {
		{ "/boot", true }, { "/efi", true }, { "/etc", true }, { "/usr", true },
		{ "/var", true }, { "/lib", true }, { "/home", false }, { "/root", false },
		{ "/opt", false }, { "/srv", false }, { "/nix", true }, { "/gnu", true },
		{ "/run/live", true }, { "/run/initramfs", true }, { "/cdrom", true },
	};

	if (strcmp(point, "/") == 0)
		return true;
	if (strncmp(point, "/var/tmp/", 9) == 0)
		return false;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		size_t len = strlen(places[i].path);

		if (strncmp(point, places[i].path, len) == 0 &&
		    (point[len] == '\0' || (places[i].deep && point[len] == '/')))
			return true;
	}
	return false;
}

static int note_mount(struct uses *uses, const struct seed_mount *mount, struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec blocks = { 0 };

	if (seed_stack_of_mount(uses->disks, mount, &blocks, err) < 0)
		return -1;
	uses->next = (struct use){ .verdict = SEED_DISK_SYSTEM };
	if (system_place(mount->point))
		seed_quote(mount->point, uses->next.what, sizeof(uses->next.what));
	else if (blocks.count < 2)
		return 0;
	else {
		uses->next.verdict = SEED_DISK_IN_USE;
		snprintf(uses->next.what, WHAT,
			 "holds part of a btrfs file system on several disks");
	}
	for (size_t i = 0; i < blocks.count; i++)
		if (note_below(uses, *(size_t *)seed_vec_at(&blocks, i), err) < 0)
			return -1;
	return 0;
}

static int note_swap(struct uses *uses, const struct seed_swap *swap, struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec blocks = { 0 };
	const struct seed_mount *mount;
	size_t block;

	uses->next = (struct use){ .verdict = SEED_DISK_SYSTEM, .what = "swap" };
	if (!swap->file) {
		block = seed_block_by_path(uses->disks, swap->path);
		return block == SEED_NO_BLOCK ? 0 : note_below(uses, block, err);
	}
	mount = seed_mounts_over(&uses->disks->mounts, swap->path);
	if (mount && seed_stack_of_mount(uses->disks, mount, &blocks, err) < 0)
		return -1;
	for (size_t i = 0; i < blocks.count; i++)
		if (note_below(uses, *(size_t *)seed_vec_at(&blocks, i), err) < 0)
			return -1;
	return 0;
}

/* ---- what others use ---- */

/* What a member of something larger is a part of; NULL: it is none. */
static const char *member_of(const struct seed_block *block)
{
	static const struct { const char *type, *what; } members[] = {
		{ "zfs_member", "a ZFS pool" }, { "LVM2_member", "an LVM volume group" },
		{ "LVM1_member", "an LVM volume group" }, { "linux_raid_member", "a RAID array" },
		{ "ddf_raid_member", "a RAID array" }, { "isw_raid_member", "a RAID array" },
		{ "bcache", "a bcache set" }, { "mpath_member", "a multipath device" },
		{ "drbd", "a DRBD resource" }, { "ceph_bluestore", "a Ceph store" },
		{ "VMFS_volume_member", "a VMFS volume" },
	};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		if (strcmp(block->fs_type, members[i].type) == 0)
			return members[i].what;
	return strcmp(block->fs_usage, "raid") == 0 ? "a volume of several disks" : NULL;
}

static bool is_crypt(const struct seed_block *block)
{
	return strcmp(block->stack, "LUKS") == 0 || strcmp(block->stack, "dm-crypt") == 0;
}

/* Two devices with one btrfs id that do not stand on each other: one file system on both, or a copy
 * that btrfs takes for it. */
static bool shares_btrfs(const struct seed_disks *disks, const struct seed_block *block)
{
	if (strcmp(block->fs_type, "btrfs") != 0 || !block->fs_uuid[0])
		return false;
	for (size_t i = 0; i < disks->blocks.count; i++) {
		const struct seed_block *other = seed_block_at(disks, i);

		if (other != block && strcmp(other->fs_type, "btrfs") == 0 &&
		    strcmp(other->fs_uuid, block->fs_uuid) == 0)
			return true;
	}
	return false;
}

static int note_block(struct uses *uses, size_t index, struct seed_error *err)
{
	const struct seed_block *block = seed_block_at(uses->disks, index);
	const char *member = member_of(block);
	char name[40];

	uses->next = (struct use){ .verdict = SEED_DISK_IN_USE };
	if (block->kind == SEED_BLOCK_STACKED && !is_crypt(block))
		snprintf(uses->next.what, WHAT, "is in use by %s (%s)", block->stack,
			 seed_quote(block->stack_name, name, sizeof(name)));
	else if (member)
		snprintf(uses->next.what, WHAT, "holds a part of %s", member);
	else if (shares_btrfs(uses->disks, block))
		snprintf(uses->next.what, WHAT,
			 "holds part of a btrfs file system on several disks");
	else
		return 0;
	return note_below(uses, index, err);
}

static int collect(struct uses *uses, struct seed_error *err)
{
	const struct seed_disks *disks = uses->disks;

	for (size_t i = 0; i < disks->mounts.count; i++)
		if (note_mount(uses, seed_vec_at(&disks->mounts, i), err) < 0)
			return -1;
	for (size_t i = 0; i < disks->swaps.count; i++)
		if (note_swap(uses, seed_vec_at(&disks->swaps, i), err) < 0)
			return -1;
	for (size_t i = 0; i < disks->blocks.count; i++)
		if (note_block(uses, i, err) < 0)
			return -1;
	return 0;
}

/* ---- words ---- */

static void add(char why[SEED_DISK_WHY], const char *text)
{
	size_t len = strlen(why);

	snprintf(why + len, SEED_DISK_WHY - len, "%s", text);
}

/* Is there an earlier use of this disk with the same layers, and with @name the same object? */
static bool came_before(const struct uses *uses, size_t index, bool name)
{
	const struct use *use = seed_vec_at(&uses->vec, index);

	for (size_t i = 0; i < index; i++) {
		const struct use *other = seed_vec_at(&uses->vec, i);

		if (other->disk == use->disk && other->verdict == use->verdict &&
		    strcmp(other->through, use->through) == 0 &&
		    (!name || strcmp(other->what, use->what) == 0))
			return true;
	}
	return false;
}

/* "/", "/boot" and swap: what the disk holds through the same layers as the use at @first. */
static void add_names(const struct uses *uses, size_t first, char why[SEED_DISK_WHY])
{
	const struct use *use = seed_vec_at(&uses->vec, first);
	const char *last = NULL;
	size_t shown = 0;

	for (size_t i = first; i < uses->vec.count; i++) {
		const struct use *other = seed_vec_at(&uses->vec, i);

		if (other->disk != use->disk || other->verdict != use->verdict ||
		    strcmp(other->through, use->through) != 0 || came_before(uses, i, true))
			continue;
		if (last) {
			add(why, shown++ ? ", " : "");
			add(why, last);
		}
		last = shown == NAMES_SHOWN ? "more" : other->what;
		if (shown == NAMES_SHOWN)
			break;
	}
	add(why, shown ? " and " : "");
	add(why, last);
}

static bool say_system(const struct uses *uses, size_t disk, char why[SEED_DISK_WHY])
{
	why[0] = '\0';
	for (size_t i = 0; i < uses->vec.count; i++) {
		const struct use *use = seed_vec_at(&uses->vec, i);

		if (use->disk != disk || use->verdict != SEED_DISK_SYSTEM ||
		    came_before(uses, i, false))
			continue;
		add(why, why[0] ? ", " : "");
		add(why, use->through[0] ? "backs " : "holds ");
		add_names(uses, i, why);
		add(why, use->through[0] ? " through " : "");
		add(why, use->through);
	}
	return why[0];
}

static bool say_in_use(const struct uses *uses, size_t disk, char why[SEED_DISK_WHY])
{
	for (size_t i = 0; i < uses->vec.count; i++) {
		const struct use *use = seed_vec_at(&uses->vec, i);

		if (use->disk != disk || use->verdict != SEED_DISK_IN_USE)
			continue;
		snprintf(why, SEED_DISK_WHY, "%s", use->what);
		return true;
	}
	return false;
}

static bool anything_mounted(const struct seed_disk *disk)
{
	for (size_t i = 0; i < disk->filesystems.count; i++)
		if (((struct seed_disk_fs *)seed_vec_at(&disk->filesystems, i))->mount)
			return true;
	return false;
}

static void judge(const struct uses *uses, struct seed_disk *disk, const struct seed_block *block,
		  size_t index)
{
	if (say_system(uses, index, disk->why)) {
		disk->verdict = SEED_DISK_SYSTEM;
	} else if (say_in_use(uses, index, disk->why)) {
		disk->verdict = SEED_DISK_IN_USE;
	} else if (!disk->external) {
		disk->verdict = SEED_DISK_INTERNAL;
		snprintf(disk->why, sizeof(disk->why), "is built in, as far as its bus tells");
	} else if (!block->looked && !anything_mounted(disk)) {
		disk->verdict = SEED_DISK_UNKNOWN;
		snprintf(disk->why, sizeof(disk->why),
			 "is not known to udev yet: what is on it cannot be told");
	} else if (!disk->bytes) {
		disk->verdict = SEED_DISK_EMPTY;
		snprintf(disk->why, sizeof(disk->why), "has no card in it");
	}
}

int seed_disks_judge(struct seed_disks *disks, struct seed_error *err)
{
	struct uses uses = { .disks = disks };
	int status = collect(&uses, err);

	for (size_t i = 0; i < disks->blocks.count && status == 0; i++) {
		const struct seed_block *block = seed_block_at(disks, i);

		if (block->kind == SEED_BLOCK_DISK)
			judge(&uses, seed_vec_at(&disks->disks, block->disk), block, i);
	}
	seed_vec_free(&uses.vec);
	return status;
}
