// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * zstd takes a changed level inside a frame only where it compresses in jobs (nbWorkers >= 1), and
 * ending the frame would forget the window. So large windows have one worker. It costs the window
 * once, three jobs and the tables; measured with window 2^27, 1 MiB jobs, long matches: 142 MiB at
 * level 1, 145 MiB at level 6 (single-threaded: 138 and 141 MiB). Each flush ends a job, and the
 * next one loads what overlaps again: flushing every 64 KiB costs 1.4 to 3.1 times the processor
 * time at level 1, so the caller flushes when it has nothing more to write.
 */
#include "codec/zstd_stream.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/cleanup.h"

#define SMALL_WINDOW 20u	/* fixed level, no worker */
#define JOB_SIZE (1 << 20)	/* bytes; the level changes between jobs */

struct seed_zstd_writer {
	ZSTD_CCtx *ctx;
	int level;
	bool adjustable;
};

struct seed_zstd_reader {
	ZSTD_DCtx *ctx;
	unsigned int window_log;
	unsigned int seen;	/* bytes of the magic number */
	bool ended;
};

static int zstd_failed(size_t code, struct seed_error *err)
{
	if (ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation)
		return seed_error_sys(err, ENOMEM, "zstd stream");
	return seed_error_set(err, SEED_ERR_INTEGRITY, "zstd stream: %s",
			      ZSTD_getErrorName(code));
}

static int check_window(unsigned int window_log, struct seed_error *err)
{
	if (window_log < SEED_ZSTD_WINDOW_MIN || window_log > SEED_ZSTD_WINDOW_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "no window of 2^%u bytes (2^%u to 2^%u)",
				      window_log, SEED_ZSTD_WINDOW_MIN, SEED_ZSTD_WINDOW_MAX);
	return 0;
}

/* A libzstd built without threads refuses the worker: the level is fixed then. */
static int set_parameters(struct seed_zstd_writer *w, unsigned int window_log,
			  struct seed_error *err)
{
	const struct {
		ZSTD_cParameter name;
		int value;
	} wanted[] = {
		{ ZSTD_c_compressionLevel, SEED_ZSTD_LEVEL_START },
		{ ZSTD_c_windowLog, (int)window_log },
		{ ZSTD_c_contentSizeFlag, 0 },
		{ ZSTD_c_checksumFlag, 0 },	/* stands at the end of a frame: never reached */
		{ ZSTD_c_enableLongDistanceMatching, window_log > SMALL_WINDOW },
	};
	size_t rc = 0;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]) && !ZSTD_isError(rc); i++)
		rc = ZSTD_CCtx_setParameter(w->ctx, wanted[i].name, wanted[i].value);
	if (!ZSTD_isError(rc) && window_log > SMALL_WINDOW) {
		w->adjustable = !ZSTD_isError(ZSTD_CCtx_setParameter(w->ctx, ZSTD_c_nbWorkers, 1));
		if (w->adjustable)
			rc = ZSTD_CCtx_setParameter(w->ctx, ZSTD_c_jobSize, JOB_SIZE);
	}
	return ZSTD_isError(rc) ? zstd_failed(rc, err) : 0;
}

int seed_zstd_writer_new(struct seed_zstd_writer **out, unsigned int window_log,
			 struct seed_error *err)
{
	SEED_AUTO(seed_zstd_writer_freep) struct seed_zstd_writer *w = NULL;

	if (check_window(window_log, err) < 0)
		return -1;
	w = calloc(1, sizeof(*w));
	if (w)
		w->ctx = ZSTD_createCCtx();
	if (!w || !w->ctx)
		return seed_error_sys(err, ENOMEM, "zstd stream");
	w->level = SEED_ZSTD_LEVEL_START;
	if (set_parameters(w, window_log, err) < 0)
		return -1;
	*out = seed_steal(&w);
	return 0;
}

void seed_zstd_writer_free(struct seed_zstd_writer *w)
{
	if (!w)
		return;
	ZSTD_freeCCtx(w->ctx);
	free(w);
}

int seed_zstd_writer_level(struct seed_zstd_writer *w, int level)
{
	level = level < SEED_ZSTD_LEVEL_MIN ? SEED_ZSTD_LEVEL_MIN :
		level > SEED_ZSTD_LEVEL_MAX ? SEED_ZSTD_LEVEL_MAX : level;
	if (w->adjustable && level != w->level &&
	    !ZSTD_isError(ZSTD_CCtx_setParameter(w->ctx, ZSTD_c_compressionLevel, level)))
		w->level = level;
	return w->level;
}

