// SPDX-License-Identifier: LGPL-2.1-or-later
#include "pack/out_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "crypto/digest.h"
#include "pack/pack_internal.h"

#define CHUNK ((size_t)4 << 20)
#define DIRTY_MAX ((uint64_t)32 << 20)	/* buffered bytes between two syncs */

struct seed_out_file {
	int fd;
	bool direct;		/* whoever writes: the thread, or after it the caller */
	uint64_t unsynced;	/* the same */
	struct seed_digest_stream stream;
	uint64_t length;
	uint8_t *filling;	/* the caller's buffer, and its bytes */
	size_t fill;
	uint8_t *other;		/* the thread's, while @handed */

	pthread_t thread;
	bool running, dead;
	/* Under the lock: */
	pthread_mutex_t lock;
	pthread_cond_t turn;	/* @handed or @stop changed */
	bool handed;		/* @other is full and waits to lie at @handed_at */
	bool stop;
	uint64_t handed_at;
	struct seed_error failed;	/* kind NONE: all is well */
};

static bool clear_direct(struct seed_out_file *file)
{
	int flags = fcntl(file->fd, F_GETFL);

	file->direct = false;
	return flags >= 0 && fcntl(file->fd, F_SETFL, flags & ~O_DIRECT) == 0;
}

/* Without the file's name, which the caller puts before it. */
static int create_error(const struct seed_error *why, struct seed_error *err)
{
	if (why->sys_errno == EEXIST)
		return seed_error_set(err, SEED_ERR_MEDIUM, "there is a file of that name already");
	if (why->sys_errno == 0)
		return seed_error_set(err, SEED_ERR_MEDIUM,
				      "its folder is missing or not a folder");
	seed_error_sys(err, why->sys_errno, "cannot be created");
	return seed_medium_error(err);
}

int seed_out_file_open(struct seed_out_file **out, int dir, const char *path,
		       struct seed_error *err)
{
	SEED_AUTO(seed_out_file_closep) struct seed_out_file *file = calloc(1, sizeof(*file));
	struct seed_error why = { 0 };
	int flags;

	if (!file)
		return seed_error_sys(err, ENOMEM, "pack writer");
	file->fd = -1;
	pthread_mutex_init(&file->lock, NULL);
	pthread_cond_init(&file->turn, NULL);
	seed_digest_begin(&file->stream);
	file->filling = seed_buffer_new(CHUNK, err);
	file->other = file->filling ? seed_buffer_new(CHUNK, err) : NULL;
	if (!file->other)
		return -1;
	if (seed_path_open(&file->fd, dir, path, O_WRONLY | O_CREAT | O_EXCL, 0644, &why) < 0)
		return create_error(&why, err);
	/* By fcntl: open(O_DIRECT | O_CREAT) leaves an empty file where it is refused. */
	flags = fcntl(file->fd, F_GETFL);
	file->direct = flags >= 0 && fcntl(file->fd, F_SETFL, flags | O_DIRECT) == 0;
	*out = seed_steal(&file);
	return 0;
}

/* Whole bytes at @at. Where O_DIRECT turns out to be refused, or a short write left an odd offset,
 * the same bytes are written again through the cache: the same place, the same content. */
static int write_at(struct seed_out_file *file, const uint8_t *data, size_t len, uint64_t at,
		    struct seed_error *err)
{
	struct seed_error why = { 0 };

	if (seed_fd_pwrite(file->fd, data, len, at, &why) < 0) {
		if (why.sys_errno != EINVAL || !file->direct || !clear_direct(file)) {
			if (err)
				*err = why;
			return seed_medium_error(err);
		}
		if (seed_fd_pwrite(file->fd, data, len, at, err) < 0)
			return seed_medium_error(err);
	}
	if (file->direct)
		return 0;
	file->unsynced += len;
	if (file->unsynced < DIRTY_MAX)
		return 0;
	file->unsynced = 0;
	return seed_fd_sync(file->fd, err) < 0 ? seed_medium_error(err) : 0;
}

static void *write_handed(void *arg)
{
	struct seed_out_file *file = arg;
	struct seed_error err;

	pthread_mutex_lock(&file->lock);
	for (;;) {
		while (!file->handed && !file->stop)
			pthread_cond_wait(&file->turn, &file->lock);
		if (!file->handed)
			break;
		err = (struct seed_error){ 0 };
		pthread_mutex_unlock(&file->lock);
		write_at(file, file->other, CHUNK, file->handed_at, &err);
		pthread_mutex_lock(&file->lock);
		file->failed = err;
		file->handed = false;
		pthread_cond_broadcast(&file->turn);
		if (err.kind != SEED_ERR_NONE)
			break;
	}
	pthread_mutex_unlock(&file->lock);
	return NULL;
}

