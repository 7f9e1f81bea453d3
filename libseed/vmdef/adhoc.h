/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VM without a definition, as it is typed: NAME=DISK[,DISK...]. The name ends at
 * the first '=', a disk at ',' (a path that holds one needs a definition). Disks
 * are raw unless their content is an image of another format, or they are NBD URIs.
 */
#ifndef SEED_VMDEF_ADHOC_H
#define SEED_VMDEF_ADHOC_H

#include "vmdef/vmdef.h"

/* @uuid NULL: none is declared. USAGE when @arg is not of this form. */
int seed_adhoc_read(struct seed_vmdef **out, const char *arg, const struct seed_id *uuid,
		    struct seed_error *err);

/* "vda", ..., "vdz", "vdaa", ...; @out holds 8, @index is below SEED_VM_DISKS_MAX. */
char *seed_adhoc_slot(size_t index, char *out);

#endif
