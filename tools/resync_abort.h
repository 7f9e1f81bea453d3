/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vmseed resync --abort: what arrived for replicas of this home is thrown away. */
#ifndef TOOLS_RESYNC_ABORT_H
#define TOOLS_RESYNC_ABORT_H

#include "cli.h"

/* @names: replicas, as seed_replica_find() takes them; NULL ends them. One that fails does not keep
 * the others from theirs. With -n it says what would go, and nothing is locked or changed. */
int resync_abort(struct cli *cli, const char **names, struct seed_error *err);

#endif
