// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pack/scrub.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "cmocka_all.h"
#include "crypto/digest.h"
#include "pack/reader.h"
#include "tiny_pack.h"
#include "tmpdir.h"

#define TMPFS 0x01021994

static void fill(uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 2654435761u >> 13);
}

static void files_of_all_sizes_read_back(void **state)
{
	static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, (4 << 20) - 1, 4 << 20,
					(4 << 20) + 1, (8 << 20) + 4096, (13 << 20) + 77 };
	const struct tmpdir *dir = *state;
	size_t most = (13 << 20) + 77;
	SEED_AUTO(seed_freep) uint8_t *data = malloc(most);
	struct seed_error err = { 0 };
	struct seed_digest digest;
	struct statfs fs;
	bool cached = false;

	fill(data, most);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		tmpdir_put(dir, "file", data, sizes[i]);
		seed_digest_of(&digest, data, sizes[i]);
		assert_ok(seed_file_read_back(dir->fd, "file", sizes[i], &digest, &cached, NULL,
					      &err), &err);
	}
	/* Memory cannot vouch for itself. */
	assert_int_equal(fstatfs(dir->fd, &fs), 0);
	if (fs.f_type == TMPFS)
		assert_true(cached);
}

static void a_file_in_memory_is_said_to_be_cached(void **state)
{
	struct tmpdir shm = { .path = "/dev/shm" };
	struct seed_error err = { 0 };
	struct seed_digest digest;
	struct statfs fs;
	bool cached = false;
	char name[64];

	(void)state;
	if (statfs(shm.path, &fs) < 0 || fs.f_type != TMPFS)
		skip();
	shm.fd = open(shm.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	snprintf(name, sizeof(name), "seed-test-scrub-%d", (int)getpid());
	tmpdir_put(&shm, name, "abc", 3);
	seed_digest_of(&digest, "abc", 3);
	assert_ok(seed_file_read_back(shm.fd, name, 3, &digest, &cached, NULL, &err), &err);
	unlinkat(shm.fd, name, 0);
	close(shm.fd);
	assert_true(cached);
}

static void a_file_changed_behind_our_back_is_the_mediums_fault(void **state)
{
	static const size_t places[] = { 0, 4096, (4 << 20) - 1, 4 << 20, (9 << 20) + 4 };
	const struct tmpdir *dir = *state;
	size_t len = (9 << 20) + 5;
	SEED_AUTO(seed_freep) uint8_t *data = malloc(len);
	struct seed_error err = { 0 };
	struct seed_digest digest;

	fill(data, len);
	seed_digest_of(&digest, data, len);
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		data[places[i]] ^= 0x10;
		tmpdir_put(dir, "file", data, len);
		data[places[i]] ^= 0x10;
		assert_fails(seed_file_read_back(dir->fd, "file", len, &digest, NULL, NULL, &err),
			     &err, SEED_ERR_MEDIUM);
		assert_non_null(strstr(err.text, "file: reads back differently"));
	}
	tmpdir_put(dir, "file", data, len - 1);
	assert_fails(seed_file_read_back(dir->fd, "file", len, &digest, NULL, NULL, &err), &err,
		     SEED_ERR_MEDIUM);
	assert_fails(seed_file_read_back(dir->fd, "none", len, &digest, NULL, NULL, &err), &err,
		     SEED_ERR_MEDIUM);
	assert_int_equal(mkdirat(dir->fd, "folder", 0755), 0);
	assert_fails(seed_file_read_back(dir->fd, "folder", len, &digest, NULL, NULL, &err), &err,
		     SEED_ERR_MEDIUM);
}

static void reading_back_stops_when_asked(void **state)
{
	const struct tmpdir *dir = *state;
	static uint8_t data[6 << 20];
	struct seed_cancel cancel = { .signal = 15 };
	struct seed_error err = { 0 };
	struct seed_digest digest;

	seed_digest_of(&digest, data, sizeof(data));
	tmpdir_put(dir, "file", data, sizeof(data));
	assert_fails(seed_file_read_back(dir->fd, "file", sizeof(data), &digest, NULL, &cancel,
					 &err), &err, SEED_ERR_CANCELLED);
	atomic_store(&cancel.signal, 0);
	assert_ok(seed_file_read_back(dir->fd, "file", sizeof(data), &digest, NULL, &cancel, &err),
		  &err);
}

/* By that table the records can be read, and there is no index to ask for. */
static void read_by_table(const struct tiny_pack *pack, int dir, const struct seed_vec *table)
{
	SEED_AUTO(seed_pack_reader_closep) struct seed_pack_reader *reader = NULL;
	SEED_AUTO(seed_record_codec_freep) struct seed_record_codec *codec = NULL;
	SEED_AUTO(seed_freep) uint8_t *buf = NULL;
	SEED_AUTO(seed_vec_free) struct seed_vec index = { 0 };
	struct seed_error err = { 0 };
	struct seed_digest digest;
	size_t room = SEED_RECORD_MAX + 2 * SEED_IO_ALIGN, start;

	assert_ok(seed_record_codec_new(&codec, 1, &err), &err);
	buf = seed_buffer_new(room, &err);
	assert_non_null(buf);
	assert_ok(seed_pack_reader_open_table(&reader, dir, &pack->id, table, &pack->key, true,
					      &err), &err);
	assert_int_equal(seed_pack_reader_records(reader), table->count);
	assert_non_null(seed_pack_reader_seal(reader));
	for (uint32_t i = 0; i < table->count; i++) {
		const struct seed_table_entry *entry = seed_pack_reader_record(reader, i);

		assert_ok(seed_pack_reader_read(reader, i, 1, buf, room, &start, &err), &err);
		seed_digest_of(&digest, buf + start, entry->length);
		assert_memory_equal(&digest, &entry->digest, sizeof(digest));
	}
	assert_fails(seed_pack_reader_index(reader, codec, &index, &err), &err,
		     SEED_ERR_INTEGRITY);
}

