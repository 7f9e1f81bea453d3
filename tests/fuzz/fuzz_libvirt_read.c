// SPDX-License-Identifier: LGPL-2.1-or-later
/* A libvirt definition from anywhere: read or refused, and what is read keeps the model's rules. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "vmdef/libvirt_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = NULL;
	struct seed_error err = { 0 };

	if (seed_libvirt_read(&def, "fuzz/vm.xml", (const char *)data, size, &err) < 0) {
		if (def || err.kind == SEED_ERR_NONE || strchr(err.text, '\n'))
			abort();
		return 0;
	}
	if (!seed_vm_name_valid(def->name) || def->disks.count > SEED_VM_DISKS_MAX)
		abort();
	for (size_t i = 0; i < def->disks.count; i++) {
		const struct seed_vmdef_disk *disk = seed_vec_at(&def->disks, i);

		if (!seed_slot_valid(disk->slot) || !disk->path == !disk->excluded)
			abort();
	}
	return 0;
}
