/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whole-length I/O on descriptors: over EINTR and short counts, with the
 * error kept. The error text names the operation and offset only; the caller
 * prefixes the object. ENOSPC, EDQUOT and EFBIG come as SEED_ERR_MEDIUM with
 * sys_errno set, everything else as SEED_ERR_SYSTEM.
 */
#ifndef SEED_BASE_FD_H
#define SEED_BASE_FD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"

/* Reads that meet the end of file early are SEED_ERR_FORMAT ("ends at ..."). */
int seed_fd_read(int fd, void *buf, size_t len, struct seed_error *err);
int seed_fd_pread(int fd, void *buf, size_t len, uint64_t offset, struct seed_error *err);
/* As many bytes as there are, up to @len: *@got says how many. */
int seed_fd_pread_some(int fd, void *buf, size_t len, uint64_t offset, size_t *got,
		       struct seed_error *err);
int seed_fd_write(int fd, const void *buf, size_t len, struct seed_error *err);
int seed_fd_pwrite(int fd, const void *buf, size_t len, uint64_t offset, struct seed_error *err);

/* fsync once: a failure is final, never retried (the kernel forgets it).
 * EINVAL on a file system that cannot sync folders is not an error. */
int seed_fd_sync(int fd, struct seed_error *err);
/* Close with the error looked at; *@fd is -1 afterwards, also on failure. */
int seed_fd_close(int *fd, struct seed_error *err);
/* For SEED_AUTO: abandons, error dropped; -1 is fine. */
void seed_fd_closep(int *fd);

/* Advice: what was written there need not wait for the next fsync to go to the disk. */
void seed_fd_begin_writing(int fd, uint64_t offset, size_t len);
/* Drop this file's clean pages so that the next read meets the medium. */
void seed_fd_drop_cache(int fd);

/* flock() without waiting: SEED_ERR_LOCKED names the holder (program, pid) as far
 * as /proc tells. Ends with the descriptor. @what names the object in the message. */
int seed_fd_lock(int fd, const char *what, bool exclusive, struct seed_error *err);
/* Does anybody hold a lock on it? Takes none, so that nobody who wants it is kept off; as far as
 * /proc tells, else false. */
bool seed_fd_is_locked(int fd);
/* seed_fd_lock(), exclusive, for what others hold for milliseconds: LOCKED only after 5 seconds. */
int seed_fd_lock_wait(int fd, const char *what, struct seed_error *err);

#endif
