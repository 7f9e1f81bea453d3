/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trust/card.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "base/vec.h"
#include "doc/signed_doc.h"

#define SIGNATURE_LINES 4

void seed_card_of(struct seed_card *out, const struct seed_site *site)
{
	memset(out, 0, sizeof(*out));
	memcpy(out->name, site->name, sizeof(out->name));
	out->site = site->id;
	out->key = *seed_signing_key_public(site->sign);
	memcpy(out->receiving_key, seed_receiving_key_public(site->receive), SEED_HPKE_KEY);
}

bool seed_card_equal(const struct seed_card *a, const struct seed_card *b)
{
	return seed_id_equal(&a->site, &b->site) &&
	       memcmp(a->key.bytes, b->key.bytes, sizeof(a->key.bytes)) == 0 &&
	       memcmp(a->receiving_key, b->receiving_key, SEED_HPKE_KEY) == 0;
}

int seed_card_write(const struct seed_site *site, char **text, size_t *len,
		    struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc =
		seed_doc_new(SEED_DOC_CARD, seed_signing_key_public(site->sign));
	SEED_AUTO(seed_freep) char *json = NULL;
	SEED_AUTO(seed_buf_free) struct seed_buf buf = { 0 };
	char signature[SEED_SIGNATURE_MAX];
	size_t json_len;

	seed_json_set_text(doc, "name", site->name);
	seed_json_set_id(doc, "site", &site->id);
	seed_json_set_base64(doc, "receiving_key", seed_receiving_key_public(site->receive),
			     SEED_HPKE_KEY);
	if (seed_doc_sign(doc, site->sign, SEED_DOC_CARD, &json, &json_len, signature, err) < 0 ||
	    seed_buf_add(&buf, json, json_len, err) < 0 ||
	    seed_buf_add(&buf, signature, strlen(signature), err) < 0)
		return -1;
	*len = buf.len;
	*text = seed_steal(&buf.data);
	return 0;
}

/* Where the last four lines begin, or NULL. */
static const char *find_signature(const char *text, size_t len)
{
	size_t at = len, lines = 0;

	if (len == 0 || text[len - 1] != '\n')
		return NULL;
	while (at > 0) {
		if (text[at - 1] == '\n' && lines++ == SIGNATURE_LINES)
			return text + at;
		at--;
	}
	return NULL;
}

/*
 * The key stands inside the very document that it must verify, so here alone is
 * something read before its signature: one member of a small, strictly parsed
 * object. Nothing else is looked at until the signature holds.
 */
static int read_key(struct seed_public_key *out, const char *json, size_t len,
		    struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_json_reader r;
	const char *key;

	if (seed_json_parse(&doc, json, len, err) < 0)
		return -1;
	seed_json_begin(&r, doc, "", err);
	key = seed_json_take_text(&r, "key", SEED_PUBLIC_KEY_TEXT);
	return key ? seed_public_key_parse(out, key, err) : -1;
}

int seed_card_read(struct seed_card *out, const char *text, size_t len, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	const char *signature, *name;
	struct seed_card card = { 0 };
	struct seed_json_reader r;
	char quoted[SEED_QUOTED];

	if (len > SEED_CARD_MAX || memchr(text, '\0', len))
		return seed_error_set(err, SEED_ERR_FORMAT, "not a site's card");
	if (memchr(text, '\r', len))
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "its line ends were changed on the way (CR LF): "
				      "send the card as a file, unchanged");
	signature = find_signature(text, len);
	if (!signature || signature == text)
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "not a site's card, or its end is missing");
	if (read_key(&card.key, text, (size_t)(signature - text), err) < 0)
		return seed_error_prefix(err, "not a site's card");
	if (seed_doc_open(&doc, &r, SEED_DOC_CARD, text, (size_t)(signature - text), signature,
			  len - (size_t)(signature - text), &card.key, err) < 0)
		return -1;
	name = seed_json_take_text(&r, "name", SEED_NAME_MAX);
	seed_json_take_id(&r, "site", &card.site);
	seed_json_take_base64(&r, "receiving_key", card.receiving_key, SEED_HPKE_KEY);
	if (name && !seed_site_name_valid(name))
		seed_json_refuse(&r, "name", "%s is not a site's name",
				 seed_quote(name, quoted, sizeof(quoted)));
	if (seed_json_done(&r) < 0)
		return -1;
	strcpy(card.name, name);
	*out = card;
	return 0;
}
