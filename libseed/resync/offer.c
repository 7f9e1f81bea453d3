// SPDX-License-Identifier: LGPL-2.1-or-later
#include "resync/offer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "block/grid.h"
#include "crypto/digest.h"
#include "vmdef/vmdef.h"

#define NONCE_TEXT (2 * SEED_NONCE_SIZE + 1)
#define RUNS_MAX SEED_MANIFEST_RUNS_MAX
#define COMPARED_MAX UINT32_MAX

void seed_offer_clear(struct seed_offer *offer)
{
	for (size_t i = 0; i < offer->disks.count; i++) {
		struct seed_offer_disk *d = seed_vec_at(&offer->disks, i);

		free(d->serial);
		free(d->wwn);
		seed_vec_free(&d->own_runs);
	}
	seed_vec_free(&offer->disks);
	seed_vec_free(&offer->files);
	free(offer->name);
	*offer = (struct seed_offer){ 0 };
}

void seed_offer_files_digest(struct seed_digest *out, const struct seed_vec *files)
{
	struct seed_digest_stream s;
	uint8_t len[8];

	seed_digest_begin(&s);
	for (size_t i = 0; i < files->count; i++) {
		const struct seed_manifest_file *f = seed_vec_at(files, i);
		char role[sizeof(f->role)] = { 0 };

		memcpy(role, f->role, strnlen(f->role, sizeof(role) - 1));
		seed_put64(len, f->facts.length);
		seed_digest_add(&s, role, sizeof(role));
		seed_digest_add(&s, len, sizeof(len));
		seed_digest_add(&s, f->facts.digest.bytes, SEED_DIGEST_SIZE);
	}
	seed_digest_end(&s, out);
}

/* ---- writing ---- */

/* How many of a disk's runs are said when all disks have @total: as in a manifest, so that many
 * disks in many pieces are no offer that is too long. */
static size_t share(size_t runs, size_t total)
{
	return total <= SEED_MANIFEST_OWN_RUNS ? runs : runs * SEED_MANIFEST_OWN_RUNS / total;
}

/* @keep of the runs, spread evenly. */
static struct seed_json *runs_json(const struct seed_vec *runs, size_t keep)
{
	struct seed_json *array = seed_json_new_array();

	/* start, count, start, count, ...: a pair of brackets for each would cost as much again */
	for (size_t i = 0; i < keep; i++) {
		const struct seed_run *run = seed_vec_at(runs, i * runs->count / keep);

		seed_json_append_uint(array, run->start);
		seed_json_append_uint(array, run->count);
	}
	return array;
}

static struct seed_json *disk_json(const struct seed_offer_disk *d, size_t own_total)
{
	struct seed_json *o = seed_json_new_object();

	seed_json_set_text(o, "slot", d->slot);
	seed_json_set_uint(o, "size", d->size);
	seed_json_set_uint(o, "sector_size", d->sector_size);
	seed_json_set_digest(o, "root", &d->root);
	if (d->has_base) {
		seed_json_set_uint(o, "base_size", d->base_size);
		seed_json_set_digest(o, "base_root", &d->base_root);
	}
	if (d->serial)
		seed_json_set_text(o, "serial", d->serial);
	if (d->wwn)
		seed_json_set_text(o, "wwn", d->wwn);
	seed_json_set_uint(o, "own_blocks", d->own_blocks);
	seed_json_set_uint(o, "compared", d->compared);
	seed_json_set(o, "own_runs", runs_json(&d->own_runs, share(d->own_runs.count, own_total)));
	return o;
}

static struct seed_json *files_json(const struct seed_vec *files)
{
	struct seed_json *array = seed_json_new_array();

	for (size_t i = 0; i < files->count; i++) {
		const struct seed_manifest_file *f = seed_vec_at(files, i);
		struct seed_json *o = seed_json_new_object();

		seed_json_set_text(o, "role", f->role);
		seed_json_set_uint(o, "length", f->facts.length);
		seed_json_set_digest(o, "digest", &f->facts.digest);
		seed_json_append(array, o);
	}
	return array;
}

