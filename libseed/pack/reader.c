// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pack/reader.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "crypto/digest.h"
#include "pack/in_file.h"
#include "pack/pack_internal.h"

struct seed_pack_reader {
	struct seed_pack_id id;
	struct seed_pack_facts facts;
	struct seed_in_file file;
	bool openable;			/* @seal is known, or needs no key */
	struct seed_seal seal;
	uint8_t header[SEED_PACK_HEADER];
	uint8_t *tail;			/* table and trailer as stored */
	size_t tail_len;
	struct seed_table_entry *table;	/* facts.records of them */
	bool mended;			/* the table was worked out: the last entry, the index, is
					 * empty */
};

/* A commit is signed, but by somebody else: its figures must be possible before we allocate. */
static int check_facts(const struct seed_pack_id *id, const struct seed_pack_facts *facts,
		       struct seed_error *err)
{
	uint64_t least;

	if (facts->number != id->pack)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "its commit speaks of pack %08u",
				      facts->number);
	if (facts->records < 1 || facts->records > SEED_PACK_RECORDS_MAX + 1 ||
	    facts->blocks > (uint64_t)(facts->records - 1) * SEED_RECORD_BLOCKS)
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "%u records and %u blocks in one pack", facts->records,
				      facts->blocks);
	least = SEED_PACK_HEADER + SEED_PACK_TRAILER +
		(uint64_t)facts->records * (SEED_PACK_TABLE_ENTRY + SEED_RECORD_HEADER);
	if (facts->length < least || facts->length > SEED_PACK_MAX)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "cannot be %ju bytes long",
				      (uintmax_t)facts->length);
	return 0;
}

static int read_header(struct seed_pack_reader *r, const struct seed_set_key *key,
		       struct seed_error *err)
{
	SEED_AUTO(seed_freep) uint8_t *buf = seed_buffer_new(2 * SEED_IO_ALIGN, err);
	uint8_t salt[SEED_SALT_SIZE];
	size_t start;

	if (!buf || seed_in_file_read(&r->file, 0, SEED_PACK_HEADER, buf, 2 * SEED_IO_ALIGN,
				      &start, err) < 0)
		return -1;
	memcpy(r->header, buf + start, SEED_PACK_HEADER);
	if (seed_pack_header_check(r->header, &r->id, key->sealed, salt, err) < 0)
		return -1;
	r->openable = !key->sealed || key->known;
	return r->openable ? seed_pack_seal(&r->seal, key, &r->id, salt, err) : 0;
}

static int read_tail(struct seed_pack_reader *r, struct seed_error *err)
{
	size_t room = SEED_PACK_TABLE_MAX + SEED_PACK_TRAILER + 2 * SEED_IO_ALIGN, start;

	SEED_AUTO(seed_freep) uint8_t *buf = seed_buffer_new(room, err);

	if (!buf)
		return -1;
	r->tail_len = r->facts.records * SEED_PACK_TABLE_ENTRY + SEED_PACK_TRAILER;
	r->tail = malloc(r->tail_len);
	if (!r->tail)
		return seed_error_sys(err, ENOMEM, "record table");
	if (seed_in_file_read(&r->file, r->facts.length - r->tail_len, r->tail_len, buf, room,
			      &start, err) < 0)
		return -1;
	memcpy(r->tail, buf + start, r->tail_len);
	return 0;
}

static int check_trailer(const struct seed_pack_reader *r, struct seed_error *err)
{
	const struct seed_pack_facts *facts = &r->facts;
	size_t table_len = r->tail_len - SEED_PACK_TRAILER;
	struct seed_pack_trailer trailer;
	struct seed_digest digest;

	if (seed_pack_trailer_get(&trailer, r->tail + table_len, err) < 0)
		return -1;
	if (trailer.records != facts->records || trailer.blocks != facts->blocks ||
	    trailer.table_offset != facts->length - r->tail_len ||
	    !seed_digest_equal(&trailer.table, &facts->table) ||
	    !seed_digest_equal(&trailer.index, &facts->index))
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "its trailer is not what the commit says");
	seed_digest_of(&digest, r->tail, table_len);
	if (!seed_digest_equal(&digest, &facts->table))
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "its record table differs from its digest");
	return 0;
}

/* The records must lie one behind the other, from the header to the table, each of a possible
 * length: then no later read can leave the file or a buffer. */
