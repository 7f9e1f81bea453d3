// SPDX-License-Identifier: LGPL-2.1-or-later
#include "manifest/lineage.h"

#include <stdio.h>

static bool same_timeline(const struct seed_timeline *a, const struct seed_timeline *b)
{
	return seed_id_equal(&a->id, &b->id) && seed_id_equal(&a->writer, &b->writer) &&
	       a->forked == b->forked &&
	       (!a->forked || (seed_id_equal(&a->parent, &b->parent) &&
			       a->parent_generation == b->parent_generation));
}

static bool shares_id(const struct seed_lineage *a, const struct seed_lineage *b)
{
	for (size_t i = 0; i < a->count; i++)
		for (size_t j = 0; j < b->count; j++)
			if (seed_id_equal(&a->timelines[i].id, &b->timelines[j].id))
				return true;
	return false;
}

/*
 * @shared timelines are common. Whoever has none beyond them stands on the last
 * of them, and the other's first own timeline says at which generation it left: up to there
 * one history is the beginning of the other. Where both have own timelines, both went on.
 */
enum seed_lineage_relation seed_lineage_compare(const struct seed_lineage *a, uint64_t a_gen,
						const struct seed_lineage *b, uint64_t b_gen)
{
	size_t shared = 0;

	while (shared < a->count && shared < b->count &&
	       same_timeline(&a->timelines[shared], &b->timelines[shared]))
		shared++;
	if (shared == 0 && !shares_id(a, b))
		return SEED_LINEAGE_UNRELATED;
	if (shared == a->count && shared == b->count)
		return a_gen == b_gen ? SEED_LINEAGE_SAME
				      : b_gen > a_gen ? SEED_LINEAGE_NEWER : SEED_LINEAGE_OLDER;
	if (shared == a->count && shared > 0 && b->timelines[shared].parent_generation >= a_gen)
		return SEED_LINEAGE_NEWER;
	if (shared == b->count && shared > 0 && a->timelines[shared].parent_generation >= b_gen)
		return SEED_LINEAGE_OLDER;
	return SEED_LINEAGE_DIVERGED;
}

static int check_timeline(const struct seed_lineage *lineage, size_t index, struct seed_error *err)
{
	const struct seed_timeline *t = &lineage->timelines[index];
	const struct seed_timeline *before = index ? t - 1 : NULL;

	for (size_t i = 0; i < index; i++)
		if (seed_id_equal(&lineage->timelines[i].id, &t->id))
			return seed_error_set(err, SEED_ERR_FORMAT, "timeline %zu again", i);
	if (t->forked != !!before)
		return seed_error_set(err, SEED_ERR_FORMAT, before ? "not forked" :
				      "the first timeline is forked");
	if (!before)
		return 0;
	if (!seed_id_equal(&t->parent, &before->id))
		return seed_error_set(err, SEED_ERR_FORMAT, "not forked from the one before it");
	if (before->forked && t->parent_generation < before->parent_generation)
		return seed_error_set(err, SEED_ERR_FORMAT, "forked before its parent began");
	return 0;
}

int seed_lineage_check(const struct seed_lineage *lineage, struct seed_error *err)
{
	if (lineage->count < 1 || lineage->count > SEED_TIMELINES_MAX)
		return seed_error_set(err, SEED_ERR_FORMAT, "lineage: %zu timelines, not 1 to %d",
				      lineage->count, SEED_TIMELINES_MAX);
	for (size_t i = 0; i < lineage->count; i++)
		if (check_timeline(lineage, i, err) < 0)
			return seed_error_prefix(err, "lineage[%zu]", i);
	return 0;
}

uint64_t seed_lineage_base(const struct seed_lineage *lineage)
{
	const struct seed_timeline *last;

	if (lineage->count == 0)
		return 0;
	last = &lineage->timelines[lineage->count - 1];
	return last->forked ? last->parent_generation : 0;
}

struct seed_json *seed_lineage_to_json(const struct seed_lineage *lineage)
{
	struct seed_json *array = seed_json_new_array();

	for (size_t i = 0; i < lineage->count; i++) {
		const struct seed_timeline *t = &lineage->timelines[i];
		struct seed_json *timeline = seed_json_new_object();

		seed_json_set_id(timeline, "id", &t->id);
		seed_json_set_id(timeline, "writer", &t->writer);
		if (t->forked) {
			struct seed_json *from = seed_json_new_object();

			seed_json_set_id(from, "id", &t->parent);
			seed_json_set_uint(from, "generation", t->parent_generation);
			seed_json_set(timeline, "forked_from", from);
		} else {
			seed_json_set_null(timeline, "forked_from");
		}
		seed_json_append(array, timeline);
	}
	return array;
}

static int take_fork(struct seed_json_reader *timeline, struct seed_timeline *out)
{
	const struct seed_json *from = seed_json_take_object(timeline, "forked_from");
	struct seed_json_reader r;
	char path[sizeof(r.path)];

	if (!from)
		return -1;
	snprintf(path, sizeof(path), "%.100s.forked_from", timeline->path);
	seed_json_begin(&r, from, path, timeline->err);
	seed_json_take_id(&r, "id", &out->parent);
	out->parent_generation = seed_json_take_uint(&r, "generation", SEED_GENERATION_MAX);
	out->forked = true;
	return seed_json_done(&r);
}

static int take_timeline(const struct seed_json *object, const char *path,
			 struct seed_timeline *out, struct seed_error *err)
{
	struct seed_json_reader r;

	seed_json_begin(&r, object, path, err);
	seed_json_take_id(&r, "id", &out->id);
	seed_json_take_id(&r, "writer", &out->writer);
	if (seed_json_has(&r, "forked_from") && take_fork(&r, out) < 0)
		return -1;
	return seed_json_done(&r);
}

void seed_lineage_take(struct seed_json_reader *r, const char *key, struct seed_lineage *out)
{
	const struct seed_json *array = seed_json_take_array(r, key, SEED_TIMELINES_MAX);
	char path[sizeof(r->path)];

	*out = (struct seed_lineage){ 0 };
	if (!array)
		return;
	out->count = seed_json_count(array);
	for (size_t i = 0; i < out->count; i++) {
		snprintf(path, sizeof(path), "%.60s%s%.30s[%zu]", r->path, *r->path ? "." : "",
			 key, i);
		if (take_timeline(seed_json_at(array, i), path, &out->timelines[i], r->err) < 0) {
			r->failed = true;
			return;
		}
	}
	if (seed_lineage_check(out, r->err) < 0)
		r->failed = true;
}
