// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * One window of the file is in memory; what was set in it is written when
 * another is needed. Pages of zeroes are not written into a hole, so that a list
 * stays as sparse as its disk.
 */
#include "block/digest_list.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "block/grid.h"

#define WINDOW 8192u		/* digests in memory: 256 KiB; many lists are open at once */
#define PAGE 128u		/* digests that share a page of the file */
#define NO_WINDOW UINT64_MAX

struct seed_list {
	int fd;
	bool writable;
	uint64_t blocks;
	struct seed_digest *window;
	uint64_t first;			/* block of window[0], or NO_WINDOW */
	bool hole;			/* nothing but a hole lies under the window */
	size_t dirty_from, dirty_to;	/* digests of the window that differ from the file */
	struct seed_run known;		/* the last run that was found, or what is known to be left
					 * of it */
	struct seed_error dead;		/* a failed write: what the file holds is not known */
};

const struct seed_digest seed_digest_zero;
const struct seed_digest seed_digest_missing = { {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff,
} };

enum seed_block_kind seed_digest_kind(const struct seed_digest *digest)
{
	if (digest->bytes[0] == 0 && seed_digest_equal(digest, &seed_digest_zero))
		return SEED_BLOCK_ZERO;
	if (digest->bytes[0] == 0xff && seed_digest_equal(digest, &seed_digest_missing))
		return SEED_BLOCK_MISSING;
	return SEED_BLOCK_DATA;
}

/* Digests in the window that begins at @first: the last one may be short. */
static size_t window_count(const struct seed_list *list, uint64_t first)
{
	uint64_t left = list->blocks - first;

	return left < WINDOW ? (size_t)left : WINDOW;
}

static int write_part(struct seed_list *list, size_t from, size_t to, struct seed_error *err)
{
	if (from == to)
		return 0;
	if (seed_fd_pwrite(list->fd, list->window + from, (to - from) * SEED_DIGEST_SIZE,
			   (list->first + from) * SEED_DIGEST_SIZE, &list->dead) == 0)
		return 0;
	if (err)
		*err = list->dead;
	return -1;
}

/* Into a hole only pages that hold something. */
static int write_pages(struct seed_list *list, struct seed_error *err)
{
	size_t from = list->dirty_from - list->dirty_from % PAGE, pending = from;
	size_t count = window_count(list, list->first);

	for (size_t page = from; page < list->dirty_to; page += PAGE) {
		size_t end = page + PAGE < count ? page + PAGE : count;

		if (!seed_block_is_zero(list->window + page, (end - page) * SEED_DIGEST_SIZE))
			continue;
		if (write_part(list, pending, page, err) < 0)
			return -1;
		pending = end;
	}
	if (pending >= list->dirty_to)
		return 0;
	return write_part(list, pending, list->dirty_to, err);
}

static int check_alive(const struct seed_list *list, struct seed_error *err)
{
	if (!list->dead.kind)
		return 0;
	if (err)
		*err = list->dead;
	return -1;
}

static int flush_window(struct seed_list *list, struct seed_error *err)
{
	int rc = 0;

	if (check_alive(list, err) < 0)
		return -1;
	if (list->dirty_from < list->dirty_to) {
		rc = list->hole ? write_pages(list, err) :
				  write_part(list, list->dirty_from, list->dirty_to, err);
		list->hole = false;
	}
	list->dirty_from = list->dirty_to = 0;
	return rc;
}

/* The first block at or after @index that is not in a hole; the number of blocks when there is
 * none. Where holes are not known, @index itself. */
static uint64_t skip_hole(const struct seed_list *list, uint64_t index)
{
	off_t data = lseek(list->fd, (off_t)(index * SEED_DIGEST_SIZE), SEEK_DATA);
	uint64_t block;

	if (data < 0)
		return errno == ENXIO ? list->blocks : index;
	block = (uint64_t)data / SEED_DIGEST_SIZE;
	if (block < index)
		return index;
	return block < list->blocks ? block : list->blocks;
}

/* Read what is data beneath the window; reading holes would fill the page cache with them. */
static int read_window(struct seed_list *list, uint64_t first, size_t len, struct seed_error *err)
{
	uint64_t begin = first * SEED_DIGEST_SIZE, end = begin + len, stop;
	uint8_t *to = (uint8_t *)list->window;
	off_t hole;

	list->hole = true;
	memset(to, 0, len);
	for (uint64_t at = begin; at < end; at = stop) {
		at = skip_hole(list, at / SEED_DIGEST_SIZE) * SEED_DIGEST_SIZE;
		if (at >= end)
			break;
		hole = lseek(list->fd, (off_t)at, SEEK_HOLE);
		/* Whole digests, and always one at least. */
		stop = hole < 0 ? end : ((uint64_t)hole / SEED_DIGEST_SIZE + 1) * SEED_DIGEST_SIZE;
		if (stop > end)
			stop = end;
		list->hole = false;
		if (seed_fd_pread(list->fd, to + (at - begin), stop - at, at, err) < 0)
			return -1;
	}
	return 0;
}

