// SPDX-License-Identifier: LGPL-2.1-or-later
/* Where two digest lists of a disk differ (no .h: sync_internal.h). */
#include <string.h>

#include "block/grid.h"
#include "replica/sync_internal.h"

#define STEP 256u	/* digests that are compared at once */

struct differ {
	int (*visit)(void *arg, uint64_t index, uint64_t count, const struct seed_digest *digests,
		     struct seed_error *err);
	void *arg;
	uint64_t index, count;		/* the run that is growing */
	bool zero;
	struct seed_digest digests[SEED_SYNC_BATCH_BLOCKS];
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
			 d->count == SEED_SYNC_BATCH_BLOCKS) && flush(d, err) < 0)
		return -1;
	if (d->count == 0)
		d->index = index;
	d->zero = false;
	d->digests[d->count++] = *digest;
	return 0;
}

static int compare(struct differ *d, struct seed_list *base, struct seed_list *next, uint64_t at,
		   size_t count, struct seed_error *err)
{
	struct seed_digest old[STEP], new[STEP];

	if (seed_list_get(base, at, old, count, err) < 0 ||
	    seed_list_get(next, at, new, count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (!seed_digest_equal(&old[i], &new[i]) && add_data(d, at + i, &new[i], err) < 0)
			return -1;
	return 0;
}

int seed_sync_differ(struct seed_list *base, struct seed_list *next,
		     int (*visit)(void *arg, uint64_t index, uint64_t count,
				  const struct seed_digest *digests, struct seed_error *err),
		     void *arg, struct seed_error *err)
{
	struct differ d = { .visit = visit, .arg = arg };
	uint64_t blocks = seed_list_blocks(next), count;

	for (uint64_t at = 0; at < blocks; at += count) {
		struct seed_run old, new;
		int rc = 0;

		if (seed_list_run(base, at, &old, err) < 0 ||
		    seed_list_run(next, at, &new, err) < 0)
			return -1;
		count = old.count < new.count ? old.count : new.count;
		if (new.kind == SEED_BLOCK_MISSING)
			continue;
		if (new.kind == SEED_BLOCK_ZERO) {
			if (old.kind != SEED_BLOCK_ZERO)
				rc = add_zeroes(&d, at, count, err);
		} else {
			count = count < STEP ? count : STEP;
			rc = compare(&d, base, next, at, (size_t)count, err);
		}
		if (rc < 0)
			return -1;
	}
	return flush(&d, err);
}
