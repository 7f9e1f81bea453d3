// SPDX-License-Identifier: LGPL-2.1-or-later
#include "capture/own_kept.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "block/grid.h"
#include "block/list_diff.h"
#include "block/merkle.h"
#include "capture/capture.h"
#include "doc/home_doc.h"

#define OWN_SCHEMA "vmseed-own"
#define OWN_MAX (2u << 20)		/* bytes: 16384 runs of two numbers, a line each, take 0.9
					 * MB */
#define NAME_MAX_OWN (SEED_SLOT_MAX + sizeof(".own"))
#define CANCEL_EVERY 4096u		/* changes */

static char *own_name(const char *slot, char out[NAME_MAX_OWN])
{
	snprintf(out, NAME_MAX_OWN, "%.*s.own", SEED_SLOT_MAX, slot);
	return out;
}

void seed_own_kept_clear(struct seed_own_kept *kept)
{
	seed_vec_free(&kept->runs);
	*kept = (struct seed_own_kept){ .compared = 0 };
}

void seed_own_kept_forget(int vm_dir, const char *slot)
{
	char name[NAME_MAX_OWN];

	seed_path_unlink(vm_dir, own_name(slot, name), NULL);
}

/* ---- the file ---- */

static struct seed_json *runs_json(const struct seed_vec *runs)
{
	struct seed_json *array = seed_json_new_array();

	for (size_t i = 0; i < runs->count; i++) {
		const struct seed_run *run = seed_vec_at(runs, i);

		seed_json_append_uint(array, run->start);
		seed_json_append_uint(array, run->count);
	}
	return array;
}

int seed_own_kept_write(int vm_dir, const char *slot, const struct seed_own_kept *kept,
			struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = seed_home_doc_new(OWN_SCHEMA);
	SEED_AUTO(seed_freep) char *text = NULL;
	char name[NAME_MAX_OWN];
	size_t len;

	seed_json_set_digest(doc, "reading", &kept->reading);
	seed_json_set_digest(doc, "lists", &kept->lists);
	seed_json_set_uint(doc, "recorded", kept->recorded > 0 ? (uint64_t)kept->recorded : 0);
	seed_json_set_uint(doc, "list_blocks", kept->list_blocks);
	seed_json_set_uint(doc, "first", kept->first);
	seed_json_set_uint(doc, "blocks", kept->blocks);
	seed_json_set_uint(doc, "unjudged", kept->unjudged);
	seed_json_set_uint(doc, "compared", kept->compared);
	seed_json_set(doc, "runs", runs_json(&kept->runs));
	if (seed_json_dump(doc, 1, &text, &len, err) < 0)
		return seed_error_prefix(err, "%s", own_name(slot, name));
	return seed_file_replace_unsynced(vm_dir, own_name(slot, name), text, len, 0600, err);
}

/* Rising runs with a gap between neighbours, in the list, of no more blocks than are own. */
static int take_runs(struct seed_json_reader *r, struct seed_own_kept *kept)
{
	const struct seed_json *array = seed_json_take_array(r, "runs", 2 * SEED_OWN_RUNS_MAX);
	uint64_t next = 0, sum = 0;

	for (size_t i = 0; i + 1 < seed_json_count(array); i += 2) {
		struct seed_run run = { .kind = SEED_BLOCK_DATA };

		if (!seed_json_uint(seed_json_at(array, i), &run.start) ||
		    !seed_json_uint(seed_json_at(array, i + 1), &run.count) || !run.count ||
		    run.start >= kept->list_blocks || run.count > kept->list_blocks - run.start ||
		    (i && run.start <= next)) {
			seed_json_refuse(r, "runs", "not rising runs of this list");
			return -1;
		}
		if (!seed_vec_push(&kept->runs, sizeof(run), &run))
			return seed_error_sys(r->err, ENOMEM, "own blocks");
		next = run.start + run.count;
		sum += run.count;
	}
	if (seed_json_count(array) % 2 || sum > kept->blocks)
		seed_json_refuse(r, "runs", "not the runs of its own blocks");
	return 0;
}

static int take_members(struct seed_json_reader *r, struct seed_own_kept *kept)
{
	const uint64_t most = seed_grid_blocks(SEED_DISK_MAX);

	seed_json_take_digest(r, "reading", &kept->reading);
	seed_json_take_digest(r, "lists", &kept->lists);
	kept->recorded = (int64_t)seed_json_take_uint(r, "recorded", SEED_JSON_INT_MAX);
	kept->list_blocks = seed_json_take_uint(r, "list_blocks", most);
	kept->first = seed_json_take_uint(r, "first", kept->list_blocks);
	kept->blocks = seed_json_take_uint(r, "blocks", kept->list_blocks);
	kept->unjudged = seed_json_take_uint(r, "unjudged", SEED_JSON_INT_MAX);
	kept->compared = (uint32_t)seed_json_take_uint(r, "compared", UINT32_MAX);
	if (take_runs(r, kept) < 0)
		return -1;
	return seed_json_done(r);
}

