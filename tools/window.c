// SPDX-License-Identifier: LGPL-2.1-or-later
#include "window.h"

#include <stdio.h>

#include "base/text.h"

int window_parse(struct window *out, const char *text, struct seed_error *err)
{
	unsigned int h1, m1, h2, m2;
	char quoted[SEED_QUOTED];
	int end = -1;

	if (sscanf(text, "%2u:%2u-%2u:%2u%n", &h1, &m1, &h2, &m2, &end) != 4 || end < 0 ||
	    text[end] || h1 > 24 || h2 > 24 || m1 > 59 || m2 > 59 || (h1 == 24 && m1) ||
	    (h2 == 24 && m2))
		return seed_error_set(err, SEED_ERR_USAGE,
				      "--window %s: not a time of day as 22:00-06:00",
				      seed_quote(text, quoted, sizeof(quoted)));
	if (h1 * 60 + m1 == h2 * 60 + m2)
		return seed_error_set(err, SEED_ERR_USAGE, "--window %s: ends when it begins",
				      seed_quote(text, quoted, sizeof(quoted)));
	out->from = (int)(h1 * 60 + m1) % 1440;
	out->to = (int)(h2 * 60 + m2) % 1440;
	return 0;
}

bool window_holds(const struct window *w, time_t now)
{
	struct tm tm;
	int minute;

	if (w->from == w->to || !localtime_r(&now, &tm))
		return true;
	minute = tm.tm_hour * 60 + tm.tm_min;
	return w->from < w->to ? minute >= w->from && minute < w->to :
				 minute >= w->from || minute < w->to;
}
