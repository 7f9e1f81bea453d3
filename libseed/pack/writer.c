// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pack/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "crypto/digest.h"
#include "crypto/random.h"
#include "pack/out_file.h"
#include "pack/pack_internal.h"

#define BLOCKS_MAX (SEED_PACK_RECORDS * SEED_RECORD_BLOCKS)

struct seed_pack_writer {
	struct seed_pack_id id;
	struct seed_seal seal;
	struct seed_out_file *file;
	uint32_t records;		/* written, the index not counted */
	uint32_t blocks;
	struct seed_digest last;	/* of the record written last */
	uint8_t table[(SEED_PACK_RECORDS + 1) * SEED_PACK_TABLE_ENTRY];
	uint8_t index[BLOCKS_MAX * SEED_PACK_INDEX_ENTRY];
};

static int open_file(struct seed_pack_writer *writer, int dir, const struct seed_set_key *key,
		     const uint8_t *salt, struct seed_error *err)
{
	char name[SEED_PACK_NAME];
	uint8_t header[SEED_PACK_HEADER];

	seed_pack_header_put(header, &writer->id, key->sealed, salt);
	if (seed_pack_seal(&writer->seal, key, &writer->id, salt, err) < 0 ||
	    seed_out_file_open(&writer->file, dir, seed_pack_name(writer->id.pack, name), err) < 0)
		return -1;
	return seed_out_file_put(writer->file, header, sizeof(header), NULL, err);
}

int seed_pack_writer_open_salted(struct seed_pack_writer **out, int dir,
				 const struct seed_pack_id *id, const struct seed_set_key *key,
				 const uint8_t salt[SEED_SALT_SIZE], struct seed_error *err)
{
	SEED_AUTO(seed_pack_writer_closep) struct seed_pack_writer *writer =
		calloc(1, sizeof(*writer));

	if (!writer)
		return seed_error_sys(err, ENOMEM, "pack writer");
	writer->id = *id;
	if (open_file(writer, dir, key, salt, err) < 0)
		return seed_error_prefix(err, "pack %08u", id->pack);
	*out = seed_steal(&writer);
	return 0;
}

int seed_pack_writer_open(struct seed_pack_writer **out, int dir, const struct seed_pack_id *id,
			  const struct seed_set_key *key, struct seed_error *err)
{
	uint8_t salt[SEED_SALT_SIZE] = { 0 };

	if (key->sealed && seed_random(salt, sizeof(salt), err) < 0)
		return -1;
	return seed_pack_writer_open_salted(out, dir, id, key, salt, err);
}

const struct seed_seal *seed_pack_writer_seal(const struct seed_pack_writer *writer)
{
	return &writer->seal;
}

uint64_t seed_pack_writer_bytes(const struct seed_pack_writer *writer)
{
	return seed_out_file_length(writer->file);
}

/* A record in the wrong place would be sealed under the wrong nonce: our own bug, caught here. */
static int check_place(const struct seed_pack_writer *writer, const uint8_t *stored, size_t len,
		       bool last, struct seed_error *err)
{
	uint32_t number;
	uint64_t whole;
	bool is_last;

	if (len < SEED_RECORD_HEADER)
		return seed_error_set(err, SEED_ERR_RANGE, "record of %zu bytes", len);
	if (seed_record_header(stored, &number, &is_last, &whole, err) < 0)
		return -1;
	if (number != writer->records || is_last != last || whole != len)
		return seed_error_set(err, SEED_ERR_RANGE, "record %u where record %u belongs",
				      number, writer->records);
	return 0;
}

static int put_record(struct seed_pack_writer *writer, const uint8_t *stored, size_t len,
		      struct seed_error *err)
{
	struct seed_table_entry entry = { .offset = seed_out_file_length(writer->file),
					  .length = (uint32_t)len };

	if (seed_out_file_put(writer->file, stored, len, &entry.digest, err) < 0)
		return -1;
	seed_table_entry_put(writer->table + writer->records * SEED_PACK_TABLE_ENTRY, &entry);
	writer->last = entry.digest;
	return 0;
}

