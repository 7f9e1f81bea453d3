/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two hashes of RFC 6962, for merkle.c and merkle_tree.c. */
#ifndef SEED_BLOCK_MERKLE_INTERNAL_H
#define SEED_BLOCK_MERKLE_INTERNAL_H

#include "base/id.h"

void seed_merkle_leaf(struct seed_digest *out, const struct seed_digest *digest);
/* @out may be one of the children. */
void seed_merkle_node(struct seed_digest *out, const struct seed_digest *left,
		      const struct seed_digest *right);

#endif
