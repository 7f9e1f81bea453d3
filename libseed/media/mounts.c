// SPDX-License-Identifier: LGPL-2.1-or-later
#include "media/mounts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/cleanup.h"

#define LINES_MAX 200000	/* of either table: above, something is wrong with the machine */

static void close_file(FILE **file)
{
	if (*file)
		fclose(*file);
}

/* The kernel writes blanks, tabs, newlines and backslashes as \ooo. In place. */
static void unescape(char *text)
{
	char *out = text;

	for (const char *in = text; *in; out++) {
		if (in[0] == '\\' && in[1] >= '0' && in[1] <= '3' && in[2] >= '0' && in[2] <= '7' &&
		    in[3] >= '0' && in[3] <= '7') {
			*out = (char)((in[1] - '0') << 6 | (in[2] - '0') << 3 | (in[3] - '0'));
			in += 4;
		} else {
			*out = *in++;
		}
	}
	*out = '\0';
}

static char *copy_field(const char *field)
{
	char *copy = field ? strdup(field) : NULL;

	if (copy)
		unescape(copy);
	return copy;
}

static bool has_option(const char *options, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = options; at; at = strchr(at, ',')) {
		at += *at == ',';
		if (strncmp(at, name, len) == 0 && (at[len] == ',' || at[len] == '\0'))
			return true;
	}
	return false;
}

static void clear_mount(struct seed_mount *mount)
{
	free(mount->root);
	free(mount->point);
	free(mount->type);
	free(mount->source);
}

/* "36 35 98:0 /root /point rw,noatime shared:1 - ext4 /dev/sda1 rw": id, parent, device, root,
 * point, options, any number of tags, a dash, type, source, options of the file system. A source
 * may be empty, so fields are cut at single blanks. False: it is no such line. */
static bool take_mount(struct seed_mount *out, char *line)
{
	char *field[6], *type, *source, *end;
	unsigned int major_, minor_;

	for (int i = 0; i < 6; i++)
		if (!(field[i] = strsep(&line, " ")))
			return false;
	out->id = strtoull(field[0], &end, 10);
	if (end == field[0] || *end || sscanf(field[2], "%u:%u", &major_, &minor_) != 2)
		return false;
	for (char *tag = NULL; !tag || strcmp(tag, "-") != 0;)
		if (!(tag = strsep(&line, " ")))
			return false;
	type = strsep(&line, " ");
	source = strsep(&line, " ");
	if (!source)
		return false;
	out->device = makedev(major_, minor_);
	out->read_only = has_option(field[5], "ro") || (line && has_option(line, "ro"));
	out->root = copy_field(field[3]);
	out->point = copy_field(field[4]);
	out->type = copy_field(type);
	out->source = copy_field(source);
	return true;
}

static int add_mount(struct seed_vec *out, char *line, const char *path, struct seed_error *err)
{
	struct seed_mount mount = { 0 };

	if (!take_mount(&mount, line)) {
		clear_mount(&mount);
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "%s: a line is not as the kernel writes them",
				      path);
	}
	if (mount.root && mount.point && mount.type && mount.source &&
	    seed_vec_push(out, sizeof(mount), &mount))
		return 0;
	clear_mount(&mount);
	return seed_error_sys(err, ENOMEM, "%s", path);
}

/* "/dev/sda2 partition 1000 0 -2", with blanks and tabs in between. A file that was removed while
 * it is swapped to has "\040(deleted)" behind its name, and is nowhere any more. */
static int add_swap(struct seed_vec *out, char *line, const char *path, struct seed_error *err)
{
	struct seed_swap swap = { 0 };
	char *rest = NULL, *name = strtok_r(line, " \t", &rest),
	     *type = strtok_r(NULL, " \t", &rest);

	if (!name || !type)
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "%s: a line is not as the kernel writes them", path);
	swap.file = strcmp(type, "file") == 0;
	swap.path = copy_field(name);
	if (swap.path && seed_vec_push(out, sizeof(swap), &swap))
		return 0;
	free(swap.path);
	return seed_error_sys(err, ENOMEM, "%s", path);
}

/* Call @add for each line behind the first @skip ones. */
static int each_line(struct seed_vec *out, const char *path, size_t skip,
		     int (*add)(struct seed_vec *, char *, const char *, struct seed_error *),
		     struct seed_error *err)
{
	SEED_AUTO(close_file) FILE *file = fopen(path, "re");
	SEED_AUTO(seed_freep) char *line = NULL;
	size_t room = 0, lines = 0;
	ssize_t len;

	if (!file)
		return seed_error_sys(err, errno, "%s", path);
	while ((errno = 0, len = getline(&line, &room, file)) > 0) {
		if (line[len - 1] == '\n')
			line[len - 1] = '\0';
		if (++lines <= skip || line[0] == '\0')
			continue;
		if (lines > LINES_MAX)
			return seed_error_set(err, SEED_ERR_RANGE, "%s has more than %d lines",
					      path, LINES_MAX);
		if (add(out, line, path, err) < 0)
			return -1;
	}
	if (ferror(file) || errno)
		return seed_error_sys(err, errno ? errno : EIO, "%s", path);
	return 0;
}

int seed_mounts_read(struct seed_vec *out, const char *path, struct seed_error *err)
{
	return each_line(out, path, 0, add_mount, err);
}

void seed_mounts_free(struct seed_vec *mounts)
{
	for (size_t i = 0; i < mounts->count; i++)
		clear_mount(seed_vec_at(mounts, i));
	seed_vec_free(mounts);
}

const struct seed_mount *seed_mounts_over(const struct seed_vec *mounts, const char *path)
{
	const struct seed_mount *best = NULL;
	size_t longest = 0;

	/* Of two on one point the later one hides the other. */
	for (size_t i = 0; i < mounts->count; i++) {
		const struct seed_mount *mount = seed_vec_at(mounts, i);
		size_t len = strcmp(mount->point, "/") == 0 ? 0 : strlen(mount->point);

		if (strncmp(path, mount->point, len) == 0 &&
		    (path[len] == '/' || path[len] == '\0') && (!best || len >= longest)) {
			best = mount;
			longest = len;
		}
	}
	return best;
}

int seed_swaps_read(struct seed_vec *out, const char *path, struct seed_error *err)
{
	struct seed_error inner = { 0 };

	if (each_line(out, path, 1, add_swap, &inner) == 0 ||
	    (inner.kind == SEED_ERR_SYSTEM && inner.sys_errno == ENOENT))
		return 0;
	if (err)
		*err = inner;
	return -1;
}

void seed_swaps_free(struct seed_vec *swaps)
{
	for (size_t i = 0; i < swaps->count; i++)
		free(((struct seed_swap *)seed_vec_at(swaps, i))->path);
	seed_vec_free(swaps);
}