int seed_own_kept_read(struct seed_own_kept *out, int vm_dir, const char *slot,
		       struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_json_reader r;
	char name[NAME_MAX_OWN];

	*out = (struct seed_own_kept){ .compared = 0 };
	if (seed_home_doc_read(&doc, &r, vm_dir, own_name(slot, name), OWN_MAX, OWN_SCHEMA, err) <
	    0)
		return -1;
	if (take_members(&r, out) < 0) {
		seed_own_kept_clear(out);
		return seed_error_prefix(err, "%s", name);
	}
	return 0;
}

int seed_own_reading(struct seed_digest *out, struct seed_list *list, uint64_t size,
		     const struct seed_digest *root, struct seed_error *err)
{
	if (root && size % SEED_BLOCK_SIZE == 0) {
		*out = *root;
		return 0;
	}
	return seed_merkle_of_list(out, list, seed_list_blocks(list) * SEED_BLOCK_SIZE, NULL, NULL,
				   err);
}

/* ---- without what changed ---- */

/* Runs going by, from which blocks are left out in rising order. */
struct cut {
	const struct seed_vec *from;
	size_t i;			/* the run that is next */
	uint64_t at;			/* blocks below this one are done with */
	struct seed_own_runs to;
};

static void cut_free(struct cut *c)
{
	seed_own_runs_free(&c->to);
}

/* What lies below @index stays. */
static int keep_below(struct cut *c, uint64_t index, struct seed_error *err)
{
	for (; c->i < c->from->count; c->i++) {
		const struct seed_run *run = seed_vec_at(c->from, c->i);
		uint64_t end = run->start + run->count;
		uint64_t start = run->start > c->at ? run->start : c->at;
		uint64_t stop = end < index ? end : index;

		if (start < stop && seed_own_runs_add(&c->to, start, stop - start, err) < 0)
			return -1;
		if (index < end)
			break;
	}
	if (index > c->at)
		c->at = index;
	return 0;
}

static int leave_out(struct cut *c, uint64_t index, struct seed_error *err)
{
	if (keep_below(c, index, err) < 0)
		return -1;
	c->at = index + 1;
	return 0;
}

/*
 * The count after a cut. Where the runs are all of it, it is what is left of them. Where they are a
 * sample, a block that changed may have been own without being in it: each counts as if it had
 * been, so that the count never says too much.
 */
static uint64_t count_left(const struct seed_vec *runs, uint64_t blocks, uint64_t left,
			   uint64_t changed)
{
	uint64_t least = blocks > changed ? blocks - changed : 0;

	return seed_own_runs_sum(runs) == blocks || least < left ? left : least;
}

int seed_own_runs_without(struct seed_own_runs *own, const struct seed_vec *changed,
			  struct seed_error *err)
{
	SEED_AUTO(cut_free) struct cut cut = { .from = &own->runs };

	for (size_t i = 0; i < changed->count; i++)
		if (leave_out(&cut, *(const uint64_t *)seed_vec_at(changed, i), err) < 0)
			return -1;
	if (keep_below(&cut, UINT64_MAX, err) < 0 || seed_own_runs_end(&cut.to, err) < 0)
		return -1;
	cut.to.blocks = count_left(&own->runs, own->blocks, cut.to.blocks, changed->count);
	seed_own_runs_free(own);
	*own = cut.to;
	cut.to = (struct seed_own_runs){ .blocks = 0 };
	return 0;
}

/* ---- to another reading ---- */

