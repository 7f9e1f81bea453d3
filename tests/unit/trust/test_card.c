/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <ctype.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "cmocka_all.h"
#include "doc/signed_doc.h"
#include "trust/card.h"

/* A site that never was in a home. */
static struct seed_site *make_site(const char *name)
{
	struct seed_site *site = calloc(1, sizeof(*site));
	struct seed_error err = { 0 };

	assert_non_null(site);
	strcpy(site->name, name);
	memset(site->id.bytes, 0xa5, sizeof(site->id.bytes));
	assert_ok(seed_signing_key_generate(&site->sign, &err), &err);
	assert_ok(seed_receiving_key_generate(&site->receive, &err), &err);
	return site;
}

/* A card that its own key really signed, with any members. */
static char *sign_card(const struct seed_site *site, const char *name, enum seed_doc_type type,
		       bool extra, size_t *len)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc =
		seed_doc_new(type, seed_signing_key_public(site->sign));
	SEED_AUTO(seed_freep) char *json = NULL;
	char signature[SEED_SIGNATURE_MAX];
	struct seed_error err = { 0 };
	char *text;

	seed_json_set_text(doc, "name", name);
	seed_json_set_id(doc, "site", &site->id);
	seed_json_set_base64(doc, "receiving_key", seed_receiving_key_public(site->receive), 32);
	if (extra)
		seed_json_set_bool(doc, "admin", true);
	assert_ok(seed_doc_sign(doc, site->sign, type, &json, len, signature, &err), &err);
	text = calloc(1, *len + SEED_SIGNATURE_MAX);
	assert_non_null(text);
	memcpy(text, json, *len);
	strcpy(text + *len, signature);
	*len += strlen(signature);
	return text;
}

static void a_card_says_what_the_site_is(void **state)
{
	SEED_AUTO(seed_site_closep) struct seed_site *site = make_site("hq");
	SEED_AUTO(seed_freep) char *text = NULL;
	struct seed_card read = { 0 }, own;
	struct seed_error err = { 0 };
	size_t len;

	(void)state;
	assert_ok(seed_card_write(site, &text, &len, &err), &err);
	assert_true(len < SEED_CARD_MAX);
	assert_int_equal(text[len - 1], '\n');
	assert_ok(seed_card_read(&read, text, len, &err), &err);
	seed_card_of(&own, site);
	assert_true(seed_card_equal(&read, &own));
	assert_string_equal(read.name, "hq");
}

static void any_changed_byte_is_refused(void **state)
{
	SEED_AUTO(seed_site_closep) struct seed_site *site = make_site("hq");
	SEED_AUTO(seed_freep) char *text = NULL;
	struct seed_card card, untouched;
	struct seed_error err = { 0 };
	const char *signature;
	size_t len;

	(void)state;
	assert_ok(seed_card_write(site, &text, &len, &err), &err);
	signature = strstr(text, "untrusted comment:");
	assert_non_null(signature);
	memset(&card, 0x77, sizeof(card));
	untouched = card;
	for (size_t i = 0; i < len; i++) {
		text[i] ^= 1;
		/* minisign signs everything but the text of its untrusted comment */
		if (text + i < signature || text + i > strchr(signature, '\n'))
			assert_int_equal(seed_card_read(&card, text, len, &err), -1);
		text[i] ^= 1;
	}
	assert_memory_equal(&card, &untouched, sizeof(card));
}

static void a_card_cut_anywhere_is_refused(void **state)
{
	SEED_AUTO(seed_site_closep) struct seed_site *site = make_site("hq");
	SEED_AUTO(seed_freep) char *text = NULL;
	struct seed_error err = { 0 };
	struct seed_card card;
	size_t len;

	(void)state;
	assert_ok(seed_card_write(site, &text, &len, &err), &err);
	for (size_t cut = 0; cut < len; cut++) {
		SEED_AUTO(seed_freep) char *part = malloc(cut + 1);	/* exact, for valgrind */

		assert_non_null(part);
		memcpy(part, text, cut);
		assert_int_equal(seed_card_read(&card, part, cut, &err), -1);
	}
}

static void appended_bytes_and_nul_are_refused(void **state)
{
	SEED_AUTO(seed_site_closep) struct seed_site *site = make_site("hq");
	SEED_AUTO(seed_freep) char *text = NULL;
	struct seed_error err = { 0 };
	char longer[SEED_CARD_MAX + 2] = "";
	struct seed_card card;
	size_t len;

	(void)state;
	assert_ok(seed_card_write(site, &text, &len, &err), &err);
	memcpy(longer, text, len);
	longer[len] = '\n';
	assert_int_equal(seed_card_read(&card, longer, len + 1, &err), -1);
	longer[len] = '\0';
	assert_fails(seed_card_read(&card, longer, len + 1, &err), &err, SEED_ERR_FORMAT);
	memset(longer, '\n', sizeof(longer));
	assert_fails(seed_card_read(&card, longer, sizeof(longer), &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_card_read(&card, longer, 5, &err), &err, SEED_ERR_FORMAT);
}

static void changed_line_ends_are_named(void **state)
{
	SEED_AUTO(seed_site_closep) struct seed_site *site = make_site("hq");
	SEED_AUTO(seed_freep) char *text = NULL;
	struct seed_error err = { 0 };
	char dos[SEED_CARD_MAX];
	struct seed_card card;
	size_t len, used = 0;

	(void)state;
	assert_ok(seed_card_write(site, &text, &len, &err), &err);
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n')
			dos[used++] = '\r';
		dos[used++] = text[i];
	}
	assert_fails(seed_card_read(&card, dos, used, &err), &err, SEED_ERR_FORMAT);
	assert_non_null(strstr(err.text, "CR LF"));
}

