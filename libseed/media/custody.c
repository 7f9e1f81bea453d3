// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Writing and walking the chain of entries.
 *
 * Order of an append, and what a crash behind each step leaves: the folder (no entry) - the
 * document, synced (no signature: passed by) - the signature, synced, and the folder, synced: the
 * entry, or one that is passed by. Its number is then used up all the same.
 */
#include "media/custody.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/path.h"
#include "crypto/digest.h"
#include "doc/chain.h"
#include "media/custody_internal.h"
#include "media/numbered.h"

static int scan(struct seed_numbered *out, const struct seed_volume *volume,
		struct seed_error *err)
{
	return seed_numbered_scan(out, volume, SEED_CUSTODY_FOLDER, SEED_CUSTODY_SUFFIX, err);
}

static uint32_t number_at(const struct seed_numbered *n, size_t index)
{
	return *(const uint32_t *)seed_vec_at(&n->numbers, index);
}

/* An entry as it lies there. Success without a text: it has no whole signature, or is nothing
 * that anybody wrote, for the reason in @why. The form of a signature is looked at, not whose. */
static int load(struct seed_signed_text *out, const struct seed_volume *volume,
		const struct seed_numbered *n, uint32_t number, struct seed_error *why,
		struct seed_error *err)
{
	char name[SEED_NUMBERED_NAME];
	uint8_t id[SEED_KEY_ID];

	*why = (struct seed_error){ 0 };
	if (seed_signed_text_load(out, volume->dir, seed_numbered_name(n, number, name),
				  SEED_CUSTODY_MAX, why) == 0) {
		if (seed_signature_key_id(out->signature, out->signature_len, id, why) == 0)
			return 0;
		seed_signed_text_clear(out);
	}
	if (why->kind != SEED_ERR_SYSTEM && why->kind != SEED_ERR_MEDIUM)
		return 0;
	if (err)	/* a read error says nothing about the entry */
		*err = *why;
	return -1;
}

/* ---- writing ---- */

static int find_previous(struct seed_custody *entry, const struct seed_volume *volume,
			 const struct seed_numbered *n, struct seed_error *err)
{
	entry->has_previous = false;
	entry->previous = (struct seed_digest){ 0 };
	for (size_t i = n->numbers.count; i-- > 0;) {
		SEED_AUTO(seed_signed_text_clear) struct seed_signed_text text = { 0 };
		struct seed_error why;

		if (load(&text, volume, n, number_at(n, i), &why, err) < 0)
			return -1;
		if (!text.text)
			continue;
		entry->has_previous = true;
		seed_digest_of(&entry->previous, text.text, text.len);
		return 0;
	}
	return 0;
}

static void fill_in(struct seed_custody *entry, const struct seed_volume *volume,
		    const struct seed_site *own)
{
	int64_t now = seed_clock_wall();

	entry->set = volume->set;
	entry->medium = volume->medium_id;
	entry->volume = volume->number;
	entry->commit = entry->action == SEED_CUSTODY_PREPARED ? 0 : volume->last_commit;
	entry->site = own->id;
	snprintf(entry->site_name, sizeof(entry->site_name), "%s", own->name);
	entry->at = now < 0 ? 0 : now;
}

static int add(const struct seed_volume *volume, const struct seed_numbered *n,
	       struct seed_custody *entry, const struct seed_site *own, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	char signature[SEED_SIGNATURE_MAX];
	struct seed_signed_text file = { .signature = signature };

	if (seed_numbered_next(n, &entry->number, err) < 0 ||
	    find_previous(entry, volume, n, err) < 0 ||
	    seed_custody_sign(entry, own->sign, &text, &file.len, signature, err) < 0)
		return -1;
	file.text = text;
	file.signature_len = strlen(signature);
	return seed_numbered_write(volume, n, entry->number, &file, err);
}

int seed_custody_add(const struct seed_volume *volume, struct seed_custody *entry,
		     const struct seed_site *own, struct seed_error *err)
{
	SEED_AUTO(seed_numbered_clear) struct seed_numbered n = { 0 };

	fill_in(entry, volume, own);
	if (seed_medium_check_writable(volume->medium, err) < 0 || scan(&n, volume, err) < 0)
		return -1;
	return add(volume, &n, entry, own, err);
}

int seed_custody_keep(int home, const struct seed_volume *volume, struct seed_custody *entry,
		      const struct seed_site *own, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *fields = seed_json_new_object();
	char path[sizeof("custody/.chain") + SEED_ID_TEXT], id[SEED_ID_TEXT];

	fill_in(entry, volume, own);
	seed_custody_set_members(fields, entry);
	snprintf(path, sizeof(path), "custody/%s.chain", seed_id_text(&volume->set, id));
	if (seed_path_make_folder(home, "custody", 0700, err) < 0)
		return -1;
	return seed_chain_append(home, path, fields, own->sign, err);
}

/* ---- walking ---- */

struct walk {
	const struct seed_volume *volume;
	const struct seed_trust *trust;
	struct seed_digest last;	/* of the entry before, those without a signature left
					 * out */
	bool any;
};

