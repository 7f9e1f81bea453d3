// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include "base/vec.h"

static void pushed_items_are_found_again(void **state)
{
	struct seed_vec vec = { 0 };

	(void)state;
	for (uint32_t i = 0; i < 10000; i++) {
		uint32_t *slot = seed_vec_push(&vec, sizeof(i), &i);

		assert_non_null(slot);
		assert_int_equal(*slot, i);
	}
	assert_int_equal(vec.count, 10000);
	for (uint32_t i = 0; i < 10000; i++)
		assert_int_equal(*(uint32_t *)seed_vec_at(&vec, i), i);
	seed_vec_free(&vec);
	assert_null(vec.items);
	assert_int_equal(vec.count, 0);
	seed_vec_free(&vec);
}

static void no_item_means_zeroes(void **state)
{
	struct seed_vec vec = { 0 };
	char ones[24], zeroes[24] = { 0 };

	(void)state;
	memset(ones, 1, sizeof(ones));
	for (int i = 0; i < 100; i++) {
		assert_non_null(seed_vec_push(&vec, sizeof(ones), ones));
		assert_memory_equal(seed_vec_push(&vec, sizeof(ones), NULL), zeroes, 24);
	}
	seed_vec_free(&vec);
}

static void an_item_of_the_array_itself_can_be_pushed(void **state)
{
	struct seed_vec vec = { 0 };
	uint64_t first = 42;

	(void)state;
	assert_non_null(seed_vec_push(&vec, sizeof(first), &first));
	for (int i = 0; i < 5000; i++)
		assert_non_null(seed_vec_push(&vec, sizeof(first), seed_vec_at(&vec, vec.count - 1)));
	for (size_t i = 0; i < vec.count; i++)
		assert_int_equal(*(uint64_t *)seed_vec_at(&vec, i), 42);
	seed_vec_free(&vec);
}

static void a_size_that_overflows_is_short_memory(void **state)
{
	struct seed_vec vec = { 0 };

	(void)state;
	assert_null(seed_vec_push(&vec, SIZE_MAX / 8, NULL));
	assert_int_equal(vec.count, 0);
	seed_vec_free(&vec);
}

static void text_grows_and_stays_terminated(void **state)
{
	struct seed_buf buf = { 0 };
	struct seed_error err = { 0 };

	(void)state;
	assert_ok(seed_buf_add(&buf, "", 0, &err), &err);
	assert_string_equal(buf.data, "");
	assert_ok(seed_buf_add(&buf, "a\0b", 3, &err), &err);
	assert_memory_equal(buf.data, "a\0b", 4);
	assert_ok(seed_buf_addf(&buf, &err, "%s-%d", "x", 7), &err);
	assert_int_equal(buf.len, 6);
	assert_memory_equal(buf.data, "a\0bx-7", 7);
	seed_buf_free(&buf);
	for (int i = 0; i < 3000; i++) {
		assert_ok(seed_buf_addf(&buf, &err, "%04d", i), &err);
		assert_int_equal(buf.data[buf.len], '\0');
		assert_true(buf.len < buf.room);
	}
	assert_int_equal(buf.len, 12000);
	assert_memory_equal(buf.data + 4 * 2999, "2999", 5);
	seed_buf_free(&buf);
	assert_null(buf.data);
}

static void one_long_piece_fits(void **state)
{
	static char big[100000];
	struct seed_buf buf = { 0 };
	struct seed_error err = { 0 };

	(void)state;
	memset(big, 'b', sizeof(big) - 1);
	assert_ok(seed_buf_addf(&buf, &err, "%s", big), &err);
	assert_string_equal(buf.data, big);
	assert_fails(seed_buf_add(&buf, big, SIZE_MAX / 2, &err), &err, SEED_ERR_SYSTEM);
	assert_string_equal(buf.data, big);
	seed_buf_free(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pushed_items_are_found_again),
		cmocka_unit_test(no_item_means_zeroes),
		cmocka_unit_test(an_item_of_the_array_itself_can_be_pushed),
		cmocka_unit_test(a_size_that_overflows_is_short_memory),
		cmocka_unit_test(text_grows_and_stays_terminated),
		cmocka_unit_test(one_long_piece_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
