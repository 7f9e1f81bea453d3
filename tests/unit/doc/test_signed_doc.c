// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "doc/signed_doc.h"

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

static const struct seed_public_key *public(void)
{
	return seed_signing_key_public(key);
}

static void every_type_makes_the_round(void **state)
{
	struct seed_error err = { 0 };

	(void)state;
	for (int type = 0; type < SEED_DOC_TYPES; type++) {
		SEED_AUTO(seed_json_freep) struct seed_json *doc = seed_doc_new(type, public());
		SEED_AUTO(seed_json_freep) struct seed_json *opened = NULL;
		SEED_AUTO(seed_freep) char *text = NULL;
		char sig[SEED_SIGNATURE_MAX], comment[64];
		struct seed_json_reader r;
		size_t len;

		seed_json_set_uint(doc, "number", 7);
		assert_ok(seed_doc_sign(doc, key, type, &text, &len, sig, &err), &err);
		snprintf(comment, sizeof(comment), "\ntrusted comment: vmseed %s\n",
			 seed_doc_type_name(type));
		assert_non_null(strstr(sig, comment));
		assert_ok(seed_doc_open(&opened, &r, type, text, len, sig, strlen(sig), public(),
					&err), &err);
		assert_int_equal(seed_json_take_uint(&r, "number", 7), 7);
		assert_ok(seed_json_done(&r), &err);
	}
}

/* Signed, but saying something else about itself. */
static int open_signed(const char *text, enum seed_doc_type type, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_json_reader r;
	char sig[SEED_SIGNATURE_MAX];
	struct seed_error sign_err = { 0 };

	assert_ok(seed_sign(key, text, strlen(text), "x", sig, &sign_err), &sign_err);
	return seed_doc_open(&doc, &r, type, text, strlen(text), sig, strlen(sig), public(), err);
}

static void type_version_and_key_are_checked(void **state)
{
	char own[SEED_PUBLIC_KEY_TEXT], foreign[SEED_PUBLIC_KEY_TEXT], text[512];
	struct seed_error err = { 0 };

	(void)state;
	seed_public_key_text(public(), own);
	seed_public_key_text(seed_signing_key_public(other), foreign);

	snprintf(text, sizeof(text), "{\"key\":\"%s\",\"version\":1,\"type\":\"card\"}", own);
	assert_ok(open_signed(text, SEED_DOC_CARD, &err), &err);	/* any order */
	assert_fails(open_signed(text, SEED_DOC_MEDIUM, &err), &err, SEED_ERR_FORMAT);
	assert_string_equal(err.text, "type: \"card\", not \"medium\"");

	snprintf(text, sizeof(text), "{\"type\":\"card\",\"version\":2,\"key\":\"%s\"}", own);
	assert_fails(open_signed(text, SEED_DOC_CARD, &err), &err, SEED_ERR_FORMAT);
	assert_string_equal(err.text, "version: 2, and only 1 is known here");

	snprintf(text, sizeof(text), "{\"type\":\"card\",\"version\":1,\"key\":\"%s\"}", foreign);
	assert_fails(open_signed(text, SEED_DOC_CARD, &err), &err, SEED_ERR_TRUST);

	snprintf(text, sizeof(text), "{\"type\":\"card\",\"key\":\"%s\"}", own);
	assert_fails(open_signed(text, SEED_DOC_CARD, &err), &err, SEED_ERR_FORMAT);
	assert_fails(open_signed("{}", SEED_DOC_CARD, &err), &err, SEED_ERR_FORMAT);
	assert_fails(open_signed("not JSON", SEED_DOC_CARD, &err), &err, SEED_ERR_FORMAT);
	assert_fails(open_signed("{\"type\":\"card\",\"version\":1,\"key\":\"x\"}", SEED_DOC_CARD,
				 &err), &err, SEED_ERR_TRUST);
}

static void the_signature_is_looked_at_first(void **state)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = seed_doc_new(SEED_DOC_SET, public());
	SEED_AUTO(seed_freep) char *text = NULL;
	struct seed_json *opened = NULL;
	char sig[SEED_SIGNATURE_MAX];
	struct seed_error err = { 0 };
	size_t len;

	(void)state;
	assert_ok(seed_doc_sign(doc, key, SEED_DOC_SET, &text, &len, sig, &err), &err);
	assert_fails(seed_doc_open(&opened, NULL, SEED_DOC_SET, "not JSON", 8, sig, strlen(sig),
				   public(), &err), &err, SEED_ERR_TRUST);
	assert_fails(seed_doc_open(&opened, NULL, SEED_DOC_SET, text, len, sig, strlen(sig),
				   seed_signing_key_public(other), &err), &err, SEED_ERR_TRUST);
	for (size_t i = 0; i < len; i++) {
		text[i] ^= 4;
		assert_fails(seed_doc_open(&opened, NULL, SEED_DOC_SET, text, len, sig,
					   strlen(sig), public(), &err), &err, SEED_ERR_TRUST);
		text[i] ^= 4;
	}
	assert_null(opened);
}

static void nothing_else_is_signed(void **state)
{
	SEED_AUTO(seed_json_freep) struct seed_json *card = seed_doc_new(SEED_DOC_CARD, public());
	SEED_AUTO(seed_json_freep) struct seed_json *bare = seed_json_new_object();
	SEED_AUTO(seed_json_freep) struct seed_json *foreign =
		seed_doc_new(SEED_DOC_CARD, seed_signing_key_public(other));
	char sig[SEED_SIGNATURE_MAX], *text = NULL;
	struct seed_error err = { 0 };
	size_t len;

	(void)state;
	assert_fails(seed_doc_sign(card, key, SEED_DOC_MEDIUM, &text, &len, sig, &err), &err,
		     SEED_ERR_USAGE);
	assert_fails(seed_doc_sign(bare, key, SEED_DOC_CARD, &text, &len, sig, &err), &err,
		     SEED_ERR_USAGE);
	assert_fails(seed_doc_sign(foreign, key, SEED_DOC_CARD, &text, &len, sig, &err), &err,
		     SEED_ERR_USAGE);
	assert_null(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_makes_the_round),
		cmocka_unit_test(type_version_and_key_are_checked),
		cmocka_unit_test(the_signature_is_looked_at_first),
		cmocka_unit_test(nothing_else_is_signed),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
