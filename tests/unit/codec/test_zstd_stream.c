// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zstd.h>

#include "base/cleanup.h"
#include "codec/zstd_stream.h"

#define MIB (1u << 20)

static uint64_t seed = 88172645463325252u;

static uint64_t draw(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

static void fill_noise(uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(draw() >> 17);
}

static void fill_text(uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)("the quick brown fox "[i % 20] + (draw() % 50 == 0));
}

struct bytes {
	uint8_t *data;
	size_t len, room;
};

static void bytes_freep(struct bytes *b)
{
	free(b->data);
}

static uint8_t *more(struct bytes *b, size_t room)
{
	if (b->room - b->len < room) {
		b->room = 2 * b->room + room;
		b->data = realloc(b->data, b->room);
		assert_non_null(b->data);
	}
	return b->data + b->len;
}

static struct seed_zstd_writer *writer_of(unsigned int window_log)
{
	struct seed_error err = { 0 };
	struct seed_zstd_writer *w = NULL;

	assert_ok(seed_zstd_writer_new(&w, window_log, &err), &err);
	return w;
}

static struct seed_zstd_reader *reader_of(unsigned int window_log)
{
	struct seed_error err = { 0 };
	struct seed_zstd_reader *r = NULL;

	assert_ok(seed_zstd_reader_new(&r, window_log, &err), &err);
	return r;
}

static void pack(struct seed_zstd_writer *w, struct bytes *to, const uint8_t *data, size_t len)
{
	struct seed_error err = { 0 };
	size_t used, made;

	for (size_t at = 0; at < len; at += used) {
		uint8_t *out = more(to, 4096);

		assert_ok(seed_zstd_write(w, data + at, len - at, &used, out, 4096, &made, &err),
			  &err);
		to->len += made;
	}
}

static void flush(struct seed_zstd_writer *w, struct bytes *to)
{
	struct seed_error err = { 0 };
	bool done = false;
	size_t made;

	while (!done) {
		uint8_t *out = more(to, 1000);

		assert_ok(seed_zstd_flush(w, out, 1000, &made, &done, &err), &err);
		to->len += made;
	}
}

/* All of @from, in pieces of @piece, gives @data. */
static void unpacks_to(struct seed_zstd_reader *r, const struct bytes *from, size_t piece,
		       const uint8_t *data, size_t len)
{
	SEED_AUTO(seed_freep) uint8_t *out = malloc(len + 1);
	struct seed_error err = { 0 };
	size_t got = 0, at = 0, used, made;

	assert_non_null(out);
	do {
		size_t give = from->len - at < piece ? from->len - at : piece;
		size_t room = len + 1 - got < 7777 ? len + 1 - got : 7777;

		assert_ok(seed_zstd_read(r, from->data + at, give, &used, out + got, room, &made,
					 &err), &err);
		assert_true(used <= give && made <= room);
		assert_true(made == room || used == give);
		at += used;
		got += made;
	} while (at < from->len || made);
	assert_int_equal(got, len);
	assert_memory_equal(out, data, len);
}

static void what_is_flushed_can_be_read(void **state)
{
	static const size_t sizes[] = { 1, 7, 100, 4096, 70000, 1, 300000, 2 * MIB, 3 };
	const unsigned int windows[] = { 10, 20, 21, 27 };
	SEED_AUTO(seed_freep) uint8_t *data = malloc(2 * MIB);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		SEED_AUTO(seed_zstd_writer_freep) struct seed_zstd_writer *w =
			writer_of(windows[i]);
		SEED_AUTO(seed_zstd_reader_freep) struct seed_zstd_reader *r =
			reader_of(windows[i]);

		for (size_t j = 0; j < sizeof(sizes) / sizeof(sizes[0]); j++) {
			SEED_AUTO(bytes_freep) struct bytes packed = { .len = 0 };

			if (j % 2)
				fill_noise(data, sizes[j]);
			else
				fill_text(data, sizes[j]);
			pack(w, &packed, data, sizes[j]);
			flush(w, &packed);
			flush(w, &packed);	/* nothing to do */
			unpacks_to(r, &packed, j == 4 ? 1 : 5000, data, sizes[j]);
		}
	}
}

