/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of a replica's folder that describe the VM and its seed, beside the disks. */
#ifndef SEED_REPLICA_SIDE_FILE_H
#define SEED_REPLICA_SIDE_FILE_H

#include <stdbool.h>

#include "manifest/manifest.h"

#define SEED_SIDE_FILE_NAME 32		/* bytes, with its NUL */

/* "definition", "nvram", "tpm": the name of file @index of @m; a second one of a role gets its
 * number ("nvram.2"). */
void seed_side_file_name(const struct seed_manifest *m, size_t index,
			 char out[SEED_SIDE_FILE_NAME]);
/* Is it such a name, or one of manifest.json, its signature and import.log? One that a newer seed
 * does not bring is stale. */
bool seed_side_file_is(const char *name);

#endif
