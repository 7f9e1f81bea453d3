// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "block/grid.h"
#include "block/merkle.h"
#include "capture/own.h"
#include "capture/own_kept.h"
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

#define DAY ((int64_t)24 * 3600)
#define NOW ((int64_t)1700000000)
#define SIZE (100 * (uint64_t)SEED_BLOCK_SIZE)

static unsigned int noted, shown;

static void count_events(void *arg, const struct seed_event *event)
{
	(void)arg;
	noted += event->kind == SEED_EVENT_WARNING;
	shown += event->kind == SEED_EVENT_PROGRESS;
}

static const struct seed_events events = { .report = count_events };

static struct seed_list *open_kept(const struct tmpdir *home, const char *uuid, const char *slot)
{
	struct seed_list *list = NULL;
	struct seed_error err = { 0 };
	char path[128];

	snprintf(path, sizeof(path), "vms/%s/%s.list", uuid, slot);
	assert_ok(seed_list_open(&list, home->fd, path, 100, true, &err), &err);
	return list;
}

/* The reading that the list holds now. */
static struct seed_own_wanted want(const struct tmpdir *home, const struct seed_id *uuid,
				   const char *slot)
{
	struct seed_own_wanted w = { .uuid = uuid, .slot = slot, .size = SIZE };
	struct seed_error err = { 0 };
	char text[SEED_UUID_TEXT];
	struct seed_list *list = open_kept(home, seed_uuid_text(uuid, text), slot);

	assert_ok(seed_merkle_of_list(&w.root, list, SIZE, NULL, NULL, &err), &err);
	seed_list_close(list);
	return w;
}

static int search_at(const struct tmpdir *home, int64_t began, int64_t now,
		     struct seed_own_wanted *wanted, size_t count, struct seed_error *err)
{
	const struct seed_own_search search = { .home = home->fd, .began = began, .now = now,
						.events = &events };

	return seed_capture_own_blocks(&search, wanted, count, err);
}

static void assert_run(const struct seed_own_wanted *w, size_t i, uint64_t start, uint64_t count)
{
	const struct seed_run *run = seed_vec_at(&w->runs, i);

	assert_true(i < w->runs.count);
	assert_int_equal(run->start, start);
	assert_int_equal(run->count, count);
}

static void what_other_vms_have_is_not_own(void **state)
{
	const struct tmpdir *home = *state;
	struct seed_error err = { 0 };

	noted = 0;
	put_list(home, UUID("1111"), "vda.list", 1, 20);
	put_list(home, UUID("1111"), "vdb.list", 1, 5);
	put_list(home, UUID("1111"), "vdc+part.list", 1, 20);
	put_list(home, UUID("2222"), "vda.list", 11, 4);
	put_list(home, UUID("3333"), "sda.list", 200, 4);
	tmpdir_put(home, "vms/" UUID("3333") "/sdb.list", "torn", 4);
	{
		struct seed_own_wanted wanted[] = { want(home, &web, "vda"), want(home, &web, "vdb") };

		assert_ok(search_at(home, NOW, NOW, wanted, 2, &err), &err);
		assert_int_equal(wanted[0].blocks, 16);
		assert_int_equal(wanted[0].compared, 2);
		assert_int_equal(wanted[0].runs.count, 2);
		assert_run(&wanted[0], 0, 10, 10);
		assert_run(&wanted[0], 1, 24, 6);
		/* Blocks that only the VM's other disk has are its own. */
		assert_int_equal(wanted[1].blocks, 5);
		assert_int_equal(noted, 1);
		for (size_t i = 0; i < 2; i++)
			seed_vec_free(&wanted[i].runs);
	}
}

static void a_damaged_list_that_is_wanted_is_an_error(void **state)
{
	struct seed_own_wanted wanted = { .uuid = &web, .slot = "vda" };
	const struct tmpdir *home = *state;
	struct seed_error err = { 0 };

	put_list(home, UUID("1111"), "vda.list", 1, 20);
	tmpdir_put(home, "vms/" UUID("1111") "/vda.list", "torn", 4);
	assert_fails(search_at(home, NOW, NOW, &wanted, 1, &err), &err, SEED_ERR_FORMAT);
	assert_int_equal(wanted.runs.count, 0);
}

/* ---- what is kept ---- */

static const struct seed_id db = { { 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22,
				     0x22, 0x22, 0x22, 0x22, 0x22, 0x22 } };

