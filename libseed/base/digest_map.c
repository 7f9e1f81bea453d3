// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Digests lie by insertion number in chunks; a ring of pointers finds the chunk
 * of a number. Live numbers are always one range, oldest to newest.
 *
 * The table is buckets of one cache line. A slot is 0 (empty), GONE, or a tag
 * and a number: as many low bits as the live range needs are the number modulo
 * 2^bits, the others are a tag from the keyed hash (never 0), so that a miss
 * reads one line of the table and almost never a digest. A bucket is filled
 * from its front; a digest whose bucket is full goes to the next one that is not.
 * So a search ends at the first bucket that is not full, and it stays right
 * because a bucket that was full never gets an empty slot again until the table
 * is built anew: removing leaves GONE there, which insertion takes over.
 *
 * Memory for each digest: 32 bytes, and 4 bytes over a load that grows by half
 * from 0.6 to 0.9, so at most 38.7, and half a chunk. Growing builds the table
 * anew from the chunks and needs no second copy beside it, save what realloc()
 * takes for a moment below its mmap threshold.
 */
#include "base/digest_map.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/bytes.h"
#include "base/cleanup.h"

#define CHUNK_BITS	11u
#define CHUNK_DIGESTS	(UINT64_C(1) << CHUNK_BITS)
#define CHUNK_BYTES	(CHUNK_DIGESTS * sizeof(struct seed_digest))
#define BUCKET_SLOTS	16u
#define LINE		64u
#define FIRST_BUCKETS	64u
#define FIRST_RING	16u
#define GONE		1u	/* tag 0, so no entry looks like it */
#define NUMBER_BITS_MAX	31u	/* leaves a tag of one bit: 2^31 digests are 128 TiB of blocks */
#define AHEAD		8u	/* entries between prefetch and use */
#define BYTES_MIN	(8 * CHUNK_BYTES)

struct seed_digest_map {
	uint64_t key[2];
	uint64_t max_bytes;
	uint64_t oldest, newest;	/* live insertion numbers: oldest <= n < newest */
	struct seed_digest **ring;	/* chunk of number n: ring[n >> CHUNK_BITS & ring_mask] */
	uint64_t ring_mask;
	uint64_t chunks;
	uint32_t *table;		/* aligned to LINE inside memory */
	void *memory;
	uint64_t buckets;
	uint64_t gone;			/* slots that hold GONE */
	unsigned int number_bits;
};

static uint64_t live(const struct seed_digest_map *map)
{
	return map->newest - map->oldest;
}

static uint64_t slots_full(uint64_t buckets)	/* 0.9 of all slots */
{
	return buckets * BUCKET_SLOTS / 10 * 9;
}

