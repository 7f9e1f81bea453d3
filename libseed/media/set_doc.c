// SPDX-License-Identifier: LGPL-2.1-or-later
#include "media/set_doc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "media/media_internal.h"
#include "media/medium_internal.h"

void seed_set_doc_clear(struct seed_set_doc *doc)
{
	seed_vec_free(&doc->members);
	*doc = (struct seed_set_doc){ 0 };
}

char *seed_set_doc_name(uint32_t number, char *out)
{
	snprintf(out, SEED_SET_DOC_NAME, "sets/%08u.json", number % (SEED_MEDIA_NUMBER_MAX + 1));
	return out;
}

static int compare_members(const void *a, const void *b)
{
	const struct seed_set_member *x = a, *y = b;

	return (x->volume > y->volume) - (x->volume < y->volume);
}

const struct seed_set_member *seed_set_doc_member(const struct seed_set_doc *doc, uint32_t volume)
{
	const struct seed_set_member key = { .volume = volume };

	return doc->members.count ? bsearch(&key, doc->members.items, doc->members.count,
					    doc->members.size, compare_members) : NULL;
}

/* ---- reading ---- */

static int take_member(struct seed_set_doc *doc, const struct seed_json *entry, size_t index,
		       struct seed_error *err)
{
	const struct seed_set_member *last =
		index ? seed_vec_at(&doc->members, index - 1) : NULL;
	struct seed_set_member m = { 0 };
	struct seed_json_reader r;
	const char *label;
	char path[32];

	snprintf(path, sizeof(path), "volumes[%zu]", index);
	if (!seed_json_is_object(entry))
		return seed_error_set(err, SEED_ERR_FORMAT, "%s: not an object", path);
	seed_json_begin(&r, entry, path, err);
	m.volume = (uint32_t)seed_json_take_uint(&r, "volume", UINT32_MAX);
	seed_json_take_id(&r, "medium", &m.medium);
	label = seed_json_take_text(&r, "label", SEED_LABEL_MAX);
	m.commit = (uint32_t)seed_json_take_uint(&r, "commit", SEED_MEDIA_NUMBER_MAX);
	m.has_digest = seed_json_has(&r, "sha256");
	if (m.has_digest)
		seed_json_take_digest(&r, "sha256", &m.digest);
	if (!r.failed && m.volume <= (last ? last->volume : 0))
		seed_json_refuse(&r, "volume", last ? "not above the one before" :
				 "volumes count from 1");
	if (!r.failed && !seed_label_valid(label))
		seed_json_refuse(&r, "label", "not a label");
	if (!r.failed && m.commit == 0)
		seed_json_refuse(&r, "commit", "commits count from 1");
	if (!r.failed && m.has_digest == (m.volume == doc->volume))
		seed_json_refuse(&r, "sha256", m.has_digest ?
				 "given for the volume that carries this document" : "null");
	if (!r.failed && !m.has_digest && m.commit != doc->number)
		seed_json_refuse(&r, "commit", "not the one that this document belongs to");
	if (seed_json_done(&r) < 0)
		return -1;
	snprintf(m.label, sizeof(m.label), "%s", label);
	if (!seed_vec_push(&doc->members, sizeof(m), &m))
		return seed_error_sys(err, ENOMEM, "volumes of a set");
	return 0;
}

int seed_set_doc_take(struct seed_set_doc *out, struct seed_json_reader *r, struct seed_error *err)
{
	const struct seed_json *volumes;

	*out = (struct seed_set_doc){ 0 };
	seed_json_take_id(r, "set", &out->set);
	out->volume = (uint32_t)seed_json_take_uint(r, "volume", UINT32_MAX);
	out->number = (uint32_t)seed_json_take_uint(r, "number", SEED_MEDIA_NUMBER_MAX);
	volumes = seed_json_take_array(r, "volumes", SEED_SET_VOLUMES_MAX);
	if (!r->failed && out->volume == 0)
		seed_json_refuse(r, "volume", "volumes count from 1");
	if (!r->failed && out->number == 0)
		seed_json_refuse(r, "number", "commits count from 1");
	if (seed_json_done(r) < 0)
		return -1;
	for (size_t i = 0; i < seed_json_count(volumes); i++)
		if (take_member(out, seed_json_at(volumes, i), i, err) < 0)
			return -1;
	if (!seed_set_doc_member(out, out->volume))
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "volumes: without the volume that carries this document");
	return 0;
}

/* Signed by the exporter, and of this very volume and commit? */
static int open_text(struct seed_set_doc *out, const struct seed_volume *v, uint32_t number,
		     const struct seed_signed_text *text, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_json_reader r;

	if (seed_doc_open(&doc, &r, SEED_DOC_SET, text->text, text->len, text->signature,
			  text->signature_len, &v->key, err) < 0 ||
	    seed_set_doc_take(out, &r, err) < 0)
		return -1;
	if (!seed_id_equal(&out->set, &v->set))
		return seed_error_set(err, SEED_ERR_INTEGRITY, "is of another set");
	if (out->volume != v->number)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "is of volume %u, this is %u",
				      out->volume, v->number);
	if (out->number != number)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "is of commit %u under another name",
				      out->number);
	if (!seed_id_equal(&seed_set_doc_member(out, v->number)->medium, &v->medium_id))
		return seed_error_set(err, SEED_ERR_INTEGRITY, "is of another medium");
	return 0;
}

