// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fixture.h"

#include "base/text.h"

static int prepare_as(struct fixture *f, int who, const char *label, bool *made,
		      struct seed_error *err)
{
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = NULL;
	const struct seed_medium_prepare opt = { .label = label, .allow_internal = true,
						 .trust = f->trust[who] };

	return seed_medium_prepare(&medium, made, f->path, f->site[who], &opt, err);
}

static struct seed_medium *open_as(struct fixture *f, int who)
{
	struct seed_medium *medium = NULL;
	struct seed_error err = { 0 };

	must(seed_medium_open(&medium, f->path, f->trust[who], &err), &err);
	return medium;
}

static void a_prepared_medium_is_known_where_its_site_is(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *made = prepare(f, f->path);
	char name[SEED_QUOTED];

	assert_true(made->known_signer && made->writable);
	for (int who = HQ; who <= DR; who++) {
		SEED_AUTO(seed_medium_closep) struct seed_medium *medium = open_as(f, who);

		assert_true(medium->known_signer);
		assert_string_equal(medium->label, "blue caddy");
		assert_string_equal(medium->site_name, "hq");
		assert_true(seed_id_equal(&medium->id, &made->id));
		assert_true(seed_id_equal(&medium->site, &f->site[HQ]->id));
		assert_string_equal(seed_medium_name(medium, name), "\"blue caddy\"");
	}
}

static void elsewhere_it_is_told_by_its_path(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *made = prepare(f, f->path);
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = open_as(f, STRANGER);
	const struct seed_id none = { { 0 } };
	char name[SEED_QUOTED];

	assert_non_null(made);
	assert_false(medium->known_signer);
	assert_int_equal(medium->unknown.kind, SEED_ERR_TRUST);
	assert_string_equal(medium->label, "");
	assert_true(seed_id_equal(&medium->id, &none));
	assert_non_null(strstr(seed_medium_name(medium, name), "caddy"));
}

static void preparing_again_changes_nothing(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *made = prepare(f, f->path);
	struct seed_id id = made->id;
	struct seed_error err = { 0 };
	bool again = true;

	seed_medium_close(seed_steal(&made));
	must(prepare_as(f, HQ, NULL, &again, &err), &err);
	assert_false(again);
	must(prepare_as(f, HQ, "blue caddy", &again, &err), &err);
	assert_false(again);
	must(prepare_as(f, DR, NULL, &again, &err), &err);	/* dr trusts hq */
	assert_false(again);
	assert_fails(prepare_as(f, HQ, "red caddy", &again, &err), &err, SEED_ERR_USAGE);
	assert_fails(prepare_as(f, STRANGER, NULL, &again, &err), &err, SEED_ERR_MEDIUM);
	made = open_as(f, HQ);
	assert_true(seed_id_equal(&made->id, &id));
}

static void a_medium_without_a_label_is_named_by_its_id(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = NULL;
	struct seed_error err = { 0 };
	char id[SEED_ID_TEXT], label[SEED_LABEL_MAX];
	bool made;

	must(prepare_as(f, HQ, NULL, &made, &err), &err);
	assert_true(made);
	medium = open_as(f, HQ);
	snprintf(label, sizeof(label), "vmseed-%.8s", seed_id_text(&medium->id, id));
	assert_string_equal(medium->label, label);
}

static void labels_are_plain(void **state)
{
	static const char *const bad[] = { "", " x", "x ", "a/b", "a\nb", "\x1b[31m", "caf\xc3\xa9",
					   "123456789012345678901234567890123", "a\"b" };
	static const char *const good[] = { "x", "A-b_c.9 z", "12345678901234567890123456789012" };
	struct fixture *f = *state;
	struct seed_error err = { 0 };
	bool made;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_fails(prepare_as(f, HQ, bad[i], &made, &err), &err, SEED_ERR_USAGE);
	assert_false(seed_path_exists(f->dir->fd, "caddy/vmseed"));
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		must(prepare_as(f, HQ, good[i], &made, &err), &err);
		assert_true(made);
		must(seed_path_remove_tree(f->dir->fd, "caddy/vmseed", &err), &err);
	}
}

static void an_internal_disk_must_be_meant(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = NULL;
	const struct seed_medium_prepare opt = { 0 };
	struct seed_error err = { 0 };
	struct stat st;
	struct { bool external; } seen;
	bool made;

	assert_int_equal(fstat(f->dir->fd, &st), 0);
	seen.external = seed_medium_prepare(&medium, &made, f->path, f->site[HQ], &opt,
					    &err) == 0;
	if (seen.external)
		skip();		/* the tests' folder is on a removable disk */
	assert_int_equal(err.kind, SEED_ERR_USAGE);
	assert_non_null(strstr(err.text, "--allow-internal"));
	assert_false(seed_path_exists(f->dir->fd, "caddy/vmseed"));
}

