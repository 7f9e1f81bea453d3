// SPDX-License-Identifier: LGPL-2.1-or-later
#include "fixture.h"

static struct seed_set_record sample(uint8_t set, const struct seed_card *recipient)
{
	struct seed_set_record record = {
		.set = { { set } }, .medium = { { 7 } }, .volume = 1,
		.reserved = 5, .confirmed = 4, .next_pack = 12, .last_full_read = 1700000000,
	};

	record.confirmed_digest.bytes[9] = set;
	if (recipient) {
		record.sealed = true;
		record.recipient = recipient->site;
		memcpy(record.receiving_key, recipient->receiving_key, SEED_HPKE_KEY);
	}
	return record;
}

static void a_record_makes_the_round(void **state)
{
	struct fixture *f = *state;
	struct seed_error err = { 0 };
	struct seed_card card;

	seed_card_of(&card, f->site[DR]);
	for (int sealed = 0; sealed < 2; sealed++) {
		struct seed_set_record in = sample((uint8_t)(3 + sealed), sealed ? &card : NULL);
		struct seed_set_record out;

		memset(&out, 0xff, sizeof(out));
		must(seed_set_record_write(f->home[HQ], &in, &err), &err);
		must(seed_set_record_read(&out, f->home[HQ], &in.set, 1, &err), &err);
		assert_true(seed_id_equal(&in.set, &out.set));
		assert_true(seed_id_equal(&in.medium, &out.medium));
		assert_true(seed_id_equal(&in.recipient, &out.recipient));
		assert_memory_equal(in.receiving_key, out.receiving_key, SEED_HPKE_KEY);
		assert_true(seed_digest_equal(&in.confirmed_digest, &out.confirmed_digest));
		assert_int_equal(out.sealed, sealed);
		assert_int_equal(out.volume, 1);
		assert_int_equal(out.reserved, 5);
		assert_int_equal(out.confirmed, 4);
		assert_int_equal(out.next_pack, 12);
		assert_int_equal(out.last_full_read, 1700000000);
	}
}

static void what_is_not_there_is_not_found(void **state)
{
	struct fixture *f = *state;
	struct seed_set_record out;
	struct seed_error err = { 0 };
	struct seed_id id = { { 9 } };

	assert_fails(seed_set_record_read(&out, f->home[HQ], &id, 1, &err), &err,
		     SEED_ERR_NOTFOUND);
	assert_fails(seed_set_record_find(&out, f->home[HQ], &id, NULL, &err), &err,
		     SEED_ERR_NOTFOUND);
}

static void the_set_begun_last_is_found(void **state)
{
	struct fixture *f = *state;
	struct seed_set_record out, first, second, third, plain;
	struct seed_error err = { 0 };
	struct seed_id elsewhere = { { 8 } };
	struct seed_card card, changed;

	seed_card_of(&card, f->site[DR]);
	changed = card;
	changed.receiving_key[0] ^= 1;
	first = sample(30, &card);
	second = sample(20, &card);
	third = sample(10, &changed);
	plain = sample(40, NULL);
	must(seed_set_record_write(f->home[HQ], &first, &err), &err);
	must(seed_set_record_write(f->home[HQ], &second, &err), &err);
	must(seed_set_record_write(f->home[HQ], &third, &err), &err);
	must(seed_set_record_write(f->home[HQ], &plain, &err), &err);
	must(seed_set_record_write(f->home[HQ], &first, &err), &err);	/* stays the first */
	must(seed_set_record_find(&out, f->home[HQ], &first.medium, &card, &err), &err);
	assert_true(seed_id_equal(&out.set, &second.set));
	must(seed_set_record_find(&out, f->home[HQ], &first.medium, &changed, &err), &err);
	assert_true(seed_id_equal(&out.set, &third.set));
	must(seed_set_record_find(&out, f->home[HQ], &first.medium, NULL, &err), &err);
	assert_true(seed_id_equal(&out.set, &plain.set));
	assert_fails(seed_set_record_find(&out, f->home[HQ], &elsewhere, &card, &err), &err,
		     SEED_ERR_NOTFOUND);
}

static void a_broken_record_is_never_passed_over(void **state)
{
	static const struct {
		const char *from, *to;
	} cases[] = {
		{ "vmseed-set", "vmseed-sex" }, { "\"schema_version\": 1", "\"schema_version\": 2" },
		{ "\"reserved\": 5", "\"reserved\": 3" }, { "\"sealed\": false", "\"sealed\": 0" },
		{ "\"volume\": 1", "\"volume\": 1, \"more\": 2" }, { "{", "" },
		{ "\"set\": \"03", "\"set\": \"04" }, { "\"next_pack\"", "\"next_pick\"" },
	};
	struct fixture *f = *state;
	struct seed_set_record record = sample(3, NULL), other = sample(5, NULL), out;
	struct seed_error err = { 0 };
	const char *name = "hq/sets/03000000000000000000000000000000.json";

	must(seed_set_record_write(f->home[HQ], &record, &err), &err);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		SEED_AUTO(seed_freep) char *text = NULL;
		char changed[4096], *at;
		size_t len;

		must(seed_file_read(f->dir->fd, name, 4000, &text, &len, &err), &err);
		at = strstr(text, cases[i].from);
		if (!at)
			fail_msg("the record does not hold %s", cases[i].from);
		snprintf(changed, sizeof(changed), "%.*s%s%s", (int)(at - text), text,
			 cases[i].to, at + strlen(cases[i].from));
		tmpdir_put(f->dir, name, changed, strlen(changed));
		assert_fails(seed_set_record_read(&out, f->home[HQ], &record.set, 1, &err), &err,
			     SEED_ERR_FORMAT);
		assert_non_null(strstr(err.text, "sets/03"));
		assert_fails(seed_set_record_find(&out, f->home[HQ], &record.medium, NULL, &err),
			     &err, SEED_ERR_FORMAT);
		assert_fails(seed_set_record_write(f->home[HQ], &record, &err), &err,
			     SEED_ERR_FORMAT);
		assert_true(tmpdir_holds(f->dir, name, changed, strlen(changed)));
		tmpdir_put(f->dir, name, text, len);
	}
	must(seed_set_record_write(f->home[HQ], &other, &err), &err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		fixture_test(a_record_makes_the_round),
		fixture_test(what_is_not_there_is_not_found),
		fixture_test(the_set_begun_last_is_found),
		fixture_test(a_broken_record_is_never_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
