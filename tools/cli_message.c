/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is said beside the result: progress, notes, warnings, and the error at the end. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli_internal.h"
#include "doc/json.h"

static bool dumb_terminal(void)
{
	const char *term = getenv("TERM");

	return !term || strcmp(term, "dumb") == 0;
}

static const struct progress_view *choose_view(const struct cli *cli)
{
	switch (cli->state->progress_mode) {
	case CLI_PROGRESS_TTY:
		return &progress_tty;
	case CLI_PROGRESS_PLAIN:
		return &progress_plain;
	case CLI_PROGRESS_JSON:
		return &progress_json;
	case CLI_PROGRESS_NONE:
		return &progress_none;
	default:
		return isatty(STDERR_FILENO) && !dumb_terminal() ? &progress_tty : &progress_plain;
	}
}

const struct seed_events *cli_events(struct cli *cli)
{
	struct cli_state *state = cli->state;

	if (!state->progress) {
		state->progress = progress_new(choose_view(cli), cli->quiet);
		if (!state->progress)
			return NULL;	/* a run without progress is still a run */
		state->events = (struct seed_events){ .report = progress_report,
						      .arg = state->progress };
	}
	return &state->events;
}

void cli_end_progress(struct cli *cli)
{
	progress_end_phase(cli->state->progress);
}

static void say(struct cli *cli, enum seed_event_kind kind, const char *fmt, va_list args)
{
	struct seed_event event = { .kind = kind };
	SEED_AUTO(seed_freep) char *text = NULL;

	if (vasprintf(&text, fmt, args) < 0) {
		text = NULL;
		return;
	}
	event.text = text;
	fflush(stdout);		/* where both streams are one file, what was printed before stays
				 * before */
	seed_event_send(cli_events(cli), &event);
}

void cli_note(struct cli *cli, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(cli, SEED_EVENT_NOTE, fmt, args);
	va_end(args);
}

void cli_warn(struct cli *cli, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	say(cli, SEED_EVENT_WARNING, fmt, args);
	va_end(args);
}

bool cli_colour(const struct cli *cli, int fd)
{
	const char *no = getenv("NO_COLOR"), *force = getenv("CLICOLOR_FORCE");

	if (cli->state->colour != CLI_AUTO)
		return cli->state->colour == CLI_ALWAYS;
	if (no && *no)
		return false;
	if (force && *force && strcmp(force, "0") != 0)
		return true;
	return isatty(fd) && !dumb_terminal();
}

static void print_json_error(int status, const char *text)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = seed_json_new_object();
	SEED_AUTO(seed_freep) char *line = NULL;
	size_t len;

	seed_json_set_text(doc, "message_type", "exit_error");
	seed_json_set_uint(doc, "code", (uint64_t)status);
	seed_json_set_text(doc, "message", text);
	if (seed_json_dump(doc, 0, &line, &len, NULL) == 0)
		fwrite(line, 1, len, stderr);
}

void cli_finish(struct cli *cli, int status, const struct seed_error *err)
{
	struct cli_state *state = cli->state;
	char text[sizeof(err->text) + 256];
	const char *command;

	if (state)
		progress_finish(state->progress, status == 0);
	if (status == 0)
		return;
	/* "vmseed: key trust: card x: ...: No such file or directory" */
	command = state ? strchr(state->path, ' ') : NULL;
	snprintf(text, sizeof(text), "%s%s%s%s%s", command ? command + 1 : "",
		 command ? ": " : "", err->text, err->sys_errno ? ": " : "",
		 err->sys_errno ? strerror(err->sys_errno) : "");
	fflush(stdout);
	if (state && state->progress_mode == CLI_PROGRESS_JSON)
		print_json_error(status, text);
	else
		fprintf(stderr, "vmseed: %s\n", text);
}
