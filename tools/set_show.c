/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See set_show.h. */
#include "set_show.h"

#include <stdio.h>

#include "base/text.h"
#include "out.h"

static const char *role_name(enum seed_place_role role)
{
	static const char *const names[] = {
		[SEED_PLACE_CURRENT] = "current",   [SEED_PLACE_OLDER] = "older",
		[SEED_PLACE_COPY] = "copy",	    [SEED_PLACE_OLDER_COPY] = "older-copy",
		[SEED_PLACE_UNLISTED] = "unlisted", [SEED_PLACE_MISSING] = "missing",
	};

	return names[role];
}

static struct seed_json *place_json(const struct seed_set_view *view,
				    const struct seed_set_place *place)
{
	struct seed_json *o = seed_json_new_object();
	const struct seed_volume *v = place->volume;

	seed_json_set_id(o, "set", &view->set);
	seed_json_set_uint(o, "volume", place->number);
	seed_json_set_text(o, "state", role_name(place->role));
	seed_json_set_id(o, "medium", v ? &v->medium_id : &place->member.medium);
	if (place->has_member)
		seed_json_set_text(o, "label", place->member.label);
	else if (v->medium->label[0])
		seed_json_set_text(o, "label", v->medium->label);
	else
		seed_json_set_null(o, "label");
	if (v)
		out_json_name(o, "path", v->medium->path);
	else
		seed_json_set_null(o, "path");
	return o;
}

void set_show_json(struct seed_json *object, const struct seed_vec *views)
{
	struct seed_json *array = seed_json_new_array();

	for (size_t i = 0; i < views->count; i++) {
		const struct seed_set_view *view = seed_vec_at(views, i);

		for (size_t k = 0; k < view->places.count; k++)
			seed_json_append(array, place_json(view, seed_vec_at(&view->places, k)));
	}
	seed_json_set(object, "volumes", array);
}

void set_show_missing(const struct seed_vec *views)
{
	char set[SEED_ID_TEXT], text[SEED_PLACES_TEXT];

	for (size_t i = 0; i < views->count; i++) {
		const struct seed_set_view *view = seed_vec_at(views, i);

		if (*seed_set_view_text(view, SEED_PLACE_MISSING, text))
			printf("Not given: %s, of set %.8s.\n", text,
			       seed_id_text(&view->set, set));
	}
}

void set_show_others(const struct seed_set_view *view)
{
	char set[SEED_ID_TEXT];

	seed_id_text(&view->set, set);
	for (size_t i = 0; i < view->places.count; i++) {
		const struct seed_set_place *place = seed_vec_at(&view->places, i);

		if (place->role == SEED_PLACE_MISSING)
			printf("set %.8s: volume %u of %u is %s\n", set, place->number,
			       view->highest, place->member.label);
	}
}

const char *set_show_number(const struct seed_set_view *view, const struct seed_volume *v,
			    char *out)
{
	if (view && view->highest >= v->number)
		snprintf(out, 32, "%u of %u", v->number, view->highest);
	else
		snprintf(out, 32, "%u", v->number);
	return out;
}
