/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/vec.h"
#include "out.h"
#include "signals.h"

#define SAMPLE_MS 200		/* shorter spans make a rate of noise */
#define AVERAGE_S 10.0
#define SHORT_MS 1000		/* a phase without figures needs a line if it took as long */

struct progress {
	const struct progress_view *view;
	bool quiet;
	struct progress_status s;
	uint64_t run_start_ms, phase_start_ms;
	uint64_t sample_ms, sample_work;	/* of the last rate sample */
	uint64_t shown_ms;
	double shown_percent;
	bool in_phase;
	bool line_open;		/* the view has shown a status that a message must not run into */
};

struct progress *progress_new(const struct progress_view *view, bool quiet)
{
	struct progress *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->view = view;
	p->quiet = quiet;
	p->run_start_ms = seed_clock_ms();
	return p;
}

void progress_free(struct progress *p)
{
	free(p);
}

static void copy_name(char *out, size_t size, const char *name)
{
	snprintf(out, size, "%s", name ? name : "");
}

static double percent(const struct progress_status *s)
{
	return s->total ? 100.0 * (double)s->done / (double)s->total : 0;
}

/* In the first seconds the mean over the phase is the best guess; then the past fades. */
static void update_rate(struct progress *p, uint64_t now)
{
	struct progress_status *s = &p->s;
	uint64_t work = s->done > s->skipped ? s->done - s->skipped : 0;
	double span = (double)(now - p->sample_ms) / 1000, weight;

	s->elapsed = (double)(now - p->phase_start_ms) / 1000;
	s->run_ms = now - p->run_start_ms;
	if (now - p->sample_ms >= SAMPLE_MS) {
		if (s->elapsed < AVERAGE_S) {
			s->rate = (double)work / s->elapsed;
		} else {
			weight = span / (AVERAGE_S + span);
			if (work >= p->sample_work)
				s->rate += weight * ((double)(work - p->sample_work) / span -
						     s->rate);
		}
		p->sample_ms = now;
		p->sample_work = work;
	}
	s->remaining = s->total && s->rate >= 1 ? (double)(s->total - s->done) / s->rate : -1;
}

static void show(struct progress *p, uint64_t now, enum progress_moment moment)
{
	update_rate(p, now);
	p->shown_ms = now;
	p->shown_percent = percent(&p->s);
	p->view->status(&p->s, moment);
	p->line_open = moment == PROGRESS_GOING;
}

void progress_end_phase(struct progress *p)
{
	uint64_t now = seed_clock_ms();
	bool brief;

	if (!p || !p->in_phase)
		return;
	p->in_phase = false;
	p->s.run_bytes += p->s.done;
	brief = !p->s.total && !p->s.done && now - p->phase_start_ms < SHORT_MS;
	if (p->view->status && !p->quiet)
		show(p, now, brief ? PROGRESS_PHASE_SHORT : PROGRESS_PHASE_END);
	else
		update_rate(p, now);
}

static void begin_phase(struct progress *p, const struct seed_event *e, uint64_t now)
{
	progress_end_phase(p);
	p->in_phase = true;
	p->phase_start_ms = p->sample_ms = p->shown_ms = now;
	p->sample_work = 0;
	p->shown_percent = 0;
	p->s = (struct progress_status){ .remaining = -1, .run_bytes = p->s.run_bytes,
					 .total = e->total };
	copy_name(p->s.phase, sizeof(p->s.phase), e->phase);
	p->s.vm_number = e->vm_number;
	p->s.vm_count = e->vm_count;
	copy_name(p->s.vm, sizeof(p->s.vm), e->vm);
	copy_name(p->s.disk, sizeof(p->s.disk), e->disk);
	if (p->view->at_once && !p->quiet)
		show(p, now, PROGRESS_GOING);
}

