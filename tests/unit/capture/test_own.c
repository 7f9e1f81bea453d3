// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <stdio.h>
#include <sys/stat.h>

#include "block/digest_list.h"
#include "capture/own.h"
#include "tmpdir.h"

#define UUID(digit) digit digit "-" digit "-" digit "-" digit "-" digit digit digit

static const struct seed_id web = { { 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
				      0x11, 0x11, 0x11, 0x11, 0x11, 0x11 } };

/* HOME/vms/UUID/NAME with the digests of @first and the next ones. */
static void put_list(const struct tmpdir *home, const char *uuid, const char *name, uint8_t first,
		     uint8_t count)
{
	struct seed_list *list = NULL;
	struct seed_error err = { 0 };
	char path[128];

	mkdirat(home->fd, "vms", 0700);
	snprintf(path, sizeof(path), "vms/%s", uuid);
	mkdirat(home->fd, path, 0700);
	snprintf(path, sizeof(path), "vms/%s/%s", uuid, name);
	assert_ok(seed_list_create(&list, home->fd, path, 100, &err), &err);
	for (uint8_t i = 0; i < count; i++) {
		struct seed_digest d = { { (uint8_t)(first + i) } };

		assert_ok(seed_list_set(list, 10u + i, &d, 1, &err), &err);
	}
	seed_list_close(list);
}

static unsigned int noted;

static void count_warning(void *arg, const struct seed_event *event)
{
	(void)arg;
	noted += event->kind == SEED_EVENT_WARNING;
}

static const struct seed_events events = { .report = count_warning };

static void what_other_vms_have_is_not_own(void **state)
{
	struct seed_own_wanted wanted[] = { { .uuid = &web, .slot = "vda" },
					    { .uuid = &web, .slot = "vdb" } };
	const struct tmpdir *home = *state;
	struct seed_error err = { 0 };
	struct seed_run *run;

	noted = 0;
	put_list(home, UUID("1111"), "vda.list", 1, 20);
	put_list(home, UUID("1111"), "vdb.list", 1, 5);
	put_list(home, UUID("1111"), "vdc+part.list", 1, 20);
	put_list(home, UUID("2222"), "vda.list", 11, 4);
	put_list(home, UUID("3333"), "sda.list", 200, 4);
	tmpdir_put(home, "vms/" UUID("3333") "/sdb.list", "torn", 4);
	assert_ok(seed_capture_own_blocks(home->fd, wanted, 2, &events, &err), &err);
	assert_int_equal(wanted[0].blocks, 16);
	assert_int_equal(wanted[0].compared, 2);
	assert_int_equal(wanted[0].runs.count, 2);
	run = wanted[0].runs.items;
	assert_int_equal(run[0].start, 10);
	assert_int_equal(run[0].count, 10);
	assert_int_equal(run[1].start, 24);
	assert_int_equal(run[1].count, 6);
	/* Blocks that only the VM's other disk has are its own. */
	assert_int_equal(wanted[1].blocks, 5);
	assert_int_equal(noted, 1);
	for (size_t i = 0; i < 2; i++)
		seed_vec_free(&wanted[i].runs);
}

static void a_damaged_list_that_is_wanted_is_an_error(void **state)
{
	struct seed_own_wanted wanted = { .uuid = &web, .slot = "vda" };
	const struct tmpdir *home = *state;
	struct seed_error err = { 0 };

	put_list(home, UUID("1111"), "vda.list", 1, 20);
	tmpdir_put(home, "vms/" UUID("1111") "/vda.list", "torn", 4);
	assert_fails(seed_capture_own_blocks(home->fd, &wanted, 1, &events, &err), &err,
		     SEED_ERR_FORMAT);
	assert_int_equal(wanted.runs.count, 0);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_HOME(what_other_vms_have_is_not_own),
		IN_HOME(a_damaged_list_that_is_wanted_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
