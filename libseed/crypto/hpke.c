// SPDX-License-Identifier: LGPL-2.1-or-later
/* Names of functions and labels are RFC 9180's. */
#include "crypto/hpke.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "crypto/aead.h"
#include "crypto/hpke_internal.h"
#include "crypto/kdf.h"

#define INFO_MAX 1024
#define LABELED_MAX (INFO_MAX + 64)	/* version, suite and label beside the longest input */

/* "KEM" || kem, or "HPKE" || kem || kdf || aead */
struct suite {
	uint8_t id[10];
	size_t len;
};

static const struct suite kem_suite = { .id = { 'K', 'E', 'M', 0x00, 0x20 }, .len = 5 };

static struct suite hpke_suite(unsigned int aead)
{
	return (struct suite){
		.id = { 'H', 'P', 'K', 'E', 0x00, 0x20, 0x00, 0x01, (uint8_t)(aead >> 8),
			(uint8_t)aead },
		.len = 10,
	};
}

static size_t put(uint8_t *out, size_t at, const void *data, size_t len)
{
	if (len > 0)
		memcpy(out + at, data, len);
	return at + len;
}

/* "HPKE-v1" || suite || label || data, behind @at bytes. All callers keep @len to INFO_MAX. */
static size_t put_labeled(uint8_t *out, size_t at, const struct suite *suite, const char *label,
			  const void *data, size_t len)
{
	at = put(out, at, "HPKE-v1", 7);
	at = put(out, at, suite->id, suite->len);
	at = put(out, at, label, strlen(label));
	return put(out, at, data, len);
}

static int labeled_extract(struct seed_secret *out, const struct suite *suite,
			   const struct seed_secret *salt, const char *label, const void *ikm,
			   size_t ikm_len, struct seed_error *err)
{
	uint8_t labeled[LABELED_MAX];
	size_t len = put_labeled(labeled, 0, suite, label, ikm, ikm_len);
	int done = seed_hkdf_extract(out->bytes, salt ? salt->bytes : NULL,
				     salt ? sizeof(salt->bytes) : 0, labeled, len, err);

	seed_wipe(labeled, len);
	return done;
}

static int labeled_expand(uint8_t *out, size_t out_len, const struct suite *suite,
			  const struct seed_secret *prk, const char *label, const void *info,
			  size_t info_len, struct seed_error *err)
{
	uint8_t labeled[LABELED_MAX] = { (uint8_t)(out_len >> 8), (uint8_t)out_len };
	size_t len = put_labeled(labeled, 2, suite, label, info, info_len);

	return seed_hkdf_expand(out, out_len, prk->bytes, labeled, len, err);
}

int seed_hpke_shared_secret(struct seed_secret *out, const struct seed_secret *dh,
			    const uint8_t enc[SEED_HPKE_ENC],
			    const uint8_t recipient[SEED_HPKE_KEY], struct seed_error *err)
{
	SEED_AUTO(seed_secret_wipep) struct seed_secret eae_prk = { { 0 } };
	uint8_t kem_context[SEED_HPKE_ENC + SEED_HPKE_KEY];

	memcpy(kem_context, enc, SEED_HPKE_ENC);
	memcpy(kem_context + SEED_HPKE_ENC, recipient, SEED_HPKE_KEY);
	if (labeled_extract(&eae_prk, &kem_suite, NULL, "eae_prk", dh->bytes, sizeof(dh->bytes),
			    err) < 0)
		return -1;
	return labeled_expand(out->bytes, sizeof(out->bytes), &kem_suite, &eae_prk,
			      "shared_secret", kem_context, sizeof(kem_context), err);
}

int seed_hpke_schedule(struct seed_hpke_keys *out, unsigned int aead,
		       const struct seed_secret *shared, const void *info, size_t info_len,
		       struct seed_error *err)
{
	SEED_AUTO(seed_secret_wipep) struct seed_secret secret = { { 0 } };
	const struct suite suite = hpke_suite(aead);
	struct seed_secret psk_id_hash, info_hash;	/* no secrets, only of that size */
	uint8_t context[1 + 32 + 32] = { 0x00 };	/* mode_base */
	size_t key_len = aead == SEED_HPKE_AES128 ? 16 : 32;

