/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding a replica by what people call it: its NAME (as the VM has it, or as its folder
 * does), NAME.ID or uuid. */
#ifndef SEED_REPLICA_FIND_H
#define SEED_REPLICA_FIND_H

#include "replica/replica.h"

/* @folder holds SEED_REPLICA_NAME. NOTFOUND, or USAGE that lists them when several fit. */
int seed_replica_find(char *folder, int store, const char *name, struct seed_error *err);

/* The folder of the VM (@site, @uuid), whatever it is called by now: a replica keeps its folder when its VM
 * is renamed. NOTFOUND. */
int seed_replica_find_vm(char *folder, int store, const struct seed_id *site,
			 const struct seed_id *uuid, struct seed_error *err);

#endif
