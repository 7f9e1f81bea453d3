// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/event.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/base_internal.h"

void seed_event_note(const struct seed_events *events, enum seed_event_kind kind,
		     const char *fmt, ...)
{
	struct seed_event event = { .kind = kind };
	char text[sizeof(((struct seed_error *)0)->text) + 24];	/* an error and a few words */
	va_list args;
	int len;

	if (!events || !events->report)
		return;
	va_start(args, fmt);
	len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (len < 0)
		return;
	seed_line_clean(text);
	event.text = text;
	seed_event_send(events, &event);
}
