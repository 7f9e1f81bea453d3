// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/buffer.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

void *seed_buffer_new(size_t size, struct seed_error *err)
{
	size_t whole = size ? size : 1;
	void *buf = NULL;

	if (whole <= SIZE_MAX / 2) {
		whole = (whole + SEED_IO_ALIGN - 1) / SEED_IO_ALIGN * SEED_IO_ALIGN;
		buf = aligned_alloc(SEED_IO_ALIGN, whole);
	}
	if (!buf)
		seed_error_sys(err, ENOMEM, "buffer of %zu bytes", size);
	return buf;
}
