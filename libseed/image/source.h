/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One disk being read: bytes with holes. A source is a vtable and what every
 * kind has: a name for messages, a size, a sector size, and how well it is held.
 */
#ifndef SEED_IMAGE_SOURCE_H
#define SEED_IMAGE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"

#define SEED_IO_MAX (4u << 20)	/* bytes of one read or write at most */

enum seed_extent_kind { SEED_EXTENT_DATA, SEED_EXTENT_ZERO };

/* What tells "the same bytes as then" without reading: never for a device, whose identity
 * proves nothing (@provable false). */
struct seed_source_identity {
	uint64_t device, inode, size;
	int64_t mtime_ns, ctime_ns;
	bool provable;
};

/* How the copy is being taken; the manifest's "captured" (DESIGN 7). */
enum seed_captured {
	SEED_CAPTURED_OFFLINE,	/* held: exclusive open, or QEMU's image lock */
	SEED_CAPTURED_SNAPSHOT,
	SEED_CAPTURED_CHANGED,	/* it changed while it was read */
	SEED_CAPTURED_UNPROVEN,	/* could not be held */
};

struct seed_source;

struct seed_source_ops {
	/* Exactly @len bytes at @offset, within the size; many threads at once. */
	int (*read)(struct seed_source *src, void *buf, size_t len, uint64_t offset,
		    struct seed_error *err);
	/* *@end > @offset: [@offset, *@end) is all of *@kind. ZERO is a promise, DATA is not. */
	int (*extent)(struct seed_source *src, uint64_t offset, uint64_t *end,
		      enum seed_extent_kind *kind, struct seed_error *err);
	int (*identity)(struct seed_source *src, struct seed_source_identity *out,
			struct seed_error *err);
	void (*close)(struct seed_source *src);	/* frees @src too */
};

struct seed_source {
	const struct seed_source_ops *ops;
	char *name;			/* the path or URI, as given */
	uint64_t size;			/* bytes */
	uint32_t sector_size;		/* bytes: 512 for files, the device's logical one */
	enum seed_captured held;	/* OFFLINE, SNAPSHOT or UNPROVEN */
};

/**
 * seed_source_read() - read one range of the disk
 * @src:    open source; any number of threads may read at once
 * @buf:    receives exactly @len bytes; unspecified after a failure
 * @len:    bytes, 1 to SEED_IO_MAX
 * @offset: bytes from the start of the disk; holes read as zeroes
 * @err:    SEED_ERR_RANGE past the end, SEED_ERR_BUSY when the file became shorter than it
 *          was at the start, SEED_ERR_SYSTEM if the medium fails
 */
int seed_source_read(struct seed_source *src, void *buf, size_t len, uint64_t offset,
		     struct seed_error *err);
int seed_source_extent(struct seed_source *src, uint64_t offset, uint64_t *end,
		       enum seed_extent_kind *kind, struct seed_error *err);
int seed_source_identity(struct seed_source *src, struct seed_source_identity *out,
			 struct seed_error *err);
/* That of a file, as fstat() has it. */
void seed_source_identity_of_file(struct seed_source_identity *out, const struct stat *st);
bool seed_source_identity_equal(const struct seed_source_identity *a,
				const struct seed_source_identity *b);
void seed_source_close(struct seed_source *src);	/* NULL is fine */
static inline void seed_source_closep(struct seed_source **src) { seed_source_close(*src); }

#endif
