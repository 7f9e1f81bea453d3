// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pack/reader.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "cmocka_all.h"
#include "tiny_pack.h"
#include "tmpdir.h"

static struct seed_record_codec *codec;	/* of all tests: making one takes its time */

/* Open, read the index, and every record against table and index: what import and verify do.
 * *@blocks: how many were found. */
static int read_all(const struct tiny_pack *pack, int dir, bool direct, uint32_t *blocks,
		    struct seed_error *err)
{
	SEED_AUTO(seed_pack_reader_closep) struct seed_pack_reader *r = NULL;
	SEED_AUTO(seed_freep) uint8_t *buf = NULL;
	SEED_AUTO(seed_freep) uint8_t *plain = malloc(SEED_RECORD_PLAIN_MAX);
	size_t room = SEED_RECORD_MAX + 2 * SEED_IO_ALIGN, start;
	struct seed_digest_stream whole;
	struct seed_record_plain info;
	struct seed_digest digest;
	struct seed_vec index = { 0 };
	uint32_t at = 0;
	int rc = -1;

	buf = seed_buffer_new(room, err);
	if (seed_pack_reader_open(&r, dir, &pack->id, &pack->facts, &pack->key, direct, err) < 0 ||
	    seed_pack_reader_index(r, codec, &index, err) < 0)
		goto out;
	seed_pack_reader_hash_begin(r, &whole);
	for (uint32_t n = 0; n <= seed_pack_reader_records(r); n++) {
		const struct seed_table_entry *entry = seed_pack_reader_record(r, n);
		size_t offset = 0;

		if (seed_pack_reader_read(r, n, 1, buf, room, &start, err) < 0)
			goto out;
		seed_digest_add_and_hash(&whole, buf + start, entry->length, &digest);
		if (!seed_digest_equal(&digest, &entry->digest)) {
			seed_error_set(err, SEED_ERR_INTEGRITY, "record %u", n);
			goto out;
		}
		if (n == seed_pack_reader_records(r))
			break;
		if (seed_record_decode(codec, seed_pack_reader_seal(r), n, false, buf + start,
				       entry->length, plain, SEED_RECORD_PLAIN_MAX, &info, err) < 0)
			goto out;
		for (uint16_t slot = 0; slot < info.blocks; slot++) {
			const struct seed_index_entry *e = seed_vec_at(&index, at++);

			assert_int_equal(e->record, n);
			assert_int_equal(e->slot, slot);
			assert_int_equal(e->length, info.lengths[slot]);
			seed_digest_of(&digest, plain + offset, e->length);
			assert_memory_equal(&digest, &e->digest, sizeof(digest));
			offset += e->length;
		}
	}
	assert_int_equal(at, index.count);
	*blocks = at;
	rc = seed_pack_reader_hash_end(r, &whole, err);
out:
	seed_vec_free(&index);
	return rc;
}

static void a_pack_reads_as_it_was_written(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_error err = { 0 };
	uint32_t blocks = 0;

	for (uint32_t n = 1; n <= 4; n++) {
		struct tiny_pack pack = tiny_pack_of(3, n % 2);

		pack.id.pack = n;
		tiny_pack_write(&pack, dir->fd, n * 5, (uint16_t)(n * 4), NULL);
		assert_ok(read_all(&pack, dir->fd, false, &blocks, &err), &err);
		assert_int_equal(blocks, n * 5 * n * 4);
		assert_ok(read_all(&pack, dir->fd, true, &blocks, &err), &err);
		assert_int_equal(blocks, n * 5 * n * 4);
	}
}

static void a_pack_without_records_is_a_pack(void **state)
{
	const struct tmpdir *dir = *state;
	struct tiny_pack pack = tiny_pack_of(3, true);
	struct seed_error err = { 0 };
	uint32_t blocks = 7;

	tiny_pack_write(&pack, dir->fd, 0, 1, NULL);
	assert_ok(read_all(&pack, dir->fd, true, &blocks, &err), &err);
	assert_int_equal(blocks, 0);
}

