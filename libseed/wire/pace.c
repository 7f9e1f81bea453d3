// SPDX-License-Identifier: LGPL-2.1-or-later
#include "wire/pace.h"

#define SECOND UINT64_C(1000000000)
#define BURST_NS (SECOND / 25)	/* what a late wake-up may make up for */
#define PIECE_NS (SECOND / 100)	/* waiting for less than this much costs more than it smooths */
#define LIMIT_MAX (UINT64_C(1) << 33)	/* bytes a second; @credit stays below 2^63 */

static uint64_t at_least_one_byte(uint64_t credit)
{
	return credit < SECOND ? SECOND : credit;
}

size_t seed_pace_ask(struct seed_pace *pace, uint64_t limit, uint64_t now_ns, size_t want,
		     uint64_t *wait_ns)
{
	uint64_t most, need, gone;

	if (limit != pace->limit)
		*pace = (struct seed_pace){ .limit = limit, .last_ns = now_ns };
	if (limit == 0 || limit > LIMIT_MAX || want == 0)
		return want;
	gone = now_ns - pace->last_ns;
	most = at_least_one_byte(limit * BURST_NS);
	/* A second's worth of credit is more than can be held: no product overflows. */
	pace->credit += limit * (gone < SECOND ? gone : SECOND);
	if (pace->credit > most)
		pace->credit = most;
	pace->last_ns = now_ns;
	need = at_least_one_byte(limit * PIECE_NS);
	if (want < need / SECOND)
		need = want * SECOND;
	if (pace->credit < need) {
		*wait_ns = (need - pace->credit) / limit + 1;
		return 0;
	}
	return want < pace->credit / SECOND ? want : pace->credit / SECOND;
}

void seed_pace_took(struct seed_pace *pace, size_t bytes)
{
	uint64_t spent = bytes * SECOND;

	if (pace->limit && pace->limit <= LIMIT_MAX)
		pace->credit -= spent < pace->credit ? spent : pace->credit;
}
