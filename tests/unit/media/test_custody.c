// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fixture.h"

#include "doc/chain.h"
#include "media/custody.h"

static struct seed_custody entry_of(enum seed_custody_action action)
{
	struct seed_custody entry = { .action = action, .tool = "vmseed test" };
	const struct seed_id seed = { { 7 } };
	struct seed_error err = { 0 };

	must(seed_custody_add_seed(&entry, &seed, &err), &err);
	return entry;
}

static void add_as(struct fixture *f, int who, const struct seed_volume *volume,
		   enum seed_custody_action action)
{
	SEED_AUTO(seed_custody_clear) struct seed_custody entry = entry_of(action);
	struct seed_error err = { 0 };

	must(seed_custody_add(volume, &entry, f->site[who], &err), &err);
}

/* What a walk saw: "number standing[!]" for each, '!' where a trusted one does not follow. */
struct seen {
	char text[200];
	char what[100];			/* why, of the last one that is not well */
	enum seed_error_kind kind;
};

static int note(const struct seed_custody_seen *seen, void *arg, struct seed_error *err)
{
	static const char standings[] = { 'T', 'u', 'x', 'B' };
	struct seen *out = arg;
	size_t len = strlen(out->text);

	(void)err;
	assert_true((seen->standing == SEED_CUSTODY_TRUSTED) == (seen->entry != NULL));
	snprintf(out->text + len, sizeof(out->text) - len, "%s%u%c%s", len ? " " : "", seen->number,
		 standings[seen->standing], seen->entry && !seen->follows ? "!" : "");
	if (!seen->entry || !seen->follows) {
		out->kind = seen->why.kind;
		snprintf(out->what, sizeof(out->what), "%.90s", seen->why.text);
		assert_true(seen->why.text[0] != '\0');
	}
	return 0;
}

static struct seen look(struct fixture *f, int who, const struct seed_volume *volume)
{
	struct seen seen = { .text = "" };
	struct seed_error err = { 0 };

	must(seed_custody_each(volume, f->trust[who], note, &seen, &err), &err);
	return seen;
}

static void assert_seen(struct fixture *f, int who, const struct seed_volume *volume,
			const char *expected)
{
	struct seen seen = look(f, who, volume);

	assert_string_equal(seen.text, expected);
}

struct stand {
	struct fixture *f;
	struct seed_medium *medium;
	struct seed_volume *volume;
	struct seed_id set;
};

static struct stand stand_of(void **state)
{
	struct stand s = { .f = *state };

	s.medium = prepare(s.f, s.f->path);
	s.volume = create_set(s.f, s.medium, true, &s.set);
	return s;
}

static void leave(struct stand *s)
{
	seed_volume_close(s->volume);
	seed_medium_close(s->medium);
}

/* ---- tests ---- */

static void entries_of_several_sites_make_one_chain(void **state)
{
	struct stand s = stand_of(state);

	assert_seen(s.f, HQ, s.volume, "");
	add_as(s.f, HQ, s.volume, SEED_CUSTODY_PREPARED);
	commit_pack(s.f, s.volume, 1, true);
	add_as(s.f, HQ, s.volume, SEED_CUSTODY_EXPORTED);
	add_as(s.f, DR, s.volume, SEED_CUSTODY_VERIFIED);
	add_as(s.f, DR, s.volume, SEED_CUSTODY_IMPORTED);
	assert_seen(s.f, HQ, s.volume, "1T 2T 3T 4T");
	assert_seen(s.f, DR, s.volume, "1T 2T 3T 4T");
	leave(&s);
}

static int keep_last(const struct seed_custody_seen *seen, void *arg, struct seed_error *err)
{
	struct seed_custody *last = arg;

	(void)err;
	assert_non_null(seen->entry);
	*last = *seen->entry;
	last->seeds = (struct seed_vec){ 0 };
	assert_int_equal(seen->entry->seeds.count, 1);
	assert_string_equal(seen->signer->name, "hq");
	return 0;
}

static void an_entry_tells_who_when_and_which_commit(void **state)
{
	struct stand s = stand_of(state);
	struct seed_custody last = { 0 };
	struct seed_error err = { 0 };

	commit_pack(s.f, s.volume, 1, true);
	add_as(s.f, HQ, s.volume, SEED_CUSTODY_PREPARED);
	add_as(s.f, HQ, s.volume, SEED_CUSTODY_EXPORTED);
	must(seed_custody_each(s.volume, s.f->trust[HQ], keep_last, &last, &err), &err);
	assert_int_equal(last.number, 2);
	assert_int_equal(last.commit, 1);
	assert_int_equal(last.seed_count, 1);
	assert_true(seed_id_equal(&last.site, &s.f->site[HQ]->id));
	assert_string_equal(last.site_name, "hq");
	assert_string_equal(last.tool, "vmseed test");
	assert_true(last.at > 1700000000);
	leave(&s);
}

