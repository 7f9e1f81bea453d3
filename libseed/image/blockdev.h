/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Block devices: opening one exclusively, and who has it when that fails. */
#ifndef SEED_IMAGE_BLOCKDEV_H
#define SEED_IMAGE_BLOCKDEV_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* Read-only and O_EXCL: nobody mounts it, or builds dm or md on it, while it is open. A
 * device in use is SEED_ERR_BUSY, with who uses it. @size in bytes, @sector_size: logical. */
int seed_blockdev_open(int *out, const char *path, uint64_t *size, uint32_t *sector_size,
		       struct seed_error *err);

/* What uses the device @rdev or a partition of it, as a phrase: "mounted on "/srv"",
 * "part of dm-3 ("vg-web01")", "used as swap"; "in use" when the system does not say.
 * Returns @out. */
char *seed_blockdev_user(dev_t rdev, char *out, size_t size);

#endif
