/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Signed documents: JSON whose exact bytes carry a minisign signature, and
 * which name their type, version and signing key inside.
 *
 * The key of a site signs nothing but the types below. A verifier works in
 * this order on one buffer: signature, then parse, then type, version and key;
 * only then does anybody look at the rest. Bytes from an untrusted signer are
 * never parsed at all.
 */
#ifndef SEED_DOC_SIGNED_DOC_H
#define SEED_DOC_SIGNED_DOC_H

#include <stddef.h>

#include "base/error.h"
#include "crypto/sign.h"
#include "doc/json.h"

enum seed_doc_type {
	SEED_DOC_CARD, SEED_DOC_MEDIUM, SEED_DOC_VOLUME, SEED_DOC_COMMIT, SEED_DOC_SET,
	SEED_DOC_MANIFEST, SEED_DOC_OFFER, SEED_DOC_RECEIPT, SEED_DOC_CUSTODY, SEED_DOC_HISTORY,
	SEED_DOC_HELLO,
};
#define SEED_DOC_TYPES 11

const char *seed_doc_type_name(enum seed_doc_type type);	/* "card", "medium", ... */

/* A new document of version 1: an object with type, version and key already set. */
struct seed_json *seed_doc_new(enum seed_doc_type type, const struct seed_public_key *key);

/* Dump @object and sign exactly these bytes. The caller frees *@text. An object whose type, version
 * and key are not those of seed_doc_new(@type) for this key is SEED_ERR_USAGE and not signed. */
int seed_doc_sign(const struct seed_json *object, const struct seed_signing_key *key,
		  enum seed_doc_type type, char **text, size_t *len,
		  char signature[SEED_SIGNATURE_MAX], struct seed_error *err);

/**
 * seed_doc_open() - verify, then parse
 * @out:    the parsed document; the caller frees it
 * @r:      begun over it with type, version and key already taken; NULL if not wanted
 * @key:    the key that must have signed it
 * @err:    SEED_ERR_TRUST when the signature, or the key named inside, is not @key's; FORMAT when
 *          it is of another type or version or not well-formed
 */
int seed_doc_open(struct seed_json **out, struct seed_json_reader *r, enum seed_doc_type type,
		  const char *text, size_t len, const char *signature, size_t signature_len,
		  const struct seed_public_key *key, struct seed_error *err);

#endif
