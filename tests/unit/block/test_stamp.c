// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include "block/stamp.h"
#include "tmpdir.h"

static const struct seed_stamp sample = {
	.identity = { .device = UINT64_MAX, .inode = (uint64_t)1 << 60, .size = 5u << 16,
		      .mtime_ns = 1767323045123456789, .ctime_ns = -5, .provable = true },
	.recorded = 1767323048,
	.blocks = 3,
};

static void a_stamp_is_read_as_it_was_written(void **state)
{
	const struct tmpdir *home = *state;
	struct seed_error err = { 0 };
	struct seed_stamp out;

	assert_fails(seed_stamp_read(&out, home->fd, "vda", &err), &err, SEED_ERR_NOTFOUND);
	assert_ok(seed_stamp_write(home->fd, "vda", &sample, &err), &err);
	assert_ok(seed_stamp_read(&out, home->fd, "vda", &err), &err);
	assert_true(seed_source_identity_equal(&out.identity, &sample.identity));
	assert_int_equal(out.recorded, sample.recorded);
	assert_int_equal(out.blocks, 3);
	assert_fails(seed_stamp_read(&out, home->fd, "vdb", &err), &err, SEED_ERR_NOTFOUND);
	assert_fails(seed_stamp_write(home->fd, "../vda", &sample, &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_stamp_read(&out, home->fd, "..", &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_stamp_write(home->fd, "vda/other", &sample, &err), &err, SEED_ERR_FORMAT);
	assert_ok(seed_stamp_write(home->fd, "vdb" SEED_STAMP_PART, &sample, &err), &err);
	assert_fails(seed_stamp_read(&out, home->fd, "vdb", &err), &err, SEED_ERR_NOTFOUND);
}

#define STAMP(mtime, blocks) \
	"{\"schema\": \"vmseed-stamp\", \"schema_version\": 1, \"device\": \"1\", " \
	"\"inode\": \"2\", \"size\": \"65537\", \"mtime_ns\": " mtime ", \"ctime_ns\": \"1\", " \
	"\"provable\": true, \"recorded\": \"9\", \"blocks\": " blocks "}"

static void malformed_stamps_are_refused(void **state)
{
	static const char *const cases[] = {
		"", "{}", STAMP("1", "1"), STAMP("\"\"", "1"), STAMP("\"-\"", "1"),
		STAMP("\" 1\"", "1"), STAMP("\"+1\"", "1"), STAMP("\"9223372036854775808\"", "1"),
		STAMP("\"99999999999999999999\"", "1"), STAMP("\"1\"", "3"), STAMP("\"1\"", "-1"),
	};
	const struct tmpdir *home = *state;
	struct seed_error err = { 0 };
	struct seed_stamp out;

	tmpdir_put(home, "vda.stamp", STAMP("\"1\"", "2"),
		   strlen(STAMP("\"1\"", "2")));
	assert_ok(seed_stamp_read(&out, home->fd, "vda", &err), &err);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		tmpdir_put(home, "vda.stamp", cases[i], strlen(cases[i]));
		assert_fails(seed_stamp_read(&out, home->fd, "vda", &err), &err, SEED_ERR_FORMAT);
		assert_non_null(strstr(err.text, "vda.stamp"));
	}
}

static void only_what_was_still_for_two_seconds_proves(void **state)
{
	const int64_t s = 1000000000;
	struct seed_stamp stamp = sample;
	struct seed_source_identity now;

	(void)state;
	stamp.recorded = 1000;
	stamp.identity.mtime_ns = stamp.identity.ctime_ns = 998 * s - 1;
	now = stamp.identity;
	assert_true(seed_stamp_proves(&stamp, &now));
	now.size++;
	assert_false(seed_stamp_proves(&stamp, &now));
	now = stamp.identity;
	now.provable = false;
	assert_false(seed_stamp_proves(&stamp, &now));
	now = stamp.identity = (struct seed_source_identity){ .mtime_ns = 998 * s, .provable = true };
	assert_false(seed_stamp_proves(&stamp, &now));
	now = stamp.identity = (struct seed_source_identity){ .ctime_ns = 998 * s, .provable = true };
	assert_false(seed_stamp_proves(&stamp, &now));
	now = stamp.identity = (struct seed_source_identity){ .ctime_ns = 2000 * s, .provable = true };
	assert_false(seed_stamp_proves(&stamp, &now));
	stamp.recorded = INT64_MIN;
	now = stamp.identity = (struct seed_source_identity){ .provable = true };
	assert_false(seed_stamp_proves(&stamp, &now));
}

static void what_was_set_back_proves_though_it_changed_just_now(void **state)
{
	const int64_t s = 1000000000;
	struct seed_stamp stamp = sample;
	struct seed_source_identity now;

	(void)state;
	stamp.recorded = 1000;
	stamp.identity.mtime_ns = 990 * s;
	stamp.identity.ctime_ns = 1000 * s + 5;
	now = stamp.identity;
	assert_true(seed_stamp_proves_set_back(&stamp, &now));
	assert_false(seed_stamp_proves(&stamp, &now));
	now.mtime_ns = 1000 * s + 5;	/* written to, ctime where it was */
	assert_false(seed_stamp_proves_set_back(&stamp, &now));
	stamp.identity = now;		/* nobody set it back */
	assert_false(seed_stamp_proves_set_back(&stamp, &now));
	now = stamp.identity = (struct seed_source_identity){ .mtime_ns = 990 * s };
	assert_false(seed_stamp_proves_set_back(&stamp, &now));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_stamp_is_read_as_it_was_written, tmpdir_setup,
						tmpdir_teardown),
		cmocka_unit_test_setup_teardown(malformed_stamps_are_refused, tmpdir_setup,
						tmpdir_teardown),
		cmocka_unit_test(only_what_was_still_for_two_seconds_proves),
		cmocka_unit_test(what_was_set_back_proves_though_it_changed_just_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
