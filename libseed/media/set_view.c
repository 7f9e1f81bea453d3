// SPDX-License-Identifier: LGPL-2.1-or-later
#include "media/set_view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"

#define NAMED_MAX 4u			/* in one sentence */

static const struct seed_volume *volume_at(const struct seed_vec *volumes, size_t i)
{
	return *(struct seed_volume **)seed_vec_at(volumes, i);
}

/* ---- the newest set document ---- */

/* Was @a written after @b? It then knows @b's full commit, or a later one of that volume. */
static bool is_newer(const struct seed_set_doc *a, const struct seed_set_doc *b)
{
	const struct seed_set_member *m = seed_set_doc_member(a, b->volume);

	if (a->volume == b->volume)
		return a->number > b->number;
	return m && m->commit >= b->number;
}

/* NOTFOUND and damage are alike here; what is no fault of the medium (memory) is not. */
static int newest_doc(struct seed_set_doc *out, const struct seed_vec *volumes,
		      const struct seed_id *set, struct seed_error *err)
{
	for (size_t i = 0; i < volumes->count; i++) {
		SEED_AUTO(seed_set_doc_clear) struct seed_set_doc doc = { 0 };
		const struct seed_volume *v = volume_at(volumes, i);
		struct seed_error why = { 0 };

		if (!seed_id_equal(&v->set, set))
			continue;
		if (seed_set_doc_open(&doc, v, &why) < 0) {
			if (why.kind == SEED_ERR_SYSTEM && why.sys_errno == ENOMEM) {
				if (err)
					*err = why;
				return -1;
			}
			continue;
		}
		if (!out->number || is_newer(&doc, out)) {
			struct seed_set_doc old = *out;

			*out = doc;
			doc = old;
		}
	}
	return 0;
}

/* ---- places ---- */

static bool same_volume(const struct seed_volume *a, const struct seed_volume *b)
{
	return seed_id_equal(&a->set, &b->set) && a->number == b->number &&
	       seed_id_equal(&a->medium_id, &b->medium_id);
}

/* The first copy is the one that shows most; of two alike, the one that was given first. */
static bool is_better(const struct seed_volume *a, const struct seed_volume *b)
{
	if (a->last_commit != b->last_commit)
		return a->last_commit > b->last_commit;
	return a->problems.count < b->problems.count;
}

static const struct seed_volume *best_copy(const struct seed_vec *volumes,
					   const struct seed_volume *of)
{
	const struct seed_volume *best = NULL;

	for (size_t i = 0; i < volumes->count; i++) {
		const struct seed_volume *v = volume_at(volumes, i);

		if (same_volume(v, of) && (!best || is_better(v, best)))
			best = v;
	}
	return best;
}

/* A commit of the number that the set document names, and another one. */
static bool parts_from(const struct seed_volume *v, const struct seed_set_member *m)
{
	for (size_t i = 0; m->has_digest && i < v->links.count; i++) {
		const struct seed_volume_link *link = seed_vec_at(&v->links, i);

		if (link->number == m->commit)
			return !seed_digest_equal(&link->digest, &m->digest);
	}
	return false;
}

static struct seed_set_place place_of(const struct seed_vec *volumes, const struct seed_volume *v,
				      const struct seed_set_doc *doc)
{
	const struct seed_set_member *m = seed_set_doc_member(doc, v->number);
	const struct seed_volume *best = best_copy(volumes, v);
	struct seed_set_place place = { .number = v->number, .volume = v };

	if (m && seed_id_equal(&m->medium, &v->medium_id)) {
		place.has_member = true;
		place.member = *m;
		place.other_history = parts_from(v, m);
	}
	if (v != best)
		place.role = v->last_commit < best->last_commit ? SEED_PLACE_OLDER_COPY
								: SEED_PLACE_COPY;
	else if (doc->number && !place.has_member)
		place.role = SEED_PLACE_UNLISTED;
	else if (place.has_member && v->last_commit < m->commit)
		place.role = SEED_PLACE_OLDER;
	return place;
}

static int add_missing(struct seed_set_view *view, const struct seed_set_doc *doc,
		       struct seed_error *err)
{
	size_t given = view->places.count;

	for (size_t i = 0; i < doc->members.count; i++) {
		const struct seed_set_member *m = seed_vec_at(&doc->members, i);
		struct seed_set_place place = { .role = SEED_PLACE_MISSING, .number = m->volume,
						.has_member = true, .member = *m };
		bool found = false;

		for (size_t k = 0; k < given && !found; k++) {
			const struct seed_set_place *p = seed_vec_at(&view->places, k);

			found = p->has_member && p->number == m->volume;
		}
		if (!found && !seed_vec_push(&view->places, sizeof(place), &place))
			return seed_error_sys(err, ENOMEM, "volumes of a set");
	}
	return 0;
}

