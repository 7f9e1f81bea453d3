/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A time of day in which something may run: "22:00-06:00", local time; it may go over midnight. */
#ifndef TOOLS_WINDOW_H
#define TOOLS_WINDOW_H

#include <stdbool.h>
#include <time.h>

#include "base/error.h"

struct window {
	int from, to;		/* minutes of the day; equal: the whole day (00:00-24:00) */
};

/* USAGE with the text when it is none. */
int window_parse(struct window *out, const char *text, struct seed_error *err);
bool window_holds(const struct window *window, time_t now);

#endif
