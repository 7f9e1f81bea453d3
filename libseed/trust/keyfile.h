/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A site's own keys in its home:
 *
 *   HOME/site/sign.pem       Ed25519, PKCS#8 PEM (0600)
 *   HOME/site/receive.pem    X25519, PKCS#8 PEM (0600)
 *   HOME/site/card           what the site shows to others (0644), see trust/card.h
 *   HOME/site/site.json      name and site id (0644)
 *
 * site.json is written last: a home whose `key new` was cut short has no site,
 * and the next `key new` begins again. The card lies there ready-made, so that
 * showing it, and reading what this site signed, needs no passphrase.
 */
#ifndef SEED_TRUST_KEYFILE_H
#define SEED_TRUST_KEYFILE_H

#include <stdbool.h>

#include "base/id.h"
#include "crypto/hpke.h"
#include "crypto/sign.h"

#define SEED_NAME_MAX 64	/* bytes of a site's name or a card's local name */
#define SEED_PASSPHRASE_MAX 1024	/* bytes, the NUL counted */

struct seed_site {
	char name[SEED_NAME_MAX + 1];	/* [A-Za-z0-9._-], not beginning with '.' or '-' */
	struct seed_id id;
	struct seed_signing_key *sign;
	struct seed_receiving_key *receive;
};

/* Where a passphrase comes from when a key needs one: fills @out (NUL-terminated) or fails. */
struct seed_passphrase {
	int (*ask)(void *arg, const char *prompt, char *out, size_t size, struct seed_error *err);
	void *arg;
};

bool seed_site_name_valid(const char *name);

/* USAGE when the home has a site already. @passphrase NULL: keys open without one. */
int seed_site_create(int home, const char *name, const char *passphrase, struct seed_error *err);
/* SEED_ERR_NOTFOUND when there is no site here; USAGE when a key file may be read by others or is
 * somebody else's; INTEGRITY when the files are not of one site. @passphrase is asked once, and
 * only when a key has one; NULL: such a key is refused (TRUST). */
int seed_site_open(struct seed_site **out, int home, const struct seed_passphrase *passphrase,
		   struct seed_error *err);
void seed_site_close(struct seed_site *site);
static inline void seed_site_closep(struct seed_site **site) { seed_site_close(*site); }
bool seed_site_exists(int home);

/* The site's card as it lies in the home; the caller frees *@text. NOTFOUND without a site. */
int seed_site_card(int home, char **text, size_t *len, struct seed_error *err);

#endif
