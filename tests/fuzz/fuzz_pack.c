// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Plaintext packs made by a hostile signer: digests are put right first, so that a commit
 * describes whatever the bytes are, and everything behind the digests is reached.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "crypto/digest.h"
#include "pack/reader.h"
#include "pack/scrub.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char folder_path[] = "/dev/shm/vmseed-fuzz.XXXXXX";
static int folder = -1;

static void remove_folder(void)
{
	unlinkat(folder, "packs/00000001.pack", 0);
	unlinkat(folder, "packs", AT_REMOVEDIR);
	rmdir(folder_path);
}

static void make_folder(void)
{
	if (!mkdtemp(folder_path))
		abort();
	folder = open(folder_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0 || mkdirat(folder, "packs", 0700) < 0)
		abort();
	atexit(remove_folder);
}

static void write_pack(const uint8_t *data, size_t size)
{
	int fd = openat(folder, "packs/00000001.pack",
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd) < 0)
		abort();
}

/* The digests of records, table and index, wherever the trailer and the table say they lie. */
static void put_digests_right(uint8_t *pack, size_t size, struct seed_pack_facts *facts)
{
	uint8_t *trailer = pack + size - SEED_PACK_TRAILER;
	uint64_t offset = seed_get64(trailer + 16), records = seed_get32(trailer + 12);
	struct seed_digest digest;

	facts->records = (uint32_t)records;
	facts->blocks = seed_get32(trailer + 24);
	if (offset <= size && records <= (size - offset) / SEED_PACK_TABLE_ENTRY) {
		for (uint64_t i = 0; i < records; i++) {
			uint8_t *entry = pack + offset + i * SEED_PACK_TABLE_ENTRY;
			uint64_t at = seed_get64(entry), len = seed_get32(entry + 8);

			if (at > size || len > size - at)
				continue;
			seed_digest_of(&digest, pack + at, len);
			memcpy(entry + 16, digest.bytes, sizeof(digest.bytes));
			memcpy(trailer + 64, digest.bytes, sizeof(digest.bytes));
		}
		seed_digest_of(&digest, pack + offset, records * SEED_PACK_TABLE_ENTRY);
		memcpy(trailer + 32, digest.bytes, sizeof(digest.bytes));
	}
	memcpy(facts->table.bytes, trailer + 32, sizeof(facts->table.bytes));
	memcpy(facts->index.bytes, trailer + 64, sizeof(facts->index.bytes));
}

static void read_records(struct seed_pack_reader *reader, struct seed_record_codec *codec)
{
	static uint8_t plain[SEED_RECORD_PLAIN_MAX];
	struct seed_error err;

	for (uint32_t i = 0; i < seed_pack_reader_records(reader); i++) {
		const struct seed_table_entry *entry = seed_pack_reader_record(reader, i);
		size_t room = entry->length + 2 * SEED_IO_ALIGN, start;
		SEED_AUTO(seed_freep) uint8_t *buf = seed_buffer_new(room, &err);
		struct seed_record_plain info;

		if (!buf || seed_pack_reader_read(reader, i, 1, buf, room, &start, &err) < 0)
			return;
		assert(start + entry->length <= room);
		if (seed_record_decode(codec, seed_pack_reader_seal(reader), i, false, buf + start,
				       entry->length, plain, sizeof(plain), &info, &err) == 0)
			assert(info.plain_len <= sizeof(plain) &&
			       info.blocks <= SEED_RECORD_BLOCKS);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SEED_AUTO(seed_freep) uint8_t *pack = malloc(size);
	SEED_AUTO(seed_pack_reader_closep) struct seed_pack_reader *reader = NULL;
	SEED_AUTO(seed_record_codec_freep) struct seed_record_codec *codec = NULL;
	struct seed_pack_facts facts = { .number = 1, .length = size };
	struct seed_pack_id id = { .pack = 1 };
	struct seed_set_key key = { .sealed = false };
	struct seed_vec table = { 0 }, index = { 0 };
	struct seed_error err = { 0 };

	if (!pack || size < SEED_PACK_HEADER + SEED_PACK_TRAILER)
		return 0;
	if (folder < 0)
		make_folder();
	memcpy(pack, data, size);
	memcpy(id.set.bytes, pack + 16, sizeof(id.set.bytes));
	id.volume = seed_get32(pack + 32);
	seed_put32(pack + 36, 1);
	put_digests_right(pack, size, &facts);
	seed_digest_of(&facts.digest, pack, size);
	write_pack(pack, size);

	if (seed_record_codec_new(&codec, 1, &err) < 0)
		return 0;
	if (seed_pack_reader_open(&reader, folder, &id, &facts, &key, false, &err) == 0) {
		if (seed_pack_reader_index(reader, codec, &index, &err) == 0)
			assert(index.count == facts.blocks);
		read_records(reader, codec);
	}
	seed_vec_free(&index);
	index = (struct seed_vec){ 0 };
	(void)seed_pack_reindex(folder, &id, &key, &table, &index, &err);
	seed_vec_free(&table);
	seed_vec_free(&index);
	return 0;
}