int seed_offer_sign(const struct seed_offer *offer, const struct seed_signing_key *key,
		    char **text, size_t *len, char signature[SEED_SIGNATURE_MAX],
		    struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc =
		seed_doc_new(SEED_DOC_OFFER, seed_signing_key_public(key));
	struct seed_json *disks = seed_json_new_array();
	char nonce[NONCE_TEXT];
	size_t own_total = 0;

	seed_json_set_id(doc, "receiver", &offer->receiver);
	seed_json_set_text(doc, "nonce", seed_hex(offer->nonce, SEED_NONCE_SIZE, nonce));
	seed_json_set_id(doc, "origin", &offer->origin);
	seed_json_set_uuid(doc, "uuid", &offer->uuid);
	seed_json_set_text(doc, "name", offer->name);
	seed_json_set(doc, "lineage", seed_lineage_to_json(&offer->lineage));
	seed_json_set_uint(doc, "generation", offer->generation);
	for (size_t i = 0; i < offer->disks.count; i++)
		own_total += ((struct seed_offer_disk *)seed_vec_at(&offer->disks, i))
				     ->own_runs.count;
	for (size_t i = 0; i < offer->disks.count; i++)
		seed_json_append(disks, disk_json(seed_vec_at(&offer->disks, i), own_total));
	seed_json_set(doc, "disks", disks);
	seed_json_set(doc, "files", files_json(&offer->files));
	if (seed_doc_sign(doc, key, SEED_DOC_OFFER, text, len, signature, err) < 0)
		return seed_error_prefix(err, "offer");
	return 0;
}

/* ---- reading ---- */

static char *copy(const char *text, struct seed_json_reader *r)
{
	char *out = text ? strdup(text) : NULL;

	if (text && !out)
		seed_json_refuse(r, "disks", "memory is short");
	return out;
}

/* Runs rise, lie within the disk and neither touch nor overlap. */
static void take_runs(struct seed_json_reader *r, struct seed_offer_disk *d)
{
	const struct seed_json *array = seed_json_take_array(r, "own_runs", 2 * RUNS_MAX);
	uint64_t blocks = seed_grid_blocks(d->size), next = 0, sum = 0;

	for (size_t i = 0; i + 1 < seed_json_count(array); i += 2) {
		struct seed_run run = { .kind = SEED_BLOCK_DATA };

		if (!seed_json_uint(seed_json_at(array, i), &run.start) ||
		    !seed_json_uint(seed_json_at(array, i + 1), &run.count) || run.count == 0 ||
		    run.start >= blocks || run.count > blocks - run.start ||
		    (i && run.start <= next) || !seed_vec_push(&d->own_runs, sizeof(run), &run)) {
			seed_json_refuse(r, "own_runs", "not rising runs of this disk");
			return;
		}
		next = run.start + run.count;
		sum += run.count;
	}
	if (seed_json_count(array) % 2 || sum > d->own_blocks)
		seed_json_refuse(r, "own_runs", "not the runs of its own blocks");
}

static void take_disk(struct seed_json_reader *outer, const struct seed_json *object,
		      struct seed_offer_disk *d)
{
	struct seed_json_reader r;
	const char *slot;

	seed_json_begin(&r, object, "disks[]", outer->err);
	slot = seed_json_take_text(&r, "slot", sizeof(d->slot) - 1);
	strncpy(d->slot, slot ? slot : "", sizeof(d->slot) - 1);
	if (!seed_slot_valid(d->slot))
		seed_json_refuse(&r, "slot", "not a slot");
	d->size = seed_json_take_uint(&r, "size", SEED_DISK_MAX);
	d->sector_size = (uint32_t)seed_json_take_uint(&r, "sector_size", 65536);
	seed_json_take_digest(&r, "root", &d->root);
	d->has_base = seed_json_has(&r, "base_size");
	if (d->has_base) {
		d->base_size = seed_json_take_uint(&r, "base_size", SEED_DISK_MAX);
		seed_json_take_digest(&r, "base_root", &d->base_root);
	}
	if (seed_json_has(&r, "serial"))
		d->serial = copy(seed_json_take_text(&r, "serial", SEED_MANIFEST_TEXT_MAX), &r);
	if (seed_json_has(&r, "wwn"))
		d->wwn = copy(seed_json_take_text(&r, "wwn", SEED_MANIFEST_TEXT_MAX), &r);
	d->own_blocks = seed_json_take_uint(&r, "own_blocks", seed_grid_blocks(d->size));
	d->compared = (uint32_t)seed_json_take_uint(&r, "compared", COMPARED_MAX);
	take_runs(&r, d);
	if (seed_json_done(&r) < 0)
		outer->failed = true;
}

