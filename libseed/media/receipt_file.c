// SPDX-License-Identifier: LGPL-2.1-or-later
#include "media/receipt_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "crypto/digest.h"
#include "manifest/manifest.h"
#include "media/numbered.h"

#define FOLDER "receipts"
#define BUNDLE_MAX (SEED_RECEIPT_MAX + SEED_SIGNATURE_MAX + 8)
#define STORED_MAX (BUNDLE_MAX + 1024u)		/* with header, frame and tag */

static int scan(struct seed_numbered *out, const struct seed_volume *volume,
		struct seed_error *err)
{
	return seed_numbered_scan(out, volume, FOLDER, volume->sealed ? ".sealed" : ".json", err);
}

static int check_key(const struct seed_volume *volume, struct seed_error *err)
{
	if (!volume->sealed || volume->data_key.known)
		return 0;
	return seed_error_set(err, SEED_ERR_NOTFOUND,
			      FOLDER ": the set is sealed, and not for this "
				     "site");
}

static struct seed_file_id id_of(const struct seed_volume *volume, uint32_t number)
{
	return (struct seed_file_id){ .set = volume->set, .role = SEED_FILE_RECEIPT,
				      .number = number };
}

/* ---- writing ---- */

static int write_sealed(const struct seed_volume *volume, uint32_t number,
			const struct seed_signed_text *text, struct seed_error *err)
{
	SEED_AUTO(seed_file_writer_closep) struct seed_file_writer *w = NULL;
	SEED_AUTO(seed_fd_closep) int dir = -1;
	SEED_AUTO(seed_freep) char *bundle = NULL;
	const struct seed_file_id id = id_of(volume, number);
	char name[SEED_FILE_NAME];
	size_t len;

	if (seed_manifest_bundle(text->text, text->len, text->signature, &bundle, &len, err) < 0)
		return -1;
	if (seed_path_make_folder(volume->dir, FOLDER, 0755, err) < 0 ||
	    seed_path_open_folder_at(&dir, volume->dir, FOLDER, err) < 0 ||
	    seed_file_writer_open(&w, volume->dir, &id, &volume->data_key, err) < 0)
		return seed_media_failed(err);
	if (seed_file_writer_put(w, bundle, len, err) == 0 &&
	    seed_file_writer_finish(w, NULL, NULL, err) == 0 && seed_fd_sync(dir, err) == 0)
		return 0;
	/* It was made here: what is left of it goes. */
	seed_path_unlink(volume->dir, seed_file_name(&id, true, name), NULL);
	return seed_media_failed(err);
}

int seed_receipt_file_add(const struct seed_volume *volume, const struct seed_receipt *receipt,
			  const struct seed_site *own, struct seed_error *err)
{
	SEED_AUTO(seed_numbered_clear) struct seed_numbered n = { 0 };
	SEED_AUTO(seed_freep) char *text = NULL;
	char signature[SEED_SIGNATURE_MAX];
	struct seed_signed_text file = { .signature = signature };
	uint32_t number;

	if (seed_medium_check_writable(volume->medium, err) < 0 || check_key(volume, err) < 0 ||
	    scan(&n, volume, err) < 0 || seed_numbered_next(&n, &number, err) < 0 ||
	    seed_receipt_sign(receipt, own->sign, &text, &file.len, signature, err) < 0)
		return -1;
	file.text = text;
	file.signature_len = strlen(signature);
	return volume->sealed ? write_sealed(volume, number, &file, err)
			      : seed_numbered_write(volume, &n, number, &file, err);
}

/* ---- reading ---- */

/* What is in a sealed file. No commit says what it must be: its seal and the signature within
 * do. */
static int load_sealed(char **bundle, size_t *len, const struct seed_volume *volume,
		       uint32_t number, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *stored = NULL;
	const struct seed_file_id id = id_of(volume, number);
	struct seed_stored_facts facts;
	char name[SEED_FILE_NAME];
	size_t stored_len;

	if (seed_file_read(volume->dir, seed_file_name(&id, true, name), STORED_MAX, &stored,
			   &stored_len, err) < 0)
		return -1;
	facts.length = stored_len;
	seed_digest_of(&facts.digest, stored, stored_len);
	return seed_stored_file_load(volume->dir, &id, &volume->data_key, &facts, BUNDLE_MAX,
				     bundle, len, err);
}

static int load(struct seed_receipt_text *out, struct seed_signed_text *owner,
		const struct seed_volume *volume, const struct seed_numbered *n, uint32_t number)
{
	char name[SEED_NUMBERED_NAME];

	out->number = number;
	if (volume->sealed)
		return load_sealed(&owner->text, &owner->len, volume, number, NULL) < 0 ? -1 :
		       seed_manifest_unbundle(owner->text, owner->len, &out->text, &out->len,
					      &out->signature, &out->signature_len, NULL);
	if (seed_signed_text_load(owner, volume->dir, seed_numbered_name(n, number, name),
				  SEED_RECEIPT_MAX, NULL) < 0)
		return -1;
	out->text = owner->text;
	out->len = owner->len;
	out->signature = owner->signature;
	out->signature_len = owner->signature_len;
	return 0;
}

int seed_receipt_file_each(const struct seed_volume *volume,
			   int (*visit)(const struct seed_receipt_text *receipt, void *arg,
					struct seed_error *err),
			   void *arg, struct seed_error *err)
{
	SEED_AUTO(seed_numbered_clear) struct seed_numbered n = { 0 };

	if (scan(&n, volume, err) < 0 || (n.numbers.count && check_key(volume, err) < 0))
		return -1;
	for (size_t i = 0; i < n.numbers.count; i++) {
		SEED_AUTO(seed_signed_text_clear) struct seed_signed_text owner = { 0 };
		struct seed_receipt_text receipt;

		if (load(&receipt, &owner, volume, &n, *(uint32_t *)seed_vec_at(&n.numbers, i)) ==
			    0 &&
		    visit(&receipt, arg, err) < 0)
			return -1;
	}
	return 0;
}