static void an_entry_of_a_stranger_is_not_read_and_breaks_nothing(void **state)
{
	struct stand s = stand_of(state);
	struct seen seen;

	add_as(s.f, HQ, s.volume, SEED_CUSTODY_EXPORTED);
	add_as(s.f, STRANGER, s.volume, SEED_CUSTODY_VERIFIED);
	add_as(s.f, DR, s.volume, SEED_CUSTODY_IMPORTED);
	seen = look(s.f, HQ, s.volume);
	assert_string_equal(seen.text, "1T 2u 3T");
	assert_int_equal(seen.kind, SEED_ERR_TRUST);
	/* What it says is vouched for by the next all the same. */
	damage(s.volume->dir, "custody/00000002.json", 60, false);
	assert_seen(s.f, HQ, s.volume, "1T 2u 3T!");
	leave(&s);
}

static void a_changed_entry_and_the_link_behind_it_are_told(void **state)
{
	struct stand s = stand_of(state);
	struct seen seen;

	for (int i = 0; i < 3; i++)
		add_as(s.f, HQ, s.volume, SEED_CUSTODY_EXPORTED);
	damage(s.volume->dir, "custody/00000002.json", 60, false);
	assert_seen(s.f, HQ, s.volume, "1T 2B 3T!");
	damage(s.volume->dir, "custody/00000002.json", 60, false);
	assert_seen(s.f, HQ, s.volume, "1T 2T 3T");
	damage(s.volume->dir, "custody/00000003.json", 60, false);
	seen = look(s.f, HQ, s.volume);
	assert_string_equal(seen.text, "1T 2T 3B");
	assert_int_equal(seen.kind, SEED_ERR_TRUST);
	/* The chain goes on behind it. */
	add_as(s.f, HQ, s.volume, SEED_CUSTODY_EXPORTED);
	assert_seen(s.f, HQ, s.volume, "1T 2T 3B 4T");
	leave(&s);
}

static void an_entry_that_is_gone_breaks_the_chain_behind_it(void **state)
{
	static const char *const gone[] = { "1", "2" };
	static const char *const expected[] = { "2T! 3T", "3T!" };
	struct stand s = stand_of(state);
	char path[64];

	for (int i = 0; i < 3; i++)
		add_as(s.f, HQ, s.volume, SEED_CUSTODY_EXPORTED);
	for (int i = 0; i < 2; i++) {
		struct seen seen;

		snprintf(path, sizeof(path), "custody/0000000%s.json", gone[i]);
		assert_int_equal(unlinkat(s.volume->dir, path, 0), 0);
		strcat(path, ".minisig");
		assert_int_equal(unlinkat(s.volume->dir, path, 0), 0);
		seen = look(s.f, HQ, s.volume);
		assert_string_equal(seen.text, expected[i]);
		assert_int_equal(seen.kind, SEED_ERR_INTEGRITY);
	}
	leave(&s);
}

static void whoever_takes_a_signature_away_breaks_the_chain(void **state)
{
	struct stand s = stand_of(state);

	for (int i = 0; i < 3; i++)
		add_as(s.f, HQ, s.volume, SEED_CUSTODY_EXPORTED);
	assert_int_equal(unlinkat(s.volume->dir, "custody/00000002.json.minisig", 0), 0);
	assert_seen(s.f, HQ, s.volume, "1T 2x 3T!");
	leave(&s);
}

static void an_entry_in_the_place_of_another_is_none(void **state)
{
	struct stand s = stand_of(state);

	for (int i = 0; i < 2; i++)
		add_as(s.f, HQ, s.volume, SEED_CUSTODY_EXPORTED);
	copy_file(s.volume->dir, "custody/00000001.json", s.volume->dir, "custody/00000003.json");
	copy_file(s.volume->dir, "custody/00000001.json.minisig", s.volume->dir,
		  "custody/00000003.json.minisig");
	assert_seen(s.f, HQ, s.volume, "1T 2T 3B");
	leave(&s);
}

