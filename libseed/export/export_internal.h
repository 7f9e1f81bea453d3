/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps of an export, for export.c. */
#ifndef SEED_EXPORT_EXPORT_INTERNAL_H
#define SEED_EXPORT_EXPORT_INTERNAL_H

#include "export/export.h"

/**
 * seed_export_target() - the set on this medium that the export adds to
 * @record: receives what the home remembers of it
 *
 * The set that this home last wrote for this recipient on this medium, swept of what
 * an interrupted run left; else one found on the medium whose record the home has lost; else a
 * new one. The medium is locked already.
 */
int seed_export_target(struct seed_volume **out, struct seed_set_record *record, bool *new_set,
		       struct seed_medium *medium, const struct seed_export_options *opt,
		       struct seed_error *err);

/* Own blocks of every VM that was captured, compared with all VMs this home keeps lists of. */
int seed_export_own_blocks(struct seed_export *plan, const struct seed_export_options *opt,
			   struct seed_error *err);

/* Lists, side files and manifests of the captured VMs, read back; then the full commit. */
int seed_export_finish(struct seed_export *plan, struct seed_volume *volume,
		       struct seed_set_record *record, const struct seed_vec *packs,
		       const struct seed_export_options *opt, struct seed_error *err);

#endif
