// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fixture.h"

#include "media/set_doc.h"

/* A set's volume whose next full commit is number 2, and the record of its home. */
struct scene {
	struct fixture *f;
	struct seed_medium *medium;
	struct seed_volume *volume;
	struct seed_id set;
	struct seed_set_record record;
};

static void begin(struct scene *s, struct fixture *f)
{
	*s = (struct scene){ .f = f, .medium = prepare(f, f->path) };
	s->volume = create_set(f, s->medium, true, &s->set);
	commit_pack(f, s->volume, 1, false);
}

static void end(struct scene *s)
{
	seed_volume_close(s->volume);
	seed_medium_close(s->medium);
}

static void reread(struct scene *s)
{
	seed_volume_close(s->volume);
	s->volume = reopen(s->f, s->medium, &s->set);
}

static void confirm(struct scene *s)
{
	s->record = (struct seed_set_record){
		.set = s->set, .medium = s->medium->id, .volume = 1,
		.reserved = s->volume->last_commit, .confirmed = s->volume->last_commit,
		.confirmed_digest = s->volume->last_digest,
	};
}

static void add(struct seed_set_doc *doc, uint32_t volume, const char *label, uint32_t commit,
		bool has_digest)
{
	struct seed_set_member m = { .volume = volume, .commit = commit,
				     .has_digest = has_digest };

	snprintf(m.label, sizeof(m.label), "%s", label);
	m.medium.bytes[0] = (uint8_t)volume;
	memset(m.digest.bytes, has_digest ? (int)volume : 0, sizeof(m.digest.bytes));
	assert_non_null(seed_vec_push(&doc->members, sizeof(m), &m));
}

/* The document of commit @number: this volume, number 1, and one more, number 3. */
static struct seed_set_doc sample(const struct scene *s, uint32_t number)
{
	struct seed_set_doc doc = { .set = s->set, .volume = 1, .number = number };

	add(&doc, 1, "blue caddy", number, false);
	add(&doc, 3, "red caddy", 9, true);
	((struct seed_set_member *)seed_vec_at(&doc.members, 0))->medium = s->medium->id;
	return doc;
}

static void write_doc(const struct scene *s, uint32_t number)
{
	SEED_AUTO(seed_set_doc_clear) struct seed_set_doc doc = sample(s, number);
	struct seed_error err = { 0 };

	must(seed_set_doc_create(s->volume, &doc, s->f->site[HQ], &err), &err);
}

#define DOC "sets/00000002.json"

static void the_full_commits_document_is_read(void **state)
{
	SEED_AUTO(seed_set_doc_clear) struct seed_set_doc doc = { 0 };
	SEED_AUTO(end) struct scene s;
	const struct seed_set_member *m;
	struct seed_error err = { 0 };

	begin(&s, *state);
	write_doc(&s, 2);
	assert_fails(seed_set_doc_open(&doc, s.volume, &err), &err, SEED_ERR_NOTFOUND);
	commit_pack(s.f, s.volume, 2, true);
	reread(&s);
	assert_int_equal(s.volume->problems.count, 0);
	must(seed_set_doc_open(&doc, s.volume, &err), &err);
	assert_true(seed_id_equal(&doc.set, &s.set));
	assert_int_equal(doc.volume, 1);
	assert_int_equal(doc.number, 2);
	assert_int_equal(doc.members.count, 2);
	m = seed_set_doc_member(&doc, 1);
	assert_non_null(m);
	assert_false(m->has_digest);
	m = seed_set_doc_member(&doc, 3);
	assert_non_null(m);
	assert_string_equal(m->label, "red caddy");
	assert_int_equal(m->commit, 9);
	assert_true(m->has_digest && m->digest.bytes[31] == 3 && m->medium.bytes[0] == 3);
	assert_null(seed_set_doc_member(&doc, 2));
}

