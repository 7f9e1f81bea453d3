/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See receipt.h. */
#include "manifest/manifest_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "block/grid.h"
#include "vmdef/vmdef.h"

#define wrong(err, ...) seed_error_set(err, SEED_ERR_FORMAT, __VA_ARGS__)

void seed_receipt_clear(struct seed_receipt *receipt)
{
	seed_vec_free(&receipt->disks);
	*receipt = (struct seed_receipt){ 0 };
}

/* ---- what must hold, whoever made it ---- */

static int check_disk(const struct seed_receipt *receipt, size_t index, struct seed_error *err)
{
	const struct seed_receipt_disk *disk = seed_vec_at(&receipt->disks, index);

	if (!seed_slot_valid(disk->slot))
		return wrong(err, "slot: not one of a disk");
	for (size_t i = 0; i < index; i++)
		if (strcmp(((struct seed_receipt_disk *)seed_vec_at(&receipt->disks, i))->slot,
			   disk->slot) == 0)
			return wrong(err, "slot: %s again", disk->slot);
	if (disk->size > SEED_DISK_MAX)
		return wrong(err, "size: larger than 1 PiB");
	if (strcmp(disk->proved, "full") != 0 && strcmp(disk->proved, "delta") != 0 &&
	    strcmp(disk->proved, "written") != 0)
		return wrong(err, "proved: none of \"full\", \"delta\", \"written\"");
	return 0;
}

static int check(const struct seed_receipt *receipt, struct seed_error *err)
{
	if (seed_lineage_check(&receipt->lineage, err) < 0)
		return -1;
	if (receipt->generation <= seed_lineage_base(&receipt->lineage) ||
	    receipt->generation > SEED_GENERATION_MAX)
		return wrong(err, "generation: not above the last fork");
	if (strcmp(receipt->state, "current") != 0 && strcmp(receipt->state, "seeded") != 0)
		return wrong(err, "state: neither \"current\" nor \"seeded\"");
	if (receipt->at < 0)
		return wrong(err, "at: before 1970");
	if (receipt->disks.count < 1 || receipt->disks.count > SEED_RECEIPT_DISKS_MAX)
		return wrong(err, "disks: not 1 to %d", SEED_RECEIPT_DISKS_MAX);
	for (size_t i = 0; i < receipt->disks.count; i++)
		if (check_disk(receipt, i, err) < 0)
			return seed_error_prefix(err, "disks[%zu]", i);
	return 0;
}

/* ---- writing ---- */

static struct seed_json *disks_of(const struct seed_receipt *receipt)
{
	struct seed_json *array = seed_json_new_array();

	for (size_t i = 0; i < receipt->disks.count; i++) {
		const struct seed_receipt_disk *disk = seed_vec_at(&receipt->disks, i);
		struct seed_json *object = seed_json_new_object();

		seed_json_set_text(object, "slot", disk->slot);
		seed_json_set_uint(object, "size", disk->size);
		seed_json_set_digest(object, "root", &disk->root);
		seed_json_set_text(object, "proved", disk->proved);
		seed_json_append(array, object);
	}
	return array;
}

int seed_receipt_sign(const struct seed_receipt *receipt, const struct seed_signing_key *key,
		      char **text, size_t *len, char signature[SEED_SIGNATURE_MAX],
		      struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;

	if (check(receipt, err) < 0)
		return seed_error_prefix(err, "receipt");
	doc = seed_doc_new(SEED_DOC_RECEIPT, seed_signing_key_public(key));
	seed_json_set_id(doc, "site", &receipt->site);
	seed_json_set_id(doc, "origin", &receipt->origin);
	seed_json_set_uuid(doc, "uuid", &receipt->uuid);
	seed_json_set_id(doc, "seed", &receipt->seed);
	seed_json_set(doc, "lineage", seed_lineage_to_json(&receipt->lineage));
	seed_json_set_uint(doc, "generation", receipt->generation);
	seed_json_set_text(doc, "state", receipt->state);
	seed_json_set_uint(doc, "at", (uint64_t)receipt->at);
	seed_json_set(doc, "disks", disks_of(receipt));
	return seed_doc_sign(doc, key, SEED_DOC_RECEIPT, text, len, signature, err);
}

/* ---- reading ---- */

/* A longer text was refused by the take, and is "" then. */
static void take_word(struct seed_json_reader *r, const char *key, char *out, size_t size)
{
	snprintf(out, size, "%s", seed_json_take_text(r, key, size - 1));
}

static void take_disks(struct seed_json_reader *r, struct seed_receipt *out)
{
	const struct seed_json *array = seed_json_take_array(r, "disks", SEED_RECEIPT_DISKS_MAX);
	size_t count = r->failed ? 0 : seed_json_count(array);

	for (size_t i = 0; i < count && !r->failed; i++) {
		struct seed_receipt_disk disk = { 0 };
		struct seed_json_reader element;
		char path[32];

		snprintf(path, sizeof(path), "disks[%zu]", i);
		seed_json_begin(&element, seed_json_at(array, i), path, r->err);
		take_word(&element, "slot", disk.slot, sizeof(disk.slot));
		disk.size = seed_json_take_uint(&element, "size", SEED_DISK_MAX);
		seed_json_take_digest(&element, "root", &disk.root);
		take_word(&element, "proved", disk.proved, sizeof(disk.proved));
		if (seed_json_done(&element) < 0) {
			r->failed = true;
		} else if (!seed_vec_push(&out->disks, sizeof(disk), &disk)) {
			seed_error_sys(r->err, ENOMEM, "disks");
			r->failed = true;
		}
	}
}

int seed_receipt_take(struct seed_receipt *out, struct seed_json_reader *r)
{
	seed_json_take_id(r, "site", &out->site);
	seed_json_take_id(r, "origin", &out->origin);
	seed_json_take_uuid(r, "uuid", &out->uuid);
	seed_json_take_id(r, "seed", &out->seed);
	seed_lineage_take(r, "lineage", &out->lineage);
	out->generation = seed_json_take_uint(r, "generation", SEED_GENERATION_MAX);
	take_word(r, "state", out->state, sizeof(out->state));
	out->at = (int64_t)seed_json_take_uint(r, "at", SEED_JSON_INT_MAX - 1);
	take_disks(r, out);
	if (seed_json_done(r) < 0)
		return -1;
	return check(out, r->err);
}

int seed_receipt_open(struct seed_receipt *out, const char *text, size_t len,
		      const char *signature, size_t signature_len,
		      const struct seed_public_key *key, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_json_reader r;

	*out = (struct seed_receipt){ 0 };
	if (len > SEED_RECEIPT_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "a receipt of %zu bytes", len);
	if (seed_doc_open(&doc, &r, SEED_DOC_RECEIPT, text, len, signature, signature_len, key,
			  err) < 0)
		return -1;
	return seed_receipt_take(out, &r);
}
