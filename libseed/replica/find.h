/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding a replica by what people call it: its NAME (as the VM has it, or as its folder
 * does), NAME.ID or uuid. */
#ifndef SEED_REPLICA_FIND_H
#define SEED_REPLICA_FIND_H

#include "replica/replica.h"

/* @folder holds SEED_REPLICA_NAME. NOTFOUND, or USAGE that lists them when several fit. */
int seed_replica_find(char *folder, int store, const char *name, struct seed_error *err);
/* The replica of a VM, whatever its folder is called: it keeps its folder when the VM gets another
 * name. NOTFOUND; FORMAT when a folder that can only be its cannot be understood. */
int seed_replica_find_vm(char *folder, int store, const struct seed_id *site,
			 const struct seed_id *uuid, struct seed_error *err);

#endif
