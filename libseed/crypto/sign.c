// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The minisign form around Ed25519. The parser takes exactly the four lines that minisign
 * writes: one text has one meaning, and bytes that nobody signed have no room in it beside the
 * untrusted comment.
 */
#include "crypto/sign.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "crypto/digest.h"
#include "crypto/sign_internal.h"

#define COMMENT_MAX 200
#define TEXT_OF(bytes) (4 * (((bytes) + 2) / 3))	/* base64 characters */

static const char untrusted[] = "untrusted comment: ";
static const char trusted[] = "trusted comment: ";

struct minisig {
	uint8_t raw[SEED_SIGNATURE_RAW];
	const char *comment;		/* trusted; borrowed, not terminated */
	size_t comment_len;
	uint8_t global[SEED_ED25519];	/* over signature and comment */
};

/* ---- reading the four lines ---- */

/* The next line, without its newline: NULL when none is complete. Only bytes that a comment may
 * hold: no control characters but the tab, which minisign's own comments have. */
static const char *take_line(const char **next, const char *end, size_t *len)
{
	const char *line = *next;
	const char *newline = memchr(line, '\n', (size_t)(end - line));

	if (!newline)
		return NULL;
	for (const char *p = line; p < newline; p++)
		if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
			return NULL;
	*len = (size_t)(newline - line);
	*next = newline + 1;
	return line;
}

static bool take_comment(const char **next, const char *end, const char *prefix,
			 const char **comment, size_t *comment_len)
{
	size_t len, skip = strlen(prefix);
	const char *line = take_line(next, end, &len);

	if (!line || len < skip || memcmp(line, prefix, skip) != 0)
		return false;
	*comment = line + skip;
	*comment_len = len - skip;
	return true;
}

static bool take_base64(const char **next, const char *end, uint8_t *out, size_t size)
{
	char text[TEXT_OF(SEED_SIGNATURE_RAW) + 1];
	size_t len;
	const char *line = take_line(next, end, &len);

	if (!line || len != TEXT_OF(size))
		return false;
	memcpy(text, line, len);
	text[len] = '\0';
	return seed_base64_parse(out, size, text, NULL) == 0;
}

static int parse(struct minisig *out, const char *text, size_t len, struct seed_error *err)
{
	const char *next = text, *end = text + len, *ignored;
	size_t ignored_len;

	if (len > SEED_SIGNATURE_MAX)
		return seed_error_set(err, SEED_ERR_TRUST, "too long for a signature");
	if (len == 0 || !take_comment(&next, end, untrusted, &ignored, &ignored_len) ||
	    !take_base64(&next, end, out->raw, sizeof(out->raw)) ||
	    !take_comment(&next, end, trusted, &out->comment, &out->comment_len) ||
	    !take_base64(&next, end, out->global, sizeof(out->global)) || next != end)
		return seed_error_set(err, SEED_ERR_TRUST, "not a minisign signature");
	return 0;
}

/* "ED", and not the older "Ed" over the file itself. */
static int check_tag(const uint8_t raw[SEED_SIGNATURE_RAW], struct seed_error *err)
{
	if (raw[0] == 'E' && raw[1] == 'D')
		return 0;
	if (raw[0] == 'E' && raw[1] == 'd')
		return seed_error_set(err, SEED_ERR_TRUST,
				      "minisign signature of the old form, without prehashing");
	return seed_error_set(err, SEED_ERR_TRUST, "not a minisign signature");
}

int seed_signature_key_id(const char *signature, size_t signature_len, uint8_t out[SEED_KEY_ID],
			  struct seed_error *err)
{
	struct minisig sig;

	if (parse(&sig, signature, signature_len, err) < 0 || check_tag(sig.raw, err) < 0)
		return -1;
	memcpy(out, sig.raw + 2, SEED_KEY_ID);
	return 0;
}

/* ---- the bare signature ---- */