static void advance(struct progress *p, const struct seed_event *e, uint64_t now)
{
	const struct progress_view *v = p->view;

	if (!p->in_phase || (e->phase && strcmp(e->phase, p->s.phase) != 0))
		begin_phase(p, e, now);
	if (e->vm)
		copy_name(p->s.vm, sizeof(p->s.vm), e->vm);
	if (e->vm_count) {
		p->s.vm_number = e->vm_number;
		p->s.vm_count = e->vm_count;
	}
	if (e->disk)
		copy_name(p->s.disk, sizeof(p->s.disk), e->disk);
	if (e->total)
		p->s.total = e->total;
	p->s.done = e->done > p->s.done ? e->done : p->s.done;
	if (p->s.total && p->s.done > p->s.total)
		p->s.done = p->s.total;
	p->s.skipped = e->skipped;
	if (!v->status || p->quiet)
		return;
	if (now - p->shown_ms >= v->interval_ms ||
	    (v->step_percent && now - p->shown_ms >= v->step_ms &&
	     percent(&p->s) - p->shown_percent >= v->step_percent))
		show(p, now, PROGRESS_GOING);
}

static void show_once(struct progress *p)
{
	char line[256];

	update_rate(p, seed_clock_ms());
	progress_line(&p->s, PROGRESS_GOING, line, sizeof(line));
	p->view->message(SEED_EVENT_NOTE, line, p->line_open);
	p->line_open = false;
}

void progress_report(void *arg, const struct seed_event *e)
{
	struct progress *p = arg;

	switch (e->kind) {
	case SEED_EVENT_PHASE:
		begin_phase(p, e, seed_clock_ms());
		break;
	case SEED_EVENT_PROGRESS:
		advance(p, e, seed_clock_ms());
		if (signals_take_usr1())
			show_once(p);
		break;
	case SEED_EVENT_NOTE:
		if (p->quiet)
			break;
		/* fallthrough */
	case SEED_EVENT_WARNING:
		p->view->message(e->kind, e->text ? e->text : "", p->line_open);
		p->line_open = false;
		break;
	}
}

void progress_finish(struct progress *p, bool success)
{
	if (!p)
		return;
	progress_end_phase(p);
	if (success && p->view->summary && !p->quiet && p->s.phase[0])
		p->view->summary(&p->s);
}

/* "3:07", "1:02:45" */
static void duration(double seconds, char *out, size_t size)
{
	unsigned long long s = seconds < 0 ? 0 : (unsigned long long)(seconds + 0.5);

	if (s >= 3600)
		snprintf(out, size, "%llu:%02llu:%02llu", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(out, size, "%llu:%02llu", s / 60, s % 60);
}

char *progress_line(const struct progress_status *s, enum progress_moment moment, char *out,
		    size_t size)
{
	char vm[80], disk[48], done[32], total[32], rate[32], eta[32], elapsed[32];
	struct seed_buf buf = { 0 };

	seed_buf_addf(&buf, NULL, "%s", s->phase);
	if (s->vm_count > 1)
		seed_buf_addf(&buf, NULL, " %u/%u", s->vm_number, s->vm_count);
	if (s->vm[0])
		seed_buf_addf(&buf, NULL, " %s", out_name(s->vm, vm, sizeof(vm)));
	if (s->disk[0])
		seed_buf_addf(&buf, NULL, " %s", out_name(s->disk, disk, sizeof(disk)));
	seed_size_text(s->done, done);
	if (s->total)
		seed_buf_addf(&buf, NULL, "  %s of %s  %d %%", done,
			      seed_size_text(s->total, total), (int)percent(s));
	else if (s->done)
		seed_buf_addf(&buf, NULL, "  %s", done);
	if (s->rate >= 1)
		seed_buf_addf(&buf, NULL, "  %s/s", seed_size_text((uint64_t)s->rate, rate));
	duration(s->elapsed, elapsed, sizeof(elapsed));
	duration(s->remaining, eta, sizeof(eta));
	if (moment == PROGRESS_GOING && s->remaining >= 0)
		seed_buf_addf(&buf, NULL, "  ETA %s", eta);
	seed_buf_addf(&buf, NULL, "  %s", elapsed);
	snprintf(out, size, "%s", buf.data ? buf.data : "");
	seed_buf_free(&buf);
	return out;
}
