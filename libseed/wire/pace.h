/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How much may be written now, so that a link is filled to a limit and no further. What was not
 * used in 1/25 second is lost, so any second holds at most 4 % more than the limit. One thread.
 */
#ifndef SEED_WIRE_PACE_H
#define SEED_WIRE_PACE_H

#include <stddef.h>
#include <stdint.h>

struct seed_pace {
	uint64_t limit;		/* bytes a second; 0: none */
	uint64_t last_ns;	/* until when @credit is counted */
	uint64_t credit;	/* bytes times 10^9 */
};

/* Bytes of @want that may go at @now_ns (monotonic); 0: ask again in *@wait_ns. A changed @limit
 * counts from now on. */
size_t seed_pace_ask(struct seed_pace *pace, uint64_t limit, uint64_t now_ns, size_t want,
		     uint64_t *wait_ns);
/* @bytes of them went. */
void seed_pace_took(struct seed_pace *pace, size_t bytes);

#endif