int seed_zstd_write(struct seed_zstd_writer *w, const void *data, size_t len, size_t *used,
		    void *out, size_t room, size_t *made, struct seed_error *err)
{
	ZSTD_inBuffer in = { .src = data, .size = len };
	ZSTD_outBuffer to = { .dst = out, .size = room };
	size_t rc = ZSTD_compressStream2(w->ctx, &to, &in, ZSTD_e_continue);

	if (ZSTD_isError(rc))
		return zstd_failed(rc, err);
	*used = in.pos;
	*made = to.pos;
	return 0;
}

int seed_zstd_flush(struct seed_zstd_writer *w, void *out, size_t room, size_t *made, bool *done,
		    struct seed_error *err)
{
	ZSTD_inBuffer none = { .src = NULL };
	ZSTD_outBuffer to = { .dst = out, .size = room };
	size_t rc = ZSTD_compressStream2(w->ctx, &to, &none, ZSTD_e_flush);

	if (ZSTD_isError(rc))
		return zstd_failed(rc, err);
	*made = to.pos;
	*done = rc == 0;
	return 0;
}

int seed_zstd_reader_new(struct seed_zstd_reader **out, unsigned int window_log,
			 struct seed_error *err)
{
	SEED_AUTO(seed_zstd_reader_freep) struct seed_zstd_reader *r = NULL;
	size_t rc;

	if (check_window(window_log, err) < 0)
		return -1;
	r = calloc(1, sizeof(*r));
	if (r)
		r->ctx = ZSTD_createDCtx();
	if (!r || !r->ctx)
		return seed_error_sys(err, ENOMEM, "zstd stream");
	r->window_log = window_log;
	rc = ZSTD_DCtx_setParameter(r->ctx, ZSTD_d_windowLogMax, (int)window_log);
	if (ZSTD_isError(rc))
		return zstd_failed(rc, err);
	*out = seed_steal(&r);
	return 0;
}

void seed_zstd_reader_free(struct seed_zstd_reader *r)
{
	if (!r)
		return;
	ZSTD_freeDCtx(r->ctx);
	free(r);
}

/* libzstd would also take skippable frames, and those of old versions with decoders of their own:
 * a peer reaches neither. */
static int check_magic(struct seed_zstd_reader *r, const uint8_t *data, size_t len,
		       struct seed_error *err)
{
	for (size_t i = 0; i < len && r->seen < 4; i++, r->seen++)
		if (data[i] != (uint8_t)(ZSTD_MAGICNUMBER >> (8 * r->seen)))
			return seed_error_set(err, SEED_ERR_FORMAT, "not a zstd stream");
	return 0;
}

int seed_zstd_read(struct seed_zstd_reader *r, const void *data, size_t len, size_t *used,
		   void *out, size_t room, size_t *made, struct seed_error *err)
{
	ZSTD_inBuffer in = { .src = data, .size = len };
	ZSTD_outBuffer to = { .dst = out, .size = room };
	size_t before, rc;

	if (r->ended)
		return seed_error_set(err, SEED_ERR_FORMAT, "zstd stream ended before");
	if (check_magic(r, data, len, err) < 0) {
		r->ended = true;
		return -1;
	}
	do {	/* one call may stop for reasons of its own: short means that nothing is left */
		before = in.pos + to.pos;
		rc = ZSTD_decompressStream(r->ctx, &to, &in);
	} while (!ZSTD_isError(rc) && rc != 0 && to.pos < room && in.pos + to.pos != before);
	r->ended = ZSTD_isError(rc) || rc == 0;
	if (ZSTD_isError(rc)) {
		if (ZSTD_getErrorCode(rc) == ZSTD_error_frameParameter_windowTooLarge)
			return seed_error_set(err, SEED_ERR_FORMAT,
					      "zstd stream with a window above 2^%u bytes",
					      r->window_log);
		return zstd_failed(rc, err);
	}
	/* The end may come with the last bytes that were asked for: they are given, and the next
	 * call fails. */
	if (rc == 0 && to.pos < room)
		return seed_error_set(err, SEED_ERR_FORMAT, "zstd stream ends");
	*used = in.pos;
	*made = to.pos;
	return 0;
}
