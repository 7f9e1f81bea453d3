// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pack/record.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "cmocka_all.h"
#include "crypto/digest.h"

#define ROOM (SEED_RECORD_PLAIN_MAX + 128)

struct bench {
	struct seed_record_codec *codec;
	struct seed_seal seal;		/* of tag 7 */
	uint8_t *plain, *stored, *back;
};

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct seed_error err = { 0 };

	if (!b || seed_record_codec_new(&b->codec, 1, &err) < 0)
		return -1;
	b->seal = (struct seed_seal){ .sealed = true, .context_len = 24 };
	memset(b->seal.key.bytes, 7, sizeof(b->seal.key.bytes));
	memset(b->seal.context, 9, b->seal.context_len);
	b->plain = malloc(SEED_RECORD_PLAIN_MAX);
	b->stored = malloc(ROOM);
	b->back = malloc(SEED_RECORD_PLAIN_MAX);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	seed_record_codec_free(b->codec);
	free(b->plain);
	free(b->stored);
	free(b->back);
	free(b);
	return 0;
}

static void fill_random(uint8_t *out, size_t len)
{
	uint64_t x = 88172645463325252u;

	for (size_t i = 0; i < len; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		out[i] = (uint8_t)(x >> 24);
	}
}

static size_t encode(struct bench *b, const struct seed_seal *seal,
		     const struct seed_record_spec *spec)
{
	struct seed_error err = { 0 };
	size_t len;

	assert_ok(seed_record_encode(b->codec, seal, spec, b->stored, spec->plain_len + 128, &len,
				     &err), &err);
	return len;
}

static int decode(struct bench *b, const struct seed_seal *seal, uint32_t number, bool last,
		  size_t len, struct seed_record_plain *info, struct seed_error *err)
{
	return seed_record_decode(b->codec, seal, number, last, b->stored, len, b->back,
				  SEED_RECORD_PLAIN_MAX, info, err);
}

static void check_round_trip(struct bench *b, const struct seed_seal *seal,
			     const struct seed_record_spec *spec)
{
	struct seed_record_plain info;
	struct seed_error err = { 0 };
	size_t len = encode(b, seal, spec);

	assert_true(len <= SEED_RECORD_MAX);
	memset(b->back, 0xee, SEED_RECORD_PLAIN_MAX);
	assert_ok(decode(b, seal, spec->number, spec->last, len, &info, &err), &err);
	assert_int_equal(info.blocks, spec->blocks);
	assert_int_equal(info.plain_len, spec->plain_len);
	for (uint16_t i = 0; i < spec->blocks; i++)
		assert_int_equal(info.lengths[i], spec->lengths[i]);
	assert_memory_equal(b->back, b->plain, spec->plain_len);
}

static void what_goes_in_comes_out(void **state)
{
	static const uint32_t odd[] = { 1, SEED_BLOCK_SIZE, 513, 65535 };
	struct bench *b = *state;
	struct seed_seal plain = { .sealed = false };
	uint32_t full[SEED_RECORD_BLOCKS];
	struct seed_record_spec specs[] = {
		{ .number = 0, .lengths = odd, .blocks = 4,
		  .plain_len = 1 + SEED_BLOCK_SIZE + 513 + 65535 },
		{ .number = 1022, .lengths = full, .blocks = SEED_RECORD_BLOCKS,
		  .plain_len = SEED_RECORD_PLAIN_MAX },
		{ .number = 5, .last = true, .plain_len = 40 },
		{ .number = UINT32_MAX, .last = true, .plain_len = 0 },
	};

	for (size_t i = 0; i < SEED_RECORD_BLOCKS; i++)
		full[i] = SEED_BLOCK_SIZE;
	for (int random = 0; random < 2; random++) {
		for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
			memset(b->plain, 'a', SEED_RECORD_PLAIN_MAX);
			if (random)
				fill_random(b->plain, SEED_RECORD_PLAIN_MAX);
			specs[i].plain = b->plain;
			check_round_trip(b, &b->seal, &specs[i]);
			check_round_trip(b, &plain, &specs[i]);
		}
	}
}