int seed_sign_raw(const struct seed_signing_key *key, const void *data, size_t len,
		  uint8_t out[SEED_SIGNATURE_RAW], struct seed_error *err)
{
	uint8_t raw[SEED_SIGNATURE_RAW] = { 'E', 'D' };
	uint8_t hash[SEED_BLAKE2B_SIZE];

	seed_public_key_id(seed_signing_key_public(key), raw + 2);
	if (seed_blake2b(hash, data, len, err) < 0 ||
	    seed_ed25519_sign(raw + 2 + SEED_KEY_ID, key, hash, sizeof(hash), err) < 0)
		return -1;
	memcpy(out, raw, sizeof(raw));
	return 0;
}

int seed_sign_verify_raw(const struct seed_public_key *key, const void *data, size_t len,
			 const uint8_t signature[SEED_SIGNATURE_RAW], struct seed_error *err)
{
	uint8_t hash[SEED_BLAKE2B_SIZE], id[SEED_KEY_ID];

	if (check_tag(signature, err) < 0)
		return -1;
	seed_public_key_id(key, id);
	if (memcmp(signature + 2, id, sizeof(id)) != 0)
		return seed_error_set(err, SEED_ERR_TRUST, "signed with another key");
	if (seed_blake2b(hash, data, len, err) < 0)
		return -1;
	return seed_ed25519_verify(key, hash, sizeof(hash), signature + 2 + SEED_KEY_ID, err);
}

/* ---- the whole ---- */

/* What the second signature covers. Returns its length. */
static size_t join(uint8_t *out, const uint8_t *raw, const char *comment, size_t comment_len)
{
	memcpy(out, raw + 2 + SEED_KEY_ID, SEED_ED25519);
	memcpy(out + SEED_ED25519, comment, comment_len);
	return SEED_ED25519 + comment_len;
}

static bool comment_valid(const char *comment)
{
	size_t len = strlen(comment);

	for (size_t i = 0; i < len; i++)
		if (comment[i] < 0x20 || comment[i] > 0x7e)
			return false;
	return len <= COMMENT_MAX;
}

int seed_sign(const struct seed_signing_key *key, const void *data, size_t len,
	      const char *comment, char out[SEED_SIGNATURE_MAX], struct seed_error *err)
{
	uint8_t raw[SEED_SIGNATURE_RAW], global[SEED_ED25519], both[SEED_ED25519 + COMMENT_MAX];
	char raw_text[TEXT_OF(SEED_SIGNATURE_RAW) + 1], global_text[TEXT_OF(SEED_ED25519) + 1];
	size_t both_len;

	if (!comment_valid(comment))
		return seed_error_set(err, SEED_ERR_RANGE, "comment of a signature: printable "
				      "ASCII, at most %d characters", COMMENT_MAX);
	if (seed_sign_raw(key, data, len, raw, err) < 0)
		return -1;
	both_len = join(both, raw, comment, strlen(comment));
	if (seed_ed25519_sign(global, key, both, both_len, err) < 0)
		return -1;
	snprintf(out, SEED_SIGNATURE_MAX, "%svmseed\n%s\n%s%s\n%s\n", untrusted,
		 seed_base64(raw, sizeof(raw), raw_text), trusted, comment,
		 seed_base64(global, sizeof(global), global_text));
	return 0;
}

int seed_sign_verify(const struct seed_public_key *key, const void *data, size_t len,
		     const char *signature, size_t signature_len, struct seed_error *err)
{
	uint8_t both[SEED_ED25519 + SEED_SIGNATURE_MAX];
	struct minisig sig;
	size_t both_len;

	if (parse(&sig, signature, signature_len, err) < 0 ||
	    seed_sign_verify_raw(key, data, len, sig.raw, err) < 0)
		return -1;
	both_len = join(both, sig.raw, sig.comment, sig.comment_len);
	if (seed_ed25519_verify(key, both, both_len, sig.global, err) < 0)
		return seed_error_prefix(err, "trusted comment");
	return 0;
}
