/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See capture.h. */
#include "capture/capture.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "block/merkle.h"
#include "block/stamp.h"
#include "capture/own_kept.h"

struct seed_capture {
	struct seed_capture_options opt;
	struct seed_scan *scan;
	struct seed_list *kept;		/* digests of an earlier reading that are proven */
	uint64_t kept_blocks;		/* ... of blocks below this one */
	struct seed_list *list;		/* being filled; the same object as @kept when going on */
	bool going_on;
	struct seed_stamp stamp;	/* of this reading: identity at its start */
	uint64_t done;			/* blocks delivered */
	char part[SEED_SLOT_MAX + 8];	/* "vda+part" */
};

char *seed_capture_list_name(const char *slot, char *out)
{
	snprintf(out, SEED_CAPTURE_LIST_NAME, "%s.list", slot);
	return out;
}

/* Open the list that belongs to a stamp, if the stamp proves that the source has not changed. */
static void open_proven(struct seed_capture *c, const char *slot, bool writable,
		       struct seed_list **out, uint64_t *blocks)
{
	char name[SEED_CAPTURE_LIST_NAME];
	struct seed_stamp stamp;
	struct seed_error ignored = { 0 };

	if (seed_stamp_read(&stamp, c->opt.vm->dir, slot, &ignored) < 0) {
		/* A stamp that cannot be read proves nothing; the disk is read instead. */
		return;
	}
	if (!seed_stamp_proves(&stamp, &c->stamp.identity))
		return;
	if (seed_list_open(out, c->opt.vm->dir, seed_capture_list_name(slot, name),
			   seed_grid_blocks(c->opt.source->size), writable, &ignored) < 0)
		return;
	*blocks = stamp.blocks;
	/* The reading is as old as its stamp, and stays so: what was proven then is what is
	 * proven now. */
	c->stamp = stamp;
}

static int open_lists(struct seed_capture *c, struct seed_error *err)
{
	uint64_t blocks = seed_grid_blocks(c->opt.source->size);
	char name[SEED_CAPTURE_LIST_NAME];

	open_proven(c, c->opt.slot, false, &c->kept, &c->kept_blocks);
	if (!c->kept) {
		open_proven(c, c->part, true, &c->kept, &c->kept_blocks);
		c->going_on = c->kept != NULL;
	}
	if (c->going_on) {
		c->list = c->kept;
		return 0;
	}
	/* The part's old stamp must be gone before its list changes: a crash between leaves a list
	 * that nothing vouches for. */
	snprintf(name, sizeof(name), "%s.stamp", c->part);
	if (seed_path_unlink(c->opt.vm->dir, name, err) < 0 ||
	    seed_fd_sync(c->opt.vm->dir, err) < 0)
		return -1;
	return seed_list_create(&c->list, c->opt.vm->dir, seed_capture_list_name(c->part, name),
				blocks, err);
}

/* Called for data extents only, in disk order, ahead of delivery. */
static bool known_block(void *arg, uint64_t index, struct seed_digest *digest)
{
	struct seed_capture *c = arg;

	if (index >= c->kept_blocks || seed_list_get(c->kept, index, digest, 1, NULL) < 0)
		return false;
	switch (seed_digest_kind(digest)) {
	case SEED_BLOCK_ZERO:
		return true;
	case SEED_BLOCK_DATA:
		return c->opt.held(c->opt.arg, digest);
	default:
		return false;
	}
}

int seed_capture_open(struct seed_capture **out, const struct seed_capture_options *opt,
		      struct seed_error *err)
{
	SEED_AUTO(seed_capture_closep) struct seed_capture *c = calloc(1, sizeof(*c));
	struct seed_scan_options scan = {
		.source = opt->source,
		.pool = opt->pool,
		.depth = opt->depth,
		.cancel = opt->cancel,
	};

	if (!c)
		return seed_error_sys(err, ENOMEM, "capture");
	c->opt = *opt;
	snprintf(c->part, sizeof(c->part), "%s" SEED_STAMP_PART, opt->slot);
	c->stamp.recorded = seed_clock_wall();
	if (seed_source_identity(opt->source, &c->stamp.identity, err) < 0 ||
	    open_lists(c, err) < 0)
		return -1;
	if (c->kept && opt->held) {
		scan.known = known_block;
		scan.arg = c;
	}
	if (seed_scan_open(&c->scan, &scan, err) < 0)
		return -1;
	*out = seed_steal(&c);
	return 0;
}

