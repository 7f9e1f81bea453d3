/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A VM argument at its own site: a definition, NAME=DISK, or the name, NAME.ID or uuid of a
 * promoted replica or of a VM that was exported or resynced from here before. */
#ifndef TOOLS_VM_ARG_H
#define TOOLS_VM_ARG_H

#include "cli.h"
#include "vmdef/vmdef.h"

/* As seed_vmdef_read(); what is neither a file nor has a '=' is looked for among this home's
 * promoted replicas, and then among its records. */
int vm_arg_read(struct cli *cli, struct seed_vmdef **out, const char *arg,
		const struct seed_id *uuid, struct seed_error *err);
/* Can it only be a replica's name? */
bool vm_arg_is_name(const char *arg);
/* The VM of a record in HOME/vms: by its definition, or, NULL, as the replica that was promoted.
 * Shaped for struct seed_resync_options; @arg is a struct cli *. */
int vm_arg_of_record(void *arg, const char *definition, const struct seed_id *uuid,
		     struct seed_vmdef **out, struct seed_error *err);
/* The uuid of the VM that is NAME.ID here, of a replica or of a record. */
int vm_arg_by_id(struct cli *cli, const char *text, struct seed_id *uuid, bool *found,
		 struct seed_error *err);
/* The same of a record alone, also of a VM that was handed over, with its name, which the caller
 * frees. USAGE when several have that name. */
int vm_arg_record(struct cli *cli, const char *text, struct seed_id *uuid, char **name, bool *found,
		  struct seed_error *err);
/* Every VM of the home that it may still sign for, in the order of their names. @add takes @def;
 * NULL: it cannot be had, and @why. */
int vm_arg_all(struct cli *cli, int home,
	       int (*add)(void *arg, const char *name, struct seed_vmdef *def,
			  const struct seed_error *why, struct seed_error *err), void *arg,
	       struct seed_error *err);

#endif