/* The thread must not run the program's signal handlers. Without one the caller writes. */
static void start_thread(struct seed_out_file *file)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	file->running = pthread_create(&file->thread, NULL, write_handed, file) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* Until @other is the caller's again; what went wrong meanwhile goes to @err. */
static int wait_written(struct seed_out_file *file, struct seed_error *err)
{
	int rc = 0;

	pthread_mutex_lock(&file->lock);
	while (file->handed)
		pthread_cond_wait(&file->turn, &file->lock);
	if (file->failed.kind != SEED_ERR_NONE) {
		file->dead = true;
		if (err)
			*err = file->failed;
		rc = -1;
	}
	pthread_mutex_unlock(&file->lock);
	return rc;
}

/* The filled buffer goes out, the other one is next to be filled. */
static int hand_over(struct seed_out_file *file, struct seed_error *err)
{
	uint8_t *full = file->filling;
	uint64_t at = file->length - CHUNK;

	if (!file->running)
		start_thread(file);
	if (!file->running) {
		file->fill = 0;
		return write_at(file, full, CHUNK, at, err);
	}
	if (wait_written(file, err) < 0)
		return -1;
	file->filling = file->other;
	file->fill = 0;
	pthread_mutex_lock(&file->lock);
	file->other = full;
	file->handed_at = at;
	file->handed = true;
	pthread_cond_broadcast(&file->turn);
	pthread_mutex_unlock(&file->lock);
	return 0;
}

static int is_dead(struct seed_error *err)
{
	return seed_error_set(err, SEED_ERR_MEDIUM, "an earlier write failed");
}

int seed_out_file_put(struct seed_out_file *file, const void *data, size_t len,
		      struct seed_digest *digest, struct seed_error *err)
{
	const uint8_t *next = data;
	size_t part;

	if (file->dead)
		return is_dead(err);
	if (digest)
		seed_digest_add_and_hash(&file->stream, data, len, digest);
	else
		seed_digest_add(&file->stream, data, len);
	while (len) {
		part = len < CHUNK - file->fill ? len : CHUNK - file->fill;
		memcpy(file->filling + file->fill, next, part);
		file->fill += part;
		file->length += part;
		next += part;
		len -= part;
		if (file->fill == CHUNK && hand_over(file, err) < 0) {
			file->dead = true;
			return -1;
		}
	}
	return 0;
}

uint64_t seed_out_file_length(const struct seed_out_file *file)
{
	return file->length;
}

static void stop_thread(struct seed_out_file *file)
{
	if (!file->running)
		return;
	pthread_mutex_lock(&file->lock);
	file->stop = true;
	pthread_cond_broadcast(&file->turn);
	pthread_mutex_unlock(&file->lock);
	pthread_join(file->thread, NULL);
	file->running = false;
}

/* The last, partly filled buffer: whole pages as before, the odd rest through the cache. */
static int write_tail(struct seed_out_file *file, struct seed_error *err)
{
	uint64_t at = file->length - file->fill;
	size_t whole = file->direct ? file->fill / SEED_IO_ALIGN * SEED_IO_ALIGN : 0;

	if (whole && write_at(file, file->filling, whole, at, err) < 0)
		return -1;
	if (whole == file->fill)
		return 0;
	if (file->direct && !clear_direct(file)) {
		seed_error_sys(err, errno, "leave O_DIRECT");
		return seed_medium_error(err);
	}
	return write_at(file, file->filling + whole, file->fill - whole, at + whole, err);
}

int seed_out_file_finish(struct seed_out_file *file, struct seed_digest *digest,
			 struct seed_error *err)
{
	if (file->dead)
		return is_dead(err);
	file->dead = true;		/* whatever comes, nothing is written after this */
	if (file->running && wait_written(file, err) < 0)
		return -1;
	stop_thread(file);
	if (write_tail(file, err) < 0)
		return -1;
	/* A crash from here on leaves a whole file that no commit names. */
	if (seed_fd_sync(file->fd, err) < 0 || seed_fd_close(&file->fd, err) < 0)
		return seed_medium_error(err);
	seed_digest_end(&file->stream, digest);
	return 0;
}

void seed_out_file_close(struct seed_out_file *file)
{
	if (!file)
		return;
	stop_thread(file);
	pthread_cond_destroy(&file->turn);
	pthread_mutex_destroy(&file->lock);
	seed_fd_closep(&file->fd);
	free(file->filling);
	free(file->other);
	free(file);
}