static int parse_table(struct seed_pack_reader *r, struct seed_error *err)
{
	uint64_t next = SEED_PACK_HEADER;

	r->table = calloc(r->facts.records, sizeof(*r->table));
	if (!r->table)
		return seed_error_sys(err, ENOMEM, "record table");
	for (uint32_t i = 0; i < r->facts.records; i++) {
		struct seed_table_entry *entry = &r->table[i];

		if (seed_table_entry_get(entry, r->tail + i * SEED_PACK_TABLE_ENTRY, err) < 0)
			return -1;
		if (entry->offset != next)
			return seed_error_set(err, SEED_ERR_INTEGRITY,
					      "record %u does not begin where the one before ends",
					      i);
		if (entry->length < SEED_RECORD_HEADER || entry->length > SEED_RECORD_MAX)
			return seed_error_set(err, SEED_ERR_INTEGRITY, "record %u of %u bytes", i,
					      entry->length);
		next += entry->length;
	}
	if (next != r->facts.length - r->tail_len)
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "its records do not end where its table begins");
	if (!seed_digest_equal(&r->table[r->facts.records - 1].digest, &r->facts.index))
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "its index is not the one that the commit names");
	return 0;
}

static int open_checked(struct seed_pack_reader *r, int dir, const struct seed_set_key *key,
			bool direct, struct seed_error *err)
{
	char name[SEED_PACK_NAME];

	if (check_facts(&r->id, &r->facts, err) < 0 ||
	    seed_in_file_open(&r->file, dir, seed_pack_name(r->id.pack, name), err) < 0)
		return -1;
	if (r->file.length != r->facts.length)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "%ju bytes long instead of %ju",
				      (uintmax_t)r->file.length, (uintmax_t)r->facts.length);
	if (direct)
		seed_in_file_go_direct(&r->file);
	if (read_header(r, key, err) < 0 || read_tail(r, err) < 0 || check_trailer(r, err) < 0)
		return -1;
	return parse_table(r, err);
}

int seed_pack_reader_open(struct seed_pack_reader **out, int dir, const struct seed_pack_id *id,
			  const struct seed_pack_facts *facts, const struct seed_set_key *key,
			  bool direct, struct seed_error *err)
{
	SEED_AUTO(seed_pack_reader_closep) struct seed_pack_reader *r = malloc(sizeof(*r));

	if (!r)
		return seed_error_sys(err, ENOMEM, "pack reader");
	*r = (struct seed_pack_reader){ .id = *id, .facts = *facts,
					.file = SEED_IN_FILE_CLOSED };
	if (open_checked(r, dir, key, direct, err) < 0)
		return seed_error_prefix(err, "pack %08u", id->pack);
	*out = seed_steal(&r);
	return 0;
}

static int open_mended(struct seed_pack_reader *r, int dir, const struct seed_vec *table,
		       const struct seed_set_key *key, bool direct, struct seed_error *err)
{
	char name[SEED_PACK_NAME];

	r->table = calloc(table->count + 1, sizeof(*r->table));
	if (!r->table)
		return seed_error_sys(err, ENOMEM, "record table");
	if (table->count)
		memcpy(r->table, table->items, table->count * sizeof(*r->table));
	if (seed_in_file_open(&r->file, dir, seed_pack_name(r->id.pack, name), err) < 0)
		return -1;
	if (direct)
		seed_in_file_go_direct(&r->file);
	return read_header(r, key, err);
}

int seed_pack_reader_open_table(struct seed_pack_reader **out, int dir,
				const struct seed_pack_id *id, const struct seed_vec *table,
				const struct seed_set_key *key, bool direct,
				struct seed_error *err)
{
	SEED_AUTO(seed_pack_reader_closep) struct seed_pack_reader *r = malloc(sizeof(*r));

	assert(table->count <= SEED_PACK_RECORDS_MAX);
	if (!r)
		return seed_error_sys(err, ENOMEM, "pack reader");
	*r = (struct seed_pack_reader){
		.id = *id,
		.facts = { .number = id->pack, .records = (uint32_t)table->count + 1 },
		.file = SEED_IN_FILE_CLOSED,
		.mended = true,
	};
	if (open_mended(r, dir, table, key, direct, err) < 0)
		return seed_error_prefix(err, "pack %08u", id->pack);
	*out = seed_steal(&r);
	return 0;
}

void seed_pack_reader_close(struct seed_pack_reader *reader)
{
	if (!reader)
		return;
	seed_in_file_closep(&reader->file);
	seed_wipe(&reader->seal, sizeof(reader->seal));
	free(reader->tail);
	free(reader->table);
	free(reader);
}

uint32_t seed_pack_reader_records(const struct seed_pack_reader *reader)
{
	return reader->facts.records - 1;
}

const struct seed_table_entry *seed_pack_reader_record(const struct seed_pack_reader *reader,
						       uint32_t number)
{
	assert(number < reader->facts.records);
	return &reader->table[number];
}

const struct seed_seal *seed_pack_reader_seal(const struct seed_pack_reader *reader)
{
	return reader->openable ? &reader->seal : NULL;
}

