// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Writing what differs between base and next list to a disk, and reading it back (no .h:
 * sync_internal.h). May be cut anywhere and begun again: both lists stay, and the same blocks are
 * written to the same places.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "block/grid.h"
#include "crypto/digest.h"
#include "image/image_lock.h"
#include "image/raw_sink.h"
#include "replica/sync_internal.h"

struct writing {
	struct seed_sync_target *target;
	int held;			/* reading only: holds the image lock */
	int fd;				/* for holes and the size */
	struct seed_sink *sink;
	struct seed_list *base, *next;
	struct seed_sync_batches *batches;	/* of the pass that goes on */
	uint8_t *buffer;		/* SEED_SYNC_BATCH, aligned */
	const char *phase;
	uint64_t done, total;		/* bytes, for progress */
};

static uint64_t end_of(const struct writing *w, uint64_t index, uint64_t count)
{
	uint64_t end = (index + count) * SEED_BLOCK_SIZE;

	return end < w->target->size ? end : w->target->size;
}

static void show_phase(struct writing *w, const char *phase)
{
	w->phase = phase;
	w->done = 0;
	seed_event_send(w->target->events, &(struct seed_event){
		.kind = SEED_EVENT_PHASE, .phase = phase, .total = w->total,
		.disk = w->target->slot });
}

static void show_progress(struct writing *w, uint64_t bytes)
{
	w->done += bytes;
	seed_event_send(w->target->events, &(struct seed_event){
		.kind = SEED_EVENT_PROGRESS, .phase = w->phase, .total = w->total,
		.done = w->done < w->total ? w->done : w->total, .disk = w->target->slot });
}

static int count_run(void *arg, uint64_t index, uint64_t count, const struct seed_digest *digests,
		     struct seed_error *err)
{
	struct writing *w = arg;

	(void)err;
	w->target->written = true;
	if (digests)
		w->total += end_of(w, index, count) - index * SEED_BLOCK_SIZE;
	return 0;
}

/* ---- writing ---- */

static int write_zeroes(struct writing *w, uint64_t index, uint64_t count, struct seed_error *err)
{
	uint64_t at = index * SEED_BLOCK_SIZE, end = end_of(w, index, count);
	int rc;

	do
		rc = fallocate(w->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
			       (off_t)(end - at));
	while (rc < 0 && errno == EINTR);
	if (rc == 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != ENOSYS)
		return seed_error_sys(err, errno, "punch a hole");
	memset(w->buffer, 0, SEED_SYNC_BATCH);
	while (at < end) {
		size_t len = end - at < SEED_SYNC_BATCH ? (size_t)(end - at) : SEED_SYNC_BATCH;

		if (seed_sink_write(w->sink, w->buffer, len, at, err) < 0)
			return -1;
		at += len;
	}
	return 0;
}

/* On a worker. A block that the journal does not give is not written; reading back will miss it. */
static int write_batch(struct seed_job *job, void *scratch, struct seed_error *err)
{
	const struct seed_sync_batch *b = (const struct seed_sync_batch *)job;
	const struct writing *w = b->arg;
	uint32_t lens[SEED_SYNC_BATCH_BLOCKS];
	bool got[SEED_SYNC_BATCH_BLOCKS];
	size_t used;

	(void)scratch;
	for (uint64_t i = 0; i < b->count; i++)
		lens[i] = seed_grid_length(w->target->size, b->index + i);
	if (seed_journal_read_many(w->target->journal, b->digests, lens, (size_t)b->count,
				   b->buffer, got, err) < 0)
		return -1;
	for (uint64_t i = 0; i < b->count; i++) {
		uint64_t first = i;

		for (used = 0; i < b->count && got[i]; i++)
			used += lens[i];
		if (used && seed_sink_write(w->sink, b->buffer + first * SEED_BLOCK_SIZE, used,
					    (b->index + first) * SEED_BLOCK_SIZE, err) < 0)
			return -1;
	}
	return 0;
}

