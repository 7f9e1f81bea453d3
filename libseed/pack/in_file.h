/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading a file of a medium in large aligned windows, through the page cache
 * or past it. One thread at a time.
 */
#ifndef SEED_PACK_IN_FILE_H
#define SEED_PACK_IN_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/error.h"

struct seed_in_file {
	int fd;
	bool direct;		/* O_DIRECT is on */
	uint64_t length;	/* when it was opened */
};
#define SEED_IN_FILE_CLOSED { .fd = -1 }

/* MEDIUM "missing" or "cannot be opened"; INTEGRITY when it is no regular file. Neither names the
 * file: the caller does. */
int seed_in_file_open(struct seed_in_file *in, int dir, const char *path, struct seed_error *err);
void seed_in_file_closep(struct seed_in_file *in);
/* Past the page cache from now on, where the file system takes it. */
void seed_in_file_go_direct(struct seed_in_file *in);
/* Make sure that reads meet the medium: what is dirty is written, what is cached is dropped, and
 * O_DIRECT where possible. *@sure: false when the cache could not be avoided. */
int seed_in_file_avoid_cache(struct seed_in_file *in, bool *sure, struct seed_error *err);

/**
 * seed_in_file_read() - read the aligned window around a range
 * @buf: aligned, of @room bytes; @len + 2 * SEED_IO_ALIGN are always enough
 * @start: receives where in @buf the byte at @offset lies
 * @err: INTEGRITY when the file ends early, MEDIUM when it cannot be read
 */
int seed_in_file_read(struct seed_in_file *in, uint64_t offset, size_t len, uint8_t *buf,
		      size_t room, size_t *start, struct seed_error *err);

#endif