/* web: 16 own blocks of 20; db: 4 of 8. */
static void two_vms(const struct tmpdir *home)
{
	put_list(home, UUID("1111"), "vda.list", 1, 20);
	put_list(home, UUID("2222"), "vda.list", 17, 8);
}

/* Asked for web again: how many own blocks, and how many other VMs. */
static void assert_web(const struct tmpdir *home, int64_t began, int64_t now, uint64_t blocks,
		       uint32_t compared)
{
	struct seed_own_wanted w = want(home, &web, "vda");
	struct seed_error err = { 0 };

	assert_ok(search_at(home, began, now, &w, 1, &err), &err);
	assert_int_equal(w.blocks, blocks);
	assert_int_equal(w.compared, compared);
	assert_int_equal(seed_own_runs_sum(&w.runs), blocks);
	seed_vec_free(&w.runs);
}

static struct seed_own_kept kept_of(const struct tmpdir *home, const char *uuid)
{
	struct seed_own_kept kept;
	struct seed_error err = { 0 };
	char path[64];
	int dir = -1;

	snprintf(path, sizeof(path), "vms/%s", uuid);
	assert_ok(seed_path_open_folder_at(&dir, home->fd, path, &err), &err);
	assert_ok(seed_own_kept_read(&kept, dir, "vda", &err), &err);
	close(dir);
	return kept;
}

static int64_t recorded_of(const struct tmpdir *home, const char *uuid)
{
	struct seed_own_kept kept = kept_of(home, uuid);
	int64_t recorded = kept.recorded;

	seed_own_kept_clear(&kept);
	return recorded;
}

static void edit_web(const struct tmpdir *home, void (*edit)(struct seed_own_kept *))
{
	struct seed_own_kept kept = kept_of(home, UUID("1111"));
	struct seed_error err = { 0 };
	int dir = -1;

	edit(&kept);
	assert_ok(seed_path_open_folder_at(&dir, home->fd, "vms/" UUID("1111"), &err), &err);
	assert_ok(seed_own_kept_write(dir, "vda", &kept, &err), &err);
	close(dir);
	seed_own_kept_clear(&kept);
}

static void what_is_kept_is_used_and_no_list_is_read(void **state)
{
	const struct tmpdir *home = *state;
	struct seed_own_wanted w;
	struct seed_error err = { 0 };

	two_vms(home);
	w = want(home, &web, "vda");
	assert_ok(search_at(home, NOW, NOW, &w, 1, &err), &err);
	assert_int_equal(w.blocks, 16);
	/* Now there is nothing in any list that could be read. */
	tmpdir_put(home, "vms/" UUID("1111") "/vda.list", "", 0);
	tmpdir_put(home, "vms/" UUID("2222") "/vda.list", "", 0);
	shown = 0;
	for (int64_t day = 0; day < 7; day++) {
		w.blocks = 0;
		assert_ok(search_at(home, NOW + day * DAY, NOW + day * DAY, &w, 1, &err), &err);
		assert_int_equal(w.blocks, 16);
		assert_int_equal(w.compared, 1);
		assert_int_equal(w.runs.count, 1);
		assert_run(&w, 0, 10, 16);
	}
	assert_int_equal(shown, 0);
	/* Of another reading it says nothing. */
	w.root.bytes[0] ^= 1;
	assert_ok(search_at(home, NOW, NOW, &w, 1, &err), &err);
	assert_int_equal(w.blocks, 0);
	seed_vec_free(&w.runs);
}

static void a_disk_that_ends_within_a_block_is_known_again(void **state)
{
	const struct tmpdir *home = *state;
	struct seed_own_wanted w;
	struct seed_list *list;
	struct seed_error err = { 0 };

	two_vms(home);
	w = want(home, &web, "vda");
	w.size = SIZE - 1000;
	list = open_kept(home, UUID("1111"), "vda");
	assert_ok(seed_merkle_of_list(&w.root, list, w.size, NULL, NULL, &err), &err);
	seed_list_close(list);
	for (int i = 0; i < 2; i++) {
		assert_ok(search_at(home, NOW, NOW, &w, 1, &err), &err);
		assert_int_equal(w.blocks, 16);
		put_list(home, UUID("2222"), "vda.list", 1, 20);
	}
	seed_vec_free(&w.runs);
}

