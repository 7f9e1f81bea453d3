// SPDX-License-Identifier: LGPL-2.1-or-later
/* A receipt by a hostile signer: read or refused without its signature; what is read is bounded,
 * and can be signed. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "block/grid.h"
#include "manifest/manifest_internal.h"
#include "signing.h"
#include "vmdef/vmdef.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct seed_receipt *receipt)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	char signature[SEED_SIGNATURE_MAX];
	struct seed_error err = { 0 };
	size_t len;

	assert(receipt->disks.count >= 1 && receipt->disks.count <= SEED_RECEIPT_DISKS_MAX);
	for (size_t i = 0; i < receipt->disks.count; i++) {
		const struct seed_receipt_disk *disk = seed_vec_at(&receipt->disks, i);

		assert(seed_slot_valid(disk->slot) && disk->size <= SEED_DISK_MAX);
	}
	assert(seed_receipt_sign(receipt, fuzz_key(), &text, &len, signature, &err) == 0);
	assert(len <= SEED_RECEIPT_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	SEED_AUTO(seed_receipt_clear) struct seed_receipt receipt = { 0 };
	struct seed_error err = { 0 };
	struct seed_json_reader r;

	if (seed_json_parse(&doc, (const char *)data, size, &err) < 0)
		return 0;
	seed_json_begin(&r, doc, "", &err);
	/* As behind type, version and key, where a sample has them. */
	if (seed_json_has(&r, "type")) {
		seed_json_take_text(&r, "type", 32);
		seed_json_take_uint(&r, "version", SEED_JSON_INT_MAX);
		seed_json_take_text(&r, "key", SEED_PUBLIC_KEY_TEXT);
	}
	if (seed_receipt_take(&receipt, &r) == 0)
		check(&receipt);
	else
		assert(err.kind != SEED_ERR_NONE && err.text[0] && !strchr(err.text, '\n'));
	return 0;
}
