// SPDX-License-Identifier: LGPL-2.1-or-later
/* The part of medium.h that enrols a medium. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/random.h"
#include "media/medium_internal.h"

/* What medium.json says of the disk; "" where it is not known. */
struct names {
	char model[SEED_DISK_TEXT], serial[SEED_DISK_TEXT];
};

/* USAGE unless the disk under the folder may serve, or that does not matter. */
static int judge(const struct seed_medium *medium, const struct seed_medium_prepare *opt,
		 struct names *names, struct seed_error *err)
{
	SEED_AUTO(seed_disks_freep) struct seed_disks *disks = NULL;
	struct seed_error inner = { 0 };
	struct seed_place place;
	char quoted[SEED_QUOTED];

	*names = (struct names){ 0 };
	seed_quote(medium->path, quoted, 120);
	if (seed_disks_read(&disks, opt->from, &inner) < 0 ||
	    seed_place_find(&place, disks, medium->root, &inner) < 0) {
		if (opt->allow_internal)	/* without /proc or /sys: only the names are
						 * missing */
			return 0;
		if (err)
			*err = inner;
		return seed_error_prefix(err, "which disk %s is on (--allow-internal does without)",
					 quoted);
	}
	if (place.disk) {
		memcpy(names->model, place.disk->model, sizeof(names->model));
		memcpy(names->serial, place.disk->serial, sizeof(names->serial));
	}
	if (place.verdict == SEED_DISK_FIT || opt->allow_internal)
		return 0;
	return seed_error_set(err, SEED_ERR_USAGE, "%s %.260s; %s", quoted, place.why,
			      place.verdict == SEED_DISK_SYSTEM ?
				      "this system runs from it, so it is no medium: only "
				      "--allow-internal takes it" :
				      "--allow-internal takes it all the same");
}

static int guard(const struct seed_medium *medium, const struct seed_medium_prepare *opt,
		 struct names *names, struct seed_error *err)
{
	char quoted[SEED_QUOTED];

	if (judge(medium, opt, names, err) < 0)
		return -1;
	if (!medium->writable)
		return seed_error_set(err, SEED_ERR_MEDIUM, "%s is read-only",
				      seed_quote(medium->path, quoted, sizeof(quoted)));
	return 0;
}

/* Verify under our own key, then under those that we trust. */
static int read_as_known(struct seed_medium *medium, const struct seed_signed_text *text,
			 const struct seed_site *site, const struct seed_trust *trust,
			 struct seed_error *err)
{
	const struct seed_trusted *signer;

	if (seed_medium_read(medium, text, seed_signing_key_public(site->sign), &site->id,
			     err) == 0)
		return 0;
	if (!trust || seed_trust_verify(&signer, trust, text->text, text->len, text->signature,
					text->signature_len, NULL) < 0)
		return -1;
	return seed_medium_read(medium, text, &signer->card.key, &signer->card.site, err);
}

/* Is this a whole signature by somebody else's key? Then medium.json is not our torn attempt. */
static bool signed_by_another(const struct seed_signed_text *text, const struct seed_site *site)
{
	uint8_t theirs[SEED_KEY_ID], ours[SEED_KEY_ID];

	if (!text->signature || seed_signature_key_id(text->signature, text->signature_len, theirs,
						      NULL) < 0)
		return false;
	seed_public_key_id(seed_signing_key_public(site->sign), ours);
	return memcmp(theirs, ours, sizeof(ours)) != 0;
}

/* What lies in vmseed/ already? *@prepared: a known site's enrolment, now read. Otherwise success
 * means that there is nothing, or our own torn attempt: it can be written anew. */
static int look(struct seed_medium *medium, const struct seed_site *site,
		const struct seed_medium_prepare *opt, bool *prepared, struct seed_error *err)
{
	SEED_AUTO(seed_signed_text_clear) struct seed_signed_text text = { 0 };
	SEED_AUTO(seed_vec_free) struct seed_vec sets = { 0 };
	struct seed_error why = { 0 };

	*prepared = false;
	if (seed_signed_text_load(&text, medium->vmseed, "medium.json", SEED_MEDIUM_MAX,
				  &why) == 0) {
		if (read_as_known(medium, &text, site, opt->trust, &why) == 0) {
			*prepared = true;
			return 0;
		}
		if (signed_by_another(&text, site))
			return seed_error_set(err, SEED_ERR_MEDIUM,
					      "vmseed/medium.json is signed by a site that is not "
					      "trusted here: trust its card (vmseed key trust), or "
					      "use another folder");
	} else if (why.kind != SEED_ERR_NOTFOUND && why.kind != SEED_ERR_TRUST) {
		if (err)
			*err = why;	/* unreadable, a link, too long: none of our making */
		if (err && err->kind != SEED_ERR_SYSTEM)
			err->kind = SEED_ERR_MEDIUM;
		return seed_error_prefix(err, "vmseed");
	}
	if (seed_medium_sets(medium, &sets, err) < 0)
		return -1;
	if (sets.count)
		return seed_error_set(err, SEED_ERR_MEDIUM,
				      "vmseed/medium.json is %s, and sets lie beside it: nothing "
				      "is touched; use another folder",
				      why.kind == SEED_ERR_NOTFOUND ? "missing" : "damaged");
	return 0;
}

