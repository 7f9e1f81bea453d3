/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A raw file as a sink. Writes that are aligned (buffer, offset and length to
 * SEED_IO_ALIGN) go past the page cache where the file system allows O_DIRECT;
 * the short end of an odd-sized disk, and file systems that refuse, go
 * through it. A block never goes both ways, so the two never meet on one page.
 */
#ifndef SEED_IMAGE_RAW_SINK_H
#define SEED_IMAGE_RAW_SINK_H

#include <sys/types.h>

#include "image/sink.h"

/* A new file of @size zero bytes, sparse, mode 0600; one of that name is an error (EEXIST). */
int seed_raw_sink_create(struct seed_sink **out, int dir, const char *path, uint64_t size,
			 struct seed_error *err);
/* Go on with one of ours, made by create and written by nobody else: it counts as zeroed.
 * Another size is SEED_ERR_FORMAT. */
int seed_raw_sink_open(struct seed_sink **out, int dir, const char *path, uint64_t size,
		       struct seed_error *err);

#endif
