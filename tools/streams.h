/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The three standard streams: open when we begin, written out when we end. */
#ifndef TOOLS_STREAMS_H
#define TOOLS_STREAMS_H

#include "base/error.h"

/* Open /dev/null on those of descriptors 0 to 2 that are closed, before anything else is opened
 * and takes their place: a message to stderr would land in a disk image. */
void streams_open(void);
/* Write out stdout and look at the result: what a full disk lost of it is an error. */
int streams_finish(struct seed_error *err);

#endif