static struct seed_json *members(const struct seed_medium *medium, const struct seed_site *site)
{
	struct seed_json *doc = seed_doc_new(SEED_DOC_MEDIUM, seed_signing_key_public(site->sign));
	struct seed_json *origin = seed_json_new_object();

	seed_json_set_id(doc, "medium", &medium->id);
	seed_json_set_text(doc, "label", medium->label);
	if (medium->serial)
		seed_json_set_text(doc, "serial", medium->serial);
	else
		seed_json_set_null(doc, "serial");
	if (medium->model)
		seed_json_set_text(doc, "model", medium->model);
	else
		seed_json_set_null(doc, "model");
	seed_json_set_id(origin, "id", &site->id);
	seed_json_set_text(origin, "name", site->name);
	seed_json_set(doc, "site", origin);
	return doc;
}

static int describe(struct seed_medium *medium, const struct seed_medium_prepare *opt,
		    const struct names *names, struct seed_error *err)
{
	char id[SEED_ID_TEXT];

	if (seed_random_id(&medium->id, err) < 0)
		return -1;
	if (opt->label)
		snprintf(medium->label, sizeof(medium->label), "%s", opt->label);
	else
		snprintf(medium->label, sizeof(medium->label), "vmseed-%.8s",
			 seed_id_text(&medium->id, id));
	if ((names->serial[0] && !(medium->serial = strdup(names->serial))) ||
	    (names->model[0] && !(medium->model = strdup(names->model))))
		return seed_error_sys(err, ENOMEM, "medium");
	return 0;
}

/* Order: medium.json, its signature, the folder, then the read-back. Whatever a crash leaves has
 * no valid signature and no sets beside it, which is what look() takes for a torn attempt. */
static int enrol(struct seed_medium *medium, const struct seed_site *site, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = members(medium, site);
	SEED_AUTO(seed_freep) char *dumped = NULL;
	char signature[SEED_SIGNATURE_MAX];
	struct seed_signed_text text = { .signature = signature };

	if (seed_doc_sign(doc, site->sign, SEED_DOC_MEDIUM, &dumped, &text.len, signature,
			  err) < 0)
		return -1;
	text.text = dumped;
	text.signature_len = strlen(signature);
	if (seed_path_unlink(medium->vmseed, "medium.json", err) < 0 ||
	    seed_path_unlink(medium->vmseed, "medium.json.minisig", err) < 0 ||
	    seed_signed_text_create(medium->vmseed, "medium.json", &text, err) < 0 ||
	    seed_fd_sync(medium->vmseed, err) < 0)
		return seed_media_failed(err);
	if (seed_signed_text_read_back(medium->vmseed, "medium.json", &text, err) < 0)
		return -1;
	medium->site = site->id;
	snprintf(medium->site_name, sizeof(medium->site_name), "%s", site->name);
	seed_digest_of(&medium->text, text.text, text.len);
	medium->known_signer = true;
	return 0;
}

static int check_label(const struct seed_medium *medium, const char *label,
		       struct seed_error *err)
{
	if (!label || strcmp(label, medium->label) == 0)
		return 0;
	return seed_error_set(err, SEED_ERR_USAGE,
			      "this medium is prepared already, with the label \"%s\", and a label "
			      "is never changed; leave --label out to use it",
			      medium->label);
}

/* Make vmseed/ unless it is there. */
static int make_folder(struct seed_medium *medium, struct seed_error *err)
{
	if (medium->vmseed >= 0)
		return 0;
	if (seed_path_make_folder(medium->root, "vmseed", 0755, err) < 0)
		return seed_media_failed(err);
	return seed_medium_open_folder(medium, err);
}

int seed_medium_prepare(struct seed_medium **out, bool *made, const char *path,
			const struct seed_site *site, const struct seed_medium_prepare *opt,
			struct seed_error *err)
{
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = NULL;
	struct seed_error inner = { 0 };
	struct names names;
	bool prepared = false;

	if (opt->label && !seed_label_valid(opt->label))
		return seed_error_set(err, SEED_ERR_USAGE,
				      "a label is 1 to %d of A-Z a-z 0-9 . _ - and inner blanks",
				      SEED_LABEL_MAX);
	if (seed_medium_open_root(&medium, path, err) < 0)
		return -1;
	if (seed_medium_open_folder(medium, &inner) < 0 && inner.kind != SEED_ERR_NOTFOUND) {
		if (err)
			*err = inner;
		return -1;
	}
	/* Nothing is written before the guard has agreed, nor looked at without the lock. */
	if (medium->vmseed < 0 && (guard(medium, opt, &names, err) < 0 ||
				   (!opt->dry_run && make_folder(medium, err) < 0)))
		return -1;
	if (medium->vmseed >= 0 && (seed_medium_lock(medium, err) < 0 ||
				    look(medium, site, opt, &prepared, err) < 0))
		return -1;
	if (prepared && check_label(medium, opt->label, err) < 0)
		return -1;
	if (!prepared && guard(medium, opt, &names, err) < 0)
		return -1;
	*made = !prepared;
	if (!prepared && opt->dry_run) {
		*out = NULL;
		return 0;
	}
	if (!prepared && (describe(medium, opt, &names, err) < 0 || enrol(medium, site, err) < 0))
		return -1;
	*out = seed_steal(&medium);
	return 0;
}
