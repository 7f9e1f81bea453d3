/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Marks: the highest generation of each VM that this home has accepted, in
 * HOME/marks/SITE-UUID.chain, append-only, signed and chained. They outlive `forget`, keys and the
 * catalogue. Advanced only after the replica is durable. A mark can only make us stricter, so one
 * signed by a key that we no longer have counts as well.
 */
#ifndef SEED_REPLICA_MARKS_H
#define SEED_REPLICA_MARKS_H

#include "doc/chain.h"
#include "manifest/manifest.h"
#include "trust/keyfile.h"

struct seed_mark {
	bool known;				/* false: this VM was never accepted here */
	uint64_t generation;
	struct seed_lineage lineage;
	struct seed_digest manifest;		/* SHA-256 of the accepted manifest's text */
};

int seed_mark_read(struct seed_mark *out, int home, const struct seed_id *site,
		   const struct seed_id *uuid, struct seed_error *err);
/* Does nothing when the mark stands there already or higher on the same line. */
int seed_mark_advance(int home, const struct seed_manifest *manifest,
		      const struct seed_digest *manifest_text, const struct seed_site *own,
		      struct seed_error *err);

#endif
