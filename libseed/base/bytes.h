/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Little-endian integers in byte arrays, and a cursor that cannot run past
 * its end: once a read does not fit, the cursor is bad and every later read
 * yields zero, so a parser checks once, at its end.
 */
#ifndef SEED_BASE_BYTES_H
#define SEED_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t seed_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t seed_get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t seed_get64(const uint8_t *p)
{
	return (uint64_t)seed_get32(p) | (uint64_t)seed_get32(p + 4) << 32;
}

static inline void seed_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void seed_put32(uint8_t *p, uint32_t v)
{
	seed_put16(p, (uint16_t)v);
	seed_put16(p + 2, (uint16_t)(v >> 16));
}

static inline void seed_put64(uint8_t *p, uint64_t v)
{
	seed_put32(p, (uint32_t)v);
	seed_put32(p + 4, (uint32_t)(v >> 32));
}

struct seed_cursor {
	const uint8_t *next;
	size_t left;	/* bytes */
	bool bad;	/* a read did not fit */
};

static inline struct seed_cursor seed_cursor_of(const void *data, size_t len)
{
	return (struct seed_cursor){ .next = data, .left = len };
}

/* Borrow the next @len bytes, or NULL with the cursor bad. */
static inline const uint8_t *seed_cursor_take(struct seed_cursor *c, size_t len)
{
	const uint8_t *p = c->next;

	if (c->bad || len > c->left) {
		c->bad = true;
		return NULL;
	}
	c->next += len;
	c->left -= len;
	return p;
}

static inline uint8_t seed_cursor_u8(struct seed_cursor *c)
{
	const uint8_t *p = seed_cursor_take(c, 1);

	return p ? *p : 0;
}

static inline uint16_t seed_cursor_u16(struct seed_cursor *c)
{
	const uint8_t *p = seed_cursor_take(c, 2);

	return p ? seed_get16(p) : 0;
}

static inline uint32_t seed_cursor_u32(struct seed_cursor *c)
{
	const uint8_t *p = seed_cursor_take(c, 4);

	return p ? seed_get32(p) : 0;
}

static inline uint64_t seed_cursor_u64(struct seed_cursor *c)
{
	const uint8_t *p = seed_cursor_take(c, 8);

	return p ? seed_get64(p) : 0;
}

/* @len bytes, taken; are they there, and zero? */
static inline bool seed_cursor_zero(struct seed_cursor *c, size_t len)
{
	const uint8_t *p = seed_cursor_take(c, len);
	uint8_t any = 0;

	for (size_t i = 0; p && i < len; i++)
		any |= p[i];
	return p && !any;
}

/* Copy the next @len bytes to @out; zeroes when the cursor is bad. */
static inline void seed_cursor_copy(struct seed_cursor *c, void *out, size_t len)
{
	const uint8_t *p = seed_cursor_take(c, len);

	if (p)
		memcpy(out, p, len);
	else
		memset(out, 0, len);
}

#endif
