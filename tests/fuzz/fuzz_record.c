// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A stored record: opened within bounds or refused. The first byte chooses: the
 * bytes as they come, or framed properly so that the inner form is what is
 * tried, in the clear or under a good seal (whoever has the key may be hostile).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "pack/record.h"

#define NUMBER 7u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct seed_record_codec *codec, const struct seed_seal *seal, bool last,
		  const uint8_t *stored, size_t len, size_t room)
{
	/* Exactly as large as promised: a byte more is seen by the sanitizer. */
	SEED_AUTO(seed_freep) uint8_t *plain = malloc(room ? room : 1);
	struct seed_record_plain info;
	struct seed_error err = { 0 };
	size_t sum = 0;

	if (!plain)
		abort();
	if (seed_record_decode(codec, seal, NUMBER, last, stored, len, plain, room, &info,
			       &err) < 0) {
		if (err.kind != SEED_ERR_INTEGRITY || strncmp(err.text, "record 7: ", 10) != 0)
			abort();
		return;
	}
	for (uint16_t i = 0; i < info.blocks; i++)
		sum += info.lengths[i];
	if (info.plain_len > room || info.blocks > SEED_RECORD_BLOCKS ||
	    (info.blocks && sum != info.plain_len))
		abort();
}

static size_t frame(const struct seed_seal *seal, uint8_t *stored, const uint8_t *inner,
		    size_t len, bool last)
{
	static struct seed_aead *aead;
	uint8_t nonce[SEED_AEAD_NONCE] = { NUMBER }, aad[5] = { NUMBER, 0, 0, 0, last };

	memcpy(stored + SEED_RECORD_HEADER, inner, len);
	if (seal->sealed) {
		if (!aead && (seed_aead_new(&aead, NULL) < 0 ||
			      seed_aead_set_key(aead, seal->key.bytes, NULL) < 0))
			abort();
		if (seed_aead_seal(aead, stored + SEED_RECORD_HEADER, nonce, aad, sizeof(aad),
				   stored + SEED_RECORD_HEADER, len, NULL) < 0)
			abort();
		len += SEED_AEAD_TAG;
	}
	memcpy(stored, "VSRC", 4);
	seed_put32(stored + 4, NUMBER);
	seed_put32(stored + 8, (uint32_t)len);
	seed_put32(stored + 12, last);
	return SEED_RECORD_HEADER + len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct seed_record_codec *codec;
	struct seed_seal seal = { .sealed = false };
	SEED_AUTO(seed_freep) uint8_t *stored = NULL;
	uint8_t mode;
	size_t len, room;
	bool last;

	if (size < 3)
		return 0;
	if (!codec && seed_record_codec_new(&codec, 1, NULL) < 0)
		abort();
	mode = data[0];
	room = seed_get16(data + 1) % 4 ? seed_get16(data + 1) : SEED_RECORD_PLAIN_MAX;
	data += 3;
	size -= 3;
	last = mode & 4;
	seal.sealed = mode & 1;
	stored = malloc(size + SEED_RECORD_HEADER + SEED_AEAD_TAG);
	if (!stored)
		abort();
	if (mode & 2) {
		memcpy(stored, data, size);
		len = size;
	} else {
		len = frame(&seal, stored, data, size, last);
	}
	/* Cut to its length, so that reading past the end is seen. */
	stored = realloc(stored, len ? len : 1);
	if (!stored)
		abort();
	check(codec, &seal, last, stored, len, room);
	return 0;
}
