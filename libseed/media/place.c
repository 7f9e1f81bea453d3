// SPDX-License-Identifier: LGPL-2.1-or-later
/* What a folder lies on (no .h: disks.h). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/text.h"
#include "media/disks_internal.h"

#define QUOTED 96		/* bytes of a name in a reason */

/* The kernel's number of the mount that @dir lies on. */
static int mount_id(uint64_t *out, int dir, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int fd = -1;
	char path[64], text[512];
	const char *line;
	size_t got;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return seed_error_sys(err, errno, "%s", path);
	if (seed_fd_pread_some(fd, text, sizeof(text) - 1, 0, &got, err) < 0)
		return seed_error_prefix(err, "%s", path);
	text[got] = '\0';
	line = strstr(text, "mnt_id:");
	if (!line)
		return seed_error_set(err, SEED_ERR_FORMAT, "%s does not name the mount", path);
	*out = strtoull(line + strlen("mnt_id:"), NULL, 10);
	return 0;
}

static const struct seed_mount *mount_by_id(const struct seed_disks *disks, uint64_t id)
{
	for (size_t i = 0; i < disks->mounts.count; i++) {
		const struct seed_mount *mount = seed_vec_at(&disks->mounts, i);

		if (mount->id == id)
			return mount;
	}
	return NULL;
}

/* Is @dir the mount point itself, or a folder below it? */
static bool is_mount_point(int dir, const struct seed_mount *mount)
{
	struct stat a, b;

	return fstat(dir, &a) == 0 && stat(mount->point, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

/* ---- no disk at all ---- */

static const char *kind_without_disk(const char *type)
{
	static const struct { const char *type, *words; } kinds[] = {
		{ "tmpfs", "in memory" }, { "ramfs", "in memory" }, { "devtmpfs", "in memory" },
		{ "overlay", "on layers of other file systems, as a container's" },
		{ "aufs", "on layers of other file systems, as a live system's" },
		{ "zfs", "in a ZFS pool" },
		{ "nfs", "on a network file system" }, { "nfs4", "on a network file system" },
		{ "cifs", "on a network file system" }, { "smb3", "on a network file system" },
		{ "ceph", "on a network file system" }, { "9p", "on a file system of the host" },
		{ "virtiofs", "on a file system of the host" },
		{ "fuse.sshfs", "on a network file system" },
		{ "fuse.glusterfs", "on a network file system" },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(type, kinds[i].type) == 0)
			return kinds[i].words;
	return "on a file system behind which no disk is known";
}

static void say_no_disk(struct seed_place *place)
{
	char type[QUOTED];

	place->verdict = SEED_DISK_UNKNOWN;
	snprintf(place->why, sizeof(place->why), "is %s (%s): no disk that travels",
		 kind_without_disk(place->mount->type),
		 seed_quote(place->mount->type, type, sizeof(type)));
}

/* ---- a device ---- */

struct found {
	const struct seed_disks *disks;
	const struct seed_disk *disk;		/* the one that is judged hardest */
	const struct seed_block *other;		/* what is no disk */
	size_t count;
};

static void find(size_t lowest, const char *through, void *arg)
{
	struct found *found = arg;
	const struct seed_block *block = seed_block_at(found->disks, lowest);
	const struct seed_disk *disk;

	(void)through;
	if (block->kind != SEED_BLOCK_DISK) {
		found->other = block;
		return;
	}
	disk = seed_disks_at(found->disks, block->disk);
	if (!found->disk || disk->verdict > found->disk->verdict)
		found->disk = disk;
	found->count++;
}

/* "on sdb (Expansion HDD, serial NA8F12)" */
static void name_disk(const struct seed_disk *disk, char *out, size_t size)
{
	snprintf(out, size, "%s%s%s%s%s%s", disk->name,
		 disk->model[0] || disk->serial[0] ? " (" : "", disk->model,
		 disk->model[0] && disk->serial[0] ? ", serial " :
		 disk->serial[0]		   ? "serial " :
						     "",
		 disk->serial, disk->model[0] || disk->serial[0] ? ")" : "");
}

static void say_disk(struct seed_place *place, const struct seed_disk *disk)
{
	char name[2 * SEED_DISK_TEXT + 100], folder[QUOTED + 40] = "", point[QUOTED];

	place->verdict = disk->verdict;
	if (disk->verdict == SEED_DISK_FIT)
		return;
	name_disk(disk, name, sizeof(name));
	if (!place->mount_point)
		snprintf(folder, sizeof(folder), "a folder of what is mounted on %s, ",
			 seed_quote(place->mount->point, point, sizeof(point)));
	snprintf(place->why, sizeof(place->why), "is %son the disk %.120s, which %.180s", folder,
		 name, disk->why);
}

static void say_other(struct seed_place *place, const struct seed_block *block)
{
	char file[QUOTED];

	place->verdict = SEED_DISK_UNKNOWN;
	if (block->kind == SEED_BLOCK_LOOP)
		snprintf(place->why, sizeof(place->why), "is inside the file %s (%s): no disk that "
			 "travels", seed_quote(block->file, file, sizeof(file)), block->name);
	else
		snprintf(place->why, sizeof(place->why), "is on %s: no disk that travels",
			 block->name);
}

static int look_at(struct seed_place *place, const struct seed_disks *disks,
		   const struct seed_vec *blocks, struct seed_error *err)
{
	const struct seed_block *top = seed_block_at(disks, *(size_t *)seed_vec_at(blocks, 0));
	struct found found = { .disks = disks };

	memcpy(place->node, top->node, sizeof(place->node));
	for (size_t i = 0; i < blocks->count; i++)
		if (seed_stack_walk(disks, *(size_t *)seed_vec_at(blocks, i), find, &found,
				    err) < 0)
			return -1;
	/* A loop's file may well lie on a disk that travels; the loop does not. */
	if (top->kind == SEED_BLOCK_LOOP)
		say_other(place, top);
	else if (found.disk)
		say_disk(place, found.disk);
	else
		say_other(place, found.other ? found.other : top);
	if (found.count == 1 && !found.other && top->kind != SEED_BLOCK_LOOP)
		place->disk = found.disk;
	return 0;
}

int seed_place_find(struct seed_place *out, const struct seed_disks *disks, int dir,
		    struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec blocks = { 0 };
	struct seed_place place = { .verdict = SEED_DISK_UNKNOWN };
	uint64_t id = 0;

	if (mount_id(&id, dir, err) < 0)
		return -1;
	place.mount = mount_by_id(disks, id);
	if (!place.mount) {
		snprintf(place.why, sizeof(place.why),
			 "is on a file system that the kernel does not list for us");
	} else {
		if (seed_stack_of_mount(disks, place.mount, &blocks, err) < 0)
			return -1;
		place.mount_point = is_mount_point(dir, place.mount);
		if (blocks.count == 0)
			say_no_disk(&place);
		else if (look_at(&place, disks, &blocks, err) < 0)
			return -1;
	}
	*out = place;
	return 0;
}
