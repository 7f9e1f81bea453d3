// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pack/sealed_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "cmocka_all.h"
#include "crypto/digest.h"
#include "tiny_pack.h"
#include "tmpdir.h"

#define MIB ((size_t)1 << 20)

static struct seed_file_id id_of(enum seed_file_role role, uint32_t number)
{
	struct seed_file_id id = { .set = tiny_pack_of(3, true).id.set, .role = role,
				   .number = number };

	for (uint8_t i = 0; i < SEED_ID_SIZE; i++)
		id.seed.bytes[i] = 0x10 + i;
	return id;
}

static void make_folders(const struct tmpdir *dir)
{
	struct seed_error err = { 0 };

	assert_ok(seed_path_make_folder(dir->fd, "seeds", 0755, &err), &err);
	assert_ok(seed_path_make_folder(dir->fd, "seeds/101112131415161718191a1b1c1d1e1f", 0755,
					&err), &err);
}

/* Written in pieces of @piece bytes. */
static void write_file(const struct tmpdir *dir, const struct seed_file_id *id,
		       const struct seed_set_key *key, const void *data, size_t len, size_t piece,
		       struct seed_stored_facts *plain, struct seed_stored_facts *stored)
{
	SEED_AUTO(seed_file_writer_closep) struct seed_file_writer *writer = NULL;
	struct seed_error err = { 0 };
	char name[SEED_FILE_NAME];

	make_folders(dir);
	unlinkat(dir->fd, seed_file_name(id, key->sealed, name), 0);
	assert_ok(seed_file_writer_open(&writer, dir->fd, id, key, &err), &err);
	for (size_t at = 0; at < len; at += piece)
		assert_ok(seed_file_writer_put(writer, (const char *)data + at,
					       len - at < piece ? len - at : piece, &err), &err);
	assert_ok(seed_file_writer_finish(writer, plain, stored, &err), &err);
}

static uint8_t *file_bytes(const struct tmpdir *dir, const struct seed_file_id *id, size_t *len)
{
	struct seed_error err = { 0 };
	char name[SEED_FILE_NAME], *data;

	assert_ok(seed_file_read(dir->fd, seed_file_name(id, true, name), 64 * MIB, &data, len,
				 &err), &err);
	return (uint8_t *)data;
}

/* Other bytes in the file's place, and facts of a signer who says they are right. */
static struct seed_stored_facts put_bytes(const struct tmpdir *dir, const struct seed_file_id *id,
					  const void *data, size_t len)
{
	struct seed_stored_facts facts = { .length = len };
	char name[SEED_FILE_NAME];

	tmpdir_put(dir, seed_file_name(id, true, name), data, len);
	seed_digest_of(&facts.digest, data, len);
	return facts;
}

static void names_are_made_of_numbers_and_ids(void **state)
{
	struct seed_file_id id = id_of(SEED_FILE_MANIFEST, 0);
	char name[SEED_FILE_NAME];

	(void)state;
	assert_string_equal(seed_file_name(&id, false, name),
			    "seeds/101112131415161718191a1b1c1d1e1f/manifest.json");
	assert_string_equal(seed_file_name(&id, true, name),
			    "seeds/101112131415161718191a1b1c1d1e1f/manifest.sealed");
	id = id_of(SEED_FILE_LIST, 1 << 16 | 2);
	assert_string_equal(seed_file_name(&id, false, name),
			    "seeds/101112131415161718191a1b1c1d1e1f/list-0001-0002");
	id = id_of(SEED_FILE_LIST, UINT32_MAX);
	assert_string_equal(seed_file_name(&id, true, name),
			    "seeds/101112131415161718191a1b1c1d1e1f/list-65535-65535.sealed");
	id = id_of(SEED_FILE_SIDE, UINT32_MAX);
	assert_string_equal(seed_file_name(&id, true, name),
			    "seeds/101112131415161718191a1b1c1d1e1f/file-4294967295.sealed");
}

