/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copies of a pack: two media may hold the same volume. The pack is read from one, and what is
 * damaged there is asked from the others; their commits name the very same bytes.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "import/run_internal.h"

/* A medium may have been taken out, and another put in, since the plan was made. */
static int open_on(struct import_pack *pack, const struct seed_volume *v, struct seed_error *err)
{
	const struct seed_pack_id id = { v->set, v->number, pack->facts->number };

	if (seed_medium_recheck(v->medium, err) < 0)
		return -1;
	return pack->table.count
	       ? seed_pack_reader_open_table(&pack->reader, v->dir, &id, &pack->table, &v->data_key,
					     true, err)
	       : seed_pack_reader_open(&pack->reader, v->dir, &id, pack->facts, &v->data_key, true,
				       err);
}

int seed_import_open_pack(struct import_pack *pack, struct seed_error *err)
{
	const struct seed_volume *first = pack->volume;
	int rc = open_on(pack, first, err);

	/* A table that was worked out is this copy's alone: then there are no twins. */
	for (size_t i = 0; rc < 0 && i < pack->twins.count; i++) {
		const struct seed_volume **twin = seed_vec_at(&pack->twins, i);
		struct seed_error why = { 0 };

		rc = open_on(pack, *twin, &why);
		if (rc == 0) {
			pack->volume = *twin;
			*twin = first;
		}
	}
	return rc;
}

/* One record's stored bytes as this twin has them, when they are the right ones. */
static int read_record(const struct import_pack *pack, const struct seed_volume *twin,
		       uint32_t number, struct import_batch *batch, const uint8_t **stored)
{
	const struct seed_table_entry *entry = seed_pack_reader_record(pack->reader, number);
	const struct seed_pack_id id = { twin->set, twin->number, pack->facts->number };
	SEED_AUTO(seed_pack_reader_closep) struct seed_pack_reader *reader = NULL;
	size_t room = entry->length + 2 * SEED_IO_ALIGN, start = 0;
	struct seed_error why = { 0 };
	struct seed_digest digest;

	batch->data = seed_buffer_new(room, &why);
	if (!batch->data ||
	    seed_pack_reader_open(&reader, twin->dir, &id, pack->facts, &twin->data_key, true,
				  &why) < 0 ||
	    seed_pack_reader_read(reader, number, 1, batch->data, room, &start, &why) < 0)
		return -1;
	seed_digest_of(&digest, batch->data + start, entry->length);
	*stored = batch->data + start;
	return seed_digest_equal(&digest, &entry->digest) ? 0 : -1;
}

/* Opened anew for each record: this is for the rare damaged one. */
bool seed_import_ask_twins(struct import_record *r)
{
	for (size_t i = 0; i < r->pack->twins.count; i++) {
		const struct seed_volume *twin =
			*(const struct seed_volume **)seed_vec_at(&r->pack->twins, i);
		struct import_batch *batch = calloc(1, sizeof(*batch));
		const uint8_t *stored = NULL;

		if (!batch)
			return false;
		batch->users = 1;
		if (read_record(r->pack, twin, r->number, batch, &stored) == 0) {
			seed_import_release_batch(r->batch);
			r->batch = batch;
			r->stored = stored;
			r->twin = twin;
			return true;
		}
		seed_import_release_batch(batch);
	}
	return false;
}
