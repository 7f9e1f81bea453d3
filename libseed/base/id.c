// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/id.h"

#include "base/text.h"

char *seed_id_text(const struct seed_id *id, char *out)
{
	return seed_hex(id->bytes, sizeof(id->bytes), out);
}

char *seed_digest_text(const struct seed_digest *digest, char *out)
{
	return seed_hex(digest->bytes, sizeof(digest->bytes), out);
}

static bool hyphen_before(unsigned int byte)
{
	return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

char *seed_uuid_text(const struct seed_id *id, char *out)
{
	char *p = out;

	for (unsigned int i = 0; i < SEED_ID_SIZE; i++) {
		if (hyphen_before(i))
			*p++ = '-';
		seed_hex(&id->bytes[i], 1, p);
		p += 2;
	}
	return out;
}

static int bad_text(const char *what, const char *text, struct seed_error *err)
{
	char shown[SEED_QUOTED];

	return seed_error_set(err, SEED_ERR_FORMAT, "not %s: %s", what,
			      seed_quote(text, shown, sizeof(shown)));
}

int seed_id_parse(struct seed_id *out, const char *text, struct seed_error *err)
{
	if (seed_hex_parse(out->bytes, sizeof(out->bytes), text, NULL) < 0)
		return bad_text("an id (32 lower-case hex digits)", text, err);
	return 0;
}

int seed_digest_parse(struct seed_digest *out, const char *text, struct seed_error *err)
{
	if (seed_hex_parse(out->bytes, sizeof(out->bytes), text, NULL) < 0)
		return bad_text("a digest (64 lower-case hex digits)", text, err);
	return 0;
}

int seed_uuid_parse(struct seed_id *out, const char *text, struct seed_error *err)
{
	const char *p = text;
	char digits[SEED_ID_TEXT];

	for (unsigned int i = 0; i < 2 * SEED_ID_SIZE; i++, p++) {
		if (i % 2 == 0 && hyphen_before(i / 2) && *p++ != '-')
			return bad_text("a UUID", text, err);
		digits[i] = *p >= 'A' && *p <= 'F' ? (char)(*p - 'A' + 'a') : *p;
		if (!*p)
			return bad_text("a UUID", text, err);
	}
	digits[2 * SEED_ID_SIZE] = '\0';
	if (*p || seed_hex_parse(out->bytes, sizeof(out->bytes), digits, NULL) < 0)
		return bad_text("a UUID", text, err);
	return 0;
}
