/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which names stand for several VMs at this site: for vmseed status. */
#ifndef TOOLS_STATUS_NAMES_H
#define TOOLS_STATUS_NAMES_H

#include "base/vec.h"
#include "cli.h"
#include "replica/replica.h"

struct status_names {
	struct seed_id own;		/* this site; nil when it has no keys */
	struct seed_vec all;		/* one for each VM seen */
};
void status_names_clear(struct status_names *names);

/* @store: -1 when there is none. Goes through all replicas and all VMs of the home; those that
 * cannot be read have no name. */
int status_names_read(struct status_names *names, int home, int store, struct seed_error *err);
/* The VM's name as a table shows it; NAME.ID where another VM has the same name. A replica of a VM
 * and the VM itself are one. Returns @out, or @vm_name. @out holds SEED_QUOTED. */
const char *status_names_shown(const struct status_names *names, const struct seed_id *site,
			       const struct seed_id *uuid, const char *vm_name, char *out);

#endif
