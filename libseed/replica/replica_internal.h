/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared inside replica/ only, and with the fuzz targets. */
#ifndef SEED_REPLICA_INTERNAL_H
#define SEED_REPLICA_INTERNAL_H

#include "doc/json.h"
#include "replica/replica.h"

#define SEED_REPLICA_JSON_MAX (1u << 20)	/* bytes of replica.json */
#define SEED_REPLICA_DROP_MAX 256u
#define SEED_STORE_NAMES_MAX 1000000u

/* A zeroed replica with no folder open. */
struct seed_replica *seed_replica_new(const char *name, struct seed_error *err);
/* The state as JSON text; the caller frees *@text. */
int seed_replica_to_text(const struct seed_replica *replica, char **text, size_t *len,
			 struct seed_error *err);
/* Strict. The fields that the document holds are replaced, also on failure; name, folder and build
 * stay. */
int seed_replica_from_text(struct seed_replica *replica, const char *text, size_t len,
			   struct seed_error *err);
/* Free and zero the fields that replica.json holds. */
void seed_replica_forget(struct seed_replica *replica);
/* The eight hex digits of a folder's name. @out holds 9. */
char *seed_replica_tag(const struct seed_id *site, const struct seed_id *uuid, char *out);

void seed_replica_end_build(struct seed_replica *replica);
/* Empty what is being built beside the replica; fine when there is nothing. Durable. */
int seed_replica_remove_next(const struct seed_replica *replica, struct seed_error *err);
/* Finish the moves of a replica that is "switching". */
int seed_replica_finish_switch(struct seed_replica *replica, struct seed_error *err);

/* Carry out what sync/ has decided (sync.h); @replica is read anew then. Nothing decided is
 * fine. */
int seed_replica_finish_sync(struct seed_replica *replica, struct seed_error *err);

#endif
