/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cmocka_all.h"
#include "tmpdir.h"
#include "trust/card.h"
#include "trust/keyfile.h"

struct asked {
	const char *answer;
	unsigned int times;
};

static int answer(void *arg, const char *prompt, char *out, size_t size, struct seed_error *err)
{
	struct asked *asked = arg;

	assert_non_null(strstr(prompt, "hq"));
	asked->times++;
	if (!asked->answer)
		return seed_error_set(err, SEED_ERR_USAGE, "nobody there");
	assert_true(strlen(asked->answer) < size);
	strcpy(out, asked->answer);
	return 0;
}

static mode_t mode_of(const struct tmpdir *dir, const char *path)
{
	struct stat st;

	assert_int_equal(fstatat(dir->fd, path, &st, 0), 0);
	return st.st_mode & 07777;
}

static void names_are_plain_words(void **state)
{
	static const char *const good[] = { "hq", "A", "site-2.example_x", "0" };
	static const char *const bad[] = { "", ".", "..", ".hq", "-hq", "a/b", "a b", "h\033q",
					   "h\nq", "\303\251", "../x", "a:b" };
	char longest[SEED_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(seed_site_name_valid(good[i]));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(seed_site_name_valid(bad[i]));
	memset(longest, 'x', sizeof(longest));
	longest[SEED_NAME_MAX + 1] = '\0';
	assert_false(seed_site_name_valid(longest));
	longest[SEED_NAME_MAX] = '\0';
	assert_true(seed_site_name_valid(longest));
}

static void what_create_made_open_finds(void **state)
{
	SEED_AUTO(seed_site_closep) struct seed_site *a = NULL, *b = NULL;
	const struct tmpdir *dir = *state;
	struct seed_error err = { 0 };
	struct seed_card one, two;

	assert_false(seed_site_exists(dir->fd));
	assert_fails(seed_site_open(&a, dir->fd, NULL, &err), &err, SEED_ERR_NOTFOUND);
	assert_ok(seed_site_create(dir->fd, "hq", NULL, &err), &err);
	assert_true(seed_site_exists(dir->fd));
	assert_ok(seed_site_open(&a, dir->fd, NULL, &err), &err);
	assert_ok(seed_site_open(&b, dir->fd, NULL, &err), &err);
	assert_string_equal(a->name, "hq");
	seed_card_of(&one, a);
	seed_card_of(&two, b);
	assert_true(seed_card_equal(&one, &two));
	assert_int_equal(mode_of(dir, "site"), 0700);
	assert_int_equal(mode_of(dir, "site/sign.pem"), 0600);
	assert_int_equal(mode_of(dir, "site/receive.pem"), 0600);
}

static void a_second_create_changes_nothing(void **state)
{
	SEED_AUTO(seed_freep) char *before = NULL;
	SEED_AUTO(seed_freep) char *after = NULL;
	const struct tmpdir *dir = *state;
	struct seed_error err = { 0 };
	size_t len, len2;

	assert_ok(seed_site_create(dir->fd, "hq", NULL, &err), &err);
	assert_ok(seed_site_card(dir->fd, &before, &len, &err), &err);
	assert_fails(seed_site_create(dir->fd, "other", NULL, &err), &err, SEED_ERR_USAGE);
	assert_ok(seed_site_card(dir->fd, &after, &len2, &err), &err);
	assert_int_equal(len, len2);
	assert_memory_equal(before, after, len);
}

static void a_create_that_was_cut_short_begins_again(void **state)
{
	SEED_AUTO(seed_site_closep) struct seed_site *site = NULL;
	const struct tmpdir *dir = *state;
	struct seed_error err = { 0 };

	assert_ok(seed_site_create(dir->fd, "hq", NULL, &err), &err);
	assert_int_equal(unlinkat(dir->fd, "site/site.json", 0), 0);
	assert_fails(seed_site_open(&site, dir->fd, NULL, &err), &err, SEED_ERR_NOTFOUND);
	assert_ok(seed_site_create(dir->fd, "again", NULL, &err), &err);
	assert_ok(seed_site_open(&site, dir->fd, NULL, &err), &err);
	assert_string_equal(site->name, "again");
}

static void bad_names_and_empty_passphrases_are_refused(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_error err;

	assert_fails(seed_site_create(dir->fd, "../x", NULL, &err), &err, SEED_ERR_USAGE);
	assert_fails(seed_site_create(dir->fd, "hq", "", &err), &err, SEED_ERR_USAGE);
	assert_false(seed_site_exists(dir->fd));
}

static void a_passphrase_is_asked_once_and_must_be_right(void **state)
{
	SEED_AUTO(seed_site_closep) struct seed_site *site = NULL;
	struct asked asked = { .answer = "correct horse" };
	const struct seed_passphrase phrase = { .ask = answer, .arg = &asked };
	const struct tmpdir *dir = *state;
	struct seed_error err = { 0 };

	assert_ok(seed_site_create(dir->fd, "hq", "correct horse", &err), &err);
	assert_fails(seed_site_open(&site, dir->fd, NULL, &err), &err, SEED_ERR_TRUST);
	asked.answer = "wrong horse";
	assert_fails(seed_site_open(&site, dir->fd, &phrase, &err), &err, SEED_ERR_TRUST);
	asked.answer = NULL;
	assert_fails(seed_site_open(&site, dir->fd, &phrase, &err), &err, SEED_ERR_USAGE);
	assert_null(site);
	asked = (struct asked){ .answer = "correct horse" };
	assert_ok(seed_site_open(&site, dir->fd, &phrase, &err), &err);
	assert_int_equal(asked.times, 1);
}

static void open_keys_ask_for_no_passphrase(void **state)
{
	SEED_AUTO(seed_site_closep) struct seed_site *site = NULL;
	struct asked asked = { .answer = "unused" };
	const struct seed_passphrase phrase = { .ask = answer, .arg = &asked };
	const struct tmpdir *dir = *state;
	struct seed_error err = { 0 };

	assert_ok(seed_site_create(dir->fd, "hq", NULL, &err), &err);
	assert_ok(seed_site_open(&site, dir->fd, &phrase, &err), &err);
	assert_int_equal(asked.times, 0);
}

static void a_key_that_others_may_read_is_refused(void **state)
{
	SEED_AUTO(seed_site_closep) struct seed_site *site = NULL;
	const struct tmpdir *dir = *state;
	struct seed_error err = { 0 };

	assert_ok(seed_site_create(dir->fd, "hq", NULL, &err), &err);
	assert_int_equal(fchmodat(dir->fd, "site/receive.pem", 0640, 0), 0);
	assert_fails(seed_site_open(&site, dir->fd, NULL, &err), &err, SEED_ERR_USAGE);
	assert_non_null(strstr(err.text, "site/receive.pem"));
	assert_int_equal(fchmodat(dir->fd, "site/receive.pem", 0600, 0), 0);
	assert_ok(seed_site_open(&site, dir->fd, NULL, &err), &err);
}

static void keys_of_two_sites_do_not_mix(void **state)
{
	SEED_AUTO(seed_site_closep) struct seed_site *site = NULL;
	const struct tmpdir *dir = *state;
	struct seed_error err = { 0 };
	int other;

	assert_ok(seed_site_create(dir->fd, "hq", NULL, &err), &err);
	assert_int_equal(mkdirat(dir->fd, "other", 0700), 0);
	other = openat(dir->fd, "other", O_RDONLY | O_DIRECTORY);
	assert_ok(seed_site_create(other, "hq", NULL, &err), &err);
	assert_int_equal(renameat(other, "site/receive.pem", dir->fd, "site/receive.pem"), 0);
	assert_fails(seed_site_open(&site, dir->fd, NULL, &err), &err, SEED_ERR_INTEGRITY);
	/* A missing key is damage, not a home without keys. */
	assert_fails(seed_site_open(&site, other, NULL, &err), &err, SEED_ERR_FORMAT);
	close(other);
}

static void damaged_files_are_named(void **state)
{
	static const char *const files[] = { "site/site.json", "site/sign.pem",
					     "site/receive.pem", "site/card" };
	const struct tmpdir *dir = *state;
	struct seed_error err = { 0 };
	struct seed_site *site = NULL;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		unlinkat(dir->fd, "site/site.json", 0);
		assert_ok(seed_site_create(dir->fd, "hq", NULL, &err), &err);
		tmpdir_put(dir, files[i], "rubbish\n", 8);
		assert_int_equal(seed_site_open(&site, dir->fd, NULL, &err), -1);
		assert_non_null(strstr(err.text, files[i]));
		assert_null(site);
		assert_int_equal(unlinkat(dir->fd, files[i], 0), 0);
	}
}

#define in_tmpdir(test) cmocka_unit_test_setup_teardown(test, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_plain_words),
		in_tmpdir(what_create_made_open_finds),
		in_tmpdir(a_second_create_changes_nothing),
		in_tmpdir(a_create_that_was_cut_short_begins_again),
		in_tmpdir(bad_names_and_empty_passphrases_are_refused),
		in_tmpdir(a_passphrase_is_asked_once_and_must_be_right),
		in_tmpdir(open_keys_ask_for_no_passphrase),
		in_tmpdir(a_key_that_others_may_read_is_refused),
		in_tmpdir(keys_of_two_sites_do_not_mix),
		in_tmpdir(damaged_files_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
