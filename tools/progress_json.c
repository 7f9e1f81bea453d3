/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Progress for programs: one JSON object a line, with restic's key names. (no header of its own) */
#include <stdio.h>

#include "base/cleanup.h"
#include "doc/json.h"
#include "out.h"
#include "progress.h"

static void print(struct seed_json *doc)
{
	SEED_AUTO(seed_json_freep) struct seed_json *owned = doc;
	SEED_AUTO(seed_freep) char *text = NULL;
	size_t len;

	if (seed_json_dump(owned, 0, &text, &len, NULL) == 0)
		fwrite(text, 1, len, stderr);
}

/* Integers stay below 2^53 whatever an operation reports. */
static void set_bytes(struct seed_json *doc, const char *key, uint64_t bytes)
{
	seed_json_set_uint(doc, key, bytes < SEED_JSON_INT_MAX ? bytes : SEED_JSON_INT_MAX - 1);
}

static void set_name(struct seed_json *doc, const char *key, const char *name)
{
	if (*name)
		out_json_name(doc, key, name);
}

static void json_status(const struct progress_status *s, enum progress_moment moment)
{
	struct seed_json *doc = seed_json_new_object();
	double done = s->total ? (double)s->done / (double)s->total : 0;

	(void)moment;
	seed_json_set_text(doc, "message_type", "status");
	set_name(doc, "phase", s->phase);
	set_name(doc, "vm", s->vm);
	if (s->vm_count) {
		seed_json_set_uint(doc, "vm_number", s->vm_number);
		seed_json_set_uint(doc, "vm_count", s->vm_count);
	}
	set_name(doc, "disk", s->disk);
	seed_json_set_uint(doc, "seconds_elapsed", (uint64_t)s->elapsed);
	if (s->remaining >= 0)
		set_bytes(doc, "seconds_remaining", (uint64_t)s->remaining);
	seed_json_set_real(doc, "percent_done", done);
	set_bytes(doc, "bytes_done", s->done);
	if (s->total)
		set_bytes(doc, "total_bytes", s->total);
	set_bytes(doc, "rate_bytes_per_second", (uint64_t)s->rate);
	print(doc);
}

static void json_message(enum seed_event_kind kind, const char *text, bool line_open)
{
	struct seed_json *doc = seed_json_new_object();

	(void)line_open;
	seed_json_set_text(doc, "message_type", kind == SEED_EVENT_WARNING ? "warning" : "note");
	seed_json_set_text(doc, "message", text);
	print(doc);
}

static void json_summary(const struct progress_status *s)
{
	struct seed_json *doc = seed_json_new_object();

	seed_json_set_text(doc, "message_type", "summary");
	seed_json_set_real(doc, "total_duration", (double)s->run_ms / 1000);
	set_bytes(doc, "total_bytes_processed", s->run_bytes);
	print(doc);
}

const struct progress_view progress_json = {
	.interval_ms = 1000,
	.status = json_status,
	.message = json_message,
	.summary = json_summary,
};