/* What a writer that is cut short leaves, at each step. */
static void a_torn_last_entry_is_passed_by(void **state)
{
	static const off_t cuts[] = { 0, 1, 60, 200 };
	struct stand s = stand_of(state);
	struct seed_volume *v = s.volume;

	add_as(s.f, HQ, v, SEED_CUSTODY_EXPORTED);
	add_as(s.f, HQ, v, SEED_CUSTODY_EXPORTED);
	assert_int_equal(unlinkat(v->dir, "custody/00000002.json.minisig", 0), 0);
	damage(v->dir, "custody/00000002.json", 30, true);
	assert_seen(s.f, HQ, v, "1T 2x");
	add_as(s.f, DR, v, SEED_CUSTODY_VERIFIED);
	assert_seen(s.f, HQ, v, "1T 2x 3T");
	for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
		char path[64];

		add_as(s.f, HQ, v, SEED_CUSTODY_EXPORTED);
		snprintf(path, sizeof(path), "custody/0000000%zu.json.minisig", 4 + i);
		damage(v->dir, path, cuts[i], true);
	}
	assert_seen(s.f, HQ, v, "1T 2x 3T 4x 5x 6x 7x");
	/* The document was lost, and the signature is there: power went. */
	add_as(s.f, HQ, v, SEED_CUSTODY_EXPORTED);
	assert_int_equal(unlinkat(v->dir, "custody/00000008.json", 0), 0);
	add_as(s.f, HQ, v, SEED_CUSTODY_EXPORTED);
	assert_seen(s.f, HQ, v, "1T 2x 3T 4x 5x 6x 7x 8x 9T");
	leave(&s);
}

static void what_is_no_file_is_passed_by(void **state)
{
	struct stand s = stand_of(state);
	int dir = s.volume->dir;

	add_as(s.f, HQ, s.volume, SEED_CUSTODY_EXPORTED);
	assert_int_equal(symlinkat("/etc/passwd", dir, "custody/00000002.json"), 0);
	assert_int_equal(symlinkat("00000001.json.minisig", dir, "custody/00000002.json.minisig"), 0);
	assert_int_equal(mkfifoat(dir, "custody/00000003.json", 0600), 0);
	copy_file(dir, "custody/00000001.json.minisig", dir, "custody/00000003.json.minisig");
	assert_int_equal(mkdirat(dir, "custody/00000004.json", 0700), 0);
	assert_int_equal(symlinkat("x", dir, "custody/something else"), 0);
	assert_seen(s.f, HQ, s.volume, "1T 2x 3x 4x");
	add_as(s.f, HQ, s.volume, SEED_CUSTODY_EXPORTED);
	assert_seen(s.f, HQ, s.volume, "1T 2x 3x 4x 5T");
	leave(&s);
}

static void an_entry_that_is_too_long_is_bad(void **state)
{
	struct stand s = stand_of(state);
	struct seed_error err = { 0 };
	SEED_AUTO(seed_freep) char *big = calloc(1, SEED_CUSTODY_MAX + 1);

	add_as(s.f, HQ, s.volume, SEED_CUSTODY_EXPORTED);
	must(seed_file_create(s.volume->dir, "custody/00000002.json", big, SEED_CUSTODY_MAX + 1, 0644,
			      &err), &err);
	copy_file(s.volume->dir, "custody/00000001.json.minisig", s.volume->dir,
		  "custody/00000002.json.minisig");
	assert_seen(s.f, HQ, s.volume, "1T 2B");
	add_as(s.f, HQ, s.volume, SEED_CUSTODY_VERIFIED);
	assert_seen(s.f, HQ, s.volume, "1T 2B 3T");
	leave(&s);
}

