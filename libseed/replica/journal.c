// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Entries gather in a buffer and are written a mebibyte at a time; an entry in the buffer is
 * read from there. When a write fails, say for lack of room, the buffer stays as it is: all that
 * was taken can still be read, and the next add or sync tries again at the same offset.
 *
 * What a crash leaves: no file, a header that is short or zero (begun anew), or a file whose
 * tail is torn. Entries are checked one by one at opening, so nothing is believed that was not
 * written whole.
 *
 * The index has 128 bits of each digest. Two blocks that agree in these would take 2^64 hashes to
 * find; reading compares the whole digest, so the second of them is damage, never a wrong block.
 */
#include "replica/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "block/grid.h"
#include "crypto/digest.h"

#define NAME "journal"
#define HEADER SEED_JOURNAL_HEADER
#define ENTRY 40u		/* bytes before the block */
#ifndef BUFFER			/* its fuzz target has a smaller one */
#define BUFFER (1u << 20)
#endif
#define PREFIX 16u		/* bytes of a digest in the index */
#define FIRST_SLOTS 1024u

static const char file_magic[8] = { 'V', 'M', 'S', 'E', 'E', 'D', 'R', 'J' };
static const char entry_magic[4] = { 'V', 'S', 'R', 'E' };

struct slot {
	uint8_t prefix[PREFIX];
	uint64_t offset;		/* of the entry; 0: the slot is free */
};

struct seed_journal {
	int fd;
	uint64_t written;		/* bytes in the file; the buffer's belong behind them */
	uint8_t *buffer;
	size_t used;
	struct slot *slots;		/* open addressing; a power of two, never full */
	size_t slot_count, count;
	uint64_t opened_at;		/* the end of the file when it was opened */
	struct seed_error dead;		/* a failed fsync: what the file holds is not known */
};

/* ---- index ---- */

/* The slot of @digest: where it is, or the free one where it would be. */
static struct slot *find_slot(const struct slot *slots, size_t count, const uint8_t *digest)
{
	size_t at = (size_t)seed_get64(digest) & (count - 1);

	while (slots[at].offset && memcmp(slots[at].prefix, digest, PREFIX) != 0)
		at = (at + 1) & (count - 1);
	return (struct slot *)&slots[at];
}

static int grow_index(struct seed_journal *j, struct seed_error *err)
{
	size_t count = j->slot_count ? j->slot_count * 2 : FIRST_SLOTS;
	struct slot *slots = calloc(count, sizeof(*slots));

	if (!slots)
		return seed_error_sys(err, ENOMEM, "index of the journal");
	for (size_t i = 0; i < j->slot_count; i++)
		if (j->slots[i].offset)
			*find_slot(slots, count, j->slots[i].prefix) = j->slots[i];
	free(j->slots);
	j->slots = slots;
	j->slot_count = count;
	return 0;
}

/* Room for one more, so that noting it cannot fail. Seven of eight slots are used at most. */
static int make_slot(struct seed_journal *j, struct seed_error *err)
{
	return j->count + 1 > j->slot_count / 8 * 7 ? grow_index(j, err) : 0;
}

/* The first of two equal entries stays. */
static void note_entry(struct seed_journal *j, const uint8_t *digest, uint64_t offset)
{
	struct slot *slot = find_slot(j->slots, j->slot_count, digest);

	if (slot->offset)
		return;
	memcpy(slot->prefix, digest, PREFIX);
	slot->offset = offset;
	j->count++;
}

bool seed_journal_has(const struct seed_journal *journal, const struct seed_digest *digest)
{
	return find_slot(journal->slots, journal->slot_count, digest->bytes)->offset != 0;
}

bool seed_journal_had(const struct seed_journal *journal, const struct seed_digest *digest)
{
	uint64_t offset = find_slot(journal->slots, journal->slot_count, digest->bytes)->offset;

	return offset && offset < journal->opened_at;
}

/* ---- opening ---- */

static void make_header(uint8_t out[HEADER], const struct seed_id *site, const struct seed_id *uuid)
{
	memset(out, 0, HEADER);
	memcpy(out, file_magic, sizeof(file_magic));
	seed_put16(out + 8, 1);
	memcpy(out + 16, site->bytes, SEED_ID_SIZE);
	memcpy(out + 32, uuid->bytes, SEED_ID_SIZE);
}

