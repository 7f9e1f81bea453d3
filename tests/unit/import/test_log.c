// SPDX-License-Identifier: LGPL-2.1-or-later
/* The log of a build: what a rerun may skip, and what it must not believe. */
#include "cmocka_all.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "import/log.h"
#include "tmpdir.h"

#define ENTRY 64u

static const struct seed_id plan_a = { { 0xa, 1, 2, 3 } }, plan_b = { { 0xb, 1, 2, 3 } };

/* Pack @number; @tag: the packs of two sets differ in their bytes, not in their numbers. */
static struct seed_pack_facts pack_of(uint32_t number, uint8_t tag)
{
	struct seed_pack_facts pack = { .number = number };

	memset(pack.digest.bytes, tag, SEED_DIGEST_SIZE);
	pack.digest.bytes[0] = (uint8_t)number;
	return pack;
}

static struct seed_import_log *open_log(const struct tmpdir *dir, const struct seed_id *plan,
					bool *resumed)
{
	struct seed_import_log *log = NULL;
	struct seed_error err = { 0 };

	assert_ok(seed_import_log_open(&log, dir->fd, plan, resumed, &err), &err);
	return log;
}

static void note_pack(struct seed_import_log *log, uint32_t number, uint8_t tag)
{
	struct seed_pack_facts pack = pack_of(number, tag);
	struct seed_error err = { 0 };

	assert_ok(seed_import_log_pack(log, number - 1, &pack, &err), &err);
}

static bool has(const struct seed_import_log *log, uint32_t number, uint8_t tag)
{
	struct seed_pack_facts pack = pack_of(number, tag);

	return seed_import_log_has_pack(log, number - 1, &pack);
}

static off_t log_size(const struct tmpdir *dir)
{
	struct stat st;

	assert_int_equal(fstatat(dir->fd, SEED_IMPORT_LOG, &st, 0), 0);
	return st.st_size;
}

/* A log under plan A that notes packs 1 to @packs. */
static void make_log(const struct tmpdir *dir, uint32_t packs)
{
	bool resumed = true;
	SEED_AUTO(seed_import_log_closep) struct seed_import_log *log =
		open_log(dir, &plan_a, &resumed);

	assert_false(resumed);
	for (uint32_t i = 1; i <= packs; i++)
		note_pack(log, i, 7);
}

static void a_rerun_of_the_same_plan_knows_what_was_noted(void **state)
{
	SEED_AUTO(seed_import_log_closep) struct seed_import_log *log = NULL;
	bool resumed = false;

	make_log(*state, 3);
	log = open_log(*state, &plan_a, &resumed);
	assert_true(resumed);
	assert_true(has(log, 1, 7) && has(log, 2, 7) && has(log, 3, 7));
	assert_false(has(log, 4, 7));
}

static void what_this_run_notes_does_not_show(void **state)
{
	bool resumed;
	SEED_AUTO(seed_import_log_closep) struct seed_import_log *log =
		open_log(*state, &plan_a, &resumed);

	note_pack(log, 1, 7);
	assert_false(has(log, 1, 7));
}

static void packs_of_two_sets_with_one_number_are_two_packs(void **state)
{
	SEED_AUTO(seed_import_log_closep) struct seed_import_log *log = NULL;
	bool resumed = false;

	make_log(*state, 1);
	log = open_log(*state, &plan_a, &resumed);
	assert_true(has(log, 1, 7));
	assert_false(has(log, 1, 8));
}

/* Two copies of a medium hold the same packs; where one of them is damaged, the plan takes some
 * blocks from the one and some from the other. */
static void a_pack_noted_at_another_place_of_the_plan_is_not_noted(void **state)
{
	const struct seed_pack_facts pack = pack_of(1, 7);
	SEED_AUTO(seed_import_log_closep) struct seed_import_log *log = NULL;
	bool resumed = false;

	make_log(*state, 1);
	log = open_log(*state, &plan_a, &resumed);
	assert_true(resumed);
	assert_true(seed_import_log_has_pack(log, 0, &pack));
	assert_false(seed_import_log_has_pack(log, 1, &pack));
}

