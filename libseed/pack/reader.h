/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading one pack against what a signed commit says of it. Nothing of the
 * file is believed before it is checked: length, trailer and table against the
 * commit's digests, each record against the table.
 */
#ifndef SEED_PACK_READER_H
#define SEED_PACK_READER_H

#include "base/vec.h"
#include "crypto/digest.h"
#include "pack/pack_format.h"

struct seed_pack_reader;

/**
 * seed_pack_reader_open() - open, check header, trailer and table
 * @direct: read records past the page cache (media are read once, in order)
 * @err: MEDIUM when the file is missing or cannot be read, INTEGRITY when it is not the pack
 *       that @facts describe
 */
int seed_pack_reader_open(struct seed_pack_reader **out, int dir, const struct seed_pack_id *id,
			  const struct seed_pack_facts *facts, const struct seed_set_key *key,
			  bool direct, struct seed_error *err);
/**
 * seed_pack_reader_open_table() - open a pack whose tail is damaged, by a table that was worked out
 * @table: struct seed_table_entry, from seed_pack_reindex(); copied
 *
 * For records and their stored bytes alone: it has no index, and its digest says nothing.
 */
int seed_pack_reader_open_table(struct seed_pack_reader **out, int dir,
				const struct seed_pack_id *id, const struct seed_vec *table,
				const struct seed_set_key *key, bool direct,
				struct seed_error *err);
void seed_pack_reader_close(struct seed_pack_reader *reader);
static inline void seed_pack_reader_closep(struct seed_pack_reader **r)
{
	seed_pack_reader_close(*r);
}
uint32_t seed_pack_reader_records(const struct seed_pack_reader *reader);	/* data records */
const struct seed_table_entry *seed_pack_reader_record(const struct seed_pack_reader *reader,
						       uint32_t number);
/* NULL when the set is sealed and its key is not known. */
const struct seed_seal *seed_pack_reader_seal(const struct seed_pack_reader *reader);

/* Append all entries of the block index (struct seed_index_entry) to @out, in (record, slot)
 * order, checked: records and slots in order and within bounds. TRUST-free: kind NOTFOUND when the
 * set is sealed and its key is not known. */
int seed_pack_reader_index(struct seed_pack_reader *reader, struct seed_record_codec *codec,
			   struct seed_vec *out, struct seed_error *err);

/* Read the stored bytes of records @first to @first + @count - 1, which lie one behind the other,
 * in one go. @buf: from seed_buffer_new(), at least their summed length plus 2 * SEED_IO_ALIGN;
 * *@start: where in @buf the first one begins. Nothing is checked yet. */
int seed_pack_reader_read(struct seed_pack_reader *reader, uint32_t first, uint32_t count,
			  uint8_t *buf, size_t room, size_t *start, struct seed_error *err);

/* The digest of the whole file beside the records', for whoever reads all of it anyway: begin, then
 * every stored record in order (seed_digest_add_and_hash), the index too, then end. This is the one
 * check of the salt that needs no key. INTEGRITY when it is not what the commit says. */
void seed_pack_reader_hash_begin(const struct seed_pack_reader *reader,
				 struct seed_digest_stream *s);
int seed_pack_reader_hash_end(const struct seed_pack_reader *reader, struct seed_digest_stream *s,
			      struct seed_error *err);

#endif
