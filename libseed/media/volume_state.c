// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The part of volume.h that works out a volume's state from its commits.
 *
 * Commits are taken by rising number. Those that verify under the volume's key
 * form a chain: each names the digest of the one before it. A full commit begins the
 * state anew, a delta adds to it. A delta that does not chain ends what counts until the
 * next full commit. A full commit stands on its own where the commit that it
 * names may be one that was lost (a gap, or an invalid file, lies between); where the
 * commit before it is there and another one, it is of another history and refused.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "crypto/digest.h"
#include "media/media_internal.h"

#define PROBLEMS_MAX 4096u	/* broken commits that we list before we give a volume up */

int seed_compare_packs(const void *a, const void *b)
{
	const struct seed_pack_facts *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

int seed_compare_files(const void *a, const void *b)
{
	const struct seed_commit_file *x = a, *y = b;

	return strcmp(x->path, y->path);
}

int seed_compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct seed_id));
}

void seed_volume_sort(struct seed_vec *vec, int (*compare)(const void *a, const void *b))
{
	if (vec->count > 1)
		qsort(vec->items, vec->count, vec->size, compare);
}

/* ---- adding a commit to the state ---- */

static bool same_pack(const void *a, const void *b)
{
	const struct seed_pack_facts *x = a, *y = b;

	return x->length == y->length && x->records == y->records && x->blocks == y->blocks &&
	       seed_digest_equal(&x->digest, &y->digest) &&
	       seed_digest_equal(&x->table, &y->table) && seed_digest_equal(&x->index, &y->index);
}

static bool same_file(const void *a, const void *b)
{
	const struct seed_commit_file *x = a, *y = b;

	return x->facts.length == y->facts.length &&
	       seed_digest_equal(&x->facts.digest, &y->facts.digest);
}

/* Does @more name anything of @vec differently? Both are sorted. */
static bool contradicts(const struct seed_vec *vec, const struct seed_vec *more,
			int (*compare)(const void *a, const void *b),
			bool (*same)(const void *a, const void *b))
{
	for (size_t i = 0; vec->count && i < more->count; i++) {
		const void *one = seed_vec_at(more, i);
		const void *old = bsearch(one, vec->items, vec->count, vec->size, compare);

		if (old && !same(old, one))
			return true;
	}
	return false;
}

/* Add what is new in @more, keeping the order. */
static int merge(struct seed_vec *vec, const struct seed_vec *more,
		 int (*compare)(const void *a, const void *b), struct seed_error *err)
{
	size_t held = vec->count;
	bool ordered = true;

	for (size_t i = 0; i < more->count; i++) {
		const void *one = seed_vec_at(more, i);

		if (held && bsearch(one, vec->items, held, vec->size, compare))
			continue;
		if (vec->count && compare(seed_vec_at(vec, vec->count - 1), one) > 0)
			ordered = false;
		if (!seed_vec_push(vec, more->size, one))
			return seed_error_sys(err, ENOMEM, "state of a volume");
	}
	if (!ordered)
		seed_volume_sort(vec, compare);
	return 0;
}

int seed_volume_apply(struct seed_volume *volume, const struct seed_commit *commit,
		      const struct seed_digest *digest, struct seed_error *err)
{
	struct seed_volume_link link = { .number = commit->number, .full = commit->full,
					 .digest = *digest };

	if (commit->full) {
		seed_vec_free(&volume->packs);
		seed_vec_free(&volume->files);
		seed_vec_free(&volume->seeds);
	}
	if (merge(&volume->packs, &commit->packs, seed_compare_packs, err) < 0 ||
	    merge(&volume->files, &commit->files, seed_compare_files, err) < 0 ||
	    merge(&volume->seeds, &commit->seeds, seed_compare_ids, err) < 0)
		return -1;
	if (!seed_vec_push(&volume->links, sizeof(link), &link))
		return seed_error_sys(err, ENOMEM, "commits of a volume");
	if (commit->full) {
		volume->has_full = true;
		volume->last_full = commit->number;
	}
	volume->last_commit = commit->number;
	volume->last_digest = *digest;
	if (volume->highest_seen < commit->number)
		volume->highest_seen = commit->number;
	return 0;
}

/* ---- judging commits ---- */