static int check_header(const uint8_t *got, const uint8_t *want, struct seed_error *err)
{
	if (memcmp(got, file_magic, sizeof(file_magic)) != 0)
		return seed_error_set(err, SEED_ERR_FORMAT, "not a journal of a replica");
	if (seed_get16(got + 8) != 1)
		return seed_error_set(err, SEED_ERR_FORMAT, "version %u is not understood here",
				      seed_get16(got + 8));
	if (memcmp(got + 16, want + 16, 2 * SEED_ID_SIZE) != 0)
		return seed_error_set(err, SEED_ERR_FORMAT, "is of another replica");
	if (memcmp(got, want, HEADER) != 0)
		return seed_error_set(err, SEED_ERR_FORMAT, "malformed header");
	return 0;
}

/* Durable with its name, so that a file with entries always has a header. */
static int begin_file(struct seed_journal *j, int dir, const uint8_t *header,
		      struct seed_error *err)
{
	if (ftruncate(j->fd, 0) < 0)
		return seed_error_sys(err, errno, "truncate");
	if (seed_fd_pwrite(j->fd, header, HEADER, 0, err) < 0 || seed_fd_sync(j->fd, err) < 0)
		return -1;
	j->written = HEADER;
	return seed_fd_sync(dir, err);
}

/* A window of the file in j->buffer, j->used bytes from @at on. */
static int read_ahead(struct seed_journal *j, uint64_t at, struct seed_error *err)
{
	return seed_fd_pread_some(j->fd, j->buffer, BUFFER, at, &j->used, err);
}

/* Length of a whole and sound entry in @left bytes; 0: it is none. */
static size_t check_entry(const uint8_t *entry, size_t left)
{
	struct seed_digest digest;
	uint32_t len;

	if (left <= ENTRY || memcmp(entry, entry_magic, sizeof(entry_magic)) != 0)
		return 0;
	len = seed_get32(entry + 4);
	if (len == 0 || len > SEED_BLOCK_SIZE || len > left - ENTRY)
		return 0;
	seed_digest_of(&digest, entry + ENTRY, len);
	return memcmp(digest.bytes, entry + 8, SEED_DIGEST_SIZE) == 0 ? ENTRY + len : 0;
}

/* Leaves j->written where the sound entries end. */
static int read_entries(struct seed_journal *j, const struct seed_cancel *cancel,
			struct seed_error *err)
{
	size_t from = 0;

	j->written = HEADER;
	if (read_ahead(j, j->written, err) < 0)
		return -1;
	for (;;) {
		size_t len;

		if (seed_cancelled(cancel, err) < 0)
			return -1;
		if (j->used - from < ENTRY + SEED_BLOCK_SIZE && j->used == BUFFER) {
			if (read_ahead(j, j->written, err) < 0)
				return -1;
			from = 0;
		}
		len = check_entry(j->buffer + from, j->used - from);
		if (len == 0)
			return 0;
		if (make_slot(j, err) < 0)
			return -1;
		note_entry(j, j->buffer + from + 8, j->written);
		from += len;
		j->written += len;
	}
}

static int load(struct seed_journal *j, int dir, const uint8_t *want,
		const struct seed_cancel *cancel, struct seed_error *err)
{
	static const uint8_t zero[HEADER];
	uint8_t got[HEADER];
	struct stat st;
	size_t len;
	int rc;

	if (seed_fd_pread_some(j->fd, got, HEADER, 0, &len, err) < 0)
		return -1;
	if (len < HEADER || memcmp(got, zero, HEADER) == 0)
		return begin_file(j, dir, want, err);
	if (check_header(got, want, err) < 0)
		return -1;
	rc = read_entries(j, cancel, err);
	j->used = 0;
	if (rc < 0)
		return -1;
	if (fstat(j->fd, &st) < 0)
		return seed_error_sys(err, errno, "fstat");
	if ((uint64_t)st.st_size > j->written && ftruncate(j->fd, (off_t)j->written) < 0)
		return seed_error_sys(err, errno, "cut off the damaged tail");
	return 0;
}

