/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trust/trust.h"

#include <errno.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "trust/trust_internal.h"

#define NAMES_MAX 30000		/* files in the folder */

struct seed_trust {
	struct seed_vec sites;		/* struct seed_trusted */
	struct seed_vec revoked;	/* struct seed_public_key */
};

static struct seed_trusted *site_at(const struct seed_trust *trust, size_t index)
{
	return seed_vec_at(&trust->sites, index);
}

static void free_scope(struct seed_vec *scope)
{
	for (size_t i = 0; i < scope->count; i++)
		free(*(char **)seed_vec_at(scope, i));
	seed_vec_free(scope);
}

void seed_trust_close(struct seed_trust *trust)
{
	if (!trust)
		return;
	for (size_t i = 0; i < trust->sites.count; i++)
		free_scope(&site_at(trust, i)->scope);
	seed_vec_free(&trust->sites);
	seed_vec_free(&trust->revoked);
	free(trust);
}

char *seed_trust_path(char *out, const char *name, const char *suffix)
{
	snprintf(out, SEED_TRUST_PATH, "trust/%.*s.%s", SEED_NAME_MAX, name, suffix);
	return out;
}

bool seed_scope_entry_valid(const char *entry)
{
	size_t len = strlen(entry);

	if (len == 0 || len > SEED_SCOPE_LINE_MAX || !seed_utf8_valid(entry, len))
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)entry[i] < 0x20 || entry[i] == 0x7f)
			return false;
	return true;
}

/* ---- loading ---- */

struct loader {
	struct seed_trust *trust;
	int home;
};

static int load_scope(struct seed_trusted *site, int home, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	char path[SEED_TRUST_PATH];
	char *rest, *line, *entry;
	size_t len;

	seed_trust_path(path, site->name, "scope");
	if (!seed_path_exists(home, path))
		return 0;
	if (seed_file_read(home, path, SEED_TRUST_FILE_MAX, &text, &len, err) < 0)
		return -1;
	if (memchr(text, '\0', len))
		return seed_error_set(err, SEED_ERR_FORMAT, "%s: not text", path);
	for (rest = text; (line = strsep(&rest, "\n")); ) {
		if (!*line)
			continue;
		if (!seed_scope_entry_valid(line))
			return seed_error_set(err, SEED_ERR_FORMAT, "%s: not a VM's name", path);
		entry = strdup(line);
		if (!entry || !seed_vec_push(&site->scope, sizeof(entry), &entry)) {
			free(entry);
			return seed_error_sys(err, ENOMEM, "%s", path);
		}
	}
	/* An empty list would read as "any VM": the widest trust out of a cut file. */
	if (site->scope.count == 0)
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "%s: names no VM; remove it to allow any", path);
	return 0;
}

static int load_card(struct loader *load, const char *name, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	struct seed_trusted site = { 0 }, *held;
	char path[SEED_TRUST_PATH];
	size_t len;

	strcpy(site.name, name);	/* a valid name is short enough */
	seed_trust_path(path, name, "card");
	if (seed_file_read(load->home, path, SEED_CARD_MAX, &text, &len, err) < 0)
		return -1;
	if (seed_card_read(&site.card, text, len, err) < 0)
		return seed_error_prefix(err, "%s", path);
	held = seed_vec_push(&load->trust->sites, sizeof(site), &site);
	if (!held)
		return seed_error_sys(err, ENOMEM, "%s", path);
	return load_scope(held, load->home, err);
}

/* One line is "FINGERPRINT KEY". False when anything in it reads otherwise. */
static bool parse_revoked(struct seed_trust *trust, char *text, bool *no_memory)
{
	struct seed_public_key key;
	char *rest, *line, *space;
	size_t lines = 0;

	for (rest = text; (line = strsep(&rest, "\n")); ) {
		if (!*line)
			continue;
		lines++;
		space = strchr(line, ' ');
		if (!space || seed_public_key_parse(&key, space + 1, NULL) < 0)
			return false;
		if (!seed_vec_push(&trust->revoked, sizeof(key), &key))
			*no_memory = true;
	}
	return lines > 0;
}

