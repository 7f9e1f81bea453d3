// SPDX-License-Identifier: LGPL-2.1-or-later
/* What every kind of sink shares: ranges are checked once, here. */
#include "image/sink.h"

#include <inttypes.h>

#include "image/source.h"

static int check_range(const struct seed_sink *sink, uint64_t len, uint64_t offset,
		       const char *what, struct seed_error *err)
{
	if (offset <= sink->size && len <= sink->size - offset)
		return 0;
	return seed_error_set(err, SEED_ERR_RANGE,
			      "%" PRIu64 " bytes at offset %" PRIu64 " of a disk of %" PRIu64
			      " bytes cannot be %s", len, offset, sink->size, what);
}

static int check_io(const struct seed_sink *sink, size_t len, uint64_t offset, const char *what,
		    struct seed_error *err)
{
	if (len == 0 || len > SEED_IO_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "%zu bytes cannot be %s at once", len,
				      what);
	return check_range(sink, len, offset, what, err);
}

int seed_sink_write(struct seed_sink *sink, const void *buf, size_t len, uint64_t offset,
		    struct seed_error *err)
{
	if (check_io(sink, len, offset, "written", err) < 0)
		return -1;
	return sink->ops->write(sink, buf, len, offset, err);
}

int seed_sink_read(struct seed_sink *sink, void *buf, size_t len, uint64_t offset,
		   struct seed_error *err)
{
	if (check_io(sink, len, offset, "read", err) < 0)
		return -1;
	return sink->ops->read(sink, buf, len, offset, err);
}

int seed_sink_reserve(struct seed_sink *sink, uint64_t offset, uint64_t len,
		      struct seed_error *err)
{
	if (check_range(sink, len, offset, "reserved", err) < 0)
		return -1;
	return len ? sink->ops->reserve(sink, offset, len, err) : 0;
}

int seed_sink_sync(struct seed_sink *sink, struct seed_error *err)
{
	return sink->ops->sync(sink, err);
}

int seed_sink_close(struct seed_sink *sink, struct seed_error *err)
{
	return sink->ops->close(sink, err);
}

void seed_sink_abandonp(struct seed_sink **sink)
{
	if (*sink)
		(void)(*sink)->ops->close(*sink, NULL);
	*sink = NULL;
}