/* @path is that of commit @number, or of the set document that belongs to it. */
static int add_problem_at(struct seed_volume *volume, const char *path, uint32_t number,
			  const struct seed_error *why, bool ours, struct seed_error *err)
{
	struct seed_volume_problem problem = { .commit = number, .kind = why->kind,
					       .ours = ours };
	const char *text = why->text;
	size_t len = strlen(path);

	snprintf(problem.path, sizeof(problem.path), "%s", path);
	if (strncmp(text, problem.path, len) == 0 && strncmp(text + len, ": ", 2) == 0)
		text += len + 2;	/* the path is said beside it */
	snprintf(problem.text, sizeof(problem.text), "%.*s", (int)sizeof(problem.text) - 1, text);
	if (volume->problems.count == PROBLEMS_MAX)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "more than %u commits do not verify",
				      PROBLEMS_MAX);
	if (!seed_vec_push(&volume->problems, sizeof(problem), &problem))
		return seed_error_sys(err, ENOMEM, "problems of a volume");
	return 0;
}

static int add_problem(struct seed_volume *volume, uint32_t number, const struct seed_error *why,
		       bool ours, struct seed_error *err)
{
	char path[SEED_COMMIT_NAME];

	return add_problem_at(volume, seed_commit_name(number, path), number, why, ours, err);
}

/* Is it a commit of this volume, and does it say only what such a one can say? */
static int check_belongs(const struct seed_volume *volume, const struct seed_commit *commit,
			 uint32_t number, struct seed_error *err)
{
	bool sealed;

	if (commit->number != number)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "is commit %u under another name",
				      commit->number);
	if (!seed_id_equal(&commit->set, &volume->set))
		return seed_error_set(err, SEED_ERR_INTEGRITY, "is of another set");
	if (commit->volume != volume->number)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "is of volume %u, this is %u",
				      commit->volume, volume->number);
	if (!seed_id_equal(&commit->medium, &volume->medium_id))
		return seed_error_set(err, SEED_ERR_INTEGRITY, "is of another medium");
	for (size_t i = 0; i < commit->files.count; i++) {
		const struct seed_commit_file *file = seed_vec_at(&commit->files, i);

		if (!seed_commit_path_valid(file->path, &sealed) || sealed != volume->sealed)
			return seed_error_set(err, SEED_ERR_INTEGRITY, "%s: %s", file->path,
					      volume->sealed ? "plaintext in a sealed set" :
					      "sealed in a plaintext set");
	}
	return 0;
}

/* What came before @number: commits that verify and belong, in order. */
struct chain {
	uint32_t last;			/* the one before; 0: none */
	struct seed_digest digest;	/* of its text */
	bool broken;			/* deltas do not count until the next full commit */
	bool lost;			/* an invalid file lies after @last */
};

static bool chains(const struct chain *chain, const struct seed_commit *commit)
{
	if (!chain->last)
		return !commit->has_previous;
	return commit->has_previous && seed_digest_equal(&commit->previous, &chain->digest);
}

/* A verified commit: does it count? Sets the reason when there is something to say;
 * *@counts says whether that is all there is to it. */
static int judge(const struct seed_volume *volume, const struct chain *chain,
		 const struct seed_commit *commit, bool *counts, struct seed_error *why)
{
	/* Commits numbered between may have been lost, or numbers only reserved. */
	bool gap = chain->lost || commit->number > chain->last + 1;

	*counts = false;
	if (!chains(chain, commit)) {
		if (!commit->full || !commit->has_previous || !gap)
			return seed_error_set(why, SEED_ERR_INTEGRITY, "%s", chain->last ?
					      "does not follow the commit before it" :
					      "the commits before it are missing");
		*counts = true;
		return seed_error_set(why, SEED_ERR_INTEGRITY,
				      "the commit before it is missing or damaged");
	}
	if (commit->full) {
		*counts = true;
		return 0;
	}
	if (chain->broken)
		return seed_error_set(why, SEED_ERR_INTEGRITY,
				      "follows a commit that does not count");
	if (contradicts(&volume->packs, &commit->packs, seed_compare_packs, same_pack) ||
	    contradicts(&volume->files, &commit->files, seed_compare_files, same_file))
		return seed_error_set(why, SEED_ERR_INTEGRITY,
				      "names a file otherwise than a commit before it");
	*counts = true;
	return 0;
}

/* Read and verify commit @number of the volume; *@ours: the signature at least is good. */
static int load_commit(const struct seed_volume *volume, uint32_t number,
		       struct seed_commit *commit, struct seed_digest *digest, bool *ours,
		       struct seed_error *err)
{
	SEED_AUTO(seed_signed_text_clear) struct seed_signed_text text = { 0 };
	char name[SEED_COMMIT_NAME];