static void what_does_not_shrink_is_stored_as_it_is(void **state)
{
	struct bench *b = *state;
	struct seed_seal plain = { .sealed = false };
	uint32_t lengths[SEED_RECORD_BLOCKS];
	struct seed_record_spec spec = { .lengths = lengths, .blocks = SEED_RECORD_BLOCKS,
					 .plain = b->plain, .plain_len = SEED_RECORD_PLAIN_MAX };
	size_t head = SEED_RECORD_HEADER + 8 + 4 * SEED_RECORD_BLOCKS, len;

	for (size_t i = 0; i < SEED_RECORD_BLOCKS; i++)
		lengths[i] = SEED_BLOCK_SIZE;
	fill_random(b->plain, SEED_RECORD_PLAIN_MAX);
	len = encode(b, &plain, &spec);
	assert_int_equal(len, head + SEED_RECORD_PLAIN_MAX);
	assert_int_equal(b->stored[SEED_RECORD_HEADER], 0);
	assert_memory_equal(b->stored + head, b->plain, SEED_RECORD_PLAIN_MAX);
	assert_int_equal(encode(b, &b->seal, &spec), SEED_RECORD_MAX);

	memset(b->plain, 0x55, SEED_RECORD_PLAIN_MAX);
	len = encode(b, &plain, &spec);
	assert_true(len < head + 4096);
	assert_int_equal(b->stored[SEED_RECORD_HEADER], 1);
}

/* Every byte of the plain form, as vmseed-pack(5) has it. */
static void the_stored_form_is_the_one_in_the_manual(void **state)
{
	static const char golden[] =
		"56535243" "02000000" "1a000000" "0000" "0000"
		"00" "00" "0200" "0a000000" "04000000" "06000000" "31323334616263646566";
	struct bench *b = *state;
	struct seed_seal plain = { .sealed = false };
	static const uint32_t lengths[] = { 4, 6 };
	struct seed_record_spec spec = { .number = 2, .lengths = lengths, .blocks = 2,
					 .plain = "1234abcdef", .plain_len = 10 };
	char text[sizeof(golden)];

	assert_int_equal(encode(b, &plain, &spec), (sizeof(golden) - 1) / 2);
	assert_string_equal(seed_hex(b->stored, (sizeof(golden) - 1) / 2, text), golden);
}

/* The seal, with the pieces put together here by hand. */
static void the_sealed_form_is_the_one_in_the_manual(void **state)
{
	struct bench *b = *state;
	struct seed_record_spec spec = { .number = 0x01020304, .last = true, .plain = "x",
					 .plain_len = 1 };
	uint8_t nonce[12] = { 4, 3, 2, 1 }, aad[24 + 5], inner[64];
	SEED_AUTO(seed_aead_freep) struct seed_aead *aead = NULL;
	struct seed_error err = { 0 };
	size_t len = encode(b, &b->seal, &spec);

	memset(aad, 9, 24);
	memcpy(aad + 24, "\4\3\2\1\1", 5);
	assert_int_equal(len, 16 + 9 + 16);
	assert_memory_equal(b->stored, "VSRC\4\3\2\1\x19\0\0\0\1\0\0\0", 16);
	assert_ok(seed_aead_new(&aead, &err), &err);
	assert_ok(seed_aead_set_key(aead, b->seal.key.bytes, &err), &err);
	assert_ok(seed_aead_open(aead, inner, nonce, aad, sizeof(aad), b->stored + 16, len - 16,
				 &err), &err);
	assert_memory_equal(inner, "\0\0\0\0\1\0\0\0x", 9);
}

static size_t encode_small(struct bench *b, const struct seed_seal *seal)
{
	static const uint32_t lengths[] = { 300, 200 };
	struct seed_record_spec spec = { .number = 3, .lengths = lengths, .blocks = 2,
					 .plain = b->plain, .plain_len = 500 };

	memset(b->plain, 'z', 500);
	return encode(b, seal, &spec);
}