static void what_is_written_is_read(void **state)
{
	static const size_t sizes[] = { 0, 1, 4096, MIB - 1, MIB, MIB + 1, 2 * MIB, 3 * MIB + 17 };
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_freep) uint8_t *data = malloc(4 * MIB);
	uint32_t x = 5;

	for (size_t i = 0; i < 4 * MIB; i++) {
		x = x * 1664525 + 1013904223;
		data[i] = i < MIB ? (uint8_t)(x >> 24) : 'a';
	}
	for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct seed_file_id id = id_of(SEED_FILE_LIST, 1);
		struct seed_set_key key = tiny_pack_of(3, i % 2).key;
		struct seed_stored_facts plain, stored;
		struct seed_error err = { 0 };
		struct seed_digest digest;
		size_t size = sizes[i / 2], len = 99;
		char *back = NULL;

		write_file(dir, &id, &key, data, size, i % 3 ? 1000003 : 70001, &plain, &stored);
		seed_digest_of(&digest, data, size);
		assert_int_equal(plain.length, size);
		assert_memory_equal(&plain.digest, &digest, sizeof(digest));
		if (!key.sealed)
			assert_memory_equal(&plain, &stored, sizeof(plain));
		assert_ok(seed_stored_file_load(dir->fd, &id, &key, &stored, size, &back, &len,
						&err), &err);
		assert_int_equal(len, size);
		assert_memory_equal(back, data, size);
		assert_int_equal(back[size], 0);
		free(back);
		if (size)
			assert_fails(seed_stored_file_load(dir->fd, &id, &key, &stored, size - 1,
							   &back, &len, &err), &err,
				     SEED_ERR_RANGE);
	}
}

/* Digests of the same files made by another implementation from the words of the manual. */
static void sealed_files_are_those_of_the_manual_byte_by_byte(void **state)
{
	static const struct { enum seed_file_role role; uint32_t number; const char *digest; }
	golden[] = {
		{ SEED_FILE_MANIFEST, 0,
		  "133b8bc70d36f1ac95212e1f04db739171e9e769d9c0ec5fade5ad5315932d88" },
		{ SEED_FILE_LIST, 1 << 16 | 2,
		  "61304d0cbaacb7f8574c3c6e8e327bb56c89ad4bb12d5d4e9d0200fe0b56185d" },
		{ SEED_FILE_SIDE, 5,
		  "cd6406b81bca5f0332d7c82ee9e9764ab48a8e9c1b5e94d0f99081b800498959" },
	};
	const struct tmpdir *dir = *state;
	struct seed_set_key key = tiny_pack_of(3, true).key;
	uint8_t salt[SEED_SALT_SIZE];
	char text[SEED_DIGEST_TEXT];

	for (uint8_t i = 0; i < SEED_SALT_SIZE; i++)
		salt[i] = 0x40 + i;
	make_folders(dir);
	for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
		SEED_AUTO(seed_file_writer_closep) struct seed_file_writer *writer = NULL;
		struct seed_file_id id = id_of(golden[i].role, golden[i].number);
		struct seed_stored_facts stored;
		struct seed_error err = { 0 };

		assert_ok(seed_file_writer_open_salted(&writer, dir->fd, &id, &key, salt, &err),
			  &err);
		assert_ok(seed_file_writer_put(writer, "hello, seed", 11, &err), &err);
		assert_ok(seed_file_writer_finish(writer, NULL, &stored, &err), &err);
		assert_int_equal(stored.length, 131);
		assert_string_equal(seed_digest_text(&stored.digest, text), golden[i].digest);
	}
}

static void every_attempt_has_a_salt_of_its_own(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_set_key key = tiny_pack_of(3, true).key;
	struct seed_file_id id = id_of(SEED_FILE_SIDE, 0);
	struct seed_stored_facts a, b;

	write_file(dir, &id, &key, "same", 4, 4, NULL, &a);
	write_file(dir, &id, &key, "same", 4, 4, NULL, &b);
	assert_int_equal(a.length, b.length);
	assert_memory_not_equal(&a.digest, &b.digest, sizeof(a.digest));
}

static void assert_refused(const struct tmpdir *dir, const struct seed_file_id *id,
			   const struct seed_set_key *key, const struct seed_stored_facts *stored,
			   enum seed_error_kind kind)
{
	struct seed_error err = { 0 };
	char *out = NULL, name[SEED_FILE_NAME];
	size_t len;

	assert_fails(seed_stored_file_load(dir->fd, id, key, stored, 16 * MIB, &out, &len, &err),
		     &err, kind);
	assert_null(out);
	assert_non_null(strstr(err.text, seed_file_name(id, key->sealed, name)));
}

