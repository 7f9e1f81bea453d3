// SPDX-License-Identifier: LGPL-2.1-or-later
#include "image/blockdev.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/text.h"

static void close_stream(FILE **f)
{
	if (*f)
		fclose(*f);
}

static void close_folder(DIR **d)
{
	if (*d)
		closedir(*d);
}

static bool is_device(const char *path, dev_t rdev)
{
	struct stat st;

	return path[0] == '/' && stat(path, &st) == 0 && S_ISBLK(st.st_mode) && st.st_rdev == rdev;
}

/* /proc writes space, tab, newline and backslash in names as \ooo. */
static void unescape_octal(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
		    from[2] <= '7' && from[3] >= '0' && from[3] <= '7') {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* "36 35 98:0 /sub /mnt rw,noatime master:1 - ext4 /dev/sdb1 rw": by number, or, for file
 * systems with numbers of their own as btrfs, by the name of the device. */
static bool mount_line_names(char *line, dev_t rdev, char **folder)
{
	char *fields[6] = { NULL }, *rest = line, *type, *device;
	unsigned int major, minor;

	for (size_t i = 0; i < 6; i++)
		fields[i] = strsep(&rest, " ");
	if (!fields[4] || !rest || sscanf(fields[2], "%u:%u", &major, &minor) != 2)
		return false;
	*folder = fields[4];
	unescape_octal(*folder);
	if (makedev(major, minor) == rdev)
		return true;
	type = strstr(rest, "- ");
	if (!type)
		return false;
	rest = type + 2;
	strsep(&rest, " ");
	device = strsep(&rest, " ");
	if (!device)
		return false;
	unescape_octal(device);
	return is_device(device, rdev);
}

static bool find_mount(dev_t rdev, char *out, size_t size)
{
	SEED_AUTO(close_stream) FILE *mounts = fopen("/proc/self/mountinfo", "re");
	SEED_AUTO(seed_freep) char *line = NULL;
	char quoted[SEED_QUOTED], *folder;
	size_t room = 0;

	while (mounts && getline(&line, &room, mounts) > 0) {
		if (!mount_line_names(line, rdev, &folder))
			continue;
		snprintf(out, size, "mounted on %s", seed_quote(folder, quoted, sizeof(quoted)));
		return true;
	}
	return false;
}

static bool find_swap(dev_t rdev, char *out, size_t size)
{
	SEED_AUTO(close_stream) FILE *swaps = fopen("/proc/swaps", "re");
	SEED_AUTO(seed_freep) char *line = NULL;
	size_t room = 0;

	while (swaps && getline(&line, &room, swaps) > 0) {
		line[strcspn(line, " \t\n")] = '\0';
		unescape_octal(line);
		if (!is_device(line, rdev))
			continue;
		snprintf(out, size, "used as swap");
		return true;
	}
	return false;
}

/* The first line of a small file in sysfs; "" when there is none. */
static char *read_attribute(const char *path, char *out, size_t size)
{
	SEED_AUTO(close_stream) FILE *f = fopen(path, "re");

	if (!f || !fgets(out, (int)size, f))
		out[0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return out;
}

/* What stands on it by sysfs: "dm-3 (vg-web01)", "md0". */
static bool find_upper(const char *sys, char *out, size_t size)
{
	char path[600], name[128], quoted[SEED_QUOTED];
	SEED_AUTO(close_folder) DIR *holders = NULL;
	struct dirent *entry;

	snprintf(path, sizeof(path), "%s/holders", sys);
	holders = opendir(path);
	while (holders && (entry = readdir(holders))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/class/block/%s/dm/name", entry->d_name);
		if (read_attribute(path, name, sizeof(name))[0])
			snprintf(out, size, "part of %s (%s)", entry->d_name,
				 seed_quote(name, quoted, sizeof(quoted)));
		else
			snprintf(out, size, "part of %s", entry->d_name);
		return true;
	}
	return false;
}

static bool find_user(dev_t rdev, const char *sys, char *out, size_t size)
{
	return find_mount(rdev, out, size) || find_upper(sys, out, size) ||
	       find_swap(rdev, out, size);
}

/* A whole disk is also in use when one of its partitions is. */
static bool find_partition_user(const char *sys, char *out, size_t size)
{
	SEED_AUTO(close_folder) DIR *children = opendir(sys);
	char path[600], text[64], user[256];
	unsigned int major, minor;
	struct dirent *entry;

	while (children && (entry = readdir(children))) {
		snprintf(path, sizeof(path), "%s/%s/partition", sys, entry->d_name);
		if (entry->d_name[0] == '.' || access(path, F_OK) < 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s/dev", sys, entry->d_name);
		if (sscanf(read_attribute(path, text, sizeof(text)), "%u:%u", &major, &minor) != 2)
			continue;
		snprintf(path, sizeof(path), "%s/%s", sys, entry->d_name);
		if (!find_user(makedev(major, minor), path, user, sizeof(user)))
			continue;
		snprintf(out, size, "%s: %s", entry->d_name, user);
		return true;
	}
	return false;
}

char *seed_blockdev_user(dev_t rdev, char *out, size_t size)
{
	char sys[64];

	snprintf(sys, sizeof(sys), "/sys/dev/block/%u:%u", major(rdev), minor(rdev));
	if (!find_user(rdev, sys, out, size) && !find_partition_user(sys, out, size))
		snprintf(out, size, "in use");
	return out;
}

int seed_blockdev_open(int *out, const char *path, uint64_t *size, uint32_t *sector_size,
		       struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	char user[300];
	struct stat st;
	uint64_t bytes;
	int sector;

	if (fd < 0 && errno == EBUSY && stat(path, &st) == 0)
		return seed_error_set(err, SEED_ERR_BUSY, "%s",
				      seed_blockdev_user(st.st_rdev, user, sizeof(user)));
	if (fd < 0)
		return seed_error_sys(err, errno, "open");
	if (ioctl(fd, BLKGETSIZE64, &bytes) < 0 || ioctl(fd, BLKSSZGET, &sector) < 0)
		return seed_error_sys(err, errno, "ask for its size");
	if (sector < 512 || sector > 65536)
		return seed_error_set(err, SEED_ERR_FORMAT, "sectors of %d bytes", sector);
	*size = bytes;
	*sector_size = (uint32_t)sector;
	*out = fd;
	fd = -1;
	return 0;
}
