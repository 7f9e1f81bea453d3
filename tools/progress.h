/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Progress on stderr: what the library reports (base/event.h) becomes a rate
 * and an estimate here, and one of three views shows them, seldom enough to
 * cost nothing.
 *
 * The rate is a moving average (10 s) of the bytes that cost work: holes and
 * blocks already held advance at once and are left out.
 */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/event.h"

struct progress_status {
	char phase[64], vm[128], disk[64];	/* "" when not known; raw names */
	uint32_t vm_number, vm_count;		/* which VM of the run; 0: not known */
	uint64_t done, total;			/* bytes; total 0: not known */
	uint64_t skipped;
	double rate;				/* bytes of work a second; 0: not known yet */
	double elapsed, remaining;		/* seconds in this phase; remaining < 0: not
						 * known */
	uint64_t run_ms, run_bytes;		/* the whole run so far */
};

enum progress_moment {
	PROGRESS_GOING,
	PROGRESS_PHASE_END,
	PROGRESS_PHASE_SHORT,	/* the end of one that counted nothing and was over in no time */
};

struct progress_view {
	unsigned int interval_ms;	/* at most one line in this time... */
	unsigned int step_percent;	/* ...or after so many percent (0: time alone), */
	unsigned int step_ms;		/* ...but then not sooner than this */
	bool at_once;			/* a phase is shown as it begins */
	void (*status)(const struct progress_status *s, enum progress_moment moment);
	/* @kind NOTE or WARNING; keeps clear of a line that status() left unfinished. */
	void (*message)(enum seed_event_kind kind, const char *text, bool line_open);
	/* After the last status of the run; may do nothing. */
	void (*summary)(const struct progress_status *s);
};
extern const struct progress_view progress_tty, progress_plain, progress_json;
extern const struct progress_view progress_none;	/* messages alone, as plain shows them */

struct progress;

/* @quiet: warnings, and the line that SIGUSR1 asks for, alone. NULL: no memory. */
struct progress *progress_new(const struct progress_view *view, bool quiet);
void progress_free(struct progress *progress);
/* For struct seed_events: @arg is the struct progress. */
void progress_report(void *arg, const struct seed_event *event);
/* The phase is over, since the result follows: its line is closed. */
void progress_end_phase(struct progress *progress);
/* Close the last line. */
void progress_finish(struct progress *progress, bool success);

/* One line of text for people: "reading web01 vda  1.2 of 3.4 GiB  35 %  210 MiB/s  ETA 0:10". */
char *progress_line(const struct progress_status *s, enum progress_moment moment, char *out,
		    size_t size);

#endif
