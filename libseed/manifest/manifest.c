// SPDX-License-Identifier: LGPL-2.1-or-later
#include "manifest/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "manifest/manifest_internal.h"

#define BUNDLE_HEAD 4u	/* bytes of the length */

void seed_manifest_init(struct seed_manifest *m)
{
	*m = (struct seed_manifest){ 0 };
}

static void clear_disk(struct seed_manifest_disk *disk)
{
	free(disk->slot);
	free(disk->serial);
	free(disk->wwn);
	for (size_t i = 0; i < disk->found.count; i++)
		free(*(char **)seed_vec_at(&disk->found, i));
	seed_vec_free(&disk->found);
	seed_vec_free(&disk->own_runs);
	seed_vec_free(&disk->parts);
	seed_vec_free(&disk->unreadable);
}

void seed_manifest_clear(struct seed_manifest *m)
{
	for (size_t i = 0; i < m->disks.count; i++)
		clear_disk(seed_vec_at(&m->disks, i));
	for (size_t i = 0; i < m->excluded.count; i++) {
		struct seed_manifest_excluded *excluded = seed_vec_at(&m->excluded, i);

		free(excluded->slot);
		free(excluded->reason);
	}
	seed_vec_free(&m->disks);
	seed_vec_free(&m->excluded);
	seed_vec_free(&m->files);
	seed_vec_free(&m->relies_on);
	free(m->site_name);
	free(m->name);
	seed_manifest_init(m);
}

const char *seed_captured_name(enum seed_captured captured)
{
	static const char *const names[] = {
		[SEED_CAPTURED_OFFLINE] = "offline",
		[SEED_CAPTURED_SNAPSHOT] = "snapshot",
		[SEED_CAPTURED_CHANGED] = "changed",
		[SEED_CAPTURED_UNPROVEN] = "unproven",
	};

	return names[captured];
}

enum seed_captured seed_manifest_captured(const struct seed_manifest *m)
{
	enum seed_captured least = SEED_CAPTURED_OFFLINE;

	for (size_t i = 0; i < m->disks.count; i++) {
		const struct seed_manifest_disk *disk = seed_vec_at(&m->disks, i);

		if (disk->captured > least)
			least = disk->captured;
	}
	return least;
}

int seed_manifest_sign(const struct seed_manifest *m, const struct seed_signing_key *key,
		       char **text, size_t *len, char signature[SEED_SIGNATURE_MAX],
		       struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	SEED_AUTO(seed_freep) char *bytes = NULL;
	size_t size;

	if (seed_manifest_check(m, err) < 0)
		return seed_error_prefix(err, "manifest");
	doc = seed_doc_new(SEED_DOC_MANIFEST, seed_signing_key_public(key));
	seed_manifest_set_members(doc, m);
	if (seed_doc_sign(doc, key, SEED_DOC_MANIFEST, &bytes, &size, signature, err) < 0)
		return seed_error_prefix(err, "manifest");
	if (size > SEED_MANIFEST_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "manifest of %zu bytes, at most %u",
				      size, SEED_MANIFEST_MAX);
	*text = seed_steal(&bytes);
	*len = size;
	return 0;
}

int seed_manifest_open(struct seed_manifest *out, const char *text, size_t len,
		       const char *signature, size_t signature_len,
		       const struct seed_public_key *key, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_json_reader r;

	seed_manifest_init(out);
	if (len > SEED_MANIFEST_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "manifest of %zu bytes, at most %u", len,
				      SEED_MANIFEST_MAX);
	if (seed_doc_open(&doc, &r, SEED_DOC_MANIFEST, text, len, signature, signature_len, key,
			  err) < 0)
		return -1;
	out->key = *key;
	return seed_manifest_take_members(out, &r);
}

int seed_manifest_bundle(const char *text, size_t len, const char *signature, char **out,
			 size_t *out_len, struct seed_error *err)
{
	size_t signature_len = strlen(signature);
	char *bundle;

	if (len > SEED_MANIFEST_MAX || signature_len > SEED_SIGNATURE_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "manifest of %zu bytes, at most %u", len,
				      SEED_MANIFEST_MAX);
	bundle = malloc(BUNDLE_HEAD + len + signature_len);
	if (!bundle)
		return seed_error_sys(err, ENOMEM, "manifest");
	seed_put32((uint8_t *)bundle, (uint32_t)len);
	memcpy(bundle + BUNDLE_HEAD, text, len);
	memcpy(bundle + BUNDLE_HEAD + len, signature, signature_len);
	*out = bundle;
	*out_len = BUNDLE_HEAD + len + signature_len;
	return 0;
}

int seed_manifest_unbundle(const char *bundle, size_t bundle_len, const char **text, size_t *len,
			   const char **signature, size_t *signature_len, struct seed_error *err)
{
	struct seed_cursor c = seed_cursor_of(bundle, bundle_len);
	uint32_t size = seed_cursor_u32(&c);
	const uint8_t *json = seed_cursor_take(&c, size);

	if (c.bad)
		return seed_error_set(err, SEED_ERR_FORMAT, "sealed manifest is cut short");
	if (size > SEED_MANIFEST_MAX || c.left > SEED_SIGNATURE_MAX)
		return seed_error_set(err, SEED_ERR_FORMAT, "sealed manifest is too long");
	if (c.left == 0)
		return seed_error_set(err, SEED_ERR_FORMAT, "sealed manifest without signature");
	*text = (const char *)json;
	*len = size;
	*signature = (const char *)c.next;
	*signature_len = c.left;
	return 0;
}
