/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fixed-size names of things: 16-byte ids (site, medium, set, seed, timeline,
 * VM) and 32-byte SHA-256 digests, with their text forms.
 */
#ifndef SEED_BASE_ID_H
#define SEED_BASE_ID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"

#define SEED_ID_SIZE 16
#define SEED_ID_TEXT 33		/* 32 lower-case hex digits and NUL */
#define SEED_UUID_TEXT 37	/* 8-4-4-4-12 lower-case and NUL */
#define SEED_DIGEST_SIZE 32
#define SEED_DIGEST_TEXT 65

struct seed_id {
	uint8_t bytes[SEED_ID_SIZE];
};

struct seed_digest {
	uint8_t bytes[SEED_DIGEST_SIZE];
};

static inline bool seed_id_equal(const struct seed_id *a, const struct seed_id *b)
{
	return memcmp(a->bytes, b->bytes, SEED_ID_SIZE) == 0;
}

static inline bool seed_digest_equal(const struct seed_digest *a, const struct seed_digest *b)
{
	return memcmp(a->bytes, b->bytes, SEED_DIGEST_SIZE) == 0;
}

/* Text forms; @out holds at least the _TEXT size named above. Return @out. */
char *seed_id_text(const struct seed_id *id, char *out);
char *seed_uuid_text(const struct seed_id *id, char *out);
char *seed_digest_text(const struct seed_digest *digest, char *out);

/* Exactly the canonical text and nothing else, or SEED_ERR_FORMAT. The UUID form
 * also takes upper case, as definitions write it. */
int seed_id_parse(struct seed_id *out, const char *text, struct seed_error *err);
int seed_uuid_parse(struct seed_id *out, const char *text, struct seed_error *err);
int seed_digest_parse(struct seed_digest *out, const char *text, struct seed_error *err);

#endif
