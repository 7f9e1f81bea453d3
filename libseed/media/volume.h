/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A volume: what one set keeps on one medium, in vmseed/SETID. Its state is its
 * highest valid full commit and the valid deltas after it.
 */
#ifndef SEED_MEDIA_VOLUME_H
#define SEED_MEDIA_VOLUME_H

#include "media/commit.h"
#include "media/medium.h"

#define SEED_RECIPIENTS_MAX 16

struct seed_recipient {
	struct seed_id site;
	uint8_t receiving_key[SEED_HPKE_KEY];
	uint8_t enc[SEED_HPKE_ENC];
	uint8_t wrapped[32 + SEED_HPKE_TAG];
};

/* What is wrong with a file or commit of a volume. Names are ours, safe to print. */
struct seed_volume_problem {
	char path[SEED_FILE_NAME];
	char text[160];
	enum seed_error_kind kind;	/* INTEGRITY, TRUST, MEDIUM */
	uint32_t commit;		/* its number, or that of the commit that a set document is of */
	bool ours;			/* it is a commit under the volume's key all the same, or belongs to
					 * one: torn writing does not make such a one, and nothing sweeps it */
	bool torn;			/* above what the exporter's home confirmed: a torn attempt */
};

/* A commit that counts: it verifies, and chains with the one before it. */
struct seed_volume_link {
	uint32_t number;
	bool full;
	struct seed_digest digest;	/* of its text */
};

struct seed_volume {
	struct seed_medium *medium;	/* borrowed */
	int dir;			/* vmseed/SETID */
	struct seed_id set;
	struct seed_id medium_id;	/* as volume.json names it; the medium's own id where that is known */
	uint32_t number;		/* of the volume, from 1 */
	struct seed_id site;		/* exporter */
	struct seed_public_key key;	/* its signing key: it alone commits */
	const struct seed_trusted *signer;	/* borrowed from the trust store */
	bool sealed;
	struct seed_vec recipients;	/* struct seed_recipient */
	struct seed_set_key data_key;	/* known when we are a recipient */

	/* State, from the commits: */
	bool has_full;			/* without one the volume holds no seeds yet */
	uint32_t last_full, last_commit;	/* numbers; 0: none */
	struct seed_digest last_digest;		/* of the text of last_commit */
	uint32_t highest_seen;		/* highest commit number that lies there, valid or not */
	struct seed_vec packs;		/* struct seed_pack_facts that count */
	struct seed_vec files;		/* struct seed_commit_file that count */
	struct seed_vec seeds;		/* struct seed_id of the last full commit */
	struct seed_vec links;		/* struct seed_volume_link, by number */
	struct seed_vec problems;	/* struct seed_volume_problem: commits that do not verify or
					 * chain, by number; then the set document, when it is damaged */
};

/* The set ids that lie on a medium: struct seed_id, sorted. Other names are ignored, and so is a
 * folder without "commits": creating a volume makes that last, so nothing can be in it yet. */
int seed_medium_sets(const struct seed_medium *medium, struct seed_vec *out,
		     struct seed_error *err);

/**
 * seed_volume_open() - read volume.json and the commits
 * @own: this home's site for its receiving key, or NULL (then @data_key is not known)
 * @err: NOTFOUND when the set is not on the medium, or was never wholly created; TRUST when
 *       volume.json is not signed by a trusted key; INTEGRITY when it names another set than its
 *       folder or another medium than this one
 *
 * Commits that do not verify are @problems, not failures.
 */
int seed_volume_open(struct seed_volume **out, struct seed_medium *medium,
		     const struct seed_id *set, const struct seed_trust *trust,
		     const struct seed_site *own, struct seed_error *err);
/* A new set's volume 1, sealed for @recipient (and for ourselves), or plaintext when NULL. Durable
 * on return; not read back yet. The medium must be known (USAGE), and locked by the caller: what
 * an earlier creation left half done on it is swept first. */
int seed_volume_create(struct seed_volume **out, struct seed_medium *medium,
		       const struct seed_id *set, const struct seed_trust *trust,
		       const struct seed_site *own, const struct seed_card *recipient,
		       struct seed_error *err);
struct seed_volume_more {
	struct seed_id set;
	uint32_t number;			/* from 2 on */
	const struct seed_set_key *key;		/* of the set, known when it is sealed */
};
/* One more volume of a set that has one already: the same data key, wrapped anew. In all else as
 * seed_volume_create(). */
int seed_volume_create_more(struct seed_volume **out, struct seed_medium *medium,
			    const struct seed_volume_more *more, const struct seed_trust *trust,
			    const struct seed_site *own, const struct seed_card *recipient,
			    struct seed_error *err);
void seed_volume_close(struct seed_volume *volume);
static inline void seed_volume_closep(struct seed_volume **v) { seed_volume_close(*v); }

/* What a listed file or pack must be; NULL when no commit names it. */
const struct seed_stored_facts *seed_volume_file(const struct seed_volume *volume,
						 const char *path);
const struct seed_pack_facts *seed_volume_pack(const struct seed_volume *volume, uint32_t number);

/**
 * seed_volume_commit() - make @packs and @files count
 * @number: reserved by the caller in its set record (durable before this call)
 * @full: lists everything that counts, with @seeds; else only what is new
 *
 * The files lie there already, fsynced and read back. Order here: fsync of the folders that hold
 * them, commit file and signature, fsync, folder fsync, read back past the cache. On success the
 * volume's state in memory moves on. A crash leaves the state before, or after.
 */
int seed_volume_commit(struct seed_volume *volume, uint32_t number, bool full,
		       const struct seed_vec *packs, const struct seed_vec *files,
		       const struct seed_vec *seeds, const struct seed_site *own,
		       struct seed_error *err);

#endif
