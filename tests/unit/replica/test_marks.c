// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fixture.h"

#include "replica/marks.h"

static struct seed_site site;	/* all that a mark needs of it is a key */

static int make_site(void **state)
{
	struct seed_error err = { 0 };

	(void)state;
	return seed_signing_key_generate(&site.sign, &err);
}

static int free_site(void **state)
{
	(void)state;
	seed_signing_key_free(site.sign);
	return 0;
}

static const struct seed_digest text_a = { { 0xaa } }, text_b = { { 0xbb } };

static struct seed_mark mark_of(const struct tmpdir *dir, const struct seed_manifest *m)
{
	struct seed_mark mark;
	struct seed_error err = { 0 };

	memset(&mark, 0xff, sizeof(mark));
	must(seed_mark_read(&mark, dir->fd, &m->site, &m->uuid, &err), &err);
	return mark;
}

static void a_vm_never_seen_has_no_mark(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_manifest_clear) struct seed_manifest m = manifest_of("web01", 3);

	assert_false(mark_of(dir, &m).known);
	assert_int_equal(tmpdir_count(dir), 0);
}

static void a_mark_only_goes_up(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_manifest_clear) struct seed_manifest three = manifest_of("web01", 3);
	SEED_AUTO(seed_manifest_clear) struct seed_manifest two = manifest_of("web01", 2);
	SEED_AUTO(seed_manifest_clear) struct seed_manifest nine = manifest_of("web01", 9);
	struct seed_error err = { 0 };
	struct seed_mark mark;

	must(seed_mark_advance(dir->fd, &three, &text_a, &site, &err), &err);
	mark = mark_of(dir, &three);
	assert_true(mark.known);
	assert_int_equal(mark.generation, 3);
	assert_int_equal(mark.lineage.count, 1);
	assert_true(seed_digest_equal(&mark.manifest, &text_a));
	must(seed_mark_advance(dir->fd, &two, &text_b, &site, &err), &err);
	must(seed_mark_advance(dir->fd, &three, &text_a, &site, &err), &err);
	assert_int_equal(mark_of(dir, &three).generation, 3);
	must(seed_mark_advance(dir->fd, &nine, &text_b, &site, &err), &err);
	mark = mark_of(dir, &three);
	assert_int_equal(mark.generation, 9);
	assert_true(seed_digest_equal(&mark.manifest, &text_b));
}

static void one_generation_with_two_manifests_is_an_alarm(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_manifest_clear) struct seed_manifest m = manifest_of("web01", 3);
	struct seed_error err = { 0 };
	struct seed_mark mark;

	must(seed_mark_advance(dir->fd, &m, &text_a, &site, &err), &err);
	assert_fails(seed_mark_advance(dir->fd, &m, &text_b, &site, &err), &err,
		     SEED_ERR_IDENTITY);
	mark = mark_of(dir, &m);
	assert_true(seed_digest_equal(&mark.manifest, &text_a));
}

static void each_vm_has_its_own(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_manifest_clear) struct seed_manifest web = manifest_of("web01", 3);
	SEED_AUTO(seed_manifest_clear) struct seed_manifest app = manifest_of("app01", 5);
	struct seed_error err = { 0 };

	must(seed_mark_advance(dir->fd, &web, &text_a, &site, &err), &err);
	assert_false(mark_of(dir, &app).known);
	must(seed_mark_advance(dir->fd, &app, &text_a, &site, &err), &err);
	assert_int_equal(mark_of(dir, &web).generation, 3);
	assert_int_equal(mark_of(dir, &app).generation, 5);
}

static void a_mark_of_another_key_counts_as_well(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_manifest_clear) struct seed_manifest m = manifest_of("web01", 3);
	SEED_AUTO(seed_manifest_clear) struct seed_manifest later = manifest_of("web01", 4);
	SEED_AUTO(seed_signing_key_freep) struct seed_signing_key *key = NULL;
	struct seed_error err = { 0 };
	struct seed_site renewed = site;

	must(seed_mark_advance(dir->fd, &m, &text_a, &site, &err), &err);
	must(seed_signing_key_generate(&key, &err), &err);
	renewed.sign = key;
	must(seed_mark_advance(dir->fd, &later, &text_b, &renewed, &err), &err);
	assert_int_equal(mark_of(dir, &m).generation, 4);
}

static void a_changed_or_exchanged_mark_is_refused(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_manifest_clear) struct seed_manifest web = manifest_of("web01", 3);
	SEED_AUTO(seed_manifest_clear) struct seed_manifest app = manifest_of("app01", 5);
	SEED_AUTO(seed_freep) char *text = NULL;
	char site_text[SEED_ID_TEXT], uuid[SEED_UUID_TEXT], name[96];
	struct seed_error err = { 0 };
	struct seed_mark mark;
	size_t len;

	must(seed_mark_advance(dir->fd, &web, &text_a, &site, &err), &err);
	snprintf(name, sizeof(name), "marks/%s-%s.chain", seed_id_text(&web.site, site_text),
		 seed_uuid_text(&web.uuid, uuid));
	must(seed_file_read(dir->fd, name, 1 << 20, &text, &len, &err), &err);
	*strstr(text, "\"generation\"") = '\'';
	tmpdir_put(dir, name, text, len);
	assert_fails(seed_mark_read(&mark, dir->fd, &web.site, &web.uuid, &err), &err,
		     SEED_ERR_INTEGRITY);
	assert_fails(seed_mark_advance(dir->fd, &web, &text_b, &site, &err), &err,
		     SEED_ERR_INTEGRITY);
	*strchr(text, '\'') = '"';
	snprintf(name, sizeof(name), "marks/%s-%s.chain", seed_id_text(&app.site, site_text),
		 seed_uuid_text(&app.uuid, uuid));
	tmpdir_put(dir, name, text, len);
	assert_fails(seed_mark_read(&mark, dir->fd, &app.site, &app.uuid, &err), &err,
		     SEED_ERR_INTEGRITY);
	assert_non_null(strstr(err.text, "another VM"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_tmpdir(a_vm_never_seen_has_no_mark),
		on_tmpdir(a_mark_only_goes_up),
		on_tmpdir(one_generation_with_two_manifests_is_an_alarm),
		on_tmpdir(each_vm_has_its_own),
		on_tmpdir(a_mark_of_another_key_counts_as_well),
		on_tmpdir(a_changed_or_exchanged_mark_is_refused),
	};

	return cmocka_run_group_tests(tests, make_site, free_site);
}