static void every_cut_and_every_flipped_bit_is_refused(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_set_key key = tiny_pack_of(3, true).key;
	struct seed_file_id id = id_of(SEED_FILE_MANIFEST, 0);
	SEED_AUTO(seed_freep) uint8_t *file = NULL;
	struct seed_stored_facts stored, agreed;
	size_t len;

	write_file(dir, &id, &key, "{\"a\":1}", 7, 7, NULL, &stored);
	file = file_bytes(dir, &id, &len);
	for (size_t cut = 0; cut < len; cut++) {
		agreed = put_bytes(dir, &id, file, cut);
		assert_refused(dir, &id, &key, &stored, SEED_ERR_INTEGRITY);
		assert_refused(dir, &id, &key, &agreed, SEED_ERR_INTEGRITY);
	}
	for (size_t bit = 0; bit < 8 * len; bit++) {
		file[bit / 8] ^= (uint8_t)(1 << bit % 8);
		agreed = put_bytes(dir, &id, file, len);
		assert_refused(dir, &id, &key, &stored, SEED_ERR_INTEGRITY);
		assert_refused(dir, &id, &key, &agreed, SEED_ERR_INTEGRITY);
		file[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	agreed = put_bytes(dir, &id, file, len + 1);	/* the NUL behind it */
	assert_refused(dir, &id, &key, &agreed, SEED_ERR_INTEGRITY);
}

static void a_plain_file_that_differs_is_refused(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_set_key key = { .sealed = false };
	struct seed_file_id id = id_of(SEED_FILE_MANIFEST, 0);
	struct seed_stored_facts stored;
	char name[SEED_FILE_NAME];

	write_file(dir, &id, &key, "{\"a\":1}", 7, 7, NULL, &stored);
	tmpdir_put(dir, seed_file_name(&id, false, name), "{\"a\":2}", 7);
	assert_refused(dir, &id, &key, &stored, SEED_ERR_INTEGRITY);
	tmpdir_put(dir, name, "{\"a\":1}\n", 8);
	assert_refused(dir, &id, &key, &stored, SEED_ERR_INTEGRITY);
	assert_int_equal(unlinkat(dir->fd, name, 0), 0);
	assert_refused(dir, &id, &key, &stored, SEED_ERR_MEDIUM);
}

static void a_file_opens_only_where_it_belongs(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_set_key key = tiny_pack_of(3, true).key, other = key;
	struct seed_file_id id = id_of(SEED_FILE_LIST, 1), there = id_of(SEED_FILE_LIST, 2);
	SEED_AUTO(seed_freep) uint8_t *file = NULL;
	struct seed_stored_facts stored;
	size_t len;

	write_file(dir, &id, &key, "digests", 7, 7, NULL, &stored);
	file = file_bytes(dir, &id, &len);
	put_bytes(dir, &there, file, len);
	assert_refused(dir, &there, &key, &stored, SEED_ERR_INTEGRITY);
	seed_put32(file + 44, 2);			/* the number in its header made to fit */
	stored = put_bytes(dir, &there, file, len);
	assert_refused(dir, &there, &key, &stored, SEED_ERR_INTEGRITY);
	seed_put32(file + 44, 1);
	there = id_of(SEED_FILE_SIDE, 1);
	seed_put16(file + 10, SEED_FILE_SIDE);		/* another role */
	stored = put_bytes(dir, &there, file, len);
	assert_refused(dir, &there, &key, &stored, SEED_ERR_INTEGRITY);
	seed_put16(file + 10, SEED_FILE_LIST);
	stored = put_bytes(dir, &id, file, len);
	there = id;
	there.set.bytes[0] ^= 1;			/* another set */
	assert_refused(dir, &there, &key, &stored, SEED_ERR_INTEGRITY);
	file[12] ^= 1;
	stored = put_bytes(dir, &there, file, len);
	assert_refused(dir, &there, &key, &stored, SEED_ERR_INTEGRITY);
	file[12] ^= 1;
	stored = put_bytes(dir, &id, file, len);
	other.key.bytes[0] ^= 1;
	assert_refused(dir, &id, &other, &stored, SEED_ERR_INTEGRITY);
	other.known = false;
	assert_refused(dir, &id, &other, &stored, SEED_ERR_NOTFOUND);
}

/* Three records; each of their orders but the right one is refused. */
static void records_stay_in_order_and_complete(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_set_key key = tiny_pack_of(3, true).key;
	struct seed_file_id id = id_of(SEED_FILE_LIST, 1);
	SEED_AUTO(seed_freep) uint8_t *data = calloc(1, 2 * MIB + 5);
	SEED_AUTO(seed_freep) uint8_t *file = NULL;
	struct seed_stored_facts stored;
	size_t at[4] = { 80 }, len, sum;
	uint8_t copy[8192];

	write_file(dir, &id, &key, data, 2 * MIB + 5, MIB, NULL, &stored);
	file = file_bytes(dir, &id, &len);
	assert_true(len < sizeof(copy) / 2);
	for (int i = 0; i < 3; i++)
		at[i + 1] = at[i] + 16 + seed_get32(file + at[i] + 8);
	assert_int_equal(at[3], len);
	memcpy(copy, file, 80);
	for (int order = 0; order < 64; order++) {	/* up to three of { 0, 1, 2, none } */
		int pick[3] = { order % 4, order / 4 % 4, order / 16 };

		if (pick[0] == 0 && pick[1] == 1 && pick[2] == 2)
			continue;
		sum = 80;
		for (int i = 0; i < 3; i++) {
			if (pick[i] == 3)
				continue;
			memcpy(copy + sum, file + at[pick[i]], at[pick[i] + 1] - at[pick[i]]);
			sum += at[pick[i] + 1] - at[pick[i]];
		}
		stored = put_bytes(dir, &id, copy, sum);
		assert_refused(dir, &id, &key, &stored, SEED_ERR_INTEGRITY);
		/* Renumbered in the clear headers, the last one marked: the tags tell. */
		for (size_t next = 80, n = 0; next < sum; n++) {
			size_t end = next + 16 + seed_get32(copy + next + 8);

			seed_put32(copy + next + 4, (uint32_t)n);
			seed_put16(copy + next + 12, end == sum);
			next = end;
		}
		stored = put_bytes(dir, &id, copy, sum);
		assert_refused(dir, &id, &key, &stored, SEED_ERR_INTEGRITY);
	}
}

static int refuse(void *arg, const void *data, size_t len, struct seed_error *err)
{
	(void)arg;
	(void)data;
	(void)len;
	return seed_error_set(err, SEED_ERR_BUSY, "no more");
}

static void a_refusing_receiver_ends_the_read_with_its_own_error(void **state)
{
	const struct tmpdir *dir = *state;
	struct seed_set_key key = tiny_pack_of(3, true).key;
	struct seed_file_id id = id_of(SEED_FILE_LIST, 1);
	struct seed_stored_facts stored;
	struct seed_error err = { 0 };

	write_file(dir, &id, &key, "digests", 7, 7, NULL, &stored);
	assert_fails(seed_stored_file_read(dir->fd, &id, &key, &stored, 100, refuse, NULL, &err),
		     &err, SEED_ERR_BUSY);
	assert_string_equal(err.text, "no more");
}

static void a_failed_write_ends_the_attempt(void **state)
{
	const struct tmpdir *dir = *state;
	SEED_AUTO(seed_freep) uint8_t *data = calloc(1, 4 * MIB);
	struct seed_set_key key = { .sealed = false };
	struct seed_file_id id = id_of(SEED_FILE_LIST, 1);
	SEED_AUTO(seed_file_writer_closep) struct seed_file_writer *writer = NULL;
	SEED_AUTO(seed_file_writer_closep) struct seed_file_writer *second = NULL;
	struct rlimit old, low;
	struct seed_error err = { 0 };

	signal(SIGXFSZ, SIG_IGN);
	assert_fails(seed_file_writer_open(&writer, dir->fd, &id, &key, &err), &err,
		     SEED_ERR_MEDIUM);		/* no folder for it */
	make_folders(dir);
	assert_ok(seed_file_writer_open(&writer, dir->fd, &id, &key, &err), &err);
	assert_fails(seed_file_writer_open(&second, dir->fd, &id, &key, &err), &err,
		     SEED_ERR_MEDIUM);		/* never over another */
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	low = (struct rlimit){ .rlim_cur = MIB + 5, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	assert_int_equal(seed_file_writer_put(writer, data, 4 * MIB, &err), -1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(err.kind, SEED_ERR_MEDIUM);
	assert_int_equal(err.sys_errno, EFBIG);
	assert_fails(seed_file_writer_put(writer, data, 1, &err), &err, SEED_ERR_MEDIUM);
	assert_fails(seed_file_writer_finish(writer, NULL, NULL, &err), &err, SEED_ERR_MEDIUM);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_made_of_numbers_and_ids),
		TEST(what_is_written_is_read),
		TEST(sealed_files_are_those_of_the_manual_byte_by_byte),
		TEST(every_attempt_has_a_salt_of_its_own),
		TEST(every_cut_and_every_flipped_bit_is_refused),
		TEST(a_plain_file_that_differs_is_refused),
		TEST(a_file_opens_only_where_it_belongs),
		TEST(records_stay_in_order_and_complete),
		TEST(a_refusing_receiver_ends_the_read_with_its_own_error),
		TEST(a_failed_write_ends_the_attempt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
