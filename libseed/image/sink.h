/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One disk being written: a replica's disk file now, devices and NBD later. */
#ifndef SEED_IMAGE_SINK_H
#define SEED_IMAGE_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct seed_sink;

struct seed_sink_ops {
	/* Any number of threads may write at once, to ranges that do not overlap. */
	int (*write)(struct seed_sink *sink, const void *buf, size_t len, uint64_t offset,
		     struct seed_error *err);
	int (*read)(struct seed_sink *sink, void *buf, size_t len, uint64_t offset,
		    struct seed_error *err);
	/* A hint that data will come here. A full disk is SEED_ERR_MEDIUM (ENOSPC) now
	 * and not later; unsupported is success. */
	int (*reserve)(struct seed_sink *sink, uint64_t offset, uint64_t len,
		       struct seed_error *err);
	int (*sync)(struct seed_sink *sink, struct seed_error *err);
	int (*close)(struct seed_sink *sink, struct seed_error *err);	/* frees @sink too */
};

struct seed_sink {
	const struct seed_sink_ops *ops;
	char *name;
	uint64_t size;
	bool zeroed;	/* reads as zeroes where nothing was written: we created it */
};

int seed_sink_write(struct seed_sink *sink, const void *buf, size_t len, uint64_t offset,
		    struct seed_error *err);
int seed_sink_read(struct seed_sink *sink, void *buf, size_t len, uint64_t offset,
		   struct seed_error *err);
int seed_sink_reserve(struct seed_sink *sink, uint64_t offset, uint64_t len,
		      struct seed_error *err);
/* Durable on return. Once failed, the sink is dead: the same error again. */
int seed_sink_sync(struct seed_sink *sink, struct seed_error *err);
/* Close on purpose, with the error looked at; @sink is gone also on failure. */
int seed_sink_close(struct seed_sink *sink, struct seed_error *err);
void seed_sink_abandonp(struct seed_sink **sink);	/* for SEED_AUTO */

#endif
