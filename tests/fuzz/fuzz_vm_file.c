// SPDX-License-Identifier: LGPL-2.1-or-later
/* vm.json: read or refused; written again it reads the same. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "capture/vm_file.h"
#include "fuzz_dir.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const none[] = { NULL };
	int dir = fuzz_dir(none);
	struct seed_vm_file file, again;
	struct seed_error err = { 0 };
	struct seed_id uuid;

	memset(&uuid, 0x11, sizeof(uuid));
	fuzz_dir_put(dir, "vm.json", data, size);
	if (seed_vm_file_read(&file, dir, &uuid, &err) < 0) {
		assert(err.kind != SEED_ERR_NONE && err.text[0] && !strchr(err.text, '\n'));
		return 0;
	}
	assert(!file.definition || strlen(file.definition) <= SEED_VM_DEFINITION_MAX);
	assert(seed_vm_file_write(dir, &file, &err) == 0);
	assert(seed_vm_file_read(&again, dir, &uuid, &err) == 0);
	assert(same_text(file.name, again.name) && same_text(file.definition, again.definition));
	assert(file.generation == again.generation && file.handed_over == again.handed_over);
	assert(file.has_origin == again.has_origin && seed_id_equal(&file.origin, &again.origin));
	assert(file.lineage.count == again.lineage.count);
	seed_vm_file_clear(&file);
	seed_vm_file_clear(&again);
	return 0;
}
