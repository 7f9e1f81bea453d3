// SPDX-License-Identifier: LGPL-2.1-or-later
/* Where two lists differ, against a comparison that looks at every block. */
#include "cmocka_all.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "block/list_diff.h"
#include "tmpdir.h"

#define BLOCKS_MAX 5000u

struct pair {
	struct seed_digest old[BLOCKS_MAX], new[BLOCKS_MAX];
	uint64_t old_blocks, new_blocks;
	bool no_old;
};

static struct seed_list *list_of(const struct tmpdir *dir, const char *name,
				 const struct seed_digest *digests, uint64_t blocks)
{
	struct seed_list *list = NULL;
	struct seed_error err = { 0 };

	assert_ok(seed_list_create(&list, dir->fd, name, blocks, &err), &err);
	for (uint64_t i = 0; i < blocks; i++)
		if (seed_digest_kind(&digests[i]) != SEED_BLOCK_ZERO)
			assert_ok(seed_list_set(list, i, &digests[i], 1, &err), &err);
	return list;
}

/* What seed_list_differ() visits, in order. */
struct expected {
	const struct pair *p;
	uint64_t next;			/* first block that was not visited or passed over */
	size_t most;
	bool last_zero;
	uint64_t last_end;
};

static bool differs_at(const struct pair *p, uint64_t i)
{
	const struct seed_digest *before = !p->no_old && i < p->old_blocks ? &p->old[i] :
									     &seed_digest_zero;

	return !seed_digest_equal(before, &p->new[i]) &&
	       seed_digest_kind(&p->new[i]) != SEED_BLOCK_MISSING;
}

static int visit_run(void *arg, uint64_t index, uint64_t count, const struct seed_digest *digests,
		     struct seed_error *err)
{
	struct expected *e = arg;

	(void)err;
	assert_true(count > 0 && index >= e->next && index + count <= e->p->new_blocks);
	assert_true(!digests || count <= e->most);
	for (uint64_t i = e->next; i < index; i++)
		assert_false(differs_at(e->p, i));
	for (uint64_t i = 0; i < count; i++) {
		const struct seed_digest *is = &e->p->new[index + i];

		assert_true(differs_at(e->p, index + i));
		assert_true(seed_digest_equal(is, digests ? &digests[i] : &seed_digest_zero));
	}
	/* Zeroes that follow zeroes are one run. */
	assert_false(!digests && e->last_zero && e->last_end == index);
	e->last_zero = !digests;
	e->next = e->last_end = index + count;
	return 0;
}

static void compare_runs(const struct pair *p, struct seed_list *old, struct seed_list *new)
{
	static const size_t most[] = { 1, 16, SEED_DIFF_CHUNK };
	struct seed_error err = { 0 };

	for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++) {
		struct expected e = { .p = p, .most = most[i] };

		assert_ok(seed_list_differ(old, new, most[i], visit_run, &e, &err), &err);
		for (uint64_t k = e.next; k < p->new_blocks; k++)
			assert_false(differs_at(p, k));
	}
}

static void compare(const struct tmpdir *dir, const struct pair *p)
{
	SEED_AUTO(seed_list_closep) struct seed_list *old = NULL;
	SEED_AUTO(seed_list_closep) struct seed_list *new =
		list_of(dir, "new", p->new, p->new_blocks);
	SEED_AUTO(seed_freep) struct seed_list_diff *diff = malloc(sizeof(*diff));
	struct seed_digest was, is;
	struct seed_error err = { 0 };
	uint64_t index;
	bool more;

	assert_non_null(diff);
	if (!p->no_old)
		old = list_of(dir, "old", p->old, p->old_blocks);
	compare_runs(p, old, new);
	seed_list_diff_begin(diff, old, new);
	for (uint64_t i = 0; i < p->new_blocks; i++) {
		const struct seed_digest *before = !p->no_old && i < p->old_blocks ?
			&p->old[i] : &seed_digest_zero;

		if (seed_digest_equal(before, &p->new[i]))
			continue;
		assert_ok(seed_list_diff_next(diff, &more, &index, &was, &is, &err), &err);
		assert_true(more);
		assert_int_equal(index, i);
		assert_true(seed_digest_equal(&was, before));
		assert_true(seed_digest_equal(&is, &p->new[i]));
	}
	for (int again = 0; again < 2; again++) {
		assert_ok(seed_list_diff_next(diff, &more, &index, &was, &is, &err), &err);
		assert_false(more);
	}
}

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

/* Runs of all kinds, short and long. */
static void fill(struct seed_digest *out, uint64_t blocks, uint32_t *state, uint32_t longest)
{
	for (uint64_t i = 0; i < blocks;) {
		uint32_t kind = next_random(state) % 3, run = next_random(state) % longest + 1;

		for (; run && i < blocks; run--, i++) {
			out[i] = kind == SEED_BLOCK_MISSING ? seed_digest_missing : seed_digest_zero;
			if (kind == SEED_BLOCK_DATA)
				out[i].bytes[3] = (uint8_t)(1 + next_random(state) % 3);
		}
	}
}