static struct seed_trusted *site_named(const struct seed_trust *trust, const char *name)
{
	for (size_t i = 0; i < trust->sites.count; i++)
		if (strcmp(site_at(trust, i)->name, name) == 0)
			return site_at(trust, i);
	return NULL;
}

static int load_revoked(struct loader *load, const char *name, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	struct seed_trusted *beside;
	char path[SEED_TRUST_PATH];
	bool no_memory = false, whole;
	size_t len;

	seed_trust_path(path, name, "revoked");
	if (seed_file_read(load->home, path, SEED_TRUST_FILE_MAX, &text, &len, err) < 0)
		return -1;
	whole = strlen(text) == len;	/* strsep() is about to cut it */
	if (!parse_revoked(load->trust, text, &no_memory) || !whole) {
		beside = site_named(load->trust, name);
		if (beside && !seed_vec_push(&load->trust->revoked, sizeof(beside->card.key),
					     &beside->card.key))
			no_memory = true;
	}
	return no_memory ? seed_error_sys(err, ENOMEM, "%s", path) : 0;
}

/* The local name in "NAME.SUFFIX"; false when the file is nothing of ours. */
static bool name_of(char out[SEED_NAME_MAX + 1], const char *file, const char *suffix)
{
	size_t len = strlen(file), tail = strlen(suffix);

	if (len <= tail || len - tail > SEED_NAME_MAX || strcmp(file + len - tail, suffix) != 0)
		return false;
	memcpy(out, file, len - tail);
	out[len - tail] = '\0';
	return seed_site_name_valid(out);
}

static int visit_card(const char *file, void *arg, struct seed_error *err)
{
	char name[SEED_NAME_MAX + 1];

	return name_of(name, file, ".card") ? load_card(arg, name, err) : 0;
}

static int visit_revoked(const char *file, void *arg, struct seed_error *err)
{
	char name[SEED_NAME_MAX + 1];

	return name_of(name, file, ".revoked") ? load_revoked(arg, name, err) : 0;
}

static int load_own(struct seed_trust *trust, int home, const struct seed_site *own,
		    struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	struct seed_trusted site = { .own = true };
	size_t len;

	if (own) {
		seed_card_of(&site.card, own);
	} else if (seed_site_exists(home)) {
		if (seed_site_card(home, &text, &len, err) < 0)
			return -1;
		if (seed_card_read(&site.card, text, len, err) < 0)
			return seed_error_prefix(err, "site/card");
	} else {
		return 0;
	}
	memcpy(site.name, site.card.name, sizeof(site.name));
	if (!seed_vec_push(&trust->sites, sizeof(site), &site))
		return seed_error_sys(err, ENOMEM, "trust");
	return 0;
}

int seed_trust_open(struct seed_trust **out, int home, const struct seed_site *own,
		    struct seed_error *err)
{
	SEED_AUTO(seed_trust_closep) struct seed_trust *trust = calloc(1, sizeof(*trust));
	struct loader load = { .trust = trust, .home = home };

	if (!trust)
		return seed_error_sys(err, ENOMEM, "trust");
	if (load_own(trust, home, own, err) < 0)
		return -1;
	/* Cards first: a .revoked file may speak of the card beside it. */
	if (seed_path_exists(home, "trust") &&
	    (seed_path_each(home, "trust", NAMES_MAX, visit_card, &load, err) < 0 ||
	     seed_path_each(home, "trust", NAMES_MAX, visit_revoked, &load, err) < 0))
		return -1;
	for (size_t i = 0; i < trust->sites.count; i++)
		site_at(trust, i)->revoked =
			seed_trust_key_revoked(trust, &site_at(trust, i)->card.key);
	*out = seed_steal(&trust);
	return 0;
}

/* ---- asking ---- */

bool seed_trust_key_revoked(const struct seed_trust *trust, const struct seed_public_key *key)
{
	for (size_t i = 0; i < trust->revoked.count; i++)
		if (memcmp(seed_vec_at(&trust->revoked, i), key, sizeof(*key)) == 0)
			return true;
	return false;
}

