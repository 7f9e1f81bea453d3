/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of a seed other than packs (manifest, digest lists, definition, NVRAM, TPM):
 * plain in a plaintext set, otherwise a header and records (pack/record.h) of up to 1 MiB each.
 *
 *   header[80] = "VMSEEDSF" version:u16=1 role:u16 set[16] seed[16] number:u32 salt[32]
 *
 * Key = HKDF-SHA256(data key, salt, "vmseed " role name " 1" || set || seed || number:u32), the
 * role name being "manifest", "list", "side" or "receipt"; record context = set || seed ||
 * number:u32. Every record but the last holds at least one byte; an empty file is one empty last
 * record. Bound to set and seed, not to a volume: copies may stand on several volumes.
 */
#ifndef SEED_PACK_SEALED_FILE_H
#define SEED_PACK_SEALED_FILE_H

#include "base/vec.h"
#include "pack/pack_format.h"

enum seed_file_role {
	SEED_FILE_MANIFEST = 1, SEED_FILE_LIST = 2, SEED_FILE_SIDE = 3,
	SEED_FILE_RECEIPT = 4,	/* of no seed (@seed is zero), and in no commit:
				 * media/receipt_file.h */
};

struct seed_file_id {
	struct seed_id set, seed;
	enum seed_file_role role;
	uint32_t number;	/* list: disk << 16 | part (from 1); side file: its index; manifest
				 * 0; receipt: its number in receipts/ */
};

#define SEED_FILE_NAME 80
/* "seeds/ID/manifest.json", "seeds/ID/list-0000-0001", "seeds/ID/file-0000" (decimal),
 * "receipts/00000001.json"; sealed ones end in ".sealed", and the manifest is "manifest.sealed".
 * Relative to the set's folder. */
char *seed_file_name(const struct seed_file_id *id, bool sealed, char *out);

struct seed_stored_facts {
	uint64_t length;		/* stored bytes */
	struct seed_digest digest;
};

/* Writing: O_EXCL under the final name, streamed, fsynced by finish. */
struct seed_file_writer;
int seed_file_writer_open(struct seed_file_writer **out, int dir, const struct seed_file_id *id,
			  const struct seed_set_key *key, struct seed_error *err);
int seed_file_writer_put(struct seed_file_writer *writer, const void *data, size_t len,
			 struct seed_error *err);
/* *@plain: length and digest of the plaintext; *@stored: of the file. Either may be NULL. */
int seed_file_writer_finish(struct seed_file_writer *writer, struct seed_stored_facts *plain,
			    struct seed_stored_facts *stored, struct seed_error *err);
void seed_file_writer_close(struct seed_file_writer *writer);
static inline void seed_file_writer_closep(struct seed_file_writer **w)
{
	seed_file_writer_close(*w);
}

/**
 * seed_stored_file_read() - stream a file's plaintext, checked
 * @stored: what the commit says; checked over the stored bytes on the way, and at the end
 * @plain_max: more plaintext than this is RANGE
 * @put: receives plaintext in order; it may have seen bytes of a file that then fails, so it acts
 *       only after success
 */
int seed_stored_file_read(int dir, const struct seed_file_id *id, const struct seed_set_key *key,
			  const struct seed_stored_facts *stored, uint64_t plain_max,
			  int (*put)(void *arg, const void *data, size_t len,
				     struct seed_error *err),
			  void *arg, struct seed_error *err);
/* The same into memory; the caller frees *@out (NUL-terminated). */
int seed_stored_file_load(int dir, const struct seed_file_id *id, const struct seed_set_key *key,
			  const struct seed_stored_facts *stored, size_t plain_max, char **out,
			  size_t *len, struct seed_error *err);

#endif
