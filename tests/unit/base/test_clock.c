// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static void times_are_shown_in_utc(void **state)
{
	char text[SEED_TIME_TEXT];

	(void)state;
	assert_string_equal(seed_clock_text(0, text), "1970-01-01T00:00:00Z");
	assert_string_equal(seed_clock_text(951782400, text), "2000-02-29T00:00:00Z");
	assert_string_equal(seed_clock_text(INT64_C(2147483648), text), "2038-01-19T03:14:08Z");
	assert_string_equal(seed_clock_text(INT64_C(4294967296), text), "2106-02-07T06:28:16Z");
	assert_string_equal(seed_clock_text(-1, text), "1969-12-31T23:59:59Z");
}

static void times_beyond_four_digits_stay_in_the_form(void **state)
{
	char text[SEED_TIME_TEXT];

	(void)state;
	assert_string_equal(seed_clock_text(INT64_MAX, text), "9999-12-31T23:59:59Z");
	assert_string_equal(seed_clock_text(INT64_C(253402300799), text), "9999-12-31T23:59:59Z");
	assert_string_equal(seed_clock_text(INT64_C(253402300800), text), "9999-12-31T23:59:59Z");
	assert_int_equal(strlen(seed_clock_text(INT64_MIN, text)), SEED_TIME_TEXT - 1);
}

static void milliseconds_pass(void **state)
{
	uint64_t before = seed_clock_ms(), after;

	(void)state;
	usleep(20000);
	after = seed_clock_ms();
	assert_true(after >= before + 19);
	assert_true(after < before + 60000);
}

static void wall_time_is_that_of_the_system(void **state)
{
	int64_t wall = seed_clock_wall(), now = time(NULL);

	(void)state;
	assert_true(now - wall >= -1 && now - wall <= 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_shown_in_utc),
		cmocka_unit_test(times_beyond_four_digits_stay_in_the_form),
		cmocka_unit_test(milliseconds_pass),
		cmocka_unit_test(wall_time_is_that_of_the_system),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
