/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A set as the media at hand show it: which of its volumes are there, in how many copies, and
 * which are not. The newest set document among them says which volumes there should be.
 *
 * Nothing here decides what may be used: a block is right by its digest wherever it lies. It tells
 * what to look at first, and what to say about the rest.
 */
#ifndef SEED_MEDIA_SET_VIEW_H
#define SEED_MEDIA_SET_VIEW_H

#include "media/set_doc.h"

enum seed_place_role {			/* in the order in which to look for blocks */
	SEED_PLACE_CURRENT,	/* a volume of the set, as the set document has it or newer */
	SEED_PLACE_OLDER,	/* the best copy given shows less than the set document says */
	SEED_PLACE_COPY,	/* another copy of the same volume, in the same state */
	SEED_PLACE_OLDER_COPY,	/* ... that shows less than the first */
	SEED_PLACE_UNLISTED,	/* the set document does not name it: of another attempt, or of a
				 * run that has not come to its end */
	SEED_PLACE_MISSING,	/* the set document names it and it was not given: @volume is
				 * NULL */
};

struct seed_set_place {
	enum seed_place_role role;
	uint32_t number;			/* of the volume */
	const struct seed_volume *volume;	/* borrowed; NULL: missing */
	bool has_member;			/* the set document names this volume on this
						 * medium: */
	struct seed_set_member member;
	bool other_history;			/* its commit of that number is not the one that is
						 * named */
};

struct seed_set_view {
	struct seed_id set;
	bool has_doc;			/* a set document was found */
	uint32_t highest;		/* number that it names; 0 without one */
	struct seed_vec places;		/* struct seed_set_place, by role, then by number */
};

/* @out: struct seed_set_view, one for each set in @volumes (struct seed_volume *), in the order in
 * which they come there; the caller clears it, also on failure. Borrows the volumes. A set document
 * that is damaged is as good as none: its volume says so among its problems. */
int seed_set_views_build(struct seed_vec *out, const struct seed_vec *volumes,
			 struct seed_error *err);
void seed_set_views_clear(struct seed_vec *views);
const struct seed_set_view *seed_set_view_of(const struct seed_vec *views,
					     const struct seed_id *set);

/* How many places have this role. */
size_t seed_set_view_count(const struct seed_set_view *view, enum seed_place_role role);

#define SEED_PLACES_TEXT 240
/* The places of this role as a part of a sentence: "caddy-2, volume 2 of 3" or "caddy-2 and
 * caddy-3, volumes 2 and 3 of 4"; "" when there are none. @out holds SEED_PLACES_TEXT; cut with
 * "...". */
char *seed_set_view_text(const struct seed_set_view *view, enum seed_place_role role, char *out);
/* What blocks that were not found may be on, for a message: "caddy-2, volume 2 of 3, which was not
 * given"; "" when all of the set is there. @out holds SEED_PLACES_TEXT. */
char *seed_set_view_lacking(const struct seed_set_view *view, char *out);

/* What is to be said about a place, "" when nothing; @out holds SEED_PLACES_TEXT. *@kind is NONE
 * when it is no fault: IDENTITY for OLDER, INTEGRITY for another history. */
char *seed_set_place_remark(const struct seed_set_place *place, enum seed_error_kind *kind,
			    char *out);

#endif
