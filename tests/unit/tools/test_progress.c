/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is shown of an operation's progress. tools/ is no library, so its files are taken
 * in here whole, on a clock that the tests turn.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "cmocka_all.h"
#include "doc/json.h"

static uint64_t now_ms;
static uint64_t fake_clock_ms(void)
{
	return now_ms;
}

#define seed_clock_ms fake_clock_ms
#include "../../../tools/progress.c"
#include "../../../tools/progress_json.c"
#include "../../../tools/progress_plain.c"
#include "../../../tools/progress_tty.c"
#include "../../../tools/out_name.c"
#include "../../../tools/signals.c"

#define MIB ((uint64_t)1 << 20)

/* A view that remembers. */
static struct progress_status last;
static enum progress_moment last_moment;
static unsigned int statuses, messages, summaries;
static char last_message[512];

static void note_status(const struct progress_status *s, enum progress_moment moment)
{
	last = *s;
	last_moment = moment;
	statuses++;
}

static void note_message(enum seed_event_kind kind, const char *text, bool line_open)
{
	(void)kind;
	(void)line_open;
	snprintf(last_message, sizeof(last_message), "%s", text);
	messages++;
}

static void note_summary(const struct progress_status *s)
{
	last = *s;
	summaries++;
}

static const struct progress_view notes = {
	.interval_ms = 100, .status = note_status, .message = note_message,
	.summary = note_summary,
};
static const struct progress_view seldom = {
	.interval_ms = 10000, .step_percent = 10, .status = note_status, .message = note_message,
};

static struct progress *begin(const struct progress_view *view, bool quiet)
{
	struct progress *p;

	now_ms = 1000000;
	statuses = messages = summaries = 0;
	memset(&last, 0, sizeof(last));
	p = progress_new(view, quiet);
	assert_non_null(p);
	return p;
}

static void phase(struct progress *p, const char *name, uint64_t total)
{
	progress_report(p, &(struct seed_event){ .kind = SEED_EVENT_PHASE, .phase = name,
						 .total = total });
}

static void advance_to(struct progress *p, uint64_t done, uint64_t skipped, uint64_t after_ms)
{
	now_ms += after_ms;
	progress_report(p, &(struct seed_event){ .kind = SEED_EVENT_PROGRESS, .done = done,
						 .skipped = skipped, .vm = "web01",
						 .disk = "vda" });
}

static void the_rate_counts_work_and_not_holes(void **state)
{
	struct progress *p = begin(&notes, false);

	(void)state;
	phase(p, "reading", 1000 * MIB);
	for (unsigned int i = 1; i <= 40; i++)	/* 10 MiB of work and 10 of holes a second */
		advance_to(p, 20 * MIB * i, 10 * MIB * i, 1000);
	assert_true(last.rate > 9.5 * MIB && last.rate < 10.5 * MIB);
	assert_true(last.remaining > 18 && last.remaining < 22);
	assert_true(last.elapsed > 39.9 && last.elapsed < 40.1);
	progress_free(p);
}

static void the_rate_follows_a_change_within_seconds(void **state)
{
	struct progress *p = begin(&notes, false);
	uint64_t done = 0;

	(void)state;
	phase(p, "reading", 100000 * MIB);
	for (unsigned int i = 0; i < 60; i++)
		advance_to(p, done += 100 * MIB, 0, 1000);
	assert_true(last.rate > 95.0 * MIB);
	for (unsigned int i = 0; i < 30; i++)
		advance_to(p, done += 10 * MIB, 0, 1000);
	assert_true(last.rate < 25.0 * MIB && last.rate > 10.0 * MIB);
	progress_free(p);
}

static void progress_never_goes_back_or_beyond(void **state)
{
	struct progress *p = begin(&notes, false);

	(void)state;
	phase(p, "reading", 100 * MIB);
	advance_to(p, 50 * MIB, 0, 1000);
	advance_to(p, 40 * MIB, 0, 1000);
	assert_int_equal(last.done, 50 * MIB);
	advance_to(p, 200 * MIB, 0, 1000);
	assert_int_equal(last.done, 100 * MIB);
	progress_free(p);
}

static void lines_come_no_faster_than_the_view_wants(void **state)
{
	struct progress *p = begin(&notes, false);

	(void)state;
	phase(p, "reading", 10000 * MIB);
	for (unsigned int i = 1; i <= 10000; i++)	/* ten seconds of events, one a ms */
		advance_to(p, MIB * i / 2, 0, 1);
	assert_in_range(statuses, 90, 100);
	progress_free(p);

	p = begin(&seldom, false);
	phase(p, "reading", 1000 * MIB);
	for (unsigned int i = 1; i <= 1000; i++)	/* fast: by percent */
		advance_to(p, MIB * i, 0, 1);
	assert_in_range(statuses, 9, 10);
	progress_free(p);

	p = begin(&seldom, false);
	phase(p, "reading", 1000000 * MIB);
	for (unsigned int i = 1; i <= 100; i++)		/* slow: by time */
		advance_to(p, MIB * i, 0, 1000);
	assert_in_range(statuses, 9, 10);
	progress_free(p);
}