static void a_later_full_commit_without_one_has_none(void **state)
{
	SEED_AUTO(seed_set_doc_clear) struct seed_set_doc doc = { 0 };
	SEED_AUTO(end) struct scene s;
	struct seed_error err = { 0 };

	begin(&s, *state);
	write_doc(&s, 2);
	commit_pack(s.f, s.volume, 2, true);
	commit_pack(s.f, s.volume, 3, true);
	reread(&s);
	assert_fails(seed_set_doc_open(&doc, s.volume, &err), &err, SEED_ERR_NOTFOUND);
	assert_int_equal(s.volume->problems.count, 0);
}

static void what_would_not_be_read_is_not_written(void **state)
{
	SEED_AUTO(end) struct scene s;

	begin(&s, *state);
	for (int i = 0; i < 6; i++) {
		SEED_AUTO(seed_set_doc_clear) struct seed_set_doc doc = sample(&s, 2);
		struct seed_set_member *m = seed_vec_at(&doc.members, 0);
		struct seed_error err = { 0 };

		switch (i) {
		case 0: m->has_digest = true; break;
		case 1: m->commit = 7; break;
		case 2: m->medium.bytes[0] ^= 1; break;
		case 3: doc.set.bytes[0] ^= 1; break;
		case 4: doc.volume = 3; break;
		case 5: m->volume = 3; break;
		}
		assert_fails(seed_set_doc_create(s.volume, &doc, s.f->site[HQ], &err), &err,
			     SEED_ERR_USAGE);
		assert_false(seed_path_exists(s.volume->dir, DOC));
	}
}

static void only_the_exporter_writes_one(void **state)
{
	SEED_AUTO(end) struct scene s;
	SEED_AUTO(seed_set_doc_clear) struct seed_set_doc doc = { 0 };
	struct seed_error err = { 0 };

	begin(&s, *state);
	doc = sample(&s, 2);
	assert_fails(seed_set_doc_create(s.volume, &doc, s.f->site[DR], &err), &err,
		     SEED_ERR_TRUST);
}

/* The volume says so, and nothing is added to it any more. */
static void assert_damaged(struct scene *s, enum seed_error_kind kind)
{
	const struct seed_volume_problem *problem;
	struct seed_error err = { 0 };

	reread(s);
	assert_int_equal(s->volume->problems.count, 1);
	problem = seed_vec_at(&s->volume->problems, 0);
	assert_string_equal(problem->path, DOC);
	assert_int_equal(problem->kind, kind);
	assert_int_equal(problem->commit, 2);
	/* Nobody takes it for torn, whatever was confirmed. */
	s->record.confirmed = 1;
	seed_volume_mark_torn(s->volume, &s->record);
	assert_false(problem->torn);
	assert_fails(seed_volume_recover(s->volume, &s->record, &err), &err, SEED_ERR_INTEGRITY);
	if (!strstr(err.text, DOC))
		fail_msg("%s", err.text);
	assert_int_equal(s->volume->last_commit, 2);
}

static void damage_at_any_place_is_a_problem_of_the_volume(void **state)
{
	SEED_AUTO(end) struct scene s;
	off_t size;

	begin(&s, *state);
	write_doc(&s, 2);
	commit_pack(s.f, s.volume, 2, true);
	confirm(&s);
	size = size_of(s.volume->dir, DOC);
	for (off_t at = 0; at < size; at += 41) {
		damage(s.volume->dir, DOC, at, false);
		assert_damaged(&s, SEED_ERR_TRUST);
		damage(s.volume->dir, DOC, at, false);
	}
	confirm(&s);
	copy_file(s.volume->dir, DOC ".minisig", s.volume->dir, "kept");
	assert_int_equal(unlinkat(s.volume->dir, DOC ".minisig", 0), 0);
	assert_damaged(&s, SEED_ERR_TRUST);
	copy_file(s.volume->dir, "kept", s.volume->dir, DOC ".minisig");
	assert_int_equal(unlinkat(s.volume->dir, DOC, 0), 0);
	assert_damaged(&s, SEED_ERR_INTEGRITY);
}

