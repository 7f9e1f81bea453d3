/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The volumes of sets, given and not, as commands that read media show them. */
#ifndef TOOLS_SET_SHOW_H
#define TOOLS_SET_SHOW_H

#include "doc/json.h"
#include "media/set_view.h"

/* "volumes": an object for each volume of @views (struct seed_set_view). */
void set_show_json(struct seed_json *object, const struct seed_vec *views);
/* A line on stdout for each set of which something was not given. */
void set_show_missing(const struct seed_vec *views);
/* A line for each volume of the set document that is not on this medium. */
void set_show_others(const struct seed_set_view *view);
/* "2 of 5", or "2" where no set document says how many there are. @out holds 32. */
const char *set_show_number(const struct seed_set_view *view, const struct seed_volume *v,
			    char *out);

#endif
