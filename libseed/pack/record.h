/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The record: the one form in which bytes are compressed, sealed and stored,
 * in packs and in other sealed files. vmseed-pack(5) gives every byte.
 *
 *   record = header[16] body
 *   header = "VSRC" number:u32 body length:u32 flags:u16 (bit 0: last) zero:u16
 *   body   = inner, or AES-256-GCM(inner) and its 16-byte tag when sealed
 *   inner  = codec:u8 (0 stored, 1 zstd) zero:u8 blocks:u16 plain length:u32
 *            blocks * length:u32, then the payload
 *
 * A data record holds 1 to 16 blocks and is never the last of its pack; the
 * last is the block index (blocks 0). In sealed form the nonce is the record's number
 * (u64 at byte 0, four zero bytes behind), under a key that belongs to this attempt at this file
 * alone; the associated data is the context below, then number:u32 and last:u8.
 */
#ifndef SEED_PACK_RECORD_H
#define SEED_PACK_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/id.h"
#include "block/grid.h"
#include "codec/zstd_block.h"
#include "crypto/aead.h"
#include "crypto/secret.h"

#define SEED_RECORD_HEADER 16u
#define SEED_RECORD_BLOCKS 16u				/* data blocks at most */
#define SEED_RECORD_PLAIN_MAX (SEED_RECORD_BLOCKS * SEED_BLOCK_SIZE)
/* A data record's stored length at most: incompressible, sealed. */
#define SEED_RECORD_MAX (SEED_RECORD_HEADER + 8u + 4u * SEED_RECORD_BLOCKS + \
			 SEED_RECORD_PLAIN_MAX + SEED_AEAD_TAG)
#define SEED_SALT_SIZE 32u
#define SEED_RECORD_CONTEXT_MAX 48u

/* How records of one file are sealed. Plain data; wiped by its owner. */
struct seed_seal {
	bool sealed;			/* false: plaintext set, the rest unused */
	struct seed_secret key;		/* of this attempt at this file */
	uint8_t context[SEED_RECORD_CONTEXT_MAX];
	size_t context_len;
};

/* A codec: what a worker needs to encode or decode records. One thread at a time. */
struct seed_record_codec;
int seed_record_codec_new(struct seed_record_codec **out, int level, struct seed_error *err);
void seed_record_codec_free(struct seed_record_codec *codec);
static inline void seed_record_codec_freep(struct seed_record_codec **c)
{
	seed_record_codec_free(*c);
}

struct seed_record_spec {
	uint32_t number;
	bool last;
	const uint32_t *lengths;	/* of @blocks blocks; NULL with blocks 0 */
	uint16_t blocks;
	const void *plain;		/* the blocks one behind the other, or other bytes */
	size_t plain_len;
};

/**
 * seed_record_encode() - compress (when smaller), seal, frame
 * @out: receives the stored record; @room at least plain_len + 128
 * @seal: switching seals re-keys the codec's cipher, so keep to one file for long
 */
int seed_record_encode(struct seed_record_codec *codec, const struct seed_seal *seal,
		       const struct seed_record_spec *spec, uint8_t *out, size_t room,
		       size_t *out_len, struct seed_error *err);

struct seed_record_plain {
	uint16_t blocks;
	uint32_t lengths[SEED_RECORD_BLOCKS];
	size_t plain_len;
};

/**
 * seed_record_decode() - unframe, open, decompress
 * @stored: exactly one record, whose digest the caller has checked already
 * @number, @last: what it must be
 * @plain: receives at most @room bytes
 * @err: INTEGRITY for anything that is not as it must be
 */
int seed_record_decode(struct seed_record_codec *codec, const struct seed_seal *seal,
		       uint32_t number, bool last, const uint8_t *stored, size_t stored_len,
		       uint8_t *plain, size_t room, struct seed_record_plain *info,
		       struct seed_error *err);
/* Read a record's header alone: its number and whole length (header and body), for walking a file
 * without its table. FORMAT when it is none. */
int seed_record_header(const uint8_t header[SEED_RECORD_HEADER], uint32_t *number, bool *last,
		       uint64_t *stored_len, struct seed_error *err);

#endif
