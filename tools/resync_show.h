/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a resync did, as a table or as JSON. */
#ifndef TOOLS_RESYNC_SHOW_H
#define TOOLS_RESYNC_SHOW_H

#include "cli.h"
#include "resync/resync.h"

int resync_show(struct cli *cli, const struct seed_resync *run, const char *dest, bool pulled,
		uint64_t ms, struct seed_error *err);
/* -n: what would be done, without asking the other end. */
int resync_show_plan(struct cli *cli, const struct seed_resync *run, const struct seed_dest *dest,
		     bool pulled, struct seed_error *err);

#endif
