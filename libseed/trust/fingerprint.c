/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/text.h"
#include "crypto/digest.h"
#include "trust/card.h"

#define DIGITS 25	/* base-32 characters: 125 bits */
#define GROUP 5

static void digits_of(const struct seed_card *card, char out[DIGITS + 1])
{
	struct seed_digest_stream s;
	struct seed_digest digest;

	seed_digest_begin(&s);
	seed_digest_add(&s, "vmseed-card-1", 13);
	seed_digest_add(&s, card->site.bytes, sizeof(card->site.bytes));
	seed_digest_add(&s, card->key.bytes, sizeof(card->key.bytes));
	seed_digest_add(&s, card->receiving_key, sizeof(card->receiving_key));
	seed_digest_end(&s, &digest);
	seed_base32(digest.bytes, DIGITS, out);
	out[DIGITS] = '\0';
}

char *seed_fingerprint(const struct seed_card *card, char *out)
{
	char digits[DIGITS + 1];
	char *p = out;

	digits_of(card, digits);
	for (int i = 0; i < DIGITS; i++) {
		if (i > 0 && i % GROUP == 0)
			*p++ = '-';
		*p++ = digits[i];
	}
	*p = '\0';
	return out;
}

/* Not toupper(): what a letter is must not depend on the locale. */
static char upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

bool seed_fingerprint_matches(const struct seed_card *card, const char *typed)
{
	char digits[DIGITS + 1];
	int matched = 0;

	digits_of(card, digits);
	for (; *typed; typed++) {
		if (strchr("- \t\r\n", *typed))
			continue;
		if (matched == DIGITS || upper(*typed) != digits[matched])
			return false;
		matched++;
	}
	return matched == DIGITS;
}
