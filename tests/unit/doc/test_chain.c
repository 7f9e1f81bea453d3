// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "crypto/digest.h"
#include "doc/chain.h"
#include "doc/chain_internal.h"
#include "tmpdir.h"

#define FILE_NAME "history"

static struct seed_signing_key *key, *other;

static int make_keys(void **state)
{
	struct seed_error err = { 0 };

	(void)state;
	return seed_signing_key_generate(&key, &err) < 0 ||
	       seed_signing_key_generate(&other, &err) < 0;
}

static int free_keys(void **state)
{
	(void)state;
	seed_signing_key_free(key);
	seed_signing_key_free(other);
	return 0;
}

static int append(const struct tmpdir *dir, uint64_t value, const struct seed_signing_key *with,
		  struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *fields = seed_json_new_object();

	seed_json_set_uint(fields, "value", value);
	return seed_chain_append(dir->fd, FILE_NAME, fields, with, err);
}

#define SEEN_MAX 32

struct seen {
	unsigned int count;
	uint64_t values[SEEN_MAX];
	struct seed_public_key keys[SEEN_MAX];
};

static int look(struct seed_json_reader *r, const struct seed_public_key *with, void *arg,
		struct seed_error *err)
{
	struct seen *seen = arg;

	(void)err;
	assert_true(seen->count < SEEN_MAX);
	seen->values[seen->count] = seed_json_take_uint(r, "value", 1000000);
	seen->keys[seen->count] = *with;
	seen->count++;
	return seed_json_done(r);
}

static int each(const struct tmpdir *dir, struct seen *seen, struct seed_error *err)
{
	*seen = (struct seen){ .count = 0 };
	return seed_chain_each(dir->fd, FILE_NAME, look, seen, err);
}

/* The file's bytes, to be changed and put back. */
static char *content(const struct tmpdir *dir, size_t *len)
{
	struct seed_error err = { 0 };
	char *data = NULL;

	assert_ok(seed_file_read(dir->fd, FILE_NAME, 1 << 20, &data, len, &err), &err);
	return data;
}

static void append_three(const struct tmpdir *dir)
{
	struct seed_error err = { 0 };

	for (uint64_t i = 1; i <= 3; i++)
		assert_ok(append(dir, i * 10, key, &err), &err);
}

static void entries_come_back_in_order(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_error err = { 0 };
	struct seen seen;
	struct stat st;

	assert_ok(each(dir, &seen, &err), &err);	/* no file yet */
	assert_int_equal(seen.count, 0);
	append_three(dir);
	assert_ok(append(dir, 40, other, &err), &err);
	assert_ok(each(dir, &seen, &err), &err);
	assert_int_equal(seen.count, 4);
	for (unsigned int i = 0; i < 4; i++) {
		assert_int_equal(seen.values[i], 10 * (i + 1));
		assert_memory_equal(&seen.keys[i], seed_signing_key_public(i < 3 ? key : other),
				    sizeof(seen.keys[i]));
	}
	assert_int_equal(fstatat(dir->fd, FILE_NAME, &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void lines_have_the_documented_form(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_freep) char *data = NULL;
	struct seed_digest digest;
	char want[512], text[SEED_PUBLIC_KEY_TEXT], hex[SEED_DIGEST_TEXT];
	char *second;
	size_t len;

	append_three(dir);
	data = content(dir, &len);
	seed_public_key_text(seed_signing_key_public(key), text);
	snprintf(want, sizeof(want), "{\"type\":\"history\",\"version\":1,\"key\":\"%s\",\"entry\":1,"
		 "\"previous\":null,\"value\":10}\tRU", text);
	assert_memory_equal(data, want, strlen(want));
	second = strchr(data, '\n') + 1;
	seed_digest_of(&digest, data, (size_t)(second - data));
	snprintf(want, sizeof(want), "{\"type\":\"history\",\"version\":1,\"key\":\"%s\",\"entry\":2,"
		 "\"previous\":\"%s\",\"value\":20}\tRU", text, seed_digest_text(&digest, hex));
	assert_memory_equal(second, want, strlen(want));
}

static void a_torn_tail_is_ignored_and_cut_by_the_next_append(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_freep) char *data = NULL;
	struct seed_error err = { 0 };
	struct seen seen;
	size_t len;

	append_three(dir);
	data = content(dir, &len);
	for (size_t cut = 0; cut < len; cut++) {
		unsigned int whole = 0;

		tmpdir_put(dir, FILE_NAME, data, cut);
		for (size_t i = 0; i < cut; i++)
			whole += data[i] == '\n';
		assert_ok(each(dir, &seen, &err), &err);
		assert_int_equal(seen.count, whole);
		assert_ok(append(dir, 77, key, &err), &err);
		assert_ok(each(dir, &seen, &err), &err);
		assert_int_equal(seen.count, whole + 1);
		assert_int_equal(seen.values[whole], 77);
	}
}

static void any_flipped_bit_is_an_integrity_error(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_freep) char *data = NULL;
	struct seed_error err = { 0 };
	struct seen seen;
	size_t len;

	append_three(dir);
	data = content(dir, &len);
	for (size_t i = 0; i + 1 < len; i++) {	/* without its last newline a file is torn */
		data[i] ^= 1;
		tmpdir_put(dir, FILE_NAME, data, len);
		assert_fails(each(dir, &seen, &err), &err, SEED_ERR_INTEGRITY);
		assert_memory_equal(err.text, FILE_NAME ": entry ", strlen(FILE_NAME ": entry "));
		data[i] ^= 1;
	}
}

