// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * From the replica's digests to the sender's: by the changes that it lists where both know the same
 * base, by tree nodes elsewhere.
 */
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "block/merkle.h"
#include "crypto/random.h"
#include "resync/receiver.h"

#define FILES_TOTAL_MAX (64u << 20)	/* bytes of all side files in memory */

/* ---- BASE ---- */

/* The offer's base is what the replica's own list says; what is missing or rotten does not
 * matter. */
static bool base_is_equal(const struct seed_receiving_disk *d, const struct seed_offer_disk *o)
{
	struct seed_digest root;

	return d->own && o->has_base && o->base_size == d->own_size &&
	       seed_merkle_of_list(&root, d->own, d->own_size, NULL, NULL, NULL) == 0 &&
	       seed_digest_equal(&root, &o->base_root);
}

static bool list_is_equal(const struct seed_receiving_disk *d, const struct seed_offer_disk *o)
{
	struct seed_digest root;

	return d->own && o->size == d->own_size &&
	       seed_merkle_of_list(&root, d->own, d->own_size, NULL, NULL, NULL) == 0 &&
	       seed_digest_equal(&root, &o->root);
}

/* Where the next list says MISSING (it began as what the disk holds), the digests that it should
 * have, from the replica's list. */
static int copy_missing(struct seed_receiving_disk *d, struct seed_error *err)
{
	uint64_t blocks = seed_list_blocks(d->own);
	struct seed_run run;

	if (blocks > d->blocks)
		blocks = d->blocks;
	for (uint64_t at = 0; at < blocks; at = run.start + run.count) {
		if (seed_list_run(d->next, at, &run, err) < 0)
			return -1;
		for (uint64_t i = run.start; run.kind == SEED_BLOCK_MISSING &&
		     i < run.start + run.count && i < blocks; i++) {
			struct seed_digest digest;

			if (seed_list_get(d->own, i, &digest, 1, err) < 0 ||
			    seed_list_set(d->next, i, &digest, 1, err) < 0)
				return -1;
		}
	}
	return 0;
}

static const struct seed_manifest_file *same_file(const struct seed_receiving *r,
						  const struct seed_manifest_file *wanted)
{
	for (size_t i = 0; r->has_manifest && i < r->manifest.files.count; i++) {
		const struct seed_manifest_file *f = seed_vec_at(&r->manifest.files, i);

		if (strcmp(f->role, wanted->role) == 0 && f->facts.length == wanted->facts.length &&
		    seed_digest_equal(&f->facts.digest, &wanted->facts.digest))
			return f;
	}
	return NULL;
}

static int choose_files(struct seed_receiving *r, struct seed_msg_base *out,
			struct seed_error *err)
{
	uint64_t total = 0;

	for (size_t i = 0; i < r->offer.files.count; i++) {
		const struct seed_manifest_file *f = seed_vec_at(&r->offer.files, i);

		if (same_file(r, f))
			continue;
		total += f->facts.length;
		if (total > FILES_TOTAL_MAX)
			return seed_error_set(err, SEED_ERR_RANGE, "side files of more than %u MiB",
					      FILES_TOTAL_MAX >> 20);
		r->files[i].wanted = true;
		out->files |= (uint64_t)1 << i;
	}
	return 0;
}

int seed_receiver_choose(struct seed_receiving *r, struct seed_msg_base *out,
			 struct seed_error *err)
{
	*out = (struct seed_msg_base){ .disk_count = r->head.disk_count };
	if (seed_random(out->hint_seed, sizeof(out->hint_seed), err) < 0 ||
	    seed_hint_key_of(&r->key, out->hint_seed, err) < 0)
		return -1;
	for (uint32_t i = 0; i < r->head.disk_count; i++) {
		const struct seed_offer_disk *o = seed_vec_at(&r->offer.disks, i);
		struct seed_receiving_disk *d = &r->disks[i];

		d->mode = list_is_equal(d, o) ? SEED_BASE_LISTED :
			  base_is_equal(d, o) ? SEED_BASE_EQUAL : SEED_BASE_DESCEND;
		if (d->mode != SEED_BASE_DESCEND && copy_missing(d, err) < 0)
			return seed_error_prefix(err, "disk %s", o->slot);
		d->listed = d->mode == SEED_BASE_LISTED;
		out->modes[i] = (uint8_t)d->mode;
	}
	return r->fill ? 0 : choose_files(r, out, err);
}

/* ---- FILE ---- */

