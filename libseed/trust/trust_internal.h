/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What trust.c (who is trusted) and trust_change.c (adding, revoking) share. */
#ifndef SEED_TRUST_TRUST_INTERNAL_H
#define SEED_TRUST_TRUST_INTERNAL_H

#include "trust/trust.h"

#define SEED_TRUST_FILE_MAX 262144	/* bytes of a .scope or .revoked file */
#define SEED_SCOPE_LINE_MAX 255		/* bytes of one VM's name in a scope */

/* "trust/NAME.SUFFIX" beneath the home; @out holds SEED_TRUST_PATH. */
#define SEED_TRUST_PATH (SEED_NAME_MAX + 24)
char *seed_trust_path(char *out, const char *name, const char *suffix);

/* Does a revoked key of this home equal @key? */
bool seed_trust_key_revoked(const struct seed_trust *trust, const struct seed_public_key *key);
/* A line of a .scope file: not empty, valid UTF-8, no control characters. */
bool seed_scope_entry_valid(const char *entry);

#endif
