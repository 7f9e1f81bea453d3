// SPDX-License-Identifier: LGPL-2.1-or-later
/* replica.json: read or refused; what is read names files of its own folder, and written again it
 * reads the same. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "block/grid.h"
#include "replica/replica_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_name(const char *name)
{
	assert(name[0] && name[0] != '.' && !strchr(name, '/'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seed_error err = { 0 };
	SEED_AUTO(seed_replica_closep) struct seed_replica *replica =
		seed_replica_new("web01.1a2b3c4d", &err);
	SEED_AUTO(seed_replica_closep) struct seed_replica *again =
		seed_replica_new("web01.1a2b3c4d", &err);
	SEED_AUTO(seed_freep) char *text = NULL;
	SEED_AUTO(seed_freep) char *second = NULL;
	size_t len, second_len;

	if (!replica || !again)
		return 0;
	if (seed_replica_from_text(replica, (const char *)data, size, &err) < 0) {
		assert(err.kind != SEED_ERR_NONE && err.text[0] && !strchr(err.text, '\n'));
		return 0;
	}
	for (size_t i = 0; i < replica->disks.count; i++) {
		const struct seed_replica_disk *disk = seed_vec_at(&replica->disks, i);

		check_name(disk->file);
		check_name(disk->list);
		check_name(disk->missing);
		assert(disk->missing_blocks <= seed_grid_blocks(disk->size));
	}
	for (size_t i = 0; i < replica->drop.count; i++)
		check_name(*(char **)seed_vec_at(&replica->drop, i));
	assert(seed_replica_to_text(replica, &text, &len, &err) == 0);
	assert(seed_replica_from_text(again, text, len, &err) == 0);
	assert(seed_replica_to_text(again, &second, &second_len, &err) == 0);
	assert(len == second_len && memcmp(text, second, len) == 0);
	return 0;
}
