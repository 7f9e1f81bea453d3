// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pack/sealed_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "crypto/digest.h"
#include "pack/in_file.h"
#include "pack/pack_internal.h"
#include "pack/sealed_internal.h"

struct plain_sink {
	int (*put)(void *arg, const void *data, size_t len, struct seed_error *err);
	void *arg;
	uint64_t max, sum;
	bool refused;			/* the error is @put's own, already worded */
};

struct sealed_reader {
	struct seed_in_file in;
	uint64_t at;			/* bytes read */
	struct seed_digest_stream hash;	/* over them */
	struct seed_seal seal;
	struct seed_record_codec *codec;
	uint8_t *stored, *plain;
};

static void end_readp(struct sealed_reader *r)
{
	seed_in_file_closep(&r->in);
	seed_record_codec_free(r->codec);
	seed_wipe(&r->seal, sizeof(r->seal));
	free(r->stored);
	free(r->plain);
}

static int deliver(struct plain_sink *sink, const void *data, size_t len, struct seed_error *err)
{
	if (len > sink->max - sink->sum)
		return seed_error_set(err, SEED_ERR_RANGE, "longer than the %ju bytes expected",
				      (uintmax_t)sink->max);
	sink->sum += len;
	if (len == 0 || sink->put(sink->arg, data, len, err) == 0)
		return 0;
	sink->refused = true;
	return -1;
}

/* The next @len stored bytes, counted and hashed on their way. */
static int take(struct sealed_reader *r, uint8_t *buf, size_t len, struct seed_error *err)
{
	if (len > r->in.length - r->at)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "ends within a record");
	if (seed_fd_pread(r->in.fd, buf, len, r->at, err) < 0) {
		if (err && err->kind == SEED_ERR_FORMAT)
			err->kind = SEED_ERR_INTEGRITY;
		return seed_medium_error(err);
	}
	seed_digest_add(&r->hash, buf, len);
	r->at += len;
	return 0;
}

static int read_plain(struct sealed_reader *r, struct plain_sink *sink, struct seed_error *err)
{
	size_t len;

	while (r->at < r->in.length) {
		len = r->in.length - r->at < SEED_SEALED_CHUNK ?
		      (size_t)(r->in.length - r->at) : SEED_SEALED_CHUNK;
		if (take(r, r->plain, len, err) < 0 || deliver(sink, r->plain, len, err) < 0)
			return -1;
	}
	return 0;
}

/* One record; *@last says whether it claims to be the last. */
static int read_record(struct sealed_reader *r, struct plain_sink *sink, uint32_t number,
		       bool *last, struct seed_error *err)
{
	struct seed_record_plain info;
	uint32_t found;
	uint64_t whole;

	if (take(r, r->stored, SEED_RECORD_HEADER, err) < 0)
		return -1;
	if (seed_record_header(r->stored, &found, last, &whole, err) < 0) {
		if (err)
			err->kind = SEED_ERR_INTEGRITY;
		return -1;
	}
	if (take(r, r->stored + SEED_RECORD_HEADER, (size_t)whole - SEED_RECORD_HEADER, err) < 0 ||
	    seed_record_decode(r->codec, &r->seal, number, *last, r->stored, (size_t)whole,
			       r->plain, SEED_SEALED_CHUNK, &info, err) < 0)
		return -1;
	if (info.blocks != 0 || (info.plain_len == 0 && !*last))
		return seed_error_set(err, SEED_ERR_INTEGRITY, "record %u is not of such a file",
				      number);
	return deliver(sink, r->plain, info.plain_len, err);
}

static int read_sealed(struct sealed_reader *r, const struct seed_file_id *id,
		       const struct seed_set_key *key, struct plain_sink *sink,
		       struct seed_error *err)
{
	uint8_t header[SEED_SEALED_HEADER], salt[SEED_SALT_SIZE];
	bool last = false;

