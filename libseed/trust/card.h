/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A site's card: what it shows to others. A small text file: the JSON of a
 * signed document of type "card" (name, site, receiving_key), then the four
 * lines of its minisign signature by the very key it names, so that `head -n -4`
 * and `tail -n 4` make the two files that minisign verifies. The signature
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

/* The caller frees *@text. */
int seed_card_write(const struct seed_site *site, char **text, size_t *len,
		    struct seed_error *err);
/* FORMAT when it is no card, TRUST when its own signature does not hold. */
int seed_card_read(struct seed_card *out, const char *text, size_t len, struct seed_error *err);
void seed_card_of(struct seed_card *out, const struct seed_site *site);
/* The same site with the same two keys; the name may differ. */
bool seed_card_equal(const struct seed_card *a, const struct seed_card *b);

/* ---- fingerprint.c ---- */

/* "4K7QF-...": the first 125 bits of SHA-256("vmseed-card-1" || site id || signing key ||
 * receiving key) in base 32, five groups of five. @out holds SEED_FINGERPRINT_TEXT. */
char *seed_fingerprint(const struct seed_card *card, char *out);
/* Typed by a person: case, spaces and dashes do not matter. */
bool seed_fingerprint_matches(const struct seed_card *card, const char *typed);

#endif
