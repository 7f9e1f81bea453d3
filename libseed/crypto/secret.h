/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Secret bytes: wiped when they go, locked in memory and kept out of core dumps where allowed. */
#ifndef SEED_CRYPTO_SECRET_H
#define SEED_CRYPTO_SECRET_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

void seed_wipe(void *data, size_t len);	/* not optimised away */

/* A 32-byte secret on the stack or in a struct: wiped by its scope. */
struct seed_secret {
	uint8_t bytes[32];
};
static inline void seed_secret_wipep(struct seed_secret *s) { seed_wipe(s, sizeof(*s)); }

/* mlock'ed, MADV_DONTDUMP pages; a refused lock (RLIMIT_MEMLOCK) is not an error. */
void *seed_secret_new(size_t len, struct seed_error *err);
void seed_secret_free(void *secret, size_t len);

#endif
