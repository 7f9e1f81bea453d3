/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Append-only signed, hash-chained files on the host: history and marks.
 *
 * A file is a sequence of lines: one-line JSON, a tab, the base64 of the 74 bytes
 * of its minisign signature ("ED" || key id || signature, over the JSON) and a newline. Each entry
 * is a signed document of type "history" with its number ("entry", from 1) and the SHA-256 of
 * the line before it, its newline included ("previous", null for the first). The JSON begins
 * {"type":"history","version":1,"key":"KEY" without spaces, so that the key is found before
 * anything is parsed. An append is one write and an fsync; a torn last line (no newline) is cut
 * off by the next append and ignored by readers. Anything else that does not verify
 * is SEED_ERR_INTEGRITY and names the entry: a chain is never repaired in silence.
 *
 * That whole lines are missing at the end, a chain cannot know by itself.
 */
#ifndef SEED_DOC_CHAIN_H
#define SEED_DOC_CHAIN_H

#include "doc/signed_doc.h"

#define SEED_CHAIN_LINE_MAX (64u << 10)	/* bytes of a line with its newline */

/**
 * seed_chain_append() - add one entry, durable on return
 * @dir, @path: the file; made (0600) with its first entry
 * @fields: an object whose members are added after the chain's own; borrowed
 * @err:    INTEGRITY when the last entry does not verify; LOCKED when another append holds the
 *          file for more than a few seconds; RANGE when the line would be too long
 *
 * Only the last entry is verified. After a failure the file has the entry or it has not.
 */
int seed_chain_append(int dir, const char *path, const struct seed_json *fields,
		      const struct seed_signing_key *key, struct seed_error *err);

/**
 * seed_chain_each() - verify the whole chain and visit its entries in order
 * @visit: the reader stands behind type, version, key, entry and previous
 *
 * Each entry is verified with the key that it names: keys change over the years, and a chain
 * outlives them. A file that does not exist has no entries. Whether an entry's key is one
 * of ours is the visitor's question (@key).
 */
int seed_chain_each(int dir, const char *path,
		    int (*visit)(struct seed_json_reader *entry, const struct seed_public_key *key,
				 void *arg, struct seed_error *err),
		    void *arg, struct seed_error *err);

#endif