static void records_in_a_row_are_read_in_one_go(void **state)
{
	const struct tmpdir *dir = *state;
	struct tiny_pack pack = tiny_pack_of(3, false);
	SEED_AUTO(seed_pack_reader_closep) struct seed_pack_reader *r = NULL;
	SEED_AUTO(seed_freep) uint8_t *file = NULL;
	SEED_AUTO(seed_freep) uint8_t *buf = NULL;
	struct seed_error err = { 0 };
	const struct seed_table_entry *from, *to;
	size_t len, start, room = 1 << 20;

	tiny_pack_write(&pack, dir->fd, 40, 16, NULL);
	file = tiny_pack_bytes(&pack, dir->fd, &len);
	buf = seed_buffer_new(room, &err);
	assert_ok(seed_pack_reader_open(&r, dir->fd, &pack.id, &pack.facts, &pack.key, true, &err),
		  &err);
	for (uint32_t first = 0; first <= 40; first += 7) {
		for (uint32_t count = 1; count <= 41 - first; count++) {
			from = seed_pack_reader_record(r, first);
			to = seed_pack_reader_record(r, first + count - 1);
			len = (size_t)(to->offset + to->length - from->offset);
			assert_ok(seed_pack_reader_read(r, first, count, buf,
							len + 2 * SEED_IO_ALIGN, &start, &err),
				  &err);
			assert_memory_equal(buf + start, file + from->offset, len);
		}
	}
	assert_fails(seed_pack_reader_read(r, 0, 41, buf, 4096, &start, &err), &err, SEED_ERR_RANGE);
}

/* The kinds that a pack which is not right may give. */
static void assert_refused(const struct tiny_pack *pack, int dir, enum seed_error_kind kind)
{
	struct seed_error err = { 0 };
	uint32_t blocks = 0;

	assert_int_equal(read_all(pack, dir, false, &blocks, &err), -1);
	if (err.kind != kind)
		fail_msg("kind %d: %s", (int)err.kind, err.text);
}

static void every_cut_is_refused(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_freep) uint8_t *file = NULL;
	struct tiny_pack pack = tiny_pack_of(3, true);
	size_t len;

	tiny_pack_write(&pack, dir->fd, 2, 2, NULL);
	file = tiny_pack_bytes(&pack, dir->fd, &len);
	for (size_t cut = 0; cut < len; cut++) {
		struct tiny_pack small = pack;

		tiny_pack_put(&pack, dir->fd, file, cut);
		assert_refused(&pack, dir->fd, SEED_ERR_INTEGRITY);
		small.facts.length = cut;	/* a commit that says so helps nothing */
		assert_refused(&small, dir->fd, SEED_ERR_INTEGRITY);
	}
	tiny_pack_put(&pack, dir->fd, file, len + 1);
	assert_refused(&pack, dir->fd, SEED_ERR_INTEGRITY);
}

