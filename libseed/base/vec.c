// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/vec.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 16u		/* elements, or 4 times as many bytes of text */

void *seed_vec_push(struct seed_vec *vec, size_t size, const void *item)
{
	uintptr_t inside = (uintptr_t)item - (uintptr_t)vec->items;
	void *slot;

	assert(size > 0 && (vec->count == 0 || vec->size == size));
	if (vec->count == vec->room) {
		size_t room = vec->room ? 2 * vec->room : FIRST_ROOM;
		bool own = vec->items && item && inside < vec->count * size;
		void *items;

		if (room < vec->room || room > SIZE_MAX / 2 / size)
			return NULL;
		items = realloc(vec->items, room * size);
		if (!items)
			return NULL;
		/* A copy of one of our own elements has moved with the array. */
		if (own)
			item = (char *)items + inside;
		vec->items = items;
		vec->room = room;
	}
	vec->size = size;
	slot = (char *)vec->items + vec->count++ * size;
	if (item)
		memcpy(slot, item, size);
	else
		memset(slot, 0, size);
	return slot;
}

void seed_vec_free(struct seed_vec *vec)
{
	free(vec->items);
	*vec = (struct seed_vec){ 0 };
}

/* Room for @more bytes and the NUL. */
static int reserve(struct seed_buf *buf, size_t more, struct seed_error *err)
{
	size_t room = buf->room ? buf->room : 4 * FIRST_ROOM;
	char *data;

	if (more >= SIZE_MAX / 4 - buf->len)
		return seed_error_sys(err, ENOMEM, "text of %zu bytes", more);
	while (room < buf->len + more + 1)
		room *= 2;
	if (room == buf->room)
		return 0;
	data = realloc(buf->data, room);
	if (!data)
		return seed_error_sys(err, ENOMEM, "text of %zu bytes", room);
	buf->data = data;
	buf->room = room;
	buf->data[buf->len] = '\0';
	return 0;
}

int seed_buf_add(struct seed_buf *buf, const void *data, size_t len, struct seed_error *err)
{
	if (reserve(buf, len, err) < 0)
		return -1;
	if (len)
		memcpy(buf->data + buf->len, data, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
	return 0;
}

int seed_buf_addf(struct seed_buf *buf, struct seed_error *err, const char *fmt, ...)
{
	va_list args;
	int len;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if (len < 0)
		return seed_error_sys(err, EOVERFLOW, "format text");
	if (reserve(buf, (size_t)len, err) < 0)
		return -1;
	va_start(args, fmt);
	vsnprintf(buf->data + buf->len, (size_t)len + 1, fmt, args);
	va_end(args);
	buf->len += (size_t)len;
	return 0;
}

void seed_buf_free(struct seed_buf *buf)
{
	free(buf->data);
	*buf = (struct seed_buf){ 0 };
}
