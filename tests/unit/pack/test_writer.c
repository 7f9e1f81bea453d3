// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pack/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/path.h"
#include "cmocka_all.h"
#include "crypto/digest.h"
#include "pack/reader.h"
#include "pack/scrub.h"
#include "tiny_pack.h"
#include "tmpdir.h"

static void put_blocks(struct seed_pack_writer *writer, struct seed_record_codec *codec,
		       uint32_t number, const char *const *blocks)
{
	struct seed_digest digests[SEED_RECORD_BLOCKS];
	uint32_t lengths[SEED_RECORD_BLOCKS];
	char plain[256];
	uint8_t stored[512];
	struct seed_record_spec spec = { .number = number, .lengths = lengths, .plain = plain };
	struct seed_error err = { 0 };
	size_t len;

	for (; blocks[spec.blocks]; spec.blocks++) {
		lengths[spec.blocks] = (uint32_t)strlen(blocks[spec.blocks]);
		memcpy(plain + spec.plain_len, blocks[spec.blocks], lengths[spec.blocks]);
		seed_digest_of(&digests[spec.blocks], blocks[spec.blocks], lengths[spec.blocks]);
		spec.plain_len += lengths[spec.blocks];
	}
	assert_ok(seed_record_encode(codec, seed_pack_writer_seal(writer), &spec, stored,
				     sizeof(stored), &len, &err), &err);
	assert_ok(seed_pack_writer_add(writer, stored, len, digests, lengths, spec.blocks, &err),
		  &err);
}

/* Figures of the same two packs made by another implementation (Python's hashlib and hmac, and
 * AES-GCM of its cryptography package) from the words of vmseed-pack(5). */
static void packs_are_those_of_the_manual_byte_by_byte(void **state)
{
	static const struct { bool sealed; uint64_t length; const char *whole, *table, *index; }
	golden[] = {
		{ false, 551, "f63720c6735b7f4d43eb90c2fe6d834f5c88d16bb4350dc79263f9d5870edd61",
		  "99ea61c89d2001e52f574f45bb441d05596ca4f83816475e1ff01da447b93d1e",
		  "521846f709d581fd0ff3d9d846dc5e0cd3667082194ede371bed5ec53b505e03" },
		{ true, 599, "5d6a2d51290a47111de08fce053bb3d560ee49e11a99541a2519a20dc5f27b8d",
		  "7e5bf761a82a43775ea007333d68f2f282bb3b663bcbc611f6b3c71468de31f7",
		  "f96d4d1c0f35d61dcc49110b7d015305341be3fb081282960c18e7d8ac3fdc30" },
	};
	static const char *const first[] = { "one", "seven..", NULL }, *const second[] = { "x", NULL };
	const struct tmpdir *dir = *state;
	char text[SEED_DIGEST_TEXT];
	uint8_t salt[SEED_SALT_SIZE];

	for (uint8_t i = 0; i < SEED_SALT_SIZE; i++)
		salt[i] = 0x40 + i;
	for (size_t i = 0; i < 2; i++) {
		SEED_AUTO(seed_pack_writer_closep) struct seed_pack_writer *writer = NULL;
		SEED_AUTO(seed_record_codec_freep) struct seed_record_codec *codec = NULL;
		struct tiny_pack pack = tiny_pack_of(3, golden[i].sealed);
		struct seed_error err = { 0 };

		unlinkat(dir->fd, "packs/00000001.pack", 0);
		assert_ok(seed_path_make_folder(dir->fd, "packs", 0755, &err), &err);
		assert_ok(seed_record_codec_new(&codec, 1, &err), &err);
		assert_ok(seed_pack_writer_open_salted(&writer, dir->fd, &pack.id, &pack.key, salt,
						       &err), &err);
		put_blocks(writer, codec, 0, first);
		put_blocks(writer, codec, 1, second);
		assert_ok(seed_pack_writer_finish(writer, codec, &pack.facts, &err), &err);
		assert_int_equal(pack.facts.number, 1);
		assert_int_equal(pack.facts.length, golden[i].length);
		assert_int_equal(pack.facts.records, 3);
		assert_int_equal(pack.facts.blocks, 3);
		assert_string_equal(seed_digest_text(&pack.facts.digest, text), golden[i].whole);
		assert_string_equal(seed_digest_text(&pack.facts.table, text), golden[i].table);
		assert_string_equal(seed_digest_text(&pack.facts.index, text), golden[i].index);
		assert_ok(seed_file_read_back(dir->fd, "packs/00000001.pack", pack.facts.length,
					      &pack.facts.digest, NULL, NULL, &err), &err);
	}
}

