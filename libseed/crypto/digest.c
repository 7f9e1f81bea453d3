// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Two lanes, each somewhere in a message of its own, move on together by as many blocks as
 * both still have; a lane that runs out is given its padding, then the next message. So any mix of
 * lengths keeps both lanes busy until the last message is alone.
 */
#include "crypto/digest.h"

#include <openssl/evp.h>
#include <string.h>

#include "crypto/crypto_internal.h"
#include "crypto/digest_internal.h"

static const uint32_t initial_state[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static void compress(uint32_t state[8], const uint8_t *data, size_t blocks)
{
	if (seed_sha256_x2_usable())
		seed_sha256_ni(state, data, blocks);
	else
		seed_sha256_openssl(state, data, blocks);
}

static void compress_two(uint32_t state_a[8], const uint8_t *a, uint32_t state_b[8],
			 const uint8_t *b, size_t blocks)
{
	if (seed_sha256_x2_usable()) {
		seed_sha256_ni_x2(state_a, a, state_b, b, blocks);
	} else {
		seed_sha256_openssl(state_a, a, blocks);
		seed_sha256_openssl(state_b, b, blocks);
	}
}

static void put32_big(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static void store_digest(struct seed_digest *out, const uint32_t state[8])
{
	for (size_t i = 0; i < 8; i++)
		put32_big(out->bytes + 4 * i, state[i]);
}

/* The one or two last blocks of a message of @len bytes, of which @rest (the last len % 64) are
 * not hashed yet. Returns how many blocks. */
static size_t pad_message(uint8_t pad[2 * SEED_SHA256_BLOCK], const uint8_t *rest, uint64_t len)
{
	size_t used = len % SEED_SHA256_BLOCK;
	size_t blocks = used + 9 <= SEED_SHA256_BLOCK ? 1 : 2;
	uint8_t *end = pad + blocks * SEED_SHA256_BLOCK;

	memset(pad, 0, blocks * SEED_SHA256_BLOCK);
	if (used > 0)
		memcpy(pad, rest, used);
	pad[used] = 0x80;
	put32_big(end - 8, (uint32_t)(len >> 29));	/* the length counts bits */
	put32_big(end - 4, (uint32_t)(len << 3));
	return blocks;
}

/* ---- one message ---- */

void seed_digest_begin(struct seed_digest_stream *s)
{
	memcpy(s->state, initial_state, sizeof(s->state));
	s->len = 0;
	memset(s->tail, 0, sizeof(s->tail));
}

/* Fill up a begun block of @s. Returns how many bytes of @data that took. */
static size_t complete_tail(struct seed_digest_stream *s, const uint8_t *data, size_t len)
{
	size_t used = s->len % SEED_SHA256_BLOCK;
	size_t take = used == 0 ? 0 : SEED_SHA256_BLOCK - used;

	if (take > len)
		take = len;
	if (take == 0)
		return 0;
	memcpy(s->tail + used, data, take);
	s->len += take;
	if (used + take == SEED_SHA256_BLOCK)
		compress(s->state, s->tail, 1);
	return take;
}

void seed_digest_add(struct seed_digest_stream *s, const void *data, size_t len)
{
	const uint8_t *next = data;
	size_t took = complete_tail(s, next, len);
	size_t rest = (len - took) % SEED_SHA256_BLOCK;

	if (took == len)
		return;
	next += took;
	len -= took;
	if (len > rest)
		compress(s->state, next, len / SEED_SHA256_BLOCK);
	memcpy(s->tail, next + len - rest, rest);
	s->len += len;
}

void seed_digest_end(struct seed_digest_stream *s, struct seed_digest *out)
{
	uint8_t pad[2 * SEED_SHA256_BLOCK];

	compress(s->state, pad, pad_message(pad, s->tail, s->len));
	store_digest(out, s->state);
}

/* The end of a message whose whole blocks are in @state already. */
static void finish_whole(uint32_t state[8], const uint8_t *data, size_t len,
			 struct seed_digest *out)
{
	uint8_t pad[2 * SEED_SHA256_BLOCK];
	size_t rest = len % SEED_SHA256_BLOCK;

	compress(state, pad, pad_message(pad, rest ? data + len - rest : NULL, len));
	store_digest(out, state);
}

void seed_digest_of(struct seed_digest *out, const void *data, size_t len)
{
	uint32_t state[8];

	memcpy(state, initial_state, sizeof(state));
	if (len >= SEED_SHA256_BLOCK)
		compress(state, data, len / SEED_SHA256_BLOCK);
	finish_whole(state, data, len, out);
}

void seed_digest_add_and_hash(struct seed_digest_stream *s, const void *data, size_t len,
			      struct seed_digest *out)
{
	const uint8_t *bytes = data;
	size_t took = complete_tail(s, bytes, len);
	size_t both = (len - took) / SEED_SHA256_BLOCK;
	uint32_t state[8];

	/* The stream's blocks begin @took bytes behind the record's, so the record has as many
	 * blocks as the stream, or one more. */
	memcpy(state, initial_state, sizeof(state));
	if (both > 0) {
		compress_two(s->state, bytes + took, state, bytes, both);
		s->len += both * SEED_SHA256_BLOCK;
	}
	took += both * SEED_SHA256_BLOCK;
	if (len > took)
		seed_digest_add(s, bytes + took, len - took);
	if (len / SEED_SHA256_BLOCK > both)
		compress(state, bytes + both * SEED_SHA256_BLOCK, len / SEED_SHA256_BLOCK - both);
	finish_whole(state, bytes, len, out);
}

/* ---- many messages ---- */

struct lane {
	uint32_t state[8];
	const uint8_t *next;	/* of the message, then of @pad */
	size_t blocks;		/* left at @next */
	bool padded;
	const uint8_t *rest;	/* the message's bytes behind its whole blocks */
	size_t len;
	struct seed_digest *out;	/* NULL: nothing to do */
	uint8_t pad[2 * SEED_SHA256_BLOCK];
};

struct queue {
	struct seed_digest *out;
	const void *const *data;
	const size_t *lens;
	size_t next, count;
};

static void begin_message(struct lane *lane, struct queue *queue)
{
	size_t i = queue->next++;

	memcpy(lane->state, initial_state, sizeof(lane->state));
	lane->len = queue->lens[i];
	lane->next = queue->data[i];
	lane->blocks = lane->len / SEED_SHA256_BLOCK;
	lane->rest = lane->blocks ? lane->next + lane->blocks * SEED_SHA256_BLOCK : lane->next;
	lane->padded = false;
	lane->out = &queue->out[i];
}

/* Give @lane blocks to hash, from where it is or from the queue; false when there are none. */
static bool supply_lane(struct lane *lane, struct queue *queue)
{
	while (lane->blocks == 0) {
		if (lane->out && !lane->padded) {
			lane->blocks = pad_message(lane->pad, lane->rest, lane->len);
			lane->next = lane->pad;
			lane->padded = true;
			continue;
		}
		if (lane->out)
			store_digest(lane->out, lane->state);
		lane->out = NULL;
		if (queue->next == queue->count)
			return false;
		begin_message(lane, queue);
	}
	return true;
}

static void advance_lane(struct lane *lane, size_t blocks)
{
	lane->next += blocks * SEED_SHA256_BLOCK;
	lane->blocks -= blocks;
}

static void finish_lane(struct lane *lane, struct queue *queue)
{
	while (supply_lane(lane, queue)) {
		compress(lane->state, lane->next, lane->blocks);
		advance_lane(lane, lane->blocks);
	}
}

void seed_digest_many(struct seed_digest *out, const void *const *data, const size_t *lens,
		      size_t count)
{
	struct queue queue = { .out = out, .data = data, .lens = lens, .count = count };
	struct lane a = { .out = NULL }, b = { .out = NULL };

	while (supply_lane(&a, &queue) && supply_lane(&b, &queue)) {
		size_t blocks = a.blocks < b.blocks ? a.blocks : b.blocks;

		compress_two(a.state, a.next, b.state, b.next, blocks);
		advance_lane(&a, blocks);
		advance_lane(&b, blocks);
	}
	finish_lane(&a, &queue);
	finish_lane(&b, &queue);
}

/* ---- BLAKE2b ---- */

int seed_blake2b(uint8_t out[SEED_BLAKE2B_SIZE], const void *data, size_t len,
		 struct seed_error *err)
{
	if (EVP_Digest(data, len, out, NULL, EVP_blake2b512(), NULL) != 1)
		return seed_libcrypto_error(err, "BLAKE2b-512");
	return 0;
}
