/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What verifying a medium and a replica share: problems, and how they add up. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "verify/verify_internal.h"

int seed_verify_note(struct seed_vec *problems, const struct seed_events *events,
		     const struct seed_error *why, const char *fmt, ...)
{
	struct seed_verify_problem *p = seed_vec_push(problems, sizeof(*p), NULL);
	va_list ap;

	if (!p)
		return -1;
	va_start(ap, fmt);
	vsnprintf(p->what, sizeof(p->what), fmt, ap);
	va_end(ap);
	p->err = *why;
	seed_event_note(events, SEED_EVENT_WARNING, "%s: %s", p->what, why->text);
	return 0;
}

/* What a person must act on first: somebody else's hand, then damage, then the medium. */
static int weight(enum seed_error_kind kind)
{
	switch (kind) {
	case SEED_ERR_TRUST:
		return 5;
	case SEED_ERR_IDENTITY:
		return 4;
	case SEED_ERR_INTEGRITY:
	case SEED_ERR_FORMAT:
		return 3;
	case SEED_ERR_MEDIUM:
		return 2;
	default:
		return 1;
	}
}

int seed_verify_conclude(const struct seed_vec *problems, struct seed_error *err)
{
	const struct seed_verify_problem *worst = NULL;

	for (size_t i = 0; i < problems->count; i++) {
		const struct seed_verify_problem *p = seed_vec_at(problems, i);

		if (!worst || weight(p->err.kind) > weight(worst->err.kind))
			worst = p;
	}
	if (!worst)
		return 0;
	*err = worst->err;
	/* Malformed where a commit or manifest vouches for the bytes is damage. */
	if (err->kind == SEED_ERR_FORMAT)
		err->kind = SEED_ERR_INTEGRITY;
	if (problems->count == 1)
		return seed_error_prefix(err, "%s", worst->what);
	return seed_error_prefix(err, "%zu problems, the worst: %s", problems->count, worst->what);
}

void seed_verify_clear(struct seed_verify *v)
{
	for (size_t i = 0; i < v->seeds.count; i++)
		free(((struct seed_verify_seed *)seed_vec_at(&v->seeds, i))->name);
	seed_vec_free(&v->seeds);
	seed_vec_free(&v->sets);
	seed_vec_free(&v->problems);
	seed_set_views_clear(&v->views);
	for (size_t i = 0; i < v->open.count; i++)
		seed_volume_close(*(struct seed_volume **)seed_vec_at(&v->open, i));
	seed_vec_free(&v->open);
}

void seed_verify_replica_clear(struct seed_verify_replica *v)
{
	for (size_t i = 0; i < v->disks.count; i++)
		seed_vec_free(&((struct seed_verify_disk *)seed_vec_at(&v->disks, i))->bad);
	seed_vec_free(&v->disks);
	seed_vec_free(&v->problems);
}