static uint64_t hash_digest(const struct seed_digest_map *map, const struct seed_digest *digest)
{
	unsigned __int128 product = (unsigned __int128)(seed_get64(digest->bytes) ^ map->key[0]) *
				    (seed_get64(digest->bytes + 8) ^ map->key[1]);

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The high half chooses the bucket, the low half makes the tag. */
static uint64_t home_bucket(const struct seed_digest_map *map, uint64_t hash)
{
	return (hash >> 32) * map->buckets >> 32;
}

static uint32_t tag_of(const struct seed_digest_map *map, uint64_t hash)
{
	uint32_t tag = (uint32_t)hash >> map->number_bits;

	return tag ? tag : 1;
}

static uint32_t *bucket_at(const struct seed_digest_map *map, uint64_t bucket)
{
	return map->table + bucket * BUCKET_SLOTS;
}

static uint64_t bucket_after(const struct seed_digest_map *map, uint64_t bucket)
{
	return bucket + 1 < map->buckets ? bucket + 1 : 0;
}

static struct seed_digest *digest_at(const struct seed_digest_map *map, uint64_t number)
{
	return map->ring[number >> CHUNK_BITS & map->ring_mask] +
	       (number & (CHUNK_DIGESTS - 1));
}

/* A slot holds its number modulo 2^number_bits; the live range is no longer than that. */
static uint64_t number_in(const struct seed_digest_map *map, uint32_t slot)
{
	uint64_t mask = (UINT64_C(1) << map->number_bits) - 1;

	return map->oldest + ((slot - map->oldest) & mask);
}

static uint32_t slot_value(const struct seed_digest_map *map, uint64_t number, uint64_t hash)
{
	uint32_t mask = (UINT32_C(1) << map->number_bits) - 1;

	return tag_of(map, hash) << map->number_bits | ((uint32_t)number & mask);
}

/* True when @digest is in; else *@free_slot is where it goes (the first GONE on the way,
 * or the empty one at its end). */
static bool find(const struct seed_digest_map *map, const struct seed_digest *digest,
		 uint64_t hash, uint32_t **free_slot)
{
	uint32_t tag = tag_of(map, hash), *reuse = NULL;

	for (uint64_t b = home_bucket(map, hash);; b = bucket_after(map, b)) {
		uint32_t *slot = bucket_at(map, b);

		for (unsigned int i = 0; i < BUCKET_SLOTS; i++) {
			if (!slot[i]) {
				*free_slot = reuse ? reuse : &slot[i];
				return false;
			}
			if (slot[i] == GONE && !reuse)
				reuse = &slot[i];
			if (slot[i] >> map->number_bits == tag &&
			    seed_digest_equal(digest_at(map, number_in(map, slot[i])), digest))
				return true;
		}
	}
}

/* Put a number whose digest is known not to be in. */
static void place(struct seed_digest_map *map, uint32_t *slot, uint64_t number, uint64_t hash)
{
	if (*slot == GONE)
		map->gone--;
	*slot = slot_value(map, number, hash);
}

/* Take the live entry @number out of the table. */
static void displace(struct seed_digest_map *map, uint64_t number)
{
	uint64_t hash = hash_digest(map, digest_at(map, number));
	uint32_t value = slot_value(map, number, hash), *slot;
	unsigned int i, used;

	for (uint64_t b = home_bucket(map, hash);; b = bucket_after(map, b)) {
		slot = bucket_at(map, b);
		for (i = 0; i < BUCKET_SLOTS && slot[i] != value; i++)
			assert(slot[i]);	/* a live entry is in the table */
		if (i < BUCKET_SLOTS)
			break;
	}
	for (used = i + 1; used < BUCKET_SLOTS && slot[used]; used++)
		;
	if (used == BUCKET_SLOTS) {
		slot[i] = GONE;
		map->gone++;
	} else {	/* never full since the table was built: nothing lies beyond */
		slot[i] = slot[used - 1];
		slot[used - 1] = 0;
	}
}

/* The first slot for a digest that is known not to be in, in a table without GONE. */
static uint32_t *empty_slot(const struct seed_digest_map *map, uint64_t hash)
{
	for (uint64_t b = home_bucket(map, hash);; b = bucket_after(map, b)) {
		uint32_t *slot = bucket_at(map, b);

		for (unsigned int i = 0; i < BUCKET_SLOTS; i++)
			if (!slot[i])
				return &slot[i];
	}
}

/* Fill the empty table from the chunks, a few home lines ahead of their use. */
static void build(struct seed_digest_map *map)
{
	uint64_t hashes[AHEAD];

	memset(map->table, 0, map->buckets * LINE);
	map->gone = 0;
	for (uint64_t n = map->oldest; n < map->newest + AHEAD; n++) {
		uint64_t *hash = &hashes[n % AHEAD];

		if (n >= map->oldest + AHEAD)
			place(map, empty_slot(map, *hash), n - AHEAD, *hash);
		if (n < map->newest) {
			*hash = hash_digest(map, digest_at(map, n));
			__builtin_prefetch(bucket_at(map, home_bucket(map, *hash)), 1);
		}
	}
}

static unsigned int bits_for(uint64_t count)
{
	unsigned int bits = 1;

	while (bits < NUMBER_BITS_MAX && UINT64_C(1) << bits < count)
		bits++;
	return bits;
}

static int resize(struct seed_digest_map *map, uint64_t buckets, struct seed_error *err)
{
	void *memory = realloc(map->memory, buckets * LINE + LINE);

	if (!memory)
		return seed_error_sys(err, ENOMEM, "table of %ju digests",
				      (uintmax_t)slots_full(buckets));
	map->memory = memory;
	map->table = (uint32_t *)(((uintptr_t)memory + LINE - 1) & ~(uintptr_t)(LINE - 1));
	map->buckets = buckets;
	map->number_bits = bits_for(slots_full(buckets));
	build(map);
	return 0;
}

uint64_t seed_digest_map_bytes(const struct seed_digest_map *map)
{
	return sizeof(*map) + map->chunks * CHUNK_BYTES + map->buckets * LINE + LINE +
	       (map->ring_mask + 1) * sizeof(*map->ring);
}

int seed_digest_map_new(struct seed_digest_map **out, uint64_t max_bytes, struct seed_error *err)
{
	SEED_AUTO(seed_digest_map_freep) struct seed_digest_map *map = calloc(1, sizeof(*map));

	if (map)
		map->ring = calloc(FIRST_RING, sizeof(*map->ring));
	if (!map || !map->ring)
		return seed_error_sys(err, ENOMEM, "set of digests");
	map->ring_mask = FIRST_RING - 1;
	map->max_bytes = max_bytes > BYTES_MIN ? max_bytes : BYTES_MIN;
	if (getrandom(map->key, sizeof(map->key), 0) != (ssize_t)sizeof(map->key))
		return seed_error_sys(err, errno, "getrandom");
	if (resize(map, FIRST_BUCKETS, err) < 0)
		return -1;
	*out = seed_steal(&map);
	return 0;
}

void seed_digest_map_free(struct seed_digest_map *map)
{
	if (!map)
		return;
	for (uint64_t i = 0; map->ring && i <= map->ring_mask; i++)
		free(map->ring[i]);
	free(map->ring);
	free(map->memory);
	free(map);
}

bool seed_digest_map_has(const struct seed_digest_map *map, const struct seed_digest *digest)
{
	uint32_t *unused;

	return find(map, digest, hash_digest(map, digest), &unused);
}

static struct seed_digest **chunk_slot(const struct seed_digest_map *map, uint64_t number)
{
	return &map->ring[number >> CHUNK_BITS & map->ring_mask];
}

static void drop_chunk(struct seed_digest_map *map, uint64_t number)
{
	struct seed_digest **chunk = chunk_slot(map, number);

	map->chunks -= *chunk != NULL;
	free(*chunk);
	*chunk = NULL;
}

static void forget_oldest(struct seed_digest_map *map)
{
	uint64_t chunk = map->oldest, end = (map->oldest | (CHUNK_DIGESTS - 1)) + 1;

	assert(end <= map->newest);	/* the chunk being filled is not the oldest */
	for (; map->oldest < end; map->oldest++)
		displace(map, map->oldest);
	drop_chunk(map, chunk);
}

/* Twice the ring, every chunk at its new place. */
static int grow_ring(struct seed_digest_map *map, struct seed_error *err)
{
	uint64_t mask = 2 * map->ring_mask + 1;
	struct seed_digest **ring = calloc(mask + 1, sizeof(*ring));

	if (!ring)
		return seed_error_sys(err, ENOMEM, "set of digests");
	for (uint64_t c = map->oldest >> CHUNK_BITS; c <= (map->newest - 1) >> CHUNK_BITS; c++)
		ring[c & mask] = map->ring[c & map->ring_mask];
	free(map->ring);
	map->ring = ring;
	map->ring_mask = mask;
	return 0;
}

/* Room in the table for one more; what a larger table may not have, the oldest gives. */
static int make_slot(struct seed_digest_map *map, struct seed_error *err)
{
	uint64_t grown = map->buckets + map->buckets / 2, full = slots_full(map->buckets);

	if (map->gone > map->buckets * BUCKET_SLOTS / 32) {
		build(map);
		return 0;
	}
	if (live(map) + map->gone < full)
		return 0;
	if (seed_digest_map_bytes(map) + (grown - map->buckets) * LINE <= map->max_bytes &&
	    slots_full(grown) <= UINT64_C(1) << NUMBER_BITS_MAX)
		return resize(map, grown, err);
	forget_oldest(map);
	if (map->gone > map->buckets * BUCKET_SLOTS / 32)
		build(map);
	return 0;
}

/* A chunk for the next digest; beyond the cap the oldest goes first. */
static int make_chunk(struct seed_digest_map *map, struct seed_error *err)
{
	struct seed_digest *chunk;

	if (*chunk_slot(map, map->newest) && map->newest & (CHUNK_DIGESTS - 1))
		return 0;
	while (map->chunks > 2 && seed_digest_map_bytes(map) + CHUNK_BYTES > map->max_bytes)
		forget_oldest(map);
	if (map->chunks > map->ring_mask && grow_ring(map, err) < 0)
		return -1;
	chunk = malloc(CHUNK_BYTES);
	if (!chunk)
		return seed_error_sys(err, ENOMEM, "set of digests");
	*chunk_slot(map, map->newest) = chunk;
	map->chunks++;
	return 0;
}

int seed_digest_map_add(struct seed_digest_map *map, const struct seed_digest *digest,
			bool *added, struct seed_error *err)
{
	uint64_t hash = hash_digest(map, digest);
	uint32_t *slot;

	if (find(map, digest, hash, &slot)) {
		*added = false;
		return 0;
	}
	if (make_slot(map, err) < 0 || make_chunk(map, err) < 0)
		return -1;
	find(map, digest, hash, &slot);	/* the table may have been built anew */
	*digest_at(map, map->newest) = *digest;
	place(map, slot, map->newest, hash);
	map->newest++;
	*added = true;
	return 0;
}

uint64_t seed_digest_map_mark(const struct seed_digest_map *map)
{
	return map->newest;
}

void seed_digest_map_cut(struct seed_digest_map *map, uint64_t mark)
{
	while (map->newest > mark) {
		if (live(map)) {
			displace(map, map->newest - 1);
			if (((map->newest - 1) & (CHUNK_DIGESTS - 1)) == 0 ||
			    map->newest - 1 == map->oldest)
				drop_chunk(map, map->newest - 1);
			map->newest--;
		} else {	/* the rest was forgotten already */
			map->oldest = map->newest = mark;
		}
	}
}

uint64_t seed_digest_map_count(const struct seed_digest_map *map)
{
	return live(map);
}
