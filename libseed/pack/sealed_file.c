// SPDX-License-Identifier: LGPL-2.1-or-later
/* Names, headers and keys of a seed's files; sealed_write.c and sealed_read.c do the rest. */
#include "pack/sealed_file.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "pack/pack_internal.h"
#include "pack/sealed_internal.h"

#define MAGIC "VMSEEDSF"
#define VERSION 1u

char *seed_file_name(const struct seed_file_id *id, bool sealed, char *out)
{
	const char *end = sealed ? ".sealed" : "";
	char seed[SEED_ID_TEXT];

	seed_id_text(&id->seed, seed);
	switch (id->role) {
	case SEED_FILE_MANIFEST:
		snprintf(out, SEED_FILE_NAME, "seeds/%s/manifest%s", seed, sealed ? end : ".json");
		break;
	case SEED_FILE_LIST:
		snprintf(out, SEED_FILE_NAME, "seeds/%s/list-%04u-%04u%s", seed, id->number >> 16,
			 id->number & 0xffff, end);
		break;
	case SEED_FILE_SIDE:
		snprintf(out, SEED_FILE_NAME, "seeds/%s/file-%04u%s", seed, id->number, end);
		break;
	case SEED_FILE_RECEIPT:
		snprintf(out, SEED_FILE_NAME, "receipts/%08u%s", id->number,
			 sealed ? end : ".json");
		break;
	}
	return out;
}

void seed_sealed_header_put(uint8_t out[SEED_SEALED_HEADER], const struct seed_file_id *id,
			    const uint8_t salt[SEED_SALT_SIZE])
{
	memcpy(out, MAGIC, 8);
	seed_put16(out + 8, VERSION);
	seed_put16(out + 10, (uint16_t)id->role);
	memcpy(out + 12, id->set.bytes, SEED_ID_SIZE);
	memcpy(out + 28, id->seed.bytes, SEED_ID_SIZE);
	seed_put32(out + 44, id->number);
	memcpy(out + 48, salt, SEED_SALT_SIZE);
}

int seed_sealed_header_check(const uint8_t header[SEED_SEALED_HEADER],
			     const struct seed_file_id *id, uint8_t salt[SEED_SALT_SIZE],
			     struct seed_error *err)
{
	uint8_t wanted[SEED_SEALED_HEADER];

	seed_sealed_header_put(wanted, id, header + 48);
	if (memcmp(header, wanted, 8) != 0)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "not a sealed file");
	if (seed_get16(header + 8) != VERSION)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "of a version not understood");
	if (memcmp(header, wanted, SEED_SEALED_HEADER) != 0)
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "another file of this or another seed in its place");
	memcpy(salt, header + 48, SEED_SALT_SIZE);
	return 0;
}

int seed_sealed_seal(struct seed_seal *out, const struct seed_set_key *key,
		     const struct seed_file_id *id, const uint8_t salt[SEED_SALT_SIZE],
		     struct seed_error *err)
{
	static const char *const labels[] = {
		[SEED_FILE_MANIFEST] = "vmseed manifest 1",
		[SEED_FILE_LIST] = "vmseed list 1",
		[SEED_FILE_SIDE] = "vmseed side 1",
		[SEED_FILE_RECEIPT] = "vmseed receipt 1",
	};
	uint8_t context[2 * SEED_ID_SIZE + 4];

	memcpy(context, id->set.bytes, SEED_ID_SIZE);
	memcpy(context + SEED_ID_SIZE, id->seed.bytes, SEED_ID_SIZE);
	seed_put32(context + 2 * SEED_ID_SIZE, id->number);
	return seed_seal_derive(out, key, labels[id->role], context, sizeof(context), salt, err);
}
