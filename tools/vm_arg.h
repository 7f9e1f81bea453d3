/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A VM argument at its own site: a definition, NAME=DISK, or the name of a promoted replica. */
#ifndef TOOLS_VM_ARG_H
#define TOOLS_VM_ARG_H

#include "cli.h"
#include "vmdef/vmdef.h"

/* As seed_vmdef_read(); what is neither a file nor has a '=' is looked for among this home's
 * promoted replicas. */
int vm_arg_read(struct cli *cli, struct seed_vmdef **out, const char *arg,
		const struct seed_id *uuid, struct seed_error *err);
/* Can it only be a replica's name? */
bool vm_arg_is_name(const char *arg);

#endif