static void a_block_seen_a_window_ago_costs_nothing(void **state)
{
	SEED_AUTO(seed_zstd_writer_freep) struct seed_zstd_writer *w = writer_of(27);
	SEED_AUTO(seed_freep) uint8_t *block = malloc(4 * MIB), *other = malloc(4 * MIB);
	SEED_AUTO(bytes_freep) struct bytes packed = { .len = 0 };

	(void)state;
	fill_noise(block, 4 * MIB);
	pack(w, &packed, block, 4 * MIB);
	for (int i = 0; i < 24; i++) {
		fill_noise(other, 4 * MIB);
		pack(w, &packed, other, 4 * MIB);
		packed.len = 0;
	}
	flush(w, &packed);
	packed.len = 0;
	pack(w, &packed, block, 4 * MIB);
	flush(w, &packed);
	assert_true(packed.len < 64 << 10);
}

static void the_level_changes_inside_the_stream(void **state)
{
	SEED_AUTO(seed_zstd_writer_freep) struct seed_zstd_writer *w = writer_of(27);
	SEED_AUTO(seed_zstd_writer_freep) struct seed_zstd_writer *small = writer_of(20);
	SEED_AUTO(seed_zstd_reader_freep) struct seed_zstd_reader *r = reader_of(27);
	SEED_AUTO(seed_freep) uint8_t *data = malloc(8 * MIB);
	size_t cost[2] = { 0 };

	(void)state;
	fill_text(data, 8 * MIB);
	assert_int_equal(seed_zstd_writer_level(w, -7), SEED_ZSTD_LEVEL_MIN);
	assert_int_equal(seed_zstd_writer_level(w, 99), SEED_ZSTD_LEVEL_MAX);
	assert_int_equal(seed_zstd_writer_level(small, 5), SEED_ZSTD_LEVEL_START);
	for (int i = 0; i < 8; i++) {
		SEED_AUTO(bytes_freep) struct bytes packed = { .len = 0 };

		assert_int_equal(seed_zstd_writer_level(w, i % 2 ? 6 : 1), i % 2 ? 6 : 1);
		pack(w, &packed, data + (size_t)i * MIB, MIB);
		flush(w, &packed);
		unpacks_to(r, &packed, 4096, data + (size_t)i * MIB, MIB);
		cost[i % 2] += packed.len;
	}
	assert_true(cost[1] < cost[0]);
}

/* --- hostile streams --- */

static void read_fails(unsigned int window_log, const void *data, size_t len,
		       enum seed_error_kind kind, const char *text)
{
	SEED_AUTO(seed_zstd_reader_freep) struct seed_zstd_reader *r = reader_of(window_log);
	static uint8_t out[MIB];
	struct seed_error err = { 0 };
	size_t used = 0, made = 1;
	int rc = 0;

	for (size_t at = 0; rc == 0 && (at < len || made); at += used)
		rc = seed_zstd_read(r, (const uint8_t *)data + at, len - at, &used, out,
				    sizeof(out), &made, &err);
	assert_int_equal(rc, -1);
	assert_int_equal(err.kind, kind);
	if (!strstr(err.text, text))
		fail_msg("%s", err.text);
	assert_fails(seed_zstd_read(r, data, len, &used, out, sizeof(out), &made, &err), &err,
		     SEED_ERR_FORMAT);
}

static void a_larger_window_is_refused(void **state)
{
	SEED_AUTO(seed_zstd_writer_freep) struct seed_zstd_writer *w = writer_of(27);
	SEED_AUTO(seed_freep) uint8_t *data = calloc(1, MIB);
	SEED_AUTO(bytes_freep) struct bytes packed = { .len = 0 };

	(void)state;
	pack(w, &packed, data, MIB);
	flush(w, &packed);
	read_fails(20, packed.data, packed.len, SEED_ERR_FORMAT, "window above 2^20");
}

