/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small packs of known content, for tests of whoever reads packs. */
#ifndef TESTS_TINY_PACK_H
#define TESTS_TINY_PACK_H

#include "pack/pack_format.h"
#include "pack/pack_internal.h"

struct tiny_pack {
	struct seed_pack_id id;
	struct seed_set_key key;
	struct seed_pack_facts facts;
};

/* A set with ids and key of bytes made from @tag; pack 1 of volume 1. */
struct tiny_pack tiny_pack_of(uint8_t tag, bool sealed);

/* Block @n of a tiny pack: its bytes to @out, its length returned. Even ones compress, odd ones do
 * not; lengths are odd ones now and then. */
uint32_t tiny_block(uint32_t n, uint8_t *out);

/* Write it beneath @dir (packs/ is made when missing) with @records records of @blocks blocks each;
 * @salt NULL: a random one. Fails the test on any error. */
void tiny_pack_write(struct tiny_pack *pack, int dir, uint32_t records, uint16_t blocks,
		     const uint8_t *salt);

/* The pack's bytes; the caller frees them. */
uint8_t *tiny_pack_bytes(const struct tiny_pack *pack, int dir, size_t *len);
/* Replace the pack's bytes beneath @dir. */
void tiny_pack_put(const struct tiny_pack *pack, int dir, const void *data, size_t len);

#endif
