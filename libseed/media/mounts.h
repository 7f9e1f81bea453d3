/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is mounted and what is swapped to, as the kernel's tables say: mountinfo and swaps. */
#ifndef SEED_MEDIA_MOUNTS_H
#define SEED_MEDIA_MOUNTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/vec.h"

struct seed_mount {
	uint64_t id;		/* as in /proc/self/fdinfo */
	dev_t device;		/* major 0: anonymous, as tmpfs, btrfs and network file systems
				 * are */
	char *root;		/* what of the file system: "/" is all of it */
	char *point;		/* where */
	char *type;
	char *source;		/* a device's path, or anything else */
	bool read_only;
};

struct seed_swap {
	char *path;
	bool file;		/* not a device */
};

/* @out: struct seed_mount, in the order of the table; FORMAT where a line is none. Emptied by
 * seed_mounts_free(), also after a failure. */
int seed_mounts_read(struct seed_vec *out, const char *path, struct seed_error *err);
void seed_mounts_free(struct seed_vec *mounts);
/* The mount that @path, absolute and without links, lies on: NULL when none is known. */
const struct seed_mount *seed_mounts_over(const struct seed_vec *mounts, const char *path);

/* @out: struct seed_swap. A table that is not there is an empty one: a kernel without swap. */
int seed_swaps_read(struct seed_vec *out, const char *path, struct seed_error *err);
void seed_swaps_free(struct seed_vec *swaps);

#endif
