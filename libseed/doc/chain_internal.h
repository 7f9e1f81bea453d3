/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One line of a chain: making it and believing it. Shared inside doc/ only. */
#ifndef SEED_DOC_CHAIN_INTERNAL_H
#define SEED_DOC_CHAIN_INTERNAL_H

#include "doc/chain.h"

/* An entry that verified. @reader stands behind type, version, key, entry and previous. */
struct seed_chain_entry {
	struct seed_json *doc;
	struct seed_json_reader reader;
	struct seed_public_key key;
	uint64_t number;
	bool first;			/* "previous" is null */
	struct seed_digest previous;	/* zeroes if @first */
};

/* @line: @len bytes, the newline included. Signature, then parse; SEED_ERR_INTEGRITY for all that
 * is wrong with it. @out->reader reports to @err; @out->doc is freed by the caller. */
int seed_chain_line_open(struct seed_chain_entry *out, const char *line, size_t len,
			 struct seed_error *err);

/* The line, newline included, of entry @number; @previous NULL for the first. The caller frees
 * *@line. */
int seed_chain_line_make(char **line, size_t *len, uint64_t number,
			 const struct seed_digest *previous, const struct seed_json *fields,
			 const struct seed_signing_key *key, struct seed_error *err);

#endif
