// SPDX-License-Identifier: LGPL-2.1-or-later
#include "block/grid.h"

#define STEP 256u	/* bytes between two looks: the branch costs little, the stop comes soon */

/* Loads of any alignment from bytes of any type. */
typedef uint64_t vector __attribute__((vector_size(16), aligned(1), may_alias));

/* Four sums, since one would wait for itself. */
static bool step_is_zero(const uint8_t *data)
{
	const vector *p = (const vector *)data;
	vector a = { 0, 0 }, b = a, c = a, d = a;

	for (size_t i = 0; i < STEP / sizeof(vector); i += 4) {
		a |= p[i];
		b |= p[i + 1];
		c |= p[i + 2];
		d |= p[i + 3];
	}
	a |= b | c | d;
	return (a[0] | a[1]) == 0;
}

bool seed_block_is_zero(const void *data, size_t len)
{
	const uint8_t *p = data;

	for (; len >= STEP; p += STEP, len -= STEP)
		if (!step_is_zero(p))
			return false;
	for (; len; p++, len--)
		if (*p)
			return false;
	return true;
}