static void another_plan_begins_anew(void **state)
{
	SEED_AUTO(seed_import_log_closep) struct seed_import_log *log = NULL;
	bool resumed = true;

	make_log(*state, 3);
	log = open_log(*state, &plan_b, &resumed);
	assert_false(resumed);
	assert_false(has(log, 1, 7));
	assert_int_equal(log_size(*state), ENTRY);
	seed_import_log_close(seed_steal(&log));
	log = open_log(*state, &plan_a, &resumed);
	assert_false(resumed);
	assert_false(has(log, 1, 7));
}

static void lost_blocks_are_tried_again(void **state)
{
	const struct seed_import_lost lost = { .disk = 1, .start = 10, .count = 2 };
	SEED_AUTO(seed_import_log_closep) struct seed_import_log *log = NULL;
	struct seed_error err = { 0 };
	bool resumed = true;

	log = open_log(*state, &plan_a, &resumed);
	note_pack(log, 1, 7);
	assert_ok(seed_import_log_add_lost(log, &lost, &err), &err);
	note_pack(log, 2, 7);
	seed_import_log_close(seed_steal(&log));
	log = open_log(*state, &plan_a, &resumed);
	assert_false(resumed);
	assert_false(has(log, 1, 7) || has(log, 2, 7));
	/* The new beginning does not remember the loss either. */
	note_pack(log, 2, 7);
	seed_import_log_close(seed_steal(&log));
	log = open_log(*state, &plan_a, &resumed);
	assert_true(resumed);
	assert_true(has(log, 2, 7));
	assert_false(has(log, 1, 7));
}

/* Every length that a torn append can leave, and then the rest of the work. */
static void a_log_torn_at_any_byte_keeps_its_whole_entries(void **state)
{
	const struct tmpdir *dir = *state;

	for (off_t len = 0; len <= 4 * ENTRY; len++) {
		SEED_AUTO(seed_import_log_closep) struct seed_import_log *log = NULL;
		uint32_t whole = (uint32_t)(len / ENTRY);
		bool resumed;

		unlinkat(dir->fd, SEED_IMPORT_LOG, 0);
		make_log(dir, 3);
		assert_int_equal(faccessat(dir->fd, SEED_IMPORT_LOG, F_OK, 0), 0);
		{
			int fd = openat(dir->fd, SEED_IMPORT_LOG, O_RDWR | O_CLOEXEC);

			assert_int_equal(ftruncate(fd, len), 0);
			close(fd);
		}
		log = open_log(dir, &plan_a, &resumed);
		assert_int_equal(resumed, whole >= 1);
		for (uint32_t i = 1; i <= 3; i++)
			assert_int_equal(has(log, i, 7), i < whole);
		/* Appended over the torn entry, not behind it. */
		note_pack(log, 9, 7);
		seed_import_log_close(seed_steal(&log));
		log = open_log(dir, &plan_a, &resumed);
		assert_true(resumed && has(log, 9, 7));
		assert_int_equal(log_size(dir), (whole ? whole + 1 : 2) * ENTRY);
	}
}

static void a_flipped_bit_ends_the_log_before_it(void **state)
{
	const struct tmpdir *dir = *state;

	for (off_t at = 0; at < 4 * ENTRY; at++) {
		SEED_AUTO(seed_import_log_closep) struct seed_import_log *log = NULL;
		uint32_t whole = (uint32_t)(at / ENTRY);
		bool resumed;
		char byte;
		int fd;

		unlinkat(dir->fd, SEED_IMPORT_LOG, 0);
		make_log(dir, 3);
		fd = openat(dir->fd, SEED_IMPORT_LOG, O_RDWR | O_CLOEXEC);
		assert_int_equal(pread(fd, &byte, 1, at), 1);
		byte ^= 0x10;
		assert_int_equal(pwrite(fd, &byte, 1, at), 1);
		close(fd);
		log = open_log(dir, &plan_a, &resumed);
		assert_int_equal(resumed, whole >= 1);
		for (uint32_t i = 1; i <= 3; i++)
			assert_int_equal(has(log, i, 7), i < whole);
		assert_int_equal(log_size(dir), (whole ? whole : 1) * ENTRY);
	}
}

