/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps of an export, for export.c. */
#ifndef SEED_EXPORT_EXPORT_INTERNAL_H
#define SEED_EXPORT_EXPORT_INTERNAL_H

#include "export/export.h"
#include "export/target.h"

/* Own blocks of every VM that was captured, compared with all VMs this home keeps lists of. */
int seed_export_own_blocks(struct seed_export *plan, const struct seed_export_options *opt,
			   struct seed_error *err);

/* Bytes that seed_export_finish() will need on the volume, at most, with so many new packs. */
uint64_t seed_export_finish_bytes(const struct seed_export *plan, const struct seed_target *t,
				  size_t packs);
/* Lists, side files and manifests of the captured VMs, read back; then, to the volume that is being
 * written, where the set's other volumes are, and the full commit. */
int seed_export_finish(struct seed_export *plan, struct seed_target *t, const struct seed_vec *packs,
		       const struct seed_export_options *opt, struct seed_error *err);

#endif
