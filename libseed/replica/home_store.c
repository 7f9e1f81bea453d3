/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See home_store.h. */
#include "replica/home_store.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"

#define NAMES_MAX 1000000u

/* The remembered path, NULL when none is. */
static int recall(int home, char **out, struct seed_error *err)
{
	struct seed_error why = { 0 };
	size_t len;

	*out = NULL;
	if (seed_file_read(home, "store", PATH_MAX + 1, out, &len, &why) < 0) {
		if (why.kind == SEED_ERR_NOTFOUND)
			return 0;
		*err = why;
		return seed_error_prefix(err, "store");
	}
	if (len < 2 || (*out)[0] != '/' || (*out)[len - 1] != '\n' || strlen(*out) != len) {
		free(*out);
		*out = NULL;
		return seed_error_set(err, SEED_ERR_USAGE,
				      "the home's file \"store\" does not hold one absolute path");
	}
	(*out)[len - 1] = '\0';
	return 0;
}

static int count_name(const char *name, void *arg, struct seed_error *err)
{
	(void)err;
	*(size_t *)arg += name[0] != '.';
	return 0;
}

static bool holds_replicas(int home, const char *remembered)
{
	SEED_AUTO(seed_fd_closep) int dir = -1;
	size_t count = 0;

	if ((remembered ? seed_path_open_folder(&dir, remembered, NULL)
			: seed_path_open_folder_at(&dir, home, "replicas", NULL)) < 0)
		return false;
	return seed_path_each(dir, ".", NAMES_MAX, count_name, &count, NULL) < 0 || count > 0;
}

static char *own_path(int home, struct seed_error *err)
{
	char link[32], path[PATH_MAX];
	ssize_t len;
	char *out;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", home);
	len = readlink(link, path, sizeof(path) - 1);
	if (len < 0) {
		seed_error_sys(err, errno, "home");
		return NULL;
	}
	path[len] = '\0';
	if (asprintf(&out, "%s/replicas", path) < 0) {
		seed_error_sys(err, ENOMEM, "store");
		return NULL;
	}
	return out;
}

/* Another store than before: only while the old one is empty. */
static int remember(int home, const char *real, const char *remembered, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *line = NULL;
	char quoted[SEED_QUOTED];
	int len;

	if (holds_replicas(home, remembered))
		return seed_error_set(err, SEED_ERR_USAGE,
				      "this home keeps its replicas in %s: import there, or forget "
				      "them first",
				      remembered ? seed_quote(remembered, quoted, sizeof(quoted)) :
						   "its own folder \"replicas\"");
	len = asprintf(&line, "%s\n", real);
	if (len < 0)
		return seed_error_sys(err, ENOMEM, "store");
	return seed_file_replace(home, "store", line, (size_t)len, 0600, err);
}

int seed_store_open(int *out, int home, const char *path, bool make, char **where,
		    struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *remembered = NULL;
	SEED_AUTO(seed_freep) char *real = NULL;
	SEED_AUTO(seed_fd_closep) int dir = -1;
	struct seed_error why = { 0 };
	char quoted[SEED_QUOTED];

	if (recall(home, &remembered, err) < 0)
		return -1;
	if (path) {
		real = realpath(path, NULL);
		if (!real)
			return seed_error_sys(err, errno, "store %s",
					      seed_quote(path, quoted, sizeof(quoted)));
	} else if (remembered) {
		real = strdup(remembered);
	} else {
		if (make && seed_path_make_folder(home, "replicas", 0700, err) < 0)
			return -1;
		real = own_path(home, err);
		if (!real)
			return -1;
	}
	if (!real)
		return seed_error_sys(err, ENOMEM, "store");
	if (seed_path_open_folder(&dir, real, &why) < 0) {
		if (why.kind == SEED_ERR_NOTFOUND && !path && !remembered)
			return seed_error_set(err, SEED_ERR_NOTFOUND,
					      "no replicas here: nothing was imported yet");
		*err = why;
		return seed_error_prefix(err, "store");
	}
	if (path && make && (!remembered || strcmp(real, remembered) != 0) &&
	    remember(home, real, remembered, err) < 0)
		return -1;
	*out = dir;
	dir = -1;
	if (where)
		*where = seed_steal(&real);
	return 0;
}
