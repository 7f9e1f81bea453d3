// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "media/commit.h"
#include "media/media_internal.h"

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

#define SEED_A "seeds/0102030405060708090a0b0c0d0e0f10/"

/* Two packs, two files, a seed. */
static struct seed_commit sample(void)
{
	struct seed_commit commit = { .volume = 1, .number = 7, .has_previous = true,
				      .full = true };
	struct seed_id seed = { { 1, 2, 3 } };

	commit.set.bytes[0] = 0xaa;
	commit.medium.bytes[0] = 0xbb;
	commit.previous.bytes[31] = 0xcc;
	for (uint32_t n = 1; n <= 2; n++) {
		struct seed_pack_facts pack = { .number = n * 5, .length = 70000 + n,
						.records = 3, .blocks = 20 };

		pack.digest.bytes[0] = (uint8_t)n;
		pack.table.bytes[1] = (uint8_t)n;
		pack.index.bytes[2] = (uint8_t)n;
		seed_vec_push(&commit.packs, sizeof(pack), &pack);
	}
	for (int n = 1; n <= 2; n++) {
		struct seed_commit_file file = { .facts = { .length = 10 } };

		snprintf(file.path, sizeof(file.path), SEED_A "list-0000-000%d", n);
		file.facts.digest.bytes[5] = (uint8_t)n;
		seed_vec_push(&commit.files, sizeof(file), &file);
	}
	seed_vec_push(&commit.seeds, sizeof(seed), &seed);
	return commit;
}

/* Sign @text as it is and open it. */
static int open_text(struct seed_commit *out, const char *text, struct seed_error *err)
{
	char sig[SEED_SIGNATURE_MAX];
	struct seed_error inner = { 0 };

	assert_ok(seed_sign(key, text, strlen(text), "test", sig, &inner), &inner);
	return seed_commit_open(out, text, strlen(text), sig, strlen(sig),
				seed_signing_key_public(key), err);
}

static void a_commit_makes_the_round(void **state)
{
	SEED_AUTO(seed_commit_clear) struct seed_commit in = sample();
	SEED_AUTO(seed_commit_clear) struct seed_commit out = { 0 };
	SEED_AUTO(seed_freep) char *text = NULL;
	char sig[SEED_SIGNATURE_MAX];
	struct seed_error err = { 0 };
	const struct seed_pack_facts *pack;
	const struct seed_commit_file *file;
	size_t len;

	(void)state;
	assert_ok(seed_commit_sign(&in, key, &text, &len, sig, &err), &err);
	assert_ok(seed_commit_open(&out, text, len, sig, strlen(sig), seed_signing_key_public(key),
				   &err), &err);
	assert_true(seed_id_equal(&in.set, &out.set) && seed_id_equal(&in.medium, &out.medium));
	assert_int_equal(out.volume, 1);
	assert_int_equal(out.number, 7);
	assert_true(out.has_previous && out.full);
	assert_true(seed_digest_equal(&in.previous, &out.previous));
	assert_memory_equal(&out.key, seed_signing_key_public(key), sizeof(out.key));
	assert_int_equal(out.packs.count, 2);
	assert_int_equal(out.files.count, 2);
	assert_int_equal(out.seeds.count, 1);
	pack = seed_vec_at(&out.packs, 1);
	assert_memory_equal(pack, seed_vec_at(&in.packs, 1), sizeof(*pack));
	file = seed_vec_at(&out.files, 1);
	assert_string_equal(file->path, SEED_A "list-0000-0002");
	assert_memory_equal(&file->facts.digest,
			    &((struct seed_commit_file *)seed_vec_at(&in.files, 1))->facts.digest,
			    sizeof(file->facts.digest));
}

static void every_flipped_bit_is_refused(void **state)
{
	SEED_AUTO(seed_commit_clear) struct seed_commit in = sample();
	SEED_AUTO(seed_freep) char *text = NULL;
	char sig[SEED_SIGNATURE_MAX];
	struct seed_error err = { 0 };
	size_t len;

	(void)state;
	assert_ok(seed_commit_sign(&in, key, &text, &len, sig, &err), &err);
	for (size_t at = 0; at < len; at++) {
		struct seed_commit out;

		text[at] ^= (char)(1 << at % 8);
		assert_fails(seed_commit_open(&out, text, len, sig, strlen(sig),
					      seed_signing_key_public(key), &err), &err,
			     SEED_ERR_TRUST);
		text[at] ^= (char)(1 << at % 8);
	}
}

static void another_key_is_not_trusted(void **state)
{
	SEED_AUTO(seed_commit_clear) struct seed_commit in = sample();
	SEED_AUTO(seed_freep) char *text = NULL;
	char sig[SEED_SIGNATURE_MAX];
	struct seed_error err = { 0 };
	struct seed_commit out;
	size_t len;

	(void)state;
	assert_ok(seed_commit_sign(&in, key, &text, &len, sig, &err), &err);
	assert_fails(seed_commit_open(&out, text, len, sig, strlen(sig),
				      seed_signing_key_public(other), &err), &err, SEED_ERR_TRUST);
}

