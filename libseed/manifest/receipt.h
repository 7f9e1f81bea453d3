/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a destination acknowledges after a resync or an import: which seed of which VM it holds,
 * with the root of each disk and how it was proved. Signed by the site that holds the replica, sent
 * back, over the wire or on the medium (media/receipt_file.h), and kept by the source
 * (capture/receipts.h), which then knows its base.
 *
 * A receipt of one disk stays below 1,000 bytes with its signature; another disk takes 150.
 */
#ifndef SEED_MANIFEST_RECEIPT_H
#define SEED_MANIFEST_RECEIPT_H

#include "base/vec.h"
#include "doc/signed_doc.h"
#include "manifest/lineage.h"

#define SEED_RECEIPT_MAX (64u << 10)	/* bytes of JSON: 64 timelines and 64 disks take 30 KiB */
#define SEED_RECEIPT_DISKS_MAX 64

struct seed_receipt_disk {
	char slot[33];
	uint64_t size;			/* bytes */
	struct seed_digest root;
	char proved[8];			/* "full": the disk was read; "delta": what was written was
					 * read back; "written": each block was checked as it was
					 * written, by an import */
};

struct seed_receipt {
	struct seed_id site;		/* who holds the replica, and signs */
	struct seed_id origin, uuid;	/* the VM */
	struct seed_id seed;		/* that it holds */
	uint64_t generation;
	struct seed_lineage lineage;
	char state[12];			/* "current" or "seeded" */
	int64_t at;			/* unix seconds, shown and never decided upon */
	struct seed_vec disks;		/* struct seed_receipt_disk: at least one */
};

void seed_receipt_clear(struct seed_receipt *receipt);	/* frees what it owns; zeroed again */

/* Sign it. The caller frees *@text. FORMAT when it is not consistent: slots unique and well-formed,
 * sizes within bounds, state and proofs one of those above, the generation above the last fork. */
int seed_receipt_sign(const struct seed_receipt *receipt, const struct seed_signing_key *key,
		      char **text, size_t *len, char signature[SEED_SIGNATURE_MAX],
		      struct seed_error *err);
/* Verify, then read. @out is initialised by the call and cleared by the caller, also on failure.
 * TRUST when @key did not sign it, RANGE when it is over SEED_RECEIPT_MAX, FORMAT with the member's
 * path otherwise. Whether @site is the site whose key that is, the caller compares. */
int seed_receipt_open(struct seed_receipt *out, const char *text, size_t len,
		      const char *signature, size_t signature_len,
		      const struct seed_public_key *key, struct seed_error *err);

#endif