static void take_disks(struct seed_json_reader *r, struct seed_offer *out)
{
	const struct seed_json *array = seed_json_take_array(r, "disks", SEED_WIRE_DISKS_MAX);

	for (size_t i = 0; i < seed_json_count(array) && !r->failed; i++) {
		struct seed_offer_disk *d = seed_vec_push(&out->disks, sizeof(*d), NULL);

		if (!d)
			seed_json_refuse(r, "disks", "memory is short");
		else
			take_disk(r, seed_json_at(array, i), d);
	}
}

static void take_files(struct seed_json_reader *outer, struct seed_offer *out)
{
	const struct seed_json *array = seed_json_take_array(outer, "files",
							     SEED_MANIFEST_FILES_MAX);

	for (size_t i = 0; i < seed_json_count(array) && !outer->failed; i++) {
		struct seed_manifest_file f = { 0 };
		struct seed_json_reader r;
		const char *role;

		seed_json_begin(&r, seed_json_at(array, i), "files[]", outer->err);
		role = seed_json_take_text(&r, "role", sizeof(f.role) - 1);
		strncpy(f.role, role ? role : "", sizeof(f.role) - 1);
		f.facts.length = seed_json_take_uint(&r, "length", SEED_MANIFEST_FILE_MAX);
		seed_json_take_digest(&r, "digest", &f.facts.digest);
		if (seed_json_done(&r) < 0)
			outer->failed = true;
		else if (!seed_vec_push(&out->files, sizeof(f), &f))
			seed_json_refuse(outer, "files", "memory is short");
	}
}

int seed_offer_open(struct seed_offer *out, const char *text, size_t len, const char *signature,
		    size_t signature_len, const struct seed_public_key *key,
		    struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_json_reader r;
	const char *nonce, *name;

	*out = (struct seed_offer){ 0 };
	if (len > SEED_OFFER_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "an offer of %zu bytes, at most %u", len,
				      SEED_OFFER_MAX);
	if (seed_doc_open(&doc, &r, SEED_DOC_OFFER, text, len, signature, signature_len, key,
			  err) < 0)
		return seed_error_prefix(err, "offer");
	seed_json_take_id(&r, "receiver", &out->receiver);
	nonce = seed_json_take_text(&r, "nonce", NONCE_TEXT);
	if (nonce && seed_hex_parse(out->nonce, SEED_NONCE_SIZE, nonce, NULL) < 0)
		seed_json_refuse(&r, "nonce", "not 64 hex digits");
	seed_json_take_id(&r, "origin", &out->origin);
	seed_json_take_uuid(&r, "uuid", &out->uuid);
	name = seed_json_take_text(&r, "name", SEED_VM_NAME_MAX);
	if (name && !seed_vm_name_valid(name))
		seed_json_refuse(&r, "name", "not a VM's name");
	out->name = copy(name, &r);
	seed_lineage_take(&r, "lineage", &out->lineage);
	out->generation = seed_json_take_uint(&r, "generation", SEED_GENERATION_MAX);
	take_disks(&r, out);
	take_files(&r, out);
	if (seed_json_done(&r) < 0)
		return seed_error_prefix(err, "offer");
	if (out->generation <= seed_lineage_base(&out->lineage))
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "offer: its generation is not above its fork");
	return 0;
}