/* Signed by the exporter, and in another's place. */
static void another_commits_document_is_refused(void **state)
{
	SEED_AUTO(end) struct scene s;

	begin(&s, *state);
	write_doc(&s, 2);
	write_doc(&s, 4);
	commit_pack(s.f, s.volume, 2, true);
	confirm(&s);
	copy_file(s.volume->dir, "sets/00000004.json", s.volume->dir, DOC);
	copy_file(s.volume->dir, "sets/00000004.json.minisig", s.volume->dir, DOC ".minisig");
	assert_damaged(&s, SEED_ERR_INTEGRITY);
}

static void links_and_folders_in_its_place_are_damage(void **state)
{
	SEED_AUTO(end) struct scene s;
	struct seed_error err = { 0 };

	begin(&s, *state);
	write_doc(&s, 2);
	commit_pack(s.f, s.volume, 2, true);
	confirm(&s);
	assert_int_equal(renameat(s.volume->dir, DOC, s.volume->dir, "kept"), 0);
	assert_int_equal(symlinkat("../kept", s.volume->dir, DOC), 0);
	assert_damaged(&s, SEED_ERR_INTEGRITY);
	assert_int_equal(unlinkat(s.volume->dir, DOC, 0), 0);
	must(seed_path_make_folder(s.volume->dir, DOC, 0755, &err), &err);
	assert_damaged(&s, SEED_ERR_INTEGRITY);
}

/* Document 3 as a run left it that ended before commit 3: whole, cut, or without its signature. */
static void one_of_a_torn_attempt_is_swept(void **state)
{
	SEED_AUTO(end) struct scene s;

	begin(&s, *state);
	write_doc(&s, 2);
	commit_pack(s.f, s.volume, 2, true);
	confirm(&s);
	for (int i = 0; i < 3; i++) {
		struct seed_error err = { 0 };

		write_doc(&s, 3);
		if (i == 1)
			damage(s.volume->dir, "sets/00000003.json.minisig", 20, true);
		if (i == 2)
			assert_int_equal(unlinkat(s.volume->dir, "sets/00000003.json.minisig", 0),
					 0);
		reread(&s);
		assert_int_equal(s.volume->problems.count, 0);
		assert_fails(seed_volume_recover(s.volume, NULL, &err), &err, SEED_ERR_INTEGRITY);
		assert_true(seed_path_exists(s.volume->dir, "sets/00000003.json"));
		must(seed_volume_recover(s.volume, &s.record, &err), &err);
		assert_false(seed_path_exists(s.volume->dir, "sets/00000003.json"));
		assert_false(seed_path_exists(s.volume->dir, "sets/00000003.json.minisig"));
		assert_true(seed_path_exists(s.volume->dir, DOC));
		must(seed_volume_recover(s.volume, NULL, &err), &err);
	}
}

/* Its commit was torn: both go. Its commit is there and was not confirmed yet: both stay. */
static void it_shares_the_fate_of_its_commit(void **state)
{
	SEED_AUTO(end) struct scene s;
	struct seed_error err = { 0 };

	begin(&s, *state);
	confirm(&s);
	write_doc(&s, 2);
	commit_pack(s.f, s.volume, 2, true);
	reread(&s);
	must(seed_volume_recover(s.volume, &s.record, &err), &err);
	assert_true(seed_path_exists(s.volume->dir, DOC));
	damage(s.volume->dir, "commits/00000002.json", 30, true);
	reread(&s);
	must(seed_volume_recover(s.volume, &s.record, &err), &err);
	assert_false(seed_path_exists(s.volume->dir, DOC));
	assert_int_equal(s.volume->last_commit, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(the_full_commits_document_is_read),
		fixture_test(a_later_full_commit_without_one_has_none),
		fixture_test(what_would_not_be_read_is_not_written),
		fixture_test(only_the_exporter_writes_one),
		fixture_test(damage_at_any_place_is_a_problem_of_the_volume),
		fixture_test(another_commits_document_is_refused),
		fixture_test(links_and_folders_in_its_place_are_damage),
		fixture_test(one_of_a_torn_attempt_is_swept),
		fixture_test(it_shares_the_fate_of_its_commit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