static void every_attempt_has_a_salt_and_key_of_its_own(void **state)
{
	const struct tmpdir *dir = *state;
	struct tiny_pack pack = tiny_pack_of(3, true);
	uint8_t salts[2][SEED_SALT_SIZE];
	struct seed_seal seals[2];

	for (int i = 0; i < 2; i++) {
		SEED_AUTO(seed_pack_writer_closep) struct seed_pack_writer *writer = NULL;
		SEED_AUTO(seed_freep) uint8_t *file = NULL;
		struct seed_error err = { 0 };
		size_t len;

		unlinkat(dir->fd, "packs/00000001.pack", 0);
		tiny_pack_write(&pack, dir->fd, 1, 1, NULL);
		file = tiny_pack_bytes(&pack, dir->fd, &len);
		memcpy(salts[i], file + 40, SEED_SALT_SIZE);
		unlinkat(dir->fd, "packs/00000001.pack", 0);
		assert_ok(seed_pack_writer_open(&writer, dir->fd, &pack.id, &pack.key, &err), &err);
		seals[i] = *seed_pack_writer_seal(writer);
	}
	assert_memory_not_equal(salts[0], salts[1], SEED_SALT_SIZE);
	assert_memory_not_equal(seals[0].key.bytes, seals[1].key.bytes, 32);
	assert_memory_equal(seals[0].context, seals[1].context, seals[0].context_len);
}

static void a_plaintext_pack_has_no_salt(void **state)
{
	const struct tmpdir *dir = *state;
	struct tiny_pack pack = tiny_pack_of(3, false);
	static const uint8_t zero[SEED_SALT_SIZE];
	SEED_AUTO(seed_freep) uint8_t *file = NULL;
	size_t len;

	tiny_pack_write(&pack, dir->fd, 1, 1, NULL);
	file = tiny_pack_bytes(&pack, dir->fd, &len);
	assert_memory_equal(file + 40, zero, SEED_SALT_SIZE);
}

static void nothing_is_written_over(void **state)
{
	const struct tmpdir *dir = *state;
	struct tiny_pack pack = tiny_pack_of(3, true);
	SEED_AUTO(seed_pack_writer_closep) struct seed_pack_writer *writer = NULL;
	struct seed_error err = { 0 };

	assert_fails(seed_pack_writer_open(&writer, dir->fd, &pack.id, &pack.key, &err), &err,
		     SEED_ERR_MEDIUM);		/* no packs folder */
	assert_non_null(strstr(err.text, "pack 00000001: its folder"));
	tiny_pack_write(&pack, dir->fd, 1, 1, NULL);
	assert_fails(seed_pack_writer_open(&writer, dir->fd, &pack.id, &pack.key, &err), &err,
		     SEED_ERR_MEDIUM);
	pack.key.known = false;
	assert_fails(seed_pack_writer_open(&writer, dir->fd, &pack.id, &pack.key, &err), &err,
		     SEED_ERR_NOTFOUND);
	assert_null(writer);
}

/* One record, stored, for block bytes that hardly matter. */
struct filler {
	uint8_t *stored;
	size_t len;
	struct seed_digest digest;
	uint32_t length;
	struct seed_record_codec *codec;
};

static struct filler make_filler(size_t len)
{
	struct filler f = { .stored = malloc(len + 128), .length = (uint32_t)len };
	uint8_t *plain = malloc(len);
	struct seed_record_spec spec = { .lengths = &f.length, .blocks = 1, .plain = plain,
					 .plain_len = len };
	struct seed_seal seal = { .sealed = false };
	struct seed_error err = { 0 };
	uint32_t x = 1;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525 + 1013904223;
		plain[i] = (uint8_t)(x >> 24);
	}
	seed_digest_of(&f.digest, plain, len);
	assert_ok(seed_record_codec_new(&f.codec, 1, &err), &err);
	assert_ok(seed_record_encode(f.codec, &seal, &spec, f.stored, len + 128, &f.len, &err), &err);
	free(plain);
	return f;
}

static void free_filler(struct filler *f)
{
	seed_record_codec_free(f->codec);
	free(f->stored);
}

static int add_filler(struct seed_pack_writer *writer, struct filler *f, uint32_t number,
		      struct seed_error *err)
{
	seed_put32(f->stored + 4, number);
	return seed_pack_writer_add(writer, f->stored, f->len, &f->digest, &f->length, 1, err);
}

static void records_come_in_order_and_not_too_many(void **state)
{
	const struct tmpdir *dir = *state;
	struct tiny_pack pack = tiny_pack_of(3, false);
	SEED_AUTO(seed_pack_writer_closep) struct seed_pack_writer *writer = NULL;
	struct filler f = make_filler(100);
	struct seed_error err = { 0 };

	assert_ok(seed_path_make_folder(dir->fd, "packs", 0755, &err), &err);
	assert_ok(seed_pack_writer_open(&writer, dir->fd, &pack.id, &pack.key, &err), &err);
	assert_int_equal(seed_pack_writer_bytes(writer), SEED_PACK_HEADER);
	assert_fails(add_filler(writer, &f, 1, &err), &err, SEED_ERR_RANGE);
	for (uint32_t i = 0; i < SEED_PACK_RECORDS; i++) {
		assert_ok(add_filler(writer, &f, i, &err), &err);
		assert_int_equal(seed_pack_writer_bytes(writer), 96 + (i + 1) * f.len);
	}
	assert_fails(add_filler(writer, &f, SEED_PACK_RECORDS, &err), &err, SEED_ERR_RANGE);
	assert_ok(seed_pack_writer_finish(writer, f.codec, &pack.facts, &err), &err);
	assert_int_equal(pack.facts.blocks, SEED_PACK_RECORDS);
	free_filler(&f);
}

