// SPDX-License-Identifier: LGPL-2.1-or-later
#include "block/list_diff.h"

#include <string.h>

void seed_list_diff_begin(struct seed_list_diff *diff, struct seed_list *old,
			  struct seed_list *new)
{
	diff->old = old;
	diff->new = new;
	diff->at = diff->chunk = 0;
	diff->chunk_count = 0;
	diff->blocks = seed_list_blocks(new);
}

/* The run of @list at @at; behind its end it is zero up to @blocks. */
static int run_at(struct seed_list *list, uint64_t at, uint64_t blocks, struct seed_run *out,
		  struct seed_error *err)
{
	if (list && at < seed_list_blocks(list))
		return seed_list_run(list, at, out, err);
	*out = (struct seed_run){ .start = at, .count = blocks - at, .kind = SEED_BLOCK_ZERO };
	return 0;
}

static int get(struct seed_list *list, uint64_t at, struct seed_digest *out, size_t count,
	       struct seed_error *err)
{
	uint64_t blocks = list ? seed_list_blocks(list) : 0, there = at < blocks ? blocks - at : 0;
	size_t n = there < count ? (size_t)there : count;

	if (n && seed_list_get(list, at, out, n, err) < 0)
		return -1;
	memset(out + n, 0, (count - n) * sizeof(*out));
	return 0;
}

/* Past what needs no look, then as many digests as are looked at together. */
static int load(struct seed_list_diff *diff, struct seed_error *err)
{
	struct seed_run old, new;

	diff->chunk_count = 0;
	while (diff->at < diff->blocks) {
		uint64_t both;

		if (run_at(diff->old, diff->at, diff->blocks, &old, err) < 0 ||
		    run_at(diff->new, diff->at, diff->blocks, &new, err) < 0)
			return -1;
		both = old.count < new.count ? old.count : new.count;
		if (old.kind != new.kind || old.kind == SEED_BLOCK_DATA) {
			diff->chunk = diff->at;
			/* Not only this run: where short runs change about, each would be a look. */
			both = diff->blocks - diff->at;
			diff->chunk_count = both < SEED_DIFF_CHUNK ? (size_t)both : SEED_DIFF_CHUNK;
			return get(diff->old, diff->at, diff->olds, diff->chunk_count, err) < 0 ? -1 :
			       get(diff->new, diff->at, diff->news, diff->chunk_count, err);
		}
		diff->at += both;
	}
	return 0;
}

int seed_list_diff_next(struct seed_list_diff *diff, bool *more, uint64_t *index,
			struct seed_digest *old, struct seed_digest *new, struct seed_error *err)
{
	for (;;) {
		for (; diff->at < diff->chunk + diff->chunk_count; diff->at++) {
			size_t i = (size_t)(diff->at - diff->chunk);

			if (seed_digest_equal(&diff->olds[i], &diff->news[i]))
				continue;
			*index = diff->at++;
			*old = diff->olds[i];
			*new = diff->news[i];
			*more = true;
			return 0;
		}
		if (load(diff, err) < 0)
			return -1;
		if (!diff->chunk_count) {
			*more = false;
			return 0;
		}
	}
}
