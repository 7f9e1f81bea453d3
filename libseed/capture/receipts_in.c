/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See receipts_in.h. */
#include "capture/receipts_in.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "capture/vm_file.h"
#include "media/receipt_file.h"
#include "media/seed.h"

struct taking {
	const struct seed_volume *volume;
	const struct seed_receipts_in *in;
};

#define wrong(err, ...) seed_error_set(err, SEED_ERR_INTEGRITY, __VA_ARGS__)

/* ---- does it hold? ---- */

static bool is_recipient(const struct seed_volume *volume, const struct seed_id *site)
{
	if (!volume->sealed)
		return true;
	for (size_t i = 0; i < volume->recipients.count; i++) {
		const struct seed_recipient *r = seed_vec_at(&volume->recipients, i);

		if (seed_id_equal(&r->site, site))
			return true;
	}
	return false;
}

static bool is_on(const struct seed_volume *volume, const struct seed_id *seed)
{
	for (size_t i = 0; i < volume->seeds.count; i++)
		if (seed_id_equal(seed_vec_at(&volume->seeds, i), seed))
			return true;
	return false;
}

static int check_disks(const struct seed_receipt *receipt, const struct seed_manifest *m,
		       struct seed_error *err)
{
	if (receipt->disks.count != m->disks.count)
		return wrong(err, "is of other disks than were exported");
	for (size_t i = 0; i < m->disks.count; i++) {
		const struct seed_receipt_disk *have = seed_vec_at(&receipt->disks, i);
		const struct seed_manifest_disk *sent = seed_vec_at(&m->disks, i);

		if (strcmp(have->slot, sent->slot) != 0 || have->size != sent->size ||
		    !seed_digest_equal(&have->root, &sent->root))
			return wrong(err, "disk %s is not the one that was exported", sent->slot);
	}
	return 0;
}

/* What it says of the seed is what we signed of it. */
static int check_seed(const struct taking *t, const struct seed_receipt *receipt,
		      struct seed_error *err)
{
	SEED_AUTO(seed_seed_closep) struct seed_seed *seed = NULL;
	const struct seed_manifest *m;

	if (!is_on(t->volume, &receipt->seed))
		return wrong(err, "is of a seed that is not on this volume");
	if (seed_seed_open(&seed, t->volume, &receipt->seed, err) < 0)
		return -1;
	m = &seed->manifest;
	if (!seed_id_equal(&receipt->origin, &m->site) ||
	    !seed_id_equal(&receipt->uuid, &m->uuid) ||
	    seed_lineage_compare(&m->lineage, m->generation, &receipt->lineage,
				 receipt->generation) != SEED_LINEAGE_SAME)
		return wrong(err, "is of another VM or generation than its seed");
	return check_disks(receipt, m, err);
}

static int check(const struct taking *t, const struct seed_trusted **signer,
		 struct seed_receipt *receipt, const struct seed_receipt_text *file,
		 struct seed_error *err)
{
	if (seed_trust_verify(signer, t->in->trust, file->text, file->len, file->signature,
			      file->signature_len, err) < 0 ||
	    seed_receipt_open(receipt, file->text, file->len, file->signature,
			      file->signature_len, &(*signer)->card.key, err) < 0)
		return -1;
	if (!seed_id_equal(&receipt->site, &(*signer)->card.site))
		return seed_error_set(err, SEED_ERR_TRUST,
				      "names another site than the card of its signer");
	if ((*signer)->own || !is_recipient(t->volume, &receipt->site))
		return seed_error_set(err, SEED_ERR_TRUST,
				      "is signed by %s, for whom the set is not", (*signer)->name);
	return check_seed(t, receipt, err);
}

/* ---- into the home ---- */

static bool is_newer(int dir, const struct seed_trusted *signer,
		     const struct seed_receipt *receipt)
{
	SEED_AUTO(seed_receipt_clear) struct seed_receipt known = { 0 };

	/* None, or one that a crash left half replaced: it counts as none. */
	if (seed_receipts_get(&known, dir, &receipt->site, &signer->card.key, NULL) < 0)
		return true;
	return seed_lineage_compare(&known.lineage, known.generation, &receipt->lineage,
				    receipt->generation) == SEED_LINEAGE_NEWER;
}

/* The VM's folder, locked. NOTFOUND when it is none of this home's. */
static int open_vm(int *dir, struct seed_vm_file *vm, const struct taking *t,
		   const struct seed_id *uuid, struct seed_error *err)
{
	char path[sizeof("vms/") + SEED_UUID_TEXT], text[SEED_UUID_TEXT];

	snprintf(path, sizeof(path), "vms/%s", seed_uuid_text(uuid, text));
	if (seed_path_open_folder_at(dir, t->in->home, path, err) < 0 ||
	    seed_fd_lock_wait(*dir, path, err) < 0)
		return -1;
	return seed_vm_file_read(vm, *dir, uuid, err);
}

static int keep(const struct taking *t, const struct seed_trusted *signer,
		const struct seed_receipt *receipt, const struct seed_receipt_text *file,
		struct seed_error *err)
{
	SEED_AUTO(seed_vm_file_clear) struct seed_vm_file vm = { .name = NULL };
	SEED_AUTO(seed_freep) char *signature = strndup(file->signature, file->signature_len);
	SEED_AUTO(seed_fd_closep) int dir = -1;

	if (!signature)
		return seed_error_sys(err, ENOMEM, "receipt");
	if (open_vm(&dir, &vm, t, &receipt->uuid, err) < 0 ||
	    seed_trust_allows(signer, &receipt->uuid, vm.name, err) < 0)
		return -1;
	if (!is_newer(dir, signer, receipt))
		return 0;
	if (seed_receipts_put(dir, receipt, file->text, file->len, signature, err) < 0)
		return -1;
	if (t->in->taken)
		t->in->taken(t->in->arg, signer, vm.name, receipt);
	return 0;
}

static int visit(const struct seed_receipt_text *file, void *arg, struct seed_error *err)
{
	const struct taking *t = arg;
	SEED_AUTO(seed_receipt_clear) struct seed_receipt receipt = { 0 };
	const struct seed_trusted *signer = NULL;
	struct seed_error why = { 0 };
	char set[SEED_ID_TEXT];

	if (check(t, &signer, &receipt, file, &why) == 0 &&
	    keep(t, signer, &receipt, file, &why) == 0)
		return 0;
	if (why.kind == SEED_ERR_SYSTEM || why.kind == SEED_ERR_MEDIUM) {
		*err = why;	/* the next one would meet the same */
		return -1;
	}
	seed_event_note(t->in->events, SEED_EVENT_WARNING, "set %.8s receipt %u: %s",
			seed_id_text(&t->volume->set, set), file->number, why.text);
	return 0;
}

int seed_receipts_take_in(const struct seed_volume *volume, const struct seed_receipts_in *in,
			  struct seed_error *err)
{
	struct taking taking = { .volume = volume, .in = in };
	struct seed_error why = { 0 };

	if (!volume->signer->own ||
	    seed_receipt_file_each(volume, visit, &taking, &why) == 0)
		return 0;
	if (err)
		*err = why;
	return -1;
}
