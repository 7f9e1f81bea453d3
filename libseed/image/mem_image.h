/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A disk in memory that fails on request: for tests of whoever reads or writes disks. */
#ifndef SEED_IMAGE_MEM_IMAGE_H
#define SEED_IMAGE_MEM_IMAGE_H

#include "image/sink.h"
#include "image/source.h"

struct seed_mem_image {
	uint8_t *data;			/* borrowed; @size bytes */
	uint64_t size;
	uint64_t fail_read_at;		/* a read of this byte fails: EIO; UINT64_MAX: never */
	uint64_t fail_write_at;		/* the same for writes */
	uint64_t bytes_read;		/* counted, to show what was not read */
	bool fail_sync;
};

int seed_mem_source_open(struct seed_source **out, struct seed_mem_image *image,
			 struct seed_error *err);
int seed_mem_sink_open(struct seed_sink **out, struct seed_mem_image *image,
		       struct seed_error *err);

#endif
