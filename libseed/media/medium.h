/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A medium: the thing that travels, as a folder that we hold open. Its id, label,
 * serial and model stand in vmseed/medium.json, signed by the site that prepared
 * it. Enrolling never formats, and never touches what else lies there.
 */
#ifndef SEED_MEDIA_MEDIUM_H
#define SEED_MEDIA_MEDIUM_H

#include "base/vec.h"
#include "trust/trust.h"

#define SEED_LABEL_MAX 32	/* bytes, [A-Za-z0-9._ -] */

struct seed_medium {
	char *path;			/* as the operator gave it */
	int root;			/* DIR */
	int vmseed;			/* DIR/vmseed */
	struct seed_id id;
	char label[SEED_LABEL_MAX + 1];
	char *serial, *model;		/* or NULL */
	struct seed_id site;		/* that prepared it */
	char site_name[SEED_NAME_MAX + 1];	/* as it calls itself; the local name is the trust's */
	bool known_signer;		/* its signature verifies under a trusted key; else the fields
					 * above are empty and the medium is told by its path */
	struct seed_error unknown;	/* without a known signer: why */
	struct seed_digest text;	/* with one: of medium.json as it was read */
	bool writable;
};

struct seed_medium_prepare {
	const char *label;		/* NULL: "vmseed-" and the first 8 digits of the id */
	bool allow_internal;		/* take what is not known to be external */
	const struct seed_trust *trust;	/* whose media are fine too, or NULL: our own alone */
	bool dry_run;			/* check everything, write nothing: *@out NULL when it
					 * would be prepared */
};

/**
 * seed_medium_prepare() - enrol the file system that holds @path
 * @made: false when it was prepared already, by this site or one that @opt trusts: it is opened
 *        and left as it is (another @label is USAGE: a label is never changed)
 * @err:  MEDIUM when the file system is read-only or full, or what lies there stands in the way
 *        (damage, or somebody unknown prepared it); USAGE when it is internal and not allowed
 *
 * What a torn earlier attempt left (a medium.json of ours without a valid signature, and no
 * sets) is finished.
 */
int seed_medium_prepare(struct seed_medium **out, bool *made, const char *path,
			const struct seed_site *site, const struct seed_medium_prepare *opt,
			struct seed_error *err);
/* MEDIUM when DIR is no prepared medium. A medium.json that is signed by nobody we trust, damaged,
 * or missing beside sets does not fail: @known_signer says so (the sets are judged by their own
 * signatures, and a damaged label must not cost them). @trust NULL: nobody is known. */
int seed_medium_open(struct seed_medium **out, const char *path, const struct seed_trust *trust,
		     struct seed_error *err);
void seed_medium_close(struct seed_medium *medium);
static inline void seed_medium_closep(struct seed_medium **m) { seed_medium_close(*m); }
/* "label" or the path, quoted, for messages. @out holds SEED_QUOTED. */
const char *seed_medium_name(const struct seed_medium *medium, char *out);
/* One writer a medium: flock on the vmseed folder, released by closing. */
int seed_medium_lock(struct seed_medium *medium, struct seed_error *err);
/* Is what is mounted at the path still what we hold open, and is it still labelled as it was?
 * MEDIUM when not: somebody changed the medium under us. */
int seed_medium_recheck(const struct seed_medium *medium, struct seed_error *err);
/* What can still be written to it, and its size, in bytes. */
int seed_medium_room(const struct seed_medium *medium, uint64_t *room, uint64_t *size,
		     struct seed_error *err);
/* Nothing of it is held open any more, so that it can be unmounted; its name stays known. */
void seed_medium_release(struct seed_medium *medium);

#endif
