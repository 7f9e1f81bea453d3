/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a pack ends for want of room, and how a writer goes on to the next volume (no .h:
 * set_writer_internal.h).
 *
 * A limit below the usual one is only reckoned when all that was handed over lies on the
 * medium and is read back: then the room is what it is at any number of workers. A crash
 * between the delta commit of a full volume and the first pack on the next one leaves both as an
 * interrupted run does.
 */
#include "export/set_writer_internal.h"

/* Incompressible blocks, their entries in index and table. */
#define RECORD_COST ((uint64_t)SEED_RECORD_MAX + SEED_RECORD_BLOCKS * SEED_PACK_INDEX_ENTRY + \
		     SEED_PACK_TABLE_ENTRY)
#define PACK_COST 16384u	/* header, trailer, the index as a record, a file's rounding */
#define BLOCK_COST 128u		/* beside its bytes: index, a share of its record's frame and
				 * entry */
#define FEW_RECORDS 4u		/* no pack is begun for less, unless it is the last one */
#define BUFFERED ((uint64_t)32 << 20)	/* bytes that pack writers hold back, tails included */

static uint64_t cost_of_pack(uint32_t records)
{
	return PACK_COST + records * RECORD_COST;
}

static uint64_t cost_of_blocks(uint64_t bytes)
{
	return PACK_COST + bytes + (bytes / SEED_BLOCK_SIZE + 2) * BLOCK_COST;
}

static uint32_t records_in(uint64_t room)
{
	uint64_t records = room > PACK_COST ? (room - PACK_COST) / RECORD_COST : 0;

	return records < SEED_PACK_RECORDS ? (uint32_t)records : SEED_PACK_RECORDS;
}

void seed_set_use_volume(struct seed_set_writer *w, struct seed_volume *volume,
			 struct seed_set_record *record)
{
	uint32_t next = record->next_pack ? record->next_pack : 1;	/* pruned ones, too */

	for (size_t i = 0; i < volume->packs.count; i++) {
		const struct seed_pack_facts *facts = seed_vec_at(&volume->packs, i);

		if (facts->number >= next)
			next = facts->number + 1;
	}
	pthread_mutex_lock(&w->lock);
	w->opt.volume = volume;
	w->opt.record = record;
	w->reserved = record->reserved;
	w->next_pack = next;
	pthread_mutex_unlock(&w->lock);
}

/* Until every pack that was begun is read back. */
static int drain(struct seed_set_writer *w, struct seed_error *err)
{
	bool failed;

	pthread_mutex_lock(&w->lock);
	while (w->unkept && !w->failed)
		pthread_cond_wait(&w->changed, &w->lock);
	failed = w->failed;
	pthread_mutex_unlock(&w->lock);
	return failed ? seed_set_failure(w, err) : 0;
}

/* Bytes that were handed over and may not lie in a file yet, at most. */
static uint64_t under_way(struct seed_set_writer *w)
{
	bool any;

	pthread_mutex_lock(&w->lock);
	any = w->unkept > 0;
	pthread_mutex_unlock(&w->lock);
	return any ? (w->opt.depth + 2) * RECORD_COST + BUFFERED : 0;
}

/* A whole pack fits, or all that is left does. */
static bool is_plenty(const struct seed_set_writer *w, uint64_t room)
{
	const struct seed_set_roll *roll = w->opt.roll;

	return room >= cost_of_pack(SEED_PACK_RECORDS) ||
	       room >= cost_of_blocks(roll->left(roll->arg) + w->waiting);
}

int seed_set_writer_roll(struct seed_set_writer *w, struct seed_error *err)
{
	struct seed_set_record *record;
	struct seed_volume *volume;

	if (seed_set_commit_delta(w, err) < 0 ||
	    w->opt.roll->next(w->opt.roll->arg, &volume, &record, err) < 0)
		return -1;
	seed_set_use_volume(w, volume, record);
	return 0;
}

int seed_set_pack_limit(struct seed_set_writer *w, uint32_t *out, struct seed_error *err)
{
	const struct seed_set_roll *roll = w->opt.roll;
	uint64_t room;

	*out = SEED_PACK_RECORDS;
	if (!roll)
		return 0;
	for (;;) {
		uint64_t pending = under_way(w);

		/* What is plenty now is plenty after waiting as well. */
		if (roll->room(roll->arg, &room, err) < 0)
			return -1;
		if (room >= pending && is_plenty(w, room - pending))
			return 0;
		if (drain(w, err) < 0 || roll->room(roll->arg, &room, err) < 0)
			return -1;
		if (is_plenty(w, room))
			return 0;
		if (records_in(room) >= FEW_RECORDS) {
			*out = records_in(room);
			return 0;
		}
		if (seed_set_writer_roll(w, err) < 0)
			return -1;
	}
}
