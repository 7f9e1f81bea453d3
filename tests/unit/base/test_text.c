// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <stdlib.h>

#include "base/text.h"

static void hex_comes_back(void **state)
{
	uint8_t data[256], again[256];
	struct seed_error err = { 0 };
	char text[513];

	(void)state;
	for (int i = 0; i < 256; i++)
		data[i] = (uint8_t)i;
	seed_hex(data, sizeof(data), text);
	assert_int_equal(strlen(text), 512);
	assert_memory_equal(text, "00010203", 8);
	assert_ok(seed_hex_parse(again, sizeof(again), text, &err), &err);
	assert_memory_equal(data, again, sizeof(data));
	assert_ok(seed_hex_parse(again, 0, "", &err), &err);
}

static void hex_of_the_wrong_length_or_case_is_refused(void **state)
{
	static const char *const bad[] = { "", "0", "012", "01234", "012G", "01AB", "01 2", "0x12",
					   "01\xc3\xbc" };
	struct seed_error err;
	uint8_t out[2];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_fails(seed_hex_parse(out, 2, bad[i], &err), &err, SEED_ERR_FORMAT);
}

/* RFC 4648, section 10. */
static void base64_agrees_with_the_standard(void **state)
{
	static const char *const vectors[][2] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
		{ "\xfb\xff\xbf", "+/+/" },
	};
	struct seed_error err = { 0 };
	char text[16], out[8];

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		size_t len = strlen(vectors[i][0]);

		assert_string_equal(seed_base64(vectors[i][0], len, text), vectors[i][1]);
		assert_ok(seed_base64_parse(out, len, text, &err), &err);
		assert_memory_equal(out, vectors[i][0], len);
	}
}

static void base64_must_be_canonical(void **state)
{
	static const struct {
		size_t len;
		const char *text;
	} bad[] = {
		{ 1, "Zh==" }, { 2, "Zm9=" }, { 1, "Zg=" }, { 1, "Zg" }, { 1, "Zg===" },
		{ 1, "Z===" }, { 1, "====" }, { 3, "Zm8=" }, { 2, "Zm9v" }, { 1, "" },
		{ 0, "Zg==" }, { 3, "Zm9v\n" }, { 3, "Zm-_" }, { 4, "Zg==Zg==" }, { 3, "Zm9" },
		{ 6, "Zm9vYmF" }, { 2, "Zm=8" },
	};
	struct seed_error err;
	char out[8];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_fails(seed_base64_parse(out, bad[i].len, bad[i].text, &err), &err,
			     SEED_ERR_FORMAT);
}

static void base64_never_writes_past_its_length(void **state)
{
	char text[64], in[32], out[33];
	struct seed_error err = { 0 };

	(void)state;
	for (size_t len = 0; len <= sizeof(in); len++) {
		for (size_t i = 0; i < len; i++)
			in[i] = (char)(rand() >> 7);
		memset(out, 0x5a, sizeof(out));
		assert_ok(seed_base64_parse(out, len, seed_base64(in, len, text), &err), &err);
		assert_memory_equal(in, out, len);
		assert_int_equal(out[len], 0x5a);
	}
}

/* RFC 4648, section 10, without the padding. */
static void base32_agrees_with_the_standard(void **state)
{
	char text[32];

	(void)state;
	assert_string_equal(seed_base32("f", 1, text), "M");
	assert_string_equal(seed_base32("foobar", 9, text), "MZXW6YTBO");
	assert_string_equal(seed_base32("fooba", 8, text), "MZXW6YTB");
	assert_string_equal(seed_base32("\xff\xff\xff\xff\xff", 8, text), "77777777");
	assert_string_equal(seed_base32("x", 0, text), "");
}

/* A fingerprint is 25 digits = 125 bits of 16 bytes: the byte after them stays unread. */
static void base32_reads_only_the_bytes_it_needs(void **state)
{
	uint8_t *exact = malloc(16);
	char text[32];

	(void)state;
	memset(exact, 0, 16);
	exact[15] = 0xff;
	seed_base32(exact, 25, text);
	assert_string_equal(text, "AAAAAAAAAAAAAAAAAAAAAAAA7");
	seed_base32(exact, 8, text);
	free(exact);
	exact = malloc(5);
	memset(exact, 0, 5);
	assert_string_equal(seed_base32(exact, 8, text), "AAAAAAAA");
	free(exact);
}

