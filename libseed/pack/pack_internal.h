/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared inside pack/ only, and with its tests. */
#ifndef SEED_PACK_INTERNAL_H
#define SEED_PACK_INTERNAL_H

#include "pack/pack_format.h"
#include "pack/sealed_file.h"
#include "pack/writer.h"

/* The most table bytes, and the most index bytes, of a pack that we read. */
#define SEED_PACK_TABLE_MAX ((SEED_PACK_RECORDS_MAX + 1) * SEED_PACK_TABLE_ENTRY)
#define SEED_PACK_INDEX_MAX (SEED_PACK_RECORDS_MAX * SEED_RECORD_BLOCKS * SEED_PACK_INDEX_ENTRY)
_Static_assert(SEED_PACK_INDEX_MAX <= SEED_RECORD_PLAIN_MAX, "an index fits into one record");

struct seed_pack_trailer {
	uint32_t records, blocks;
	uint64_t table_offset;
	struct seed_digest table, index;
};

void seed_pack_header_put(uint8_t out[SEED_PACK_HEADER], const struct seed_pack_id *id,
			  bool sealed, const uint8_t salt[SEED_SALT_SIZE]);
/* INTEGRITY unless it is the header of pack @id, sealed or not as @sealed says. @salt receives a
 * copy. */
int seed_pack_header_check(const uint8_t header[SEED_PACK_HEADER], const struct seed_pack_id *id,
			   bool sealed, uint8_t salt[SEED_SALT_SIZE], struct seed_error *err);
void seed_pack_trailer_put(uint8_t out[SEED_PACK_TRAILER], const struct seed_pack_trailer *trailer);
int seed_pack_trailer_get(struct seed_pack_trailer *out, const uint8_t trailer[SEED_PACK_TRAILER],
			  struct seed_error *err);
void seed_table_entry_put(uint8_t out[SEED_PACK_TABLE_ENTRY], const struct seed_table_entry *entry);
/* INTEGRITY when its padding is not zero. */
int seed_table_entry_get(struct seed_table_entry *out, const uint8_t entry[SEED_PACK_TABLE_ENTRY],
			 struct seed_error *err);
void seed_index_entry_put(uint8_t out[SEED_PACK_INDEX_ENTRY], const struct seed_index_entry *entry);
void seed_index_entry_get(struct seed_index_entry *out, const uint8_t entry[SEED_PACK_INDEX_ENTRY]);

/* A seal from the set's data key: @label is the HKDF info's first part, @context its second and
 * every record's. NOTFOUND when the set is sealed and its key is not known. */
int seed_seal_derive(struct seed_seal *out, const struct seed_set_key *key, const char *label,
		     const uint8_t *context, size_t context_len,
		     const uint8_t salt[SEED_SALT_SIZE], struct seed_error *err);

/* I/O on a medium that failed: SYSTEM becomes MEDIUM, shortage of memory or descriptors stays
 * what it is. Returns -1. */
int seed_medium_error(struct seed_error *err);

/* The salt of every attempt is random (a zero one when plaintext); golden vectors need one
 * that they know. */
int seed_pack_writer_open_salted(struct seed_pack_writer **out, int dir,
				 const struct seed_pack_id *id, const struct seed_set_key *key,
				 const uint8_t salt[SEED_SALT_SIZE], struct seed_error *err);
int seed_file_writer_open_salted(struct seed_file_writer **out, int dir,
				 const struct seed_file_id *id, const struct seed_set_key *key,
				 const uint8_t salt[SEED_SALT_SIZE], struct seed_error *err);

#endif