size_t seed_trust_count(const struct seed_trust *trust)
{
	return trust->sites.count;
}

const struct seed_trusted *seed_trust_at(const struct seed_trust *trust, size_t index)
{
	return site_at(trust, index);
}

/* A site that came back with new keys has a revoked card and a good one: the good one counts. */
static const struct seed_trusted *site_with_id(const struct seed_trust *trust,
					       const struct seed_id *id)
{
	const struct seed_trusted *found = NULL;

	for (size_t i = 0; i < trust->sites.count; i++) {
		const struct seed_trusted *site = site_at(trust, i);

		if (seed_id_equal(&site->card.site, id) && (!found || found->revoked))
			found = site;
	}
	return found;
}

int seed_trust_find(const struct seed_trusted **out, const struct seed_trust *trust,
		    const char *name, struct seed_error *err)
{
	const struct seed_trusted *site = site_named(trust, name);
	char quoted[SEED_QUOTED];
	struct seed_id id;

	if (!site && seed_id_parse(&id, name, NULL) == 0)
		site = site_with_id(trust, &id);
	if (!site)
		return seed_error_set(err, SEED_ERR_NOTFOUND, "no site %s is trusted here",
				      seed_quote(name, quoted, sizeof(quoted)));
	if (site->revoked)
		return seed_error_set(err, SEED_ERR_TRUST, "the key of %s was revoked here",
				      site->name);
	*out = site;
	return 0;
}

int seed_trust_verify(const struct seed_trusted **out, const struct seed_trust *trust,
		      const void *data, size_t len, const char *signature, size_t signature_len,
		      struct seed_error *err)
{
	uint8_t wanted[SEED_KEY_ID], id[SEED_KEY_ID];
	const struct seed_trusted *site;
	bool known = false;

	if (seed_signature_key_id(signature, signature_len, wanted, err) < 0)
		return -1;
	for (size_t i = 0; i < trust->sites.count; i++) {
		site = site_at(trust, i);
		seed_public_key_id(&site->card.key, id);
		if (memcmp(id, wanted, sizeof(id)) != 0)
			continue;
		known = true;
		if (seed_sign_verify(&site->card.key, data, len, signature, signature_len,
				     err) < 0)
			continue;
		if (site->revoked)
			return seed_error_set(err, SEED_ERR_TRUST,
					      "signed with the revoked key of %s", site->name);
		*out = site;
		return 0;
	}
	if (known)	/* the last verification's own words */
		return -1;
	return seed_error_set(err, SEED_ERR_TRUST,
			      "signed by key %016llX, which is not trusted here ('vmseed key "
			      "trust' pins the card of a site you know)",
			      (unsigned long long)seed_get64(wanted));
}

static bool scope_names(const char *entry, const struct seed_id *vm_uuid, const char *vm_name)
{
	struct seed_id id;

	if (seed_uuid_parse(&id, entry, NULL) == 0)
		return seed_id_equal(&id, vm_uuid);
	return vm_name && strcmp(entry, vm_name) == 0;
}

int seed_trust_allows(const struct seed_trusted *signer, const struct seed_id *vm_uuid,
		      const char *vm_name, struct seed_error *err)
{
	char uuid[SEED_UUID_TEXT], quoted[SEED_QUOTED];

	if (signer->revoked)
		return seed_error_set(err, SEED_ERR_TRUST, "the key of %s was revoked here",
				      signer->name);
	if (signer->scope.count == 0)
		return 0;
	for (size_t i = 0; i < signer->scope.count; i++)
		if (scope_names(*(char **)seed_vec_at(&signer->scope, i), vm_uuid, vm_name))
			return 0;
	return seed_error_set(err, SEED_ERR_TRUST,
			      "VM %s (%s) is outside the scope that %s is trusted for",
			      seed_quote(vm_name ? vm_name : "", quoted, sizeof(quoted)),
			      seed_uuid_text(vm_uuid, uuid), signer->name);
}
