/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The redo journal of a replica: a pool of verified blocks by digest, in the file
 * STORE/REPLICA/sync/journal (vmseed-journal(5)). It belongs to one replica and knows no
 * positions: what arrived before a cut is used again even when the source moved on.
 *
 *   header[64] = "VMSEEDRJ" version:u16=1 zero[6] site[16] uuid[16] zero[16]
 *   entry      = "VSRE" length:u32 digest[32], then @length bytes (1 to 65,536)
 *
 * Opening reads every entry and checks its SHA-256; a torn or damaged tail is cut off, and a
 * damaged entry in the middle ends the pool there as well. A journal of another replica is
 * FORMAT. One thread at a time, but for seed_journal_read_many().
 *
 * Memory: 1 MiB, and an index of 8 bytes for each slot: 9 to 19 bytes for each block in it, none of
 * which is given back before close. 1 TiB of blocks that differ (2^24 of them) costs 256 MiB, or
 * 0.025 % of what is changed; what is written in place, a first seed and missing blocks, costs
 * nothing here. The file is at most 16 TiB long; an add beyond that is RANGE.
 */
#ifndef SEED_REPLICA_JOURNAL_H
#define SEED_REPLICA_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/error.h"
#include "base/event.h"
#include "base/id.h"

#define SEED_JOURNAL_HEADER 64u		/* bytes before the first entry */

struct seed_journal;

/* @dir: the sync/ folder; made there (0600) when missing. */
int seed_journal_open(struct seed_journal **out, int dir, const struct seed_id *site,
		      const struct seed_id *uuid, const struct seed_cancel *cancel,
		      struct seed_error *err);
/* The same; @events (may be NULL) sees how far reading it has come: a large one takes hours. */
int seed_journal_open_shown(struct seed_journal **out, int dir, const struct seed_id *site,
			    const struct seed_id *uuid, const struct seed_events *events,
			    const struct seed_cancel *cancel, struct seed_error *err);
/* Give one whose header is damaged a new one: its entries stand for themselves, each by its digest.
 * Only where nothing better is to be had, for a header says whose they are. */
int seed_journal_mend(int dir, const struct seed_id *site, const struct seed_id *uuid,
		      struct seed_error *err);
void seed_journal_close(struct seed_journal *journal);	/* not synced; NULL is fine */
static inline void seed_journal_closep(struct seed_journal **j) { seed_journal_close(*j); }

bool seed_journal_has(const struct seed_journal *journal, const struct seed_digest *digest);
/* Bytes of the block, as its entry says; NOTFOUND. */
int seed_journal_length(struct seed_journal *journal, const struct seed_digest *digest,
			uint32_t *len, struct seed_error *err);
/* Was it there already when the journal was opened? */
bool seed_journal_had(const struct seed_journal *journal, const struct seed_digest *digest);
/* The caller has checked that @digest is that of @data. One that is there already is fine.
 * ENOSPC is SEED_ERR_MEDIUM, and the journal stays usable up to the entry before. */
int seed_journal_add(struct seed_journal *journal, const struct seed_digest *digest,
		     const void *data, uint32_t len, struct seed_error *err);
/* @buf holds SEED_BLOCK_SIZE bytes. Checked again: INTEGRITY when the file has rotten; NOTFOUND. */
int seed_journal_read(struct seed_journal *journal, const struct seed_digest *digest, void *buf,
		      uint32_t *len, struct seed_error *err);
/* Several at once: block i to @buf + i * SEED_BLOCK_SIZE, @got[i] false for one that is not there,
 * has rotten, or is not of @lens[i] bytes. While nothing is added and nothing waits to be synced,
 * any number of threads may read. */
int seed_journal_read_many(struct seed_journal *journal, const struct seed_digest *digests,
			   const uint32_t *lens, size_t count, uint8_t *buf, bool *got,
			   struct seed_error *err);
int seed_journal_sync(struct seed_journal *journal, struct seed_error *err);
/* Entries in the journal of this folder, by their headers alone: nothing is checked and nothing is
 * written. Counting ends where no entry follows; 0 without a journal. */
int seed_journal_count(int dir, uint64_t *blocks, struct seed_error *err);
uint64_t seed_journal_blocks(const struct seed_journal *journal);
uint64_t seed_journal_bytes(const struct seed_journal *journal);	/* of the file */

#endif