static void each_phase_ends_with_its_figures_and_the_run_adds_up(void **state)
{
	struct progress *p = begin(&notes, false);

	(void)state;
	phase(p, "reading", 10 * MIB);
	advance_to(p, 10 * MIB, 0, 50);
	phase(p, "read back", 4 * MIB);
	assert_int_equal(last_moment, PROGRESS_PHASE_END);
	assert_string_equal(last.phase, "reading");
	assert_string_equal(last.vm, "web01");
	assert_int_equal(last.done, 10 * MIB);
	advance_to(p, 4 * MIB, 0, 50);
	progress_finish(p, true);
	assert_int_equal(summaries, 1);
	assert_int_equal(last.run_bytes, 14 * MIB);
	assert_int_equal(last.run_ms, 100);
	progress_free(p);
}

static void a_phase_of_no_length_is_no_line(void **state)
{
	struct progress *p = begin(&notes, false);

	(void)state;
	phase(p, "committing", 0);
	now_ms += 900;
	progress_end_phase(p);
	assert_int_equal(last_moment, PROGRESS_PHASE_SHORT);
	phase(p, "committing", 0);
	now_ms += 1100;
	progress_end_phase(p);
	assert_int_equal(last_moment, PROGRESS_PHASE_END);
	statuses = 0;
	progress_end_phase(p);		/* there is none any more */
	progress_finish(p, true);
	assert_int_equal(statuses, 0);
	assert_int_equal(summaries, 1);
	progress_free(p);
}

static void an_unknown_total_gives_no_estimate(void **state)
{
	struct progress *p = begin(&notes, false);
	char line[256];

	(void)state;
	phase(p, "counting", 0);
	advance_to(p, 5 * MIB, 0, 1000);
	assert_true(last.remaining < 0);
	progress_line(&last, PROGRESS_GOING, line, sizeof(line));
	assert_null(strchr(line, '%'));
	assert_null(strstr(line, "ETA"));
	progress_free(p);
}

static void quiet_silences_notes_and_never_warnings(void **state)
{
	struct progress *p = begin(&notes, true);

	(void)state;
	progress_report(p, &(struct seed_event){ .kind = SEED_EVENT_NOTE, .text = "note" });
	assert_int_equal(messages, 0);
	progress_report(p, &(struct seed_event){ .kind = SEED_EVENT_WARNING, .text = "torn" });
	assert_int_equal(messages, 1);
	assert_string_equal(last_message, "torn");
	phase(p, "reading", MIB);
	advance_to(p, MIB, 0, 5000);
	progress_finish(p, true);
	assert_int_equal(statuses + summaries, 0);
	progress_free(p);
}

static void sigusr1_gives_one_line(void **state)
{
	struct progress *p = begin(&seldom, false);

	(void)state;
	signals_install();
	phase(p, "reading", 100 * MIB);
	advance_to(p, 1 * MIB, 0, 1000);
	raise(SIGUSR1);
	advance_to(p, 2 * MIB, 0, 1000);
	advance_to(p, 3 * MIB, 0, 1000);
	assert_int_equal(messages, 1);
	assert_non_null(strstr(last_message, "reading web01 vda  2 MiB of 100 MiB  2 %"));
	progress_free(p);
}

/* ---- the views, by what they write ---- */

static char *written;
static int kept_stderr;

static void capture(void)
{
	FILE *file = tmpfile();

	assert_non_null(file);
	fflush(stderr);
	kept_stderr = dup(STDERR_FILENO);
	assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
	fclose(file);
}

static const char *captured(void)
{
	static char text[4096];
	ssize_t len;

	fflush(stderr);
	len = pread(STDERR_FILENO, text, sizeof(text) - 1, 0);
	dup2(kept_stderr, STDERR_FILENO);
	close(kept_stderr);
	assert_true(len >= 0);
	text[len] = '\0';
	written = text;
	return text;
}

static void json_lines_have_the_keys_of_restic(void **state)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct progress *p = begin(&progress_json, false);
	struct seed_json_reader r;
	struct seed_error err = { 0 };
	char *end;

	(void)state;
	capture();
	phase(p, "reading", 100 * MIB);
	now_ms += 2000;
	progress_report(p, &(struct seed_event){ .kind = SEED_EVENT_PROGRESS, .done = 50 * MIB,
						 .vm = "a\n\"\377", .disk = "vda",
						 .vm_number = 3, .vm_count = 11 });
	captured();
	end = strchr(written, '\n');
	assert_non_null(end);
	assert_string_equal(end, "\n");
	assert_ok(seed_json_parse(&doc, written, strlen(written), &err), &err);
	seed_json_begin(&r, doc, "", &err);
	assert_string_equal(seed_json_take_text(&r, "message_type", 32), "status");
	assert_string_equal(seed_json_take_text(&r, "phase", 32), "reading");
	assert_string_equal(seed_json_take_text(&r, "vm", 64), "\"a%0A\\\"%FF\"");
	assert_string_equal(seed_json_take_text(&r, "disk", 32), "vda");
	assert_int_equal(seed_json_take_uint(&r, "vm_number", 100), 3);
	assert_int_equal(seed_json_take_uint(&r, "vm_count", 100), 11);
	assert_int_equal(seed_json_take_uint(&r, "seconds_elapsed", 100), 2);
	assert_int_equal(seed_json_take_uint(&r, "seconds_remaining", 100), 2);
	assert_int_equal(seed_json_take_uint(&r, "bytes_done", 100 * MIB), 50 * MIB);
	assert_int_equal(seed_json_take_uint(&r, "total_bytes", 100 * MIB), 100 * MIB);
	assert_int_equal(seed_json_take_uint(&r, "rate_bytes_per_second", 100 * MIB), 25 * MIB);
	assert_non_null(strstr(written, "\"percent_done\":0.5"));
	progress_free(p);
}

