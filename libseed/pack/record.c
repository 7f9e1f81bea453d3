// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pack/record.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"

#define MAGIC "VSRC"
#define INNER_HEAD 8u
#define FLAG_LAST 1u
#define CODEC_STORED 0u
#define CODEC_ZSTD 1u
#define AAD_MAX (SEED_RECORD_CONTEXT_MAX + 5u)

struct seed_record_codec {
	struct seed_zstd *zstd;
	struct seed_aead *aead;
	bool keyed;			/* @aead holds the schedule of @key */
	struct seed_secret key;
	uint8_t *scratch;		/* an opened body; made when first needed */
};

int seed_record_codec_new(struct seed_record_codec **out, int level, struct seed_error *err)
{
	SEED_AUTO(seed_record_codec_freep) struct seed_record_codec *codec =
		calloc(1, sizeof(*codec));

	if (!codec)
		return seed_error_sys(err, ENOMEM, "record codec");
	if (seed_zstd_new(&codec->zstd, level, err) < 0 || seed_aead_new(&codec->aead, err) < 0)
		return -1;
	*out = seed_steal(&codec);
	return 0;
}

void seed_record_codec_free(struct seed_record_codec *codec)
{
	if (!codec)
		return;
	seed_zstd_free(codec->zstd);
	seed_aead_free(codec->aead);
	if (codec->scratch)
		seed_wipe(codec->scratch, SEED_RECORD_MAX);
	free(codec->scratch);
	seed_wipe(codec, sizeof(*codec));
	free(codec);
}

/* The key schedule costs as much as sealing a kilobyte, and a file has one key. */
static int use_key(struct seed_record_codec *codec, const struct seed_seal *seal,
		   struct seed_error *err)
{
	if (codec->keyed && memcmp(codec->key.bytes, seal->key.bytes, sizeof(codec->key)) == 0)
		return 0;
	codec->keyed = false;
	if (seed_aead_set_key(codec->aead, seal->key.bytes, err) < 0)
		return -1;
	codec->key = seal->key;
	codec->keyed = true;
	return 0;
}

static void make_nonce(uint8_t nonce[SEED_AEAD_NONCE], uint32_t number)
{
	memset(nonce, 0, SEED_AEAD_NONCE);
	seed_put64(nonce, number);
}

static size_t make_aad(uint8_t aad[AAD_MAX], const struct seed_seal *seal, uint32_t number,
		       bool last)
{
	memcpy(aad, seal->context, seal->context_len);
	seed_put32(aad + seal->context_len, number);
	aad[seal->context_len + 4] = last;
	return seal->context_len + 5;
}

static int seal_body(struct seed_record_codec *codec, const struct seed_seal *seal,
		     uint32_t number, bool last, uint8_t *body, size_t len,
		     struct seed_error *err)
{
	uint8_t nonce[SEED_AEAD_NONCE], aad[AAD_MAX];
	size_t aad_len = make_aad(aad, seal, number, last);

	make_nonce(nonce, number);
	if (use_key(codec, seal, err) < 0)
		return -1;
	return seed_aead_seal(codec->aead, body, nonce, aad, aad_len, body, len, err);
}

static int open_body(struct seed_record_codec *codec, const struct seed_seal *seal,
		     uint32_t number, bool last, const uint8_t *body, size_t len,
		     struct seed_error *err)
{
	uint8_t nonce[SEED_AEAD_NONCE], aad[AAD_MAX];
	size_t aad_len = make_aad(aad, seal, number, last);

	if (!codec->scratch)
		codec->scratch = malloc(SEED_RECORD_MAX);
	if (!codec->scratch)
		return seed_error_sys(err, ENOMEM, "record codec");
	make_nonce(nonce, number);
	if (use_key(codec, seal, err) < 0)
		return -1;
	return seed_aead_open(codec->aead, codec->scratch, nonce, aad, aad_len, body, len, err);
}

