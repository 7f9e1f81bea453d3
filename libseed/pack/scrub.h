/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading back what was written, past the page cache; and re-indexing a pack whose tail is lost. */
#ifndef SEED_PACK_SCRUB_H
#define SEED_PACK_SCRUB_H

#include "base/cancel.h"
#include "base/vec.h"
#include "pack/pack_format.h"

/**
 * seed_file_read_back() - read a file past the page cache and compare
 * @length, @digest: what it must be, or SEED_ERR_MEDIUM "reads back differently"
 * @cached: set to true when the cache could not be bypassed or dropped (tmpfs, say), so that the
 *          verdict can say so; otherwise left alone. NULL is fine.
 */
int seed_file_read_back(int dir, const char *path, uint64_t length,
			const struct seed_digest *digest, bool *cached,
			const struct seed_cancel *cancel, struct seed_error *err);

/**
 * seed_pack_reindex() - rebuild a pack's table and index from its records
 * @table: receives a struct seed_table_entry for each data record that could be walked, so that
 *         entry n is record n
 * @index: receives a struct seed_index_entry for each block of those that open; digests are worked
 *         out anew, so a block found here is what it is
 * @err: INTEGRITY when even the header is not this pack's; MEDIUM when it cannot be read; NOTFOUND
 *       when it is sealed and the key not known
 *
 * For a pack whose tail is damaged: the records before the damage still serve. The walk ends, with
 * success, at the index, at the end of the file, or at a damaged record header.
 */
int seed_pack_reindex(int dir, const struct seed_pack_id *id, const struct seed_set_key *key,
		      struct seed_vec *table, struct seed_vec *index, struct seed_error *err);

#endif