	*commit = (struct seed_commit){ 0 };
	*ours = false;
	if (seed_signed_text_load(&text, volume->dir, seed_commit_name(number, name),
				  SEED_COMMIT_MAX, err) < 0)
		return -1;
	seed_digest_of(digest, text.text, text.len);
	if (seed_commit_open(commit, text.text, text.len, text.signature, text.signature_len,
			     &volume->key, err) < 0) {
		*ours = err->kind != SEED_ERR_TRUST && err->kind != SEED_ERR_SYSTEM;
		return -1;
	}
	*ours = true;
	return check_belongs(volume, commit, number, err);
}

/* What failing to read a commit is, as a problem; false when it is no problem of the medium. */
static bool to_problem(struct seed_error *why)
{
	switch (why->kind) {
	case SEED_ERR_TRUST: case SEED_ERR_MEDIUM: case SEED_ERR_INTEGRITY:
		return true;
	case SEED_ERR_NOTFOUND:
		seed_error_set(why, SEED_ERR_INTEGRITY, "missing, and its signature is there");
		return true;
	case SEED_ERR_FORMAT: case SEED_ERR_RANGE:
		why->kind = SEED_ERR_INTEGRITY;
		return true;
	default:
		return false;
	}
}

static int take_commit(struct seed_volume *volume, struct chain *chain, uint32_t number,
		       struct seed_error *err)
{
	SEED_AUTO(seed_commit_clear) struct seed_commit commit = { 0 };
	struct seed_error why = { 0 };
	struct seed_digest digest;
	bool ours, counts;

	if (load_commit(volume, number, &commit, &digest, &ours, &why) < 0) {
		chain->lost = true;
		if (!to_problem(&why)) {
			if (err)
				*err = why;
			return -1;
		}
		return add_problem(volume, number, &why, ours, err);
	}
	if (judge(volume, chain, &commit, &counts, &why) < 0 &&
	    add_problem(volume, number, &why, true, err) < 0)
		return -1;
	chain->broken = !counts;
	chain->lost = false;
	chain->last = number;
	chain->digest = digest;
	return counts ? seed_volume_apply(volume, &commit, &digest, err) : 0;
}

/* The set document was read back before the commit that it belongs to was written: where that one
 * counts, it is whole or damaged, and never torn ("ours": nothing sweeps it). */
static int check_set_doc(struct seed_volume *volume, struct seed_error *err)
{
	SEED_AUTO(seed_set_doc_clear) struct seed_set_doc doc = { 0 };
	struct seed_error why = { 0 };
	char path[SEED_SET_DOC_NAME];

	if (seed_set_doc_open(&doc, volume, &why) == 0 || why.kind == SEED_ERR_NOTFOUND)
		return 0;
	if (!to_problem(&why)) {
		if (err)
			*err = why;
		return -1;
	}
	return add_problem_at(volume, seed_set_doc_name(volume->last_full, path),
			      volume->last_full, &why, true, err);
}

/* ---- the folder ---- */

static int visit_commit(const char *name, void *arg, struct seed_error *err)
{
	struct seed_vec *numbers = arg;
	uint32_t number = seed_media_number(name, ".json");
	const uint32_t *last = numbers->count ? seed_vec_at(numbers, numbers->count - 1) : NULL;

	if (!number)	/* a signature alone is a commit that was lost, or was never finished */
		number = seed_media_number(name, ".json.minisig");
	if (!number || (last && *last == number))
		return 0;
	if (!seed_vec_push(numbers, sizeof(number), &number))
		return seed_error_sys(err, ENOMEM, "commits of a volume");
	return 0;
}

int seed_volume_load_commits(struct seed_volume *volume, struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec numbers = { 0 };
	struct chain chain = { 0 };

	/* Sorted names: a document comes right before its signature. */
	if (seed_path_each(volume->dir, "commits", SEED_MEDIA_NAMES_MAX, visit_commit, &numbers,
			   err) < 0) {
		if (err && err->kind != SEED_ERR_SYSTEM)
			err->kind = SEED_ERR_INTEGRITY;	/* gone, a link, or full of junk */
		return seed_media_failed(err);
	}
	for (size_t i = 0; i < numbers.count; i++) {
		uint32_t number = *(uint32_t *)seed_vec_at(&numbers, i);

		volume->highest_seen = number;
		if (take_commit(volume, &chain, number, err) < 0)
			return -1;
	}
	return check_set_doc(volume, err);
}
