/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The label of a file system, by the program that its own tools bring for that. Nothing
 * else of a file system is ever changed by us: no formatting, no partitions.
 */
#ifndef SEED_MEDIA_FS_LABEL_H
#define SEED_MEDIA_FS_LABEL_H

#include <stdbool.h>

#include "base/error.h"

#define SEED_FS_LABEL_ARGS 5

struct seed_fs_label {
	char program[64];		/* its whole path, or its name alone when it is not here */
	bool installed;
	bool while_mounted;		/* false: the file system has to be unmounted before */
	char label[256];		/* what becomes the label: as much of it as this type
					 * takes */
	char command[288];		/* xfs_io's */
	const char *argv[SEED_FS_LABEL_ARGS + 1];	/* into this struct, and what was given */
};

/**
 * seed_fs_label_plan() - which command gives a mounted file system a label
 * @type:  as mountinfo has it: ext4, vfat, xfs...
 * @node:  its device; @point: where it is mounted; both are borrowed by @out, which is not copied
 * @label: a medium's label
 * Return: false when we know of none for this type
 */
bool seed_fs_label_plan(struct seed_fs_label *out, const char *type, const char *node,
			const char *point, const char *label);
/* Run it and wait, its output to stderr; no shell. USAGE when the plan says that it cannot run
 * now, MEDIUM when the program fails. */
int seed_fs_label_run(const struct seed_fs_label *plan, struct seed_error *err);

#endif
