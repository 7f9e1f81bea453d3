// SPDX-License-Identifier: LGPL-2.1-or-later
#include "block/list_diff.h"

#include <string.h>

#define STEP 256u	/* digests that are compared at once */

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
			/* Not only this run: where short runs change about, each would be a
			 * look. */
			both = diff->blocks - diff->at;
			diff->chunk_count = both < SEED_DIFF_CHUNK ? (size_t)both : SEED_DIFF_CHUNK;
			return get(diff->old, diff->at, diff->olds, diff->chunk_count, err) < 0 ?
				       -1 :
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

/* ---- by runs ---- */

struct differ {
	int (*visit)(void *arg, uint64_t index, uint64_t count, const struct seed_digest *digests,
		     struct seed_error *err);
	void *arg;
	uint64_t index, count;		/* the run that is growing */
	bool zero;
	size_t most;
	struct seed_digest digests[SEED_DIFF_CHUNK];
};

static int flush(struct differ *d, struct seed_error *err)
{
	uint64_t count = d->count;

	d->count = 0;
	return count == 0 ? 0 : d->visit(d->arg, d->index, count, d->zero ? NULL : d->digests, err);
}

static int add_zeroes(struct differ *d, uint64_t index, uint64_t count, struct seed_error *err)
{
	if (d->count && (!d->zero || d->index + d->count != index) && flush(d, err) < 0)
		return -1;
	if (d->count == 0)
		d->index = index;
	d->zero = true;
	d->count += count;
	return 0;
}

static int add_data(struct differ *d, uint64_t index, const struct seed_digest *digest,
		    struct seed_error *err)
{
	if (d->count && (d->zero || d->index + d->count != index ||
			 d->count == d->most) && flush(d, err) < 0)
		return -1;
	if (d->count == 0)
		d->index = index;
	d->zero = false;
	d->digests[d->count++] = *digest;
	return 0;
}

static int compare(struct differ *d, struct seed_list *old, struct seed_list *new, uint64_t at,
		   size_t count, struct seed_error *err)
{
	struct seed_digest olds[STEP], news[STEP];

	if (get(old, at, olds, count, err) < 0 || get(new, at, news, count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (!seed_digest_equal(&olds[i], &news[i]) &&
		    add_data(d, at + i, &news[i], err) < 0)
			return -1;
	return 0;
}

int seed_list_differ(struct seed_list *old, struct seed_list *new, size_t most,
		     int (*visit)(void *arg, uint64_t index, uint64_t count,
				  const struct seed_digest *digests, struct seed_error *err),
		     void *arg, struct seed_error *err)
{
	struct differ d = { .visit = visit, .arg = arg, .most = most };
	uint64_t blocks = seed_list_blocks(new), both;

	for (uint64_t at = 0; at < blocks; at += both) {
		struct seed_run was, is;
		int rc = 0;

		if (run_at(old, at, blocks, &was, err) < 0 || run_at(new, at, blocks, &is, err) < 0)
			return -1;
		both = was.count < is.count ? was.count : is.count;
		if (is.kind == SEED_BLOCK_ZERO && was.kind != SEED_BLOCK_ZERO) {
			rc = add_zeroes(&d, at, both, err);
		} else if (is.kind == SEED_BLOCK_DATA) {
			both = both < STEP ? both : STEP;
			rc = compare(&d, old, new, at, (size_t)both, err);
		}
		if (rc < 0)
			return -1;
	}
	return flush(&d, err);
}
