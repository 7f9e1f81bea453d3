/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What writing and reading of sealed files share. */
#ifndef SEED_PACK_SEALED_INTERNAL_H
#define SEED_PACK_SEALED_INTERNAL_H

#include "pack/sealed_file.h"

#define SEED_SEALED_HEADER 80u
#define SEED_SEALED_CHUNK SEED_RECORD_PLAIN_MAX		/* plaintext of a record at most */

void seed_sealed_header_put(uint8_t out[SEED_SEALED_HEADER], const struct seed_file_id *id,
			    const uint8_t salt[SEED_SALT_SIZE]);
/* INTEGRITY unless it is the header of file @id. @salt receives a copy. */
int seed_sealed_header_check(const uint8_t header[SEED_SEALED_HEADER],
			     const struct seed_file_id *id, uint8_t salt[SEED_SALT_SIZE],
			     struct seed_error *err);
int seed_sealed_seal(struct seed_seal *out, const struct seed_set_key *key,
		     const struct seed_file_id *id, const uint8_t salt[SEED_SALT_SIZE],
		     struct seed_error *err);

#endif
