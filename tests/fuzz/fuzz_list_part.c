// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Digest lists from a medium. Input: blocks of the disk (2 bytes), bytes at a time (1),
 * length of the first part (2); then the parts. What is accepted is written anew and read
 * again: the same list.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/vec.h"
#include "block/list_part.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int feed(struct seed_list_reader *r, uint32_t part, const uint8_t *data, size_t size,
		size_t step)
{
	if (seed_list_reader_begin_part(r, part, NULL) < 0)
		return -1;
	for (size_t at = 0; at < size; at += step)
		if (seed_list_reader_add(r, data + at, size - at < step ? size - at : step,
					 NULL) < 0)
			return -1;
	return seed_list_reader_end_part(r, NULL);
}

static int put_bytes(void *arg, const void *data, size_t len, struct seed_error *err)
{
	return seed_buf_add(arg, data, len, err);
}

/* Write it anew and read that into another list: equal, and as many data blocks. */
static void check_again(struct seed_list *list, struct seed_list *again, uint64_t data_blocks)
{
	SEED_AUTO(seed_list_reader_freep) struct seed_list_reader *r = NULL;
	uint64_t blocks = seed_list_blocks(list), next, found;
	struct seed_buf buf = { 0 };
	struct seed_digest a, b;

	assert(seed_list_part_write(list, 1, 1, 0, &next, SEED_LIST_PART_MAX, put_bytes, &buf,
				    NULL) == 0);
	assert(next == blocks);
	assert(seed_list_reader_new(&r, 1, blocks, again, NULL) == 0);
	assert(feed(r, 1, (const uint8_t *)buf.data, buf.len, 4096) == 0);
	assert(seed_list_reader_finish(r, &found, NULL) == 0 && found == data_blocks);
	for (uint64_t i = 0; i < blocks; i++) {
		assert(seed_list_get(list, i, &a, 1, NULL) == 0);
		assert(seed_list_get(again, i, &b, 1, NULL) == 0);
		assert(memcmp(&a, &b, sizeof(a)) == 0);
	}
	seed_buf_free(&buf);
}

struct input {
	uint64_t blocks;
	const uint8_t *data;
	size_t size, first, step;	/* bytes: in all, of part 1, at a time */
};

static int read_all(const struct input *in, struct seed_list *into, uint64_t *found)
{
	SEED_AUTO(seed_list_reader_freep) struct seed_list_reader *r = NULL;

	assert(seed_list_reader_new(&r, 1, in->blocks, into, NULL) == 0);
	if (feed(r, 1, in->data, in->first, in->step) < 0 ||
	    (in->first < in->size &&
	     feed(r, 2, in->data + in->first, in->size - in->first, in->step) < 0))
		return -1;
	return seed_list_reader_finish(r, found, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
	SEED_AUTO(seed_list_closep) struct seed_list *again = NULL;
	struct input in = { 0 };
	uint64_t found, checked;

	if (size < 5)
		return 0;
	in.data = data + 5;
	in.size = size - 5;
	in.blocks = seed_get16(data);
	in.step = data[2] + 1u;
	in.first = seed_get16(data + 3);
	if (in.first > in.size)
		in.first = in.size;
	if (read_all(&in, NULL, &checked) < 0)
		return 0;
	assert(checked <= in.blocks);
	assert(seed_list_create(&list, AT_FDCWD, ".fuzz-list-a", in.blocks, NULL) == 0);
	assert(seed_list_create(&again, AT_FDCWD, ".fuzz-list-b", in.blocks, NULL) == 0);
	unlink(".fuzz-list-a");
	unlink(".fuzz-list-b");
	assert(read_all(&in, list, &found) == 0 && found == checked);
	check_again(list, again, found);
	return 0;
}
