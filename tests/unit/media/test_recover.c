// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fixture.h"

#include <sys/syscall.h>
#include <sys/wait.h>

/* A set of two confirmed commits, packs 1 and 2, and its record. */
struct scene {
	struct fixture *f;
	struct seed_medium *medium;
	struct seed_volume *volume;
	struct seed_id set;
	struct seed_set_record record;
};

static void confirm(struct scene *s)
{
	s->record = (struct seed_set_record){
		.set = s->set, .medium = s->medium->id, .volume = 1,
		.reserved = s->volume->last_commit, .confirmed = s->volume->last_commit,
		.confirmed_digest = s->volume->last_digest,
	};
}

static void begin(struct scene *s, struct fixture *f)
{
	*s = (struct scene){ .f = f, .medium = prepare(f, f->path) };
	s->volume = create_set(f, s->medium, true, &s->set);
	commit_pack(f, s->volume, 1, true);
	commit_pack(f, s->volume, 2, false);
	confirm(s);
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

static int recover(struct scene *s, struct seed_error *err)
{
	reread(s);
	return seed_volume_recover(s->volume, &s->record, err);
}

static void a_clean_volume_stays_as_it_is(void **state)
{
	SEED_AUTO(end) struct scene s;
	struct seed_error err = { 0 };

	begin(&s, *state);
	must(recover(&s, &err), &err);
	must(seed_volume_recover(s.volume, NULL, &err), &err);
	assert_int_equal(s.volume->last_commit, 2);
	assert_true(seed_path_exists(s.volume->dir, "packs/00000002.pack"));
}

/* Commit 3 cut at every length, its pack there already: all of it goes, the numbers do not. */
static void a_torn_commit_is_swept(void **state)
{
	static const char *const files[] = { "commits/00000003.json",
					     "commits/00000003.json.minisig" };
	SEED_AUTO(end) struct scene s;

	begin(&s, *state);
	for (int i = 0; i < 2; i++) {
		off_t size = 1;

		for (off_t cut = 0; cut < size; cut += 61) {
			struct seed_error err = { 0 };
			const struct seed_volume_problem *problem;

			commit_pack(s.f, s.volume, 3, true);
			size = size_of(s.volume->dir, files[i]);
			damage(s.volume->dir, files[i], cut, true);
			if (i == 0)	/* the document comes before its signature */
				unlinkat(s.volume->dir, files[1], 0);
			reread(&s);
			assert_int_equal(s.volume->problems.count, 1);
			problem = seed_vec_at(&s.volume->problems, 0);
			assert_false(problem->torn);
			seed_volume_mark_torn(s.volume, &s.record);
			assert_true(problem->torn);
			must(seed_volume_recover(s.volume, &s.record, &err), &err);
			assert_int_equal(s.volume->problems.count, 0);
			assert_int_equal(s.volume->highest_seen, 3);
			assert_false(seed_path_exists(s.volume->dir, files[0]));
			assert_false(seed_path_exists(s.volume->dir, files[1]));
			assert_false(seed_path_exists(s.volume->dir, "packs/00000003.pack"));
			assert_false(seed_path_exists(s.volume->dir, "seeds/"
						      "03000000000000000000000000000000"));
			reread(&s);
			assert_int_equal(s.volume->last_commit, 2);
		}
	}
}

static void what_no_commit_names_is_swept(void **state)
{
	SEED_AUTO(end) struct scene s;
	struct seed_error err = { 0 };

	begin(&s, *state);
	put_pack(s.volume, 77);
	put_file(s.volume, "seeds/0a000000000000000000000000000000/list-0000-0001.sealed", 10);
	put_file(s.volume, "seeds/01000000000000000000000000000000/file-0000.sealed", 10);
	must(recover(&s, &err), &err);
	assert_false(seed_path_exists(s.volume->dir, "packs/00000077.pack"));
	assert_false(seed_path_exists(s.volume->dir, "seeds/0a000000000000000000000000000000"));
	assert_false(seed_path_exists(s.volume->dir, "seeds/01000000000000000000000000000000/"
				      "file-0000.sealed"));
	assert_true(seed_path_exists(s.volume->dir, "seeds/01000000000000000000000000000000/"
				     "manifest.sealed"));
	assert_true(seed_path_exists(s.volume->dir, "packs/00000001.pack"));
}

static void names_that_we_do_not_give_stay(void **state)
{
	static const char *const theirs[] = {
		"packs/0000003.pack", "packs/notes.txt", "packs/00000003.pack.bak",
		"commits/3.json", "commits/00000003.json~",
		"seeds/0a000000000000000000000000000000/photo.jpg", "seeds/other/manifest.sealed",
	};
	SEED_AUTO(end) struct scene s;
	struct seed_error err = { 0 };

	begin(&s, *state);
	for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
		put_file(s.volume, theirs[i], 3);
	must(recover(&s, &err), &err);
	for (size_t i = 0; i < sizeof(theirs) / sizeof(theirs[0]); i++)
		if (!seed_path_exists(s.volume->dir, theirs[i]))
			fail_msg("%s is gone", theirs[i]);
}

static void damage_at_or_below_is_refused_and_nothing_swept(void **state)
{
	static const char *const files[] = {
		"commits/00000001.json", "commits/00000002.json", "commits/00000002.json.minisig",
	};
	SEED_AUTO(end) struct scene s;

	begin(&s, *state);
	put_pack(s.volume, 3);
	for (size_t i = 0; i < 3; i++) {
		struct seed_error err = { 0 };

		damage(s.volume->dir, files[i], 130, false);
		assert_fails(recover(&s, &err), &err, SEED_ERR_INTEGRITY);
		assert_non_null(strstr(err.text, "commits/0000000"));
		assert_true(seed_path_exists(s.volume->dir, "packs/00000003.pack"));
		assert_true(seed_path_exists(s.volume->dir, files[i]));
		damage(s.volume->dir, files[i], 130, false);
	}
}

static void a_listed_file_that_is_gone_or_cut_is_damage(void **state)
{
	static const char *const files[] = {
		"packs/00000001.pack", "packs/00000002.pack",
		"seeds/01000000000000000000000000000000/manifest.sealed",
	};
	SEED_AUTO(end) struct scene s;

	begin(&s, *state);
	for (size_t i = 0; i < 3; i++) {
		struct seed_error err = { 0 };

		assert_int_equal(renameat(s.volume->dir, files[i], s.volume->dir, "kept"), 0);
		assert_fails(recover(&s, &err), &err, SEED_ERR_INTEGRITY);
		assert_non_null(strstr(err.text, files[i]));
		assert_int_equal(symlinkat("../kept", s.volume->dir, files[i]), 0);
		assert_fails(recover(&s, &err), &err, SEED_ERR_INTEGRITY);
		unlinkat(s.volume->dir, files[i], 0);
		assert_int_equal(renameat(s.volume->dir, "kept", s.volume->dir, files[i]), 0);
	}
	damage(s.volume->dir, files[1], 100, true);
	{
		struct seed_error err = { 0 };

		assert_fails(recover(&s, &err), &err, SEED_ERR_INTEGRITY);
		assert_non_null(strstr(err.text, "100 bytes"));
	}
}

static void a_volume_that_shows_less_was_rolled_back(void **state)
{
	SEED_AUTO(end) struct scene s;
	struct seed_error err = { 0 };

	begin(&s, *state);
	assert_int_equal(unlinkat(s.volume->dir, "commits/00000002.json", 0), 0);
	assert_int_equal(unlinkat(s.volume->dir, "commits/00000002.json.minisig", 0), 0);
	assert_fails(recover(&s, &err), &err, SEED_ERR_MEDIUM);
	assert_non_null(strstr(err.text, "rolled back"));
	assert_true(seed_path_exists(s.volume->dir, "packs/00000002.pack"));
}

static void another_commit_of_that_number_is_refused(void **state)
{
	SEED_AUTO(end) struct scene s;
	struct seed_error err = { 0 };

	begin(&s, *state);
	s.record.confirmed_digest.bytes[0] ^= 1;
	assert_fails(recover(&s, &err), &err, SEED_ERR_INTEGRITY);
	confirm(&s);
	s.record.medium.bytes[0] ^= 1;
	assert_fails(recover(&s, &err), &err, SEED_ERR_INTEGRITY);
}

/* The run ended behind its commit and before it could say so at home. */
static void a_valid_commit_above_counts(void **state)
{
	SEED_AUTO(end) struct scene s;
	struct seed_error err = { 0 };

	begin(&s, *state);
	s.record.reserved = 3;
	commit_pack(s.f, s.volume, 3, true);
	must(recover(&s, &err), &err);
	assert_int_equal(s.volume->last_commit, 3);
	assert_true(seed_path_exists(s.volume->dir, "packs/00000003.pack"));
	assert_true(seed_path_exists(s.volume->dir, "commits/00000003.json"));
}

static void an_own_commit_that_does_not_fit_is_not_swept(void **state)
{
	SEED_AUTO(end) struct scene s;
	struct seed_error err = { 0 };

	begin(&s, *state);
	copy_file(s.volume->dir, "commits/00000002.json", s.volume->dir, "commits/00000004.json");
	copy_file(s.volume->dir, "commits/00000002.json.minisig", s.volume->dir,
		  "commits/00000004.json.minisig");
	assert_fails(recover(&s, &err), &err, SEED_ERR_INTEGRITY);
	assert_true(seed_path_exists(s.volume->dir, "commits/00000004.json"));
}

static void without_a_record_nothing_is_swept(void **state)
{
	SEED_AUTO(end) struct scene s;
	struct seed_error err = { 0 };

	begin(&s, *state);
	put_pack(s.volume, 3);
	reread(&s);
	assert_fails(seed_volume_recover(s.volume, NULL, &err), &err, SEED_ERR_INTEGRITY);
	assert_non_null(strstr(err.text, "packs/00000003.pack"));
	assert_true(seed_path_exists(s.volume->dir, "packs/00000003.pack"));
	unlinkat(s.volume->dir, "packs/00000003.pack", 0);
	put_file(s.volume, "commits/00000003.json", 10);
	reread(&s);
	assert_fails(seed_volume_recover(s.volume, NULL, &err), &err, SEED_ERR_INTEGRITY);
	assert_true(seed_path_exists(s.volume->dir, "commits/00000003.json"));
}

/* ---- a commit killed at each of its writes ---- */

static int writes_left = -1;	/* -1: no limit */

static void count_write(void)
{
	if (writes_left == 0)
		_exit(42);
	if (writes_left > 0)
		writes_left--;
}

/* Ours stand in for the C library's in everything linked into this test. */
ssize_t write(int fd, const void *buf, size_t len)
{
	count_write();
	if (writes_left == 0)	/* the last one is torn */
		len = len > 10 ? len / 2 : len;
	return syscall(SYS_write, fd, buf, len);
}

int fsync(int fd)
{
	count_write();
	(void)fd;	/* the machine stays up: only where a process ends matters */
	return 0;
}

static void a_commit_killed_anywhere_leaves_before_or_after(void **state)
{
	unsigned int before = 0, after = 0, points = 0;
	SEED_AUTO(end) struct scene s;

	begin(&s, *state);
	for (bool done = false; !done; points++) {
		struct seed_error err = { 0 };
		uint32_t last = s.volume->last_commit, next = s.volume->highest_seen + 1;
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			struct seed_pack_facts pack = put_pack(s.volume, next);
			SEED_AUTO(seed_vec_free) struct seed_vec packs = { 0 };
			const struct seed_vec none = { 0 };

			seed_vec_push(&packs, sizeof(pack), &pack);
			writes_left = (int)points;
			_exit(seed_volume_commit(s.volume, next, false, &packs, &none, NULL,
						 s.f->site[HQ], &err) < 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		done = WEXITSTATUS(status) == 0;
		assert_true(done || WEXITSTATUS(status) == 42);
		s.record.reserved = next;
		must(recover(&s, &err), &err);
		reread(&s);
		assert_int_equal(s.volume->problems.count, 0);
		assert_true(s.volume->last_commit == last || s.volume->last_commit == next);
		assert_true(!done || s.volume->last_commit == next);
		if (s.volume->last_commit == next)
			after++;
		else
			before++;
		confirm(&s);
		/* A swept number is not used again: something above it must be there. */
		if (s.volume->highest_seen < next)
			s.volume->highest_seen = next;
	}
	assert_true(points >= 8);
	assert_true(before >= 4 && after >= 2);
}

/* In the middle of a run: what was read back is about to be committed, all else makes room. */
static void a_sweep_spares_what_is_kept(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;
	SEED_AUTO(seed_vec_free) struct seed_vec kept = { 0 };
	struct seed_pack_facts pack;
	struct seed_error err = { 0 };
	struct seed_id set;

	volume = create_set(f, medium, true, &set);
	commit_pack(f, volume, 1, true);
	pack = put_pack(volume, 2);
	assert_non_null(seed_vec_push(&kept, sizeof(pack), &pack));
	put_pack(volume, 3);
	put_file(volume, "seeds/07000000000000000000000000000000/manifest.sealed", 100);
	put_file(volume, "seeds/07000000000000000000000000000000/notes.txt", 100);
	must(seed_volume_sweep(volume, &kept, &err), &err);
	assert_true(seed_path_exists(volume->dir, "packs/00000001.pack"));
	assert_true(seed_path_exists(volume->dir, "packs/00000002.pack"));
	assert_false(seed_path_exists(volume->dir, "packs/00000003.pack"));
	assert_false(seed_path_exists(volume->dir,
				      "seeds/07000000000000000000000000000000/manifest.sealed"));
	assert_true(seed_path_exists(volume->dir,
				     "seeds/07000000000000000000000000000000/notes.txt"));
	assert_true(seed_path_exists(volume->dir, "commits/00000001.json"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(a_clean_volume_stays_as_it_is),
		fixture_test(a_torn_commit_is_swept),
		fixture_test(what_no_commit_names_is_swept),
		fixture_test(names_that_we_do_not_give_stay),
		fixture_test(damage_at_or_below_is_refused_and_nothing_swept),
		fixture_test(a_listed_file_that_is_gone_or_cut_is_damage),
		fixture_test(a_volume_that_shows_less_was_rolled_back),
		fixture_test(another_commit_of_that_number_is_refused),
		fixture_test(a_valid_commit_above_counts),
		fixture_test(an_own_commit_that_does_not_fit_is_not_swept),
		fixture_test(without_a_record_nothing_is_swept),
		fixture_test(a_commit_killed_anywhere_leaves_before_or_after),
		fixture_test(a_sweep_spares_what_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
