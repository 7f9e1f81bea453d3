// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * All runs lie one after the other in one unlinked file: a crash leaves nothing
 * behind and one descriptor is enough. Runs are made and merged in the order
 * of insertion, and ties go to the earlier run: that keeps the sort stable.
 *
 * When there are more runs than the memory has read buffers for, neighbours
 * are merged into a new file first, level by level; each level reads and writes
 * everything once, and the old file goes when the new one is whole.
 */
#include "base/sort_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base_internal.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/vec.h"

#define BUFFER_MIN	16384u		/* bytes of one run read at once, at least */
#define BUFFER_MAX	(1u << 20)

struct run {
	uint64_t offset;	/* bytes in the file: next to be read */
	uint64_t left;		/* bytes from there */
	char *buf;		/* while it is being merged */
	size_t at, len;		/* bytes in buf: current record, end */
};

struct seed_runs {
	struct seed_sort_options opt;
	int fd;
	struct seed_vec list;	/* struct run */
	/* writing */
	uint64_t begin, end;	/* bytes: of the run being written, written so far */
	char *out;
	size_t out_len;
	/* merging: a heap of runs with records left, the smallest record first */
	char *buffers;
	size_t room;		/* bytes of each run's buffer, whole records */
	uint32_t *heap;
	size_t heap_count;
	bool step;		/* the top's record was given: step before the next */
};

static const char spill_name[] = "temporary file for sorting";

int seed_runs_new(struct seed_runs **out, const struct seed_sort_options *opt,
		  struct seed_error *err)
{
	SEED_AUTO(seed_runs_freep) struct seed_runs *runs = calloc(1, sizeof(*runs));

	if (!runs)
		return seed_error_sys(err, ENOMEM, "sort");
	runs->opt = *opt;
	runs->fd = -1;
	runs->out = malloc(SEED_RUNS_WRITE);
	if (!runs->out)
		return seed_error_sys(err, ENOMEM, "sort");
	if (seed_file_unnamed(&runs->fd, opt->folder, err) < 0)
		return seed_error_prefix(err, "%s", spill_name);
	*out = seed_steal(&runs);
	return 0;
}

void seed_runs_free(struct seed_runs *runs)
{
	if (!runs)
		return;
	seed_fd_closep(&runs->fd);
	seed_vec_free(&runs->list);
	free(runs->out);
	free(runs->buffers);
	free(runs->heap);
	free(runs);
}

static struct run *run_at(const struct seed_runs *runs, size_t index)
{
	return seed_vec_at(&runs->list, index);
}

/* --- writing --- */

static int flush(struct seed_runs *runs, struct seed_error *err)
{
	if (seed_fd_pwrite(runs->fd, runs->out, runs->out_len, runs->end, err) < 0)
		return seed_error_prefix(err, "%s", spill_name);
	runs->end += runs->out_len;
	runs->out_len = 0;
	return 0;
}

int seed_runs_put(struct seed_runs *runs, const void *record, struct seed_error *err)
{
	if (runs->out_len + runs->opt.size > SEED_RUNS_WRITE && flush(runs, err) < 0)
		return -1;
	memcpy(runs->out + runs->out_len, record, runs->opt.size);
	runs->out_len += runs->opt.size;
	return 0;
}

int seed_runs_end(struct seed_runs *runs, struct seed_error *err)
{
	struct run run = { .offset = runs->begin };

	if (flush(runs, err) < 0)
		return -1;
	run.left = runs->end - runs->begin;
	runs->begin = runs->end;
	if (!seed_vec_push(&runs->list, sizeof(run), &run))
		return seed_error_sys(err, ENOMEM, "sort");
	return 0;
}

/* --- merging --- */

static int refill(struct seed_runs *runs, struct run *run, struct seed_error *err)
{
	run->at = 0;
	run->len = run->left < runs->room ? (size_t)run->left : runs->room;
	if (seed_fd_pread(runs->fd, run->buf, run->len, run->offset, err) < 0)
		return seed_error_prefix(err, "%s", spill_name);
	run->offset += run->len;
	run->left -= run->len;
	return 0;
}

static bool heap_less(const struct seed_runs *runs, uint32_t a, uint32_t b)
{
	const struct run *x = run_at(runs, a), *y = run_at(runs, b);
	int order = memcmp(x->buf + x->at, y->buf + y->at, runs->opt.key);

	return order ? order < 0 : a < b;
}

