// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * What is said by the way, PROGRESS and NOTE (no .h: session.h). It is shown and changes nothing;
 * so a peer could say it for ever, and have people read it and others wait. An honest one meets
 * none of the limits.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "resync/session.h"

#define PROGRESS_MS 2000u		/* between two of ours */
#define IDLE_MS (6u * 60 * 60 * 1000)
#define WAIT_MAX_MS (UINT64_C(90) * 24 * 60 * 60 * 1000)

/* ---- the peer's ---- */

void seed_session_begin_vm(struct seed_session *s)
{
	s->heard.notes = 0;
}

void seed_session_begin_wait(struct seed_session *s)
{
	/* From here, for what the peer said while we were busy is old. */
	s->heard.waiting_ms = s->heard.advanced_ms = seed_clock_ms();
	s->heard.last = (struct seed_msg_progress){ .done = UINT64_MAX };
}

/* Ours come every other second, and may arrive in a heap, but never more than that since the
 * beginning. */
static int count_progress(struct seed_session *s, struct seed_error *err)
{
	uint64_t seconds = (seed_clock_ms() - s->opened_ms) / 1000;

	if (++s->heard.progress <= SEED_PROGRESS_AHEAD + seconds * SEED_PROGRESS_SECOND)
		return 0;
	return seed_error_set(err, SEED_ERR_FORMAT,
			      "%" PRIu64 " PROGRESS frames in %" PRIu64
			      " seconds, which is no honest pace",
			      s->heard.progress, seconds);
}

/* Another phase or total begins another count, which is no advance yet. */
static bool gets_on(const struct seed_msg_progress *last, const struct seed_msg_progress *m)
{
	return m->phase == last->phase && m->total == last->total && m->done > last->done;
}

/* Whoever waits waits for something: a count that stands still, or goes to and fro, is none. */
static int check_advance(struct seed_session *s, const struct seed_msg_progress *m,
			 struct seed_error *err)
{
	struct seed_heard *heard = &s->heard;
	uint64_t now = seed_clock_ms(), idle = s->idle_ms ? s->idle_ms : IDLE_MS;

	if (!heard->waiting_ms)		/* not in seed_session_next() */
		return 0;
	if (gets_on(&heard->last, m))
		heard->advanced_ms = now;
	heard->last = *m;
	if (now - heard->advanced_ms > idle)
		return seed_error_set(err, SEED_ERR_LINK,
				      "%s says that it is at it, and did not get on for %" PRIu64
				      " minutes",
				      seed_session_peer_name(s), idle / 60000);
	if (now - heard->waiting_ms > WAIT_MAX_MS)
		return seed_error_set(err, SEED_ERR_LINK, "%s was waited for long enough",
				      seed_session_peer_name(s));
	return 0;
}

int seed_session_show_progress(struct seed_session *s, const struct seed_frame *f,
			       struct seed_error *err)
{
	static const char *const phases[] = { "reading at the other end",
					      "checking at the other end",
					      "applying at the other end" };
	struct seed_msg_progress m;

	if (count_progress(s, err) < 0 || seed_msg_progress_get(&m, f, err) < 0 ||
	    check_advance(s, &m, err) < 0)
		return -1;
	seed_event_send(s->opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PROGRESS, .phase = phases[m.phase],
		.done = m.done < m.total ? m.done : m.total, .total = m.total });
	return 0;
}

int seed_session_show_note(struct seed_session *s, const struct seed_frame *f,
			   struct seed_error *err)
{
	struct seed_error said = { 0 };

	if (++s->heard.notes > SEED_NOTES_MAX)
		return seed_error_set(err, SEED_ERR_FORMAT, "more than %u NOTE frames for one VM",
				      SEED_NOTES_MAX);
	if (seed_msg_error_get(&said, f, err) < 0)
		return -1;
	seed_event_note(s->opt->events, SEED_EVENT_WARNING, "%s: %s", seed_session_peer_name(s),
			said.text);
	return 0;
}

/* ---- ours ---- */

int seed_session_note(struct seed_session *s, struct seed_error *err, const char *fmt, ...)
{
	struct seed_error note = { .kind = SEED_ERR_USAGE };
	struct seed_buf buf = { 0 };
	va_list args;

	va_start(args, fmt);
	vsnprintf(note.text, sizeof(note.text), fmt, args);
	va_end(args);
	if (s->caller)
		seed_event_note(s->opt->events, SEED_EVENT_WARNING, "%s", note.text);
	if (seed_msg_error_put(&buf, &note, err) < 0) {
		seed_buf_free(&buf);
		return -1;
	}
	return seed_session_send(s, SEED_FRAME_NOTE, &buf, err);
}

int seed_session_progress(struct seed_session *s, enum seed_wire_phase phase, uint64_t done,
			  uint64_t total, struct seed_error *err)
{
	const struct seed_msg_progress m = {
		.phase = (uint8_t)phase, .done = done, .total = total };
	uint64_t now = seed_clock_ms();
	struct seed_buf buf = { 0 };

	if (now - s->progress_ms < PROGRESS_MS)
		return 0;
	s->progress_ms = now;
	if (seed_msg_progress_put(&buf, &m, err) < 0) {
		seed_buf_free(&buf);
		return -1;
	}
	return seed_session_send(s, SEED_FRAME_PROGRESS, &buf, err);
}

static void relay(void *arg, const struct seed_event *event)
{
	struct seed_session *s = arg;

	seed_event_send(s->opt->events, event);
	/* Should this fail, whatever is sent next says so. */
	if (event->kind == SEED_EVENT_PROGRESS)
		seed_session_progress(s, s->relay_phase, event->done, event->total, NULL);
}

const struct seed_events *seed_session_relay(struct seed_session *s, enum seed_wire_phase phase)
{
	s->relay = (struct seed_events){ .report = relay, .arg = s };
	s->relay_phase = phase;
	return &s->relay;
}
