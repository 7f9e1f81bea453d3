/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing one pack: header, records in order, then index, table and trailer.
 *
 * Bytes go out in large aligned O_DIRECT writes where the file system takes
 * them (dirty pages are then bounded by themselves, and progress is true),
 * buffered otherwise. SHA-256 of the file and of each record are worked out in one interleaved
 * pass as the bytes go by. The file exists under its final name from the
 * start; it counts once a commit names it. After any failed write the attempt
 * is dead: the file is abandoned and its salt never used again.
 */
#ifndef SEED_PACK_WRITER_H
#define SEED_PACK_WRITER_H

#include "pack/pack_format.h"

struct seed_pack_writer;

/* @dir: the set's folder. Draws the salt and writes the header. */
int seed_pack_writer_open(struct seed_pack_writer **out, int dir, const struct seed_pack_id *id,
			  const struct seed_set_key *key, struct seed_error *err);
/* The seal that this attempt's records must be encoded with; lives as long as the writer.
 * Workers may read it at any time. */
const struct seed_seal *seed_pack_writer_seal(const struct seed_pack_writer *writer);
/**
 * seed_pack_writer_add() - append the next data record as encoded
 * @digests, @lengths: its @blocks blocks, in slot order
 */
int seed_pack_writer_add(struct seed_pack_writer *writer, const uint8_t *stored, size_t stored_len,
			 const struct seed_digest *digests, const uint32_t *lengths,
			 uint16_t blocks, struct seed_error *err);
uint64_t seed_pack_writer_bytes(const struct seed_pack_writer *writer);
/* Index, table, trailer, fsync of the file. *@facts is what a commit must say of it. The writer
 * stays for close. */
int seed_pack_writer_finish(struct seed_pack_writer *writer, struct seed_record_codec *codec,
			    struct seed_pack_facts *facts, struct seed_error *err);
/* Not finished: the file is left as it is; the caller sweeps it. NULL is fine. */
void seed_pack_writer_close(struct seed_pack_writer *writer);
static inline void seed_pack_writer_closep(struct seed_pack_writer **w)
{
	seed_pack_writer_close(*w);
}

#endif
