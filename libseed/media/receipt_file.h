/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Receipts that travel back on a medium: what the destination holds of a set, signed by it
 * (manifest/receipt.h), in numbered write-once files beside the commits.
 *
 *   receipts/00000001.json (+ .minisig)   in a plaintext set
 *   receipts/00000001.sealed              in a sealed one: the bundle of both, as a manifest's
 *
 * A receipt tells what a manifest tells of a VM's disks, and is sealed where that is. Each stands
 * for itself; the order of the numbers means nothing.
 */
#ifndef SEED_MEDIA_RECEIPT_FILE_H
#define SEED_MEDIA_RECEIPT_FILE_H

#include "manifest/receipt.h"
#include "media/volume.h"

/**
 * seed_receipt_file_add() - sign and write one; durable on return
 * @err: MEDIUM when the medium is read-only, full or failing; RANGE when it holds so many that no
 *       more are written; NOTFOUND when the set is sealed and its key is not ours
 *
 * The caller holds the medium's lock. After a failure nothing is left of it.
 */
int seed_receipt_file_add(const struct seed_volume *volume, const struct seed_receipt *receipt,
			  const struct seed_site *own, struct seed_error *err);

struct seed_receipt_text {		/* as it lies there, or within its seal: nothing is
					 * verified */
	uint32_t number;
	const char *text, *signature;
	size_t len, signature_len;
};
/* Every receipt, by number; -1 of @visit ends the walk. What cannot be read is passed by: its
 * writer was cut short, or it is damaged; both mean that nothing is acknowledged. NOTFOUND when the
 * set is sealed and its key is not ours, if there are any. */
int seed_receipt_file_each(const struct seed_volume *volume,
			   int (*visit)(const struct seed_receipt_text *receipt, void *arg,
					struct seed_error *err),
			   void *arg, struct seed_error *err);

#endif
