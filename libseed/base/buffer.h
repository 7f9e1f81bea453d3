/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Page-aligned memory for O_DIRECT: @size is rounded up to whole pages. free() frees it. */
#ifndef SEED_BASE_BUFFER_H
#define SEED_BASE_BUFFER_H

#include <stddef.h>

#include "base/error.h"

#define SEED_IO_ALIGN 4096u	/* enough for every disk and file system we meet */

void *seed_buffer_new(size_t size, struct seed_error *err);

#endif
