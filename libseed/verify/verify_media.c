/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Verifying media: what lies on them, set by set. */
#include <errno.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "media/set_record.h"
#include "verify/verify_internal.h"

static int note_medium(struct seed_verify *out, const struct seed_medium *medium,
		       const struct seed_verify_options *opt, const struct seed_error *why,
		       struct seed_error *err)
{
	char name[SEED_QUOTED];

	if (seed_verify_note(&out->problems, opt->events, why, "medium %s",
			     seed_medium_name(medium, name)) < 0)
		return seed_error_sys(err, ENOMEM, "verify");
	return 0;
}

/* What the sets hold does not rest on medium.json, but its label and id do. */
static int check_enrolment(struct seed_verify *out, const struct seed_medium *medium,
			   const struct seed_verify_options *opt, struct seed_error *err)
{
	struct seed_error why = medium->unknown;

	if (medium->known_signer)
		return 0;
	if (why.kind == SEED_ERR_NOTFOUND || why.kind == SEED_ERR_FORMAT ||
	    why.kind == SEED_ERR_RANGE)
		why.kind = SEED_ERR_TRUST;	/* whatever stands there, nobody known signed it */
	return note_medium(out, medium, opt, &why, err);
}

/* Only the exporter's own home can tell a torn attempt from damage. */
static void mark_torn(struct seed_volume *v, const struct seed_verify_options *opt)
{
	struct seed_set_record record;

	if (opt->home >= 0 &&
	    seed_set_record_read(&record, opt->home, &v->set, v->number, NULL) == 0)
		seed_volume_mark_torn(v, &record);
}

static int open_volumes(struct seed_verify *out, struct seed_vec *volumes,
			struct seed_medium *medium, const struct seed_verify_options *opt,
			struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec sets = { 0 };

	if (seed_medium_sets(medium, &sets, err) < 0)
		return -1;
	if (sets.count == 0)
		return seed_error_set(err, SEED_ERR_MEDIUM,
				      "no set on the medium: nothing was exported to it");
	if (check_enrolment(out, medium, opt, err) < 0)
		return -1;
	for (size_t i = 0; i < sets.count; i++) {
		struct seed_error why = { 0 };
		struct seed_volume *v;

		/* The text names the set already. */
		if (seed_volume_open(&v, medium, seed_vec_at(&sets, i), opt->trust, opt->own,
				     &why) < 0) {
			if (note_medium(out, medium, opt, &why, err) < 0)
				return -1;
			continue;
		}
		mark_torn(v, opt);
		if (!seed_vec_push(volumes, sizeof(v), &v)) {
			seed_volume_close(v);
			return seed_error_sys(err, ENOMEM, "verify");
		}
	}
	return 0;
}

int seed_verify_media(struct seed_verify *out, const struct seed_vec *media,
		      const struct seed_verify_options *opt, struct seed_error *err)
{
	char name[SEED_QUOTED];

	for (size_t i = 0; i < media->count; i++) {
		struct seed_medium *m = *(struct seed_medium **)seed_vec_at(media, i);

		if (open_volumes(out, &out->open, m, opt, err) < 0)
			return seed_error_prefix(err, "medium %s", seed_medium_name(m, name));
	}
	if (seed_set_views_build(&out->views, &out->open, err) < 0)
		return -1;
	for (size_t i = 0; i < out->views.count; i++)
		if (seed_verify_set(out, seed_vec_at(&out->views, i), media->count > 1, opt, err) <
		    0)
			return -1;
	return 0;
}
