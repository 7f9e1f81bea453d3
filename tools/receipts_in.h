/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A medium came back: commands that see it take in what its recipients acknowledged on it. */
#ifndef TOOLS_RECEIPTS_IN_H
#define TOOLS_RECEIPTS_IN_H

#include "cli.h"
#include "media/medium.h"

/* From all sets of ours on @medium; what is new is said, and what goes wrong is a warning. Our keys
 * are opened, which may ask for a passphrase, only where there is a receipt. Nothing in a dry
 * run. */
void receipts_in(struct cli *cli, struct seed_medium *medium);

#endif