static void every_flipped_bit_is_refused(void **state)
{
	const struct tmpdir *dir = *state;

	for (int sealed = 0; sealed < 2; sealed++) {
		SEED_AUTO(seed_fd_closep) int fd = -1;
		SEED_AUTO(seed_freep) uint8_t *file = NULL;
		struct tiny_pack pack = tiny_pack_of(3, sealed);
		char name[SEED_PACK_NAME];
		struct seed_error err = { 0 };
		uint32_t blocks;
		size_t len;

		pack.id.pack += (uint32_t)sealed;
		tiny_pack_write(&pack, dir->fd, 2, 2, NULL);
		file = tiny_pack_bytes(&pack, dir->fd, &len);
		fd = openat(dir->fd, seed_pack_name(pack.id.pack, name), O_WRONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		for (size_t bit = 0; bit < 8 * len; bit++) {
			uint8_t flipped = file[bit / 8] ^ (uint8_t)(1 << bit % 8);

			assert_int_equal(pwrite(fd, &flipped, 1, (off_t)(bit / 8)), 1);
			assert_refused(&pack, dir->fd, SEED_ERR_INTEGRITY);
			assert_int_equal(pwrite(fd, file + bit / 8, 1, (off_t)(bit / 8)), 1);
		}
		assert_ok(read_all(&pack, dir->fd, false, &blocks, &err), &err);
	}
}

static void a_missing_pack_is_the_mediums_fault(void **state)
{
	const struct tmpdir *dir = *state;
	struct tiny_pack pack = tiny_pack_of(3, true);

	tiny_pack_write(&pack, dir->fd, 1, 1, NULL);
	assert_int_equal(unlinkat(dir->fd, "packs/00000001.pack", 0), 0);
	assert_refused(&pack, dir->fd, SEED_ERR_MEDIUM);
	assert_int_equal(symlinkat("/dev/zero", dir->fd, "packs/00000001.pack"), 0);
	assert_refused(&pack, dir->fd, SEED_ERR_INTEGRITY);
}

static void a_pack_opens_only_where_it_belongs(void **state)
{
	const struct tmpdir *dir = *state;
	struct tiny_pack pack = tiny_pack_of(3, true), other;
	SEED_AUTO(seed_freep) uint8_t *file = NULL;
	size_t len;

	tiny_pack_write(&pack, dir->fd, 2, 2, NULL);
	file = tiny_pack_bytes(&pack, dir->fd, &len);
	other = pack;
	other.id.set.bytes[15] ^= 1;
	assert_refused(&other, dir->fd, SEED_ERR_INTEGRITY);
	other = pack;
	other.id.volume = 2;
	assert_refused(&other, dir->fd, SEED_ERR_INTEGRITY);
	other = pack;
	other.id.pack = other.facts.number = 2;
	tiny_pack_put(&other, dir->fd, file, len);
	assert_refused(&other, dir->fd, SEED_ERR_INTEGRITY);
	/* Its header edited to agree: the records' keys do not. */
	file[36] = 2;
	tiny_pack_put(&other, dir->fd, file, len);
	assert_refused(&other, dir->fd, SEED_ERR_INTEGRITY);
	other = pack;
	other.facts.number = 2;
	assert_refused(&other, dir->fd, SEED_ERR_INTEGRITY);
	other = pack;
	other.key.sealed = false;
	assert_refused(&other, dir->fd, SEED_ERR_INTEGRITY);
	other = pack;
	other.key.key.bytes[0] ^= 1;
	assert_refused(&other, dir->fd, SEED_ERR_INTEGRITY);
}

static void a_plaintext_pack_in_a_sealed_set_is_refused(void **state)
{
	const struct tmpdir *dir = *state;
	struct tiny_pack pack = tiny_pack_of(3, false);
	SEED_AUTO(seed_pack_reader_closep) struct seed_pack_reader *r = NULL;
	struct seed_error err = { 0 };

	tiny_pack_write(&pack, dir->fd, 2, 2, NULL);
	pack.key = tiny_pack_of(3, true).key;
	assert_fails(seed_pack_reader_open(&r, dir->fd, &pack.id, &pack.facts, &pack.key, false,
					   &err), &err, SEED_ERR_INTEGRITY);
	assert_non_null(strstr(err.text, "pack 00000001: not sealed"));
	assert_null(r);
}

static void without_the_key_ciphertext_can_still_be_checked(void **state)
{
	const struct tmpdir *dir = *state;
	struct tiny_pack pack = tiny_pack_of(3, true);
	SEED_AUTO(seed_pack_reader_closep) struct seed_pack_reader *r = NULL;
	SEED_AUTO(seed_freep) uint8_t *buf = NULL;
	SEED_AUTO(seed_freep) uint8_t *file = NULL;
	struct seed_digest_stream whole;
	struct seed_digest digest;
	struct seed_vec index = { 0 };
	struct seed_error err = { 0 };
	size_t start, len;

	tiny_pack_write(&pack, dir->fd, 3, 2, NULL);
	pack.key.known = false;
	memset(&pack.key.key, 0, sizeof(pack.key.key));
	assert_ok(seed_pack_reader_open(&r, dir->fd, &pack.id, &pack.facts, &pack.key, false, &err),
		  &err);
	assert_null(seed_pack_reader_seal(r));
	assert_fails(seed_pack_reader_index(r, codec, &index, &err), &err, SEED_ERR_NOTFOUND);
	buf = seed_buffer_new(1 << 16, &err);
	for (int flip = 0; flip < 2; flip++) {
		seed_pack_reader_hash_begin(r, &whole);
		for (uint32_t n = 0; n < 4; n++) {
			assert_ok(seed_pack_reader_read(r, n, 1, buf, 1 << 16, &start, &err), &err);
			seed_digest_add_and_hash(&whole, buf + start,
						 seed_pack_reader_record(r, n)->length, &digest);
			assert_memory_equal(&digest, &seed_pack_reader_record(r, n)->digest,
					    sizeof(digest));
		}
		if (flip) {
			assert_fails(seed_pack_reader_hash_end(r, &whole, &err), &err,
				     SEED_ERR_INTEGRITY);
			break;
		}
		assert_ok(seed_pack_reader_hash_end(r, &whole, &err), &err);
		/* One bit of the salt: nothing but the digest of the whole file can tell. */
		file = tiny_pack_bytes(&pack, dir->fd, &len);
		file[50] ^= 1;
		tiny_pack_put(&pack, dir->fd, file, len);
		seed_pack_reader_close(r);
		r = NULL;
		assert_ok(seed_pack_reader_open(&r, dir->fd, &pack.id, &pack.facts, &pack.key,
						false, &err), &err);
	}
}

/* Below: a signer who signs nonsense. The file is edited and the facts made to agree. */
struct edited {
	struct tiny_pack pack;
	uint8_t *file;
	size_t len;
	uint8_t *table;		/* in @file */
};

static struct edited edit_begin(const struct tmpdir *dir, bool sealed)
{
	struct edited e = { .pack = tiny_pack_of(3, sealed) };

	unlinkat(dir->fd, "packs/00000001.pack", 0);
	tiny_pack_write(&e.pack, dir->fd, 3, 2, NULL);
	e.file = tiny_pack_bytes(&e.pack, dir->fd, &e.len);
	e.table = e.file + e.len - SEED_PACK_TRAILER - 4 * SEED_PACK_TABLE_ENTRY;
	return e;
}

static void edit_end(const struct tmpdir *dir, struct edited *e, enum seed_error_kind kind)
{
	uint8_t *trailer = e->file + e->len - SEED_PACK_TRAILER;

	seed_digest_of(&e->pack.facts.table, e->table, (size_t)(trailer - e->table));
	memcpy(trailer + 32, e->pack.facts.table.bytes, SEED_DIGEST_SIZE);
	memcpy(e->pack.facts.index.bytes, trailer + 64, SEED_DIGEST_SIZE);
	e->pack.facts.records = seed_get32(trailer + 12);
	e->pack.facts.blocks = seed_get32(trailer + 24);
	seed_digest_of(&e->pack.facts.digest, e->file, e->len);
	tiny_pack_put(&e->pack, dir->fd, e->file, e->len);
	assert_refused(&e->pack, dir->fd, kind);
	free(e->file);
}

static void swap_bytes(uint8_t *a, uint8_t *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint8_t t = a[i];

		a[i] = b[i];
		b[i] = t;
	}
}

