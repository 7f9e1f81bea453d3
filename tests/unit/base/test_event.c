// SPDX-License-Identifier: LGPL-2.1-or-later
#include "cmocka_all.h"

#include <stdio.h>

#include "base/event.h"

struct seen {
	unsigned int count;
	enum seed_event_kind kind;
	char text[600];
};

static void note(void *arg, const struct seed_event *event)
{
	struct seen *seen = arg;

	seen->count++;
	seen->kind = event->kind;
	snprintf(seen->text, sizeof(seen->text), "%s", event->text);
}

static void a_note_reaches_the_sink(void **state)
{
	struct seen seen = { 0 };
	struct seed_events events = { .report = note, .arg = &seen };

	(void)state;
	seed_event_note(&events, SEED_EVENT_WARNING, "%u of %s", 3u, "web01");
	assert_int_equal(seen.count, 1);
	assert_int_equal(seen.kind, SEED_EVENT_WARNING);
	assert_string_equal(seen.text, "3 of web01");
}

static void a_note_is_one_safe_line(void **state)
{
	struct seen seen = { 0 };
	struct seed_events events = { .report = note, .arg = &seen };
	char longer[2000];

	(void)state;
	seed_event_note(&events, SEED_EVENT_NOTE, "a\nb\x1b[0m");
	assert_string_equal(seen.text, "a?b?[0m");
	memset(longer, 'y', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	seed_event_note(&events, SEED_EVENT_NOTE, "%s", longer);
	assert_true(strlen(seen.text) > 480 && strlen(seen.text) < 600);
}

static void without_a_sink_nothing_happens(void **state)
{
	struct seed_events none = { 0 };
	struct seed_event event = { .kind = SEED_EVENT_PHASE };

	(void)state;
	seed_event_note(NULL, SEED_EVENT_NOTE, "x");
	seed_event_note(&none, SEED_EVENT_NOTE, "x");
	seed_event_send(NULL, &event);
	seed_event_send(&none, &event);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_note_reaches_the_sink),
		cmocka_unit_test(a_note_is_one_safe_line),
		cmocka_unit_test(without_a_sink_nothing_happens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
