/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * QEMU's image lock: byte-range locks on the image itself, by which QEMU's
 * processes (and libguestfs, qemu-img, qemu-nbd) agree who may do what.
 *
 * Byte 100 + i, locked: somebody uses permission i. Byte 200 + i: somebody
 * does not share it. The locks are shared ones of the open file description
 * (F_OFD_SETLK, F_RDLCK), so that any number may stand on a byte; who takes
 * them looks afterwards whether somebody stands on the opposite byte.
 */
#ifndef SEED_IMAGE_IMAGE_LOCK_H
#define SEED_IMAGE_IMAGE_LOCK_H

#include <stdbool.h>

#include "base/error.h"

/**
 * seed_image_lock() - hold an image for a consistent read: nobody may write or resize it
 * @fd:   open for reading; the lock ends with its open file description
 * @held: false where the file system has no such locks, and nothing is known
 * @err:  SEED_ERR_BUSY with the program and pid of who may write it, as far as /proc tells
 */
int seed_image_lock(int fd, bool *held, struct seed_error *err);

/* Has somebody the file open for writing just now, lock or no lock: a loop device, dd, another
 * hypervisor? Asked by a lease that is given back at once. False also where nobody can tell
 * (not our file, no leases in this file system). @fd is open for reading only. */
bool seed_image_has_writer(int fd);

#endif