static int load(struct seed_set_doc *out, const struct seed_volume *v, struct seed_error *err)
{
	SEED_AUTO(seed_signed_text_clear) struct seed_signed_text text = { 0 };
	char name[SEED_SET_DOC_NAME], signature[SEED_SET_DOC_NAME + 8];

	seed_set_doc_name(v->last_full, name);
	snprintf(signature, sizeof(signature), "%s.minisig", name);
	if (!seed_path_exists(v->dir, name) && seed_path_exists(v->dir, signature))
		return seed_error_set(err, SEED_ERR_INTEGRITY, "%s: missing, and its signature is "
				      "there", name);
	if (seed_signed_text_load(&text, v->dir, name, SEED_SET_DOC_MAX, err) < 0)
		return -1;
	return open_text(out, v, v->last_full, &text, err) < 0 ?
	       seed_error_prefix(err, "%s", name) : 0;
}

int seed_set_doc_open(struct seed_set_doc *out, const struct seed_volume *v,
		      struct seed_error *err)
{
	SEED_AUTO(seed_set_doc_clear) struct seed_set_doc doc = { 0 };

	if (!v->has_full)
		return seed_error_set(err, SEED_ERR_NOTFOUND,
				      "no set document: the volume holds no full commit");
	if (load(&doc, v, err) < 0)
		return -1;
	*out = doc;
	doc = (struct seed_set_doc){ 0 };
	return 0;
}

/* ---- writing ---- */

static struct seed_json *to_json(const struct seed_set_doc *doc, const struct seed_public_key *key)
{
	struct seed_json *object = seed_doc_new(SEED_DOC_SET, key);
	struct seed_json *volumes = seed_json_new_array();

	seed_json_set_id(object, "set", &doc->set);
	seed_json_set_uint(object, "volume", doc->volume);
	seed_json_set_uint(object, "number", doc->number);
	for (size_t i = 0; i < doc->members.count; i++) {
		const struct seed_set_member *m = seed_vec_at(&doc->members, i);
		struct seed_json *entry = seed_json_new_object();

		seed_json_set_uint(entry, "volume", m->volume);
		seed_json_set_id(entry, "medium", &m->medium);
		seed_json_set_text(entry, "label", m->label);
		seed_json_set_uint(entry, "commit", m->commit);
		if (m->has_digest)
			seed_json_set_digest(entry, "sha256", &m->digest);
		else
			seed_json_set_null(entry, "sha256");
		seed_json_append(volumes, entry);
	}
	seed_json_set(object, "volumes", volumes);
	return object;
}

/* What we would not take from a medium is not written to one. */
static int check_own(const struct seed_volume *v, const struct seed_set_doc *doc,
		     const struct seed_signed_text *text, struct seed_error *err)
{
	SEED_AUTO(seed_set_doc_clear) struct seed_set_doc again = { 0 };

	if (text->len > SEED_SET_DOC_MAX || doc->members.count > SEED_SET_VOLUMES_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "this set has too many volumes");
	if (open_text(&again, v, doc->number, text, err) < 0) {
		if (err && (err->kind == SEED_ERR_FORMAT || err->kind == SEED_ERR_INTEGRITY))
			err->kind = SEED_ERR_USAGE;
		return seed_error_prefix(err, "set document");
	}
	return 0;
}

static int write_text(const struct seed_volume *v, uint32_t number,
		      const struct seed_signed_text *text, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int dir = -1;
	char name[SEED_SET_DOC_NAME];

	seed_set_doc_name(number, name);
	if (seed_path_make_folder(v->dir, "sets", 0755, err) < 0 ||
	    seed_path_open_folder_at(&dir, v->dir, "sets", err) < 0)
		return seed_media_failed(err);
	if (seed_signed_text_create(v->dir, name, text, err) < 0)
		return -1;
	if (seed_fd_sync(dir, err) < 0) {
		seed_media_failed(err);
		return seed_error_prefix(err, "sets");
	}
	return seed_signed_text_read_back(v->dir, name, text, err);
}

int seed_set_doc_create(const struct seed_volume *v, const struct seed_set_doc *doc,
			const struct seed_site *own, struct seed_error *err)
{
	const struct seed_public_key *key = seed_signing_key_public(own->sign);
	SEED_AUTO(seed_json_freep) struct seed_json *object = NULL;
	SEED_AUTO(seed_freep) char *dumped = NULL;
	char signature[SEED_SIGNATURE_MAX];
	struct seed_signed_text text = { .signature = signature };

	if (memcmp(key, &v->key, sizeof(v->key)) != 0)
		return seed_error_set(err, SEED_ERR_TRUST,
				      "this volume is another site's: only its exporter adds to "
				      "it");
	object = to_json(doc, key);
	if (seed_doc_sign(object, own->sign, SEED_DOC_SET, &dumped, &text.len, signature, err) < 0)
		return -1;
	text.text = dumped;
	text.signature_len = strlen(signature);
	if (check_own(v, doc, &text, err) < 0)
		return -1;
	return write_text(v, doc->number, &text, err);
}