static void another_vm_or_one_less_makes_it_anew(void **state)
{
	const struct tmpdir *home = *state;

	two_vms(home);
	assert_web(home, NOW, NOW, 16, 1);
	put_list(home, UUID("3333"), "sda.list", 1, 2);
	assert_web(home, NOW, NOW, 14, 2);
	/* A disk more of a VM that is known, too. */
	put_list(home, UUID("2222"), "vdb.list", 3, 1);
	assert_web(home, NOW, NOW, 13, 2);
	assert_int_equal(unlinkat(home->fd, "vms/" UUID("3333") "/sda.list", 0), 0);
	assert_web(home, NOW, NOW, 15, 1);
}

static void age_makes_it_anew(void **state)
{
	const struct tmpdir *home = *state;

	two_vms(home);
	assert_web(home, NOW, NOW, 16, 1);
	put_list(home, UUID("2222"), "vda.list", 16, 8);
	assert_web(home, NOW, NOW + SEED_OWN_AGE_MAX, 16, 1);
	assert_web(home, NOW, NOW + SEED_OWN_AGE_MAX + 1, 15, 1);
	/* The clock was set back: nobody knows how old it is. */
	put_list(home, UUID("2222"), "vda.list", 15, 8);
	assert_web(home, NOW, NOW, 14, 1);
}

static void lose_quarter(struct seed_own_kept *kept) { kept->first = 21; }
static void lose_more(struct seed_own_kept *kept) { kept->first = 22; }
static void lose_all(struct seed_own_kept *kept)
{
	kept->blocks = 0;
	kept->runs.count = 0;
}
static void judged_enough(struct seed_own_kept *kept) { kept->unjudged = 16; }
static void judged_too_little(struct seed_own_kept *kept) { kept->unjudged = 17; }

static void one_that_lost_too_much_is_made_anew_once_a_day(void **state)
{
	static const struct {
		void (*edit)(struct seed_own_kept *kept);
		bool at_once, next_day;
	} cases[] = {
		{ lose_quarter, false, false }, { lose_more, false, true }, { lose_all, true, true },
		{ judged_enough, false, false }, { judged_too_little, false, true },
	};
	const struct tmpdir *home = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		two_vms(home);
		assert_web(home, NOW, NOW + 9 * DAY * (int64_t)(i + 1), 16, 1);
		edit_web(home, cases[i].edit);
		put_list(home, UUID("2222"), "vda.list", 16, 8);
		assert_web(home, NOW, NOW + 9 * DAY * (int64_t)(i + 1) + 100,
			   cases[i].at_once ? 15 : 16, 1);
		assert_web(home, NOW, NOW + 9 * DAY * (int64_t)(i + 1) + DAY,
			   cases[i].next_day ? 15 : 16, 1);
	}
}

static void a_damaged_file_is_as_none(void **state)
{
	static const char *const bad[] = {
		"", "{}", "[]", "{\"schema\": \"vmseed-own\", \"schema_version\": 1}", "\xff\x00",
	};
	static const char *const members[][2] = {
		{ "\"schema_version\": 1", "\"schema_version\": 2" },
		{ "\"blocks\": 16", "\"blocks\": 15" },
		{ "\"blocks\": 16", "\"blocks\": 101" },
		{ "\"first\": 16", "\"first\": -1 " },
		{ "\"compared\": 1", "\"compares\": 1" },
		{ "  10,", "  99," }, { "  10,", "  \"x\"," }, { "  10,", "  10, 4, 14," },
		{ "  10,", "  10, 3, 13, 0, 14," }, { "  10,", "  10,  10," },
	};
	const struct tmpdir *home = *state;
	static const char path[] = "vms/" UUID("1111") "/vda.own";
	char text[4096], edited[4200], *at;
	ssize_t len;
	int fd;

	two_vms(home);
	assert_web(home, NOW, NOW, 16, 1);
	fd = openat(home->fd, path, O_RDONLY);
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_true(len > 0);
	text[len] = '\0';
	put_list(home, UUID("2222"), "vda.list", 16, 8);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		tmpdir_put(home, path, bad[i], strlen(bad[i]));
		assert_web(home, NOW, NOW, 15, 1);
	}
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		at = strstr(text, members[i][0]);
		assert_non_null(at);
		snprintf(edited, sizeof(edited), "%.*s%s%s", (int)(at - text), text, members[i][1],
			 at + strlen(members[i][0]));
		tmpdir_put(home, path, edited, strlen(edited));
		assert_web(home, NOW, NOW, 15, 1);
	}
	tmpdir_put(home, path, text, (size_t)len);
	assert_web(home, NOW, NOW, 16, 1);
	/* Larger than any can be. */
	fd = openat(home->fd, path, O_WRONLY);
	assert_int_equal(ftruncate(fd, 3 << 20), 0);
	close(fd);
	assert_web(home, NOW, NOW, 15, 1);
}

