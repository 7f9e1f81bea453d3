// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pack/pack_format.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "crypto/kdf.h"
#include "pack/pack_internal.h"

#define HEADER_MAGIC "VMSEEDPK"
#define TRAILER_MAGIC "VMSEEDPT"
#define VERSION 1u
#define FLAG_SEALED 1u
#define LABEL_MAX 32u

char *seed_pack_name(uint32_t pack, char *out)
{
	/* Ten digits at most: 6 + 10 + 5 and the NUL fit. */
	snprintf(out, SEED_PACK_NAME, "packs/%08u.pack", pack);
	return out;
}

int seed_seal_derive(struct seed_seal *out, const struct seed_set_key *key, const char *label,
		     const uint8_t *context, size_t context_len,
		     const uint8_t salt[SEED_SALT_SIZE], struct seed_error *err)
{
	uint8_t info[LABEL_MAX + SEED_RECORD_CONTEXT_MAX];
	struct seed_seal seal = { .sealed = key->sealed, .context_len = context_len };
	size_t len = strlen(label);
	int rc;

	assert(len <= LABEL_MAX && context_len <= SEED_RECORD_CONTEXT_MAX);
	memcpy(seal.context, context, context_len);
	if (!key->sealed) {
		*out = seal;
		return 0;
	}
	if (!key->known)
		return seed_error_set(err, SEED_ERR_NOTFOUND,
				      "sealed, and the key of its set is not known here");
	memcpy(info, label, len);
	memcpy(info + len, context, context_len);
	rc = seed_hkdf(seal.key.bytes, sizeof(seal.key.bytes), key->key.bytes,
		       sizeof(key->key.bytes), salt, SEED_SALT_SIZE, info, len + context_len, err);
	if (rc == 0)
		*out = seal;
	seed_wipe(&seal, sizeof(seal));
	return rc;
}

int seed_pack_seal(struct seed_seal *out, const struct seed_set_key *key,
		   const struct seed_pack_id *id, const uint8_t salt[SEED_SALT_SIZE],
		   struct seed_error *err)
{
	uint8_t context[SEED_ID_SIZE + 8];

	memcpy(context, id->set.bytes, SEED_ID_SIZE);
	seed_put32(context + SEED_ID_SIZE, id->volume);
	seed_put32(context + SEED_ID_SIZE + 4, id->pack);
	return seed_seal_derive(out, key, "vmseed pack 1", context, sizeof(context), salt, err);
}

void seed_pack_header_put(uint8_t out[SEED_PACK_HEADER], const struct seed_pack_id *id,
			  bool sealed, const uint8_t salt[SEED_SALT_SIZE])
{
	memset(out, 0, SEED_PACK_HEADER);
	memcpy(out, HEADER_MAGIC, 8);
	seed_put16(out + 8, VERSION);
	seed_put16(out + 10, sealed ? FLAG_SEALED : 0);
	seed_put32(out + 12, SEED_BLOCK_SIZE);
	memcpy(out + 16, id->set.bytes, SEED_ID_SIZE);
	seed_put32(out + 32, id->volume);
	seed_put32(out + 36, id->pack);
	if (sealed)
		memcpy(out + 40, salt, SEED_SALT_SIZE);
}

/* What is not the header that we would write is worded by its first difference. */
static const char *header_fault(const uint8_t *header, const uint8_t *wanted)
{
	if (memcmp(header, wanted, 8) != 0)
		return "not a pack";
	if (seed_get16(header + 8) != VERSION)
		return "of a version not understood";
	if (seed_get16(header + 10) != seed_get16(wanted + 10))
		return seed_get16(wanted + 10) ? "not sealed, in a sealed set" :
						 "sealed, in a plaintext set";
	if (memcmp(header + 16, wanted + 16, SEED_ID_SIZE) != 0)
		return "of another set";
	if (memcmp(header + 32, wanted + 32, 4) != 0)
		return "of another volume";
	if (memcmp(header + 36, wanted + 36, 4) != 0)
		return "another pack of its set";
	return "its header is damaged";
}

