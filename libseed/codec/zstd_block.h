/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One block of bytes to one zstd frame (RFC 8878) and back, with contexts kept
 * per worker. What does not get smaller is stored as it is: the caller keeps
 * the flag. The frame carries its content size and no checksum (SHA-256
 * outside is the check).
 */
#ifndef SEED_CODEC_ZSTD_BLOCK_H
#define SEED_CODEC_ZSTD_BLOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

struct seed_zstd;	/* one compressor and one decompressor; one thread at a time */

int seed_zstd_new(struct seed_zstd **out, int level, struct seed_error *err);
void seed_zstd_free(struct seed_zstd *zstd);
static inline void seed_zstd_freep(struct seed_zstd **zstd) { seed_zstd_free(*zstd); }

/* *@packed says whether @out holds a frame of *@out_len bytes; if not, store @data itself and
 * ignore @out. @room must be at least @len (a frame that does not fit is not smaller). */
int seed_zstd_compress(struct seed_zstd *zstd, void *out, size_t room, size_t *out_len,
		       bool *packed, const void *data, size_t len, struct seed_error *err);
/* Exactly @out_len bytes must come out of exactly this one frame: more, less, a declared size that
 * differs, or trailing bytes are SEED_ERR_INTEGRITY. Never writes past @out_len. */
int seed_zstd_decompress(struct seed_zstd *zstd, void *out, size_t out_len, const void *data,
			 size_t len, struct seed_error *err);

#endif
