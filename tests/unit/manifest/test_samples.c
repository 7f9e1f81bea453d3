// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The samples of manifests/: each is signed here with the test key, as the exact bytes that lie
 * there, and read by the reader of its type, which its file name begins with. A valid one is
 * accepted, and an invalid one refused with the text in the .message beside it.
 */
#include "cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "manifest/manifest.h"
#include "manifest/receipt.h"
#include "media/commit.h"
#include "media/custody.h"
#include "media/media_internal.h"
#include "media/medium_internal.h"
#include "resync/offer.h"
#include "trust/card.h"

#define SAMPLE_MAX (1u << 20)

static struct seed_signing_key *test_key;

static int setup(void **state)
{
	SEED_AUTO(seed_fd_closep) int dir = -1;
	SEED_AUTO(seed_freep) char *pem = NULL;
	struct seed_error err = { 0 };
	size_t len;

	(void)state;
	if (seed_path_open_folder(&dir, "manifests/keys", &err) < 0 ||
	    seed_file_read(dir, "test-only.sign.pem", 4096, &pem, &len, &err) < 0 ||
	    seed_signing_key_from_pem(&test_key, pem, len, NULL, &err) < 0) {
		print_error("run this from the top of the tree: %s\n", err.text);
		return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	seed_signing_key_free(test_key);
	return 0;
}

/* ---- readers, one for each type ---- */

static int read_manifest(const char *text, size_t len, const char *signature,
			 struct seed_error *err)
{
	struct seed_manifest m;
	int rc = seed_manifest_open(&m, text, len, signature, strlen(signature),
				    seed_signing_key_public(test_key), err);

	seed_manifest_clear(&m);
	return rc;
}

static int read_receipt(const char *text, size_t len, const char *signature,
			struct seed_error *err)
{
	struct seed_receipt receipt;
	int rc = seed_receipt_open(&receipt, text, len, signature, strlen(signature),
				   seed_signing_key_public(test_key), err);

	seed_receipt_clear(&receipt);
	return rc;
}

static int read_custody(const char *text, size_t len, const char *signature,
			struct seed_error *err)
{
	struct seed_custody entry;
	int rc = seed_custody_open(&entry, text, len, signature, strlen(signature),
				   seed_signing_key_public(test_key), err);

	seed_custody_clear(&entry);
	return rc;
}

static int read_offer(const char *text, size_t len, const char *signature, struct seed_error *err)
{
	struct seed_offer offer;
	int rc = seed_offer_open(&offer, text, len, signature, strlen(signature),
				 seed_signing_key_public(test_key), err);

	seed_offer_clear(&offer);
	return rc;
}

/* A card is one file: the document and its signature. */
static int read_card(const char *text, size_t len, const char *signature, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *both = malloc(len + strlen(signature) + 1);
	struct seed_card card;

	assert_non_null(both);
	memcpy(both, text, len);
	strcpy(both + len, signature);
	return seed_card_read(&card, both, len + strlen(signature), err);
}

static int read_commit(const char *text, size_t len, const char *signature, struct seed_error *err)
{
	struct seed_commit commit;
	int rc = seed_commit_open(&commit, text, len, signature, strlen(signature),
				  seed_signing_key_public(test_key), err);

	seed_commit_clear(&commit);
	return rc;
}

#define SITE "4018d92f63967202fe850b50e3c08fe0"	/* of all samples */
#define SET "cdaeeeba9b4a4c5ebf042c0215a7bb0e"

static int read_medium(const char *text, size_t len, const char *signature, struct seed_error *err)
{
	struct seed_signed_text document = { .len = len, .signature_len = strlen(signature) };
	struct seed_medium medium = { .root = -1, .vmseed = -1 };
	struct seed_id site;
	int rc;

	assert_ok(seed_id_parse(&site, SITE, err), err);
	memcpy(&document.text, &text, sizeof(text));
	memcpy(&document.signature, &signature, sizeof(signature));
	rc = seed_medium_read(&medium, &document, seed_signing_key_public(test_key), &site, err);
	free(medium.serial);
	free(medium.model);
	return rc;
}

static int read_set(const char *text, size_t len, const char *signature, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_set_doc set = { 0 };
	struct seed_json_reader r;
	int rc = seed_doc_open(&doc, &r, SEED_DOC_SET, text, len, signature, strlen(signature),
			       seed_signing_key_public(test_key), err);

	if (rc == 0)
		rc = seed_set_doc_take(&set, &r, err);
	seed_set_doc_clear(&set);
	return rc;
}

static int read_volume(const char *text, size_t len, const char *signature, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_volume volume = { .dir = -1 };
	struct seed_json_reader r;
	int rc;

	assert_ok(seed_id_parse(&volume.set, SET, err), err);
	rc = seed_doc_open(&doc, &r, SEED_DOC_VOLUME, text, len, signature, strlen(signature),
			   seed_signing_key_public(test_key), err);
	if (rc == 0)
		rc = seed_volume_take(&volume, &r, err);
	seed_vec_free(&volume.recipients);
	return rc;
}

static const struct reader {
	enum seed_doc_type type;
	/* NULL: signature, type, version and key only; its members are read elsewhere. */
	int (*read)(const char *text, size_t len, const char *signature, struct seed_error *err);
} readers[] = {
	{ SEED_DOC_MANIFEST, read_manifest }, { SEED_DOC_CARD, read_card },
	{ SEED_DOC_MEDIUM, read_medium }, { SEED_DOC_VOLUME, read_volume },
	{ SEED_DOC_COMMIT, read_commit }, { SEED_DOC_SET, read_set }, { SEED_DOC_HISTORY, NULL },
	{ SEED_DOC_RECEIPT, read_receipt }, { SEED_DOC_OFFER, read_offer },
	{ SEED_DOC_CUSTODY, read_custody }, { SEED_DOC_HELLO, NULL },
};
#define READERS (sizeof(readers) / sizeof(readers[0]))

static int read_sample(const struct reader *reader, const char *text, size_t len,
		       const char *signature, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;

	if (reader->read)
		return reader->read(text, len, signature, err);
	return seed_doc_open(&doc, NULL, reader->type, text, len, signature, strlen(signature),
			     seed_signing_key_public(test_key), err);
}

/* ---- the walk ---- */

struct walk {
	int dir;
	bool valid;
	unsigned int count, of_type[READERS];
};

static size_t reader_of(const char *name)
{
	size_t len = strcspn(name, "-.");

	for (size_t i = 0; i < READERS; i++) {
		const char *type = seed_doc_type_name(readers[i].type);

		if (strlen(type) == len && strncmp(name, type, len) == 0)
			return i;
	}
	fail_msg("%s: no reader for this type", name);
	return 0;
}

/* The text that the sample's refusal must hold, without its newline. */
static char *message_of(const struct walk *walk, const char *name)
{
	struct seed_error err = { 0 };
	char path[256], *text = NULL;
	size_t len;

	snprintf(path, sizeof(path), "%.*s.message", (int)(strlen(name) - strlen(".json")), name);
	assert_ok(seed_file_read(walk->dir, path, 4096, &text, &len, &err), &err);
	assert_true(len > 1 && text[len - 1] == '\n');
	text[len - 1] = '\0';
	return text;
}

static int try_sample(const char *name, void *arg, struct seed_error *unused)
{
	SEED_AUTO(seed_freep) char *message = NULL;
	SEED_AUTO(seed_freep) char *text = NULL;
	char signature[SEED_SIGNATURE_MAX];
	const char *ending = strrchr(name, '.');
	struct seed_error err = { 0 };
	struct walk *walk = arg;
	size_t len, index;
	int rc;

	(void)unused;
	assert_non_null(ending);
	if (strcmp(ending, ".json") != 0)
		return 0;
	index = reader_of(name);
	assert_ok(seed_file_read(walk->dir, name, SAMPLE_MAX, &text, &len, &err), &err);
	assert_ok(seed_sign(test_key, text, len, "vmseed test", signature, &err), &err);
	rc = read_sample(&readers[index], text, len, signature, &err);
	walk->count++;
	walk->of_type[index]++;
	if (walk->valid) {
		if (rc < 0)
			fail_msg("%s: %s", name, err.text);
		return 0;
	}
	message = message_of(walk, name);
	if (rc == 0)
		fail_msg("%s is accepted", name);
	if (!strstr(err.text, message))
		fail_msg("%s: \"%s\" and not \"%s\"", name, err.text, message);
	return 0;
}

static void walk_through(struct walk *walk, const char *folder)
{
	SEED_AUTO(seed_fd_closep) int dir = -1;
	struct seed_error err = { 0 };

	assert_ok(seed_path_open_folder(&dir, folder, &err), &err);
	walk->dir = dir;
	assert_ok(seed_path_each(dir, ".", 1000, try_sample, walk, &err), &err);
}

static void valid_samples_are_read(void **state)
{
	struct walk walk = { .valid = true };

	(void)state;
	walk_through(&walk, "manifests/valid");
	for (size_t i = 0; i < READERS; i++)
		if (walk.of_type[i] == 0)
			fail_msg("no valid sample of a %s",
				 seed_doc_type_name(readers[i].type));
}

static void invalid_samples_are_refused_with_their_message(void **state)
{
	struct walk walk = { .valid = false };

	(void)state;
	walk_through(&walk, "manifests/invalid");
	assert_true(walk.count >= 50);
}

static void the_public_half_of_the_test_key_is_beside_it(void **state)
{
	SEED_AUTO(seed_fd_closep) int dir = -1;
	SEED_AUTO(seed_freep) char *text = NULL;
	char own[SEED_PUBLIC_KEY_TEXT];
	struct seed_error err = { 0 };
	size_t len;

	(void)state;
	assert_ok(seed_path_open_folder(&dir, "manifests/keys", &err), &err);
	assert_ok(seed_file_read(dir, "test-only.pub", 4096, &text, &len, &err), &err);
	assert_non_null(strstr(text, seed_public_key_text(seed_signing_key_public(test_key), own)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(valid_samples_are_read),
		cmocka_unit_test(invalid_samples_are_refused_with_their_message),
		cmocka_unit_test(the_public_half_of_the_test_key_is_beside_it),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
