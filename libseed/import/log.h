/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The progress of one replica's build: import.log in the folder that is being built.
 *
 * Fixed entries of 64 bytes, appended and fsynced; an entry whose check does not fit ends the
 * log (a torn append). Integers little-endian:
 *
 *   type:u32 a:u32 b:u32 zero:u32 c:u64 d:u64 zero[16] check[16] (SHA-256 of the 48 bytes before)
 *
 *   1 plan      c, d: the plan that later entries belong to (16 bytes of a digest). Packs of
 *   another plan
 *               say nothing: which pack a block is taken from may differ.
 *   2 pack      a place in the plan, b number, c, d: which pack (16 bytes of the whole file's
 *   digest;
 *               packs of two sets have the same numbers, and two copies of a medium the same
 *               packs): all that this plan takes from it is durable
 *   3 lost      a disk, c start, d count: blocks of that pack that were damaged
 *   4 filled    c, d: seed id. All of the seed is there but what the missing lists beside the log
 *   name;
 *               holds until the log begins anew
 */
#ifndef SEED_IMPORT_LOG_H
#define SEED_IMPORT_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/id.h"
#include "pack/pack_format.h"

struct seed_import_log;

/* Opens or makes the log. If its last plan is @plan and nothing was lost under it, its packs count;
 * else a new plan begins. */
int seed_import_log_open(struct seed_import_log **out, int dir, const struct seed_id *plan,
			 bool *resumed, struct seed_error *err);
void seed_import_log_close(struct seed_import_log *log);
static inline void seed_import_log_closep(struct seed_import_log **l) { seed_import_log_close(*l); }

/* Was it noted by the run before? @place: which of the plan's packs it is. What this run notes does
 * not show: safe beside appends. */
bool seed_import_log_has_pack(const struct seed_import_log *log, uint32_t place,
			      const struct seed_pack_facts *pack);
struct seed_import_lost {
	uint32_t disk;
	uint64_t start, count;
};

/* Both are durable after seed_import_log_pack() returns: lost blocks are noted before their
 * pack. */
int seed_import_log_add_lost(struct seed_import_log *log, const struct seed_import_lost *lost,
			     struct seed_error *err);
int seed_import_log_pack(struct seed_import_log *log, uint32_t place,
			 const struct seed_pack_facts *pack, struct seed_error *err);
/* Note that this seed is all there but for its missing lists, which are durable; durable on
 * return. */
int seed_import_log_fill(struct seed_import_log *log, const struct seed_id *seed,
			 struct seed_error *err);
/* Does the log of this folder say so? What cannot be read does not. */
bool seed_import_log_filled(int dir, const struct seed_id *seed);

#define SEED_IMPORT_LOG "import.log"

#endif