	if (info_len > INFO_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "HPKE info is too long");
	if (labeled_extract(&psk_id_hash, &suite, NULL, "psk_id_hash", NULL, 0, err) < 0 ||
	    labeled_extract(&info_hash, &suite, NULL, "info_hash", info, info_len, err) < 0 ||
	    labeled_extract(&secret, &suite, shared, "secret", NULL, 0, err) < 0)
		return -1;
	memcpy(context + 1, psk_id_hash.bytes, 32);
	memcpy(context + 33, info_hash.bytes, 32);
	if (labeled_expand(out->key, key_len, &suite, &secret, "key", context, sizeof(context),
			   err) < 0 ||
	    labeled_expand(out->base_nonce, sizeof(out->base_nonce), &suite, &secret,
			   "base_nonce", context, sizeof(context), err) < 0 ||
	    labeled_expand(out->exporter_secret, sizeof(out->exporter_secret), &suite, &secret,
			   "exp", context, sizeof(context), err) < 0)
		return -1;
	return 0;
}

/* ---- single shot ---- */

static void keys_wipep(struct seed_hpke_keys *keys) { seed_wipe(keys, sizeof(*keys)); }

/* From @key of one side and @public of the other to a cipher that is ready. */
static int derive_cipher(struct seed_aead **out, uint8_t nonce[SEED_AEAD_NONCE],
			 const struct seed_receiving_key *key, const uint8_t public[SEED_HPKE_KEY],
			 const uint8_t enc[SEED_HPKE_ENC], const uint8_t recipient[SEED_HPKE_KEY],
			 const void *info, size_t info_len, struct seed_error *err)
{
	SEED_AUTO(seed_secret_wipep) struct seed_secret dh = { { 0 } }, shared = { { 0 } };
	SEED_AUTO(keys_wipep) struct seed_hpke_keys keys = { .key = { 0 } };
	SEED_AUTO(seed_aead_freep) struct seed_aead *aead = NULL;

	if (seed_hpke_dh(&dh, key, public, err) < 0 ||
	    seed_hpke_shared_secret(&shared, &dh, enc, recipient, err) < 0 ||
	    seed_hpke_schedule(&keys, SEED_HPKE_AES256, &shared, info, info_len, err) < 0 ||
	    seed_aead_new(&aead, err) < 0 || seed_aead_set_key(aead, keys.key, err) < 0)
		return -1;
	memcpy(nonce, keys.base_nonce, SEED_AEAD_NONCE);	/* of message 0, the only one */
	*out = seed_steal(&aead);
	return 0;
}

int seed_hpke_seal(uint8_t enc[SEED_HPKE_ENC], uint8_t *out, const uint8_t public[SEED_HPKE_KEY],
		   const void *info, size_t info_len, const void *aad, size_t aad_len,
		   const void *plain, size_t len, const struct seed_receiving_key *ephemeral,
		   struct seed_error *err)
{
	SEED_AUTO(seed_receiving_key_freep) struct seed_receiving_key *fresh = NULL;
	SEED_AUTO(seed_aead_freep) struct seed_aead *aead = NULL;
	uint8_t nonce[SEED_AEAD_NONCE];

	if (!ephemeral && seed_receiving_key_generate(&fresh, err) < 0)
		return -1;
	if (!ephemeral)
		ephemeral = fresh;
	if (derive_cipher(&aead, nonce, ephemeral, public, ephemeral->public, public, info,
			  info_len, err) < 0 ||
	    seed_aead_seal(aead, out, nonce, aad, aad_len, plain, len, err) < 0)
		return -1;
	memcpy(enc, ephemeral->public, SEED_HPKE_ENC);
	return 0;
}

int seed_hpke_open(uint8_t *out, const struct seed_receiving_key *key,
		   const uint8_t enc[SEED_HPKE_ENC], const void *info, size_t info_len,
		   const void *aad, size_t aad_len, const void *sealed, size_t len,
		   struct seed_error *err)
{
	SEED_AUTO(seed_aead_freep) struct seed_aead *aead = NULL;
	uint8_t nonce[SEED_AEAD_NONCE];

	if (derive_cipher(&aead, nonce, key, enc, enc, key->public, info, info_len, err) < 0)
		return -1;
	return seed_aead_open(aead, out, nonce, aad, aad_len, sealed, len, err);
}