static int show_batch(void *arg, const struct seed_sync_batch *b, struct seed_error *err)
{
	struct writing *w = arg;

	(void)err;
	show_progress(w, end_of(w, b->index, b->count) - b->index * SEED_BLOCK_SIZE);
	return 0;
}

/* Holes are punched at once: no batch has the same blocks. */
static int write_run(void *arg, uint64_t index, uint64_t count, const struct seed_digest *digests,
		     struct seed_error *err)
{
	struct writing *w = arg;

	if (seed_cancelled(w->target->cancel, err) < 0)
		return -1;
	return digests ? seed_sync_batches_add(w->batches, index, count, digests, err) :
			 write_zeroes(w, index, count, err);
}

/* ---- reading back ---- */

static int add_lost(struct writing *w, uint64_t block, struct seed_error *err)
{
	struct seed_vec *lost = w->target->lost;
	struct seed_run run = { block, 1, SEED_BLOCK_MISSING };
	struct seed_run *last = lost->count ? seed_vec_at(lost, lost->count - 1) : NULL;

	w->target->lost_blocks++;
	if (last && last->start + last->count == block) {
		last->count++;
		return 0;
	}
	return seed_vec_push(lost, sizeof(run), &run) ? 0 :
	       seed_error_sys(err, ENOMEM, "missing blocks");
}

/* On a worker. */
static int check_batch(struct seed_job *job, void *scratch, struct seed_error *err)
{
	struct seed_sync_batch *b = (struct seed_sync_batch *)job;
	const struct writing *w = b->arg;
	uint64_t at = b->index * SEED_BLOCK_SIZE;
	const void *data[SEED_SYNC_BATCH_BLOCKS];
	size_t lens[SEED_SYNC_BATCH_BLOCKS];
	struct seed_digest got[SEED_SYNC_BATCH_BLOCKS];

	(void)scratch;
	if (seed_sink_read(w->sink, b->buffer, (size_t)(end_of(w, b->index, b->count) - at), at,
			   err) < 0)
		return -1;
	for (uint64_t i = 0; i < b->count; i++) {
		data[i] = b->buffer + i * SEED_BLOCK_SIZE;
		lens[i] = seed_grid_length(w->target->size, b->index + i);
	}
	if (!b->zero)
		seed_digest_many(got, data, lens, (size_t)b->count);
	for (uint64_t i = 0; i < b->count; i++) {
		bool right = b->zero ? seed_block_is_zero(data[i], lens[i]) :
				       seed_digest_equal(&got[i], &b->digests[i]);

		b->wrong |= (uint32_t)!right << i;
	}
	return 0;
}

static int note_batch(void *arg, const struct seed_sync_batch *b, struct seed_error *err)
{
	struct writing *w = arg;

	if (!b->zero)
		show_batch(w, b, err);
	for (uint64_t i = 0; i < b->count; i++)
		if (b->wrong >> i & 1 && add_lost(w, b->index + i, err) < 0)
			return -1;
	return 0;
}

/* Holes are not read. */
static int check_zeroes(struct writing *w, uint64_t index, uint64_t count, struct seed_error *err)
{
	uint64_t stop = index + count;

	while (index < stop) {
		off_t data = lseek(w->fd, (off_t)(index * SEED_BLOCK_SIZE), SEEK_DATA);
		uint64_t n;

		if (data < 0 && errno == ENXIO)
			return 0;
		if (data >= 0 && (uint64_t)data / SEED_BLOCK_SIZE > index)
			index = (uint64_t)data / SEED_BLOCK_SIZE;
		if (index >= stop)
			return 0;
		n = stop - index < SEED_SYNC_BATCH_BLOCKS ? stop - index : SEED_SYNC_BATCH_BLOCKS;
		if (seed_sync_batches_add(w->batches, index, n, NULL, err) < 0)
			return -1;
		index += n;
	}
	return 0;
}

static int check_run(void *arg, uint64_t index, uint64_t count, const struct seed_digest *digests,
		     struct seed_error *err)
{
	struct writing *w = arg;

	if (seed_cancelled(w->target->cancel, err) < 0)
		return -1;
	return digests ? seed_sync_batches_add(w->batches, index, count, digests, err) :
			 check_zeroes(w, index, count, err);
}

