/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a long operation reports while it runs. The library calls the sink;
 * tools/ draws it. A sink is called from one thread at a time and never
 * calls back into the operation. All strings are borrowed for the call; names
 * in them are raw and quoted by whoever shows them.
 */
#ifndef SEED_BASE_EVENT_H
#define SEED_BASE_EVENT_H

#include <stdint.h>

enum seed_event_kind {
	SEED_EVENT_PHASE,	/* a new phase with its own total begins */
	SEED_EVENT_PROGRESS,	/* done/total moved; never goes back within a phase */
	SEED_EVENT_NOTE,	/* worth knowing, nothing is wrong */
	SEED_EVENT_WARNING,	/* something is wrong and the operation goes on */
};

struct seed_event {
	enum seed_event_kind kind;
	const char *phase;	/* "reading", "read back", "verifying", "importing", ... */
	uint64_t done, total;	/* bytes of work in this phase; total 0: not known */
	uint64_t skipped;	/* part of @done that cost nothing (holes, blocks already held):
				 * advances at once, left out of the rate */
	const char *vm, *disk;	/* what is being worked on, or NULL */
	uint32_t vm_number, vm_count;	/* which of how many VMs that is; 0: not known */
	const char *text;	/* NOTE, WARNING: one line, already safe to print */
};

struct seed_events {
	void (*report)(void *arg, const struct seed_event *event);
	void *arg;
};

/* A NULL @events or report is a sink that drops everything. */
static inline void seed_event_send(const struct seed_events *events, const struct seed_event *e)
{
	if (events && events->report)
		events->report(events->arg, e);
}
void seed_event_note(const struct seed_events *events, enum seed_event_kind kind,
		     const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
