/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where the next medium of an export comes from when all that were given are full. */
#ifndef TOOLS_NEXT_MEDIUM_H
#define TOOLS_NEXT_MEDIUM_H

#include "cli.h"
#include "export/export.h"

struct next_medium {
	struct cli *cli;
	const struct seed_trust *trust;
	const char *const *dirs;	/* of --media */
	bool wait;			/* --wait: look there until another one is mounted */
	struct seed_vec seen;		/* struct seed_id: media that the run knows already */
};

/* Note a medium that is open. */
int next_medium_seen(struct next_medium *next, const struct seed_medium *medium,
		     struct seed_error *err);
/**
 * next_medium_get() - for struct seed_export_options; @arg: struct next_medium
 *
 * With --wait the folders of --media are looked at once a second. Else whoever sits at the terminal
 * is asked; with neither there is none.
 */
int next_medium_get(void *arg, const struct seed_export *plan, const char *full,
		    const struct seed_error *refused, struct seed_medium **out,
		    struct seed_error *err);
void next_medium_clear(struct next_medium *next);

#endif
