// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pack/sealed_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "crypto/digest.h"
#include "crypto/random.h"
#include "pack/pack_internal.h"
#include "pack/sealed_internal.h"

#define LEVEL 1				/* digests do not shrink, the rest is small */
#define STORED_ROOM (SEED_SEALED_CHUNK + 128u)
#define DIRTY_MAX ((uint64_t)32 << 20)	/* bytes between two syncs: progress stays true */

struct seed_file_writer {
	int fd;
	bool dead;			/* after a failure or the end: no more bytes */
	char name[SEED_FILE_NAME];
	struct seed_seal seal;
	struct seed_record_codec *codec;	/* sealed only */
	uint32_t records;
	uint8_t *plain, *stored;	/* the chunk that fills; its record (sealed only) */
	size_t fill;
	uint64_t unsynced;
	struct seed_digest_stream plain_hash, stored_hash;	/* of a plain file, the first
								 * alone */
};

static int create_file(struct seed_file_writer *w, int dir, struct seed_error *err)
{
	struct seed_error why = { 0 };

	if (seed_path_open(&w->fd, dir, w->name, O_WRONLY | O_CREAT | O_EXCL, 0644, &why) == 0)
		return 0;
	if (why.sys_errno == EEXIST)
		return seed_error_set(err, SEED_ERR_MEDIUM, "there is a file of that name already");
	if (why.sys_errno == 0)
		return seed_error_set(err, SEED_ERR_MEDIUM,
				      "its folder is missing or not a folder");
	seed_error_sys(err, why.sys_errno, "cannot be created");
	return seed_medium_error(err);
}

/* Stored bytes go out; a crash leaves a torn file that no commit names. */
static int put_stored(struct seed_file_writer *w, const void *data, size_t len,
		      struct seed_error *err)
{
	if (w->seal.sealed)
		seed_digest_add(&w->stored_hash, data, len);
	if (seed_fd_write(w->fd, data, len, err) < 0)
		return seed_medium_error(err);
	w->unsynced += len;
	if (w->unsynced < DIRTY_MAX)
		return 0;
	w->unsynced = 0;
	return seed_fd_sync(w->fd, err) < 0 ? seed_medium_error(err) : 0;
}

static int put_chunk(struct seed_file_writer *w, bool last, struct seed_error *err)
{
	struct seed_record_spec spec = { .number = w->records, .last = last, .plain = w->plain,
					 .plain_len = w->fill };
	size_t len = w->fill;

	w->fill = 0;
	if (!w->seal.sealed)
		return put_stored(w, w->plain, len, err);
	/* The nonce is the record's number: it must not come round. */
	if (w->records == UINT32_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "too long to be sealed");
	w->records++;
	if (seed_record_encode(w->codec, &w->seal, &spec, w->stored, STORED_ROOM, &len, err) < 0)
		return -1;
	return put_stored(w, w->stored, len, err);
}

static int open_writer(struct seed_file_writer *w, int dir, const struct seed_file_id *id,
		       const struct seed_set_key *key, const uint8_t *salt, struct seed_error *err)
{
	uint8_t header[SEED_SEALED_HEADER];

	if (seed_sealed_seal(&w->seal, key, id, salt, err) < 0)
		return -1;
	w->plain = malloc(SEED_SEALED_CHUNK);
	w->stored = key->sealed ? malloc(STORED_ROOM) : NULL;
	if (!w->plain || (key->sealed && !w->stored))
		return seed_error_sys(err, ENOMEM, "file writer");
	if (key->sealed && seed_record_codec_new(&w->codec, LEVEL, err) < 0)
		return -1;
	if (create_file(w, dir, err) < 0)
		return -1;
	seed_sealed_header_put(header, id, salt);
	return key->sealed ? put_stored(w, header, sizeof(header), err) : 0;
}

int seed_file_writer_open_salted(struct seed_file_writer **out, int dir,
				 const struct seed_file_id *id, const struct seed_set_key *key,
				 const uint8_t salt[SEED_SALT_SIZE], struct seed_error *err)
{
	SEED_AUTO(seed_file_writer_closep) struct seed_file_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return seed_error_sys(err, ENOMEM, "file writer");
	w->fd = -1;
	seed_file_name(id, key->sealed, w->name);
	seed_digest_begin(&w->plain_hash);
	seed_digest_begin(&w->stored_hash);
	if (open_writer(w, dir, id, key, salt, err) < 0)
		return seed_error_prefix(err, "%s", w->name);
	*out = seed_steal(&w);
	return 0;
}

int seed_file_writer_open(struct seed_file_writer **out, int dir, const struct seed_file_id *id,
			  const struct seed_set_key *key, struct seed_error *err)
{
	uint8_t salt[SEED_SALT_SIZE] = { 0 };

	if (key->sealed && seed_random(salt, sizeof(salt), err) < 0)
		return -1;
	return seed_file_writer_open_salted(out, dir, id, key, salt, err);
}

static int check_alive(struct seed_file_writer *w, struct seed_error *err)
{
	if (w->dead)
		return seed_error_set(err, SEED_ERR_MEDIUM, "%s: an earlier write failed", w->name);
	return 0;
}

/* A full chunk waits until more comes: only then is it known not to be the last. */
static int put_bytes(struct seed_file_writer *w, const uint8_t *next, size_t len,
		     struct seed_error *err)
{
	size_t part;

	seed_digest_add(&w->plain_hash, next, len);
	while (len) {
		if (w->fill == SEED_SEALED_CHUNK && put_chunk(w, false, err) < 0)
			return -1;
		part = len < SEED_SEALED_CHUNK - w->fill ? len : SEED_SEALED_CHUNK - w->fill;
		memcpy(w->plain + w->fill, next, part);
		w->fill += part;
		next += part;
		len -= part;
	}
	return 0;
}

int seed_file_writer_put(struct seed_file_writer *writer, const void *data, size_t len,
			 struct seed_error *err)
{
	if (check_alive(writer, err) < 0)
		return -1;
	if (put_bytes(writer, data, len, err) == 0)
		return 0;
	writer->dead = true;
	return seed_error_prefix(err, "%s", writer->name);
}

static void take_facts(struct seed_digest_stream *s, struct seed_stored_facts *out)
{
	out->length = s->len;
	seed_digest_end(s, &out->digest);
}

int seed_file_writer_finish(struct seed_file_writer *writer, struct seed_stored_facts *plain,
			    struct seed_stored_facts *stored, struct seed_error *err)
{
	struct seed_stored_facts facts;

	if (check_alive(writer, err) < 0)
		return -1;
	writer->dead = true;
	if (put_chunk(writer, true, err) < 0)
		return seed_error_prefix(err, "%s", writer->name);
	if (seed_fd_sync(writer->fd, err) < 0 || seed_fd_close(&writer->fd, err) < 0) {
		seed_medium_error(err);
		return seed_error_prefix(err, "%s", writer->name);
	}
	take_facts(&writer->plain_hash, &facts);
	if (plain)
		*plain = facts;
	if (writer->seal.sealed)
		take_facts(&writer->stored_hash, &facts);
	if (stored)
		*stored = facts;
	return 0;
}

void seed_file_writer_close(struct seed_file_writer *writer)
{
	if (!writer)
		return;
	seed_fd_closep(&writer->fd);
	seed_record_codec_free(writer->codec);
	free(writer->plain);
	free(writer->stored);
	seed_wipe(&writer->seal, sizeof(writer->seal));
	free(writer);
}
