// SPDX-License-Identifier: LGPL-2.1-or-later
/* NAME=DISK[,DISK...] as typed, and the same bytes as the head of a file that is looked at. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "vmdef/adhoc.h"
#include "vmdef/detect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = NULL;
	SEED_AUTO(seed_freep) char *head = malloc(size ? size : 1);
	SEED_AUTO(seed_freep) char *arg = malloc(size + 1);
	struct seed_error err = { 0 };

	if (!head || !arg)
		return 0;
	memcpy(head, data, size);
	if (!seed_vm_format_name(seed_detect(head, size)))
		abort();
	memcpy(arg, data, size);
	arg[size] = '\0';
	if (seed_adhoc_read(&def, arg, NULL, &err) < 0)
		return 0;
	if (!seed_vm_name_valid(def->name) || def->disks.count < 1 ||
	    def->disks.count > SEED_VM_DISKS_MAX)
		abort();
	return 0;
}
