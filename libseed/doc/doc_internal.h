/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared inside doc/ only. */
#ifndef SEED_DOC_DOC_INTERNAL_H
#define SEED_DOC_DOC_INTERNAL_H

#include <jansson.h>

#include "doc/signed_doc.h"

/* A struct seed_json is jansson's json_t under another name. */
static inline const json_t *seed_json_in(const struct seed_json *value)
{
	return (const json_t *)(const void *)value;
}

static inline struct seed_json *seed_json_out(json_t *value)
{
	return (struct seed_json *)(void *)value;
}

/* Add the members of @from, which stay shared, behind those of @object. SEED_ERR_USAGE when one
 * is there already. */
int seed_json_merge(struct seed_json *object, const struct seed_json *from,
		    struct seed_error *err);

/* What seed_doc_open() does behind the signature: parse, then type, version and key. */
int seed_doc_parse(struct seed_json **out, struct seed_json_reader *r, enum seed_doc_type type,
		   const char *text, size_t len, const struct seed_public_key *key,
		   struct seed_error *err);

#endif
