/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a VM argument at its own site may be: a definition, NAME=DISK, a promoted replica, or the name of
 * a VM that was exported or resynced from here before. */
#ifndef TOOLS_VM_ARGUMENT_H
#define TOOLS_VM_ARGUMENT_H

#include "cli.h"
#include "vmdef/vmdef.h"

int vm_argument_read(struct cli *cli, int home, const char *arg, struct seed_vmdef **out,
		     struct seed_error *err);
/* The VM of a record in HOME/vms: by its definition, or, NULL, as the replica that was promoted.
 * Shaped for struct seed_resync_options; @arg is a struct cli *. */
int vm_argument_of_record(void *arg, const char *definition, const struct seed_id *uuid,
			  struct seed_vmdef **out, struct seed_error *err);
/* Every VM of the home that it may still sign for, in the order of their names. */
int vm_argument_all(struct cli *cli, int home,
		    int (*add)(void *arg, struct seed_vmdef *def, struct seed_error *err), void *arg,
		    struct seed_error *err);

#endif
