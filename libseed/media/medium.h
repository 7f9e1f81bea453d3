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
	bool known_signer;		/* its signature verifies under a trusted key; else only the label
					 * and id hints are empty and the medium is told by its path */
	bool writable;
};

struct seed_medium_prepare {
	const char *label;		/* NULL: "vmseed-" and the first 8 digits of the id */
	bool allow_internal;		/* take what is not known to be external */
};

/* MEDIUM when the file system is read-only or full; USAGE when it is internal and not allowed; a
 * medium that this home's site prepared already is opened and left as it is (*@made false). */
int seed_medium_prepare(struct seed_medium **out, bool *made, const char *path,
			const struct seed_site *site, const struct seed_medium_prepare *opt,
			struct seed_error *err);
/* MEDIUM when DIR is no prepared medium. A medium.json signed by nobody we trust does not fail:
 * @known_signer says so (the sets on it are judged by their own signatures). */
int seed_medium_open(struct seed_medium **out, const char *path, const struct seed_trust *trust,
		     struct seed_error *err);
void seed_medium_close(struct seed_medium *medium);
static inline void seed_medium_closep(struct seed_medium **m) { seed_medium_close(*m); }
/* "label" or the path, quoted, for messages. @out holds SEED_QUOTED. */
const char *seed_medium_name(const struct seed_medium *medium, char *out);
/* One writer a medium: flock on the vmseed folder, released by closing. */
int seed_medium_lock(struct seed_medium *medium, struct seed_error *err);

#endif
