// SPDX-License-Identifier: LGPL-2.1-or-later
#include "media/volume.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "media/media_internal.h"
#include "media/volume_internal.h"

/* ---- the sets of a medium ---- */

struct set_walk {
	const struct seed_medium *medium;
	struct seed_vec *out;
};

static int visit_set(const char *name, void *arg, struct seed_error *err)
{
	const struct set_walk *walk = arg;
	char commits[SEED_ID_TEXT + 8];
	struct seed_id id;

	if (seed_id_parse(&id, name, NULL) < 0)
		return 0;
	snprintf(commits, sizeof(commits), "%s/commits", name);
	if (!seed_path_exists(walk->medium->vmseed, commits))
		return 0;
	if (!seed_vec_push(walk->out, sizeof(id), &id))
		return seed_error_sys(err, ENOMEM, "sets of a medium");
	return 0;
}

int seed_medium_sets(const struct seed_medium *medium, struct seed_vec *out,
		     struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec found = { 0 };
	struct set_walk walk = { .medium = medium, .out = &found };

	/* Names come sorted by byte value, and so do the ids that they spell. */
	if (seed_path_each(medium->vmseed, ".", SEED_MEDIA_NAMES_MAX, visit_set, &walk, err) < 0) {
		if (err && err->kind == SEED_ERR_RANGE)
			err->kind = SEED_ERR_MEDIUM;
		seed_media_failed(err);
		return seed_error_prefix(err, "vmseed");
	}
	*out = found;
	found = (struct seed_vec){ 0 };
	return 0;
}

/* ---- volume.json ---- */

void seed_volume_wrap_info(uint8_t out[SEED_WRAP_INFO], const struct seed_id *set,
			   const struct seed_public_key *exporter)
{
	memcpy(out, SEED_WRAP_LABEL, SEED_WRAP_LABEL_LEN);
	memcpy(out + SEED_WRAP_LABEL_LEN, set->bytes, SEED_ID_SIZE);
	memcpy(out + SEED_WRAP_LABEL_LEN + SEED_ID_SIZE, exporter->bytes, sizeof(exporter->bytes));
}

static int take_recipient(struct seed_volume *volume, const struct seed_json *entry, size_t index,
			  struct seed_error *err)
{
	struct seed_recipient recipient;
	struct seed_json_reader r;
	char path[32];

	snprintf(path, sizeof(path), "recipients[%zu]", index);
	if (!seed_json_is_object(entry))
		return seed_error_set(err, SEED_ERR_FORMAT, "%s: not an object", path);
	seed_json_begin(&r, entry, path, err);
	seed_json_take_id(&r, "site", &recipient.site);
	seed_json_take_base64(&r, "receiving_key", recipient.receiving_key, SEED_HPKE_KEY);
	seed_json_take_base64(&r, "enc", recipient.enc, SEED_HPKE_ENC);
	seed_json_take_base64(&r, "wrapped", recipient.wrapped, sizeof(recipient.wrapped));
	if (seed_json_done(&r) < 0)
		return -1;
	if (!seed_vec_push(&volume->recipients, sizeof(recipient), &recipient))
		return seed_error_sys(err, ENOMEM, "recipients");
	return 0;
}

int seed_volume_take(struct seed_volume *volume, struct seed_json_reader *r,
		     struct seed_error *err)
{
	const struct seed_json *recipients;
	struct seed_id set;

	seed_json_take_id(r, "set", &set);
	volume->number = (uint32_t)seed_json_take_uint(r, "volume", UINT32_MAX);
	seed_json_take_id(r, "medium", &volume->medium_id);
	seed_json_take_id(r, "site", &volume->site);
	volume->sealed = seed_json_take_bool(r, "sealed");
	recipients = seed_json_take_array(r, "recipients", SEED_RECIPIENTS_MAX);
	if (!r->failed && volume->number == 0)
		seed_json_refuse(r, "volume", "volumes count from 1");
	if (!r->failed && (seed_json_count(recipients) > 0) != volume->sealed)
		seed_json_refuse(r, "recipients", volume->sealed ?
				 "a sealed set has at least one" : "a plaintext set has none");
	if (seed_json_done(r) < 0)
		return -1;
	if (!seed_id_equal(&set, &volume->set))
		return seed_error_set(err, SEED_ERR_INTEGRITY, "is of another set than its folder");
	for (size_t i = 0; i < seed_json_count(recipients); i++)
		if (take_recipient(volume, seed_json_at(recipients, i), i, err) < 0)
			return -1;
	return 0;
}

/* Unwrap the data key if one of the recipients is us. A wrapped key that does not open under our
 * own receiving key is damage or a lie of the exporter; a site id of ours beside another
 * receiving key is neither: the set was made for a key that we had before. */
static int unwrap_key(struct seed_volume *volume, const struct seed_site *own,
		      struct seed_error *err)
{
	const uint8_t *public = seed_receiving_key_public(own->receive);
	uint8_t info[SEED_WRAP_INFO];