static void a_dry_run_writes_nothing(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = NULL;
	const struct seed_medium_prepare opt = { .allow_internal = true, .dry_run = true };
	struct seed_error err = { 0 };
	bool made = false;

	must(seed_medium_prepare(&medium, &made, f->path, f->site[HQ], &opt, &err), &err);
	assert_true(made);
	assert_null(medium);
	assert_false(seed_path_exists(f->dir->fd, "caddy/vmseed"));
	medium = prepare(f, f->path);
	seed_medium_close(seed_steal(&medium));
	must(seed_medium_prepare(&medium, &made, f->path, f->site[HQ], &opt, &err), &err);
	assert_false(made);
	assert_non_null(medium);
}

/* Cut medium.json, then its signature, at every length: without sets that is a torn attempt. */
static void a_torn_attempt_is_finished(void **state)
{
	static const char *const files[] = { "medium.json", "medium.json.minisig" };
	struct fixture *f = *state;
	struct seed_error err = { 0 };

	for (int i = 0; i < 2; i++) {
		off_t size = 1;

		for (off_t cut = 0; cut < size; cut += 37) {
			SEED_AUTO(seed_medium_closep) struct seed_medium *medium =
				prepare(f, f->path);
			bool made = false;

			size = size_of(medium->vmseed, files[i]);
			damage(medium->vmseed, files[i], cut, true);
			seed_medium_close(seed_steal(&medium));
			must(prepare_as(f, HQ, "blue caddy", &made, &err), &err);
			assert_true(made);
		}
	}
}

static void damage_beside_sets_is_never_written_over(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;
	struct seed_error err = { 0 };
	struct seed_id set;
	bool made;

	volume = create_set(f, medium, true, &set);
	damage(medium->vmseed, "medium.json", 20, false);
	seed_volume_close(seed_steal(&volume));
	seed_medium_close(seed_steal(&medium));
	assert_fails(prepare_as(f, HQ, NULL, &made, &err), &err, SEED_ERR_MEDIUM);
	/* The set on it is still to be had, judged by its own signatures. */
	medium = open_as(f, DR);
	assert_false(medium->known_signer);
	must(seed_volume_open(&volume, medium, &set, f->trust[DR], f->site[DR], &err), &err);
	assert_true(volume->data_key.known);
	seed_volume_close(seed_steal(&volume));
	seed_medium_close(seed_steal(&medium));
	assert_int_equal(unlinkat(f->dir->fd, "caddy/vmseed/medium.json", 0), 0);
	medium = open_as(f, DR);
	assert_int_equal(medium->unknown.kind, SEED_ERR_NOTFOUND);
	assert_fails(prepare_as(f, HQ, NULL, &made, &err), &err, SEED_ERR_MEDIUM);
}

static void flipped_bits_make_the_signer_unknown(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *made = prepare(f, f->path);
	off_t size = size_of(made->vmseed, "medium.json");

	for (off_t at = 0; at < size; at += 3) {
		SEED_AUTO(seed_medium_closep) struct seed_medium *medium = NULL;

		damage(made->vmseed, "medium.json", at, false);
		medium = open_as(f, HQ);
		assert_false(medium->known_signer);
		assert_string_equal(medium->label, "");
		damage(made->vmseed, "medium.json", at, false);
	}
}

static void what_is_no_medium_is_said(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = NULL;
	struct seed_error err = { 0 };
	char path[340];
	bool made;

	assert_fails(seed_medium_open(&medium, f->path, f->trust[HQ], &err), &err,
		     SEED_ERR_MEDIUM);
	assert_non_null(strstr(err.text, "media prepare"));
	snprintf(path, sizeof(path), "%s/gone", f->path);
	assert_fails(seed_medium_open(&medium, path, f->trust[HQ], &err), &err, SEED_ERR_MEDIUM);
	/* An empty vmseed/ is what a prepare leaves that was cut short at once. */
	must(seed_path_make_folder(f->dir->fd, "caddy/vmseed", 0755, &err), &err);
	assert_fails(seed_medium_open(&medium, f->path, f->trust[HQ], &err), &err,
		     SEED_ERR_MEDIUM);
	must(prepare_as(f, HQ, NULL, &made, &err), &err);
	assert_true(made);
}

static void links_and_fifos_are_refused(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	struct seed_error err = { 0 };
	bool made;

	assert_int_equal(renameat(f->dir->fd, "caddy/vmseed/medium.json", f->dir->fd, "kept"), 0);
	assert_int_equal(symlinkat("../../kept", f->dir->fd, "caddy/vmseed/medium.json"), 0);
	seed_medium_close(seed_steal(&medium));
	medium = open_as(f, HQ);
	assert_false(medium->known_signer);
	seed_medium_close(seed_steal(&medium));
	assert_fails(prepare_as(f, HQ, NULL, &made, &err), &err, SEED_ERR_MEDIUM);
	assert_int_equal(unlinkat(f->dir->fd, "caddy/vmseed/medium.json", 0), 0);
	assert_int_equal(mkfifoat(f->dir->fd, "caddy/vmseed/medium.json", 0600), 0);
	assert_fails(prepare_as(f, HQ, NULL, &made, &err), &err, SEED_ERR_MEDIUM);
	medium = open_as(f, HQ);
	assert_false(medium->known_signer);
	seed_medium_close(seed_steal(&medium));
	assert_int_equal(renameat(f->dir->fd, "caddy/vmseed", f->dir->fd, "moved"), 0);
	assert_int_equal(symlinkat("../moved", f->dir->fd, "caddy/vmseed"), 0);
	assert_fails(seed_medium_open(&medium, f->path, f->trust[HQ], &err), &err,
		     SEED_ERR_MEDIUM);
	assert_fails(prepare_as(f, HQ, NULL, &made, &err), &err, SEED_ERR_MEDIUM);
}