void seed_capture_close(struct seed_capture *c)
{
	if (!c)
		return;
	seed_scan_close(c->scan);
	if (c->kept != c->list)
		seed_list_close(c->kept);
	seed_list_close(c->list);
	free(c);
}

/* Zero blocks are what a fresh list holds already, but going on in an old one must say so. */
static int note_chunk(struct seed_capture *c, const struct seed_chunk *chunk,
		      struct seed_error *err)
{
	if (chunk->hole)
		return c->going_on ? seed_list_fill(c->list, chunk->first, chunk->count,
						    SEED_BLOCK_ZERO, err) : 0;
	return seed_list_set(c->list, chunk->first, chunk->digests, chunk->count, err);
}

int seed_capture_next(struct seed_capture *c, struct seed_chunk **out, struct seed_error *err)
{
	struct seed_chunk *chunk;

	if (seed_scan_next(c->scan, &chunk, err) < 0)
		return -1;
	if (chunk) {
		for (uint64_t i = 0; !chunk->hole && i < chunk->count; i++) {
			if (chunk->kinds[i] == SEED_BLOCK_ZERO)
				chunk->digests[i] = seed_digest_zero;
		}
		if (note_chunk(c, chunk, err) < 0) {
			seed_scan_give_back(c->scan, chunk);
			return -1;
		}
		c->done = chunk->first + chunk->count;
	}
	*out = chunk;
	return 0;
}

void seed_capture_give_back(struct seed_capture *c, struct seed_chunk *chunk)
{
	seed_scan_give_back(c->scan, chunk);
}

int seed_capture_checkpoint(struct seed_capture *c, struct seed_error *err)
{
	struct seed_stamp stamp = c->stamp;

	if (!stamp.identity.provable)
		return 0;
	stamp.blocks = c->done;
	if (c->going_on && c->kept_blocks > stamp.blocks)
		stamp.blocks = c->kept_blocks;
	if (seed_list_sync(c->list, err) < 0)
		return -1;
	return seed_stamp_write(c->opt.vm->dir, c->part, &stamp, err);
}

/* SLOT.list takes this reading. The stamp goes first and comes last, so that a crash
 * anywhere between leaves a list without a stamp: its disk is read again. */
static int keep_list(struct seed_capture *c, bool proven, struct seed_error *err)
{
	char from[SEED_CAPTURE_LIST_NAME], to[SEED_CAPTURE_LIST_NAME];
	char stamp[SEED_CAPTURE_LIST_NAME];
	int dir = c->opt.vm->dir;

	if (seed_list_sync(c->list, err) < 0)
		return -1;
	snprintf(stamp, sizeof(stamp), "%s.stamp", c->opt.slot);
	if (seed_path_unlink(dir, stamp, err) < 0 || seed_fd_sync(dir, err) < 0)
		return -1;
	seed_capture_list_name(c->part, from);
	seed_capture_list_name(c->opt.slot, to);
	if (renameat(dir, from, dir, to) < 0)
		return seed_error_sys(err, errno, "rename %s", from);
	snprintf(stamp, sizeof(stamp), "%s.stamp", c->part);
	if (seed_path_unlink(dir, stamp, err) < 0 || seed_fd_sync(dir, err) < 0)
		return -1;
	if (!proven)
		return 0;
	c->stamp.blocks = seed_list_blocks(c->list);
	return seed_stamp_write(c->opt.vm->dir, c->opt.slot, &c->stamp, err);
}

int seed_capture_finish(struct seed_capture *c, struct seed_capture_facts *facts,
			struct seed_error *err)
{
	struct seed_source_identity now;
	bool same;

	if (seed_source_identity(c->opt.source, &now, err) < 0)
		return -1;
	same = seed_source_identity_equal(&now, &c->stamp.identity);
	/* A device has no times that would tell: there the hold alone speaks. */
	facts->captured = same || !now.provable ? c->opt.source->held : SEED_CAPTURED_CHANGED;
	facts->blocks = seed_list_blocks(c->list);
	facts->bytes_read = seed_scan_bytes_read(c->scan);
	if (seed_merkle_of_list(&facts->root, c->list, c->opt.source->size, &facts->data_blocks,
				NULL, err) < 0)
		return -1;
	/* While both lists are here. Should it end before the list is renamed, what is kept is of
	 * no list, and is ignored. */
	if (seed_own_kept_carry(c->opt.vm->dir, c->opt.slot, c->list, c->opt.source->size,
				&facts->root, c->opt.cancel, err) < 0)
		return -1;
	return keep_list(c, same, err);
}
