// SPDX-License-Identifier: LGPL-2.1-or-later
#include "replica/missing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "block/grid.h"

#define HEADER 16u
#define RUN 16u
#define RUNS_MAX (8u << 20)	/* 128 MiB of file: a list in more pieces is not worth keeping */

static const char magic[8] = { 'V', 'M', 'S', 'E', 'E', 'D', 'M', 'S' };

/* Runs rise and do not touch; anything else is a caller's bug, or a file of somebody else. */
static bool follows(uint64_t end, uint64_t start, uint64_t count, bool first)
{
	return count > 0 && start <= UINT64_MAX - count && (first || start > end);
}

static int remove_list(int dir, const char *path, struct seed_error *err)
{
	if (!seed_path_exists(dir, path))
		return 0;
	return seed_path_unlink(dir, path, err) < 0 ? -1 : seed_fd_sync(dir, err);
}

int seed_missing_write(int dir, const char *path, const struct seed_vec *runs,
		       struct seed_error *err)
{
	SEED_AUTO(seed_freep) uint8_t *data = NULL;
	uint64_t end = 0;

	if (runs->count == 0)
		return remove_list(dir, path, err);
	if (runs->count > RUNS_MAX)
		return seed_error_set(err, SEED_ERR_RANGE,
				      "%s: missing blocks in more than %u pieces", path, RUNS_MAX);
	data = calloc(1, HEADER + RUN * runs->count);
	if (!data)
		return seed_error_sys(err, ENOMEM, "%s", path);
	memcpy(data, magic, sizeof(magic));
	seed_put16(data + 8, 1);
	for (size_t i = 0; i < runs->count; i++) {
		const struct seed_run *run = seed_vec_at(runs, i);

		if (!follows(end, run->start, run->count, i == 0))
			return seed_error_set(err, SEED_ERR_FORMAT,
					      "%s: run %zu does not follow the one before it",
					      path, i);
		seed_put64(data + HEADER + RUN * i, run->start);
		seed_put64(data + HEADER + RUN * i + 8, run->count);
		end = run->start + run->count;
	}
	return seed_file_replace(dir, path, data, HEADER + RUN * runs->count, 0600, err);
}

static int check_header(struct seed_cursor *c, size_t len, struct seed_error *err)
{
	const uint8_t *head = seed_cursor_take(c, HEADER);
	static const uint8_t zero[6];

	if (!head || memcmp(head, magic, sizeof(magic)) != 0)
		return seed_error_set(err, SEED_ERR_FORMAT, "not a list of missing blocks");
	if (seed_get16(head + 8) != 1)
		return seed_error_set(err, SEED_ERR_FORMAT, "version %u is not understood here",
				      seed_get16(head + 8));
	if (memcmp(head + 10, zero, sizeof(zero)) != 0 || (len - HEADER) % RUN != 0 ||
	    len == HEADER)
		return seed_error_set(err, SEED_ERR_FORMAT, "malformed header or length");
	return 0;
}

static int take_runs(struct seed_vec *runs, struct seed_cursor *c, uint64_t blocks,
		     struct seed_error *err)
{
	uint64_t end = 0;

	while (c->left) {
		struct seed_run run = { .kind = SEED_BLOCK_MISSING };

		run.start = seed_cursor_u64(c);
		run.count = seed_cursor_u64(c);
		if (!follows(end, run.start, run.count, runs->count == 0) ||
		    run.start + run.count > blocks)
			return seed_error_set(err, SEED_ERR_FORMAT,
					      "run %zu is empty, out of order or beyond the disk",
					      runs->count);
		end = run.start + run.count;
		if (!seed_vec_push(runs, sizeof(run), &run))
			return seed_error_sys(err, ENOMEM, "missing blocks");
	}
	return 0;
}

int seed_missing_read(struct seed_vec *runs, int dir, const char *path, uint64_t blocks,
		      struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *data = NULL;
	SEED_AUTO(seed_vec_free) struct seed_vec found = { 0 };
	struct seed_cursor c;
	size_t len;

	if (!seed_path_exists(dir, path)) {
		*runs = (struct seed_vec){ 0 };
		return 0;
	}
	if (seed_file_read(dir, path, HEADER + (size_t)RUN * RUNS_MAX, &data, &len, err) < 0)
		return -1;
	c = seed_cursor_of(data, len);
	if (check_header(&c, len, err) < 0 || take_runs(&found, &c, blocks, err) < 0)
		return seed_error_prefix(err, "%s", path);
	*runs = found;
	found = (struct seed_vec){ 0 };
	return 0;
}

/* The run that begins first of the two lists' next ones; NULL when both are at their end. */
static const struct seed_run *take_first(const struct seed_vec *a, size_t *at_a,
					 const struct seed_vec *b, size_t *at_b)
{
	const struct seed_run *x = *at_a < a->count ? seed_vec_at(a, *at_a) : NULL;
	const struct seed_run *y = *at_b < b->count ? seed_vec_at(b, *at_b) : NULL;

	if (x && (!y || x->start <= y->start)) {
		++*at_a;
		return x;
	}
	*at_b += y != NULL;
	return y;
}

int seed_missing_merge(struct seed_vec *runs, const struct seed_vec *more, struct seed_error *err)
{
	struct seed_vec merged = { 0 };
	size_t at_runs = 0, at_more = 0;
	const struct seed_run *run;

	while ((run = take_first(runs, &at_runs, more, &at_more))) {
		struct seed_run *last =
			merged.count ? seed_vec_at(&merged, merged.count - 1) : NULL;
		uint64_t end = run->start + run->count;

		if (last && run->start <= last->start + last->count) {
			if (end > last->start + last->count)
				last->count = end - last->start;
		} else if (!seed_vec_push(&merged, sizeof(*run), run)) {
			seed_vec_free(&merged);
			return seed_error_sys(err, ENOMEM, "missing list");
		}
	}
	seed_vec_free(runs);
	*runs = merged;
	return 0;
}

int seed_missing_of_disk(struct seed_vec *runs, int dir, const struct seed_replica_disk *disk,
			 struct seed_error *err)
{
	uint64_t blocks = seed_grid_blocks(disk->size);
	const struct seed_run all = { 0, blocks, SEED_BLOCK_MISSING };
	struct seed_error why = { 0 };

	*runs = (struct seed_vec){ 0 };
	if (disk->missing_blocks == 0 || blocks == 0)
		return 0;
	if (seed_missing_read(runs, dir, disk->missing, blocks, &why) < 0 &&
	    why.kind != SEED_ERR_FORMAT && why.kind != SEED_ERR_RANGE) {
		if (err)
			*err = why;
		return -1;
	}
	if (runs->count)
		return 0;
	return seed_vec_push(runs, sizeof(all), &all) ? 0 :
	       seed_error_sys(err, ENOMEM, "missing blocks");
}

int seed_missing_note(int dir, struct seed_replica_disk *disk, const struct seed_vec *more,
		      struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec runs = { 0 };

	if (seed_missing_of_disk(&runs, dir, disk, err) < 0 ||
	    seed_missing_merge(&runs, more, err) < 0 ||
	    seed_missing_write(dir, disk->missing, &runs, err) < 0)
		return -1;
	disk->missing_blocks = 0;
	for (size_t i = 0; i < runs.count; i++)
		disk->missing_blocks += ((struct seed_run *)seed_vec_at(&runs, i))->count;
	return 0;
}