int seed_journal_open(struct seed_journal **out, int dir, const struct seed_id *site,
		      const struct seed_id *uuid, const struct seed_cancel *cancel,
		      struct seed_error *err)
{
	SEED_AUTO(seed_journal_closep) struct seed_journal *j = malloc(sizeof(*j));
	uint8_t header[HEADER];

	if (!j)
		return seed_error_sys(err, ENOMEM, NAME);
	*j = (struct seed_journal){ .fd = -1 };
	make_header(header, site, uuid);
	j->buffer = seed_buffer_new(BUFFER, err);
	if (!j->buffer || grow_index(j, err) < 0 ||
	    seed_path_open(&j->fd, dir, NAME, O_RDWR | O_CREAT, 0600, err) < 0)
		return -1;
	if (load(j, dir, header, cancel, err) < 0)
		return seed_error_prefix(err, NAME);
	j->opened_at = j->written;
	*out = seed_steal(&j);
	return 0;
}

void seed_journal_close(struct seed_journal *journal)
{
	if (!journal)
		return;
	/* What was not written is fetched again. */
	if (journal->used && !journal->dead.kind)
		(void)seed_fd_pwrite(journal->fd, journal->buffer, journal->used,
				     journal->written, NULL);
	seed_fd_closep(&journal->fd);
	free(journal->buffer);
	free(journal->slots);
	free(journal);
}

/* ---- adding ---- */

static int flush(struct seed_journal *j, struct seed_error *err)
{
	struct seed_error inner = { 0 };

	if (j->dead.kind) {
		if (err)
			*err = j->dead;
		return -1;
	}
	if (j->used == 0)
		return 0;
	if (seed_fd_pwrite(j->fd, j->buffer, j->used, j->written, &inner) < 0) {
		/* Half an entry would be cut off at the next opening; gone now it leaves its
		 * room. */
		(void)!ftruncate(j->fd, (off_t)j->written);
		if (err)
			*err = inner;
		return seed_error_prefix(err, NAME);
	}
	/* The fsync that the peer waits for finds little left to do. */
	seed_fd_begin_writing(j->fd, j->written, j->used);
	j->written += j->used;
	j->used = 0;
	return 0;
}

int seed_journal_add(struct seed_journal *journal, const struct seed_digest *digest,
		     const void *data, uint32_t len, struct seed_error *err)
{
	uint8_t *entry;

	if (len == 0 || len > SEED_BLOCK_SIZE)
		return seed_error_set(err, SEED_ERR_RANGE, NAME ": a block of %u bytes", len);
	if (seed_journal_has(journal, digest))
		return 0;
	if (BUFFER - journal->used < ENTRY + len && flush(journal, err) < 0)
		return -1;
	if (make_slot(journal, err) < 0)
		return -1;
	entry = journal->buffer + journal->used;
	memcpy(entry, entry_magic, sizeof(entry_magic));
	seed_put32(entry + 4, len);
	memcpy(entry + 8, digest->bytes, SEED_DIGEST_SIZE);
	memcpy(entry + ENTRY, data, len);
	note_entry(journal, digest->bytes, journal->written + journal->used);
	journal->used += ENTRY + len;
	return 0;
}

int seed_journal_sync(struct seed_journal *journal, struct seed_error *err)
{
	if (flush(journal, err) < 0)
		return -1;
	if (seed_fd_sync(journal->fd, &journal->dead) == 0)
		return 0;
	seed_error_prefix(&journal->dead, NAME);
	if (err)
		*err = journal->dead;
	return -1;
}

/* ---- reading ---- */

static int read_bytes(struct seed_journal *j, uint64_t offset, void *buf, size_t len,
		      struct seed_error *err)
{
	if (offset < j->written)	/* no entry lies across */
		return seed_fd_pread(j->fd, buf, len, offset, err);
	memcpy(buf, j->buffer + (offset - j->written), len);
	return 0;
}

static int damaged(uint64_t offset, struct seed_error *err)
{
	return seed_error_set(err, SEED_ERR_INTEGRITY, NAME ": the entry at offset %llu is damaged",
			      (unsigned long long)offset);
}

