// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A pack file, read as import reads it and walked as re-indexing does. The first
 * byte chooses how much of it is made to agree with a commit (whoever signs may
 * be hostile too): header, trailer, and the digests that the table carries.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "crypto/digest.h"
#include "fuzz_dir.h"
#include "pack/pack_internal.h"
#include "pack/reader.h"
#include "pack/scrub.h"

#define ROOM ((size_t)2 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct seed_pack_id id = { .volume = 1, .pack = 1 };

/* Offsets one behind the other and the digests of what lies there; lengths stay the input's. */
static void mend_table(uint8_t *file, size_t table_at, uint32_t records)
{
	uint64_t offset = SEED_PACK_HEADER;
	struct seed_digest digest;

	for (uint32_t i = 0; i < records; i++) {
		uint8_t *entry = file + table_at + i * SEED_PACK_TABLE_ENTRY;
		uint32_t len = seed_get32(entry + 8);

		if (i == records - 1 && offset < table_at)
			len = (uint32_t)(table_at - offset);
		seed_put64(entry, offset);
		seed_put32(entry + 8, len);
		seed_put32(entry + 12, 0);
		if (len > table_at || offset > table_at - len)
			return;
		seed_digest_of(&digest, file + offset, len);
		memcpy(entry + 16, digest.bytes, SEED_DIGEST_SIZE);
		offset += len;
	}
}

static struct seed_pack_facts make_facts(uint8_t *file, size_t len, uint8_t mode)
{
	struct seed_pack_facts facts = { .number = 1, .length = len };
	uint8_t *trailer = file + len - SEED_PACK_TRAILER;
	size_t room = (len - SEED_PACK_HEADER - SEED_PACK_TRAILER) / SEED_PACK_TABLE_ENTRY, at;

	facts.records = seed_get32(trailer + 12);
	facts.blocks = seed_get32(trailer + 24);
	if (mode & 1) {
		seed_pack_header_put(file, &id, mode & 8, file + 40);
		facts.records = facts.records % 8;
		if (facts.records > room)
			facts.records = (uint32_t)room;
	}
	if (facts.records > room)
		return facts;
	at = len - SEED_PACK_TRAILER - facts.records * SEED_PACK_TABLE_ENTRY;
	if (mode & 2)
		mend_table(file, at, facts.records);
	seed_digest_of(&facts.table, file + at, len - SEED_PACK_TRAILER - at);
	memcpy(facts.index.bytes, facts.records ? trailer - SEED_DIGEST_SIZE : trailer + 64,
	       SEED_DIGEST_SIZE);
	if (mode & 1)
		seed_pack_trailer_put(trailer, &(struct seed_pack_trailer){
			.records = facts.records, .blocks = facts.blocks, .table_offset = at,
			.table = facts.table, .index = facts.index });
	return facts;
}

static void read_records(struct seed_pack_reader *reader, struct seed_record_codec *codec)
{
	SEED_AUTO(seed_freep) uint8_t *buf = seed_buffer_new(ROOM, NULL);
	SEED_AUTO(seed_freep) uint8_t *plain = malloc(SEED_RECORD_PLAIN_MAX);
	struct seed_record_plain info;
	size_t start;

	if (!buf || !plain)
		abort();
	for (uint32_t n = 0; n < seed_pack_reader_records(reader); n++) {
		uint32_t len = seed_pack_reader_record(reader, n)->length;

		/* The table is checked: what it names is in the file. */
		if (seed_pack_reader_read(reader, n, 1, buf, ROOM, &start, NULL) < 0)
			abort();
		if (seed_pack_reader_seal(reader))
			seed_record_decode(codec, seed_pack_reader_seal(reader), n, false,
					   buf + start, len, plain, SEED_RECORD_PLAIN_MAX, &info,
					   NULL);
	}
}

static void check_index(const struct seed_pack_reader *reader, const struct seed_vec *index,
			uint32_t blocks)
{
	if (index->count != blocks)
		abort();
	for (size_t i = 0; i < index->count; i++) {
		const struct seed_index_entry *entry = seed_vec_at(index, i);

		if (entry->record >= seed_pack_reader_records(reader) ||
		    entry->slot >= SEED_RECORD_BLOCKS || entry->length < 1 ||
		    entry->length > SEED_BLOCK_SIZE)
			abort();
	}
}

static void read_pack(int dir, const struct seed_pack_facts *facts, const struct seed_set_key *key,
		      struct seed_record_codec *codec)
{
	SEED_AUTO(seed_pack_reader_closep) struct seed_pack_reader *reader = NULL;
	struct seed_vec index = { 0 };
	struct seed_error err = { 0 };

	if (seed_pack_reader_open(&reader, dir, &id, facts, key, false, &err) < 0) {
		if (reader || err.kind != SEED_ERR_INTEGRITY ||
		    strncmp(err.text, "pack 00000001: ", 15) != 0)
			abort();
		return;
	}
	if (seed_pack_reader_index(reader, codec, &index, &err) == 0)
		check_index(reader, &index, facts->blocks);
	else if (index.count || err.kind != (key->known || !key->sealed ? SEED_ERR_INTEGRITY :
					     SEED_ERR_NOTFOUND))
		abort();
	seed_vec_free(&index);
	read_records(reader, codec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const subs[] = { "packs", NULL };
	static struct seed_record_codec *codec;
	int dir = fuzz_dir(subs);
	struct seed_vec table = { 0 }, index = { 0 };
	struct seed_set_key key = { 0 };
	struct seed_pack_facts facts;
	SEED_AUTO(seed_freep) uint8_t *file = NULL;

	if (size < 1 + SEED_PACK_HEADER + SEED_PACK_TRAILER)
		return 0;
	if (!codec && seed_record_codec_new(&codec, 1, NULL) < 0)
		abort();
	key.sealed = data[0] & 8;
	key.known = data[0] & 16;
	file = malloc(size - 1);
	if (!file)
		abort();
	memcpy(file, data + 1, size - 1);
	facts = make_facts(file, size - 1, data[0]);
	fuzz_dir_put(dir, "packs/00000001.pack", file, size - 1);
	read_pack(dir, &facts, &key, codec);
	seed_pack_reindex(dir, &id, &key, &table, &index, NULL);
	if (table.count > SEED_PACK_RECORDS_MAX)
		abort();
	seed_vec_free(&table);
	seed_vec_free(&index);
	return 0;
}