static void sizes_read_as_lsblk_shows_them(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} samples[] = {
		{ 0, "0 B" }, { 17, "17 B" }, { 1023, "1023 B" }, { 1024, "1 KiB" },
		{ 65536, "64 KiB" }, { 1536, "1.5 KiB" }, { 1610612736, "1.5 GiB" },
		{ 1048575, "1 MiB" }, { 1048576 - 103, "1023.9 KiB" }, { 1048576, "1 MiB" },
		{ UINT64_C(16) << 40, "16 TiB" }, { UINT64_MAX, "16 EiB" },
		{ UINT64_C(1) << 60, "1 EiB" }, { 1075, "1 KiB" }, { 1076, "1.1 KiB" },
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
		assert_string_equal(seed_size_text(samples[i].bytes, text), samples[i].text);
}

static void sizes_are_parsed_with_their_units(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} samples[] = {
		{ "0", 0 }, { "4096", 4096 }, { "64K", 65536 }, { "64k", 65536 }, { "1B", 1 },
		{ "1.5G", 1610612736 }, { "2GiB", UINT64_C(2) << 30 }, { "1GB", 1000000000 },
		{ "1.5 GiB", 1610612736 }, { "17 B", 17 }, { "15E", UINT64_C(15) << 60 },
		{ "18446744073709551615", UINT64_MAX }, { "0.5T", UINT64_C(1) << 39 },
		{ "1kB", 1000 }, { "007", 7 }, { "1.000000001GB", 1000000001 },
	};
	struct seed_error err = { 0 };
	uint64_t bytes;

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		assert_ok(seed_size_parse(&bytes, samples[i].text, &err), &err);
		assert_int_equal(bytes, samples[i].bytes);
	}
}

static void nonsense_is_no_size(void **state)
{
	static const char *const bad[] = {
		"", " ", "x", "-1", "+1", " 1", "1 ", "1.", ".5G", "1.5", "1.5B", "1.5.5G", "1Q",
		"1KiBs", "1Ki", "1ib", "1GG", "16E", "18446744073709551616", "99999999999999999999",
		"1.0000000001G", "0x10", "1e3", "1  K", "1\n", "1BB", "1.18446744073709551616G",
		"18446744073709551615.9K",
	};
	struct seed_error err;
	uint64_t bytes = 42;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_fails(seed_size_parse(&bytes, bad[i], &err), &err, SEED_ERR_USAGE);
	assert_int_equal(bytes, 42);
}

/* What we show, we also read: to the tenth that is shown. */
static void shown_sizes_are_parsed_again(void **state)
{
	struct seed_error err = { 0 };
	uint64_t bytes, again;
	char text[32], text_again[32];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		bytes = ((uint64_t)rand() << 32 ^ (uint64_t)rand() << 10) >> (rand() % 64);
		if (bytes >> 60 == 15)
			continue;	/* may round up to 16 EiB, which does not fit */
		assert_ok(seed_size_parse(&again, seed_size_text(bytes, text), &err), &err);
		assert_string_equal(seed_size_text(again, text_again), text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hex_comes_back),
		cmocka_unit_test(hex_of_the_wrong_length_or_case_is_refused),
		cmocka_unit_test(base64_agrees_with_the_standard),
		cmocka_unit_test(base64_must_be_canonical),
		cmocka_unit_test(base64_never_writes_past_its_length),
		cmocka_unit_test(base32_agrees_with_the_standard),
		cmocka_unit_test(base32_reads_only_the_bytes_it_needs),
		cmocka_unit_test(sizes_read_as_lsblk_shows_them),
		cmocka_unit_test(sizes_are_parsed_with_their_units),
		cmocka_unit_test(nonsense_is_no_size),
		cmocka_unit_test(shown_sizes_are_parsed_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