static void one_pass_serves_all_vms_but_those_of_this_run(void **state)
{
	const struct tmpdir *home = *state;
	struct seed_own_wanted w;
	struct seed_error err = { 0 };

	two_vms(home);
	/* db was worked out with web: a list that would say otherwise is not read. */
	assert_web(home, NOW, NOW, 16, 1);
	assert_int_equal(recorded_of(home, UUID("2222")), NOW);
	w = want(home, &db, "vda");
	put_list(home, UUID("1111"), "vda.list", 17, 20);
	assert_ok(search_at(home, NOW, NOW + 5, &w, 1, &err), &err);
	assert_int_equal(w.blocks, 4);
	assert_run(&w, 0, 14, 4);
	seed_vec_free(&w.runs);
	/* A new VM in a run that had db already: db has its turn in the next run. */
	put_list(home, UUID("3333"), "sda.list", 90, 2);
	assert_web(home, NOW, NOW + 10, 12, 2);
	assert_int_equal(recorded_of(home, UUID("1111")), NOW + 10);
	assert_int_equal(recorded_of(home, UUID("2222")), NOW);
	put_list(home, UUID("4444"), "sda.list", 95, 2);
	assert_web(home, NOW + 20, NOW + 20, 12, 3);
	assert_int_equal(recorded_of(home, UUID("2222")), NOW + 20);
}

static void a_vm_alone_keeps_nothing(void **state)
{
	const struct tmpdir *home = *state;

	put_list(home, UUID("1111"), "vda.list", 1, 20);
	assert_web(home, NOW, NOW, 20, 0);
	assert_false(seed_path_exists(home->fd, "vms/" UUID("1111") "/vda.own"));
}

static void a_signal_ends_it_and_nothing_is_kept(void **state)
{
	const struct tmpdir *home = *state;
	struct seed_cancel cancel = { .signal = 15 };
	const struct seed_own_search search = { .home = home->fd, .began = NOW, .now = NOW,
						.cancel = &cancel };
	struct seed_error err = { 0 };
	struct seed_own_wanted w;

	two_vms(home);
	w = want(home, &web, "vda");
	assert_fails(seed_capture_own_blocks(&search, &w, 1, &err), &err, SEED_ERR_CANCELLED);
	assert_int_equal(w.runs.count, 0);
	assert_false(seed_path_exists(home->fd, "vms/" UUID("1111") "/vda.own"));
}

static void many_lists_need_few_descriptors_and_little_memory(void **state)
{
	enum { VMS = 1500 };
	const struct tmpdir *home = *state;
	struct rlimit usual, few;
	struct rusage used;
	char uuid[SEED_UUID_TEXT];

	two_vms(home);
	for (unsigned int i = 0; i < VMS; i++) {
		snprintf(uuid, sizeof(uuid), "33333333-3333-3333-3333-%012u", i);
		put_list(home, uuid, "vda.list", (uint8_t)(100 + i % 50), 4);
	}
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
	few = usual;
	few.rlim_cur = 256;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_web(home, NOW, NOW, 16, VMS + 1);
	assert_web(home, NOW, NOW, 16, VMS + 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
	assert_int_equal(getrusage(RUSAGE_SELF, &used), 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	assert_true(used.ru_maxrss < 128 << 10);
#endif
	/* All of them were worked out. */
	assert_int_equal(recorded_of(home, uuid), NOW);
}

#define IN_HOME(test) cmocka_unit_test_setup_teardown(test, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_HOME(what_other_vms_have_is_not_own),
		IN_HOME(a_damaged_list_that_is_wanted_is_an_error),
		IN_HOME(what_is_kept_is_used_and_no_list_is_read),
		IN_HOME(a_disk_that_ends_within_a_block_is_known_again),
		IN_HOME(another_vm_or_one_less_makes_it_anew),
		IN_HOME(age_makes_it_anew),
		IN_HOME(one_that_lost_too_much_is_made_anew_once_a_day),
		IN_HOME(a_damaged_file_is_as_none),
		IN_HOME(one_pass_serves_all_vms_but_those_of_this_run),
		IN_HOME(a_vm_alone_keeps_nothing),
		IN_HOME(a_signal_ends_it_and_nothing_is_kept),
		IN_HOME(many_lists_need_few_descriptors_and_little_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