	if (take(r, header, sizeof(header), err) < 0 ||
	    seed_sealed_header_check(header, id, salt, err) < 0 ||
	    seed_sealed_seal(&r->seal, key, id, salt, err) < 0)
		return -1;
	r->stored = malloc(SEED_RECORD_MAX);
	if (!r->stored)
		return seed_error_sys(err, ENOMEM, "file reader");
	if (seed_record_codec_new(&r->codec, 1, err) < 0)
		return -1;
	/* Each record takes bytes of a file of known length: this ends. */
	for (uint32_t number = 0; !last; number++) {
		if (read_record(r, sink, number, &last, err) < 0)
			return -1;
	}
	if (r->at != r->in.length)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "bytes behind its last record");
	return 0;
}

static int read_checked(struct sealed_reader *r, int dir, const char *name,
			const struct seed_file_id *id, const struct seed_set_key *key,
			const struct seed_stored_facts *stored, struct plain_sink *sink,
			struct seed_error *err)
{
	struct seed_digest digest;

	if (seed_in_file_open(&r->in, dir, name, err) < 0)
		return -1;
	if (r->in.length != stored->length)
		return seed_error_set(err, SEED_ERR_INTEGRITY, "%ju bytes long instead of %ju",
				      (uintmax_t)r->in.length, (uintmax_t)stored->length);
	r->plain = malloc(SEED_SEALED_CHUNK);
	if (!r->plain)
		return seed_error_sys(err, ENOMEM, "file reader");
	if ((key->sealed ? read_sealed(r, id, key, sink, err) : read_plain(r, sink, err)) < 0)
		return -1;
	seed_digest_end(&r->hash, &digest);
	if (!seed_digest_equal(&digest, &stored->digest))
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "differs from the digest in its commit");
	return 0;
}

int seed_stored_file_read(int dir, const struct seed_file_id *id, const struct seed_set_key *key,
			  const struct seed_stored_facts *stored, uint64_t plain_max,
			  int (*put)(void *arg, const void *data, size_t len,
				     struct seed_error *err),
			  void *arg, struct seed_error *err)
{
	SEED_AUTO(end_readp) struct sealed_reader r = { .in = SEED_IN_FILE_CLOSED };
	struct plain_sink sink = { .put = put, .arg = arg, .max = plain_max };
	char name[SEED_FILE_NAME];

	seed_digest_begin(&r.hash);
	seed_file_name(id, key->sealed, name);
	if (read_checked(&r, dir, name, id, key, stored, &sink, err) == 0)
		return 0;
	return sink.refused ? -1 : seed_error_prefix(err, "%s", name);
}

struct memory {
	char *data;
	size_t len, room;
	size_t max;
};

static int put_memory(void *arg, const void *data, size_t len, struct seed_error *err)
{
	struct memory *m = arg;
	size_t room = m->room;
	char *more;

	/* read() has held the sum below @max. */
	if (len >= room - m->len) {
		room = m->len + len + 1 > 2 * room ? m->len + len + 1 : 2 * room;
		if (room > m->max + 1)
			room = m->max + 1;
		more = realloc(m->data, room);
		if (!more)
			return seed_error_sys(err, ENOMEM, "file of %zu bytes", m->len + len);
		m->data = more;
		m->room = room;
	}
	memcpy(m->data + m->len, data, len);
	m->len += len;
	return 0;
}

int seed_stored_file_load(int dir, const struct seed_file_id *id, const struct seed_set_key *key,
			  const struct seed_stored_facts *stored, size_t plain_max, char **out,
			  size_t *len, struct seed_error *err)
{
	struct memory m = { .data = malloc(1), .room = 1, .max = plain_max };

	if (!m.data)
		return seed_error_sys(err, ENOMEM, "file reader");
	if (plain_max >= SIZE_MAX / 2) {
		free(m.data);
		return seed_error_set(err, SEED_ERR_RANGE, "files of %zu bytes in memory",
				      plain_max);
	}
	if (seed_stored_file_read(dir, id, key, stored, plain_max, put_memory, &m, err) < 0) {
		free(m.data);
		return -1;
	}
	m.data[m.len] = '\0';
	*out = m.data;
	*len = m.len;
	return 0;
}