static void an_append_to_a_damaged_end_is_refused(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_freep) char *data = NULL;
	struct seed_error err = { 0 };
	size_t len, last;

	append_three(dir);
	data = content(dir, &len);
	last = (size_t)((char *)memrchr(data, '\n', len - 1) + 1 - data);
	for (size_t i = last; i + 1 < len; i++) {
		data[i] ^= 1;
		tmpdir_put(dir, FILE_NAME, data, len);
		assert_fails(append(dir, 1, key, &err), &err, SEED_ERR_INTEGRITY);
		assert_true(tmpdir_holds(dir, FILE_NAME, data, len));
		data[i] ^= 1;
	}
}

/* Lines that each verify by themselves, put together otherwise than they were written. */
static void rearranged_lines_are_refused(void **state)
{
	static const char *const orders[] = { "2", "3", "13", "21", "23", "32", "112", "122", "132",
					      "213", "1233", "1231" };
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_freep) char *data = NULL;
	struct seed_error err = { 0 };
	const char *lines[4];
	struct seen seen;
	size_t len;

	append_three(dir);
	data = content(dir, &len);
	lines[0] = data;
	for (int i = 1; i < 4; i++)
		lines[i] = strchr(lines[i - 1], '\n') + 1;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		char mixed[4096];
		size_t at = 0;

		for (const char *p = orders[i]; *p; p++) {
			size_t n = (size_t)(lines[*p - '0'] - lines[*p - '1']);

			memcpy(mixed + at, lines[*p - '1'], n);
			at += n;
		}
		tmpdir_put(dir, FILE_NAME, mixed, at);
		assert_fails(each(dir, &seen, &err), &err, SEED_ERR_INTEGRITY);
	}
	/* An append looks at the last entry only, but it must be where it says that it is. */
	tmpdir_put(dir, FILE_NAME, lines[2], len - (size_t)(lines[2] - data));
	assert_fails(append(dir, 1, key, &err), &err, SEED_ERR_INTEGRITY);
}

/* The same number and key twice, with other fields: the next entry names one of them only. */
static void a_replaced_entry_breaks_the_chain(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_freep) char *data = NULL;
	SEED_AUTO(seed_freep) char *line = NULL;
	SEED_AUTO(seed_freep) char *mixed = NULL;
	SEED_AUTO(seed_json_freep) struct seed_json *fields = seed_json_new_object();
	struct seed_error err = { 0 };
	struct seen seen;
	size_t len, line_len, first;

	append_three(dir);
	data = content(dir, &len);
	first = (size_t)(strchr(data, '\n') + 1 - data);
	seed_json_set_uint(fields, "value", 11);
	assert_ok(seed_chain_line_make(&line, &line_len, 1, NULL, fields, key, &err), &err);
	mixed = malloc(line_len + len);
	memcpy(mixed, line, line_len);
	memcpy(mixed + line_len, data + first, len - first);
	tmpdir_put(dir, FILE_NAME, mixed, line_len + len - first);
	assert_fails(each(dir, &seen, &err), &err, SEED_ERR_INTEGRITY);
	assert_string_equal(err.text, FILE_NAME ": entry 2: does not follow the one before it");
	assert_int_equal(seen.count, 1);
}

