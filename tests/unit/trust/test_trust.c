/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cmocka_all.h"
#include "tmpdir.h"
#include "trust/trust.h"

/* Another site in its own home beneath the test's folder, and its card. */
struct other {
	int home;
	struct seed_site *site;
	char *card;
	size_t len;
	char fingerprint[SEED_FINGERPRINT_TEXT];
};

static void other_make(struct other *o, const struct tmpdir *dir, const char *folder,
		       const char *name)
{
	struct seed_error err = { 0 };
	struct seed_card card;

	assert_int_equal(mkdirat(dir->fd, folder, 0700), 0);
	o->home = openat(dir->fd, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(o->home >= 0);
	assert_ok(seed_site_create(o->home, name, NULL, &err), &err);
	assert_ok(seed_site_open(&o->site, o->home, NULL, &err), &err);
	assert_ok(seed_site_card(o->home, &o->card, &o->len, &err), &err);
	assert_ok(seed_card_read(&card, o->card, o->len, &err), &err);
	seed_fingerprint(&card, o->fingerprint);
}

/* The same site id with new keys, as after a loss: its card and fingerprint change. */
static void other_new_keys(struct other *o)
{
	struct seed_error err = { 0 };
	struct seed_card card;

	free(o->card);
	seed_signing_key_free(o->site->sign);
	seed_receiving_key_free(o->site->receive);
	o->site->sign = NULL;
	o->site->receive = NULL;
	assert_ok(seed_signing_key_generate(&o->site->sign, &err), &err);
	assert_ok(seed_receiving_key_generate(&o->site->receive, &err), &err);
	assert_ok(seed_card_write(o->site, &o->card, &o->len, &err), &err);
	seed_card_of(&card, o->site);
	seed_fingerprint(&card, o->fingerprint);
}

static void other_free(struct other *o)
{
	close(o->home);
	seed_site_close(o->site);
	free(o->card);
}

static int add(const struct tmpdir *dir, const char *name, const struct other *o,
	       struct seed_error *err)
{
	return seed_trust_add(dir->fd, name, o->card, o->len, o->fingerprint, NULL, 0, err);
}

static struct seed_trust *load(const struct tmpdir *dir)
{
	struct seed_error err = { 0 };
	struct seed_trust *trust = NULL;

	assert_ok(seed_trust_open(&trust, dir->fd, NULL, &err), &err);
	return trust;
}

/* What verifying a fresh signature of this site gives in this home. */
static int verify(const struct tmpdir *dir, const struct other *o, struct seed_error *err)
{
	SEED_AUTO(seed_trust_closep) struct seed_trust *trust = load(dir);
	const struct seed_trusted *signer = NULL;
	char signature[SEED_SIGNATURE_MAX];
	int status;

	assert_ok(seed_sign(o->site->sign, "text", 4, "test", signature, err), err);
	status = seed_trust_verify(&signer, trust, "text", 4, signature, strlen(signature), err);
	if (status == 0)
		assert_memory_equal(&signer->card.key, seed_signing_key_public(o->site->sign),
				    sizeof(signer->card.key));
	else
		assert_null(signer);
	return status;
}

static void a_pinned_card_is_found_by_name_and_by_id(void **state)
{
	SEED_AUTO(seed_trust_closep) struct seed_trust *trust = NULL;
	SEED_AUTO(other_free) struct other dr;
	const struct seed_trusted *found = NULL;
	struct seed_error err = { 0 };
	char id[SEED_ID_TEXT];

	other_make(&dr, *state, "dr", "dr");
	assert_fails(verify(*state, &dr, &err), &err, SEED_ERR_TRUST);
	assert_ok(add(*state, "partner", &dr, &err), &err);
	assert_ok(verify(*state, &dr, &err), &err);
	trust = load(*state);
	assert_int_equal(seed_trust_count(trust), 1);
	assert_ok(seed_trust_find(&found, trust, "partner", &err), &err);
	assert_string_equal(found->name, "partner");
	assert_string_equal(found->card.name, "dr");
	assert_ok(seed_trust_find(&found, trust, seed_id_text(&dr.site->id, id), &err), &err);
	assert_fails(seed_trust_find(&found, trust, "dr", &err), &err, SEED_ERR_NOTFOUND);
}

static void the_own_site_is_always_known(void **state)
{
	SEED_AUTO(seed_trust_closep) struct seed_trust *trust = NULL;
	SEED_AUTO(other_free) struct other hq;
	const struct seed_trusted *found = NULL;
	struct seed_error err = { 0 };
	char signature[SEED_SIGNATURE_MAX];

	other_make(&hq, *state, "hq", "hq");
	assert_ok(seed_trust_open(&trust, hq.home, hq.site, &err), &err);
	assert_ok(seed_trust_find(&found, trust, "hq", &err), &err);
	assert_true(found->own);
	seed_trust_close(trust);
	trust = NULL;
	/* Its card in the home is enough: no key has to be opened. */
	assert_ok(seed_trust_open(&trust, hq.home, NULL, &err), &err);
	assert_ok(seed_sign(hq.site->sign, "x", 1, "test", signature, &err), &err);
	assert_ok(seed_trust_verify(&found, trust, "x", 1, signature, strlen(signature), &err),
		  &err);
	assert_true(found->own);
	assert_fails(seed_trust_add(hq.home, "me", hq.card, hq.len, hq.fingerprint, NULL, 0, &err),
		     &err, SEED_ERR_USAGE);
	assert_fails(seed_trust_revoke(hq.home, "hq", &err), &err, SEED_ERR_USAGE);
}

static void without_the_right_fingerprint_nothing_is_pinned(void **state)
{
	SEED_AUTO(other_free) struct other dr;
	const struct tmpdir *dir = *state;
	struct seed_error err = { 0 };

	other_make(&dr, dir, "dr", "dr");
	dr.fingerprint[0] = dr.fingerprint[0] == 'A' ? 'B' : 'A';
	assert_fails(add(dir, "dr", &dr, &err), &err, SEED_ERR_TRUST);
	assert_fails(seed_trust_add(dir->fd, "dr", dr.card, dr.len, NULL, NULL, 0, &err), &err,
		     SEED_ERR_TRUST);
	assert_fails(seed_trust_add(dir->fd, "dr", dr.card, dr.len, "y", NULL, 0, &err), &err,
		     SEED_ERR_TRUST);
	assert_fails(verify(dir, &dr, &err), &err, SEED_ERR_TRUST);
	assert_int_equal(faccessat(dir->fd, "trust/dr.card", F_OK, 0), -1);
}

static void an_edited_card_is_refused(void **state)
{
	SEED_AUTO(other_free) struct other dr;
	struct seed_error err = { 0 };
	char *name;

	other_make(&dr, *state, "dr", "dr");
	name = strstr(dr.card, "\"dr\"");
	assert_non_null(name);
	name[1] = 'x';
	assert_fails(add(*state, "dr", &dr, &err), &err, SEED_ERR_TRUST);
}

static void names_that_leave_the_folder_are_refused(void **state)
{
	SEED_AUTO(other_free) struct other dr;
	struct seed_error err = { 0 };

	other_make(&dr, *state, "dr", "dr");
	assert_fails(add(*state, "../dr", &dr, &err), &err, SEED_ERR_USAGE);
	assert_fails(add(*state, "", &dr, &err), &err, SEED_ERR_USAGE);
	assert_fails(seed_trust_revoke(((struct tmpdir *)*state)->fd, "../dr", &err), &err,
		     SEED_ERR_NOTFOUND);
}

static void a_name_belongs_to_one_site_and_a_site_has_one_name(void **state)
{
	SEED_AUTO(other_free) struct other dr;
	SEED_AUTO(other_free) struct other foe;
	struct seed_error err = { 0 };

	other_make(&dr, *state, "dr", "dr");
	other_make(&foe, *state, "foe", "dr");
	assert_ok(add(*state, "dr", &dr, &err), &err);
	assert_fails(add(*state, "dr", &foe, &err), &err, SEED_ERR_USAGE);
	assert_fails(add(*state, "dr2", &dr, &err), &err, SEED_ERR_USAGE);
	assert_ok(verify(*state, &dr, &err), &err);
	assert_fails(verify(*state, &foe, &err), &err, SEED_ERR_TRUST);
	assert_ok(add(*state, "foe", &foe, &err), &err);
}

static void a_site_that_comes_with_other_keys_is_refused(void **state)
{
	SEED_AUTO(other_free) struct other dr;
	struct seed_error err = { 0 };

	other_make(&dr, *state, "dr", "dr");
	assert_ok(add(*state, "dr", &dr, &err), &err);
	other_new_keys(&dr);
	assert_fails(add(*state, "dr", &dr, &err), &err, SEED_ERR_TRUST);
	assert_fails(add(*state, "dr-new", &dr, &err), &err, SEED_ERR_TRUST);
	assert_fails(verify(*state, &dr, &err), &err, SEED_ERR_TRUST);
}

static void a_revoked_key_is_refused_under_any_name(void **state)
{
	SEED_AUTO(seed_trust_closep) struct seed_trust *trust = NULL;
	SEED_AUTO(other_free) struct other dr;
	const struct seed_trusted *found = NULL;
	struct tmpdir *dir = *state;
	struct seed_error err = { 0 };

	other_make(&dr, dir, "dr", "dr");
	assert_ok(add(dir, "dr", &dr, &err), &err);
	assert_fails(seed_trust_revoke(dir->fd, "nobody", &err), &err, SEED_ERR_NOTFOUND);
	assert_ok(seed_trust_revoke(dir->fd, "dr", &err), &err);
	assert_ok(seed_trust_revoke(dir->fd, "dr", &err), &err);	/* twice is fine */
	assert_fails(verify(dir, &dr, &err), &err, SEED_ERR_TRUST);
	assert_non_null(strstr(err.text, "revoked"));
	trust = load(dir);
	assert_fails(seed_trust_find(&found, trust, "dr", &err), &err, SEED_ERR_TRUST);
	assert_fails(add(dir, "dr", &dr, &err), &err, SEED_ERR_TRUST);
	assert_fails(add(dir, "other", &dr, &err), &err, SEED_ERR_TRUST);
	/* Even when its card is gone, or is put there by hand. */
	assert_int_equal(renameat(dir->fd, "trust/dr.card", dir->fd, "trust/x.card"), 0);
	assert_fails(verify(dir, &dr, &err), &err, SEED_ERR_TRUST);
	assert_int_equal(unlinkat(dir->fd, "trust/x.card", 0), 0);
	assert_fails(add(dir, "other", &dr, &err), &err, SEED_ERR_TRUST);
}

static void after_revoking_a_site_may_come_back_with_new_keys(void **state)
{
	SEED_AUTO(other_free) struct other dr;
	SEED_AUTO(other_free) struct other foe;
	struct tmpdir *dir = *state;
	struct seed_error err = { 0 };
	struct other lost;

	other_make(&dr, dir, "dr", "dr");
	other_make(&foe, dir, "foe", "foe");
	assert_ok(add(dir, "dr", &dr, &err), &err);
	assert_ok(seed_trust_revoke(dir->fd, "dr", &err), &err);
	lost = dr;
	lost.card = strdup(dr.card);
	assert_fails(add(dir, "dr", &foe, &err), &err, SEED_ERR_USAGE);
	other_new_keys(&dr);
	assert_ok(add(dir, "dr", &dr, &err), &err);
	assert_ok(verify(dir, &dr, &err), &err);
	/* The old key stays out, also after the new one is revoked too. */
	assert_fails(add(dir, "old", &lost, &err), &err, SEED_ERR_TRUST);
	assert_non_null(strstr(err.text, "revoked"));
	assert_ok(seed_trust_revoke(dir->fd, "dr", &err), &err);
	assert_fails(verify(dir, &dr, &err), &err, SEED_ERR_TRUST);
	free(lost.card);
}

static void the_key_of_a_replaced_card_stays_revoked(void **state)
{
	SEED_AUTO(other_free) struct other dr;
	struct tmpdir *dir = *state;
	struct seed_error err = { 0 };
	char first[SEED_FINGERPRINT_TEXT];
	SEED_AUTO(seed_freep) char *card = NULL;
	size_t len;

	other_make(&dr, dir, "dr", "dr");
	assert_ok(add(dir, "dr", &dr, &err), &err);
	/* Revoked by hand, with an empty file. */
	tmpdir_put(dir, "trust/dr.revoked", "", 0);
	assert_fails(verify(dir, &dr, &err), &err, SEED_ERR_TRUST);
	card = strdup(dr.card);
	len = dr.len;
	strcpy(first, dr.fingerprint);
	other_new_keys(&dr);
	assert_ok(add(dir, "dr", &dr, &err), &err);
	assert_ok(verify(dir, &dr, &err), &err);
	assert_fails(seed_trust_add(dir->fd, "old", card, len, first, NULL, 0, &err), &err,
		     SEED_ERR_TRUST);
	assert_non_null(strstr(err.text, "revoked"));
}

static void a_scope_narrows_a_card_to_vms(void **state)
{
	static const char *const scope[] = { "web01", "0F0E0D0C-0000-4000-8000-000000000001" };
	SEED_AUTO(other_free) struct other dr;
	const struct seed_trusted *site = NULL;
	struct tmpdir *dir = *state;
	struct seed_error err = { 0 };
	struct seed_trust *trust;
	struct seed_id uuid = { { 0 } }, named;

	other_make(&dr, dir, "dr", "dr");
	assert_ok(seed_uuid_parse(&named, scope[1], &err), &err);
	assert_ok(seed_trust_add(dir->fd, "dr", dr.card, dr.len, dr.fingerprint, scope, 2, &err),
		  &err);
	trust = load(dir);
	assert_ok(seed_trust_find(&site, trust, "dr", &err), &err);
	assert_ok(seed_trust_allows(site, &uuid, "web01", &err), &err);
	assert_ok(seed_trust_allows(site, &named, "renamed", &err), &err);
	assert_fails(seed_trust_allows(site, &uuid, "web02", &err), &err, SEED_ERR_TRUST);
	assert_fails(seed_trust_allows(site, &uuid, "web011", &err), &err, SEED_ERR_TRUST);
	assert_fails(seed_trust_allows(site, &uuid, scope[1], &err), &err, SEED_ERR_TRUST);
	seed_trust_close(trust);
	/* The same card again changes the scope, here to any. */
	assert_ok(add(dir, "dr", &dr, &err), &err);
	trust = load(dir);
	assert_ok(seed_trust_find(&site, trust, "dr", &err), &err);
	assert_ok(seed_trust_allows(site, &uuid, "web02", &err), &err);
	seed_trust_close(trust);
}

static void odd_scopes_are_refused_and_never_read_as_any(void **state)
{
	static const char *const bad[] = { "", "a\nb", "a\033b", "\377" };
	SEED_AUTO(other_free) struct other dr;
	struct tmpdir *dir = *state;
	struct seed_trust *trust = NULL;
	struct seed_error err = { 0 };

	other_make(&dr, dir, "dr", "dr");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_fails(seed_trust_add(dir->fd, "dr", dr.card, dr.len, dr.fingerprint,
					    &bad[i], 1, &err), &err, SEED_ERR_USAGE);
	assert_ok(add(dir, "dr", &dr, &err), &err);
	tmpdir_put(dir, "trust/dr.scope", "", 0);
	assert_fails(seed_trust_open(&trust, dir->fd, NULL, &err), &err, SEED_ERR_FORMAT);
	tmpdir_put(dir, "trust/dr.scope", "web01\0\n", 7);
	assert_fails(seed_trust_open(&trust, dir->fd, NULL, &err), &err, SEED_ERR_FORMAT);
}

static void a_damaged_folder_is_no_trust_at_all(void **state)
{
	SEED_AUTO(other_free) struct other dr;
	struct tmpdir *dir = *state;
	struct seed_trust *trust = NULL;
	struct seed_error err = { 0 };

	other_make(&dr, dir, "dr", "dr");
	assert_ok(add(dir, "dr", &dr, &err), &err);
	tmpdir_put(dir, "trust/README", "mine\n", 5);
	tmpdir_put(dir, "trust/dr.card~", "backup\n", 7);
	assert_ok(verify(dir, &dr, &err), &err);
	tmpdir_put(dir, "trust/evil.card", "rubbish\n", 8);
	assert_fails(seed_trust_open(&trust, dir->fd, NULL, &err), &err, SEED_ERR_FORMAT);
	assert_non_null(strstr(err.text, "trust/evil.card"));
	assert_int_equal(unlinkat(dir->fd, "trust/evil.card", 0), 0);
	assert_int_equal(symlinkat("dr.card", dir->fd, "trust/link.card"), 0);
	assert_int_equal(seed_trust_open(&trust, dir->fd, NULL, &err), -1);
	assert_null(trust);
}

static void signatures_that_do_not_hold_have_a_reason(void **state)
{
	SEED_AUTO(seed_trust_closep) struct seed_trust *trust = NULL;
	SEED_AUTO(other_free) struct other dr;
	const struct seed_trusted *signer = NULL;
	char signature[SEED_SIGNATURE_MAX];
	struct tmpdir *dir = *state;
	struct seed_error err = { 0 };

	other_make(&dr, dir, "dr", "dr");
	assert_ok(add(dir, "dr", &dr, &err), &err);
	trust = load(dir);
	assert_ok(seed_sign(dr.site->sign, "text", 4, "test", signature, &err), &err);
	assert_fails(seed_trust_verify(&signer, trust, "texT", 4, signature, strlen(signature),
				       &err), &err, SEED_ERR_TRUST);
	assert_fails(seed_trust_verify(&signer, trust, "text", 4, "", 0, &err), &err,
		     SEED_ERR_TRUST);
	assert_fails(seed_trust_verify(&signer, trust, "text", 4, signature,
				       strlen(signature) - 1, &err), &err, SEED_ERR_TRUST);
	assert_null(signer);
}

#define in_tmpdir(test) cmocka_unit_test_setup_teardown(test, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_tmpdir(a_pinned_card_is_found_by_name_and_by_id),
		in_tmpdir(the_own_site_is_always_known),
		in_tmpdir(without_the_right_fingerprint_nothing_is_pinned),
		in_tmpdir(an_edited_card_is_refused),
		in_tmpdir(names_that_leave_the_folder_are_refused),
		in_tmpdir(a_name_belongs_to_one_site_and_a_site_has_one_name),
		in_tmpdir(a_site_that_comes_with_other_keys_is_refused),
		in_tmpdir(a_revoked_key_is_refused_under_any_name),
		in_tmpdir(after_revoking_a_site_may_come_back_with_new_keys),
		in_tmpdir(the_key_of_a_replaced_card_stays_revoked),
		in_tmpdir(a_scope_narrows_a_card_to_vms),
		in_tmpdir(odd_scopes_are_refused_and_never_read_as_any),
		in_tmpdir(a_damaged_folder_is_no_trust_at_all),
		in_tmpdir(signatures_that_do_not_hold_have_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
