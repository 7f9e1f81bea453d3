// SPDX-License-Identifier: LGPL-2.1-or-later
#include "block/grid.h"

#include <string.h>

#define STEP 256u	/* bytes between two looks: the branch costs little, the stop comes soon */

typedef uint64_t vector __attribute__((vector_size(16)));

static bool step_is_zero(const uint8_t *p)
{
	vector sum = { 0, 0 }, part[STEP / sizeof(vector)];

	memcpy(part, p, STEP);		/* loads of any alignment; no copy is made */
	for (size_t i = 0; i < STEP / sizeof(vector); i++)
		sum |= part[i];
	return (sum[0] | sum[1]) == 0;
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
