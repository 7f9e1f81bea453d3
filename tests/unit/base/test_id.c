// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <stdio.h>

#include "base/id.h"

static const struct seed_id sample = { { 0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
					 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff } };

static void text_forms_come_back(void **state)
{
	struct seed_digest digest, digest_again;
	char text[SEED_DIGEST_TEXT];
	struct seed_error err = { 0 };
	struct seed_id again;

	(void)state;
	assert_string_equal(seed_id_text(&sample, text), "00112233445566778899aabbccddeeff");
	assert_ok(seed_id_parse(&again, text, &err), &err);
	assert_true(seed_id_equal(&again, &sample));
	assert_string_equal(seed_uuid_text(&sample, text), "00112233-4455-6677-8899-aabbccddeeff");
	memset(&again, 0, sizeof(again));
	assert_ok(seed_uuid_parse(&again, text, &err), &err);
	assert_true(seed_id_equal(&again, &sample));
	for (unsigned int i = 0; i < SEED_DIGEST_SIZE; i++)
		digest.bytes[i] = (uint8_t)(i * 37);
	assert_ok(seed_digest_parse(&digest_again, seed_digest_text(&digest, text), &err), &err);
	assert_int_equal(strlen(text), 64);
	assert_true(seed_digest_equal(&digest, &digest_again));
}

static void a_uuid_may_be_upper_case(void **state)
{
	struct seed_error err = { 0 };
	struct seed_id id;

	(void)state;
	assert_ok(seed_uuid_parse(&id, "00112233-4455-6677-8899-AABBCCDDEEFF", &err), &err);
	assert_true(seed_id_equal(&id, &sample));
}

static void only_canonical_text_is_taken(void **state)
{
	static const char *const bad_ids[] = {
		"", "0", "00112233445566778899aabbccddeef", "00112233445566778899aabbccddeeff0",
		"00112233445566778899AABBCCDDEEFF", "00112233445566778899aabbccddeefg",
		" 0112233445566778899aabbccddeeff", "00112233-4455-6677-8899-aabbccddeeff",
	};
	static const char *const bad_uuids[] = {
		"", "-", "00112233445566778899aabbccddeeff", "00112233-4455-6677-8899-aabbccddeef",
		"00112233-4455-6677-8899-aabbccddeeff0", "{0112233-4455-6677-8899-aabbccddeeff}",
		"00112233-4455-6677-8899aabbccddeeff-", "0011223-34455-6677-8899-aabbccddeeff",
		"00112233-4455-6677-8899-aabbccddeexf", "00112233-4455-6677-8899-",
		"00112233-4455-6677-8899-aabbccddeeff\n",
	};
	struct seed_id id = sample;
	struct seed_digest digest;
	struct seed_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad_ids) / sizeof(bad_ids[0]); i++)
		assert_fails(seed_id_parse(&id, bad_ids[i], &err), &err, SEED_ERR_FORMAT);
	for (size_t i = 0; i < sizeof(bad_uuids) / sizeof(bad_uuids[0]); i++)
		assert_fails(seed_uuid_parse(&id, bad_uuids[i], &err), &err, SEED_ERR_FORMAT);
	assert_fails(seed_digest_parse(&digest, "00112233445566778899aabbccddeeff", &err), &err,
		     SEED_ERR_FORMAT);
	assert_true(seed_id_equal(&id, &sample));	/* untouched by failures */
}

static void hostile_text_is_shown_quoted(void **state)
{
	struct seed_error err = { 0 };
	struct seed_id id;

	(void)state;
	assert_fails(seed_id_parse(&id, "a\x1b[2J", &err), &err, SEED_ERR_FORMAT);
	assert_non_null(strstr(err.text, "\"a%1B[2J\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_forms_come_back),
		cmocka_unit_test(a_uuid_may_be_upper_case),
		cmocka_unit_test(only_canonical_text_is_taken),
		cmocka_unit_test(hostile_text_is_shown_quoted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