/* A trusted key signed these bytes: are they an entry, and of this place? */
static int check_place(const struct walk *walk, const struct seed_custody *entry,
		       const struct seed_custody_seen *seen, struct seed_error *err)
{
	if (!seed_id_equal(&entry->set, &walk->volume->set) ||
	    entry->volume != walk->volume->number ||
	    !seed_id_equal(&entry->medium, &walk->volume->medium_id) ||
	    entry->number != seen->number)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "is of another place than its name");
	if (!seed_id_equal(&entry->site, &seen->signer->card.site))
		return seed_error_set(err, SEED_ERR_TRUST,
				      "names another site than the card of its signer");
	return 0;
}

/* Is there a good card with the key that this signature names? Then it ought to hold. */
static bool key_is_trusted(const struct seed_trust *trust, const struct seed_signed_text *text)
{
	uint8_t named[SEED_KEY_ID], id[SEED_KEY_ID];

	if (seed_signature_key_id(text->signature, text->signature_len, named, NULL) < 0)
		return false;
	for (size_t i = 0; i < seed_trust_count(trust); i++) {
		const struct seed_trusted *site = seed_trust_at(trust, i);

		seed_public_key_id(&site->card.key, id);
		if (!site->revoked && memcmp(id, named, sizeof(id)) == 0)
			return true;
	}
	return false;
}

static void judge_link(const struct walk *walk, struct seed_custody_seen *seen)
{
	const struct seed_custody *entry = seen->entry;

	seen->follows = entry->has_previous == walk->any &&
			(!walk->any || seed_digest_equal(&entry->previous, &walk->last));
	if (!seen->follows)
		seed_error_set(&seen->why, SEED_ERR_INTEGRITY, walk->any || !entry->has_previous ?
			       "does not follow the entry before it" :
			       "the entry before it is missing");
}

static void judge(const struct walk *walk, struct seed_custody_seen *seen,
		  struct seed_custody *entry, const struct seed_signed_text *text)
{
	if (!text->text) {
		/* A signature without its document, or neither whole: nobody can tell more. But no
		 * writer that was cut short leaves a file that is too long. */
		seen->standing = seen->why.kind == SEED_ERR_RANGE ? SEED_CUSTODY_BAD :
								    SEED_CUSTODY_UNSIGNED;
		if (seen->why.kind != SEED_ERR_TRUST)
			seen->why.kind = SEED_ERR_TRUST;
		return;
	}
	if (seed_trust_verify(&seen->signer, walk->trust, text->text, text->len, text->signature,
			      text->signature_len, &seen->why) < 0) {
		seen->standing = key_is_trusted(walk->trust, text) ? SEED_CUSTODY_BAD
								   : SEED_CUSTODY_UNTRUSTED;
		seen->signer = NULL;
		return;
	}
	seen->standing = SEED_CUSTODY_BAD;
	if (seed_custody_open(entry, text->text, text->len, text->signature, text->signature_len,
			      &seen->signer->card.key, &seen->why) < 0 ||
	    check_place(walk, entry, seen, &seen->why) < 0) {
		if (seen->why.kind == SEED_ERR_FORMAT || seen->why.kind == SEED_ERR_RANGE)
			seen->why.kind = SEED_ERR_INTEGRITY;
		seen->signer = NULL;
		return;
	}
	seen->standing = SEED_CUSTODY_TRUSTED;
	seen->entry = entry;
	judge_link(walk, seen);
}

static int visit_entry(struct walk *walk, const struct seed_numbered *n, size_t index,
		       int (*visit)(const struct seed_custody_seen *seen, void *arg,
				    struct seed_error *err),
		       void *arg, struct seed_error *err)
{
	SEED_AUTO(seed_signed_text_clear) struct seed_signed_text text = { 0 };
	SEED_AUTO(seed_custody_clear) struct seed_custody entry = { 0 };
	struct seed_custody_seen seen = {
		.number = number_at(n, index),
		.last = index + 1 == n->numbers.count,
	};

	if (load(&text, walk->volume, n, seen.number, &seen.why, err) < 0)
		return -1;
	judge(walk, &seen, &entry, &text);
	if (visit(&seen, arg, err) < 0)
		return -1;
	if (text.text) {
		walk->any = true;
		seed_digest_of(&walk->last, text.text, text.len);
	}
	return 0;
}

int seed_custody_each(const struct seed_volume *volume, const struct seed_trust *trust,
		      int (*visit)(const struct seed_custody_seen *seen, void *arg,
				   struct seed_error *err),
		      void *arg, struct seed_error *err)
{
	SEED_AUTO(seed_numbered_clear) struct seed_numbered n = { 0 };
	struct walk walk = { .volume = volume, .trust = trust };

	if (scan(&n, volume, err) < 0)
		return -1;
	for (size_t i = 0; i < n.numbers.count; i++)
		if (visit_entry(&walk, &n, i, visit, arg, err) < 0)
			return -1;
	return 0;
}
