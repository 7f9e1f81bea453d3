/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Verifying the custody of a volume (no .h: verify_internal.h). */
#include <errno.h>
#include <stdio.h>

#include "media/custody.h"
#include "verify/verify_internal.h"

struct check {
	struct seed_verify *verify;
	const struct seed_verify_options *opt;
	char set[SEED_ID_TEXT];
};

static int note(struct check *c, const struct seed_error *why, uint32_t number,
		struct seed_error *err)
{
	char what[40] = "";

	if (number)
		snprintf(what, sizeof(what), " entry %u", number);
	if (seed_verify_note(&c->verify->problems, c->opt->events, why, "set %.8s custody%s",
			     c->set, what) < 0)
		return seed_error_sys(err, ENOMEM, "verify");
	return 0;
}

/* An entry of somebody who is not trusted here is no fault of the medium's: it went through other
 * hands, and they said so. Nor is one whose writer was cut short; were it one that others follow,
 * the next would not fit. */
static int visit(const struct seed_custody_seen *seen, void *arg, struct seed_error *err)
{
	struct check *c = arg;

	c->verify->custody_entries++;
	switch (seen->standing) {
	case SEED_CUSTODY_TRUSTED:
		return seen->follows ? 0 : note(c, &seen->why, seen->number, err);
	case SEED_CUSTODY_BAD:
		return note(c, &seen->why, seen->number, err);
	case SEED_CUSTODY_UNTRUSTED:
		c->verify->custody_untrusted++;
		return 0;
	case SEED_CUSTODY_UNSIGNED:
		c->verify->custody_unsigned++;
		seed_event_note(c->opt->events, SEED_EVENT_WARNING, "set %.8s custody entry %u: "
				"passed by, its writer was cut short: %s", c->set, seen->number,
				seen->why.text);
		return 0;
	}
	return 0;
}

int seed_verify_custody(struct seed_verify *verify, const struct seed_volume *volume,
			const struct seed_verify_options *opt, struct seed_error *err)
{
	struct check c = { .verify = verify, .opt = opt };
	struct seed_error why = { 0 };

	seed_id_text(&volume->set, c.set);
	if (seed_custody_each(volume, opt->trust, visit, &c, &why) == 0)
		return 0;
	if (why.kind == SEED_ERR_RANGE || why.kind == SEED_ERR_FORMAT)
		why.kind = SEED_ERR_INTEGRITY;	/* far more names than anybody writes; no folder */
	return note(&c, &why, 0, err);
}
