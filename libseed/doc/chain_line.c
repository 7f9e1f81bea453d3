// SPDX-License-Identifier: LGPL-2.1-or-later
#include "doc/chain_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "doc/doc_internal.h"

static const char head[] = "{\"type\":\"history\",\"version\":1,\"key\":\"";

#define HEAD (sizeof(head) - 1)
#define KEY_TEXT (SEED_PUBLIC_KEY_TEXT - 1)
#define SIGNATURE_TEXT 100	/* 74 bytes in base64 */
#define TAIL (1 + SIGNATURE_TEXT + 1)	/* tab, signature, newline */

/* ---- reading ---- */

static int take_signature(uint8_t out[SEED_SIGNATURE_RAW], const char *line, size_t len)
{
	const char *tab = line + len - TAIL;
	char text[SIGNATURE_TEXT + 1];

	if (*tab != '\t' || line[len - 1] != '\n')
		return -1;
	memcpy(text, tab + 1, SIGNATURE_TEXT);
	text[SIGNATURE_TEXT] = '\0';
	return seed_base64_parse(out, SEED_SIGNATURE_RAW, text, NULL);
}

/* The key that the entry names, found by its place: nothing is parsed yet. */
static int take_key(struct seed_public_key *out, const char *line)
{
	char text[SEED_PUBLIC_KEY_TEXT];

	if (memcmp(line, head, HEAD) != 0 || line[HEAD + KEY_TEXT] != '"')
		return -1;
	memcpy(text, line + HEAD, KEY_TEXT);
	text[KEY_TEXT] = '\0';
	return seed_public_key_parse(out, text, NULL);
}

static int take_place(struct seed_chain_entry *entry)
{
	struct seed_json_reader *r = &entry->reader;

	entry->number = seed_json_take_uint(r, "entry", SEED_JSON_INT_MAX);
	entry->first = !seed_json_has(r, "previous");
	memset(&entry->previous, 0, sizeof(entry->previous));
	if (!entry->first)
		seed_json_take_digest(r, "previous", &entry->previous);
	if (!r->failed && entry->first != (entry->number == 1))
		seed_json_refuse(r, "previous", "does not go with the number");
	return r->failed ? -1 : 0;
}

int seed_chain_line_open(struct seed_chain_entry *out, const char *line, size_t len,
			 struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	uint8_t signature[SEED_SIGNATURE_RAW];
	struct seed_error why = { 0 };

	if (len < HEAD + KEY_TEXT + 1 + TAIL || len > SEED_CHAIN_LINE_MAX ||
	    take_signature(signature, line, len) < 0 || take_key(&out->key, line) < 0)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "not an entry");
	if (seed_sign_verify_raw(&out->key, line, len - TAIL, signature, &why) < 0 ||
	    seed_doc_parse(&doc, &out->reader, SEED_DOC_HISTORY, line, len - TAIL, &out->key,
			   &why) < 0 ||
	    take_place(out) < 0) {
		if (why.kind == SEED_ERR_SYSTEM)	/* says nothing about the line */
			return seed_error_sys(err, why.sys_errno, "%s", why.text);
		return seed_error_set(err, SEED_ERR_INTEGRITY, "%s", why.text);
	}
	out->reader.err = err;
	out->doc = seed_steal(&doc);
	return 0;
}

/* ---- writing ---- */

static int dump_entry(char **json, size_t *len, uint64_t number,
		      const struct seed_digest *previous, const struct seed_json *fields,
		      const struct seed_public_key *key, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = seed_doc_new(SEED_DOC_HISTORY, key);

	seed_json_set_uint(doc, "entry", number);
	if (previous)
		seed_json_set_digest(doc, "previous", previous);
	else
		seed_json_set_null(doc, "previous");
	if (seed_json_merge(doc, fields, err) < 0)
		return -1;
	return seed_json_dump(doc, 0, json, len, err);
}

int seed_chain_line_make(char **line, size_t *len, uint64_t number,
			 const struct seed_digest *previous, const struct seed_json *fields,
			 const struct seed_signing_key *key, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *json = NULL;
	SEED_AUTO(seed_freep) char *text = NULL;
	uint8_t signature[SEED_SIGNATURE_RAW];
	size_t size;

	if (dump_entry(&json, &size, number, previous, fields, seed_signing_key_public(key),
		       err) < 0)
		return -1;
	size--;		/* the newline of the dump */
	if (size > SEED_CHAIN_LINE_MAX - TAIL)
		return seed_error_set(err, SEED_ERR_RANGE, "entry is too long");
	if (seed_sign_raw(key, json, size, signature, err) < 0)
		return -1;
	text = malloc(size + TAIL + 1);
	if (!text)
		return seed_error_sys(err, ENOMEM, "entry");
	memcpy(text, json, size);
	text[size] = '\t';
	seed_base64(signature, sizeof(signature), text + size + 1);
	memcpy(text + size + TAIL - 1, "\n", 2);
	*line = seed_steal(&text);
	*len = size + TAIL;
	return 0;
}
