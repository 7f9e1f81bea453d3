// SPDX-License-Identifier: LGPL-2.1-or-later
/* A time of day in which something may run. tools/ is no library: its file is taken in here. */
#include "cmocka_all.h"

#include <stdlib.h>

#include "../../../tools/window.c"

static time_t at(int hour, int minute)
{
	struct tm tm = { .tm_year = 126, .tm_mon = 5, .tm_mday = 10, .tm_hour = hour, .tm_min = minute };

	return timegm(&tm);
}

static int utc(void **state)
{
	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	return 0;
}

/* Against the definition, each minute of a day. */
static void holds_from_until(const char *text, int from, int to)
{
	struct window w;
	struct seed_error err = { 0 };

	assert_ok(window_parse(&w, text, &err), &err);
	for (int minute = 0; minute < 1440; minute++) {
		bool inside = false;

		for (int m = from; m < to; m++)
			inside |= m % 1440 == minute;
		assert_int_equal(window_holds(&w, at(minute / 60, minute % 60)), inside);
	}
}

static void a_window_begins_and_ends_on_the_minute(void **state)
{
	(void)state;
	holds_from_until("09:30-17:05", 9 * 60 + 30, 17 * 60 + 5);
	holds_from_until("00:00-00:01", 0, 1);
	holds_from_until("18:00-24:00", 18 * 60, 24 * 60);
	holds_from_until("1:2-3:4", 62, 184);
}

static void a_window_may_go_over_midnight(void **state)
{
	(void)state;
	holds_from_until("22:00-06:00", 22 * 60, 30 * 60);
	holds_from_until("23:59-00:01", 1439, 1441);
	holds_from_until("24:00-06:00", 0, 6 * 60);
	holds_from_until("12:01-12:00", 721, 720 + 1440);
}

static void the_whole_day_is_a_window(void **state)
{
	(void)state;
	holds_from_until("00:00-24:00", 0, 1440);
}

static void what_is_no_window_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "22:00", "22:00-", "-06:00", "22-06", "25:00-06:00", "22:60-06:00", "22:00-24:01",
		"24:01-06:00", "22:00-06:00 ", "22:00-06:00x", "a:b-c:d", "22:00-06:0x",
		"22:00-06:000", "06:00-06:00", "22.00-06.00", "-1:00-06:00", "22:-1-06:00",
		"222:00-06:00", "\xff",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct window w;
		struct seed_error err;

		err = (struct seed_error){ 0 };
		if (window_parse(&w, bad[i], &err) == 0)
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(err.kind, SEED_ERR_USAGE);
		assert_non_null(strstr(err.text, "--window"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_window_begins_and_ends_on_the_minute),
		cmocka_unit_test(a_window_may_go_over_midnight),
		cmocka_unit_test(the_whole_day_is_a_window),
		cmocka_unit_test(what_is_no_window_is_refused),
	};

	return cmocka_run_group_tests(tests, utc, NULL);
}