static void tables_that_do_not_hold_together_are_refused(void **state)
{
	const struct tmpdir *dir = *state;
	struct edited e = edit_begin(dir, true);

	swap_bytes(e.table, e.table + 48, 48);			/* reordered */
	edit_end(dir, &e, SEED_ERR_INTEGRITY);
	e = edit_begin(dir, true);
	memcpy(e.table + 48, e.table, 48);			/* one record twice */
	edit_end(dir, &e, SEED_ERR_INTEGRITY);
	e = edit_begin(dir, true);
	e.table[8] ^= 1;					/* a length */
	edit_end(dir, &e, SEED_ERR_INTEGRITY);
	e = edit_begin(dir, true);
	seed_put32(e.table + 8, UINT32_MAX);
	edit_end(dir, &e, SEED_ERR_INTEGRITY);
	e = edit_begin(dir, true);
	seed_put64(e.table, UINT64_MAX - 10);			/* an offset */
	edit_end(dir, &e, SEED_ERR_INTEGRITY);
	e = edit_begin(dir, true);
	e.table[12] = 1;					/* padding */
	edit_end(dir, &e, SEED_ERR_INTEGRITY);
	e = edit_begin(dir, true);
	e.table[3 * 48 + 20] ^= 1;				/* the index's digest */
	edit_end(dir, &e, SEED_ERR_INTEGRITY);
}

