/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A raw image file or a block device as a source. Raw is what the operator
 * says: nothing is ever probed.
 *
 * A source is held while it is open. A block device is opened O_EXCL: one that
 * is mounted, or under dm or md, is SEED_ERR_BUSY and named with what holds it.
 * Files and devices take QEMU's image lock (OFD byte locks at 100+ and 200+, as
 * block/file-posix.c does; QEMU opens devices without O_EXCL): one that a running
 * QEMU may write is SEED_ERR_BUSY, with the holder's program and pid. A file
 * where locks do not work, or that somebody without such a lock has open for
 * writing (a loop device, say), is UNPROVEN, not refused. Anything but a regular
 * file or block device is FORMAT.
 *
 * The text of errors of open begins with @path, or, where that goes by way of an open folder
 * (/proc/self/fd/N/NAME), with NAME; those of reading do not.
 */
#ifndef SEED_IMAGE_RAW_SOURCE_H
#define SEED_IMAGE_RAW_SOURCE_H

#include "image/source.h"

int seed_raw_source_open(struct seed_source **out, const char *path, struct seed_error *err);

#endif