int seed_pack_header_check(const uint8_t header[SEED_PACK_HEADER], const struct seed_pack_id *id,
			   bool sealed, uint8_t salt[SEED_SALT_SIZE], struct seed_error *err)
{
	uint8_t wanted[SEED_PACK_HEADER];

	seed_pack_header_put(wanted, id, sealed, header + 40);
	if (memcmp(header, wanted, SEED_PACK_HEADER) != 0)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "%s", header_fault(header, wanted));
	memcpy(salt, header + 40, SEED_SALT_SIZE);
	return 0;
}

void seed_pack_trailer_put(uint8_t out[SEED_PACK_TRAILER], const struct seed_pack_trailer *trailer)
{
	memset(out, 0, SEED_PACK_TRAILER);
	memcpy(out, TRAILER_MAGIC, 8);
	seed_put16(out + 8, VERSION);
	seed_put32(out + 12, trailer->records);
	seed_put64(out + 16, trailer->table_offset);
	seed_put32(out + 24, trailer->blocks);
	memcpy(out + 32, trailer->table.bytes, SEED_DIGEST_SIZE);
	memcpy(out + 64, trailer->index.bytes, SEED_DIGEST_SIZE);
}

int seed_pack_trailer_get(struct seed_pack_trailer *out, const uint8_t trailer[SEED_PACK_TRAILER],
			  struct seed_error *err)
{
	struct seed_pack_trailer t = {
		.records = seed_get32(trailer + 12),
		.table_offset = seed_get64(trailer + 16),
		.blocks = seed_get32(trailer + 24),
	};

	if (memcmp(trailer, TRAILER_MAGIC, 8) != 0)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "its trailer is damaged or missing");
	if (seed_get16(trailer + 8) != VERSION || seed_get16(trailer + 10) != 0 ||
	    seed_get32(trailer + 28) != 0)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "its trailer is not understood");
	memcpy(t.table.bytes, trailer + 32, SEED_DIGEST_SIZE);
	memcpy(t.index.bytes, trailer + 64, SEED_DIGEST_SIZE);
	*out = t;
	return 0;
}

void seed_table_entry_put(uint8_t out[SEED_PACK_TABLE_ENTRY], const struct seed_table_entry *entry)
{
	seed_put64(out, entry->offset);
	seed_put32(out + 8, entry->length);
	seed_put32(out + 12, 0);
	memcpy(out + 16, entry->digest.bytes, SEED_DIGEST_SIZE);
}

int seed_table_entry_get(struct seed_table_entry *out, const uint8_t entry[SEED_PACK_TABLE_ENTRY],
			 struct seed_error *err)
{
	if (seed_get32(entry + 12) != 0)
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "its record table is not understood");
	out->offset = seed_get64(entry);
	out->length = seed_get32(entry + 8);
	memcpy(out->digest.bytes, entry + 16, SEED_DIGEST_SIZE);
	return 0;
}

void seed_index_entry_put(uint8_t out[SEED_PACK_INDEX_ENTRY], const struct seed_index_entry *entry)
{
	memcpy(out, entry->digest.bytes, SEED_DIGEST_SIZE);
	seed_put32(out + 32, entry->record);
	seed_put16(out + 36, entry->slot);
	seed_put16(out + 38, (uint16_t)(entry->length - 1));
}

void seed_index_entry_get(struct seed_index_entry *out, const uint8_t entry[SEED_PACK_INDEX_ENTRY])
{
	memcpy(out->digest.bytes, entry, SEED_DIGEST_SIZE);
	out->record = seed_get32(entry + 32);
	out->slot = seed_get16(entry + 36);
	out->length = (uint32_t)seed_get16(entry + 38) + 1;
}

int seed_medium_error(struct seed_error *err)
{
	if (err && err->kind == SEED_ERR_SYSTEM && err->sys_errno != ENOMEM &&
	    err->sys_errno != EMFILE && err->sys_errno != ENFILE)
		err->kind = SEED_ERR_MEDIUM;
	return -1;
}
