/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The set of block digests that a set of volumes already holds: what
 * deduplication asks.
 *
 * Digests lie in insertion order in chunks (32 bytes each); beside them an
 * open-addressing table of 32-bit slots (entry number and a few bits of tag),
 * grown by half, so that a digest costs at most 40 bytes in all from some tens
 * of thousands up. At @max_bytes (512 KiB at the least) the oldest chunk is
 * forgotten: a block may then be stored twice, never wrongly. Because insertion
 * order is write order, the digests of a pack that failed leave again by cutting
 * the tail.
 *
 * SHA-256 of guest data chooses the slot. A guest can make its digests share
 * bits only by work that grows exponentially; the table is addressed by a
 * secret-keyed mix all the same, so that probe lengths stay what they should be.
 * One thread at a time.
 */
#ifndef SEED_BASE_DIGEST_MAP_H
#define SEED_BASE_DIGEST_MAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/id.h"

struct seed_digest_map;

int seed_digest_map_new(struct seed_digest_map **out, uint64_t max_bytes, struct seed_error *err);
void seed_digest_map_free(struct seed_digest_map *map);
static inline void seed_digest_map_freep(struct seed_digest_map **map)
{
	seed_digest_map_free(*map);
}

bool seed_digest_map_has(const struct seed_digest_map *map, const struct seed_digest *digest);
/* *@added says whether it was new. Only a shortage of memory below the cap fails. */
int seed_digest_map_add(struct seed_digest_map *map, const struct seed_digest *digest,
			bool *added, struct seed_error *err);
/* Insertions so far, forgotten ones counted: a mark for seed_digest_map_cut(). */
uint64_t seed_digest_map_mark(const struct seed_digest_map *map);
/* Forget every digest added at or after @mark. */
void seed_digest_map_cut(struct seed_digest_map *map, uint64_t mark);
uint64_t seed_digest_map_count(const struct seed_digest_map *map);
uint64_t seed_digest_map_bytes(const struct seed_digest_map *map);

#endif