static void reindex(const struct tiny_pack *pack, int dir, uint32_t records, uint32_t blocks)
{
	struct seed_vec table = { 0 }, index = { 0 };
	struct seed_error err = { 0 };
	uint8_t data[1024];
	struct seed_digest digest;

	assert_ok(seed_pack_reindex(dir, &pack->id, &pack->key, &table, &index, &err), &err);
	assert_int_equal(table.count, records);
	assert_int_equal(index.count, blocks);
	for (size_t i = 0; i < index.count; i++) {
		const struct seed_index_entry *entry = seed_vec_at(&index, i);
		uint32_t n = entry->record * 3 + entry->slot;

		assert_int_equal(entry->length, tiny_block(n, data));
		seed_digest_of(&digest, data, entry->length);
		assert_memory_equal(&digest, &entry->digest, sizeof(digest));
		assert_true(entry->record < table.count);
	}
	read_by_table(pack, dir, &table);
	seed_vec_free(&table);
	seed_vec_free(&index);
}

/* Cut anywhere: what lies wholly before the cut is found, all of it and nothing else. */
static void records_before_the_damage_are_found(void **state)
{
	const struct tmpdir *dir = *state;

	for (int sealed = 0; sealed < 2; sealed++) {
		struct tiny_pack pack = tiny_pack_of(9, sealed);
		SEED_AUTO(seed_freep) uint8_t *file = NULL;
		uint64_t ends[5] = { 0 };
		size_t len;

		pack.id.pack += (uint32_t)sealed;
		tiny_pack_write(&pack, dir->fd, 4, 3, NULL);
		reindex(&pack, dir->fd, 4, 12);
		file = tiny_pack_bytes(&pack, dir->fd, &len);
		for (size_t i = 0; i < 5; i++) {
			const uint8_t *e = file + len - SEED_PACK_TRAILER - (5 - i) * 48;
			struct seed_table_entry entry;

			assert_int_equal(seed_table_entry_get(&entry, e, NULL), 0);
			ends[i] = entry.offset + entry.length;
		}
		for (size_t cut = 96; cut < len; cut += 1 + cut % 7) {
			uint32_t whole = 0;

			while (whole < 4 && ends[whole] <= cut)
				whole++;
			tiny_pack_put(&pack, dir->fd, file, cut);
			reindex(&pack, dir->fd, whole, whole * 3);
		}
	}
}

static void a_record_that_does_not_open_keeps_its_number(void **state)
{
	const struct tmpdir *dir = *state;
	struct tiny_pack pack = tiny_pack_of(9, true);
	SEED_AUTO(seed_freep) uint8_t *file = NULL;
	uint32_t first;
	size_t len;

	tiny_pack_write(&pack, dir->fd, 4, 3, NULL);
	file = tiny_pack_bytes(&pack, dir->fd, &len);
	first = seed_get32(file + len - SEED_PACK_TRAILER - 5 * 48 + 8);
	file[96 + first + 40] ^= 1;		/* in the body of record 1 */
	memset(file + len - 600, 0xff, 600);	/* and no tail */
	tiny_pack_put(&pack, dir->fd, file, len);
	reindex(&pack, dir->fd, 4, 9);
	file[96 + first + 1] ^= 1;		/* its header: no way past it */
	tiny_pack_put(&pack, dir->fd, file, len);
	reindex(&pack, dir->fd, 1, 3);
}

static void a_pack_that_is_another_is_not_walked(void **state)
{
	const struct tmpdir *dir = *state;
	struct tiny_pack pack = tiny_pack_of(9, true);
	SEED_AUTO(seed_freep) uint8_t *file = NULL;
	struct seed_vec table = { 0 }, index = { 0 };
	struct seed_error err = { 0 };
	size_t len;

	assert_fails(seed_pack_reindex(dir->fd, &pack.id, &pack.key, &table, &index, &err), &err,
		     SEED_ERR_MEDIUM);
	tiny_pack_write(&pack, dir->fd, 1, 1, NULL);
	pack.id.volume = 2;
	assert_fails(seed_pack_reindex(dir->fd, &pack.id, &pack.key, &table, &index, &err), &err,
		     SEED_ERR_INTEGRITY);
	pack.id.volume = 1;
	pack.key.known = false;
	assert_fails(seed_pack_reindex(dir->fd, &pack.id, &pack.key, &table, &index, &err), &err,
		     SEED_ERR_NOTFOUND);
	pack.key.known = true;
	file = tiny_pack_bytes(&pack, dir->fd, &len);
	tiny_pack_put(&pack, dir->fd, file, 95);
	assert_fails(seed_pack_reindex(dir->fd, &pack.id, &pack.key, &table, &index, &err), &err,
		     SEED_ERR_INTEGRITY);
	assert_int_equal(table.count + index.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(files_of_all_sizes_read_back),
		cmocka_unit_test(a_file_in_memory_is_said_to_be_cached),
		TEST(a_file_changed_behind_our_back_is_the_mediums_fault),
		TEST(reading_back_stops_when_asked),
		TEST(records_before_the_damage_are_found),
		TEST(a_record_that_does_not_open_keeps_its_number),
		TEST(a_pack_that_is_another_is_not_walked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
