/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Adding to trust and taking from it; see trust.h for the files. (no header of its own) */
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "trust/trust.h"
#include "trust/trust_internal.h"

/* One change at a time; the lock ends with the descriptor. */
static int lock_folder(int *out, int home, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int dir = -1;

	if (seed_path_make_folder(home, "trust", 0700, err) < 0 ||
	    seed_path_open_folder_at(&dir, home, "trust", err) < 0 ||
	    seed_fd_lock(dir, "the trust folder", true, err) < 0 || seed_file_sweep(dir, err) < 0)
		return -1;
	*out = dir;
	dir = -1;
	return 0;
}

static int check_entries(const char *const *scope, size_t count, struct seed_error *err)
{
	char quoted[SEED_QUOTED];

	for (size_t i = 0; i < count; i++)
		if (!seed_scope_entry_valid(scope[i]))
			return seed_error_set(err, SEED_ERR_USAGE, "scope %s: not a VM's name",
					      seed_quote(scope[i], quoted, sizeof(quoted)));
	return 0;
}

/* What one card already here says against the new one under @name. */
static int check_against(const struct seed_trusted *held, const char *name,
			 const struct seed_card *card, struct seed_error *err)
{
	bool same_name = strcmp(held->name, name) == 0;
	bool same_site = seed_id_equal(&held->card.site, &card->site);
	bool same_key = memcmp(&held->card.key, &card->key, sizeof(card->key)) == 0;

	if (held->own && (same_site || same_key))
		return seed_error_set(err, SEED_ERR_USAGE, "this is the card of this very site");
	if (held->own && same_name)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "%s is the name of this site itself: choose another with "
				      "--name", name);
	if (same_name && !same_site)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "the name %s is taken by the card of another site: choose "
				      "another with --name", name);
	if (held->revoked)
		return 0;
	if (same_site && !seed_card_equal(&held->card, card))
		return seed_error_set(err, SEED_ERR_TRUST,
				      "this site is trusted as %s with other keys: if it really "
				      "has new ones, revoke %s first", held->name, held->name);
	if (same_key && !same_site)
		return seed_error_set(err, SEED_ERR_TRUST,
				      "its key is trusted already, as that of another site (%s)",
				      held->name);
	if (same_site && !same_name)
		return seed_error_set(err, SEED_ERR_USAGE, "this card is trusted already, as %s",
				      held->name);
	return 0;
}

/* *@held: this very card is here; *@replaced: the revoked card whose name it takes, or NULL. */
static int check_card(const struct seed_trust *trust, const char *name,
		      const struct seed_card *card, bool *held,
		      const struct seed_trusted **replaced, struct seed_error *err)
{
	*held = false;
	*replaced = NULL;
	if (seed_trust_key_revoked(trust, &card->key))
		return seed_error_set(err, SEED_ERR_TRUST,
				      "its signing key was revoked here, for good");
	for (size_t i = 0; i < seed_trust_count(trust); i++) {
		const struct seed_trusted *site = seed_trust_at(trust, i);

		if (check_against(site, name, card, err) < 0)
			return -1;
		if (!site->own && !site->revoked && seed_card_equal(&site->card, card))
			*held = true;
		if (site->revoked && strcmp(site->name, name) == 0)
			*replaced = site;
	}
	return 0;
}

static int write_scope(int home, const char *name, const char *const *scope, size_t count,
		       struct seed_error *err)
{
	SEED_AUTO(seed_buf_free) struct seed_buf text = { 0 };
	char path[SEED_TRUST_PATH];

	seed_trust_path(path, name, "scope");
	if (count == 0)
		return seed_path_unlink(home, path, err);
	for (size_t i = 0; i < count; i++)
		if (seed_buf_addf(&text, err, "%s\n", scope[i]) < 0)
			return -1;
	if (text.len > SEED_TRUST_FILE_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "the scope names too many VMs");
	return seed_file_replace(home, path, text.data, text.len, 0600, err);
}

/*
 * Put the card's key into NAME.revoked. Lines of earlier cards of that name stay; whatever else
 * the file holds revoked the card beside it, and is spelled out by the line added here.
 */
