// SPDX-License-Identifier: LGPL-2.1-or-later
/* What every kind of source shares: ranges are checked once, here. */
#include "image/source.h"

#include <assert.h>
#include <inttypes.h>

int seed_source_read(struct seed_source *src, void *buf, size_t len, uint64_t offset,
		     struct seed_error *err)
{
	if (len == 0 || len > SEED_IO_MAX || offset > src->size || len > src->size - offset)
		return seed_error_set(err, SEED_ERR_RANGE,
				      "%zu bytes at offset %" PRIu64 " of a disk of %" PRIu64
				      " bytes cannot be read", len, offset, src->size);
	return src->ops->read(src, buf, len, offset, err);
}

int seed_source_extent(struct seed_source *src, uint64_t offset, uint64_t *end,
		       enum seed_extent_kind *kind, struct seed_error *err)
{
	if (offset >= src->size)
		return seed_error_set(err, SEED_ERR_RANGE,
				      "offset %" PRIu64 " lies past the end of a disk of %" PRIu64
				      " bytes", offset, src->size);
	if (src->ops->extent(src, offset, end, kind, err) < 0)
		return -1;
	assert(*end > offset && *end <= src->size);
	return 0;
}

int seed_source_identity(struct seed_source *src, struct seed_source_identity *out,
			 struct seed_error *err)
{
	return src->ops->identity(src, out, err);
}

static int64_t in_ns(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void seed_source_identity_of_file(struct seed_source_identity *out, const struct stat *st)
{
	*out = (struct seed_source_identity){
		.device = st->st_dev, .inode = st->st_ino, .size = (uint64_t)st->st_size,
		.mtime_ns = in_ns(st->st_mtim), .ctime_ns = in_ns(st->st_ctim), .provable = true,
	};
}

bool seed_source_identity_equal(const struct seed_source_identity *a,
				const struct seed_source_identity *b)
{
	return a->provable && b->provable && a->device == b->device && a->inode == b->inode &&
	       a->size == b->size && a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

void seed_source_close(struct seed_source *src)
{
	if (src)
		src->ops->close(src);
}
