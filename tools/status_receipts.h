/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What other sites have acknowledged of a VM of ours: for vmseed status. */
#ifndef TOOLS_STATUS_RECEIPTS_H
#define TOOLS_STATUS_RECEIPTS_H

#include "cli.h"
#include "manifest/receipt.h"

/* Calls @visit for each receipt that verifies with the key of a trusted site, whose local name is
 * @peer. Others are passed over: what a site no longer trusted has said is nothing to build
 * upon. */
int status_receipts_each(struct cli *cli, int home, const struct seed_id *uuid,
			 void (*visit)(void *arg, const char *peer,
				       const struct seed_receipt *receipt), void *arg,
			 struct seed_error *err);
/* "full" when every disk was read for it, else "delta". */
const char *status_receipt_proved(const struct seed_receipt *receipt);

#endif
