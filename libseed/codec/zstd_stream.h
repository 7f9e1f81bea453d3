/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One endless zstd frame (RFC 8878) over a connection, both ends, in bounded memory: what was sent
 * a window ago is still known, so a block that crosses again costs a few bytes.
 *
 * Memory, measured with zstd 1.5.4: a window of 2^27 costs the writer 145 MiB at most (levels 1 to
 * 6) and the reader 129 MiB; a window of 2^20 costs either end less than 4 MiB.
 *
 * One thread at a time uses a writer or a reader.
 */
#ifndef SEED_CODEC_ZSTD_STREAM_H
#define SEED_CODEC_ZSTD_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define SEED_ZSTD_WINDOW_MIN 10u	/* log2 bytes, as zstd has it */
#define SEED_ZSTD_WINDOW_MAX 27u
#define SEED_ZSTD_LEVEL_MIN 1
#define SEED_ZSTD_LEVEL_MAX 6
#define SEED_ZSTD_LEVEL_START 3

struct seed_zstd_writer;

/* Windows above 2^20 are matched over long distances, and compressed on one thread more, which
 * takes the signal mask of the first who writes. */
int seed_zstd_writer_new(struct seed_zstd_writer **out, unsigned int window_log,
			 struct seed_error *err);
void seed_zstd_writer_free(struct seed_zstd_writer *w);
static inline void seed_zstd_writer_freep(struct seed_zstd_writer **w)
{
	seed_zstd_writer_free(*w);
}

/* From one of the next MiB on; put between the limits above. Without effect where the level is
 * fixed (windows up to 2^20). Return: the level that is in force then. */
int seed_zstd_writer_level(struct seed_zstd_writer *w, int level);

/* Takes *@used of @len bytes and gives *@made of @room; makes progress in one or the other. */
int seed_zstd_write(struct seed_zstd_writer *w, const void *data, size_t len, size_t *used,
		    void *out, size_t room, size_t *made, struct seed_error *err);
/* What was taken so far, so that the reader can have all of it; again until *@done. */
int seed_zstd_flush(struct seed_zstd_writer *w, void *out, size_t room, size_t *made, bool *done,
		    struct seed_error *err);

struct seed_zstd_reader;

/* Windows above 2^@window_log are refused when the stream names its own. */
int seed_zstd_reader_new(struct seed_zstd_reader **out, unsigned int window_log,
			 struct seed_error *err);
void seed_zstd_reader_free(struct seed_zstd_reader *r);
static inline void seed_zstd_reader_freep(struct seed_zstd_reader **r)
{
	seed_zstd_reader_free(*r);
}

/* Never more than @room bytes, whatever @data would unpack to: *@made short of @room means that all
 * of @data is used and nothing is left inside. FORMAT: no zstd frame, a window too large, an end of
 * the frame (ours have none); INTEGRITY: damaged. Nothing can be read behind an error. */
int seed_zstd_read(struct seed_zstd_reader *r, const void *data, size_t len, size_t *used,
		   void *out, size_t room, size_t *made, struct seed_error *err);

#endif