static int by_role(const void *a, const void *b)
{
	const struct seed_set_place *x = a, *y = b;

	if (x->role != y->role)
		return x->role < y->role ? -1 : 1;
	if (x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return 0;
}

static int build_view(struct seed_set_view *view, const struct seed_vec *volumes,
		      struct seed_error *err)
{
	SEED_AUTO(seed_set_doc_clear) struct seed_set_doc doc = { 0 };

	if (newest_doc(&doc, volumes, &view->set, err) < 0)
		return -1;
	view->has_doc = doc.number > 0;
	if (view->has_doc)
		view->highest = ((struct seed_set_member *)
				 seed_vec_at(&doc.members, doc.members.count - 1))->volume;
	for (size_t i = 0; i < volumes->count; i++) {
		struct seed_set_place place;

		if (!seed_id_equal(&volume_at(volumes, i)->set, &view->set))
			continue;
		place = place_of(volumes, volume_at(volumes, i), &doc);
		if (!seed_vec_push(&view->places, sizeof(place), &place))
			return seed_error_sys(err, ENOMEM, "volumes of a set");
	}
	if (add_missing(view, &doc, err) < 0)
		return -1;
	qsort(view->places.items, view->places.count, view->places.size, by_role);
	return 0;
}

int seed_set_views_build(struct seed_vec *out, const struct seed_vec *volumes,
			 struct seed_error *err)
{
	for (size_t i = 0; i < volumes->count; i++) {
		struct seed_set_view *view;

		if (seed_set_view_of(out, &volume_at(volumes, i)->set))
			continue;
		view = seed_vec_push(out, sizeof(*view), NULL);
		if (!view)
			return seed_error_sys(err, ENOMEM, "sets");
		view->set = volume_at(volumes, i)->set;
		if (build_view(view, volumes, err) < 0)
			return -1;
	}
	return 0;
}

void seed_set_views_clear(struct seed_vec *views)
{
	for (size_t i = 0; i < views->count; i++)
		seed_vec_free(&((struct seed_set_view *)seed_vec_at(views, i))->places);
	seed_vec_free(views);
}

const struct seed_set_view *seed_set_view_of(const struct seed_vec *views,
					     const struct seed_id *set)
{
	for (size_t i = 0; i < views->count; i++) {
		const struct seed_set_view *view = seed_vec_at(views, i);

		if (seed_id_equal(&view->set, set))
			return view;
	}
	return NULL;
}

size_t seed_set_view_count(const struct seed_set_view *view, enum seed_place_role role)
{
	size_t n = 0;

	for (size_t i = 0; i < view->places.count; i++)
		n += ((const struct seed_set_place *)seed_vec_at(&view->places, i))->role == role;
	return n;
}

/* ---- words ---- */

/* Labels are of harmless characters (seed_label_valid()), so they go into a sentence as they
 * are. */
static const char *label_of(const struct seed_set_place *place, char *quoted)
{
	return place->has_member ? place->member.label
				 : seed_medium_name(place->volume->medium, quoted);
}

static void add(char *out, const char *text)
{
	size_t len = strlen(out);

	if (len + strlen(text) + 1 <= SEED_PLACES_TEXT)
		strcpy(out + len, text);
	else	/* the end is lost, and says so */
		strcpy(out + (len > SEED_PLACES_TEXT - 4 ? SEED_PLACES_TEXT - 4 : len), "...");
}

static const char *between(size_t done, size_t shown, size_t all)
{
	if (!done)
		return "";
	return done + 1 == shown && shown == all ? " and " : ", ";
}

char *seed_set_view_text(const struct seed_set_view *view, enum seed_place_role role, char *out)
{
	size_t all = seed_set_view_count(view, role);
	size_t shown = all < NAMED_MAX ? all : NAMED_MAX;
	char number[64], quoted[SEED_QUOTED], numbers[SEED_PLACES_TEXT] = "";

	*out = '\0';
	for (size_t i = 0, done = 0; done < shown; i++) {
		const struct seed_set_place *place = seed_vec_at(&view->places, i);

		if (place->role != role)
			continue;
		snprintf(number, sizeof(number), "%s%u", between(done, shown, all), place->number);
		add(numbers, number);
		add(out, between(done, shown, all));
		add(out, label_of(place, quoted));
		done++;
	}
	if (!all)
		return out;
	if (all > shown) {
		snprintf(number, sizeof(number), " and %zu more", all - shown);
		add(out, number);
		add(numbers, " and more");
	}
	add(out, all > 1 ? ", volumes " : ", volume ");
	add(out, numbers);
	if (view->highest) {
		snprintf(number, sizeof(number), " of %u", view->highest);
		add(out, number);
	}
	return out;
}

char *seed_set_view_lacking(const struct seed_set_view *view, char *out)
{
	size_t missing = seed_set_view_count(view, SEED_PLACE_MISSING);
	char older[SEED_PLACES_TEXT];

	seed_set_view_text(view, SEED_PLACE_MISSING, out);
	seed_set_view_text(view, SEED_PLACE_OLDER, older);
	if (missing)
		add(out, missing > 1 ? ", which were not given" : ", which was not given");
	if (*older) {
		add(out, missing ? ", or on " : "");
		add(out, older);
		add(out, ", of which what was given is an older state");
	}
	return out;
}

char *seed_set_place_remark(const struct seed_set_place *place, enum seed_error_kind *kind,
			    char *out)
{
	*kind = SEED_ERR_NONE;
	*out = '\0';
	if (place->other_history) {
		*kind = SEED_ERR_INTEGRITY;
		snprintf(out, SEED_PLACES_TEXT,
			 "volume %u: its commit %u is not the one that the set document names",
			 place->number, place->member.commit);
		return out;
	}
	switch (place->role) {
	case SEED_PLACE_OLDER:
		*kind = SEED_ERR_IDENTITY;
		snprintf(out, SEED_PLACES_TEXT,
			 "volume %u is older than the set: it shows commit %u and the set ends at "
			 "commit %u of it (rolled back, or an older copy)",
			 place->number, place->volume->last_commit, place->member.commit);
		break;
	case SEED_PLACE_OLDER_COPY:
		snprintf(out, SEED_PLACES_TEXT,
			 "volume %u is an older copy of one that was given too", place->number);
		break;
	case SEED_PLACE_COPY:
		snprintf(out, SEED_PLACES_TEXT, "volume %u is a copy of one that was given too",
			 place->number);
		break;
	case SEED_PLACE_UNLISTED:
		snprintf(out, SEED_PLACES_TEXT,
			 "volume %u is not in the set document: of another attempt, or of a run "
			 "that did not come to its end",
			 place->number);
		break;
	default:
		break;
	}
	return out;
}