/* The offset and length of an entry. */
static int find_entry(struct seed_journal *j, const struct seed_digest *digest, uint64_t *offset,
		      uint32_t *len, struct seed_error *err)
{
	uint8_t head[ENTRY];

	*offset = find_slot(j->slots, j->slot_count, digest->bytes)->offset;
	if (!*offset)
		return seed_error_set(err, SEED_ERR_NOTFOUND, NAME ": no such block");
	if (read_bytes(j, *offset, head, ENTRY, err) < 0)
		return seed_error_prefix(err, NAME);
	*len = seed_get32(head + 4);
	if (*len == 0 || *len > SEED_BLOCK_SIZE)
		return damaged(*offset, err);
	return 0;
}

int seed_journal_length(struct seed_journal *journal, const struct seed_digest *digest,
			uint32_t *len, struct seed_error *err)
{
	uint64_t offset;

	return find_entry(journal, digest, &offset, len, err);
}

int seed_journal_read(struct seed_journal *journal, const struct seed_digest *digest, void *buf,
		      uint32_t *len, struct seed_error *err)
{
	struct seed_digest got;
	uint64_t offset;
	uint32_t count;

	if (find_entry(journal, digest, &offset, &count, err) < 0)
		return -1;
	if (read_bytes(journal, offset + ENTRY, buf, count, err) < 0)
		return seed_error_prefix(err, NAME);
	seed_digest_of(&got, buf, count);
	if (!seed_digest_equal(&got, digest))
		return damaged(offset, err);
	*len = count;
	return 0;
}

#define MANY 16u	/* that are hashed at once */

/* Without looking whether it is right. */
static int read_block(struct seed_journal *j, const struct seed_digest *digest, uint32_t len,
		      uint8_t *buf, bool *got, struct seed_error *err)
{
	struct seed_error why = { 0 };
	uint64_t offset;
	uint32_t count;

	*got = false;
	if (find_entry(j, digest, &offset, &count, &why) < 0) {
		if (why.kind == SEED_ERR_NOTFOUND || why.kind == SEED_ERR_INTEGRITY)
			return 0;
		if (err)
			*err = why;
		return -1;
	}
	if (count != len)
		return 0;
	if (read_bytes(j, offset + ENTRY, buf, len, &why) < 0) {
		if (why.kind == SEED_ERR_FORMAT)
			return 0;	/* cut off meanwhile */
		if (err)
			*err = why;
		return seed_error_prefix(err, NAME);
	}
	*got = true;
	return 0;
}

static int read_some(struct seed_journal *j, const struct seed_digest *digests,
		     const uint32_t *lens, size_t count, uint8_t *buf, bool *got,
		     struct seed_error *err)
{
	struct seed_digest have[MANY];
	const void *data[MANY];
	size_t sizes[MANY];

	for (size_t i = 0; i < count; i++) {
		data[i] = buf + i * SEED_BLOCK_SIZE;
		if (read_block(j, &digests[i], lens[i], buf + i * SEED_BLOCK_SIZE, &got[i], err) <
		    0)
			return -1;
		sizes[i] = got[i] ? lens[i] : 0;
	}
	seed_digest_many(have, data, sizes, count);
	for (size_t i = 0; i < count; i++)
		got[i] = got[i] && seed_digest_equal(&have[i], &digests[i]);
	return 0;
}

int seed_journal_read_many(struct seed_journal *journal, const struct seed_digest *digests,
			   const uint32_t *lens, size_t count, uint8_t *buf, bool *got,
			   struct seed_error *err)
{
	for (size_t n; count;
	     digests += n, lens += n, got += n, buf += n * SEED_BLOCK_SIZE, count -= n) {
		n = count < MANY ? count : MANY;
		if (read_some(journal, digests, lens, n, buf, got, err) < 0)
			return -1;
	}
	return 0;
}

uint64_t seed_journal_blocks(const struct seed_journal *journal)
{
	return journal->count;
}

uint64_t seed_journal_bytes(const struct seed_journal *journal)
{
	return journal->written + journal->used;
}