static void trailers_that_lie_are_refused(void **state)
{
	static const struct { size_t at; uint32_t value; } edits[] = {
		{ 12, 0 }, { 12, 3 }, { 12, 5 }, { 12, UINT32_MAX }, { 12, 1025 },
		{ 24, 5 }, { 24, 7 }, { 24, UINT32_MAX }, { 16, 95 }, { 20, 1 }, { 28, 1 },
		{ 8, 2 }, { 10, 1 },
	};
	const struct tmpdir *dir = *state;

	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		struct edited e = edit_begin(dir, i % 2);

		seed_put32(e.file + e.len - SEED_PACK_TRAILER + edits[i].at, edits[i].value);
		edit_end(dir, &e, SEED_ERR_INTEGRITY);
	}
}

static void records_that_changed_places_do_not_open(void **state)
{
	const struct tmpdir *dir = *state;
	struct edited e = edit_begin(dir, true);
	uint32_t first = seed_get32(e.table + 8), second = seed_get32(e.table + 56);
	uint8_t copy[4096];

	assert_true(first + second <= sizeof(copy));
	memcpy(copy, e.file + 96 + first, second);
	memcpy(copy + second, e.file + 96, first);
	/* Renumbered in the clear header, with a table that agrees. */
	seed_put32(copy + 4, 0);
	seed_put32(copy + second + 4, 1);
	memcpy(e.file + 96, copy, first + second);
	seed_put32(e.table + 8, second);
	seed_put32(e.table + 56, first);
	seed_put64(e.table + 48, 96 + second);
	swap_bytes(e.table + 16, e.table + 64, 32);
	edit_end(dir, &e, SEED_ERR_INTEGRITY);
}

/* Plaintext packs: the index can be edited too. */
static void indexes_out_of_order_are_refused(void **state)
{
	static const struct { size_t entry, at; uint16_t value; } edits[] = {
		{ 0, 32, 1 }, { 0, 36, 1 }, { 1, 36, 0 }, { 1, 36, 2 }, { 2, 32, 2 }, { 3, 32, 0 },
		{ 5, 32, 3 }, { 5, 34, 1 }, { 4, 36, 16 }, { 4, 32, 1 },
	};
	const struct tmpdir *dir = *state;

	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		struct edited e = edit_begin(dir, false);
		uint8_t *record = e.file + seed_get64(e.table + 3 * 48);
		struct seed_digest digest;

		assert_int_equal(record[16], 0);	/* stored: digests do not shrink */
		seed_put16(record + 24 + 40 * edits[i].entry + edits[i].at, edits[i].value);
		seed_digest_of(&digest, record, seed_get32(e.table + 3 * 48 + 8));
		memcpy(e.table + 3 * 48 + 16, digest.bytes, SEED_DIGEST_SIZE);
		memcpy(e.file + e.len - 32, digest.bytes, SEED_DIGEST_SIZE);
		edit_end(dir, &e, SEED_ERR_INTEGRITY);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

static int make_codec(void **state)
{
	(void)state;
	return seed_record_codec_new(&codec, 1, NULL);
}

static int free_codec(void **state)
{
	(void)state;
	seed_record_codec_free(codec);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_pack_reads_as_it_was_written),
		TEST(a_pack_without_records_is_a_pack),
		TEST(records_in_a_row_are_read_in_one_go),
		TEST(every_cut_is_refused),
		TEST(every_flipped_bit_is_refused),
		TEST(a_missing_pack_is_the_mediums_fault),
		TEST(a_pack_opens_only_where_it_belongs),
		TEST(a_plaintext_pack_in_a_sealed_set_is_refused),
		TEST(without_the_key_ciphertext_can_still_be_checked),
		TEST(tables_that_do_not_hold_together_are_refused),
		TEST(trailers_that_lie_are_refused),
		TEST(records_that_changed_places_do_not_open),
		TEST(indexes_out_of_order_are_refused),
	};

	return cmocka_run_group_tests(tests, make_codec, free_codec);
}
