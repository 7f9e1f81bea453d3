/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A folder of our own for temporary lists, in TMPDIR or /var/tmp. */
#ifndef TOOLS_SCRATCH_H
#define TOOLS_SCRATCH_H

#include "base/error.h"

struct scratch {
	int fd;
	char path[64];
};

int scratch_make(struct scratch *out, struct seed_error *err);
/* With all files in it. */
void scratch_remove(struct scratch *scratch);

#endif
