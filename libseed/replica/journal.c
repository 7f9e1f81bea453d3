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
 * The index has 8 bytes for a slot: 20 bits of the digest, and the offset of the entry, whose whole
 * digest is looked at in the file before the slot counts. So nobody gains by blocks that agree in a
 * few bits. A table that is full stays, and one of twice its size is begun beside it: nothing is
 * ever moved, which would need the digests of all entries, or the room for both.
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
#define FIRST_SLOTS 1024u
#define TABLES 36u		/* more slots than offsets have blocks */
#define OFFSET_BITS 44u
#define OFFSET_END ((uint64_t)1 << OFFSET_BITS)	/* 16 TiB of a journal */

static const char file_magic[8] = { 'V', 'M', 'S', 'E', 'E', 'D', 'R', 'J' };
static const char entry_magic[4] = { 'V', 'S', 'R', 'E' };

/* Open addressing; a slot is 20 bits of the digest above the offset of the entry, 0: it is free. */
struct table {
	uint64_t *slots;
	size_t size, count;		/* slots, a power of two; those that are used, never all */
};

struct seed_journal {
	int fd;
	uint64_t written;		/* bytes in the file; the buffer's belong behind them */
	uint8_t *buffer;
	size_t used;
	struct table tables[TABLES];	/* all but the last are full */
	unsigned int table_count;
	size_t count;			/* entries */
	uint64_t opened_at;		/* the end of the file when it was opened */
	struct seed_error dead;		/* a failed fsync: what the file holds is not known */
};

/* ---- reading bytes ---- */

static int read_bytes(const struct seed_journal *j, uint64_t offset, void *buf, size_t len,
		      struct seed_error *err)
{
	if (offset < j->written)	/* no entry lies across */
		return seed_fd_pread(j->fd, buf, len, offset, err);
	memcpy(buf, j->buffer + (offset - j->written), len);
	return 0;
}

/* ---- index ---- */

static uint64_t tag_of(const uint8_t *digest)
{
	return (uint64_t)seed_get32(digest + 8) << OFFSET_BITS;
}

/* The first bytes of a digest choose its place, others are its tag. */
static size_t home_of(const struct table *t, const uint8_t *digest)
{
	return (size_t)seed_get64(digest) & (t->size - 1);
}

/* The offset of the entry of @digest; 0: there is none. */
static int find(const struct seed_journal *j, const struct seed_digest *digest, uint64_t *offset,
		struct seed_error *err)
{
	uint64_t tag = tag_of(digest->bytes);
	uint8_t got[SEED_DIGEST_SIZE];

	*offset = 0;
	for (unsigned int i = j->table_count; i-- > 0;) {
		const struct table *t = &j->tables[i];

		for (size_t at = home_of(t, digest->bytes); t->slots[at];
		     at = (at + 1) & (t->size - 1)) {
			uint64_t found = t->slots[at] & (OFFSET_END - 1);

			if ((t->slots[at] ^ tag) >> OFFSET_BITS)
				continue;
			if (read_bytes(j, found + 8, got, sizeof(got), err) < 0)
				return -1;
			if (memcmp(got, digest->bytes, sizeof(got)) != 0)
				continue;
			*offset = found;
			return 0;
		}
	}
	return 0;
}

static int add_table(struct seed_journal *j, struct seed_error *err)
{
	struct table *t = &j->tables[j->table_count];

	if (j->table_count == TABLES)
		return seed_error_set(err, SEED_ERR_RANGE, NAME ": too many blocks");
	t->size = (size_t)FIRST_SLOTS << j->table_count;
	t->count = 0;
	t->slots = calloc(t->size, sizeof(*t->slots));
	if (!t->slots)
		return seed_error_sys(err, ENOMEM, "index of the journal");
	j->table_count++;
	return 0;
}

/* Room for one more, so that noting it cannot fail. Seven of eight slots are used at most. */
static int make_slot(struct seed_journal *j, struct seed_error *err)
{
	const struct table *t = j->table_count ? &j->tables[j->table_count - 1] : NULL;

	return !t || t->count + 1 > t->size / 8 * 7 ? add_table(j, err) : 0;
}

static void note_entry(struct seed_journal *j, const uint8_t *digest, uint64_t offset)
{
	struct table *t = &j->tables[j->table_count - 1];
	size_t at = home_of(t, digest);

	while (t->slots[at])
		at = (at + 1) & (t->size - 1);
	t->slots[at] = tag_of(digest) | offset;
	t->count++;
	j->count++;
}

bool seed_journal_has(const struct seed_journal *journal, const struct seed_digest *digest)
{
	uint64_t offset;

	return find(journal, digest, &offset, NULL) == 0 && offset;
}

