/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Progress for people: one line, drawn over itself ten times a second at most,
 * kept when its phase ends. The width is asked for at each drawing, so a window may
 * change its size at any time. (no header of its own)
 */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "progress.h"

#define CLEAR "\r\033[K"

static int columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* Cut @line to @width columns, never inside a character. */
static void cut(char *line, int width)
{
	mbstate_t state = { 0 };
	char *p = line;
	int used = 0;

	while (*p) {
		wchar_t c;
		size_t len = mbrtowc(&c, p, strlen(p), &state);
		int wide = len == (size_t)-1 || len == (size_t)-2 ? -1 : wcwidth(c);

		if (wide < 0) {		/* not printable here: one column as '?' */
			*p = '?';
			len = 1;
			wide = 1;
			memset(&state, 0, sizeof(state));
		}
		if (used + wide > width)
			break;
		used += wide;
		p += len;
	}
	*p = '\0';
}

static void tty_status(const struct progress_status *s, enum progress_moment moment)
{
	char line[256];

	if (moment == PROGRESS_PHASE_SHORT) {
		fputs(CLEAR, stderr);
		return;
	}
	/* The last column stays free: some terminals wrap when it is written. */
	cut(progress_line(s, moment, line, sizeof(line)), columns() - 1);
	fprintf(stderr, CLEAR "%s%s", line, moment == PROGRESS_PHASE_END ? "\n" : "");
}

static void tty_message(enum seed_event_kind kind, const char *text, bool line_open)
{
	fprintf(stderr, "%svmseed: %s%s\n", line_open ? CLEAR : "",
		kind == SEED_EVENT_WARNING ? "warning: " : "", text);
}

const struct progress_view progress_tty = {
	.interval_ms = 100,
	.at_once = true,
	.status = tty_status,
	.message = tty_message,
};