/* Whoever made the card may have signed anything. */
static void well_signed_nonsense_is_refused(void **state)
{
	static const char *const names[] = { "", "../../etc", "h\033[2Jq", "a\nb", "a b", "-rf" };
	SEED_AUTO(seed_site_closep) struct seed_site *site = make_site("hq");
	struct seed_error err = { 0 };
	struct seed_card card;
	char *text;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		text = sign_card(site, names[i], SEED_DOC_CARD, false, &len);
		assert_fails(seed_card_read(&card, text, len, &err), &err, SEED_ERR_FORMAT);
		for (const char *p = err.text; *p; p++)
			assert_true(isprint((unsigned char)*p));
		free(text);
	}
	text = sign_card(site, "hq", SEED_DOC_CARD, true, &len);
	assert_fails(seed_card_read(&card, text, len, &err), &err, SEED_ERR_FORMAT);
	free(text);
	text = sign_card(site, "hq", SEED_DOC_MEDIUM, false, &len);
	assert_int_equal(seed_card_read(&card, text, len, &err), -1);
	free(text);
	text = sign_card(site, "hq", SEED_DOC_CARD, false, &len);
	assert_ok(seed_card_read(&card, text, len, &err), &err);
	free(text);
}

static void the_fingerprint_covers_site_and_both_keys(void **state)
{
	SEED_AUTO(seed_site_closep) struct seed_site *site = make_site("hq");
	char base[SEED_FINGERPRINT_TEXT], changed[SEED_FINGERPRINT_TEXT];
	struct seed_card card, other;

	(void)state;
	seed_card_of(&card, site);
	seed_fingerprint(&card, base);
	other = card;
	other.site.bytes[15] ^= 1;
	assert_string_not_equal(seed_fingerprint(&other, changed), base);
	other = card;
	other.key.bytes[31] ^= 1;
	assert_string_not_equal(seed_fingerprint(&other, changed), base);
	other = card;
	other.receiving_key[31] ^= 1;
	assert_string_not_equal(seed_fingerprint(&other, changed), base);
	other = card;
	strcpy(other.name, "renamed");	/* names are local: they prove nothing */
	assert_string_equal(seed_fingerprint(&other, changed), base);
}

/* SHA-256("vmseed-card-1" || 16 * 01 || 32 * 02 || 32 * 03), by sha256sum and base32. */
static void the_fingerprint_is_as_specified(void **state)
{
	char text[SEED_FINGERPRINT_TEXT];
	struct seed_card card = { 0 };

	(void)state;
	memset(card.site.bytes, 1, sizeof(card.site.bytes));
	memset(card.key.bytes, 2, sizeof(card.key.bytes));
	memset(card.receiving_key, 3, sizeof(card.receiving_key));
	assert_string_equal(seed_fingerprint(&card, text), "T777T-72YYG-XN5FD-4F6QP-V6MWZ");
}

static void a_typed_fingerprint_may_be_written_as_people_do(void **state)
{
	char text[SEED_FINGERPRINT_TEXT], typed[128] = "  ";
	struct seed_card card = { .key = { { 1, 2, 3 } } };
	size_t used = 2;

	(void)state;
	seed_fingerprint(&card, text);
	assert_int_equal(strlen(text), SEED_FINGERPRINT_TEXT - 1);
	assert_true(seed_fingerprint_matches(&card, text));
	for (const char *p = text; *p; p++) {
		if (*p == '-')
			continue;
		typed[used++] = (char)tolower((unsigned char)*p);
		typed[used++] = ' ';
	}
	assert_true(seed_fingerprint_matches(&card, typed));
}

static void a_wrong_or_partial_fingerprint_does_not_match(void **state)
{
	struct seed_card card = { .key = { { 1, 2, 3 } } };
	char text[SEED_FINGERPRINT_TEXT], longer[64];

	(void)state;
	seed_fingerprint(&card, text);
	assert_false(seed_fingerprint_matches(&card, ""));
	assert_false(seed_fingerprint_matches(&card, "y"));
	assert_false(seed_fingerprint_matches(&card, "yes"));
	snprintf(longer, sizeof(longer), "%sA", text);
	assert_false(seed_fingerprint_matches(&card, longer));
	for (size_t i = 0; text[i]; i++) {
		char kept = text[i];

		if (kept == '-')
			continue;
		text[i] = kept == 'A' ? 'B' : 'A';
		assert_false(seed_fingerprint_matches(&card, text));
		text[i] = kept;
	}
	text[strlen(text) - 1] = '\0';
	assert_false(seed_fingerprint_matches(&card, text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_card_says_what_the_site_is),
		cmocka_unit_test(any_changed_byte_is_refused),
		cmocka_unit_test(a_card_cut_anywhere_is_refused),
		cmocka_unit_test(appended_bytes_and_nul_are_refused),
		cmocka_unit_test(changed_line_ends_are_named),
		cmocka_unit_test(well_signed_nonsense_is_refused),
		cmocka_unit_test(the_fingerprint_covers_site_and_both_keys),
		cmocka_unit_test(the_fingerprint_is_as_specified),
		cmocka_unit_test(a_typed_fingerprint_may_be_written_as_people_do),
		cmocka_unit_test(a_wrong_or_partial_fingerprint_does_not_match),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