static void plain_lines_are_lines(void **state)
{
	struct progress *p = begin(&progress_plain, false);

	(void)state;
	capture();
	phase(p, "reading", 100 * MIB);
	advance_to(p, 30 * MIB, 0, 3000);
	progress_report(p, &(struct seed_event){ .kind = SEED_EVENT_WARNING, .text = "torn" });
	progress_finish(p, true);
	captured();
	assert_string_equal(written,
			    "reading web01 vda  30 MiB of 100 MiB  30 %  10 MiB/s  ETA 0:07  0:03\n"
			    "vmseed: warning: torn\n"
			    "reading web01 vda  30 MiB of 100 MiB  30 %  10 MiB/s  0:03\n");
	progress_free(p);
}

static void a_tty_line_is_cleared_for_messages_and_kept_at_the_end(void **state)
{
	struct progress *p = begin(&progress_tty, false);

	(void)state;
	capture();
	phase(p, "reading", 100 * MIB);
	advance_to(p, 50 * MIB, 0, 1000);
	progress_report(p, &(struct seed_event){ .kind = SEED_EVENT_NOTE, .text = "hello" });
	progress_finish(p, false);
	captured();
	assert_non_null(strstr(written, "50 %"));
	assert_non_null(strstr(written, "\r\033[Kvmseed: hello\n"));
	assert_int_equal(written[strlen(written) - 1], '\n');
	progress_free(p);
}

static void a_tty_shows_a_phase_from_its_beginning_and_drops_a_short_one(void **state)
{
	struct progress *p = begin(&progress_tty, false);

	(void)state;
	capture();
	phase(p, "committing", 0);
	now_ms += 10;
	progress_end_phase(p);
	captured();
	assert_string_equal(written, "\r\033[Kcommitting  0:00\r\033[K");
	progress_free(p);

	p = begin(&progress_plain, false);
	capture();
	phase(p, "committing", 0);
	progress_end_phase(p);
	captured();
	assert_string_equal(written, "");
	progress_free(p);
}

static void hostile_names_reach_no_terminal(void **state)
{
	static const struct progress_view *const views[] = { &progress_tty, &progress_plain };
	struct progress *p;
	const char *esc;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		p = begin(views[i], false);
		capture();
		phase(p, "reading", 100 * MIB);
		now_ms += 20000;
		progress_report(p, &(struct seed_event){ .kind = SEED_EVENT_PROGRESS,
							 .done = 50 * MIB, .vm = "x\033[2J\ny",
							 .disk = "\a" });
		captured();
		for (esc = written; (esc = strchr(esc, '\033')); esc++)
			assert_memory_equal(esc, "\033[K", 3);
		assert_null(strchr(written, '\a'));
		assert_non_null(strstr(written, "x%1B[2J%0Ay"));
		progress_free(p);
	}
}

static void a_line_is_cut_between_characters(void **state)
{
	char line[] = "abcdefgh", short_line[] = "ab";

	(void)state;
	cut(line, 5);
	assert_string_equal(line, "abcde");
	cut(short_line, 5);
	assert_string_equal(short_line, "ab");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rate_counts_work_and_not_holes),
		cmocka_unit_test(the_rate_follows_a_change_within_seconds),
		cmocka_unit_test(progress_never_goes_back_or_beyond),
		cmocka_unit_test(lines_come_no_faster_than_the_view_wants),
		cmocka_unit_test(each_phase_ends_with_its_figures_and_the_run_adds_up),
		cmocka_unit_test(a_phase_of_no_length_is_no_line),
		cmocka_unit_test(an_unknown_total_gives_no_estimate),
		cmocka_unit_test(quiet_silences_notes_and_never_warnings),
		cmocka_unit_test(sigusr1_gives_one_line),
		cmocka_unit_test(json_lines_have_the_keys_of_restic),
		cmocka_unit_test(plain_lines_are_lines),
		cmocka_unit_test(a_tty_line_is_cleared_for_messages_and_kept_at_the_end),
		cmocka_unit_test(a_tty_shows_a_phase_from_its_beginning_and_drops_a_short_one),
		cmocka_unit_test(hostile_names_reach_no_terminal),
		cmocka_unit_test(a_line_is_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
