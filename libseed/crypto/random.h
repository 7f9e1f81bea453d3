/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random bytes from the kernel, getrandom(2). */
#ifndef SEED_CRYPTO_RANDOM_H
#define SEED_CRYPTO_RANDOM_H

#include <stddef.h>

#include "base/error.h"
#include "base/id.h"

int seed_random(void *out, size_t len, struct seed_error *err);
int seed_random_id(struct seed_id *out, struct seed_error *err);

#endif
