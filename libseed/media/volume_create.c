// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The part of volume.h that makes a new volume, of a new set or of one that there is.
 *
 * Order: the set's folder; volume.json and its signature, fsynced; then packs/,
 * seeds/ and, last, commits/. A folder without commits/ is therefore no set to any reader,
 * and a crash leaves nothing that anybody could take for one. The next creation on the
 * medium sweeps it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "crypto/random.h"
#include "media/media_internal.h"
#include "media/volume_internal.h"

/* ---- sweeping ---- */

/* Only empty folders and an uncommitted header go; anything else in there stays as it is. */
static int sweep_unborn(const char *name, void *arg, struct seed_error *err)
{
	struct seed_medium *medium = arg;
	SEED_AUTO(seed_fd_closep) int dir = -1;
	struct seed_id id;

	if (seed_id_parse(&id, name, NULL) < 0 ||
	    seed_path_open_folder_at(&dir, medium->vmseed, name, NULL) < 0 ||
	    seed_path_exists(dir, "commits"))
		return 0;
	/* A folder with something in it was a set once, whatever became of its commits. */
	if ((unlinkat(dir, "packs", AT_REMOVEDIR) < 0 && errno != ENOENT) ||
	    (unlinkat(dir, "seeds", AT_REMOVEDIR) < 0 && errno != ENOENT))
		return 0;
	if (seed_path_unlink(dir, "volume.json", err) < 0 ||
	    seed_path_unlink(dir, "volume.json.minisig", err) < 0)
		return seed_media_failed(err);
	unlinkat(medium->vmseed, name, AT_REMOVEDIR);	/* one that holds more stays */
	return 0;
}

/* ---- volume.json ---- */

static int wrap_key(struct seed_json *recipients, const struct seed_card *card,
		    const struct seed_secret *key, const uint8_t info[SEED_WRAP_INFO],
		    struct seed_error *err)
{
	struct seed_json *entry = seed_json_new_object();
	struct seed_recipient r;

	if (seed_hpke_seal(r.enc, r.wrapped, card->receiving_key, info, SEED_WRAP_INFO,
			   card->site.bytes, SEED_ID_SIZE, key->bytes, sizeof(key->bytes), NULL,
			   err) < 0) {
		seed_json_free(entry);
		return seed_error_prefix(err, "wrap the data key for %s", card->name);
	}
	seed_json_set_id(entry, "site", &card->site);
	seed_json_set_base64(entry, "receiving_key", card->receiving_key, SEED_HPKE_KEY);
	seed_json_set_base64(entry, "enc", r.enc, sizeof(r.enc));
	seed_json_set_base64(entry, "wrapped", r.wrapped, sizeof(r.wrapped));
	seed_json_append(recipients, entry);
	return 0;
}

/* The set's data key, a fresh one for its first volume, wrapped for the recipient and for ourselves;
 * it is not kept here: opening the volume unwraps it, which proves that it can be. */
static int add_recipients(struct seed_json *recipients, const struct seed_volume_more *what,
			  const struct seed_site *own, const struct seed_card *recipient,
			  struct seed_error *err)
{
	SEED_AUTO(seed_secret_wipep) struct seed_secret key = { { 0 } };
	uint8_t info[SEED_WRAP_INFO];
	struct seed_card self;

	if (!recipient)
		return 0;
	seed_card_of(&self, own);
	seed_volume_wrap_info(info, &what->set, seed_signing_key_public(own->sign));
	if (what->key)
		key = what->key->key;
	else if (seed_random(key.bytes, sizeof(key.bytes), err) < 0)
		return -1;
	if (wrap_key(recipients, recipient, &key, info, err) < 0)
		return -1;
	if (seed_id_equal(&self.site, &recipient->site) &&
	    memcmp(self.receiving_key, recipient->receiving_key, SEED_HPKE_KEY) == 0)
		return 0;
	return wrap_key(recipients, &self, &key, info, err);
}

