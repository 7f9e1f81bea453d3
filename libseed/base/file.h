/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Small whole files. Two ways to write, for two kinds of file system:
 *
 * seed_file_create() for media: write-once under the final name, never over
 * an existing file, fsynced; its folder is fsynced by the caller's commit.
 * A crash leaves no file, a torn file, or the whole one; a torn one does not
 * count because no commit names it.
 *
 * seed_file_replace() for the host's own file systems: temporary file, fsync,
 * rename over, fsync of the folder. A crash leaves the old file or the new one.
 * seed_file_replace_unsynced() leaves the fsyncs out: after a crash of the machine the file may
 * also be torn, for what is read strictly and can be had again.
 * Temporary names begin with ".tmp-" and are swept by seed_file_sweep().
 */
#ifndef SEED_BASE_FILE_H
#define SEED_BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include "base/error.h"

/**
 * seed_file_read() - read a whole file beneath @dir
 * @out: receives a NUL-terminated buffer that the caller frees
 * @len: receives its length, the NUL not counted
 * @max: a longer file is SEED_ERR_RANGE and not read
 */
int seed_file_read(int dir, const char *path, size_t max, char **out, size_t *len,
		   struct seed_error *err);
int seed_file_create(int dir, const char *path, const void *data, size_t len, mode_t mode,
		     struct seed_error *err);
int seed_file_replace(int dir, const char *path, const void *data, size_t len, mode_t mode,
		      struct seed_error *err);
int seed_file_replace_unsynced(int dir, const char *path, const void *data, size_t len, mode_t mode,
			       struct seed_error *err);
/* Remove left-over temporary files of seed_file_replace() in a folder. */
int seed_file_sweep(int dir, struct seed_error *err);

#endif