static int add_record(struct seed_pack_writer *writer, const uint8_t *stored, size_t stored_len,
		      const struct seed_digest *digests, const uint32_t *lengths, uint16_t blocks,
		      struct seed_error *err)
{
	struct seed_index_entry entry;

	if (writer->records == SEED_PACK_RECORDS)
		return seed_error_set(err, SEED_ERR_RANGE, "full with %u records", writer->records);
	if (blocks < 1 || blocks > SEED_RECORD_BLOCKS)
		return seed_error_set(err, SEED_ERR_RANGE, "record of %u blocks", blocks);
	if (check_place(writer, stored, stored_len, false, err) < 0 ||
	    put_record(writer, stored, stored_len, err) < 0)
		return -1;
	for (uint16_t i = 0; i < blocks; i++) {
		entry = (struct seed_index_entry){ .digest = digests[i], .record = writer->records,
						   .slot = i, .length = lengths[i] };
		seed_index_entry_put(writer->index + writer->blocks * SEED_PACK_INDEX_ENTRY,
				     &entry);
		writer->blocks++;
	}
	writer->records++;
	return 0;
}

int seed_pack_writer_add(struct seed_pack_writer *writer, const uint8_t *stored, size_t stored_len,
			 const struct seed_digest *digests, const uint32_t *lengths,
			 uint16_t blocks, struct seed_error *err)
{
	if (add_record(writer, stored, stored_len, digests, lengths, blocks, err) < 0)
		return seed_error_prefix(err, "pack %08u", writer->id.pack);
	return 0;
}

static int put_index(struct seed_pack_writer *writer, struct seed_record_codec *codec,
		     struct seed_error *err)
{
	struct seed_record_spec spec = {
		.number = writer->records, .last = true,
		.plain = writer->index, .plain_len = writer->blocks * SEED_PACK_INDEX_ENTRY,
	};
	size_t room = spec.plain_len + 128, len;

	SEED_AUTO(seed_freep) uint8_t *stored = malloc(room);

	if (!stored)
		return seed_error_sys(err, ENOMEM, "block index");
	if (seed_record_encode(codec, &writer->seal, &spec, stored, room, &len, err) < 0 ||
	    put_record(writer, stored, len, err) < 0)
		return -1;
	writer->records++;
	return 0;
}

static int put_tail(struct seed_pack_writer *writer, struct seed_pack_trailer *trailer,
		    struct seed_error *err)
{
	uint8_t bytes[SEED_PACK_TRAILER];
	size_t table_len = writer->records * SEED_PACK_TABLE_ENTRY;

	*trailer = (struct seed_pack_trailer){
		.records = writer->records, .blocks = writer->blocks,
		.table_offset = seed_out_file_length(writer->file), .index = writer->last,
	};
	seed_digest_of(&trailer->table, writer->table, table_len);
	seed_pack_trailer_put(bytes, trailer);
	if (seed_out_file_put(writer->file, writer->table, table_len, NULL, err) < 0)
		return -1;
	return seed_out_file_put(writer->file, bytes, sizeof(bytes), NULL, err);
}

int seed_pack_writer_finish(struct seed_pack_writer *writer, struct seed_record_codec *codec,
			    struct seed_pack_facts *facts, struct seed_error *err)
{
	struct seed_pack_trailer trailer;
	struct seed_digest whole;

	if (put_index(writer, codec, err) < 0 || put_tail(writer, &trailer, err) < 0 ||
	    seed_out_file_finish(writer->file, &whole, err) < 0)
		return seed_error_prefix(err, "pack %08u", writer->id.pack);
	*facts = (struct seed_pack_facts){
		.number = writer->id.pack, .length = seed_out_file_length(writer->file),
		.digest = whole, .table = trailer.table, .index = trailer.index,
		.records = trailer.records, .blocks = trailer.blocks,
	};
	return 0;
}

void seed_pack_writer_close(struct seed_pack_writer *writer)
{
	if (!writer)
		return;
	seed_out_file_close(writer->file);
	seed_wipe(&writer->seal, sizeof(writer->seal));
	free(writer);
}
