/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A worker's part of the pass: one record is checked, opened, its blocks are checked and written
 * wherever they are needed.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "import/run_internal.h"

struct worker {
	struct seed_record_codec *codec;
	uint8_t *plain;
};

void *seed_import_worker_new(void *arg, struct seed_error *err)
{
	struct worker *w = calloc(1, sizeof(*w));

	(void)arg;
	if (!w) {
		seed_error_sys(err, ENOMEM, "worker");
		return NULL;
	}
	w->plain = seed_buffer_new(SEED_RECORD_PLAIN_MAX, err);
	if (!w->plain || seed_record_codec_new(&w->codec, 1, err) < 0) {
		free(w->plain);
		free(w);
		return NULL;
	}
	return w;
}

void seed_import_worker_free(void *scratch)
{
	struct worker *w = scratch;

	seed_record_codec_free(w->codec);
	free(w->plain);
	free(w);
}

/* Write neighbouring blocks that go to neighbouring places in one go. @plain lies as the
 * record does: all blocks but a disk's last are whole, so slots follow each other by 64 KiB. */
static void write_items(struct import_record *r, const uint8_t *const *blocks,
			const uint32_t *lengths)
{
	const struct import_item *items = r->items.items;

	for (size_t i = 0, next; i < r->items.count; i = next) {
		const struct import_item *first = &items[i];
		struct seed_build *b = &r->run->builds[first->build];
		struct seed_build_disk *disk = seed_import_disk_of(r->run, first);
		struct seed_error err = { 0 };
		size_t len = lengths[first->slot];

		for (next = i + 1; next < r->items.count; next++) {
			const struct import_item *last = &items[next - 1], *item = &items[next];

			if (item->disk != first->disk || item->block != last->block + 1 ||
			    item->slot != last->slot + 1 || r->bad & 1u << item->slot ||
			    lengths[last->slot] != SEED_BLOCK_SIZE)
				break;
			len += lengths[item->slot];
		}
		if (r->bad & 1u << first->slot || seed_import_build_failed(r->run, b))
			continue;
		if (seed_sink_write(disk->sink, blocks[first->slot], len,
				    first->block * SEED_BLOCK_SIZE, &err) < 0) {
			seed_build_blame(b, first->disk - b->first_disk, &err);
			seed_import_fail_build(r->run, b, &err);
		}
	}
}

static int by_place(const void *a, const void *b)
{
	const struct import_item *x = a, *y = b;

	if (x->disk != y->disk)
		return x->disk < y->disk ? -1 : 1;
	if (x->block != y->block)
		return x->block < y->block ? -1 : 1;
	return 0;
}

/* Which of the needed slots hold what their index entry promises? The entry's digest is the one
 * that the signed list asked for: that is how the plan found it. */
static void check_blocks(struct import_record *r, const uint8_t *const *blocks,
			 const struct seed_record_plain *info)
{
	struct seed_digest digests[SEED_RECORD_BLOCKS];
	const void *data[SEED_RECORD_BLOCKS];
	size_t lens[SEED_RECORD_BLOCKS], n = 0;
	uint16_t slots[SEED_RECORD_BLOCKS], wanted = 0, have = 0;
	const struct import_item *items = r->items.items;

	for (size_t i = 0; i < r->items.count; i++)
		wanted |= (uint16_t)(1u << items[i].slot);
	for (uint16_t slot = 0; slot < info->blocks; slot++) {
		if (!(wanted & 1u << slot))
			continue;
		data[n] = blocks[slot];
		lens[n] = info->lengths[slot];
		slots[n++] = slot;
		have |= (uint16_t)(1u << slot);
	}
	r->bad = wanted & (uint16_t)~have;
	seed_digest_many(digests, data, lens, n);
	for (size_t i = 0; i < r->items.count; i++) {
		const struct import_item *item = &items[i];
		struct seed_build_disk *disk;
		struct seed_digest want;
		size_t k = 0;

		while (k < n && slots[k] != item->slot)
			k++;
		if (k == n)
			continue;
		/* Against the replica's own signed list, position by position. */
		disk = seed_import_disk_of(r->run, item);
		pthread_mutex_lock(&r->run->lock);
		if (seed_list_get(disk->list, item->block, &want, 1, NULL) < 0 ||
		    !seed_digest_equal(&want, &digests[k]) ||
		    lens[k] != seed_grid_length(disk->size, item->block))
			r->bad |= (uint16_t)(1u << item->slot);
		pthread_mutex_unlock(&r->run->lock);
	}
}

/* Check and open the stored bytes; every slot is bad when that fails. */
static int open_record(struct import_record *r, struct worker *w, struct seed_record_plain *info)
{
	const struct seed_table_entry *entry = seed_pack_reader_record(r->pack->reader, r->number);
	struct seed_digest digest;

	r->bad = 0xffff;
	if (!r->stored)
		return -1;
	seed_digest_of(&digest, r->stored, entry->length);
	if (!seed_digest_equal(&digest, &entry->digest))
		return seed_error_set(&r->why, SEED_ERR_INTEGRITY, "differs from its digest");
	if (seed_record_decode(w->codec, seed_pack_reader_seal(r->pack->reader), r->number, false,
			       r->stored, entry->length, w->plain, SEED_RECORD_PLAIN_MAX, info,
			       &r->why) < 0)
		return -1;
	r->bad = 0;
	return 0;
}

int seed_import_use_record(struct seed_job *job, void *scratch, struct seed_error *err)
{
	struct import_record *r = (struct import_record *)job;
	const uint8_t *blocks[SEED_RECORD_BLOCKS];
	struct seed_record_plain info;
	struct worker *w = scratch;
	size_t at = 0;

	(void)err;
	if (r->ends_pack)
		return 0;
	/* Another copy is the same in every bit, or it does not count: so what opens from none of
	 * them, or opens and holds other blocks, is lost. */
	if (open_record(r, w, &info) < 0 &&
	    (!seed_import_ask_twins(r) || open_record(r, w, &info) < 0))
		return 0;
	for (uint16_t slot = 0; slot < info.blocks; slot++) {
		blocks[slot] = w->plain + at;
		at += info.lengths[slot];
	}
	check_blocks(r, blocks, &info);
	if (r->bad)
		seed_error_set(&r->why, SEED_ERR_INTEGRITY,
			       "holds blocks that differ from their digests");
	qsort(r->items.items, r->items.count, sizeof(struct import_item), by_place);
	write_items(r, blocks, info.lengths);
	return 0;
}

void seed_import_release_batch(struct import_batch *batch)
{
	if (batch && --batch->users == 0) {
		free(batch->data);
		free(batch);
	}
}

void seed_import_free_record(struct import_record *r)
{
	seed_import_release_batch(r->batch);
	seed_vec_free(&r->items);
	free(r);
}
