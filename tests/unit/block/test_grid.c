// SPDX-License-Identifier: LGPL-2.1-or-later
#include <stdlib.h>

#include "base/cleanup.h"
#include "block/grid.h"
#include "cmocka_all.h"

static void the_last_block_may_be_short(void **state)
{
	(void)state;
	assert_int_equal(seed_grid_blocks(0), 0);
	assert_int_equal(seed_grid_blocks(1), 1);
	assert_int_equal(seed_grid_blocks(65536), 1);
	assert_int_equal(seed_grid_blocks(65537), 2);
	assert_int_equal(seed_grid_blocks(SEED_DISK_MAX), (uint64_t)1 << 34);
	assert_int_equal(seed_grid_blocks(UINT64_MAX), (uint64_t)1 << 48);
	assert_int_equal(seed_grid_length(65537, 0), 65536);
	assert_int_equal(seed_grid_length(65537, 1), 1);
	assert_int_equal(seed_grid_length(131072, 1), 65536);
}

/* One byte anywhere, at every length and alignment around the steps. */
static void one_byte_anywhere_is_seen(void **state)
{
	uint8_t buf[1200] = { 0 };

	(void)state;
	for (size_t align = 0; align < 17; align++) {
		for (size_t len = 0; len < 1100; len += 1 + len / 40) {
			uint8_t *p = buf + align;

			p[len] = 1;		/* just behind: not ours */
			assert_true(seed_block_is_zero(p, len));
			p[len] = 0;
			for (size_t at = 0; at < len; at++) {
				p[at] = (uint8_t)(1u << at % 8);
				assert_false(seed_block_is_zero(p, len));
				p[at] = 0;
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_block_may_be_short),
		cmocka_unit_test(one_byte_anywhere_is_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
