/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The signed manifest that lies in a replica's folder. */
#ifndef SEED_REPLICA_MANIFEST_FILE_H
#define SEED_REPLICA_MANIFEST_FILE_H

#include "replica/replica.h"
#include "trust/trust.h"

/* @digest: SHA-256 of its text; NULL when not wanted. @out is initialised by the call and cleared
 * by the caller, also on failure. NOTFOUND when there is none (a candidate, or one that is
 * seeding); TRUST when nobody trusted signed it; IDENTITY when it is of another VM or seed than
 * replica.json says. */
int seed_replica_manifest(struct seed_manifest *out, struct seed_digest *digest,
			  const struct seed_replica *replica, const struct seed_trust *trust,
			  struct seed_error *err);

#endif
