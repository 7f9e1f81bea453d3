/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Custody: who did what with a set, in vmseed/SETID/custody/00000001.json and on, each signed by
 * whoever did it. An entry names the SHA-256 of the one before it, so that nobody can take one out
 * of the middle, or change one, unseen. That the last ones are missing, a chain cannot know.
 *
 * An entry without a whole signature is what a writer left that was cut short: it is passed by,
 * and the next entry links to the one before it. Whoever takes the signature from an entry that
 * others follow thereby breaks the chain behind it.
 *
 * Entries name seeds and commits, never VMs. They are written when the work is done, are in no
 * commit, and nothing that is done depends on them. Where the medium cannot take one, it goes to a
 * chain in the home (doc/chain.h).
 */
#ifndef SEED_MEDIA_CUSTODY_H
#define SEED_MEDIA_CUSTODY_H

#include "media/volume.h"

#define SEED_CUSTODY_MAX (64u << 10)	/* bytes of an entry's JSON */
#define SEED_CUSTODY_SEEDS_MAX 1024u	/* named in one: 40 KiB */
#define SEED_CUSTODY_TOOL_MAX 32u	/* bytes */

enum seed_custody_action {
	SEED_CUSTODY_PREPARED,		/* the volume was made on this medium */
	SEED_CUSTODY_EXPORTED, SEED_CUSTODY_VERIFIED, SEED_CUSTODY_IMPORTED,
};
enum seed_custody_verdict {
	SEED_CUSTODY_OK,
	SEED_CUSTODY_CIPHERTEXT,	/* verified without the key: what could be was right */
	SEED_CUSTODY_PARTIAL,		/* some VMs or blocks failed, or are missing */
	SEED_CUSTODY_DAMAGED,		/* verified, and not all of it was right */
};
const char *seed_custody_action_name(enum seed_custody_action action);	/* "prepared" */
const char *seed_custody_verdict_name(enum seed_custody_verdict verdict);	/* "ok" */

struct seed_custody {
	/* What the caller of seed_custody_add() says: */
	enum seed_custody_action action;
	enum seed_custody_verdict verdict;
	uint64_t seed_count;		/* that it was about */
	struct seed_vec seeds;		/* struct seed_id: the first SEED_CUSTODY_SEEDS_MAX of
					 * them */
	char tool[SEED_CUSTODY_TOOL_MAX + 1];	/* printable ASCII: "vmseed 0.1" */
	/* What is filled in: */
	struct seed_id set, medium;
	uint32_t volume;
	uint32_t commit;		/* the volume's last one; 0: none */
	uint32_t number;		/* of the entry */
	bool has_previous;
	struct seed_digest previous;	/* SHA-256 of the entry before it */
	struct seed_id site;		/* whose key signs it ... */
	char site_name[SEED_NAME_MAX + 1];	/* ... and what that site calls itself */
	int64_t at;			/* unix seconds by its clock: shown, decides nothing */
};

void seed_custody_clear(struct seed_custody *entry);
/* Count @seed in, and name it as long as there is room. */
int seed_custody_add_seed(struct seed_custody *entry, const struct seed_id *seed,
			  struct seed_error *err);

int seed_custody_sign(const struct seed_custody *entry, const struct seed_signing_key *key,
		      char **text, size_t *len, char signature[SEED_SIGNATURE_MAX],
		      struct seed_error *err);
/* Hostile input. @out is initialised by the call and cleared by the caller, also on failure. */
int seed_custody_open(struct seed_custody *out, const char *text, size_t len,
		      const char *signature, size_t signature_len,
		      const struct seed_public_key *key, struct seed_error *err);

/**
 * seed_custody_add() - write the next entry; durable on return
 * @entry: its first part is said by the caller, the rest is filled in
 * @err:   MEDIUM when the medium is read-only, full or failing; RANGE when it holds so many entries
 *         that no more are written
 *
 * The caller holds the medium's lock. After a failure nothing is left of the entry.
 */
int seed_custody_add(const struct seed_volume *volume, struct seed_custody *entry,
		     const struct seed_site *own, struct seed_error *err);
/* The same into HOME/custody/SETID.chain, where the medium could not take it. */
int seed_custody_keep(int home, const struct seed_volume *volume, struct seed_custody *entry,
		      const struct seed_site *own, struct seed_error *err);

enum seed_custody_standing {
	SEED_CUSTODY_TRUSTED,		/* signed by a trusted site, and read */
	SEED_CUSTODY_UNTRUSTED,		/* signed with a key that is not trusted, and not read */
	SEED_CUSTODY_UNSIGNED,		/* no whole signature: somebody was cut short */
	SEED_CUSTODY_BAD,		/* a trusted key, and not its signature; or no such entry */
};
struct seed_custody_seen {
	uint32_t number;
	enum seed_custody_standing standing;
	bool last;				/* none has a higher number */
	const struct seed_trusted *signer;	/* TRUSTED: else NULL */
	const struct seed_custody *entry;	/* TRUSTED: else NULL */
	bool follows;			/* TRUSTED: it names the entry before it; of the others
					 * nobody can tell, but the one behind them */
	struct seed_error why;		/* unless TRUSTED and @follows: INTEGRITY, TRUST, MEDIUM */
};

/* Every entry that lies there, by number; borrowed for the call. -1 of @visit ends the walk. RANGE
 * when there are more names than anybody writes. */
int seed_custody_each(const struct seed_volume *volume, const struct seed_trust *trust,
		      int (*visit)(const struct seed_custody_seen *seen, void *arg,
				   struct seed_error *err),
		      void *arg, struct seed_error *err);

#endif
