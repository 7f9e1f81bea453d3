// SPDX-License-Identifier: LGPL-2.1-or-later
/* The part of volume.h that commits. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "crypto/digest.h"
#include "media/media_internal.h"

static int copy_sorted(struct seed_vec *out, const struct seed_vec *in,
		       int (*compare)(const void *a, const void *b), struct seed_error *err)
{
	for (size_t i = 0; in && i < in->count; i++)
		if (!seed_vec_push(out, in->size, seed_vec_at(in, i)))
			return seed_error_sys(err, ENOMEM, "commit");
	seed_volume_sort(out, compare);
	return 0;
}

static int sync_folder(const struct seed_volume *volume, const char *path, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int dir = -1;

	if (seed_path_open_folder_at(&dir, volume->dir, path, err) < 0)
		return seed_media_failed(err);
	if (seed_fd_sync(dir, err) < 0) {
		seed_media_failed(err);
		return seed_error_prefix(err, "%s", path);
	}
	return 0;
}

/* The names of what is new must be durable before the commit that counts them. */
static int sync_folders(const struct seed_volume *volume, const struct seed_commit *commit,
			struct seed_error *err)
{
	char folder[SEED_FILE_NAME] = "";

	for (size_t i = 0; i < commit->files.count; i++) {
		const struct seed_commit_file *file = seed_vec_at(&commit->files, i);
		size_t len = (size_t)(strrchr(file->path, '/') - file->path);

		if (seed_volume_file(volume, file->path) ||
		    (strncmp(folder, file->path, len) == 0 && folder[len] == '\0'))
			continue;	/* sorted: a seed's files stand together */
		memcpy(folder, file->path, len);
		folder[len] = '\0';
		if (sync_folder(volume, folder, err) < 0)
			return -1;
	}
	if (folder[0] && sync_folder(volume, "seeds", err) < 0)
		return -1;
	return sync_folder(volume, "packs", err);
}

static int fill(struct seed_commit *commit, const struct seed_volume *volume,
		const struct seed_vec *packs, const struct seed_vec *files,
		const struct seed_vec *seeds, struct seed_error *err)
{
	bool sealed;

	commit->set = volume->set;
	commit->medium = volume->medium_id;
	commit->volume = volume->number;
	commit->has_previous = volume->last_commit > 0;
	commit->previous = volume->last_digest;
	if (copy_sorted(&commit->packs, packs, seed_compare_packs, err) < 0 ||
	    copy_sorted(&commit->files, files, seed_compare_files, err) < 0 ||
	    copy_sorted(&commit->seeds, seeds, seed_compare_ids, err) < 0)
		return -1;
	for (size_t i = 0; i < commit->files.count; i++) {
		const struct seed_commit_file *file = seed_vec_at(&commit->files, i);

		if (!seed_commit_path_valid(file->path, &sealed) || sealed != volume->sealed)
			return seed_error_set(err, SEED_ERR_FORMAT, "%s does not belong into this "
					      "set", file->path);
	}
	return 0;
}

/* Order: document, signature, the commits folder, read back. A crash in between leaves a document
 * without a valid signature, which does not count, or a valid commit, which does: what it names is
 * durable already. */
static int write_commit(const struct seed_volume *volume, const char *name,
			const struct seed_signed_text *text, struct seed_error *err)
{
	if (seed_signed_text_create(volume->dir, name, text, err) < 0 ||
	    sync_folder(volume, "commits", err) < 0)
		return -1;
	return seed_signed_text_read_back(volume->dir, name, text, err);
}

int seed_volume_commit(struct seed_volume *volume, uint32_t number, bool full,
		       const struct seed_vec *packs, const struct seed_vec *files,
		       const struct seed_vec *seeds, const struct seed_site *own,
		       struct seed_error *err)
{
	SEED_AUTO(seed_commit_clear) struct seed_commit commit = { .number = number,
								   .full = full };
	SEED_AUTO(seed_freep) char *dumped = NULL;
	char signature[SEED_SIGNATURE_MAX], name[SEED_COMMIT_NAME];
	struct seed_signed_text text = { .signature = signature };
	struct seed_digest digest;

	if (memcmp(seed_signing_key_public(own->sign), &volume->key, sizeof(volume->key)) != 0)
		return seed_error_set(err, SEED_ERR_TRUST,
				      "this volume is another site's: only its exporter adds to "
				      "it");
	if (number <= volume->highest_seen || number > SEED_MEDIA_NUMBER_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "commit number %u is not free", number);
	if (fill(&commit, volume, packs, files, full ? seeds : NULL, err) < 0 ||
	    seed_commit_sign(&commit, own->sign, &dumped, &text.len, signature, err) < 0)
		return -1;
	text.text = dumped;
	text.signature_len = strlen(signature);
	seed_digest_of(&digest, text.text, text.len);
	seed_commit_name(number, name);
	if (sync_folders(volume, &commit, err) < 0 || write_commit(volume, name, &text, err) < 0)
		return -1;
	return seed_volume_apply(volume, &commit, &digest, err);
}