static void only_one_endless_zstd_frame_is_read(void **state)
{
	static const uint8_t skippable[16] = { 0x50, 0x2a, 0x4d, 0x18, 8 };
	static const uint8_t legacy[16] = { 0x27, 0xb5, 0x2f, 0xfd };
	uint8_t frame[200], whole[64] = "some text";
	size_t len = ZSTD_compress(frame, sizeof(frame), whole, sizeof(whole), 1);

	(void)state;
	read_fails(20, skippable, sizeof(skippable), SEED_ERR_FORMAT, "not a zstd stream");
	read_fails(20, legacy, sizeof(legacy), SEED_ERR_FORMAT, "not a zstd stream");
	read_fails(20, "hello, world", 12, SEED_ERR_FORMAT, "not a zstd stream");
	read_fails(20, frame, len, SEED_ERR_FORMAT, "ends");
}

static void damage_is_an_integrity_error(void **state)
{
	static const uint8_t reserved_block[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50, 0x0e, 0, 0 };

	(void)state;
	read_fails(20, reserved_block, sizeof(reserved_block), SEED_ERR_INTEGRITY, "zstd");
}

static long peak_kib(void)
{
	SEED_AUTO(seed_freep) char *line = NULL;
	FILE *f = fopen("/proc/self/status", "r");
	size_t room = 0;
	long kib = 0;

	assert_non_null(f);
	while (getline(&line, &room, f) > 0)
		sscanf(line, "VmHWM: %ld", &kib);
	fclose(f);
	return kib;
}

/* 128 KiB out of 4 bytes, for ever: the reader gives what it is asked for. */
static void a_bomb_unpacks_only_as_far_as_it_is_asked(void **state)
{
	SEED_AUTO(seed_zstd_reader_freep) struct seed_zstd_reader *r = reader_of(20);
	uint8_t bomb[6 + 4 * 1000] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50 }, out[100];
	const uint8_t block[4] = { 0x02, 0x00, 0x10, 'x' };	/* RLE of 128 KiB */
	struct seed_error err = { 0 };
	size_t at = 0, used, made, got = 0;
	long before;

	(void)state;
	for (size_t i = 0; i < 1000; i++)
		memcpy(bomb + 6 + 4 * i, block, 4);
	before = peak_kib();
	for (int i = 0; i < 10000; i++) {
		assert_ok(seed_zstd_read(r, bomb + at, sizeof(bomb) - at, &used, out, sizeof(out),
					 &made, &err), &err);
		at += used;
		got += made;
	}
	assert_int_equal(got, 1000000);
	assert_true(at < 100);
	assert_true(peak_kib() - before < 64 << 10);
}

static void windows_out_of_range_are_refused(void **state)
{
	struct seed_zstd_writer *w = NULL;
	struct seed_zstd_reader *r = NULL;
	struct seed_error err;

	(void)state;
	assert_fails(seed_zstd_writer_new(&w, 9, &err), &err, SEED_ERR_RANGE);
	assert_fails(seed_zstd_writer_new(&w, 28, &err), &err, SEED_ERR_RANGE);
	assert_fails(seed_zstd_reader_new(&r, 0, &err), &err, SEED_ERR_RANGE);
	assert_fails(seed_zstd_reader_new(&r, 28, &err), &err, SEED_ERR_RANGE);
	seed_zstd_writer_free(NULL);
	seed_zstd_reader_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_bomb_unpacks_only_as_far_as_it_is_asked),
		cmocka_unit_test(what_is_flushed_can_be_read),
		cmocka_unit_test(a_block_seen_a_window_ago_costs_nothing),
		cmocka_unit_test(the_level_changes_inside_the_stream),
		cmocka_unit_test(a_larger_window_is_refused),
		cmocka_unit_test(only_one_endless_zstd_frame_is_read),
		cmocka_unit_test(damage_is_an_integrity_error),
		cmocka_unit_test(windows_out_of_range_are_refused),
	};

	alarm(300);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