/* Our own callers' side of the bargain. */
static int check_spec(const struct seed_record_spec *spec, size_t room, struct seed_error *err)
{
	size_t sum = 0;

	if (spec->blocks > SEED_RECORD_BLOCKS || spec->plain_len > SEED_RECORD_PLAIN_MAX)
		return seed_error_set(err, SEED_ERR_RANGE,
				      "record %u: %u blocks of %zu bytes in all are too much for "
				      "one record",
				      spec->number, spec->blocks, spec->plain_len);
	for (uint16_t i = 0; i < spec->blocks; i++) {
		if (spec->lengths[i] < 1 || spec->lengths[i] > SEED_BLOCK_SIZE)
			return seed_error_set(err, SEED_ERR_RANGE, "record %u: block of %u bytes",
					      spec->number, spec->lengths[i]);
		sum += spec->lengths[i];
	}
	if (spec->blocks && sum != spec->plain_len)
		return seed_error_set(err, SEED_ERR_RANGE,
				      "record %u: blocks of %zu bytes in %zu bytes", spec->number,
				      sum, spec->plain_len);
	if (room < spec->plain_len + SEED_RECORD_HEADER + INNER_HEAD + 4u * SEED_RECORD_BLOCKS +
		   SEED_AEAD_TAG)
		return seed_error_set(err, SEED_ERR_RANGE, "record %u: no room to encode it",
				      spec->number);
	return 0;
}

/* Inner form at @out, compressed straight into its place; its length, or 0 with @err. */
static size_t put_inner(struct seed_record_codec *codec, const struct seed_record_spec *spec,
			uint8_t *out, size_t room, struct seed_error *err)
{
	size_t head = INNER_HEAD + 4u * spec->blocks, payload = 0;
	bool packed = false;

	if (spec->plain_len &&
	    seed_zstd_compress(codec->zstd, out + head, room - head, &payload, &packed,
			       spec->plain, spec->plain_len, err) < 0)
		return 0;
	if (!packed || payload >= spec->plain_len) {
		packed = false;
		payload = spec->plain_len;
		if (payload)
			memcpy(out + head, spec->plain, payload);
	}
	out[0] = packed ? CODEC_ZSTD : CODEC_STORED;
	out[1] = 0;
	seed_put16(out + 2, spec->blocks);
	seed_put32(out + 4, (uint32_t)spec->plain_len);
	for (uint16_t i = 0; i < spec->blocks; i++)
		seed_put32(out + INNER_HEAD + 4u * i, spec->lengths[i]);
	return head + payload;
}

int seed_record_encode(struct seed_record_codec *codec, const struct seed_seal *seal,
		       const struct seed_record_spec *spec, uint8_t *out, size_t room,
		       size_t *out_len, struct seed_error *err)
{
	uint8_t *body = out + SEED_RECORD_HEADER;
	size_t len;

	if (check_spec(spec, room, err) < 0)
		return -1;
	len = put_inner(codec, spec, body, room - SEED_RECORD_HEADER - SEED_AEAD_TAG, err);
	if (!len)
		return -1;
	if (seal->sealed) {
		if (seal_body(codec, seal, spec->number, spec->last, body, len, err) < 0)
			return -1;
		len += SEED_AEAD_TAG;
	}
	memcpy(out, MAGIC, 4);
	seed_put32(out + 4, spec->number);
	seed_put32(out + 8, (uint32_t)len);
	seed_put16(out + 12, spec->last ? FLAG_LAST : 0);
	seed_put16(out + 14, 0);
	*out_len = SEED_RECORD_HEADER + len;
	return 0;
}

int seed_record_header(const uint8_t header[SEED_RECORD_HEADER], uint32_t *number, bool *last,
		       uint64_t *stored_len, struct seed_error *err)
{
	uint32_t body = seed_get32(header + 8);
	uint16_t flags = seed_get16(header + 12);

	if (memcmp(header, MAGIC, 4) != 0)
		return seed_error_set(err, SEED_ERR_FORMAT, "no record where one must begin");
	if (flags & ~FLAG_LAST || seed_get16(header + 14) != 0)
		return seed_error_set(err, SEED_ERR_FORMAT, "record with flags not understood");
	if (body < INNER_HEAD || body > SEED_RECORD_MAX - SEED_RECORD_HEADER)
		return seed_error_set(err, SEED_ERR_FORMAT, "record body of %u bytes", body);
	*number = seed_get32(header + 4);
	*last = flags & FLAG_LAST;
	*stored_len = (uint64_t)SEED_RECORD_HEADER + body;
	return 0;
}