	seed_volume_wrap_info(info, &volume->set, &volume->key);
	for (size_t i = 0; i < volume->recipients.count; i++) {
		const struct seed_recipient *r = seed_vec_at(&volume->recipients, i);

		if (!seed_id_equal(&r->site, &own->id) ||
		    memcmp(r->receiving_key, public, SEED_HPKE_KEY) != 0)
			continue;
		if (seed_hpke_open(volume->data_key.key.bytes, own->receive, r->enc, info,
				   sizeof(info), own->id.bytes, SEED_ID_SIZE, r->wrapped,
				   sizeof(r->wrapped), err) < 0)
			return seed_error_prefix(err, "the data key wrapped for this site");
		volume->data_key.known = true;
		return 0;
	}
	return 0;
}

static int read_header(struct seed_volume *volume, const struct seed_signed_text *text,
		       const struct seed_trust *trust, const struct seed_site *own,
		       struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	const struct seed_medium *medium = volume->medium;
	struct seed_json_reader r;

	if (seed_trust_verify(&volume->signer, trust, text->text, text->len, text->signature,
			      text->signature_len, err) < 0)
		return -1;
	volume->key = volume->signer->card.key;
	if (seed_doc_open(&doc, &r, SEED_DOC_VOLUME, text->text, text->len, text->signature,
			  text->signature_len, &volume->key, err) < 0 ||
	    seed_volume_take(volume, &r, err) < 0)
		return -1;
	if (!seed_id_equal(&volume->site, &volume->signer->card.site))
		return seed_error_set(err, SEED_ERR_TRUST,
				      "names another site than the card of its signer");
	if (medium->known_signer && !seed_id_equal(&volume->medium_id, &medium->id))
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "is of another medium than this one");
	volume->data_key.sealed = volume->sealed;
	return volume->sealed && own ? unwrap_key(volume, own, err) : 0;
}

static int load_header(struct seed_volume *volume, const struct seed_trust *trust,
		       const struct seed_site *own, struct seed_error *err)
{
	SEED_AUTO(seed_signed_text_clear) struct seed_signed_text text = { 0 };

	if (seed_signed_text_load(&text, volume->dir, "volume.json", SEED_VOLUME_MAX, err) < 0) {
		/* Whatever stands in its place, without it nothing here is signed. */
		if (err && (err->kind == SEED_ERR_NOTFOUND || err->kind == SEED_ERR_FORMAT ||
			    err->kind == SEED_ERR_RANGE))
			err->kind = SEED_ERR_TRUST;
		return -1;
	}
	if (read_header(volume, &text, trust, own, err) < 0)
		return seed_error_prefix(err, "volume.json");
	return 0;
}

static int open_volume(struct seed_volume *volume, const struct seed_trust *trust,
		       const struct seed_site *own, struct seed_error *err)
{
	char name[SEED_ID_TEXT];

	if (seed_path_open_folder_at(&volume->dir, volume->medium->vmseed,
				     seed_id_text(&volume->set, name), err) < 0)
		return seed_media_failed(err);
	if (!seed_path_exists(volume->dir, "commits"))
		return seed_error_set(err, SEED_ERR_NOTFOUND, "set %s: was never wholly created",
				      name);
	if (load_header(volume, trust, own, err) < 0 ||
	    seed_volume_load_commits(volume, err) < 0)
		return seed_error_prefix(err, "set %s", name);
	return 0;
}

int seed_volume_open(struct seed_volume **out, struct seed_medium *medium,
		     const struct seed_id *set, const struct seed_trust *trust,
		     const struct seed_site *own, struct seed_error *err)
{
	SEED_AUTO(seed_volume_closep) struct seed_volume *volume = malloc(sizeof(*volume));

	if (!volume)
		return seed_error_sys(err, ENOMEM, "volume");
	*volume = (struct seed_volume){ .medium = medium, .dir = -1, .set = *set };
	if (open_volume(volume, trust, own, err) < 0)
		return -1;
	*out = seed_steal(&volume);
	return 0;
}

void seed_volume_close(struct seed_volume *volume)
{
	if (!volume)
		return;
	seed_fd_closep(&volume->dir);
	seed_vec_free(&volume->recipients);
	seed_vec_free(&volume->packs);
	seed_vec_free(&volume->files);
	seed_vec_free(&volume->seeds);
	seed_vec_free(&volume->links);
	seed_vec_free(&volume->problems);
	seed_wipe(&volume->data_key, sizeof(volume->data_key));
	free(volume);
}

/* ---- what counts ---- */

static const void *find(const struct seed_vec *vec, const void *key,
			int (*compare)(const void *a, const void *b))
{
	return vec->count ? bsearch(key, vec->items, vec->count, vec->size, compare) : NULL;
}

const struct seed_stored_facts *seed_volume_file(const struct seed_volume *volume,
						 const char *path)
{
	const struct seed_commit_file *file;
	struct seed_commit_file key = { 0 };

	if (strlen(path) >= sizeof(key.path))
		return NULL;
	memcpy(key.path, path, strlen(path));
	file = find(&volume->files, &key, seed_compare_files);
	return file ? &file->facts : NULL;
}

const struct seed_pack_facts *seed_volume_pack(const struct seed_volume *volume, uint32_t number)
{
	struct seed_pack_facts key = { .number = number };

	return find(&volume->packs, &key, seed_compare_packs);
}