static void a_file_of_junk_is_no_log(void **state)
{
	SEED_AUTO(seed_import_log_closep) struct seed_import_log *log = NULL;
	char junk[1000];
	bool resumed = true;

	memset(junk, 0x41, sizeof(junk));
	tmpdir_put(*state, SEED_IMPORT_LOG, junk, sizeof(junk));
	log = open_log(*state, &plan_a, &resumed);
	assert_false(resumed);
	assert_int_equal(log_size(*state), ENTRY);
}

static void a_link_in_its_place_is_refused(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_import_log *log = NULL;
	struct seed_error err = { 0 };
	bool resumed;

	tmpdir_put(dir, "victim", "precious", 8);
	assert_int_equal(symlinkat("victim", dir->fd, SEED_IMPORT_LOG), 0);
	assert_int_equal(seed_import_log_open(&log, dir->fd, &plan_a, &resumed, &err), -1);
	assert_non_null(strstr(err.text, SEED_IMPORT_LOG));
	assert_true(tmpdir_holds(dir, "victim", "precious", 8));
}

static void a_filled_build_is_known_until_the_log_begins_anew(void **state)
{
	static const struct seed_id seed = { { 1, 2 } }, other = { { 1, 3 } };
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_import_log_closep) struct seed_import_log *log = NULL;
	struct seed_error err = { 0 };
	bool resumed;

	assert_false(seed_import_log_filled(dir->fd, &seed));
	log = open_log(dir, &plan_a, &resumed);
	note_pack(log, 1, 7);
	assert_false(seed_import_log_filled(dir->fd, &seed));
	assert_ok(seed_import_log_fill(log, &seed, &err), &err);
	note_pack(log, 2, 7);
	assert_true(seed_import_log_filled(dir->fd, &seed));
	assert_false(seed_import_log_filled(dir->fd, &other));
	seed_import_log_close(seed_steal(&log));
	log = open_log(dir, &plan_a, &resumed);
	assert_true(resumed && has(log, 1, 7) && has(log, 2, 7));
	assert_true(seed_import_log_filled(dir->fd, &seed));
	seed_import_log_close(seed_steal(&log));
	log = open_log(dir, &plan_b, &resumed);
	assert_false(seed_import_log_filled(dir->fd, &seed));
}

static void a_torn_note_of_a_filled_build_says_nothing(void **state)
{
	static const struct seed_id seed = { { 1, 2 } };
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_import_log_closep) struct seed_import_log *log = NULL;
	struct seed_error err = { 0 };
	bool resumed;
	int fd;

	log = open_log(dir, &plan_a, &resumed);
	assert_ok(seed_import_log_fill(log, &seed, &err), &err);
	fd = openat(dir->fd, SEED_IMPORT_LOG, O_RDWR | O_CLOEXEC);
	for (off_t len = 2 * ENTRY; len-- > ENTRY;) {
		assert_true(len < 2 * (off_t)ENTRY - 1 || seed_import_log_filled(dir->fd, &seed));
		assert_int_equal(ftruncate(fd, len), 0);
		assert_false(seed_import_log_filled(dir->fd, &seed));
	}
	close(fd);
}

#define on_tmpdir(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_tmpdir(a_rerun_of_the_same_plan_knows_what_was_noted),
		on_tmpdir(what_this_run_notes_does_not_show),
		on_tmpdir(packs_of_two_sets_with_one_number_are_two_packs),
		on_tmpdir(a_pack_noted_at_another_place_of_the_plan_is_not_noted),
		on_tmpdir(another_plan_begins_anew),
		on_tmpdir(lost_blocks_are_tried_again),
		on_tmpdir(a_log_torn_at_any_byte_keeps_its_whole_entries),
		on_tmpdir(a_flipped_bit_ends_the_log_before_it),
		on_tmpdir(a_filled_build_is_known_until_the_log_begins_anew),
		on_tmpdir(a_torn_note_of_a_filled_build_says_nothing),
		on_tmpdir(a_file_of_junk_is_no_log),
		on_tmpdir(a_link_in_its_place_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
