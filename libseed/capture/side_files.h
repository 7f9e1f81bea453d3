/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The side files of a VM (definition, NVRAM, TPM state), read whole when the VM's turn comes. */
#ifndef SEED_CAPTURE_SIDE_FILES_H
#define SEED_CAPTURE_SIDE_FILES_H

#include "base/event.h"
#include "base/vec.h"
#include "vmdef/vmdef.h"

#define SEED_SIDE_FILE_MAX (64u << 20)	/* bytes */

struct seed_side_file {
	char role[16];			/* as in struct seed_vmdef_file */
	char *data;
	size_t len;
};

/**
 * seed_side_files_read() - all side files that a definition names
 * @out: struct seed_side_file, appended; the caller clears it, also on failure
 * @events: NVRAM that was never made (a VM that never started) is noted here as a warning
 *
 * Anything else that is missing or cannot be read fails, named by its role and path.
 */
int seed_side_files_read(struct seed_vec *out, const struct seed_vmdef *def,
			 const struct seed_events *events, struct seed_error *err);
void seed_side_files_clear(struct seed_vec *files);

#endif
