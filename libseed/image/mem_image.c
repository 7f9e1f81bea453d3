// SPDX-License-Identifier: LGPL-2.1-or-later
#include "image/mem_image.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define HOLE_GRAIN 4096u	/* bytes: whole zero pages at multiples of it are holes */

struct mem_source {
	struct seed_source base;
	struct seed_mem_image *image;
};

struct mem_sink {
	struct seed_sink base;
	struct seed_mem_image *image;
};

static bool covers(uint64_t offset, size_t len, uint64_t byte)
{
	return byte >= offset && byte - offset < len;
}

static int read_image(struct seed_mem_image *image, void *buf, size_t len, uint64_t offset,
		      struct seed_error *err)
{
	if (covers(offset, len, image->fail_read_at))
		return seed_error_sys(err, EIO, "read at offset %" PRIu64, offset);
	memcpy(buf, image->data + offset, len);
	__atomic_fetch_add(&image->bytes_read, len, __ATOMIC_RELAXED);
	return 0;
}

static int source_read(struct seed_source *src, void *buf, size_t len, uint64_t offset,
		       struct seed_error *err)
{
	return read_image(((struct mem_source *)src)->image, buf, len, offset, err);
}

/* Where the page that holds @offset ends. */
static uint64_t page_end(const struct seed_mem_image *image, uint64_t offset)
{
	uint64_t end = offset - offset % HOLE_GRAIN + HOLE_GRAIN;

	return end < image->size ? end : image->size;
}

static enum seed_extent_kind page_kind(const struct seed_mem_image *image, uint64_t offset)
{
	uint64_t end = page_end(image, offset);

	for (uint64_t at = offset - offset % HOLE_GRAIN; at < end; at++)
		if (image->data[at])
			return SEED_EXTENT_DATA;
	return SEED_EXTENT_ZERO;
}

static int source_extent(struct seed_source *src, uint64_t offset, uint64_t *end,
			 enum seed_extent_kind *kind, struct seed_error *err)
{
	const struct seed_mem_image *image = ((struct mem_source *)src)->image;

	(void)err;
	*kind = page_kind(image, offset);
	*end = page_end(image, offset);
	while (*end < image->size && page_kind(image, *end) == *kind)
		*end = page_end(image, *end);
	return 0;
}

static int source_identity(struct seed_source *src, struct seed_source_identity *out,
			   struct seed_error *err)
{
	(void)err;
	*out = (struct seed_source_identity){ .size = src->size, .provable = false };
	return 0;
}

static void source_close(struct seed_source *src)
{
	free(src->name);
	free(src);
}

static const struct seed_source_ops source_ops = {
	.read = source_read,
	.extent = source_extent,
	.identity = source_identity,
	.close = source_close,
};

static int sink_write(struct seed_sink *sink, const void *buf, size_t len, uint64_t offset,
		      struct seed_error *err)
{
	struct seed_mem_image *image = ((struct mem_sink *)sink)->image;

	if (covers(offset, len, image->fail_write_at))
		return seed_error_sys(err, EIO, "write at offset %" PRIu64, offset);
	memcpy(image->data + offset, buf, len);
	return 0;
}

static int sink_read(struct seed_sink *sink, void *buf, size_t len, uint64_t offset,
		     struct seed_error *err)
{
	return read_image(((struct mem_sink *)sink)->image, buf, len, offset, err);
}

static int sink_reserve(struct seed_sink *sink, uint64_t offset, uint64_t len,
			struct seed_error *err)
{
	(void)sink;
	(void)offset;
	(void)len;
	(void)err;
	return 0;
}

static int sink_sync(struct seed_sink *sink, struct seed_error *err)
{
	return ((struct mem_sink *)sink)->image->fail_sync ? seed_error_sys(err, EIO, "fsync") : 0;
}

static int sink_close(struct seed_sink *sink, struct seed_error *err)
{
	(void)err;
	free(sink->name);
	free(sink);
	return 0;
}

static const struct seed_sink_ops sink_ops = {
	.write = sink_write,
	.read = sink_read,
	.reserve = sink_reserve,
	.sync = sink_sync,
	.close = sink_close,
};

int seed_mem_source_open(struct seed_source **out, struct seed_mem_image *image,
			 struct seed_error *err)
{
	struct mem_source *mem = malloc(sizeof(*mem));
	char *name = strdup("memory");

	if (!mem || !name) {
		free(mem);
		free(name);
		return seed_error_sys(err, ENOMEM, "open a disk");
	}
	*mem = (struct mem_source){
		.base = { .ops = &source_ops, .name = name, .size = image->size,
			  .sector_size = 512, .held = SEED_CAPTURED_OFFLINE },
		.image = image,
	};
	*out = &mem->base;
	return 0;
}

int seed_mem_sink_open(struct seed_sink **out, struct seed_mem_image *image,
		       struct seed_error *err)
{
	struct mem_sink *mem = malloc(sizeof(*mem));
	char *name = strdup("memory");

	if (!mem || !name) {
		free(mem);
		free(name);
		return seed_error_sys(err, ENOMEM, "open a disk");
	}
	*mem = (struct mem_sink){
		.base = { .ops = &sink_ops, .name = name, .size = image->size, .zeroed = false },
		.image = image,
	};
	*out = &mem->base;
	return 0;
}
