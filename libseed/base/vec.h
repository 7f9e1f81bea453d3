/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A growing array of fixed-size elements. Zeroed is empty. */
#ifndef SEED_BASE_VEC_H
#define SEED_BASE_VEC_H

#include <stddef.h>

#include "base/error.h"

struct seed_vec {
	void *items;
	size_t count, room;	/* elements */
	size_t size;		/* bytes of one element; set on first push */
};

/* Append a copy of the @size bytes at @item (zeroes when NULL); returns where it lies, or NULL
 * when memory is short. Earlier pointers into the array become invalid. */
void *seed_vec_push(struct seed_vec *vec, size_t size, const void *item);
static inline void *seed_vec_at(const struct seed_vec *vec, size_t index)
{
	return (char *)vec->items + index * vec->size;
}
void seed_vec_free(struct seed_vec *vec);	/* frees the array, not what elements own */

/* A growing text buffer that is always NUL-terminated. Zeroed is "". */
struct seed_buf {
	char *data;
	size_t len, room;
};
int seed_buf_add(struct seed_buf *buf, const void *data, size_t len, struct seed_error *err);
int seed_buf_addf(struct seed_buf *buf, struct seed_error *err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void seed_buf_free(struct seed_buf *buf);

#endif
