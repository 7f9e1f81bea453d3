// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <stdlib.h>
#include <zstd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "codec/zstd_block.h"

#define SIZE 65536u

static struct seed_zstd *zstd;
static uint8_t data[SIZE], frame[SIZE + 4096], out[SIZE + 64];

static int setup(void **state)
{
	struct seed_error err = { 0 };

	(void)state;
	srand(11);
	return seed_zstd_new(&zstd, 1, &err);
}

static int teardown(void **state)
{
	(void)state;
	seed_zstd_free(zstd);
	return 0;
}

static void fill_text(void)
{
	for (size_t i = 0; i < SIZE; i++)
		data[i] = (uint8_t)("the quick brown fox "[i % 20] + (rand() % 50 == 0));
}

static void fill_noise(void)
{
	for (size_t i = 0; i < SIZE; i++)
		data[i] = (uint8_t)(rand() >> 9);
}

static size_t pack(size_t len)
{
	struct seed_error err = { 0 };
	bool packed = false;
	size_t got = 0;

	assert_ok(seed_zstd_compress(zstd, frame, sizeof(frame), &got, &packed, data, len, &err),
		  &err);
	assert_true(packed);
	assert_true(got < len);
	return got;
}

static void decompress_fails(const void *from, size_t len, size_t out_len)
{
	struct seed_error err;

	memset(out, 0xa5, sizeof(out));
	assert_fails(seed_zstd_decompress(zstd, out, out_len, from, len, &err), &err,
		     SEED_ERR_INTEGRITY);
	for (size_t i = out_len; i < sizeof(out); i++)
		assert_int_equal(out[i], 0xa5);
}

static void blocks_come_back(void **state)
{
	static const size_t lengths[] = { 100, 512, 4096, 65535, SIZE };
	struct seed_error err = { 0 };

	(void)state;
	fill_text();
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		size_t got = pack(lengths[i]);

		memset(out, 0xa5, sizeof(out));
		assert_ok(seed_zstd_decompress(zstd, out, lengths[i], frame, got, &err), &err);
		assert_memory_equal(out, data, lengths[i]);
		assert_int_equal(out[lengths[i]], 0xa5);
	}
}

/* The content size as RFC 8878 places it, and no checksum flag. */
static void the_frame_declares_its_size_and_no_checksum(void **state)
{
	size_t got;

	(void)state;
	fill_text();
	got = pack(SIZE);
	assert_int_equal(seed_get32(frame), 0xfd2fb528u);
	assert_int_equal(frame[4] & 4, 0);
	assert_int_equal(ZSTD_getFrameContentSize(frame, got), SIZE);
}

static void equal_input_gives_equal_frames_on_every_context(void **state)
{
	SEED_AUTO(seed_zstd_freep) struct seed_zstd *other = NULL;
	static uint8_t again[sizeof(frame)];
	struct seed_error err = { 0 };
	size_t got, got_again;
	bool packed;

	(void)state;
	assert_ok(seed_zstd_new(&other, 1, &err), &err);
	fill_noise();
	memset(data, 0, SIZE / 2);
	assert_ok(seed_zstd_compress(other, again, SIZE, &got_again, &packed, data, SIZE, &err),
		  &err);		/* another history, another room */
	fill_text();
	got = pack(SIZE);
	assert_ok(seed_zstd_compress(other, again, sizeof(again), &got_again, &packed, data, SIZE,
				     &err), &err);
	assert_int_equal(got, got_again);
	assert_memory_equal(frame, again, got);
}

static void what_does_not_get_smaller_is_left_to_be_stored(void **state)
{
	struct seed_error err = { 0 };
	bool packed = true;
	size_t got = 0;

	(void)state;
	fill_noise();
	/* with room to spare, and with no more room than the data has */
	for (size_t room = SIZE; room <= sizeof(frame); room += 4096) {
		packed = true;
		assert_ok(seed_zstd_compress(zstd, frame, room, &got, &packed, data, SIZE, &err),
			  &err);
		assert_false(packed);
	}
	assert_ok(seed_zstd_compress(zstd, frame, 1, &got, &packed, data, 1, &err), &err);
	assert_false(packed);
	packed = true;
	assert_ok(seed_zstd_compress(zstd, frame, 0, &got, &packed, data, 0, &err), &err);
	assert_false(packed);
	fill_text();	/* and the context works on */
	pack(SIZE);
}