/* Replace the first @from in the sample's text by @to, sign it, open it. */
static int open_changed(const char *from, const char *to, struct seed_error *err)
{
	SEED_AUTO(seed_commit_clear) struct seed_commit in = sample();
	SEED_AUTO(seed_commit_clear) struct seed_commit out = { 0 };
	SEED_AUTO(seed_freep) char *text = NULL;
	SEED_AUTO(seed_freep) char *changed = NULL;
	char sig[SEED_SIGNATURE_MAX], *at;
	struct seed_error inner = { 0 };
	size_t len;

	assert_ok(seed_commit_sign(&in, key, &text, &len, sig, &inner), &inner);
	at = strstr(text, from);
	if (!at)
		fail_msg("the sample does not hold %s", from);
	changed = malloc(len + strlen(to) + 1);
	assert_non_null(changed);
	sprintf(changed, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	return open_text(&out, changed, err);
}

static void malformed_members_are_refused_and_named(void **state)
{
	static const struct {
		const char *from, *to, *says;
	} cases[] = {
		{ "\"number\": 7", "\"number\": 0", "number" },
		{ "\"number\": 7", "\"number\": 100000000", "number" },
		{ "\"number\": 7", "\"number\": -7", "number" },
		{ "\"number\": 7", "\"number\": \"7\"", "number" },
		{ "\"number\": 7", "\"number\": 1", "previous" },
		{ "\"volume\": 1", "\"volume\": 0", "volume" },
		{ "\"volume\": 1", "\"volume\": 4294967296", "volume" },
		{ "\"full\": true", "\"full\": 1", "full" },
		{ "\"full\": true", "\"full\": false", "seeds" },
		{ "\"full\": true", "\"full\": true, \"extra\": 1", "extra" },
		{ "\"number\": 5", "\"number\": 10", "packs[1]" },
		{ "\"number\": 5", "\"number\": 0", "packs[0]" },
		{ "\"length\": 70001", "\"length\": 1073741825", "packs[0]" },
		{ "\"length\": 70001", "\"length\": 100", "packs[0]" },
		{ "\"records\": 3", "\"records\": 0", "packs[0]" },
		{ "\"records\": 3", "\"records\": 1025", "packs[0]" },
		{ "\"blocks\": 20", "\"blocks\": 33", "packs[0]" },
		{ "list-0000-0001", "list-0000-0003", "files[1]" },
		{ "list-0000-0001", "list-0000-0002", "files[1]" },
		{ "list-0000-0001", "../list", "files[0]" },
		{ "list-0000-0001", "list-0000-000G", "files[0]" },
		{ "seeds/0102", "Seeds/0102", "files[0]" },
		{ "\"length\": 10,", "\"length\": 4294967295,", "files[0]" },
		{ "\"01020300000000000000000000000000\"", "\"0102\"", "seeds[0]" },
		{ "\"01020300000000000000000000000000\"",
		  "\"01020300000000000000000000000000\","
		  "\"01020300000000000000000000000000\"", "seeds[1]" },
		{ "\"01020300000000000000000000000000\"", "7", "seeds[0]" },
		{ "\"type\": \"commit\"", "\"type\": \"volume\"", "type" },
		{ "\"version\": 1", "\"version\": 2", "version" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct seed_error err = { 0 };

		if (open_changed(cases[i].from, cases[i].to, &err) == 0)
			fail_msg("%s as %s was taken", cases[i].from, cases[i].to);
		assert_int_equal(err.kind, SEED_ERR_FORMAT);
		if (!strstr(err.text, cases[i].says))
			fail_msg("%s as %s says: %s", cases[i].from, cases[i].to, err.text);
	}
}

static void names_in_a_set_are_ours_alone(void **state)
{
	static const struct {
		const char *path;
		int sealed;	/* -1: not ours */
	} cases[] = {
		{ SEED_A "manifest.json", 0 }, { SEED_A "manifest.json.minisig", 0 },
		{ SEED_A "manifest.sealed", 1 }, { SEED_A "list-0000-0001", 0 },
		{ SEED_A "list-00ff-0001.sealed", 1 }, { SEED_A "file-0000", 0 },
		{ SEED_A "file-0010.sealed", 1 }, { SEED_A "manifest.sealed.minisig", -1 },
		{ SEED_A "file-000", -1 }, { SEED_A "file-0000x", -1 },
		{ SEED_A "file-0000.sealed.sealed", -1 }, { SEED_A "list-0000", -1 },
		{ SEED_A "", -1 }, { SEED_A "/manifest.json", -1 },
		{ "seeds/0102030405060708090A0B0C0D0E0F10/manifest.json", -1 },
		{ "seeds/0102/manifest.json", -1 }, { "packs/00000001.pack", -1 },
		{ "seeds/../../../etc/passwd", -1 }, { "/etc/passwd", -1 }, { "", -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool sealed = false;

		if (seed_commit_path_valid(cases[i].path, &sealed) != (cases[i].sealed >= 0))
			fail_msg("%s", cases[i].path);
		if (cases[i].sealed >= 0)
			assert_int_equal(sealed, cases[i].sealed);
	}
}

static void commit_names_have_eight_digits(void **state)
{
	char name[SEED_COMMIT_NAME];

	(void)state;
	assert_string_equal(seed_commit_name(1, name), "commits/00000001.json");
	assert_string_equal(seed_commit_name(99999999, name), "commits/99999999.json");
	assert_int_equal(seed_media_number("00000042.json", ".json"), 42);
	assert_int_equal(seed_media_number("00000000.json", ".json"), 0);
	assert_int_equal(seed_media_number("0000042.json", ".json"), 0);
	assert_int_equal(seed_media_number("00000042.json.minisig", ".json"), 0);
	assert_int_equal(seed_media_number("", ".json"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_commit_makes_the_round),
		cmocka_unit_test(every_flipped_bit_is_refused),
		cmocka_unit_test(another_key_is_not_trusted),
		cmocka_unit_test(malformed_members_are_refused_and_named),
		cmocka_unit_test(names_in_a_set_are_ours_alone),
		cmocka_unit_test(commit_names_have_eight_digits),
	};

	return cmocka_run_group_tests(tests, make_keys, free_keys);
}