/* Somebody uses up the numbers, or writes more than anybody does. */
static void what_is_full_takes_no_more(void **state)
{
	struct stand s = stand_of(state);
	SEED_AUTO(seed_custody_clear) struct seed_custody entry = entry_of(SEED_CUSTODY_VERIFIED);
	struct seen seen = { .text = "" };
	struct seed_error err = { 0 };
	int dir = s.volume->dir;
	char path[64];

	must(seed_path_make_folder(dir, "custody", 0755, &err), &err);
	must(seed_file_create(dir, "custody/99999999.json", "", 0, 0644, &err), &err);
	assert_fails(seed_custody_add(s.volume, &entry, s.f->site[HQ], &err), &err,
		     SEED_ERR_RANGE);
	assert_int_equal(unlinkat(dir, "custody/99999999.json", 0), 0);
	for (unsigned int i = 1; i <= 10000; i++) {
		snprintf(path, sizeof(path), "custody/%08u.json", i);
		close(openat(dir, path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	}
	assert_fails(seed_custody_add(s.volume, &entry, s.f->site[HQ], &err), &err,
		     SEED_ERR_RANGE);
	for (unsigned int i = 10001; i <= 20200; i++) {
		snprintf(path, sizeof(path), "custody/%08u.json", i);
		close(openat(dir, path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	}
	assert_fails(seed_custody_each(s.volume, s.f->trust[HQ], note, &seen, &err), &err,
		     SEED_ERR_RANGE);
	assert_string_equal(seen.text, "");
	leave(&s);
}

static void a_link_in_the_place_of_the_folder_is_not_followed(void **state)
{
	struct stand s = stand_of(state);
	SEED_AUTO(seed_custody_clear) struct seed_custody entry = entry_of(SEED_CUSTODY_VERIFIED);
	struct seed_error err = { 0 };

	must(seed_path_make_folder(s.f->dir->fd, "elsewhere", 0755, &err), &err);
	assert_int_equal(symlinkat("../../../elsewhere", s.volume->dir, "custody"), 0);
	assert_int_equal(seed_custody_add(s.volume, &entry, s.f->site[HQ], &err), -1);
	assert_int_equal(unlinkat(s.f->dir->fd, "elsewhere", AT_REMOVEDIR), 0);	/* still empty */
	leave(&s);
}

static int count_kept(struct seed_json_reader *r, const struct seed_public_key *key, void *arg,
		      struct seed_error *err)
{
	unsigned int *count = arg;

	(void)key;
	(void)err;
	assert_string_equal(seed_json_take_text(r, "action", 16), "imported");
	++*count;
	return 0;
}

static void what_the_medium_cannot_take_is_kept_in_the_home(void **state)
{
	struct stand s = stand_of(state);
	SEED_AUTO(seed_custody_clear) struct seed_custody entry = entry_of(SEED_CUSTODY_IMPORTED);
	struct seed_error err = { 0 };
	unsigned int count = 0;
	char path[80] = "custody/";

	s.medium->writable = false;
	assert_fails(seed_custody_add(s.volume, &entry, s.f->site[DR], &err), &err,
		     SEED_ERR_MEDIUM);
	assert_false(seed_path_exists(s.volume->dir, "custody"));
	for (int i = 0; i < 2; i++)
		must(seed_custody_keep(s.f->home[DR], s.volume, &entry, s.f->site[DR], &err),
		     &err);
	seed_id_text(&s.set, path + strlen(path));
	strcat(path, ".chain");
	must(seed_chain_each(s.f->home[DR], path, count_kept, &count, &err), &err);
	assert_int_equal(count, 2);
	leave(&s);
}

static void more_seeds_than_have_room_are_counted(void **state)
{
	struct stand s = stand_of(state);
	SEED_AUTO(seed_custody_clear) struct seed_custody entry = entry_of(SEED_CUSTODY_VERIFIED);
	struct seed_error err = { 0 };

	for (uint32_t i = 1; i < 5000; i++) {
		struct seed_id seed = { { 1, (uint8_t)(i >> 8), (uint8_t)i } };

		must(seed_custody_add_seed(&entry, &seed, &err), &err);
	}
	must(seed_custody_add(s.volume, &entry, s.f->site[HQ], &err), &err);
	assert_int_equal(entry.seed_count, 5000);
	assert_int_equal(entry.seeds.count, SEED_CUSTODY_SEEDS_MAX);
	assert_true(size_of(s.volume->dir, "custody/00000001.json") < SEED_CUSTODY_MAX);
	assert_seen(s.f, HQ, s.volume, "1T");
	leave(&s);
}

static void custody_is_no_business_of_recovery_and_commits(void **state)
{
	struct stand s = stand_of(state);
	struct seed_set_record record = { .volume = 1, .sealed = true, .next_pack = 2 };
	struct seed_error err = { 0 };

	commit_pack(s.f, s.volume, 1, true);
	add_as(s.f, DR, s.volume, SEED_CUSTODY_IMPORTED);
	add_as(s.f, DR, s.volume, SEED_CUSTODY_IMPORTED);
	damage(s.volume->dir, "custody/00000002.json", 10, true);
	record.set = s.set;
	record.medium = s.medium->id;
	record.reserved = record.confirmed = s.volume->last_commit;
	record.confirmed_digest = s.volume->last_digest;
	must(seed_volume_recover(s.volume, &record, &err), &err);
	must(seed_volume_recover(s.volume, NULL, &err), &err);
	assert_int_equal(size_of(s.volume->dir, "custody/00000002.json"), 10);
	leave(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(entries_of_several_sites_make_one_chain),
		fixture_test(an_entry_tells_who_when_and_which_commit),
		fixture_test(an_entry_of_a_stranger_is_not_read_and_breaks_nothing),
		fixture_test(a_changed_entry_and_the_link_behind_it_are_told),
		fixture_test(an_entry_that_is_gone_breaks_the_chain_behind_it),
		fixture_test(whoever_takes_a_signature_away_breaks_the_chain),
		fixture_test(an_entry_in_the_place_of_another_is_none),
		fixture_test(a_torn_last_entry_is_passed_by),
		fixture_test(what_is_no_file_is_passed_by),
		fixture_test(an_entry_that_is_too_long_is_bad),
		fixture_test(what_is_full_takes_no_more),
		fixture_test(a_link_in_the_place_of_the_folder_is_not_followed),
		fixture_test(what_the_medium_cannot_take_is_kept_in_the_home),
		fixture_test(more_seeds_than_have_room_are_counted),
		fixture_test(custody_is_no_business_of_recovery_and_commits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