bool seed_journal_had(const struct seed_journal *journal, const struct seed_digest *digest)
{
	uint64_t offset;

	return find(journal, digest, &offset, NULL) == 0 && offset && offset < journal->opened_at;
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

/* The entry at j->written; the first of two equal ones stays. */
static int note_found(struct seed_journal *j, const uint8_t *bytes, struct seed_error *err)
{
	struct seed_digest digest;
	uint64_t offset;

	memcpy(digest.bytes, bytes, SEED_DIGEST_SIZE);
	if (j->written >= OFFSET_END)
		return seed_error_set(err, SEED_ERR_RANGE, "of more than 16 TiB");
	if (find(j, &digest, &offset, err) < 0 || make_slot(j, err) < 0)
		return -1;
	if (!offset)
		note_entry(j, bytes, j->written);
	return 0;
}

static int show_opening(const struct seed_journal *j, const struct seed_events *events,
			struct seed_error *err)
{
	struct stat st;

	if (!events)
		return 0;
	if (fstat(j->fd, &st) < 0)
		return seed_error_sys(err, errno, "fstat");
	seed_event_send(events, &(struct seed_event){
		.kind = SEED_EVENT_PROGRESS, .phase = "reading what had arrived",
		.done = j->written, .total = (uint64_t)st.st_size });
	return 0;
}

/* Leaves j->written where the sound entries end. */
static int read_entries(struct seed_journal *j, const struct seed_events *events,
			const struct seed_cancel *cancel, struct seed_error *err)
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
			if (show_opening(j, events, err) < 0 ||
			    read_ahead(j, j->written, err) < 0)
				return -1;
			from = 0;
		}
		len = check_entry(j->buffer + from, j->used - from);
		if (len == 0)
			return 0;
		if (note_found(j, j->buffer + from + 8, err) < 0)
			return -1;
		from += len;
		j->written += len;
	}
}

static int load(struct seed_journal *j, int dir, const uint8_t *want,
		const struct seed_events *events, const struct seed_cancel *cancel,
		struct seed_error *err)
{
	static const uint8_t zero[HEADER];
	uint8_t got[HEADER + sizeof(entry_magic)];
	struct stat st;
	size_t len;
	int rc;

	if (seed_fd_pread_some(j->fd, got, sizeof(got), 0, &len, err) < 0)
		return -1;
	/* Zeroes with an entry behind them are no beginning that was cut short: they are rot. */
	if (len < HEADER ||
	    (memcmp(got, zero, HEADER) == 0 &&
	     (len < sizeof(got) || memcmp(got + HEADER, entry_magic, sizeof(entry_magic)) != 0)))
		return begin_file(j, dir, want, err);
	if (check_header(got, want, err) < 0)
		return -1;
	rc = read_entries(j, events, cancel, err);
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
	return seed_journal_open_shown(out, dir, site, uuid, NULL, cancel, err);
}

int seed_journal_open_shown(struct seed_journal **out, int dir, const struct seed_id *site,
			    const struct seed_id *uuid, const struct seed_events *events,
			    const struct seed_cancel *cancel, struct seed_error *err)
{
	SEED_AUTO(seed_journal_closep) struct seed_journal *j = malloc(sizeof(*j));
	uint8_t header[HEADER];

	if (!j)
		return seed_error_sys(err, ENOMEM, NAME);
	*j = (struct seed_journal){ .fd = -1 };
	make_header(header, site, uuid);
	j->buffer = seed_buffer_new(BUFFER, err);
	if (!j->buffer ||
	    seed_path_open(&j->fd, dir, NAME, O_RDWR | O_CREAT, 0600, err) < 0)
		return -1;
	if (load(j, dir, header, events, cancel, err) < 0)
		return seed_error_prefix(err, NAME);
	j->opened_at = j->written;
	*out = seed_steal(&j);
	return 0;
}

int seed_journal_mend(int dir, const struct seed_id *site, const struct seed_id *uuid,
		      struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int fd = -1;
	uint8_t header[HEADER];

	make_header(header, site, uuid);
	if (seed_path_open(&fd, dir, NAME, O_WRONLY, 0, err) < 0)
		return -1;
	if (seed_fd_pwrite(fd, header, HEADER, 0, err) < 0 || seed_fd_sync(fd, err) < 0)
		return seed_error_prefix(err, NAME);
	return 0;
}

int seed_journal_count(int dir, uint64_t *blocks, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int fd = -1;
	struct seed_error why = { 0 };
	uint64_t offset = HEADER;
	uint8_t entry[ENTRY];
	struct stat st;
	size_t got;

	*blocks = 0;
	if (seed_path_open(&fd, dir, NAME, O_RDONLY, 0, &why) < 0) {
		if (why.kind == SEED_ERR_NOTFOUND)
			return 0;
		*err = why;
		return -1;
	}
	if (fstat(fd, &st) < 0)
		return seed_error_sys(err, errno, NAME);
	while (offset + ENTRY < (uint64_t)st.st_size) {
		uint32_t len;

		if (seed_fd_pread_some(fd, entry, ENTRY, offset, &got, err) < 0)
			return seed_error_prefix(err, NAME);
		len = got == ENTRY ? seed_get32(entry + 4) : 0;
		if (len == 0 || len > SEED_BLOCK_SIZE ||
		    memcmp(entry, entry_magic, sizeof(entry_magic)) != 0 ||
		    len > (uint64_t)st.st_size - offset - ENTRY)
			break;
		offset += ENTRY + len;
		++*blocks;
	}
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
	for (unsigned int i = 0; i < journal->table_count; i++)
		free(journal->tables[i].slots);
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
	if (journal->written + journal->used >= OFFSET_END)
		return seed_error_set(err, SEED_ERR_RANGE,
				      NAME ": more than 16 TiB would lie there");
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

	if (find(j, digest, offset, err) < 0)
		return seed_error_prefix(err, NAME);
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
