// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A redo journal. The first byte chooses: 0 takes the rest as the file, as it is; 1 puts a good
 * header before it; otherwise the rest is pieces (length:u8, bytes) that become good entries,
 * and what does not fit a piece follows them. What opens can be read, written to, and opens
 * again with the same blocks.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "block/grid.h"
#include "crypto/digest.h"
#include "support/fuzz_dir.h"

/* With a buffer of little more than an entry, which a sanitizer gives in a fraction of the time, and
 * which is full sooner. */
#define BUFFER (SEED_BLOCK_SIZE + 4096u)
#include "../../libseed/replica/journal.c"

#define ENTRIES 16u		/* that are made good: more of them are only slower */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct seed_id site = { { 1, 2 } }, uuid = { { 3, 4 } };

static size_t put_entry(uint8_t *out, const uint8_t *data, size_t len)
{
	struct seed_digest digest;

	memcpy(out, "VSRE", 4);
	seed_put32(out + 4, (uint32_t)len);
	seed_digest_of(&digest, data, len);
	memcpy(out + 8, digest.bytes, sizeof(digest.bytes));
	memcpy(out + ENTRY, data, len);
	return ENTRY + len;
}

/* Each byte of input is at most one entry. */
static uint8_t *make_file(const uint8_t *data, size_t size, size_t *len)
{
	uint8_t kind = data[0], *out = calloc(1, HEADER + (ENTRY + 1) * size + 1);
	size_t at = 0;

	if (!out)
		abort();
	data++;
	size--;
	if (kind) {
		memcpy(out, "VMSEEDRJ\1", 9);
		memcpy(out + 16, site.bytes, sizeof(site.bytes));
		memcpy(out + 32, uuid.bytes, sizeof(uuid.bytes));
		at = HEADER;
	}
	for (unsigned int n = 0; n < ENTRIES && kind > 1 && size > 1 && data[0] > 0 && data[0] < size;
	     n++) {
		size_t piece = data[0];

		at += put_entry(out + at, data + 1, piece);
		data += piece + 1;
		size -= piece + 1;
	}
	memcpy(out + at, data, size);
	*len = at + size;
	return out;
}

/* Every entry that counts is sound: walk the file that opening left. */
static void check_file(int dir, struct seed_journal *j)
{
	static uint8_t entry[ENTRY + SEED_BLOCK_SIZE], block[SEED_BLOCK_SIZE];
	int fd = openat(dir, "journal", O_RDONLY | O_CLOEXEC);
	off_t at = HEADER, end = lseek(fd, 0, SEEK_END);
	struct seed_digest digest;
	uint32_t len, got;

	if (fd < 0 || (uint64_t)end != seed_journal_bytes(j))
		abort();
	for (; at < end; at += (off_t)(ENTRY + len)) {
		if (pread(fd, entry, sizeof(entry), at) <= (ssize_t)ENTRY)
			abort();
		len = seed_get32(entry + 4);
		seed_digest_of(&digest, entry + ENTRY, len);
		if (memcmp(digest.bytes, entry + 8, sizeof(digest.bytes)) != 0 ||
		    !seed_journal_has(j, &digest) ||
		    seed_journal_read(j, &digest, block, &got, NULL) < 0 || got != len ||
		    memcmp(block, entry + ENTRY, len) != 0)
			abort();
	}
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const subs[] = { NULL };
	int dir = fuzz_dir(subs);
	struct seed_journal *j = NULL;
	struct seed_error err = { 0 };
	struct seed_digest digest;
	uint64_t blocks;
	uint8_t *file;
	size_t len;

	if (size == 0)
		return 0;
	file = make_file(data, size, &len);
	fuzz_dir_put(dir, "journal", file, len);
	free(file);
	if (seed_journal_open(&j, dir, &site, &uuid, NULL, &err) < 0) {
		if (err.kind != SEED_ERR_FORMAT || !err.text[0])
			abort();
		return 0;
	}
	check_file(dir, j);
	seed_digest_of(&digest, "one more", 8);
	if (seed_journal_add(j, &digest, "one more", 8, &err) < 0)
		abort();
	blocks = seed_journal_blocks(j);
	seed_journal_close(j);
	if (seed_journal_open(&j, dir, &site, &uuid, NULL, &err) < 0 ||
	    seed_journal_blocks(j) != blocks || !seed_journal_has(j, &digest))
		abort();
	seed_journal_close(j);
	return 0;
}