/* Have the window that holds @index in memory. */
static int load_window(struct seed_list *list, uint64_t index, struct seed_error *err)
{
	uint64_t first = index - index % WINDOW;

	if (list->first == first)
		return 0;
	if (flush_window(list, err) < 0)
		return -1;
	list->first = NO_WINDOW;
	if (read_window(list, first, window_count(list, first) * SEED_DIGEST_SIZE, err) < 0)
		return -1;
	list->first = first;
	return 0;
}

static int check_range(const struct seed_list *list, uint64_t index, uint64_t count,
		       struct seed_error *err)
{
	if (index <= list->blocks && count <= list->blocks - index)
		return 0;
	return seed_error_set(err, SEED_ERR_RANGE,
			      "blocks %" PRIu64 " to %" PRIu64 " of a digest list of %" PRIu64,
			      index, index + count, list->blocks);
}

static int open_list(struct seed_list **out, int dir, const char *path, uint64_t blocks,
		     int flags, struct seed_error *err)
{
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;

	if (blocks > SEED_DISK_MAX / SEED_BLOCK_SIZE)
		return seed_error_set(err, SEED_ERR_RANGE, "%s: a digest list of %" PRIu64
				      " blocks", path, blocks);
	list = malloc(sizeof(*list));
	if (!list)
		return seed_error_sys(err, ENOMEM, "%s", path);
	*list = (struct seed_list){ .fd = -1, .blocks = blocks, .first = NO_WINDOW,
				    .writable = (flags & O_ACCMODE) == O_RDWR };
	list->window = seed_buffer_new(WINDOW * SEED_DIGEST_SIZE, err);
	if (!list->window || seed_path_open(&list->fd, dir, path, flags, 0600, err) < 0)
		return -1;
	*out = seed_steal(&list);
	return 0;
}

int seed_list_create(struct seed_list **out, int dir, const char *path, uint64_t blocks,
		     struct seed_error *err)
{
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;

	if (open_list(&list, dir, path, blocks, O_RDWR | O_CREAT | O_TRUNC, err) < 0)
		return -1;
	if (ftruncate(list->fd, (off_t)(blocks * SEED_DIGEST_SIZE)) < 0)
		return seed_error_sys(err, errno, "%s: set its size", path);
	*out = seed_steal(&list);
	return 0;
}

int seed_list_open(struct seed_list **out, int dir, const char *path, uint64_t blocks,
		   bool writable, struct seed_error *err)
{
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
	struct stat st;

	if (open_list(&list, dir, path, blocks, writable ? O_RDWR : O_RDONLY, err) < 0)
		return -1;
	if (fstat(list->fd, &st) < 0)
		return seed_error_sys(err, errno, "%s", path);
	if ((uint64_t)st.st_size != blocks * SEED_DIGEST_SIZE)
		return seed_error_set(err, SEED_ERR_FORMAT,
				      "%s: %" PRIu64 " bytes, a digest list of %" PRIu64
				      " blocks has %" PRIu64, path, (uint64_t)st.st_size, blocks,
				      blocks * SEED_DIGEST_SIZE);
	*out = seed_steal(&list);
	return 0;
}

void seed_list_close(struct seed_list *list)
{
	if (!list)
		return;
	(void)flush_window(list, NULL);
	seed_fd_closep(&list->fd);
	free(list->window);
	free(list);
}

uint64_t seed_list_blocks(const struct seed_list *list)
{
	return list->blocks;
}

/* Digests from @index to the end of its window, @count at most. */
static size_t part_count(uint64_t index, uint64_t count)
{
	uint64_t room = WINDOW - index % WINDOW;

	return (size_t)(count < room ? count : room);
}

int seed_list_get(struct seed_list *list, uint64_t index, struct seed_digest *out, size_t count,
		  struct seed_error *err)
{
	if (check_range(list, index, count, err) < 0)
		return -1;
	while (count) {
		size_t n = part_count(index, count);

		if (load_window(list, index, err) < 0)
			return -1;
		memcpy(out, list->window + index % WINDOW, n * sizeof(*out));
		out += n;
		index += n;
		count -= n;
	}
	return 0;
}

static void mark_dirty(struct seed_list *list, size_t from, size_t to)
{
	if (list->dirty_from == list->dirty_to) {
		list->dirty_from = from;
		list->dirty_to = to;
		return;
	}
	if (from < list->dirty_from)
		list->dirty_from = from;
	if (to > list->dirty_to)
		list->dirty_to = to;
}

/*
 * @count blocks from @index on are being set; @same: all of them to the kind of the known run. A
 * walk over a list sets what lies behind it, again and again: what lies ahead is not looked through
 * anew each time.
 */
static void keep_known(struct seed_list *list, uint64_t index, uint64_t count, bool same)
{
	struct seed_run *known = &list->known;
	uint64_t end = known->start + known->count, stop = index + count;

	if (stop <= known->start || index > end || (same && stop <= end))
		return;
	/* Up to its end, or beyond it, where it may be longer now. */
	known->count = !same && stop < end ? end - stop : 0;
	known->start = stop;
}

static bool all_of_kind(const struct seed_digest *digests, size_t count, enum seed_block_kind kind)
{
	for (size_t i = 0; i < count; i++)
		if (seed_digest_kind(&digests[i]) != kind)
			return false;
	return true;
}