/* More than the buffers hold, in records of odd lengths: nothing is lost between caller and
 * thread, direct and buffered writes. */
static void a_large_pack_is_whole(void **state)
{
	const struct tmpdir *dir = *state;
	struct tiny_pack pack = tiny_pack_of(3, false);
	SEED_AUTO(seed_pack_writer_closep) struct seed_pack_writer *writer = NULL;
	SEED_AUTO(seed_pack_reader_closep) struct seed_pack_reader *reader = NULL;
	struct filler f = make_filler(65001);
	struct seed_error err = { 0 };
	bool cached = false;

	assert_ok(seed_path_make_folder(dir->fd, "packs", 0755, &err), &err);
	assert_ok(seed_pack_writer_open(&writer, dir->fd, &pack.id, &pack.key, &err), &err);
	for (uint32_t i = 0; i < 333; i++)
		assert_ok(add_filler(writer, &f, i, &err), &err);
	assert_ok(seed_pack_writer_finish(writer, f.codec, &pack.facts, &err), &err);
	assert_ok(seed_file_read_back(dir->fd, "packs/00000001.pack", pack.facts.length,
				      &pack.facts.digest, &cached, NULL, &err), &err);
	assert_ok(seed_pack_reader_open(&reader, dir->fd, &pack.id, &pack.facts, &pack.key, true,
					&err), &err);
	assert_int_equal(seed_pack_reader_records(reader), 333);
	free_filler(&f);
}

/* Until the limit on file sizes is met at each of many places, the disk being full is an error
 * of the medium, and the writer is dead from then on. */
static void a_full_medium_ends_the_attempt(void **state)
{
	const struct tmpdir *dir = *state;
	static const rlim_t limits[] = { 0, 1, 96, 4095, 4096, 70000, (4 << 20) - 1, 4 << 20,
					 (4 << 20) + 777, 9 << 20 };
	struct tiny_pack pack = tiny_pack_of(3, false);
	struct filler f = make_filler(65001);
	struct rlimit old, low;
	struct seed_error err = { 0 };

	signal(SIGXFSZ, SIG_IGN);
	assert_ok(seed_path_make_folder(dir->fd, "packs", 0755, &err), &err);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	for (size_t k = 0; k < sizeof(limits) / sizeof(limits[0]); k++) {
		SEED_AUTO(seed_pack_writer_closep) struct seed_pack_writer *writer = NULL;
		int rc = 0;

		unlinkat(dir->fd, "packs/00000001.pack", 0);
		low = (struct rlimit){ .rlim_cur = limits[k], .rlim_max = old.rlim_max };
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
		err = (struct seed_error){ 0 };
		assert_ok(seed_pack_writer_open(&writer, dir->fd, &pack.id, &pack.key, &err), &err);
		for (uint32_t i = 0; rc == 0 && i < 200; i++)
			rc = add_filler(writer, &f, i, &err);
		if (rc == 0)
			rc = seed_pack_writer_finish(writer, f.codec, &pack.facts, &err);
		assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
		assert_int_equal(rc, -1);
		assert_int_equal(err.kind, SEED_ERR_MEDIUM);
		assert_int_equal(err.sys_errno, EFBIG);
		assert_fails(seed_pack_writer_finish(writer, f.codec, &pack.facts, &err), &err,
			     SEED_ERR_MEDIUM);
	}
	free_filler(&f);
}

static void an_abandoned_attempt_is_just_closed(void **state)
{
	const struct tmpdir *dir = *state;
	struct tiny_pack pack = tiny_pack_of(3, false);
	struct seed_pack_writer *writer = NULL;
	struct filler f = make_filler(65536);
	struct seed_error err = { 0 };

	seed_pack_writer_close(NULL);
	assert_ok(seed_path_make_folder(dir->fd, "packs", 0755, &err), &err);
	assert_ok(seed_pack_writer_open(&writer, dir->fd, &pack.id, &pack.key, &err), &err);
	for (uint32_t i = 0; i < 150; i++)
		assert_ok(add_filler(writer, &f, i, &err), &err);
	seed_pack_writer_close(writer);
	free_filler(&f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(packs_are_those_of_the_manual_byte_by_byte),
		TEST(every_attempt_has_a_salt_and_key_of_its_own),
		TEST(a_plaintext_pack_has_no_salt),
		TEST(nothing_is_written_over),
		TEST(records_come_in_order_and_not_too_many),
		TEST(a_large_pack_is_whole),
		TEST(a_full_medium_ends_the_attempt),
		TEST(an_abandoned_attempt_is_just_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