static int write_header(int dir, const struct seed_medium *medium,
			const struct seed_volume_more *what, const struct seed_site *own,
			const struct seed_card *recipient, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc =
		seed_doc_new(SEED_DOC_VOLUME, seed_signing_key_public(own->sign));
	SEED_AUTO(seed_freep) char *dumped = NULL;
	struct seed_json *recipients = seed_json_new_array();
	char signature[SEED_SIGNATURE_MAX];
	struct seed_signed_text text = { .signature = signature };

	seed_json_set_id(doc, "set", &what->set);
	seed_json_set_uint(doc, "volume", what->number);
	seed_json_set_id(doc, "medium", &medium->id);
	seed_json_set_id(doc, "site", &own->id);
	seed_json_set_bool(doc, "sealed", recipient != NULL);
	if (add_recipients(recipients, what, own, recipient, err) < 0) {
		seed_json_free(recipients);
		return -1;
	}
	seed_json_set(doc, "recipients", recipients);
	if (seed_doc_sign(doc, own->sign, SEED_DOC_VOLUME, &dumped, &text.len, signature,
			  err) < 0)
		return -1;
	text.text = dumped;
	text.signature_len = strlen(signature);
	if (seed_signed_text_create(dir, "volume.json", &text, err) < 0 ||
	    seed_fd_sync(dir, err) < 0)
		return seed_media_failed(err);
	return 0;
}

static int make_folders(int dir, struct seed_error *err)
{
	static const char *const names[] = { "packs", "seeds", "commits" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (seed_path_make_folder(dir, names[i], 0755, err) < 0)
			return seed_media_failed(err);
	return 0;
}

static int create(struct seed_volume **out, struct seed_medium *medium,
		  const struct seed_volume_more *what, const struct seed_trust *trust,
		  const struct seed_site *own, const struct seed_card *recipient,
		  struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int dir = -1;
	char name[SEED_ID_TEXT];

	if (!medium->known_signer)
		return seed_error_set(err, SEED_ERR_USAGE, "nobody whom this site trusts prepared "
				      "this medium: %s", medium->unknown.text);
	if (seed_medium_check_writable(medium, err) < 0)
		return -1;
	if (seed_path_each(medium->vmseed, ".", SEED_MEDIA_NAMES_MAX, sweep_unborn, medium,
			   err) < 0)
		return seed_media_failed(err);
	if (seed_path_exists(medium->vmseed, seed_id_text(&what->set, name)))
		return seed_error_set(err, SEED_ERR_USAGE, "set %s is on this medium already", name);
	if (seed_path_make_folder(medium->vmseed, name, 0755, err) < 0 ||
	    seed_path_open_folder_at(&dir, medium->vmseed, name, err) < 0)
		return seed_media_failed(err);
	if (write_header(dir, medium, what, own, recipient, err) < 0 || make_folders(dir, err) < 0)
		return seed_error_prefix(err, "set %s", name);
	return seed_volume_open(out, medium, &what->set, trust, own, err);
}

int seed_volume_create(struct seed_volume **out, struct seed_medium *medium,
		       const struct seed_id *set, const struct seed_trust *trust,
		       const struct seed_site *own, const struct seed_card *recipient,
		       struct seed_error *err)
{
	const struct seed_volume_more first = { .set = *set, .number = 1 };

	return create(out, medium, &first, trust, own, recipient, err);
}

int seed_volume_create_more(struct seed_volume **out, struct seed_medium *medium,
			    const struct seed_volume_more *more, const struct seed_trust *trust,
			    const struct seed_site *own, const struct seed_card *recipient,
			    struct seed_error *err)
{
	if (more->key->sealed != (recipient != NULL) || (recipient && !more->key->known))
		return seed_error_set(err, SEED_ERR_USAGE, "the key of the set is not known here");
	return create(out, medium, more, trust, own, recipient, err);
}
