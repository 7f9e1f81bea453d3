// SPDX-License-Identifier: LGPL-2.1-or-later
/* On a clock of its own. */
#include "cmocka_all.h"

#include <stdbool.h>

#include "wire/pace.h"

#define SECOND UINT64_C(1000000000)

/* Bytes in the second behind the first one, waking @late_ns later than asked each time. */
static uint64_t second_with(uint64_t limit, size_t piece, uint64_t late_ns)
{
	struct seed_pace pace = { .limit = 0 };
	uint64_t now = 77 * SECOND, end = now + 2 * SECOND, sent = 0;

	while (now < end) {
		uint64_t wait = 0;
		size_t may = seed_pace_ask(&pace, limit, now, piece, &wait);

		assert_true(may <= piece);
		if (may) {
			seed_pace_took(&pace, may);
			sent += now >= end - SECOND ? may : 0;
		} else {
			assert_true(wait > 0);
			now += wait + late_ns;
		}
	}
	return sent;
}

static void a_second_holds_the_limit(void **state)
{
	const uint64_t limits[] = { 100, 1000, 12345, 1000000, 125000000, UINT64_C(5000000000) };
	const uint64_t late[] = { 0, 50000, 5000000, 25000000 };

	(void)state;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		for (size_t j = 0; j < sizeof(late) / sizeof(late[0]); j++) {
			uint64_t sent = second_with(limits[i], 65536, late[j]);

			if (sent * 100 < limits[i] * 95 || sent * 100 > limits[i] * 105)
				fail_msg("limit %llu, late %llu: %llu",
					 (unsigned long long)limits[i],
					 (unsigned long long)late[j], (unsigned long long)sent);
		}
}

static void what_was_not_used_is_lost(void **state)
{
	struct seed_pace pace = { .limit = 0 };
	uint64_t wait = 0;

	(void)state;
	assert_int_equal(seed_pace_ask(&pace, 1000000, SECOND, 65536, &wait), 0);
	/* An hour later: 1/25 second's worth. */
	assert_int_equal(seed_pace_ask(&pace, 1000000, 3600 * SECOND, 65536, &wait), 40000);
	seed_pace_took(&pace, 40000);
	assert_int_equal(seed_pace_ask(&pace, 1000000, 3600 * SECOND, 65536, &wait), 0);
}

static void no_limit_and_huge_limits_let_all_go(void **state)
{
	struct seed_pace pace = { .limit = 0 };
	uint64_t wait = 0;

	(void)state;
	assert_int_equal(seed_pace_ask(&pace, 0, SECOND, 65536, &wait), 65536);
	assert_int_equal(seed_pace_ask(&pace, UINT64_MAX, SECOND, 65536, &wait), 65536);
	seed_pace_took(&pace, 65536);
	assert_int_equal(seed_pace_ask(&pace, UINT64_MAX, SECOND, 65536, &wait), 65536);
	assert_int_equal(seed_pace_ask(&pace, 0, SECOND, 65536, &wait), 65536);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_holds_the_limit),
		cmocka_unit_test(what_was_not_used_is_lost),
		cmocka_unit_test(no_limit_and_huge_limits_let_all_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