int seed_pack_reader_read(struct seed_pack_reader *reader, uint32_t first, uint32_t count,
			  uint8_t *buf, size_t room, size_t *start, struct seed_error *err)
{
	const struct seed_table_entry *from, *to;

	assert(count > 0 && first < reader->facts.records &&
	       count <= reader->facts.records - first);
	from = &reader->table[first];
	to = &reader->table[first + count - 1];
	if (seed_in_file_read(&reader->file, from->offset,
			      (size_t)(to->offset + to->length - from->offset), buf, room, start,
			      err) < 0)
		return seed_error_prefix(err, "pack %08u", reader->id.pack);
	return 0;
}

/* Slots count up from 0 within a record, and no record is left out. */
static int append_entries(const struct seed_pack_reader *r, const uint8_t *plain,
			  struct seed_vec *out, struct seed_error *err)
{
	uint32_t record = 0, records = r->facts.records - 1;
	uint16_t slot = 0;

	for (uint32_t i = 0; i < r->facts.blocks; i++) {
		struct seed_index_entry entry;

		seed_index_entry_get(&entry, plain + i * SEED_PACK_INDEX_ENTRY);
		if (i > 0 && entry.record != record) {
			record++;
			slot = 0;
		}
		if (entry.record != record || record >= records || entry.slot != slot ||
		    slot >= SEED_RECORD_BLOCKS)
			return seed_error_set(err, SEED_ERR_INTEGRITY,
					      "entry %u of its index is out of order", i);
		if (!seed_vec_push(out, sizeof(entry), &entry))
			return seed_error_sys(err, ENOMEM, "block index");
		slot++;
	}
	if (records && (r->facts.blocks == 0 || record != records - 1))
		return seed_error_set(err, SEED_ERR_INTEGRITY, "its index leaves out records");
	return 0;
}

static int decode_index(struct seed_pack_reader *r, struct seed_record_codec *codec,
			const uint8_t *stored, struct seed_vec *out, struct seed_error *err)
{
	const struct seed_table_entry *entry = &r->table[r->facts.records - 1];
	size_t plain_len = r->facts.blocks * SEED_PACK_INDEX_ENTRY, before = out->count;
	struct seed_record_plain info;
	struct seed_digest digest;

	SEED_AUTO(seed_freep) uint8_t *plain = malloc(plain_len + 1);

	if (!plain)
		return seed_error_sys(err, ENOMEM, "block index");
	seed_digest_of(&digest, stored, entry->length);
	if (!seed_digest_equal(&digest, &entry->digest))
		return seed_error_set(err, SEED_ERR_INTEGRITY, "its index differs from its digest");
	if (seed_record_decode(codec, &r->seal, r->facts.records - 1, true, stored, entry->length,
			       plain, plain_len, &info, err) < 0)
		return -1;
	if (info.blocks != 0 || info.plain_len != plain_len)
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "its index is not of the %u blocks that the commit says",
				      r->facts.blocks);
	if (append_entries(r, plain, out, err) < 0) {
		out->count = before;
		return -1;
	}
	return 0;
}

int seed_pack_reader_index(struct seed_pack_reader *reader, struct seed_record_codec *codec,
			   struct seed_vec *out, struct seed_error *err)
{
	uint32_t last = reader->facts.records - 1;
	size_t room = reader->table[last].length + 2 * SEED_IO_ALIGN, start;

	SEED_AUTO(seed_freep) uint8_t *buf = NULL;

	if (reader->mended)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "pack %08u: its tail is damaged",
				      reader->id.pack);
	if (!reader->openable)
		return seed_error_set(err, SEED_ERR_NOTFOUND,
				      "pack %08u: sealed, and the key of its set is not known here",
				      reader->id.pack);
	buf = seed_buffer_new(room, err);
	if (!buf || seed_pack_reader_read(reader, last, 1, buf, room, &start, err) < 0)
		return -1;
	if (decode_index(reader, codec, buf + start, out, err) < 0)
		return seed_error_prefix(err, "pack %08u", reader->id.pack);
	return 0;
}

void seed_pack_reader_hash_begin(const struct seed_pack_reader *reader,
				 struct seed_digest_stream *s)
{
	seed_digest_begin(s);
	seed_digest_add(s, reader->header, SEED_PACK_HEADER);
}

int seed_pack_reader_hash_end(const struct seed_pack_reader *reader, struct seed_digest_stream *s,
			      struct seed_error *err)
{
	struct seed_digest digest;

	seed_digest_add(s, reader->tail, reader->tail_len);
	seed_digest_end(s, &digest);
	if (!seed_digest_equal(&digest, &reader->facts.digest))
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "pack %08u: differs from the digest in its commit",
				      reader->id.pack);
	return 0;
}
