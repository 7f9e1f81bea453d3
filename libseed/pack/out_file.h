/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing a large file of a medium once, in order: O_DIRECT in 4 MiB writes
 * where the file system takes them, buffered with bounded dirty pages
 * elsewhere. Two buffers: while one is filled and hashed by the caller, a
 * thread of its own writes the other, so that neither waits for the other for long.
 *
 * An error of the thread comes out of the next call. After any error the file is dead: every later
 * call fails too, and nothing more is written.
 */
#ifndef SEED_PACK_OUT_FILE_H
#define SEED_PACK_OUT_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/id.h"

struct seed_out_file;

/* A new file at @path beneath @dir; MEDIUM also when there is one already. */
int seed_out_file_open(struct seed_out_file **out, int dir, const char *path,
		       struct seed_error *err);
/* Append. @digest, when wanted, receives the SHA-256 of these bytes, worked out in the same pass
 * as the file's. */
int seed_out_file_put(struct seed_out_file *file, const void *data, size_t len,
		      struct seed_digest *digest, struct seed_error *err);
uint64_t seed_out_file_length(const struct seed_out_file *file);
/* Write the rest and fsync the file (not its folder). *@digest: of the whole file. */
int seed_out_file_finish(struct seed_out_file *file, struct seed_digest *digest,
			 struct seed_error *err);
/* Stops the thread; the file stays as it is. NULL is fine. */
void seed_out_file_close(struct seed_out_file *file);
static inline void seed_out_file_closep(struct seed_out_file **file)
{
	seed_out_file_close(*file);
}

#endif
