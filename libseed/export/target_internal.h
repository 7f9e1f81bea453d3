/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What choosing the set and going on to its next volume share. */
#ifndef SEED_EXPORT_TARGET_INTERNAL_H
#define SEED_EXPORT_TARGET_INTERNAL_H

#include "export/target.h"

/* The record of a volume of which nothing is confirmed. */
void seed_target_describe(struct seed_set_record *record, const struct seed_target *t,
			  const struct seed_medium *medium, uint32_t number);
struct seed_set_member seed_target_member(const struct seed_set_record *record);
/* Takes @volume, also on failure. At the end of the others. NULL on failure. */
struct seed_target_volume *seed_target_add(struct seed_target *t, struct seed_medium *medium,
					   struct seed_volume *volume,
					   const struct seed_set_record *record,
					   struct seed_error *err);
/* Volume 1, on the medium that is for it, or the first one. */
int seed_target_begin_set(struct seed_target *t, struct seed_error *err);

#endif
