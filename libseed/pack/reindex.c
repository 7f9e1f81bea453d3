// SPDX-License-Identifier: LGPL-2.1-or-later
/* A pack without its tail: the records tell their own number and length, so they can be walked. */
#include "pack/scrub.h"

#include <errno.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "crypto/digest.h"
#include "pack/in_file.h"
#include "pack/pack_internal.h"

#define ROOM (SEED_RECORD_MAX + 2 * SEED_IO_ALIGN)

struct walk {
	struct seed_in_file in;
	struct seed_seal seal;
	struct seed_record_codec *codec;
	uint8_t *buf, *plain;
	struct seed_vec *table, *index;
};

static void end_walkp(struct walk *w)
{
	seed_in_file_closep(&w->in);
	seed_record_codec_free(w->codec);
	seed_wipe(&w->seal, sizeof(w->seal));
	free(w->buf);
	free(w->plain);
}

static int begin_walk(struct walk *w, int dir, const struct seed_pack_id *id,
		      const struct seed_set_key *key, struct seed_error *err)
{
	char name[SEED_PACK_NAME];
	uint8_t salt[SEED_SALT_SIZE];
	size_t start;

	w->buf = seed_buffer_new(ROOM, err);
	w->plain = w->buf ? seed_buffer_new(SEED_RECORD_PLAIN_MAX, err) : NULL;
	if (!w->plain || seed_record_codec_new(&w->codec, 1, err) < 0 ||
	    seed_in_file_open(&w->in, dir, seed_pack_name(id->pack, name), err) < 0 ||
	    seed_in_file_read(&w->in, 0, SEED_PACK_HEADER, w->buf, ROOM, &start, err) < 0 ||
	    seed_pack_header_check(w->buf + start, id, key->sealed, salt, err) < 0)
		return -1;
	return seed_pack_seal(&w->seal, key, id, salt, err);
}

/* The whole stored record @number at @offset, in @w->buf at *@start. False when there is none and
 * the walk is over: the index, the end of the file, what cannot be read, or damage that hides where
 * the next record begins. */
static bool read_record(struct walk *w, uint32_t number, uint64_t offset, size_t *start,
			size_t *len)
{
	uint64_t whole;
	uint32_t found;
	bool last;

	if (offset + SEED_RECORD_HEADER > w->in.length ||
	    seed_in_file_read(&w->in, offset, SEED_RECORD_HEADER, w->buf, ROOM, start, NULL) < 0)
		return false;
	if (seed_record_header(w->buf + *start, &found, &last, &whole, NULL) < 0 ||
	    found != number || last || whole > w->in.length - offset)
		return false;
	*len = (size_t)whole;
	return seed_in_file_read(&w->in, offset, *len, w->buf, ROOM, start, NULL) == 0;
}

static int add_blocks(struct walk *w, uint32_t number, const struct seed_record_plain *info,
		      struct seed_error *err)
{
	const void *data[SEED_RECORD_BLOCKS];
	size_t lens[SEED_RECORD_BLOCKS], at = 0;
	struct seed_digest digests[SEED_RECORD_BLOCKS];

	for (uint16_t i = 0; i < info->blocks; i++) {
		data[i] = w->plain + at;
		lens[i] = info->lengths[i];
		at += lens[i];
	}
	seed_digest_many(digests, data, lens, info->blocks);
	for (uint16_t i = 0; i < info->blocks; i++) {
		struct seed_index_entry entry = { .digest = digests[i], .record = number,
						  .slot = i, .length = info->lengths[i] };

		if (!seed_vec_push(w->index, sizeof(entry), &entry))
			return seed_error_sys(err, ENOMEM, "block index");
	}
	return 0;
}

/* A record that does not open keeps its place in the table, so that numbers stay what they are,
 * and brings no blocks. */
static int add_record(struct walk *w, uint32_t number, uint64_t offset, const uint8_t *stored,
		      size_t len, struct seed_error *err)
{
	struct seed_table_entry entry = { .offset = offset, .length = (uint32_t)len };
	struct seed_record_plain info;
	struct seed_error why = { 0 };

	seed_digest_of(&entry.digest, stored, len);
	if (!seed_vec_push(w->table, sizeof(entry), &entry))
		return seed_error_sys(err, ENOMEM, "record table");
	if (seed_record_decode(w->codec, &w->seal, number, false, stored, len, w->plain,
			       SEED_RECORD_PLAIN_MAX, &info, &why) == 0)
		return add_blocks(w, number, &info, err);
	if (why.kind == SEED_ERR_INTEGRITY)
		return 0;
	if (err)
		*err = why;
	return -1;
}

static int walk_records(struct walk *w, struct seed_error *err)
{
	uint64_t offset = SEED_PACK_HEADER;
	size_t start, len;

	for (uint32_t number = 0; number < SEED_PACK_RECORDS_MAX; number++) {
		if (!read_record(w, number, offset, &start, &len))
			break;
		if (add_record(w, number, offset, w->buf + start, len, err) < 0)
			return -1;
		offset += len;
	}
	return 0;
}

int seed_pack_reindex(int dir, const struct seed_pack_id *id, const struct seed_set_key *key,
		      struct seed_vec *table, struct seed_vec *index, struct seed_error *err)
{
	SEED_AUTO(end_walkp) struct walk w = { .in = SEED_IN_FILE_CLOSED, .table = table,
					       .index = index };

	if (begin_walk(&w, dir, id, key, err) < 0 || walk_records(&w, err) < 0)
		return seed_error_prefix(err, "pack %08u", id->pack);
	return 0;
}