static void lines_of_other_kinds_are_refused(void **state)
{
	static const char *const texts[] = {
		"\n", "x\n", "\n\n", "{}\n", "{\"type\":\"history\",\"version\":1,\"key\":\"\n",
	};
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_freep) char *big = malloc(200000);
	struct seed_error err = { 0 };
	struct seen seen;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		tmpdir_put(dir, FILE_NAME, texts[i], strlen(texts[i]));
		assert_fails(each(dir, &seen, &err), &err, SEED_ERR_INTEGRITY);
		assert_fails(append(dir, 1, key, &err), &err, SEED_ERR_INTEGRITY);
	}
	/* A tail is a line at most; longer ones are no torn append. */
	memset(big, 'x', 200000);
	for (size_t len = SEED_CHAIN_LINE_MAX; len <= 200000; len += 67231) {
		tmpdir_put(dir, FILE_NAME, big, len);
		assert_fails(each(dir, &seen, &err), &err, SEED_ERR_INTEGRITY);
	}
	tmpdir_put(dir, FILE_NAME, big, SEED_CHAIN_LINE_MAX + 1);
	assert_fails(append(dir, 1, key, &err), &err, SEED_ERR_INTEGRITY);
	tmpdir_put(dir, FILE_NAME, big, 200000);
	assert_fails(append(dir, 1, key, &err), &err, SEED_ERR_INTEGRITY);
}

static int count_long(struct seed_json_reader *r, const struct seed_public_key *with, void *arg,
		      struct seed_error *err)
{
	(void)with;
	(void)err;
	seed_json_take_text(r, "value", SEED_CHAIN_LINE_MAX);
	++*(unsigned int *)arg;
	return seed_json_done(r);
}

static void long_entries_up_to_the_limit(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_freep) char *text = calloc(1, SEED_CHAIN_LINE_MAX);
	struct seed_error each_err = { 0 };
	size_t overhead = 0, size = 0;
	unsigned int count = 0;

	memset(text, 'x', SEED_CHAIN_LINE_MAX - 1);
	for (int round = 0; round < 4; round++) {
		SEED_AUTO(seed_json_freep) struct seed_json *fields = seed_json_new_object();
		struct seed_error err = { 0 };
		struct stat st;

		if (round == 0)		/* measured; entry 1 has no digest, counted in below */
			text[100] = '\0';
		else			/* as long as may be, then one longer */
			text[SEED_CHAIN_LINE_MAX - overhead - (round < 3)] = '\0';
		seed_json_set_text(fields, "value", text);
		if (round == 3) {
			assert_fails(seed_chain_append(dir->fd, FILE_NAME, fields, key, &err), &err,
				     SEED_ERR_RANGE);
			break;
		}
		assert_ok(seed_chain_append(dir->fd, FILE_NAME, fields, key, &err), &err);
		assert_int_equal(fstatat(dir->fd, FILE_NAME, &st, 0), 0);
		if (round == 0)
			overhead = (size_t)st.st_size - 100 + 2 + 64 - strlen("null") - 1;
		else
			assert_int_equal((size_t)st.st_size - size, SEED_CHAIN_LINE_MAX);
		size = (size_t)st.st_size;
		memset(text, 'x', SEED_CHAIN_LINE_MAX - 1);
	}
	assert_ok(seed_chain_each(dir->fd, FILE_NAME, count_long, &count, &each_err), &each_err);
	assert_int_equal(count, 3);
}

static void fields_cannot_replace_the_chains_own(void **state)
{
	const struct tmpdir *dir = *state;
	static const char *const own[] = { "type", "version", "key", "entry", "previous" };
	struct seed_error err = { 0 };

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		SEED_AUTO(seed_json_freep) struct seed_json *fields = seed_json_new_object();

		seed_json_set_uint(fields, own[i], 1);
		assert_fails(seed_chain_append(dir->fd, FILE_NAME, fields, key, &err), &err,
			     SEED_ERR_USAGE);
	}
}

