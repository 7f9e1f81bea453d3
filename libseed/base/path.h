/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opening what lies beneath a folder that we hold, and nothing else: openat2
 * with RESOLVE_BENEATH | NO_SYMLINKS | NO_MAGICLINKS. Files must be regular:
 * a fifo, device or link in their place is SEED_ERR_FORMAT, and opening never
 * hangs (O_NONBLOCK while looking). Missing is SEED_ERR_NOTFOUND.
 */
#ifndef SEED_BASE_PATH_H
#define SEED_BASE_PATH_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

/* A folder by operator-given path (links in it are the operator's business). */
int seed_path_open_folder(int *out, const char *path, struct seed_error *err);

/* @path is relative to @dir; @flags as for open(2), O_CLOEXEC is added. */
int seed_path_open(int *out, int dir, const char *path, int flags, mode_t mode,
		   struct seed_error *err);
int seed_path_open_folder_at(int *out, int dir, const char *path, struct seed_error *err);

/* Make one folder (its parents exist); an existing folder is fine. The parent
 * is fsynced when a folder was made. */
int seed_path_make_folder(int dir, const char *path, mode_t mode, struct seed_error *err);

/* True if something of that name is there, link or not. */
bool seed_path_exists(int dir, const char *path);

/**
 * seed_path_each() - call @visit for each name in a folder, sorted by byte value
 * @path:  relative to @dir, "." for @dir itself
 * @limit: more names than this are SEED_ERR_RANGE, before any visit
 * @visit: -1 ends the walk with its error; never sees "." and ".."
 */
int seed_path_each(int dir, const char *path, size_t limit,
		   int (*visit)(const char *name, void *arg, struct seed_error *err), void *arg,
		   struct seed_error *err);

/* Unlink a file; one that is not there is fine. The folder is not fsynced. */
int seed_path_unlink(int dir, const char *path, struct seed_error *err);
/* Remove a folder and all in it, never following a link out of it; folders more than 64
 * deep are SEED_ERR_RANGE. */
int seed_path_remove_tree(int dir, const char *path, struct seed_error *err);

#endif
