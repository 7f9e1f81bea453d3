/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A site's card: what it shows to others. A small text file: the JSON of a
 * signed document of type "card" (name, site, receiving_key), then the four
 * lines of its minisign signature by the very key it names. The signature
 * only shows that the holder of the key made it: whose key it is, the
 * fingerprint says, read out over another channel.
 */
#ifndef SEED_TRUST_CARD_H
#define SEED_TRUST_CARD_H

#include "trust/keyfile.h"

#define SEED_CARD_MAX 8192
#define SEED_FINGERPRINT_TEXT 30	/* 25 characters in five groups, NUL */

struct seed_card {
	char name[SEED_NAME_MAX + 1];
	struct seed_id site;
	struct seed_public_key key;
	uint8_t receiving_key[SEED_HPKE_KEY];
};

int seed_card_write(const struct seed_site *site, char **text, size_t *len,
		    struct seed_error *err);
int seed_card_read(struct seed_card *out, const char *text, size_t len, struct seed_error *err);
void seed_card_of(struct seed_card *out, const struct seed_site *site);

/* "4K7QF-...": the first 125 bits of SHA-256("vmseed-card-1" || site id || signing key ||
 * receiving key) in base 32, five groups of five. */
char *seed_fingerprint(const struct seed_card *card, char *out);
/* Typed by a person: case, spaces and dashes do not matter. */
bool seed_fingerprint_matches(const struct seed_card *card, const char *typed);

#endif
