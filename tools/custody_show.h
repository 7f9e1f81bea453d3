/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Showing the custody of a set: who did what with it, and whether the chain holds. */
#ifndef TOOLS_CUSTODY_SHOW_H
#define TOOLS_CUSTODY_SHOW_H

#include "media/custody.h"
#include "out.h"

/* Rows of a table of custody_table_new(), for one volume. What does not hold is a warning. */
struct out_table *custody_table_new(struct seed_error *err);
void custody_show(struct cli *cli, struct out_table *table, const struct seed_volume *volume,
		  const struct seed_trust *trust);
/* The same as a member "custody" of @item. */
void custody_json(struct seed_json *item, const struct seed_volume *volume,
		  const struct seed_trust *trust);

#endif