static void a_broken_field_is_not_signed(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_json_freep) struct seed_json *fields = seed_json_new_object();
	struct seed_error err = { 0 };
	struct seen seen;

	seed_json_set(fields, "value", NULL);
	assert_fails(seed_chain_append(dir->fd, FILE_NAME, fields, key, &err), &err,
		     SEED_ERR_SYSTEM);
	assert_ok(each(dir, &seen, &err), &err);
	assert_int_equal(seen.count, 0);
}

static int stop_at_second(struct seed_json_reader *r, const struct seed_public_key *with, void *arg,
			  struct seed_error *err)
{
	(void)r;
	(void)with;
	return ++*(unsigned int *)arg == 2 ? seed_error_set(err, SEED_ERR_IDENTITY, "enough") : 0;
}

static void a_visitors_error_ends_the_walk_and_keeps_its_kind(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_error err = { 0 };
	unsigned int count = 0;

	append_three(dir);
	assert_fails(seed_chain_each(dir->fd, FILE_NAME, stop_at_second, &count, &err), &err,
		     SEED_ERR_IDENTITY);
	assert_string_equal(err.text, FILE_NAME ": entry 2: enough");
	assert_int_equal(count, 2);
}

static void a_full_disk_leaves_the_old_entries(void **state)
{
	const struct tmpdir *dir = *state;
	struct rlimit old, small;
	struct seed_error err = { 0 };
	SEED_AUTO(seed_freep) char *data = NULL;
	struct seen seen;
	size_t len;

	append_three(dir);
	data = content(dir, &len);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	signal(SIGXFSZ, SIG_IGN);
	small = old;
	small.rlim_cur = len + 100;	/* the write stops within the line */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_fails(append(dir, 40, key, &err), &err, SEED_ERR_MEDIUM);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_true(tmpdir_holds(dir, FILE_NAME, data, len));
	assert_ok(append(dir, 40, key, &err), &err);
	assert_ok(each(dir, &seen, &err), &err);
	assert_int_equal(seen.count, 4);
}

static void a_link_in_its_place_is_refused(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_error err = { 0 };
	struct seen seen;

	assert_int_equal(symlinkat("elsewhere", dir->fd, FILE_NAME), 0);
	assert_fails(append(dir, 1, key, &err), &err, SEED_ERR_FORMAT);
	assert_fails(each(dir, &seen, &err), &err, SEED_ERR_FORMAT);
}

static void a_file_in_a_folder_below(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_json_freep) struct seed_json *fields = seed_json_new_object();
	struct seed_error err = { 0 };
	struct seen seen = { .count = 0 };

	assert_int_equal(mkdirat(dir->fd, "below", 0700), 0);
	seed_json_set_uint(fields, "value", 5);
	assert_ok(seed_chain_append(dir->fd, "below/marks", fields, key, &err), &err);
	assert_ok(seed_chain_each(dir->fd, "below/marks", look, &seen, &err), &err);
	assert_int_equal(seen.count, 1);
}

static void appends_at_the_same_time_all_count(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_error err = { 0 };
	struct seen seen;
	int status;

	for (int child = 0; child < 4; child++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		for (int i = 0; pid == 0 && i < 5; i++)
			if (append(dir, 1, key, &err) < 0)
				_exit(1);
		if (pid == 0)
			_exit(0);
	}
	for (int child = 0; child < 4; child++) {
		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_ok(each(dir, &seen, &err), &err);
	assert_int_equal(seen.count, 20);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(entries_come_back_in_order),
		TEST(lines_have_the_documented_form),
		TEST(a_torn_tail_is_ignored_and_cut_by_the_next_append),
		TEST(any_flipped_bit_is_an_integrity_error),
		TEST(an_append_to_a_damaged_end_is_refused),
		TEST(rearranged_lines_are_refused),
		TEST(a_replaced_entry_breaks_the_chain),
		TEST(lines_of_other_kinds_are_refused),
		TEST(long_entries_up_to_the_limit),
		TEST(fields_cannot_replace_the_chains_own),
		TEST(a_broken_field_is_not_signed),
		TEST(a_visitors_error_ends_the_walk_and_keeps_its_kind),
		TEST(a_full_disk_leaves_the_old_entries),
		TEST(a_link_in_its_place_is_refused),
		TEST(a_file_in_a_folder_below),
		TEST(appends_at_the_same_time_all_count),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
