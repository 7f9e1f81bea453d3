// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <errno.h>

#include "base/text.h"

static void set_fills_kind_and_text(void **state)
{
	struct seed_error err = { .sys_errno = 5 };

	(void)state;
	assert_int_equal(seed_error_set(&err, SEED_ERR_FORMAT, "pack %u", 7u), -1);
	assert_int_equal(err.kind, SEED_ERR_FORMAT);
	assert_int_equal(err.sys_errno, 0);
	assert_string_equal(err.text, "pack 7");
}

static void sys_keeps_errno(void **state)
{
	struct seed_error err = { 0 };

	(void)state;
	assert_int_equal(seed_error_sys(&err, EIO, "read"), -1);
	assert_int_equal(err.kind, SEED_ERR_SYSTEM);
	assert_int_equal(err.sys_errno, EIO);
}

static void a_lack_of_room_is_the_mediums(void **state)
{
	static const int full[] = { ENOSPC, EDQUOT, EFBIG };
	struct seed_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(full) / sizeof(full[0]); i++) {
		assert_int_equal(seed_error_sys(&err, full[i], "write"), -1);
		assert_int_equal(err.kind, SEED_ERR_MEDIUM);
		assert_int_equal(err.sys_errno, full[i]);
	}
}

static void prefixes_read_outermost_first(void **state)
{
	struct seed_error err = { 0 };

	(void)state;
	seed_error_sys(&err, EIO, "read at offset 5");
	assert_int_equal(seed_error_prefix(&err, "disk %u of %s", 0u, "web01"), -1);
	seed_error_prefix(&err, "export");
	assert_string_equal(err.text, "export: disk 0 of web01: read at offset 5");
	assert_int_equal(err.kind, SEED_ERR_SYSTEM);
	assert_int_equal(err.sys_errno, EIO);
}

static void no_error_wanted_is_fine(void **state)
{
	(void)state;
	assert_int_equal(seed_error_set(NULL, SEED_ERR_RANGE, "x"), -1);
	assert_int_equal(seed_error_sys(NULL, EIO, "x"), -1);
	assert_int_equal(seed_error_prefix(NULL, "x"), -1);
}

static void text_may_be_its_own_argument(void **state)
{
	struct seed_error err = { 0 };

	(void)state;
	seed_error_set(&err, SEED_ERR_FORMAT, "inner");
	seed_error_set(&err, SEED_ERR_TRUST, "outer (%s)", err.text);
	assert_string_equal(err.text, "outer (inner)");
	seed_error_prefix(&err, "%s", err.text);
	assert_string_equal(err.text, "outer (inner): outer (inner)");
}

static void long_text_is_cut_at_its_end(void **state)
{
	char longer[1000];
	struct seed_error err = { 0 };

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	seed_error_set(&err, SEED_ERR_FORMAT, "head %s", longer);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_memory_equal(err.text, "head xxx", 8);
	seed_error_prefix(&err, "more");
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_memory_equal(err.text, "more: head xxx", 14);
	seed_error_prefix(&err, "%s", longer);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}

static void cutting_never_splits_a_character(void **state)
{
	(void)state;
	for (int pad = 0; pad < 8; pad++) {
		struct seed_error err = { 0 };
		char text[1000] = "";

		memset(text, 'a', (size_t)pad);
		for (int i = 0; i < 200; i++)
			strcat(text, "\xe2\x82\xac");
		seed_error_set(&err, SEED_ERR_FORMAT, "%s", text);
		assert_true(seed_utf8_valid(err.text, strlen(err.text)));
		assert_true(strlen(err.text) >= sizeof(err.text) - 4);
		seed_error_prefix(&err, "ab");
		assert_true(seed_utf8_valid(err.text, strlen(err.text)));
	}
}

static void text_stays_one_harmless_line(void **state)
{
	struct seed_error err = { 0 };

	(void)state;
	seed_error_set(&err, SEED_ERR_FORMAT, "a\nb\x1b[31mc\x7f" "d\xc2\x9b" "e\x9b" "f\xff g");
	assert_string_equal(err.text, "a?b?[31mc?d\?\?e?f? g");
	seed_error_set(&err, SEED_ERR_FORMAT, "gr\xc3\xbc\xc3\x9f" "e");
	assert_string_equal(err.text, "gr\xc3\xbc\xc3\x9f" "e");
	seed_error_prefix(&err, "x\ry");
	assert_string_equal(err.text, "x?y: gr\xc3\xbc\xc3\x9f" "e");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_fills_kind_and_text),
		cmocka_unit_test(sys_keeps_errno),
		cmocka_unit_test(a_lack_of_room_is_the_mediums),
		cmocka_unit_test(prefixes_read_outermost_first),
		cmocka_unit_test(no_error_wanted_is_fine),
		cmocka_unit_test(text_may_be_its_own_argument),
		cmocka_unit_test(long_text_is_cut_at_its_end),
		cmocka_unit_test(cutting_never_splits_a_character),
		cmocka_unit_test(text_stays_one_harmless_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
