/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared inside media/ only, and with the fuzz targets: readers behind the signature. */
#ifndef SEED_MEDIA_INTERNAL_H
#define SEED_MEDIA_INTERNAL_H

#include "doc/json.h"
#include "media/set_doc.h"
#include "media/set_record.h"
#include "media/volume.h"

#define SEED_MEDIA_NAMES_MAX 200000u	/* names in one folder of a medium: above, we do not look */

/* A read or write on a medium failed: what the device is to blame for becomes SEED_ERR_MEDIUM.
 * Returns -1. */
int seed_media_failed(struct seed_error *err);

/* MEDIUM when nothing can be written to it. */
int seed_medium_check_writable(const struct seed_medium *medium, struct seed_error *err);

/* A document and its signature, the file of the same name with ".minisig" behind it. */
struct seed_signed_text {
	char *text, *signature;
	size_t len, signature_len;
};
/* The signature comes first: without one the document is not read (TRUST). A missing document is
 * NOTFOUND. What is longer than @max or no regular file is FORMAT or RANGE. */
int seed_signed_text_load(struct seed_signed_text *out, int dir, const char *path, size_t max,
			  struct seed_error *err);
void seed_signed_text_clear(struct seed_signed_text *text);

/* Write once, with its signature, both fsynced; their folder is the caller's. */
int seed_signed_text_create(int dir, const char *path, const struct seed_signed_text *text,
			    struct seed_error *err);
/* Read both back past the page cache. */
int seed_signed_text_read_back(int dir, const char *path, const struct seed_signed_text *text,
			       struct seed_error *err);

/* The members of a commit behind type, version and key. @out is zeroed by the call, and cleared
 * by the caller also on failure. */
int seed_commit_take(struct seed_commit *out, struct seed_json_reader *r, struct seed_error *err);
/* "seeds/ID/..." as seed_file_name() makes them, or the signature of a plaintext manifest. */
bool seed_commit_path_valid(const char *path, bool *sealed);

/* The members of a set document behind type, version and key; cleared by the caller also on
 * failure. */
int seed_set_doc_take(struct seed_set_doc *out, struct seed_json_reader *r, struct seed_error *err);

/* The members of volume.json behind type, version and key. */
int seed_volume_take(struct seed_volume *volume, struct seed_json_reader *r,
		     struct seed_error *err);
/* Bring @volume's state up to what lies in commits/. */
int seed_volume_load_commits(struct seed_volume *volume, struct seed_error *err);
/* Make @commit, whose text has this digest, the volume's last one. */
int seed_volume_apply(struct seed_volume *volume, const struct seed_commit *commit,
		      const struct seed_digest *digest, struct seed_error *err);
void seed_volume_sort(struct seed_vec *vec, int (*compare)(const void *a, const void *b));
int seed_compare_packs(const void *a, const void *b);	/* struct seed_pack_facts */
int seed_compare_files(const void *a, const void *b);	/* struct seed_commit_file */
int seed_compare_ids(const void *a, const void *b);	/* struct seed_id */

/* The number in "00000001" followed by @suffix and nothing else, or 0. */
uint32_t seed_media_number(const char *name, const char *suffix);

#endif
