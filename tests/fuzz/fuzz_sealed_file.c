// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A sealed file: read within its bounds or refused. The first byte chooses: the
 * bytes as they come, or cut into records that are properly numbered and
 * sealed, so that order, last-flags and inner forms are what is tried.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "crypto/digest.h"
#include "fuzz_dir.h"
#include "pack/sealed_internal.h"

#define PLAIN_MAX ((size_t)3 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct seed_file_id id = { .role = SEED_FILE_LIST, .number = 0x10001 };
static const struct seed_set_key key = { .sealed = true, .known = true };

static size_t put_record(struct seed_aead *aead, const struct seed_seal *seal, uint8_t *out,
			 uint32_t number, bool last, const uint8_t *inner, size_t len)
{
	uint8_t nonce[SEED_AEAD_NONCE] = { 0 }, aad[SEED_RECORD_CONTEXT_MAX + 5];

	seed_put64(nonce, number);
	memcpy(aad, seal->context, seal->context_len);
	seed_put32(aad + seal->context_len, number);
	aad[seal->context_len + 4] = last;
	memcpy(out, "VSRC", 4);
	seed_put32(out + 4, number);
	seed_put32(out + 8, (uint32_t)len + SEED_AEAD_TAG);
	seed_put32(out + 12, last);
	if (seed_aead_seal(aead, out + 16, nonce, aad, seal->context_len + 5, inner, len, NULL) < 0)
		abort();
	return 16 + len + SEED_AEAD_TAG;
}

/* Each piece: its length (u16, the top bit the last-flag), then so many bytes of an inner form. */
static size_t put_records(uint8_t *out, const uint8_t *data, size_t size)
{
	SEED_AUTO(seed_aead_freep) struct seed_aead *aead = NULL;
	uint8_t salt[SEED_SALT_SIZE] = { 0 };
	size_t sum = SEED_SEALED_HEADER;
	struct seed_seal seal;

	if (seed_sealed_seal(&seal, &key, &id, salt, NULL) < 0 || seed_aead_new(&aead, NULL) < 0 ||
	    seed_aead_set_key(aead, seal.key.bytes, NULL) < 0)
		abort();
	seed_sealed_header_put(out, &id, salt);
	for (uint32_t number = 0; size >= 2 && number < 64; number++) {
		size_t len = seed_get16(data) & 0x7fff;
		bool last = data[1] & 0x80;

		data += 2;
		size -= 2;
		if (len > size)
			len = size;
		sum += put_record(aead, &seal, out + sum, number, last, data, len);
		data += len;
		size -= len;
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const subs[] = { "seeds", "seeds/00000000000000000000000000000000",
					    NULL };
	int dir = fuzz_dir(subs);
	char name[SEED_FILE_NAME], *plain = NULL;
	struct seed_stored_facts stored;
	struct seed_error err = { 0 };
	SEED_AUTO(seed_freep) uint8_t *file = NULL;
	size_t len;

	if (size < 1)
		return 0;
	file = malloc(SEED_SEALED_HEADER + size + 64 * 32);
	if (!file)
		abort();
	if (data[0] & 1) {
		stored.length = size - 1;
		memcpy(file, data + 1, size - 1);
	} else {
		stored.length = put_records(file, data + 1, size - 1);
	}
	seed_digest_of(&stored.digest, file, stored.length);
	fuzz_dir_put(dir, seed_file_name(&id, true, name), file, stored.length);
	if (seed_stored_file_load(dir, &id, &key, &stored, PLAIN_MAX, &plain, &len, &err) < 0) {
		if (plain || (err.kind != SEED_ERR_INTEGRITY && err.kind != SEED_ERR_RANGE))
			abort();
		return 0;
	}
	if (len > PLAIN_MAX || plain[len] != '\0')
		abort();
	free(plain);
	return 0;
}