static void a_medium_has_one_writer(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *first = prepare(f, f->path);
	SEED_AUTO(seed_medium_closep) struct seed_medium *second = open_as(f, HQ);
	struct seed_error err = { 0 };
	bool made;

	/* prepare() locked the first already. */
	assert_fails(seed_medium_lock(second, &err), &err, SEED_ERR_LOCKED);
	assert_fails(prepare_as(f, HQ, NULL, &made, &err), &err, SEED_ERR_LOCKED);
	seed_medium_close(seed_steal(&first));
	must(seed_medium_lock(second, &err), &err);
}

/* The folder that stands for the medium is another one now; put back, all is well again. */
static void a_medium_that_was_changed_is_noticed(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *made = prepare(f, f->path);
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = NULL;
	struct seed_error err = { 0 };

	must(seed_medium_recheck(made, &err), &err);
	must(seed_medium_open(&medium, f->path, f->trust[DR], &err), &err);
	must(seed_medium_recheck(medium, &err), &err);
	assert_int_equal(renameat(f->dir->fd, "caddy", f->dir->fd, "gone"), 0);
	assert_fails(seed_medium_recheck(medium, &err), &err, SEED_ERR_MEDIUM);
	assert_int_equal(mkdirat(f->dir->fd, "caddy", 0755), 0);
	assert_fails(seed_medium_recheck(medium, &err), &err, SEED_ERR_MEDIUM);
	assert_non_null(strstr(err.text, "another file system is mounted at"));
	assert_int_equal(unlinkat(f->dir->fd, "caddy", AT_REMOVEDIR), 0);
	assert_int_equal(renameat(f->dir->fd, "gone", f->dir->fd, "caddy"), 0);
	must(seed_medium_recheck(medium, &err), &err);
	damage(medium->vmseed, "medium.json", 40, false);
	assert_fails(seed_medium_recheck(medium, &err), &err, SEED_ERR_MEDIUM);
	damage(medium->vmseed, "medium.json", 40, false);
	must(seed_medium_recheck(made, &err), &err);
}

static void a_released_medium_keeps_its_name(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = prepare(f, f->path);
	SEED_AUTO(seed_medium_closep) struct seed_medium *again = NULL;
	struct seed_error err = { 0 };
	char name[SEED_QUOTED];
	uint64_t room, size;

	must(seed_medium_room(medium, &room, &size, &err), &err);
	assert_true(room > 0 && room <= size);
	must(seed_medium_lock(medium, &err), &err);
	seed_medium_release(medium);
	assert_string_equal(seed_medium_name(medium, name), "\"blue caddy\"");
	must(seed_medium_open(&again, f->path, f->trust[HQ], &err), &err);
	must(seed_medium_lock(again, &err), &err);	/* the lock went with it */
}

static void other_things_on_the_disk_are_left_alone(void **state)
{
	struct fixture *f = *state;
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = NULL;
	SEED_AUTO(seed_vec_free) struct seed_vec sets = { 0 };
	struct seed_error err = { 0 };

	tmpdir_put(f->dir, "caddy/holiday.jpg", "jpg", 3);
	medium = prepare(f, f->path);
	must(seed_path_make_folder(medium->vmseed, "0123456789abcdef0123456789abcdef", 0755, &err),
	     &err);
	must(seed_path_make_folder(medium->vmseed, "notes", 0755, &err), &err);
	must(seed_medium_sets(medium, &sets, &err), &err);
	assert_int_equal(sets.count, 0);
	assert_true(tmpdir_holds(f->dir, "caddy/holiday.jpg", "jpg", 3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(a_prepared_medium_is_known_where_its_site_is),
		fixture_test(elsewhere_it_is_told_by_its_path),
		fixture_test(preparing_again_changes_nothing),
		fixture_test(a_medium_without_a_label_is_named_by_its_id),
		fixture_test(labels_are_plain),
		fixture_test(an_internal_disk_must_be_meant),
		fixture_test(a_dry_run_writes_nothing),
		fixture_test(a_torn_attempt_is_finished),
		fixture_test(damage_beside_sets_is_never_written_over),
		fixture_test(flipped_bits_make_the_signer_unknown),
		fixture_test(what_is_no_medium_is_said),
		fixture_test(links_and_fifos_are_refused),
		fixture_test(a_medium_has_one_writer),
		fixture_test(a_medium_that_was_changed_is_noticed),
		fixture_test(a_released_medium_keeps_its_name),
		fixture_test(other_things_on_the_disk_are_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