static int take_file(struct seed_receiving *r, const struct seed_frame *f, struct seed_error *err)
{
	struct seed_cursor c = seed_cursor_of(f->data, f->len);
	uint8_t index = seed_cursor_u8(&c), last = seed_cursor_u8(&c);
	const struct seed_manifest_file *about;
	struct seed_receiving_file *file;

	if (!seed_cursor_zero(&c, 6) || index >= r->offer.files.count || last > 1 ||
	    !r->files[index].wanted || r->files[index].whole)
		return seed_session_unexpected(f, err);
	file = &r->files[index];
	about = seed_vec_at(&r->offer.files, index);
	if (c.left > about->facts.length - file->data.len || (c.left == 0 && !last))
		return seed_error_set(err, SEED_ERR_FORMAT, "FILE: %s is longer than was offered",
				      about->role);
	if (seed_buf_add(&file->data, c.next, c.left, err) < 0)
		return -1;
	file->whole = last;
	if (last && file->data.len != about->facts.length)
		return seed_error_set(err, SEED_ERR_FORMAT, "FILE: %s is shorter than was offered",
				      about->role);
	return 0;
}

/* ---- CHANGES ---- */

static int take_run(struct seed_receiving_disk *d, struct seed_cursor *c,
		    const struct seed_frame *f, struct seed_error *err)
{
	uint64_t start = seed_cursor_u64(c);
	uint32_t count = seed_cursor_u32(c), kind = seed_cursor_u32(c);
	const uint8_t *digests;

	if (c->bad || count == 0 || start >= d->blocks || count > d->blocks - start ||
	    kind > SEED_BLOCK_DATA)
		return seed_session_unexpected(f, err);
	/* Rising, each block is named once at most, and CHANGES come to an end by themselves. */
	if (start < d->changes_end)
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "CHANGES: block %" PRIu64 " comes behind block %" PRIu64,
				      start, d->changes_end - 1);
	d->changes_end = start + count;
	if (kind == SEED_BLOCK_ZERO)
		return seed_list_fill(d->next, start, count, SEED_BLOCK_ZERO, err);
	digests = seed_cursor_take(c, (size_t)count * SEED_DIGEST_SIZE);
	if (!digests)
		return seed_session_unexpected(f, err);
	for (uint32_t i = 0; i < count; i++) {
		struct seed_digest digest;

		memcpy(digest.bytes, digests + (size_t)i * SEED_DIGEST_SIZE, SEED_DIGEST_SIZE);
		if (seed_digest_kind(&digest) != SEED_BLOCK_DATA)
			return seed_session_unexpected(f, err);
		if (seed_list_set(d->next, start + i, &digest, 1, err) < 0)
			return -1;
	}
	return 0;
}

static int take_changes(struct seed_receiving *r, const struct seed_frame *f,
			struct seed_error *err)
{
	struct seed_cursor c = seed_cursor_of(f->data, f->len);
	uint8_t disk = seed_cursor_u8(&c);

	if (!seed_cursor_zero(&c, 3) || disk >= r->head.disk_count ||
	    r->disks[disk].mode != SEED_BASE_EQUAL || r->disks[disk].listed || !c.left)
		return seed_session_unexpected(f, err);
	while (c.left)
		if (take_run(&r->disks[disk], &c, f, err) < 0)
			return -1;
	return 0;
}

static int take_changes_end(struct seed_receiving *r, const struct seed_frame *f,
			    struct seed_error *err)
{
	if (f->len != 1 || f->data[0] >= r->head.disk_count ||
	    r->disks[f->data[0]].mode != SEED_BASE_EQUAL || r->disks[f->data[0]].listed)
		return seed_session_unexpected(f, err);
	r->disks[f->data[0]].listed = true;
	return 0;
}

static bool all_came(const struct seed_receiving *r)
{
	for (uint32_t i = 0; i < r->head.disk_count; i++)
		if (r->disks[i].mode == SEED_BASE_EQUAL && !r->disks[i].listed)
			return false;
	for (size_t i = 0; i < r->offer.files.count; i++)
		if (r->files[i].wanted && !r->files[i].whole)
			return false;
	return true;
}

int seed_receiver_lists(struct seed_receiving *r, struct seed_error *err)
{
	struct seed_frame f;
	int rc = 0;

	while (rc == 0 && !all_came(r)) {
		if (seed_session_next(r->s, &f, err) < 0)
			return -1;
		rc = f.type == SEED_FRAME_FILE ? take_file(r, &f, err) :
		     f.type == SEED_FRAME_CHANGES ? take_changes(r, &f, err) :
		     f.type == SEED_FRAME_CHANGES_END ? take_changes_end(r, &f, err) :
							seed_session_unexpected(&f, err);
	}
	for (uint32_t i = 0; rc == 0 && i < r->head.disk_count; i++)
		if (!r->disks[i].listed && r->disks[i].blocks)
			rc = seed_receiver_descend(r, (uint8_t)i, err);
	return rc;
}
