// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <stdlib.h>

#include "base/text.h"

static void check(const char *name, const char *expected)
{
	char out[SEED_QUOTED];

	assert_ptr_equal(seed_quote(name, out, sizeof(out)), out);
	assert_string_equal(out, expected);
}

static void plain_names_are_only_quoted(void **state)
{
	(void)state;
	check("", "\"\"");
	check("web01", "\"web01\"");
	check("gr\xc3\xbc\xc3\x9f" "e \xe2\x82\xac \xf0\x9f\x98\x80",
	      "\"gr\xc3\xbc\xc3\x9f" "e \xe2\x82\xac \xf0\x9f\x98\x80\"");
	check("../../x", "\"../../x\"");
}

static void quotes_and_backslashes_are_escaped(void **state)
{
	(void)state;
	check("a\"b\\c", "\"a\\\"b\\\\c\"");
}

static void controls_are_percent_encoded(void **state)
{
	(void)state;
	check("a\nb\tc\rd", "\"a%0Ab%09c%0Dd\"");
	check("\x1b]0;evil\x07\x1b[2J", "\"%1B]0;evil%07%1B[2J\"");
	check("\x7f", "\"%7F\"");
	check("\xc2\x9b" "31m", "\"%C2%9B31m\"");
}

static void invalid_utf8_is_percent_encoded(void **state)
{
	(void)state;
	check("\xff\xfe", "\"%FF%FE\"");
	check("a\xc3", "\"a%C3\"");
	check("\x9b" "31m", "\"%9B31m\"");
	check("\xc0\x80", "\"%C0%80\"");			/* overlong NUL */
	check("\xe0\x80\xaf", "\"%E0%80%AF\"");			/* overlong slash */
	check("\xed\xa0\x80", "\"%ED%A0%80\"");			/* surrogate */
	check("\xf4\x90\x80\x80", "\"%F4%90%80%80\"");		/* past U+10FFFF */
	check("\xe2\x82x", "\"%E2%82x\"");
}

static void bidi_and_invisible_characters_are_percent_encoded(void **state)
{
	(void)state;
	check("a\xe2\x80\xae" "b", "\"a%E2%80%AEb\"");		/* U+202E override */
	check("\xe2\x81\xa6", "\"%E2%81%A6\"");			/* U+2066 isolate */
	check("\xe2\x80\x8b", "\"%E2%80%8B\"");			/* U+200B zero width space */
	check("\xe2\x80\x8f", "\"%E2%80%8F\"");			/* U+200F mark */
	check("\xd8\x9c", "\"%D8%9C\"");			/* U+061C Arabic mark */
	check("\xef\xbb\xbf", "\"%EF%BB%BF\"");			/* U+FEFF */
	check("\xe2\x80\xa8", "\"%E2%80%A8\"");			/* U+2028 line separator */
	check("\xf3\xa0\x81\x81", "\"%F3%A0%81%81\"");		/* U+E0041 tag */
}

static void long_names_are_cut_inside_the_quotes(void **state)
{
	char out[10];

	(void)state;
	assert_string_equal(seed_quote("1234567", out, sizeof(out)), "\"1234567\"");
	assert_string_equal(seed_quote("12345678", out, sizeof(out)), "\"1234...\"");
	/* Three bytes of a character or of an escape do not stand alone. */
	assert_string_equal(seed_quote("123\xe2\x82\xac" "4567", out, sizeof(out)), "\"123...\"");
	assert_string_equal(seed_quote("12\n34567", out, sizeof(out)), "\"12...\"");
	assert_string_equal(seed_quote("123\"4567", out, sizeof(out)), "\"123...\"");
}

static void tiny_rooms_are_not_overrun(void **state)
{
	char out[16];

	(void)state;
	for (size_t size = 0; size < 8; size++) {
		memset(out, 'Z', sizeof(out));
		seed_quote("abcdefghij", out, size);
		if (size)
			assert_non_null(memchr(out, '\0', size));
		for (size_t i = size; i < sizeof(out); i++)
			assert_int_equal(out[i], 'Z');
	}
}

/* Bytes that break characters often: UTF-8 lead and continuation bytes, escapes. */
static void random_name(char *name, size_t len)
{
	static const char *const pieces[] = {
		"\xe2\x80\xae", "\xc3\xbc", "\xf0\x9f\x98\x80", "\xe2\x80", "\xff", "\x1b[", "\"",
		"\\", "%", "...", "\n", "a", "\xed\xa0\x80", "\xc2\x9b", "\x80", "\xef\xbb\xbf",
	};
	size_t at = 0;

	while (at < len) {
		if (rand() % 2) {
			name[at++] = (char)(rand() % 255 + 1);
		} else {
			const char *piece = pieces[rand() % 16];

			while (*piece && at < len)
				name[at++] = *piece++;
		}
	}
	name[at] = '\0';
}

static void whatever_comes_the_result_is_one_safe_line(void **state)
{
	char name[128], out[160];

	(void)state;
	srand(7);
	for (int i = 0; i < 50000; i++) {
		size_t size = 6 + (size_t)rand() % 150, len;

		random_name(name, (size_t)rand() % 120);
		memset(out, 'Z', sizeof(out));
		seed_quote(name, out, size);
		len = strlen(out);
		assert_true(len >= 2 && len < size);
		assert_true(out[0] == '"' && out[len - 1] == '"');
		assert_true(seed_utf8_valid(out, len));
		for (size_t j = 0; j < len; j++)
			assert_true((unsigned char)out[j] >= 0x20 && out[j] != 0x7f);
		assert_null(strstr(out, "\xe2\x80\xae"));
		assert_null(strstr(out, "\xc2\x9b"));
		assert_null(strstr(out, "\xef\xbb\xbf"));
		if (size == 155 && strlen(name) < 50)
			assert_true(len < 6 || strcmp(out + len - 4, "...\"") != 0 ||
				    strcmp(name + strlen(name) - 3, "...") == 0);
		assert_int_equal(out[size], 'Z');
	}
}

static void utf8_is_judged_strictly(void **state)
{
	static const char *const good[] = { "", "abc", "\xc3\xbc", "\xed\x9f\xbf", "\xee\x80\x80",
					    "\xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80", "\x7f" };
	static const char *const bad[] = { "\x80", "\xc1\xbf", "\xc3", "\xe0\x9f\xbf", "\xed\xa0\x80",
					   "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
					   "\xfe", "a\xe2\x82", "\xe2\x28\xa1" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(seed_utf8_valid(good[i], strlen(good[i])));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(seed_utf8_valid(bad[i], strlen(bad[i])));
	assert_true(seed_utf8_valid("a\0b", 3));
	assert_false(seed_utf8_valid("\xc3\xbc", 1));	/* the length ends it, not the memory */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_names_are_only_quoted),
		cmocka_unit_test(quotes_and_backslashes_are_escaped),
		cmocka_unit_test(controls_are_percent_encoded),
		cmocka_unit_test(invalid_utf8_is_percent_encoded),
		cmocka_unit_test(bidi_and_invisible_characters_are_percent_encoded),
		cmocka_unit_test(long_names_are_cut_inside_the_quotes),
		cmocka_unit_test(tiny_rooms_are_not_overrun),
		cmocka_unit_test(whatever_comes_the_result_is_one_safe_line),
		cmocka_unit_test(utf8_is_judged_strictly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