static void a_wrong_length_is_refused(void **state)
{
	size_t got;

	(void)state;
	fill_text();
	got = pack(SIZE);
	decompress_fails(frame, got, SIZE - 1);
	decompress_fails(frame, got, SIZE + 1);
	decompress_fails(frame, got, 0);
}

static void every_cut_is_refused(void **state)
{
	size_t got;

	(void)state;
	fill_text();
	got = pack(4096);
	for (size_t len = 0; len < got; len++)
		decompress_fails(frame, len, 4096);
}

static void trailing_bytes_and_second_frames_are_refused(void **state)
{
	size_t got;

	(void)state;
	fill_text();
	got = pack(4096);
	frame[got] = 0;
	decompress_fails(frame, got + 1, 4096);
	memmove(frame + got, frame, got);
	decompress_fails(frame, 2 * got, 4096);
	decompress_fails(frame, 2 * got, 8192);
	memcpy(frame + got, "\x50\x2a\x4d\x18\0\0\0\0", 8);	/* an empty skippable frame */
	decompress_fails(frame, got + 8, 4096);
}

static void foreign_frames_are_refused(void **state)
{
	static const uint8_t legacy[] = { 0x27, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0, 0, 0 };
	size_t got;

	(void)state;
	decompress_fails("\x50\x2a\x4d\x18\0\0\0\0", 8, 0);
	decompress_fails(legacy, sizeof(legacy), 0);
	decompress_fails("", 0, 0);
	fill_text();
	got = pack(4096);
	frame[0] ^= 1;
	decompress_fails(frame, got, 4096);
}

static void a_frame_without_its_size_is_refused(void **state)
{
	ZSTD_CCtx *ctx = ZSTD_createCCtx();
	size_t got;

	(void)state;
	fill_text();
	ZSTD_CCtx_setParameter(ctx, ZSTD_c_contentSizeFlag, 0);
	got = ZSTD_compress2(ctx, frame, sizeof(frame), data, 4096);
	ZSTD_freeCCtx(ctx);
	assert_false(ZSTD_isError(got));
	decompress_fails(frame, got, 4096);
}

/* A declared size is only a claim: 1 TiB in the header allocates nothing. */
static void a_lying_header_is_refused(void **state)
{
	static const uint8_t lying[] = { 0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0,
					 1, 0, 0 };
	size_t got;

	(void)state;
	decompress_fails(lying, sizeof(lying), 4096);
	fill_text();
	got = pack(SIZE);
	/* single segment, two bytes of content size: 65536 is written as 65280 */
	assert_int_equal(frame[4] >> 5, 3);
	frame[5] = 0;
	frame[6] = 1;
	decompress_fails(frame, got, 512);
}

/* Flipped bits either fail or give bytes of the right length that SHA-256 will judge:
 * never a write past the end. */
static void flipped_bits_never_overrun(void **state)
{
	struct seed_error err;
	size_t got;

	(void)state;
	fill_text();
	got = pack(4096);
	for (size_t bit = 0; bit < 8 * got; bit++) {
		frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
		memset(out, 0xa5, sizeof(out));
		if (seed_zstd_decompress(zstd, out, 4096, frame, got, &err) < 0)
			assert_int_equal(err.kind, SEED_ERR_INTEGRITY);
		for (size_t i = 4096; i < sizeof(out); i++)
			assert_int_equal(out[i], 0xa5);
		frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void levels_that_do_not_exist_are_refused(void **state)
{
	struct seed_zstd *none = NULL;
	struct seed_error err;

	(void)state;
	assert_fails(seed_zstd_new(&none, 1000, &err), &err, SEED_ERR_USAGE);
	assert_null(none);
	seed_zstd_free(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_come_back),
		cmocka_unit_test(the_frame_declares_its_size_and_no_checksum),
		cmocka_unit_test(equal_input_gives_equal_frames_on_every_context),
		cmocka_unit_test(what_does_not_get_smaller_is_left_to_be_stored),
		cmocka_unit_test(a_wrong_length_is_refused),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(trailing_bytes_and_second_frames_are_refused),
		cmocka_unit_test(foreign_frames_are_refused),
		cmocka_unit_test(a_frame_without_its_size_is_refused),
		cmocka_unit_test(a_lying_header_is_refused),
		cmocka_unit_test(flipped_bits_never_overrun),
		cmocka_unit_test(levels_that_do_not_exist_are_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