static void random_lists_differ_where_they_differ(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 2, SEED_DIFF_CHUNK - 1, SEED_DIFF_CHUNK,
					  SEED_DIFF_CHUNK + 1, 2 * SEED_DIFF_CHUNK, 1500, BLOCKS_MAX };
	static const uint32_t longest[] = { 1, 3, 600, 4000 };
	struct pair *p = calloc(1, sizeof(*p));
	uint32_t seed = 7;

	assert_non_null(p);
	for (size_t a = 0; a < sizeof(sizes) / sizeof(sizes[0]); a++)
		for (size_t b = 0; b < sizeof(sizes) / sizeof(sizes[0]); b++)
			for (size_t l = 0; l < sizeof(longest) / sizeof(longest[0]); l++) {
				p->old_blocks = sizes[a];
				p->new_blocks = sizes[b];
				fill(p->old, p->old_blocks, &seed, longest[l]);
				fill(p->new, p->new_blocks, &seed, longest[l]);
				p->no_old = false;
				compare(*state, p);
				/* Nearly equal: a few blocks of many. */
				memcpy(p->new, p->old, sizeof(p->old));
				for (int i = 0; i < 5 && p->new_blocks; i++)
					p->new[next_random(&seed) % p->new_blocks].bytes[7] ^= 0x10;
				compare(*state, p);
				p->no_old = true;
				compare(*state, p);
			}
	free(p);
}

static void equal_lists_do_not_differ(void **state)
{
	struct pair *p = calloc(1, sizeof(*p));
	uint32_t seed = 3;

	assert_non_null(p);
	p->old_blocks = p->new_blocks = BLOCKS_MAX;
	fill(p->old, BLOCKS_MAX, &seed, 50);
	memcpy(p->new, p->old, sizeof(p->old));
	compare(*state, p);
	free(p);
}

/* 1 PiB of zeroes is passed over as one run. */
static void runs_are_passed_over_whole(void **state)
{
	const struct tmpdir *dir = *state;
	const uint64_t blocks = (uint64_t)1 << 34;
	SEED_AUTO(seed_list_closep) struct seed_list *old = NULL;
	SEED_AUTO(seed_list_closep) struct seed_list *new = NULL;
	SEED_AUTO(seed_freep) struct seed_list_diff *diff = malloc(sizeof(*diff));
	const struct seed_digest one = { { 1 } };
	struct seed_digest was, is;
	struct seed_error err = { 0 };
	uint64_t index;
	bool more;

	assert_non_null(diff);
	/* Files of 512 GiB with nothing in them. */
	assert_ok(seed_list_create(&old, dir->fd, "old", blocks / 2, &err), &err);
	assert_ok(seed_list_create(&new, dir->fd, "new", blocks, &err), &err);
	assert_ok(seed_list_set(new, blocks - 1, &one, 1, &err), &err);
	seed_list_diff_begin(diff, old, new);
	assert_ok(seed_list_diff_next(diff, &more, &index, &was, &is, &err), &err);
	assert_true(more && index == blocks - 1 && is.bytes[0] == 1);
	assert_ok(seed_list_diff_next(diff, &more, &index, &was, &is, &err), &err);
	assert_false(more);
}

/* What the caller sets a chunk ahead counts. */
static void entries_that_are_set_ahead_count(void **state)
{
	const struct tmpdir *dir = *state;
	struct pair *p = calloc(1, sizeof(*p));
	SEED_AUTO(seed_list_closep) struct seed_list *new = NULL;
	SEED_AUTO(seed_freep) struct seed_list_diff *diff = malloc(sizeof(*diff));
	struct seed_digest was, is = { { 5 } };
	struct seed_error err = { 0 };
	uint64_t index;
	bool more;

	assert_true(p && diff);
	p->new[0].bytes[0] = 1;
	new = list_of(dir, "new", p->new, 3 * SEED_DIFF_CHUNK);
	seed_list_diff_begin(diff, NULL, new);
	assert_ok(seed_list_diff_next(diff, &more, &index, &was, &is, &err), &err);
	assert_true(more && index == 0);
	is.bytes[0] = 9;
	assert_ok(seed_list_set(new, SEED_DIFF_CHUNK + 1, &is, 1, &err), &err);
	assert_ok(seed_list_diff_next(diff, &more, &index, &was, &is, &err), &err);
	assert_true(more && index == SEED_DIFF_CHUNK + 1 && is.bytes[0] == 9);
	free(p);
}

#define T(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(random_lists_differ_where_they_differ),
		T(equal_lists_do_not_differ),
		T(runs_are_passed_over_whole),
		T(entries_that_are_set_ahead_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
