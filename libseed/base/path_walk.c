// SPDX-License-Identifier: LGPL-2.1-or-later
/* The part of path.h that goes through whole folders. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base_internal.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/vec.h"

#define TREE_DEPTH_MAX 64u	/* ours are four deep; each level holds a descriptor */

static void close_folder(DIR **folder)
{
	if (*folder)
		closedir(*folder);
}

static void free_names(struct seed_vec *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(*(char **)seed_vec_at(names, i));
	seed_vec_free(names);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int keep_name(struct seed_vec *names, const char *name, struct seed_error *err)
{
	char *copy = strdup(name);

	if (!copy || !seed_vec_push(names, sizeof(copy), &copy)) {
		free(copy);
		return seed_error_sys(err, ENOMEM, "list of names");
	}
	return 0;
}

/* All names in the folder @fd, sorted; takes @fd, also on failure. */
static int list_names(int fd, size_t limit, struct seed_vec *names, struct seed_error *err)
{
	SEED_AUTO(close_folder) DIR *folder = fdopendir(fd);
	struct dirent *entry;

	if (!folder) {
		seed_error_sys(err, errno, "list");
		close(fd);
		return -1;
	}
	while (errno = 0, (entry = readdir(folder))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (names->count == limit)
			return seed_error_set(err, SEED_ERR_RANGE, "holds more than %zu names",
					      limit);
		if (keep_name(names, entry->d_name, err) < 0)
			return -1;
	}
	if (errno)
		return seed_error_sys(err, errno, "list");
	if (names->count)
		qsort(names->items, names->count, names->size, compare_names);
	return 0;
}

int seed_path_each(int dir, const char *path, size_t limit,
		   int (*visit)(const char *name, void *arg, struct seed_error *err), void *arg,
		   struct seed_error *err)
{
	SEED_AUTO(free_names) struct seed_vec names = { 0 };
	int fd;

	if (seed_path_open_folder_at(&fd, dir, path, err) < 0)
		return -1;
	if (list_names(fd, limit, &names, err) < 0)
		return seed_error_prefix(err, "%s", path);
	for (size_t i = 0; i < names.count; i++)
		if (visit(*(char **)seed_vec_at(&names, i), arg, err) < 0)
			return -1;
	return 0;
}

/* Empty the folder @fd, which the caller closes. */
static int empty_folder(int fd, unsigned int depth, struct seed_error *err)
{
	SEED_AUTO(free_names) struct seed_vec names = { 0 };
	int listed = -1;

	if (depth > TREE_DEPTH_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "folders lie more than %u deep",
				      TREE_DEPTH_MAX);
	if (seed_path_open_folder_at(&listed, fd, ".", err) < 0 ||
	    list_names(listed, SIZE_MAX, &names, err) < 0)
		return -1;
	for (size_t i = 0; i < names.count; i++) {
		const char *name = *(char **)seed_vec_at(&names, i);
		SEED_AUTO(seed_fd_closep) int inner = -1;

		/* Files and links go as they are; EISDIR (or EPERM) means a folder. */
		if (unlinkat(fd, name, 0) == 0 || errno == ENOENT)
			continue;
		if (errno != EISDIR && errno != EPERM)
			return seed_error_sys(err, errno, "unlink %s", name);
		if (seed_path_open_folder_at(&inner, fd, name, err) < 0 ||
		    empty_folder(inner, depth + 1, err) < 0)
			return -1;
		if (unlinkat(fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
			return seed_error_sys(err, errno, "remove %s", name);
	}
	return 0;
}

int seed_path_remove_tree(int dir, const char *path, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int parent = -1;
	SEED_AUTO(seed_fd_closep) int fd = -1;
	const char *name;

	if (seed_path_split(&parent, &name, dir, path, err) < 0)
		return -1;
	if (seed_path_open_folder_at(&fd, parent, name, err) < 0)
		return -1;
	if (empty_folder(fd, 1, err) < 0)
		return seed_error_prefix(err, "%s", path);
	if (unlinkat(parent, name, AT_REMOVEDIR) < 0)
		return seed_error_sys(err, errno, "remove %s", path);
	return 0;
}
