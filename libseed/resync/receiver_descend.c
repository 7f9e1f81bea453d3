// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Comparing a disk by its tree. Questions that were not asked yet lie on a stack, deeper ones on
 * top, so that it stays small however large the disk; some are always on their way, so that a
 * roundtrip costs once per level and not per node.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "block/merkle_tree.h"
#include "resync/receiver.h"

#define IN_FLIGHT 8u			/* questions, of up to SEED_DESCEND_NODES nodes each */

struct node {
	unsigned int level;
	uint64_t index;
};

struct descent {
	struct seed_receiving *r;
	struct seed_receiving_disk *d;
	struct seed_tree *tree;		/* over what the disk holds */
	uint8_t disk;
	struct seed_vec stack;		/* struct node */
	struct seed_msg_descend asked[IN_FLIGHT];
	unsigned int first, count;	/* of the ring @asked */
};

static unsigned int level_below(unsigned int level)
{
	return level > SEED_DESCEND_STEP ? level - SEED_DESCEND_STEP : 0;
}

static int push(struct descent *t, unsigned int level, uint64_t index, struct seed_error *err)
{
	const struct node node = { level, index };

	return seed_vec_push(&t->stack, sizeof(node), &node) ? 0 :
	       seed_error_sys(err, ENOMEM, "tree nodes");
}

/* One question: nodes of one level from the top of the stack. */
static int ask(struct descent *t, struct seed_error *err)
{
	struct seed_msg_descend *m = &t->asked[(t->first + t->count) % IN_FLIGHT];
	struct seed_buf buf = { 0 };

	m->disk = t->disk;
	m->count = 0;
	while (t->stack.count && m->count < SEED_DESCEND_NODES) {
		const struct node *top = seed_vec_at(&t->stack, t->stack.count - 1);

		if (m->count && top->level != m->level)
			break;
		m->level = (uint8_t)top->level;
		m->index[m->count++] = top->index;
		t->stack.count--;
	}
	t->count++;
	if (seed_msg_descend_put(&buf, m, err) < 0) {
		seed_buf_free(&buf);
		return -1;
	}
	return seed_session_send(t->r->s, SEED_FRAME_DESCEND, &buf, err);
}

static int compare_nodes(struct descent *t, unsigned int level, uint64_t first, size_t count,
			 const struct seed_digest *theirs, struct seed_error *err)
{
	struct seed_digest ours[1u << SEED_DESCEND_STEP];

	if (seed_tree_nodes(t->tree, level, first, count, ours, err) < 0)
		return -1;
	for (size_t i = count; i > 0; i--)	/* so that the lowest is asked for first */
		if (!seed_digest_equal(&ours[i - 1], &theirs[i - 1]) &&
		    push(t, level, first + i - 1, err) < 0)
			return -1;
	return 0;
}

static int compare_digests(struct descent *t, uint64_t first, size_t count,
			   const struct seed_digest *theirs, struct seed_error *err)
{
	struct seed_digest ours[1u << SEED_DESCEND_STEP];

	if (seed_list_get(t->d->base, first, ours, count, err) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (seed_digest_kind(&theirs[i]) == SEED_BLOCK_MISSING)
			return seed_error_set(err, SEED_ERR_FORMAT,
					      "NODES: block %" PRIu64 " is missing at the sender",
					      first + i);
		if (!seed_digest_equal(&ours[i], &theirs[i]) &&
		    seed_list_set(t->d->next, first + i, &theirs[i], 1, err) < 0)
			return -1;
	}
	return 0;
}

/* What lies below one node that was asked about. */
static int take_below(struct descent *t, struct seed_cursor *c, unsigned int level, uint64_t index,
		      struct seed_error *err)
{
	struct seed_digest theirs[1u << SEED_DESCEND_STEP];
	unsigned int below = level_below(level);
	uint64_t width = seed_tree_width(t->d->blocks, below);
	uint64_t first = index << (level - below), count = (uint64_t)1 << (level - below);

	if (count > width - first)
		count = width - first;
	seed_cursor_copy(c, theirs, (size_t)count * SEED_DIGEST_SIZE);
	if (c->bad)
		return seed_error_set(err, SEED_ERR_FORMAT, "NODES: fewer than were asked for");
	return below ? compare_nodes(t, below, first, (size_t)count, theirs, err) :
		       compare_digests(t, first, (size_t)count, theirs, err);
}

static int take_answer(struct descent *t, struct seed_error *err)
{
	struct seed_msg_descend m = t->asked[t->first];
	struct seed_cursor c;
	struct seed_frame f;

	t->first = (t->first + 1) % IN_FLIGHT;
	t->count--;
	if (seed_session_expect(t->r->s, &f, SEED_FRAME_NODES, NULL, err) < 0)
		return -1;
	c = seed_cursor_of(f.data, f.len);
	if (seed_cursor_u8(&c) != m.disk || seed_cursor_u8(&c) != m.level ||
	    !seed_cursor_zero(&c, 6))
		return seed_error_set(err, SEED_ERR_FORMAT, "NODES: not what was asked for");
	for (unsigned int i = m.count; i > 0; i--)
		if (take_below(t, &c, m.level, m.index[m.count - i], err) < 0)
			return -1;
	if (c.left)
		return seed_error_set(err, SEED_ERR_FORMAT, "NODES: more than was asked for");
	return 0;
}

static int descend(struct descent *t, struct seed_error *err)
{
	if (push(t, seed_tree_height(t->d->blocks), 0, err) < 0)
		return -1;
	while (t->stack.count || t->count) {
		if (t->stack.count && t->count < IN_FLIGHT) {
			if (ask(t, err) < 0)
				return -1;
		} else if (take_answer(t, err) < 0) {
			return -1;
		}
	}
	return 0;
}

int seed_receiver_descend(struct seed_receiving *r, uint8_t disk, struct seed_error *err)
{
	struct descent *t = calloc(1, sizeof(*t));
	int rc;

	if (!t)
		return seed_error_sys(err, ENOMEM, "tree nodes");
	t->r = r;
	t->disk = disk;
	t->d = &r->disks[disk];
	rc = seed_tree_new(&t->tree, t->d->base, t->d->size, err);
	if (rc == 0)
		rc = descend(t, err);
	t->d->listed = rc == 0;
	seed_tree_free(t->tree);
	seed_vec_free(&t->stack);
	free(t);
	return rc;
}