static void sift_down(struct seed_runs *runs, size_t at)
{
	uint32_t *heap = runs->heap, moved = heap[at];

	for (size_t child; (child = 2 * at + 1) < runs->heap_count; at = child) {
		if (child + 1 < runs->heap_count && heap_less(runs, heap[child + 1], heap[child]))
			child++;
		if (!heap_less(runs, heap[child], moved))
			break;
		heap[at] = heap[child];
	}
	heap[at] = moved;
}

/* Bytes for read buffers: the rest is for two write buffers (the run being merged into,
 * and this file's own, still held). */
static size_t read_memory(const struct seed_runs *runs)
{
	return runs->opt.memory - 2 * SEED_RUNS_WRITE;
}

static size_t fan_in(const struct seed_runs *runs)
{
	return read_memory(runs) / (BUFFER_MIN + sizeof(*runs->heap));
}

/* Begin to merge @count runs, at most fan_in(), from @first on. */
static int begin_merge(struct seed_runs *runs, size_t first, size_t count,
		       struct seed_error *err)
{
	size_t room = read_memory(runs) / count - sizeof(*runs->heap);

	if (room > BUFFER_MAX)
		room = BUFFER_MAX;
	runs->room = room / runs->opt.size * runs->opt.size;
	free(runs->buffers);
	free(runs->heap);
	runs->heap = NULL;
	runs->buffers = malloc(runs->room * count);
	if (runs->buffers)
		runs->heap = malloc(count * sizeof(*runs->heap));
	if (!runs->heap)
		return seed_error_sys(err, ENOMEM, "sort");
	runs->step = false;
	runs->heap_count = 0;
	for (size_t i = 0; i < count; i++) {
		struct run *run = run_at(runs, first + i);

		run->buf = runs->buffers + i * runs->room;
		if (refill(runs, run, err) < 0)
			return -1;
		if (run->len)
			runs->heap[runs->heap_count++] = (uint32_t)(first + i);
	}
	for (size_t i = runs->heap_count / 2; i-- > 0;)
		sift_down(runs, i);
	return 0;
}

/* The top run goes on to its next record: to another place in the heap, or out of it. */
static int step_top(struct seed_runs *runs, struct seed_error *err)
{
	struct run *run = run_at(runs, runs->heap[0]);

	run->at += runs->opt.size;
	if (run->at == run->len && refill(runs, run, err) < 0)
		return -1;
	if (run->len == 0)
		runs->heap[0] = runs->heap[--runs->heap_count];
	if (runs->heap_count)
		sift_down(runs, 0);
	return 0;
}

int seed_runs_next(struct seed_runs *runs, const void **out, struct seed_error *err)
{
	const struct run *top;

	if (runs->step && step_top(runs, err) < 0)
		return -1;
	runs->step = runs->heap_count > 0;
	*out = NULL;
	if (runs->step) {
		top = run_at(runs, runs->heap[0]);
		*out = top->buf + top->at;
	}
	return 0;
}

/* Merge @count runs from @first on into one run of @to. */
static int merge_into(struct seed_runs *to, struct seed_runs *runs, size_t first, size_t count,
		      struct seed_error *err)
{
	const void *record;

	if (begin_merge(runs, first, count, err) < 0)
		return -1;
	for (;;) {
		if (seed_runs_next(runs, &record, err) < 0)
			return -1;
		if (!record)
			return seed_runs_end(to, err);
		if (seed_runs_put(to, record, err) < 0)
			return -1;
	}
}

/* One level: every fan_in() neighbours of *@runs become one run of a new file. */
static int merge_level(struct seed_runs **runs, struct seed_error *err)
{
	SEED_AUTO(seed_runs_freep) struct seed_runs *to = NULL;
	size_t total = (*runs)->list.count, most = fan_in(*runs);

	if (seed_runs_new(&to, &(*runs)->opt, err) < 0)
		return -1;
	for (size_t first = 0; first < total; first += most)
		if (merge_into(to, *runs, first, total - first < most ? total - first : most,
			       err) < 0)
			return -1;
	seed_runs_free(*runs);
	*runs = seed_steal(&to);
	return 0;
}

int seed_runs_merge(struct seed_runs **runs, struct seed_error *err)
{
	while ((*runs)->list.count > fan_in(*runs))
		if (merge_level(runs, err) < 0)
			return -1;
	free((*runs)->out);
	(*runs)->out = NULL;
	return begin_merge(*runs, 0, (*runs)->list.count, err);
}
