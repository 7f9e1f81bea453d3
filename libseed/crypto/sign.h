/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Ed25519 signatures in minisign's form (prehashed "ED" only), so that
 * `minisign -Vm FILE -P KEY` accepts ours and we accept minisign's.
 *
 *   public key   base64("Ed" || key id[8] || key[32])
 *   signature    untrusted comment: TEXT \n
 *                base64("ED" || key id[8] || Ed25519(BLAKE2b-512(file))[64]) \n
 *                trusted comment: TEXT \n
 *                base64(Ed25519(signature[64] || trusted text)[64]) \n
 *
 * The key id is the first 8 bytes of SHA-256(key): a hint for finding the key,
 * never a proof. The legacy un-prehashed form is refused.
 */
#ifndef SEED_CRYPTO_SIGN_H
#define SEED_CRYPTO_SIGN_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define SEED_PUBLIC_KEY_TEXT 57		/* 56 base64 characters and NUL */
#define SEED_SIGNATURE_MAX 1024		/* a longer .minisig is refused unread */
#define SEED_KEY_ID 8
#define SEED_SIGNATURE_RAW 74		/* "ED", key id, signature: the second line unencoded */

struct seed_public_key {
	uint8_t bytes[32];
};

struct seed_signing_key;	/* holds the secret in locked memory */

void seed_public_key_id(const struct seed_public_key *key, uint8_t out[SEED_KEY_ID]);
char *seed_public_key_text(const struct seed_public_key *key, char *out);
/* Strict: right tag, and the key id must be the one that the key gives (ours always is). A key
 * that is no canonical point, or of small order (it would verify forgeries), is FORMAT too. */
int seed_public_key_parse(struct seed_public_key *out, const char *text, struct seed_error *err);

int seed_signing_key_generate(struct seed_signing_key **out, struct seed_error *err);
void seed_signing_key_free(struct seed_signing_key *key);
static inline void seed_signing_key_freep(struct seed_signing_key **key)
{
	seed_signing_key_free(*key);
}
const struct seed_public_key *seed_signing_key_public(const struct seed_signing_key *key);
/* PKCS#8 PEM; @passphrase NULL: not encrypted, else scrypt + AES-256-CBC (RFC 7914, PBES2).
 * *@out is freed by the caller after seed_wipe(). A wrong passphrase is SEED_ERR_TRUST, a
 * missing one for an encrypted key too (kind NOTFOUND is never used here). */
int seed_signing_key_to_pem(const struct seed_signing_key *key, const char *passphrase,
			    char **out, size_t *len, struct seed_error *err);
int seed_signing_key_from_pem(struct seed_signing_key **out, const char *pem, size_t len,
			      const char *passphrase, struct seed_error *err);

/* Writes the four lines of a .minisig to @out (NUL-terminated). @comment becomes the trusted
 * comment: printable ASCII, at most 200 characters, no newline. */
int seed_sign(const struct seed_signing_key *key, const void *data, size_t len,
	      const char *comment, char out[SEED_SIGNATURE_MAX], struct seed_error *err);
/* Any deviation of form, a wrong key, wrong bytes or a wrong trusted comment is SEED_ERR_TRUST. */
int seed_sign_verify(const struct seed_public_key *key, const void *data, size_t len,
		     const char *signature, size_t signature_len, struct seed_error *err);
/* The bare signature, for files that keep many: no trusted comment. */
int seed_sign_raw(const struct seed_signing_key *key, const void *data, size_t len,
		  uint8_t out[SEED_SIGNATURE_RAW], struct seed_error *err);
int seed_sign_verify_raw(const struct seed_public_key *key, const void *data, size_t len,
			 const uint8_t signature[SEED_SIGNATURE_RAW], struct seed_error *err);
/* The key id hint that a .minisig names, for finding the key; SEED_ERR_TRUST if malformed. */
int seed_signature_key_id(const char *signature, size_t signature_len, uint8_t out[SEED_KEY_ID],
			  struct seed_error *err);

#endif
