/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pack file, byte by byte (also vmseed-pack(5)). All integers little-endian.
 *
 *   header[96]   "VMSEEDPK" version:u16=1 flags:u16 (bit 0: sealed) block size:u32
 *                set[16] volume:u32 pack:u32 salt[32] (zero when plaintext) zero[24]
 *   records      data records 0..n-1, then record n, "last": the block index
 *   table        for each record, the index too: offset:u64 length:u32 zero:u32
 *                SHA-256 of the stored record[32]
 *   trailer[96]  "VMSEEDPT" version:u16=1 zero:u16 records:u32 (the index too) table offset:u64
 *                blocks:u32 zero:u32 SHA-256 of the table[32] SHA-256 of the stored index[32]
 *
 * The block index is 40 bytes a block in (record, slot) order:
 *                digest[32] record:u32 slot:u16 length - 1:u16
 *
 * Sealed: record key = HKDF-SHA256(ikm set's data key, salt, info "vmseed pack 1" || set ||
 * volume:u32 || pack:u32); record context = set || volume:u32 || pack:u32.
 *
 * A pack holds at most SEED_PACK_RECORDS data records. The bound is on records and not on stored
 * bytes so that where a pack ends depends on the input alone, whatever compression yields and
 * however many workers run; even incompressible blocks stay far below 1 GiB.
 */
#ifndef SEED_PACK_PACK_FORMAT_H
#define SEED_PACK_PACK_FORMAT_H

#include "pack/record.h"

#define SEED_PACK_HEADER 96u
#define SEED_PACK_TRAILER 96u
#define SEED_PACK_TABLE_ENTRY 48u
#define SEED_PACK_INDEX_ENTRY 40u
#define SEED_PACK_RECORDS 512u		/* data records of a pack that we write */
#define SEED_PACK_RECORDS_MAX 1023u	/* data records of a pack that we read */
#define SEED_PACK_MAX ((uint64_t)1 << 30)	/* bytes */

/* Which pack this is. */
struct seed_pack_id {
	struct seed_id set;
	uint32_t volume, pack;
};

/* The set's data key, or none in a plaintext set. */
struct seed_set_key {
	bool sealed;
	bool known;			/* we hold it; false: ciphertext can be checked only */
	struct seed_secret key;
};

struct seed_index_entry {
	struct seed_digest digest;
	uint32_t record;
	uint16_t slot;
	uint32_t length;		/* bytes of the block, 1 to 65,536 */
};

struct seed_table_entry {
	uint64_t offset;
	uint32_t length;		/* stored bytes, header and body */
	struct seed_digest digest;
};

/* What a commit says of a pack. */
struct seed_pack_facts {
	uint32_t number;
	uint64_t length;		/* of the file */
	struct seed_digest digest;	/* SHA-256 of the whole file */
	struct seed_digest table;	/* of the record table */
	struct seed_digest index;	/* of the stored index record */
	uint32_t records;		/* the index counts */
	uint32_t blocks;
};

#define SEED_PACK_NAME 24		/* "packs/00000001.pack" and NUL */
char *seed_pack_name(uint32_t pack, char *out);

/* The seal of a pack's records from its salt; for a plaintext set an unsealed one. */
int seed_pack_seal(struct seed_seal *out, const struct seed_set_key *key,
		   const struct seed_pack_id *id, const uint8_t salt[SEED_SALT_SIZE],
		   struct seed_error *err);

#endif