/* A disk that was written in place from nothing: every block of it. */
static int check_whole(struct writing *w, struct seed_error *err)
{
	struct seed_digest digests[SEED_SYNC_BATCH_BLOCKS];
	uint64_t blocks = seed_list_blocks(w->next), n;
	struct seed_run run;

	for (uint64_t at = 0; at < blocks; at += n) {
		if (seed_list_run(w->next, at, &run, err) < 0)
			return -1;
		n = run.count;
		if (run.kind == SEED_BLOCK_MISSING)
			continue;
		if (run.kind == SEED_BLOCK_DATA) {
			n = n < SEED_SYNC_BATCH_BLOCKS ? n : SEED_SYNC_BATCH_BLOCKS;
			if (seed_list_get(w->next, at, digests, (size_t)n, err) < 0)
				return -1;
		}
		if (check_run(w, at, n, run.kind == SEED_BLOCK_DATA ? digests : NULL, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- one disk ---- */

static int open_lists(struct writing *w, const struct seed_sync_names *names,
		      struct seed_error *err)
{
	const struct seed_sync_target *t = w->target;
	uint64_t blocks = seed_grid_blocks(t->size);
	int dir = t->sync_dir;
	const char *base = names->have;

	if (!t->in_place) {
		base = names->base;
		if (!seed_path_exists(dir, base)) {
			dir = t->replica_dir;
			base = names->list;
		}
	}
	if (seed_list_open(&w->base, dir, base, blocks, false, err) < 0)
		return -1;
	return seed_list_open(&w->next, t->sync_dir, names->list, blocks, false, err);
}

/* Held: nobody else writes to it while we do. */
static int hold(struct writing *w, int dir, const char *file, struct seed_error *err)
{
	bool held;

	if (seed_path_open(&w->held, dir, file, O_RDONLY, 0, err) < 0 ||
	    seed_image_lock(w->held, &held, err) < 0)
		return seed_error_prefix(err, "%s", file);
	if (seed_image_has_writer(w->held))
		return seed_error_set(err, SEED_ERR_BUSY, "another program has %s open for writing",
				      file);
	return 0;
}

/* @walk adds the batches. */
static int pass_over(struct writing *w, const struct seed_sync_pass *pass,
		     int (*walk)(struct writing *w, struct seed_error *err), struct seed_error *err)
{
	int rc;

	if (seed_sync_batches_open(&w->batches, w->target->jobs, pass, err) < 0)
		return -1;
	rc = walk(w, err) < 0 ? -1 : seed_sync_batches_finish(w->batches, err);
	seed_sync_batches_close(w->batches);
	w->batches = NULL;
	return rc;
}

static int write_differing(struct writing *w, struct seed_error *err)
{
	return seed_sync_differ(w->base, w->next, write_run, w, err);
}

static int check_differing(struct writing *w, struct seed_error *err)
{
	return seed_sync_differ(w->base, w->next, check_run, w, err);
}

/* Grown before, so that nothing is written behind the end; cut after, when nothing is left to do
 * there. */
static int write_all(struct writing *w, int dir, const char *file, struct seed_error *err)
{
	const struct seed_sync_pass pass = { write_batch, show_batch, w };
	uint64_t size = w->target->size;
	struct stat st;

	if (seed_path_open(&w->fd, dir, file, O_RDWR, 0, err) < 0)
		return -1;
	if (fstat(w->fd, &st) < 0)
		return seed_error_sys(err, errno, "fstat");
	if ((uint64_t)st.st_size < size && ftruncate(w->fd, (off_t)size) < 0)
		return seed_error_sys(err, errno, "set its size");
	if (seed_raw_sink_open(&w->sink, dir, file,
			       (uint64_t)st.st_size < size ? size : (uint64_t)st.st_size, err) < 0)
		return -1;
	show_phase(w, w->target->phase);
	if (pass_over(w, &pass, write_differing, err) < 0)
		return -1;
	if ((uint64_t)st.st_size > size && ftruncate(w->fd, (off_t)size) < 0)
		return seed_error_sys(err, errno, "set its size");
	return seed_sink_sync(w->sink, err) < 0 ? -1 : seed_fd_sync(w->fd, err);
}

static int read_back(struct writing *w, struct seed_error *err)
{
	const struct seed_sync_target *t = w->target;
	const struct seed_sync_pass pass = { check_batch, note_batch, w };

	seed_fd_drop_cache(w->fd);
	if (t->in_place)
		w->total = t->size;
	show_phase(w, "reading back");
	return pass_over(w, &pass, t->in_place ? check_whole : check_differing, err);
}

static int apply(struct writing *w, const struct seed_sync_names *names, struct seed_error *err)
{
	struct seed_sync_target *t = w->target;
	int dir;
	struct stat st;

	t->in_place = seed_path_exists(t->sync_dir, names->raw);
	dir = t->in_place ? t->sync_dir : t->replica_dir;
	if (open_lists(w, names, err) < 0)
		return -1;
	if (fstatat(dir, names->raw, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return seed_error_sys(err, errno, "%s", names->raw);
	if (seed_sync_differ(w->base, w->next, count_run, w, err) < 0)
		return -1;
	t->written |= t->in_place || (uint64_t)st.st_size != t->size;
	if (!t->written)
		return 0;
	if (hold(w, dir, names->raw, err) < 0)
		return -1;
	/* See proof.c: durably before the first write. */
	if (!t->in_place && seed_replica_unstamp(t->replica_dir, names->stem, err) < 0)
		return -1;
	if (write_all(w, dir, names->raw, err) < 0)
		return -1;
	return read_back(w, err);
}

int seed_sync_apply_disk(struct seed_sync_target *target, const struct seed_sync_names *names,
			 struct seed_error *err)
{
	SEED_AUTO(seed_freep) uint8_t *buffer = seed_buffer_new(SEED_SYNC_BATCH, err);
	struct writing w = { .target = target, .held = -1, .fd = -1, .buffer = buffer };
	int rc = buffer ? apply(&w, names, err) : -1;

	if (w.sink && seed_sink_close(w.sink, rc < 0 ? NULL : err) < 0)
		rc = -1;
	seed_list_close(w.base);
	seed_list_close(w.next);
	seed_fd_closep(&w.fd);
	seed_fd_closep(&w.held);
	return rc;
}

/* ---- before anything is written ---- */

static int look_run(void *arg, uint64_t index, uint64_t count, const struct seed_digest *digests,
		    struct seed_error *err)
{
	struct writing *w = arg;

	if (seed_cancelled(w->target->cancel, err) < 0)
		return -1;
	for (uint64_t i = 0; digests && i < count; i++) {
		uint32_t len;

		if (seed_journal_read(w->target->journal, &digests[i], w->buffer, &len, NULL) < 0 ||
		    len != seed_grid_length(w->target->size, index + i))
			w->target->lost_blocks++;
	}
	if (digests)
		show_progress(w, end_of(w, index, count) - index * SEED_BLOCK_SIZE);
	return 0;
}

int seed_sync_check_disk(const struct seed_sync_target *target, const struct seed_sync_names *names,
			 bool *at_hand, struct seed_error *err)
{
	SEED_AUTO(seed_freep) uint8_t *buffer = seed_buffer_new(SEED_SYNC_BATCH, err);
	struct seed_sync_target t = *target;
	struct writing w = { .target = &t, .held = -1, .fd = -1, .buffer = buffer };
	int rc = -1;

	t.in_place = seed_path_exists(t.sync_dir, names->raw);
	t.lost_blocks = 0;
	if (buffer && open_lists(&w, names, err) == 0 &&
	    seed_sync_differ(w.base, w.next, count_run, &w, err) == 0) {
		show_phase(&w, "looking at what arrived");
		rc = seed_sync_differ(w.base, w.next, look_run, &w, err);
	}
	seed_list_close(w.base);
	seed_list_close(w.next);
	*at_hand = rc == 0 && t.lost_blocks == 0;
	return rc;
}
