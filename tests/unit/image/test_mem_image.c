// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>

#include "base/cleanup.h"
#include "cmocka_all.h"
#include "image/mem_image.h"

static void a_source_shows_holes_and_counts_what_is_read(void **state)
{
	SEED_AUTO(seed_source_closep) struct seed_source *src = NULL;
	uint8_t data[20000] = { [9000] = 1 }, buf[100];
	struct seed_mem_image image = {
		.data = data, .size = sizeof(data), .fail_read_at = UINT64_MAX,
		.fail_write_at = UINT64_MAX,
	};
	struct seed_error err = { 0 };
	enum seed_extent_kind kind;
	uint64_t end;

	(void)state;
	assert_ok(seed_mem_source_open(&src, &image, &err), &err);
	assert_ok(seed_source_extent(src, 10, &end, &kind, &err), &err);
	assert_int_equal(end, 8192);
	assert_int_equal(kind, SEED_EXTENT_ZERO);
	assert_ok(seed_source_extent(src, end, &end, &kind, &err), &err);
	assert_int_equal(end, 12288);
	assert_int_equal(kind, SEED_EXTENT_DATA);
	assert_ok(seed_source_extent(src, end, &end, &kind, &err), &err);
	assert_int_equal(end, 20000);
	assert_int_equal(kind, SEED_EXTENT_ZERO);
	assert_ok(seed_source_read(src, buf, 100, 8950, &err), &err);
	assert_int_equal(buf[50], 1);
	assert_int_equal(image.bytes_read, 100);
}

static void reads_writes_and_syncs_fail_on_request(void **state)
{
	SEED_AUTO(seed_source_closep) struct seed_source *src = NULL;
	SEED_AUTO(seed_sink_abandonp) struct seed_sink *sink = NULL;
	uint8_t data[1000] = { 0 }, buf[100] = { 7 };
	struct seed_mem_image image = {
		.data = data, .size = sizeof(data), .fail_read_at = 500, .fail_write_at = 0,
		.fail_sync = true,
	};
	struct seed_error err = { 0 };

	(void)state;
	assert_ok(seed_mem_source_open(&src, &image, &err), &err);
	assert_ok(seed_mem_sink_open(&sink, &image, &err), &err);
	assert_ok(seed_source_read(src, buf, 100, 400, &err), &err);
	assert_fails(seed_source_read(src, buf, 100, 401, &err), &err, SEED_ERR_SYSTEM);
	assert_int_equal(err.sys_errno, EIO);
	assert_ok(seed_source_read(src, buf, 100, 501, &err), &err);
	buf[0] = 7;
	assert_fails(seed_sink_write(sink, buf, 1, 0, &err), &err, SEED_ERR_SYSTEM);
	assert_int_equal(data[0], 0);
	assert_ok(seed_sink_write(sink, buf, 1, 1, &err), &err);
	assert_int_equal(data[1], 7);
	assert_fails(seed_sink_sync(sink, &err), &err, SEED_ERR_SYSTEM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_source_shows_holes_and_counts_what_is_read),
		cmocka_unit_test(reads_writes_and_syncs_fail_on_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
