// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <stdlib.h>

#include "base/buffer.h"

static void memory_is_aligned_and_whole_pages(void **state)
{
	static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 65536, 1048577 };
	struct seed_error err = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t whole = (sizes[i] + SEED_IO_ALIGN - 1) / SEED_IO_ALIGN * SEED_IO_ALIGN;
		char *buf = seed_buffer_new(sizes[i], &err);

		assert_non_null(buf);
		assert_int_equal((uintptr_t)buf % SEED_IO_ALIGN, 0);
		memset(buf, 1, whole);	/* the sanitizers look at the end */
		free(buf);
	}
}

static void too_much_is_an_error(void **state)
{
	struct seed_error err = { 0 };

	(void)state;
	assert_null(seed_buffer_new(SIZE_MAX, &err));
	assert_int_equal(err.kind, SEED_ERR_SYSTEM);
	err.kind = SEED_ERR_NONE;
	assert_null(seed_buffer_new(SIZE_MAX - 4095, &err));
	assert_int_equal(err.kind, SEED_ERR_SYSTEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_is_aligned_and_whole_pages),
		cmocka_unit_test(too_much_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
