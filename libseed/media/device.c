// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What sysfs says of the disk under a folder (no .h: media_internal.h). A guess that
 * protects against a slip of the hand, not a proof: whoever knows better says
 * --allow-internal.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "media/media_internal.h"

#define STACK_MAX 8	/* device-mapper layers that we look through */

static void close_folder(DIR **folder)
{
	if (*folder)
		closedir(*folder);
}

/* An attribute's text without the blanks around it; control characters and bytes beyond ASCII
 * become '?'. False when it is not there or empty. */
static bool read_attribute(const char *folder, const char *name, char *out, size_t size)
{
	SEED_AUTO(seed_fd_closep) int fd = -1;
	char path[PATH_MAX], *p;
	ssize_t got;
	size_t len = 0;

	if (snprintf(path, sizeof(path), "%s/%s", folder, name) >= (int)sizeof(path))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	got = fd < 0 ? -1 : read(fd, out, size - 1);
	if (got <= 0) {
		out[0] = '\0';
		return false;
	}
	out[got] = '\0';
	for (p = out; *p; p++)
		if (len || !isspace((unsigned char)*p))
			out[len++] = *p >= ' ' && *p <= '~' ? *p : isspace((unsigned char)*p) ?
				     ' ' : '?';
	while (len && out[len - 1] == ' ')
		len--;
	out[len] = '\0';
	return len > 0;
}

static bool exists(const char *folder, const char *name)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/%s", folder, name) < (int)sizeof(path) &&
	       access(path, F_OK) == 0;
}

/* Cut the last component off @path; false when none is left. */
static bool go_up(char *path)
{
	char *slash = strrchr(path, '/');

	if (!slash || slash == path)
		return false;
	*slash = '\0';
	return true;
}

/* Walk from the disk's own folder up to the USB device it hangs on, which has a serial of its
 * own. @path is cut on the way. True when there is one. */
static bool find_usb(char *path, const char *stop, char *serial, size_t size)
{
	char own[128];

	do {
		if (!exists(path, "idVendor"))
			continue;
		if (!serial[0] && read_attribute(path, "serial", own, sizeof(own)))
			snprintf(serial, size, "%s", own);
		return true;
	} while (go_up(path) && strlen(path) > strlen(stop));
	return false;
}

static void look_at_disk(struct seed_device *out, const char *sysfs, char *disk)
{
	char removable[8];

	if (read_attribute(disk, "removable", removable, sizeof(removable)))
		out->external = strcmp(removable, "1") == 0;
	read_attribute(disk, "device/model", out->model, sizeof(out->model));
	if (!read_attribute(disk, "device/serial", out->serial, sizeof(out->serial)))
		read_attribute(disk, "serial", out->serial, sizeof(out->serial));
	if (find_usb(disk, sysfs, out->serial, sizeof(out->serial)))
		out->external = true;
}

static void look_at(struct seed_device *out, const char *sysfs, const char *link,
		    unsigned int depth);

/* A mapped device (LUKS, LVM) is as external as all that it stands on. False: it stands on
 * nothing, it is a disk. */
static bool look_below(struct seed_device *out, const char *sysfs, const char *disk,
		       unsigned int depth)
{
	char path[PATH_MAX];
	SEED_AUTO(close_folder) DIR *folder = NULL;
	struct dirent *entry;
	unsigned int below = 0;
	bool all = true;

	if (snprintf(path, sizeof(path), "%s/slaves", disk) >= (int)sizeof(path))
		return false;
	folder = opendir(path);
	while (folder && (entry = readdir(folder))) {
		struct seed_device one = { 0 };
		char link[PATH_MAX];

		if (entry->d_name[0] == '.' ||
		    snprintf(link, sizeof(link), "%s/%s", path, entry->d_name) >=
		    (int)sizeof(link))
			continue;
		look_at(&one, sysfs, link, depth + 1);
		all = all && one.external;
		if (below++ == 0)
			*out = one;
	}
	if (below > 1)	/* which of them the medium is called after would be chance */
		*out = (struct seed_device){ 0 };
	if (below)
		out->external = all;
	return below > 0;
}

static void look_at(struct seed_device *out, const char *sysfs, const char *link,
		    unsigned int depth)
{
	SEED_AUTO(seed_freep) char *disk = realpath(link, NULL);

	*out = (struct seed_device){ 0 };
	if (!disk || depth > STACK_MAX)
		return;
	if (exists(disk, "partition") && !go_up(disk))
		return;
	if (!look_below(out, sysfs, disk, depth))
		look_at_disk(out, sysfs, disk);
}

void seed_device_look(struct seed_device *out, const char *sysfs, dev_t device)
{
	char link[PATH_MAX];

	*out = (struct seed_device){ 0 };
	if (snprintf(link, sizeof(link), "%s/dev/block/%u:%u", sysfs, major(device),
		     minor(device)) < (int)sizeof(link))
		look_at(out, sysfs, link, 0);
}