/* Which record it says it is; the context and the tag prove it, where it is sealed. */
static int check_header(const uint8_t *stored, size_t stored_len, uint32_t number, bool last,
			struct seed_error *err)
{
	uint32_t found;
	uint64_t whole;
	bool is_last;

	if (stored_len < SEED_RECORD_HEADER)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "cut short");
	if (seed_record_header(stored, &found, &is_last, &whole, err) < 0) {
		if (err)
			err->kind = SEED_ERR_INTEGRITY;
		return -1;
	}
	if (found != number)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "is record %u, out of its place",
				      found);
	if (is_last != last)
		return seed_error_set(err, SEED_ERR_INTEGRITY, last ? "is not marked as the last" :
				      "is marked as the last");
	if (whole != stored_len)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "%zu bytes long instead of %ju",
				      stored_len, (uintmax_t)whole);
	return 0;
}

/* The inner head: block lengths to @info, the codec and what is left to @payload. */
static int parse_inner(struct seed_cursor *payload, uint8_t *codec, struct seed_record_plain *info,
		       const uint8_t *inner, size_t len, struct seed_error *err)
{
	struct seed_cursor c = seed_cursor_of(inner, len);
	size_t sum = 0;

	*codec = seed_cursor_u8(&c);
	if (seed_cursor_u8(&c) != 0 || *codec > CODEC_ZSTD)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "codec not understood");
	info->blocks = seed_cursor_u16(&c);
	info->plain_len = seed_cursor_u32(&c);
	if (info->blocks > SEED_RECORD_BLOCKS || info->plain_len > SEED_RECORD_PLAIN_MAX)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "%u blocks of %zu bytes in all",
				      info->blocks, info->plain_len);
	for (uint16_t i = 0; i < info->blocks; i++) {
		info->lengths[i] = seed_cursor_u32(&c);
		if (info->lengths[i] < 1 || info->lengths[i] > SEED_BLOCK_SIZE)
			return seed_error_set(err, SEED_ERR_INTEGRITY, "block of %u bytes",
					      info->lengths[i]);
		sum += info->lengths[i];
	}
	if (c.bad || (info->blocks && sum != info->plain_len))
		return seed_error_set(err, SEED_ERR_INTEGRITY, "block lengths do not add up");
	*payload = c;
	return 0;
}

static int unpack_inner(struct seed_record_codec *codec, const uint8_t *inner, size_t len,
			uint8_t *plain, size_t room, struct seed_record_plain *info,
			struct seed_error *err)
{
	struct seed_record_plain found = { 0 };
	struct seed_cursor payload = { 0 };
	uint8_t packing = CODEC_STORED;

	if (parse_inner(&payload, &packing, &found, inner, len, err) < 0)
		return -1;
	if (found.plain_len > room)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "%zu bytes where at most %zu fit",
				      found.plain_len, room);
	if (packing == CODEC_ZSTD) {
		if (seed_zstd_decompress(codec->zstd, plain, found.plain_len, payload.next,
					 payload.left, err) < 0)
			return -1;
	} else if (payload.left != found.plain_len) {
		return seed_error_set(err, SEED_ERR_INTEGRITY, "%zu bytes stored instead of %zu",
				      payload.left, found.plain_len);
	} else if (found.plain_len) {
		memcpy(plain, payload.next, found.plain_len);
	}
	*info = found;
	return 0;
}

int seed_record_decode(struct seed_record_codec *codec, const struct seed_seal *seal,
		       uint32_t number, bool last, const uint8_t *stored, size_t stored_len,
		       uint8_t *plain, size_t room, struct seed_record_plain *info,
		       struct seed_error *err)
{
	const uint8_t *body = stored + SEED_RECORD_HEADER;
	size_t len;

	if (check_header(stored, stored_len, number, last, err) < 0)
		goto named;
	len = stored_len - SEED_RECORD_HEADER;
	if (seal->sealed) {
		if (len < INNER_HEAD + SEED_AEAD_TAG) {
			seed_error_set(err, SEED_ERR_INTEGRITY, "too short to be sealed");
			goto named;
		}
		if (open_body(codec, seal, number, last, body, len, err) < 0)
			goto named;
		body = codec->scratch;
		len -= SEED_AEAD_TAG;
	}
	if (unpack_inner(codec, body, len, plain, room, info, err) == 0)
		return 0;
named:
	return seed_error_prefix(err, "record %u", number);
}
