/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A commit makes written files count: a signed document that names what it adds
 * (a delta) or everything that counts on the volume (a full one). Numbers rise
 * and are never reused; each names the SHA-256 of the valid commit before it.
 */
#ifndef SEED_MEDIA_COMMIT_H
#define SEED_MEDIA_COMMIT_H

#include "base/vec.h"
#include "doc/signed_doc.h"
#include "pack/pack_format.h"
#include "pack/sealed_file.h"

#define SEED_COMMIT_MAX (64u << 20)	/* bytes of JSON */
#define SEED_MEDIA_NUMBER_MAX 99999999u	/* commits and packs: eight digits in their names */
#define SEED_COMMIT_NAME 26		/* "commits/00000001.json" and NUL, rounded */

struct seed_commit_file {
	char path[SEED_FILE_NAME];	/* relative to the set's folder */
	struct seed_stored_facts facts;
};

struct seed_commit {
	struct seed_public_key key;
	struct seed_id set, medium;
	uint32_t volume, number;
	bool has_previous;
	struct seed_digest previous;	/* SHA-256 of the text of the valid commit before */
	bool full;
	struct seed_vec packs;		/* struct seed_pack_facts, by rising number */
	struct seed_vec files;		/* struct seed_commit_file, by rising path */
	struct seed_vec seeds;		/* struct seed_id; full commits only */
};

void seed_commit_clear(struct seed_commit *commit);
char *seed_commit_name(uint32_t number, char *out);
int seed_commit_sign(const struct seed_commit *commit, const struct seed_signing_key *key,
		     char **text, size_t *len, char signature[SEED_SIGNATURE_MAX],
		     struct seed_error *err);
/* Hostile input: paths are checked against the names that sealed_file and packs can have, orders
 * and bounds too. */
int seed_commit_open(struct seed_commit *out, const char *text, size_t len, const char *signature,
		     size_t signature_len, const struct seed_public_key *key,
		     struct seed_error *err);

#endif
