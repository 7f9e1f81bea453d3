// SPDX-License-Identifier: LGPL-2.1-or-later
/* Too many runs are thinned on the way: every second one goes, and from then on only every
 * second, fourth, eighth ... one is taken. */
#include "block/own_runs.h"

#include <errno.h>

static int keep_run(struct seed_own_runs *own, struct seed_error *err)
{
	struct seed_run *items;

	if (!own->run.count || own->seen++ % ((uint64_t)1 << own->thinned) != 0)
		return 0;
	if (!seed_vec_push(&own->runs, sizeof(own->run), &own->run))
		return seed_error_sys(err, ENOMEM, "own blocks");
	if (own->runs.count < 2 * SEED_OWN_RUNS_MAX)
		return 0;
	items = own->runs.items;
	for (size_t i = 0; i < SEED_OWN_RUNS_MAX; i++)
		items[i] = items[2 * i];
	own->runs.count = SEED_OWN_RUNS_MAX;
	own->thinned++;
	return 0;
}

int seed_own_runs_add(struct seed_own_runs *own, uint64_t start, uint64_t count,
		      struct seed_error *err)
{
	own->blocks += count;
	if (own->run.count && own->run.start + own->run.count == start) {
		own->run.count += count;
		return 0;
	}
	if (keep_run(own, err) < 0)
		return -1;
	own->run = (struct seed_run){ .start = start, .count = count, .kind = SEED_BLOCK_DATA };
	return 0;
}

int seed_own_runs_end(struct seed_own_runs *own, struct seed_error *err)
{
	struct seed_run *items;

	if (keep_run(own, err) < 0)
		return -1;
	own->run.count = 0;
	if (own->runs.count <= SEED_OWN_RUNS_MAX)
		return 0;
	items = own->runs.items;
	for (size_t i = 0; i < SEED_OWN_RUNS_MAX; i++)
		items[i] = items[i * own->runs.count / SEED_OWN_RUNS_MAX];
	own->runs.count = SEED_OWN_RUNS_MAX;
	return 0;
}

void seed_own_runs_free(struct seed_own_runs *own)
{
	seed_vec_free(&own->runs);
	*own = (struct seed_own_runs){ 0 };
}

uint64_t seed_own_runs_sum(const struct seed_vec *runs)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < runs->count; i++)
		sum += ((const struct seed_run *)seed_vec_at(runs, i))->count;
	return sum;
}