static int record_revoked(int home, const struct seed_trusted *site, struct seed_error *err)
{
	char fingerprint[SEED_FINGERPRINT_TEXT], key[SEED_PUBLIC_KEY_TEXT];
	SEED_AUTO(seed_buf_free) struct seed_buf text = { 0 };
	SEED_AUTO(seed_freep) char *old = NULL;
	char path[SEED_TRUST_PATH];
	struct seed_public_key known;
	char *rest, *line, *space;
	size_t len;

	seed_public_key_text(&site->card.key, key);
	seed_trust_path(path, site->name, "revoked");
	if (seed_path_exists(home, path) &&
	    seed_file_read(home, path, SEED_TRUST_FILE_MAX, &old, &len, err) < 0)
		return -1;
	for (rest = old; rest && (line = strsep(&rest, "\n")); ) {
		space = strchr(line, ' ');
		if (!space || seed_public_key_parse(&known, space + 1, NULL) < 0 ||
		    strcmp(space + 1, key) == 0)
			continue;
		if (seed_buf_addf(&text, err, "%s\n", line) < 0)
			return -1;
	}
	if (seed_buf_addf(&text, err, "%s %s\n", seed_fingerprint(&site->card, fingerprint),
			  key) < 0)
		return -1;
	return seed_file_replace(home, path, text.data, text.len, 0600, err);
}

/* What can be said without looking at who is trusted already. */
static int check_request(struct seed_card *card, const char *name, const char *card_text,
			 size_t len, const char *fingerprint, const char *const *scope,
			 size_t scope_count, struct seed_error *err)
{
	char quoted[SEED_QUOTED];

	if (!seed_site_name_valid(name))
		return seed_error_set(err, SEED_ERR_USAGE,
				      "%s: a local name is 1 to %d of A-Z a-z 0-9 . _ -, not "
				      "beginning with . or -",
				      seed_quote(name, quoted, sizeof(quoted)), SEED_NAME_MAX);
	if (check_entries(scope, scope_count, err) < 0 ||
	    seed_card_read(card, card_text, len, err) < 0)
		return -1;
	if (!fingerprint || !seed_fingerprint_matches(card, fingerprint))
		return seed_error_set(err, SEED_ERR_TRUST,
				      "the fingerprint typed is not that of this card");
	return 0;
}

int seed_trust_check(int home, const char *name, const char *card_text, size_t len,
		     const char *fingerprint, const char *const *scope, size_t scope_count,
		     struct seed_error *err)
{
	SEED_AUTO(seed_trust_closep) struct seed_trust *trust = NULL;
	const struct seed_trusted *replaced;
	struct seed_card card;
	bool held;

	if (check_request(&card, name, card_text, len, fingerprint, scope, scope_count, err) < 0)
		return -1;
	if (home < 0)
		return 0;
	if (seed_trust_open(&trust, home, NULL, err) < 0)
		return -1;
	return check_card(trust, name, &card, &held, &replaced, err);
}

int seed_trust_add(int home, const char *name, const char *card_text, size_t len,
		   const char *fingerprint, const char *const *scope, size_t scope_count,
		   struct seed_error *err)
{
	SEED_AUTO(seed_trust_closep) struct seed_trust *trust = NULL;
	SEED_AUTO(seed_fd_closep) int lock = -1;
	const struct seed_trusted *replaced;
	char path[SEED_TRUST_PATH];
	struct seed_card card;
	bool held;

	if (check_request(&card, name, card_text, len, fingerprint, scope, scope_count, err) < 0 ||
	    lock_folder(&lock, home, err) < 0 || seed_trust_open(&trust, home, NULL, err) < 0 ||
	    check_card(trust, name, &card, &held, &replaced, err) < 0)
		return -1;
	/* A revoked card that gives up its name leaves its key behind before it goes. Then the
	 * scope: cut in between, a card is never trusted for more than was asked. */
	if (replaced && record_revoked(home, replaced, err) < 0)
		return -1;
	seed_trust_path(path, name, "card");
	if (write_scope(home, name, scope, scope_count, err) < 0)
		return -1;
	if (held)
		return seed_fd_sync(lock, err);
	return seed_file_replace(home, path, card_text, len, 0600, err);
}

int seed_trust_revoke(int home, const char *name, struct seed_error *err)
{
	SEED_AUTO(seed_trust_closep) struct seed_trust *trust = NULL;
	SEED_AUTO(seed_fd_closep) int lock = -1;
	const struct seed_trusted *site;
	struct seed_error why = { 0 };

	if (seed_path_exists(home, "trust") && lock_folder(&lock, home, err) < 0)
		return -1;
	if (seed_trust_open(&trust, home, NULL, err) < 0)
		return -1;
	if (seed_trust_find(&site, trust, name, &why) < 0) {
		if (why.kind == SEED_ERR_TRUST)
			return 0;
		if (err)
			*err = why;
		return -1;
	}
	if (site->own)
		return seed_error_set(err, SEED_ERR_USAGE, "%s is this site itself", name);
	return record_revoked(home, site, err);
}
