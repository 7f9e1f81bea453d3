/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What destinations have acknowledged of a VM: HOME/vms/UUID/receipts/SITEID.json and
 * SITEID.json.minisig, the newest signed receipt of each destination, exact bytes.
 *
 * Replaced signature first. A crash between the two leaves a receipt that does not verify: it counts
 * as none, and the next resync asks the destination again.
 */
#ifndef SEED_CAPTURE_RECEIPTS_H
#define SEED_CAPTURE_RECEIPTS_H

#include "manifest/receipt.h"

#define SEED_RECEIPTS_MAX 1024		/* destinations of a VM */

/* @vm_dir is HOME/vms/UUID, whose lock the caller holds; @receipt is what @text says, verified.
 * Durable on return. */
int seed_receipts_put(int vm_dir, const struct seed_receipt *receipt, const char *text, size_t len,
		      const char *signature, struct seed_error *err);

/* What the destination @site acknowledged last; cleared by the caller, also on failure. NOTFOUND when
 * nothing; TRUST or FORMAT when what lies there is not @key's receipt of that site. */
int seed_receipts_get(struct seed_receipt *out, int vm_dir, const struct seed_id *site,
		      const struct seed_public_key *key, struct seed_error *err);

struct seed_receipt_file {		/* as it lies there: nothing is verified */
	struct seed_id site;		/* by its name: whose key to verify it with */
	const char *text, *signature;
	size_t len, signature_len;
};
/* Every destination's, by site id. One that cannot be read (half written) is left out. -1 of @visit
 * ends the walk with its error. */
int seed_receipts_each(int vm_dir,
		       int (*visit)(const struct seed_receipt_file *file, void *arg,
				    struct seed_error *err),
		       void *arg, struct seed_error *err);

#endif
