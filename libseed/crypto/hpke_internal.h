/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The steps of RFC 9180 by themselves, so that its vectors can check each. */
#ifndef SEED_CRYPTO_HPKE_INTERNAL_H
#define SEED_CRYPTO_HPKE_INTERNAL_H

#include "crypto/hpke.h"
#include "crypto/secret.h"

#define SEED_HPKE_AES128 0x0001		/* in its vectors only */
#define SEED_HPKE_AES256 0x0002

struct seed_receiving_key {
	uint8_t secret[32];
	uint8_t public[SEED_HPKE_KEY];
};

struct seed_hpke_keys {
	uint8_t key[32];	/* of AES-128, the first 16 */
	uint8_t base_nonce[12];
	uint8_t exporter_secret[32];
};

/* X25519; SEED_ERR_INTEGRITY when the result is all zero. */
int seed_hpke_dh(struct seed_secret *out, const struct seed_receiving_key *key,
		 const uint8_t public[SEED_HPKE_KEY], struct seed_error *err);
/* ExtractAndExpand() of section 4.1, of @dh and enc || public key of the recipient. */
int seed_hpke_shared_secret(struct seed_secret *out, const struct seed_secret *dh,
			    const uint8_t enc[SEED_HPKE_ENC],
			    const uint8_t recipient[SEED_HPKE_KEY], struct seed_error *err);
/* KeySchedule() of section 5.1, mode_base. */
int seed_hpke_schedule(struct seed_hpke_keys *out, unsigned int aead,
		       const struct seed_secret *shared, const void *info, size_t info_len,
		       struct seed_error *err);

#endif