static int without_changes(struct seed_own_kept *kept, struct seed_list *old, struct seed_list *now,
			   const struct seed_cancel *cancel, struct seed_error *err)
{
	SEED_AUTO(seed_freep) struct seed_list_diff *diff = malloc(sizeof(*diff));
	SEED_AUTO(cut_free) struct cut cut = { .from = &kept->runs };
	uint64_t changed = 0;

	if (!diff)
		return seed_error_sys(err, ENOMEM, "own blocks");
	seed_list_diff_begin(diff, old, now);
	for (uint64_t n = 0;; n++) {
		struct seed_digest was, is;
		uint64_t index;
		bool more;

		if ((n % CANCEL_EVERY == 0 && seed_cancelled(cancel, err) < 0) ||
		    seed_list_diff_next(diff, &more, &index, &was, &is, err) < 0)
			return -1;
		if (!more)
			break;
		if (leave_out(&cut, index, err) < 0)
			return -1;
		changed += seed_digest_kind(&was) == SEED_BLOCK_DATA;
		kept->unjudged += seed_digest_kind(&is) == SEED_BLOCK_DATA;
	}
	/* What lies behind the end of a disk that became smaller is gone with it. */
	if (keep_below(&cut, seed_list_blocks(now), err) < 0 || seed_own_runs_end(&cut.to, err) < 0)
		return -1;
	if (seed_list_blocks(old) > seed_list_blocks(now))
		changed += seed_list_blocks(old) - seed_list_blocks(now);
	kept->blocks = count_left(&kept->runs, kept->blocks, cut.to.blocks, changed);
	seed_vec_free(&kept->runs);
	kept->runs = cut.to.runs;
	cut.to.runs = (struct seed_vec){ 0 };
	kept->list_blocks = seed_list_blocks(now);
	/* Of a disk that became smaller than what it began with. */
	if (kept->first > kept->list_blocks)
		kept->first = kept->list_blocks;
	return 0;
}

static int open_old(struct seed_list **out, int vm_dir, const char *slot,
		    const struct seed_own_kept *kept, struct seed_error *err)
{
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
	char name[SEED_CAPTURE_LIST_NAME];
	struct seed_digest reading;

	if (seed_list_open(&list, vm_dir, seed_capture_list_name(slot, name), kept->list_blocks,
			   false, err) < 0 ||
	    seed_own_reading(&reading, list, 0, NULL, err) < 0)
		return -1;
	if (!seed_digest_equal(&reading, &kept->reading))
		return seed_error_set(err, SEED_ERR_INTEGRITY, "of another reading");
	*out = seed_steal(&list);
	return 0;
}

static int carry(struct seed_own_kept *kept, int vm_dir, const char *slot, struct seed_list *now,
		 const struct seed_digest *reading, const struct seed_cancel *cancel,
		 struct seed_error *err)
{
	SEED_AUTO(seed_list_closep) struct seed_list *old = NULL;

	if (open_old(&old, vm_dir, slot, kept, err) < 0 ||
	    without_changes(kept, old, now, cancel, err) < 0)
		return -1;
	kept->reading = *reading;
	return seed_own_kept_write(vm_dir, slot, kept, err);
}

int seed_own_kept_carry(int vm_dir, const char *slot, struct seed_list *now, uint64_t size,
			const struct seed_digest *root, const struct seed_cancel *cancel,
			struct seed_error *err)
{
	SEED_AUTO(seed_own_kept_clear) struct seed_own_kept kept = { .compared = 0 };
	struct seed_error why = { 0 };
	struct seed_digest reading;

	if (seed_own_kept_read(&kept, vm_dir, slot, &why) == 0 &&
	    seed_own_reading(&reading, now, size, root, &why) == 0 &&
	    (seed_digest_equal(&reading, &kept.reading) ||
	     carry(&kept, vm_dir, slot, now, &reading, cancel, &why) == 0))
		return 0;
	if (why.kind == SEED_ERR_CANCELLED) {
		if (err)
			*err = why;
		return -1;
	}
	if (why.kind != SEED_ERR_NOTFOUND)
		seed_own_kept_forget(vm_dir, slot);
	return 0;
}

static int touched(int vm_dir, const char *slot, const struct seed_digest *was,
		   const struct seed_digest *is, const struct seed_vec *changed)
{
	SEED_AUTO(seed_own_kept_clear) struct seed_own_kept kept = { .compared = 0 };
	struct seed_error why = { 0 };
	struct seed_own_runs own;
	int rc;

	if (seed_own_kept_read(&kept, vm_dir, slot, &why) < 0 ||
	    !seed_digest_equal(&kept.reading, was))
		return -1;
	own = (struct seed_own_runs){ .runs = kept.runs, .blocks = kept.blocks };
	rc = seed_own_runs_without(&own, changed, &why);
	kept.runs = own.runs;
	kept.blocks = own.blocks;
	kept.unjudged += changed->count;
	kept.reading = *is;
	return rc < 0 ? -1 : seed_own_kept_write(vm_dir, slot, &kept, &why);
}

void seed_own_kept_touched(int vm_dir, const char *slot, const struct seed_digest *was,
			   const struct seed_digest *is, const struct seed_vec *changed)
{
	if (touched(vm_dir, slot, was, is, changed) < 0)
		seed_own_kept_forget(vm_dir, slot);
}
