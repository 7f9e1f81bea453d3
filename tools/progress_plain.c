/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Progress for logs and pipes: a line every 10 seconds, or every 10 percent if
 * that takes a second at least. (no header of its own) */
#include <stdio.h>

#include "progress.h"

static void plain_status(const struct progress_status *s, enum progress_moment moment)
{
	char line[256];

	if (moment == PROGRESS_PHASE_SHORT)
		return;
	fprintf(stderr, "%s\n", progress_line(s, moment, line, sizeof(line)));
}

static void plain_message(enum seed_event_kind kind, const char *text, bool line_open)
{
	(void)line_open;
	fprintf(stderr, "vmseed: %s%s\n", kind == SEED_EVENT_WARNING ? "warning: " : "", text);
}

const struct progress_view progress_plain = {
	.interval_ms = 10000,
	.step_percent = 10,
	.step_ms = 1000,
	.status = plain_status,
	.message = plain_message,
};

const struct progress_view progress_none = {
	.interval_ms = 10000,
	.message = plain_message,
};