int seed_list_set(struct seed_list *list, uint64_t index, const struct seed_digest *digests,
		  size_t count, struct seed_error *err)
{
	assert(list->writable);
	if (check_range(list, index, count, err) < 0)
		return -1;
	keep_known(list, index, count, all_of_kind(digests, count, list->known.kind));
	while (count) {
		size_t n = part_count(index, count), from = index % WINDOW;

		if (load_window(list, index, err) < 0)
			return -1;
		memcpy(list->window + from, digests, n * sizeof(*digests));
		mark_dirty(list, from, from + n);
		digests += n;
		index += n;
		count -= n;
	}
	return 0;
}

/* Give whole windows back to the file system. False where it cannot: then they are written. */
static bool punch_hole(struct seed_list *list, uint64_t index, uint64_t count)
{
	return fallocate(list->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (off_t)(index * SEED_DIGEST_SIZE), (off_t)(count * SEED_DIGEST_SIZE)) == 0;
}

static int fill_windows(struct seed_list *list, uint64_t index, uint64_t count, int byte,
			struct seed_error *err)
{
	while (count) {
		size_t n = part_count(index, count), from = index % WINDOW;

		if (load_window(list, index, err) < 0)
			return -1;
		memset(list->window + from, byte, n * SEED_DIGEST_SIZE);
		mark_dirty(list, from, from + n);
		index += n;
		count -= n;
	}
	return 0;
}

int seed_list_fill(struct seed_list *list, uint64_t index, uint64_t count,
		   enum seed_block_kind kind, struct seed_error *err)
{
	int byte = kind == SEED_BLOCK_ZERO ? 0 : 0xff;
	uint64_t head, whole;

	assert(list->writable && kind != SEED_BLOCK_DATA);
	if (check_range(list, index, count, err) < 0)
		return -1;
	keep_known(list, index, count, list->known.kind == kind);
	head = (WINDOW - index % WINDOW) % WINDOW;
	if (head > count)
		head = count;
	whole = kind == SEED_BLOCK_ZERO ? (count - head) / WINDOW * WINDOW : 0;
	if (fill_windows(list, index, head, byte, err) < 0)
		return -1;
	if (whole) {
		if (flush_window(list, err) < 0)
			return -1;
		list->first = NO_WINDOW;
		if (!punch_hole(list, index + head, whole) &&
		    fill_windows(list, index + head, whole, byte, err) < 0)
			return -1;
	}
	return fill_windows(list, index + head + whole, count - head - whole, byte, err);
}

/* How far @kind goes on in the window in memory, from @index in it on. */
static uint64_t scan_window(const struct seed_list *list, uint64_t index,
			    enum seed_block_kind kind)
{
	size_t count = window_count(list, list->first), at = (size_t)(index - list->first);

	while (at < count) {
		if (kind == SEED_BLOCK_ZERO && at % PAGE == 0 && count - at >= PAGE &&
		    seed_block_is_zero(&list->window[at], PAGE * SEED_DIGEST_SIZE))
			at += PAGE;
		else if (seed_digest_kind(&list->window[at]) == kind)
			at++;
		else
			break;
	}
	return list->first + at;
}

/* Zeroes go on through holes without reading them. What was set is in the file by then,
 * for only the window in memory may differ and it is being left. */
static int find_end(struct seed_list *list, uint64_t index, enum seed_block_kind kind,
		    uint64_t *end, struct seed_error *err)
{
	uint64_t at = index, stop;

	for (;;) {
		if (load_window(list, at, err) < 0)
			return -1;
		stop = list->first + window_count(list, list->first);
		at = scan_window(list, at, kind);
		if (at < stop || at == list->blocks)
			break;
		if (kind != SEED_BLOCK_ZERO)
			continue;
		if (flush_window(list, err) < 0)
			return -1;
		at = skip_hole(list, at);
		if (at == list->blocks)
			break;
	}
	*end = at;
	return 0;
}

int seed_list_run(struct seed_list *list, uint64_t index, struct seed_run *out,
		  struct seed_error *err)
{
	uint64_t end, into = index - list->known.start;
	enum seed_block_kind kind;

	if (index >= list->blocks)
		return check_range(list, index, 1, err);
	/* A long run that is asked for in pieces is looked through once. */
	if (index >= list->known.start && into < list->known.count) {
		*out = (struct seed_run){ .start = index, .count = list->known.count - into,
					  .kind = list->known.kind };
		return 0;
	}
	if (load_window(list, index, err) < 0)
		return -1;
	kind = seed_digest_kind(&list->window[index % WINDOW]);
	if (find_end(list, index, kind, &end, err) < 0)
		return -1;
	*out = list->known = (struct seed_run){ .start = index, .count = end - index,
						.kind = kind };
	return 0;
}

int seed_list_sync(struct seed_list *list, struct seed_error *err)
{
	if (flush_window(list, err) < 0)
		return -1;
	if (seed_fd_sync(list->fd, &list->dead) == 0)
		return 0;
	return check_alive(list, err);
}