static void a_flipped_bit_of_a_sealed_record_is_refused(void **state)
{
	struct bench *b = *state;
	struct seed_record_plain info;
	struct seed_error err = { 0 };
	size_t len = encode_small(b, &b->seal);

	for (size_t bit = 0; bit < 8 * len; bit++) {
		b->stored[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_fails(decode(b, &b->seal, 3, false, len, &info, &err), &err,
			     SEED_ERR_INTEGRITY);
		b->stored[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_ok(decode(b, &b->seal, 3, false, len, &info, &err), &err);
}

static void a_cut_record_is_refused(void **state)
{
	struct bench *b = *state;
	struct seed_seal plain = { .sealed = false };
	struct seed_record_plain info;
	struct seed_error err = { 0 };

	for (int sealed = 0; sealed < 2; sealed++) {
		const struct seed_seal *seal = sealed ? &b->seal : &plain;
		size_t len = encode_small(b, seal);

		for (size_t cut = 0; cut < len; cut++) {
			/* Exactly this many bytes, so that a sanitizer sees any more. */
			SEED_AUTO(seed_freep) uint8_t *part = malloc(cut + 1);

			memcpy(part, b->stored, cut);
			assert_fails(seed_record_decode(b->codec, seal, 3, false, part, cut,
							b->back, SEED_RECORD_PLAIN_MAX, &info,
							&err), &err, SEED_ERR_INTEGRITY);
			if (cut < SEED_RECORD_HEADER)
				continue;
			/* Also when its header is made to agree. */
			seed_put32(part + 8, (uint32_t)(cut - SEED_RECORD_HEADER));
			assert_fails(seed_record_decode(b->codec, seal, 3, false, part, cut,
							b->back, SEED_RECORD_PLAIN_MAX, &info,
							&err), &err, SEED_ERR_INTEGRITY);
		}
	}
}

static void a_record_opens_only_in_its_place(void **state)
{
	struct bench *b = *state;
	struct seed_record_plain info;
	struct seed_error err = { 0 };
	struct seed_seal other = b->seal;
	size_t len = encode_small(b, &b->seal);

	assert_fails(decode(b, &b->seal, 4, false, len, &info, &err), &err, SEED_ERR_INTEGRITY);
	assert_fails(decode(b, &b->seal, 3, true, len, &info, &err), &err, SEED_ERR_INTEGRITY);
	/* The clear header is no proof: renumbered or marked there, the tag does not fit. */
	b->stored[4] = 4;
	assert_fails(decode(b, &b->seal, 4, false, len, &info, &err), &err, SEED_ERR_INTEGRITY);
	b->stored[4] = 3;
	b->stored[12] = 1;
	assert_fails(decode(b, &b->seal, 3, true, len, &info, &err), &err, SEED_ERR_INTEGRITY);
	b->stored[12] = 0;
	other.context[0] ^= 1;
	assert_fails(decode(b, &other, 3, false, len, &info, &err), &err, SEED_ERR_INTEGRITY);
	other = b->seal;
	other.context_len--;
	assert_fails(decode(b, &other, 3, false, len, &info, &err), &err, SEED_ERR_INTEGRITY);
	other = b->seal;
	other.key.bytes[31] ^= 1;
	assert_fails(decode(b, &other, 3, false, len, &info, &err), &err, SEED_ERR_INTEGRITY);
	/* And the codec has not kept that key. */
	assert_ok(decode(b, &b->seal, 3, false, len, &info, &err), &err);
}

static void hostile_inner_heads_are_refused(void **state)
{
	static const struct { size_t at; uint32_t value; size_t bytes; } edits[] = {
		{ 0, 2, 1 }, { 1, 1, 1 },				/* codec, zero */
		{ 2, 17, 2 }, { 2, 0xffff, 2 }, { 2, 3, 2 }, { 2, 1, 2 },	/* blocks */
		{ 4, 501, 4 }, { 4, 499, 4 }, { 4, UINT32_MAX, 4 },	/* plain length */
		{ 4, SEED_RECORD_PLAIN_MAX + 1, 4 },
		{ 8, 0, 4 }, { 8, 65537, 4 }, { 8, UINT32_MAX, 4 },	/* a block's length */
		{ 12, 201, 4 }, { 12, 199, 4 },
	};
	struct bench *b = *state;
	struct seed_seal plain = { .sealed = false };
	struct seed_record_plain info;
	struct seed_error err = { 0 };

	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		size_t len = encode_small(b, &plain);

		for (size_t k = 0; k < edits[i].bytes; k++)
			b->stored[16 + edits[i].at + k] = (uint8_t)(edits[i].value >> 8 * k);
		assert_fails(decode(b, &plain, 3, false, len, &info, &err), &err,
			     SEED_ERR_INTEGRITY);
	}
}

static void plain_bytes_never_pass_the_room(void **state)
{
	struct bench *b = *state;
	struct seed_seal plain = { .sealed = false };
	struct seed_record_plain info;
	struct seed_error err = { 0 };
	size_t len = encode_small(b, &plain);

	SEED_AUTO(seed_freep) uint8_t *tight = malloc(500);

	assert_ok(seed_record_decode(b->codec, &plain, 3, false, b->stored, len, tight, 500, &info,
				     &err), &err);
	assert_fails(seed_record_decode(b->codec, &plain, 3, false, b->stored, len, tight, 499,
					&info, &err), &err, SEED_ERR_INTEGRITY);
}

static void impossible_records_are_not_encoded(void **state)
{
	static const uint32_t zero[] = { 0 }, large[] = { 65537 }, ten[] = { 10 };
	struct bench *b = *state;
	struct seed_error err = { 0 };
	const struct seed_record_spec specs[] = {
		{ .lengths = zero, .blocks = 1, .plain = b->plain },
		{ .lengths = large, .blocks = 1, .plain = b->plain, .plain_len = 65537 },
		{ .lengths = ten, .blocks = 1, .plain = b->plain, .plain_len = 11 },
		{ .lengths = ten, .blocks = 17, .plain = b->plain, .plain_len = 170 },
		{ .plain = b->plain, .plain_len = SEED_RECORD_PLAIN_MAX + 1 },
	};
	size_t len;

	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++)
		assert_fails(seed_record_encode(b->codec, &b->seal, &specs[i], b->stored, ROOM,
						&len, &err), &err, SEED_ERR_RANGE);
	assert_fails(seed_record_encode(b->codec, &b->seal,
					&(struct seed_record_spec){ .plain = b->plain,
								    .plain_len = 100 },
					b->stored, 100, &len, &err), &err, SEED_ERR_RANGE);
}

static void a_header_tells_number_and_length(void **state)
{
	struct bench *b = *state;
	struct seed_error err = { 0 };
	size_t len = encode_small(b, &b->seal);
	uint32_t number;
	uint64_t whole;
	bool last;

	assert_ok(seed_record_header(b->stored, &number, &last, &whole, &err), &err);
	assert_int_equal(number, 3);
	assert_int_equal(whole, len);
	assert_false(last);
	seed_put32(b->stored + 8, SEED_RECORD_MAX);
	assert_fails(seed_record_header(b->stored, &number, &last, &whole, &err), &err,
		     SEED_ERR_FORMAT);
	seed_put32(b->stored + 8, 7);
	assert_fails(seed_record_header(b->stored, &number, &last, &whole, &err), &err,
		     SEED_ERR_FORMAT);
	b->stored[0] = 'v';
	assert_fails(seed_record_header(b->stored, &number, &last, &whole, &err), &err,
		     SEED_ERR_FORMAT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_goes_in_comes_out),
		TEST(what_does_not_shrink_is_stored_as_it_is),
		TEST(the_stored_form_is_the_one_in_the_manual),
		TEST(the_sealed_form_is_the_one_in_the_manual),
		TEST(a_flipped_bit_of_a_sealed_record_is_refused),
		TEST(a_cut_record_is_refused),
		TEST(a_record_opens_only_in_its_place),
		TEST(hostile_inner_heads_are_refused),
		TEST(plain_bytes_never_pass_the_room),
		TEST(impossible_records_are_not_encoded),
		TEST(a_header_tells_number_and_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
