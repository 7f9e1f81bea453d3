/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps of an export, for export.c. */
#ifndef SEED_EXPORT_EXPORT_INTERNAL_H
#define SEED_EXPORT_EXPORT_INTERNAL_H

#include "export/export.h"
#include "export/target.h"

struct seed_export_reading {
	struct seed_export *plan;
	const struct seed_export_options *opt;
	struct seed_pool *pool;
	size_t depth;
	struct seed_set_writer *writer;	/* NULL with --no-data */
	uint32_t commits;		/* of the writer, seen so far */
	bool set_failed;		/* an error came from the set, not from a source */
	uint64_t skipped;		/* bytes that were not read, being held and unchanged */
};
/* Read each VM that has no verdict yet. What fails of a source is its VM's verdict; what fails of
 * the set ends the run: -1. */
int seed_export_read(struct seed_export_reading *run, struct seed_error *err);
/* Forget what was read, to go over all VMs once more. */
void seed_export_read_again(struct seed_export_reading *run);

/* Own blocks of every VM that was captured, compared with all VMs this home keeps lists of. */
int seed_export_own_blocks(struct seed_export *plan, const struct seed_export_options *opt,
			   struct seed_error *err);

/* Bytes that seed_export_finish() will need on the volume, at most, with so many new packs. */
uint64_t seed_export_finish_bytes(const struct seed_export *plan, const struct seed_target *t,
				  size_t packs);
/* Lists, side files and manifests of the captured VMs, read back; then, to the volume that is being
 * written, where the set's other volumes are, and the full commit. */
int seed_export_finish(struct seed_export *plan, struct seed_target *t,
		       const struct seed_vec *packs, const struct seed_export_options *opt,
		       struct seed_error *err);

/* All packs of the volumes at hand, past the cache, before anything is added. INTEGRITY, naming
 * medium and pack, when one differs. */
int seed_export_reverify(struct seed_target *target, struct seed_error *err);

#endif
