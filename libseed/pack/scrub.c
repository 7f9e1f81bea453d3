// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Reading back. A thread reads ahead of the hashing by one chunk: a disk and
 * SHA-256 are about equally fast, and one after the other would take the sum.
 */
#include "pack/scrub.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "crypto/digest.h"
#include "pack/in_file.h"
#include "pack/pack_internal.h"

#define CHUNK ((size_t)4 << 20)
#define ROOM (CHUNK + 2 * SEED_IO_ALIGN)

struct ahead {
	struct seed_in_file *in;
	uint8_t *buf[2];		/* chunk n lies in buf[n % 2] */
	pthread_mutex_t lock;
	pthread_cond_t turn;
	/* Under the lock: */
	uint64_t read, hashed;		/* chunks; read is at most hashed + 2 */
	bool stop;
	struct seed_error failed;	/* of reading; kind NONE: all is well */
};

static size_t chunk_length(const struct seed_in_file *in, uint64_t chunk)
{
	uint64_t left = in->length - chunk * CHUNK;

	return left < CHUNK ? (size_t)left : CHUNK;
}

static uint64_t chunk_count(const struct seed_in_file *in)
{
	return in->length / CHUNK + (in->length % CHUNK != 0);
}

/* Until the buffer of @chunk is free; false when nobody wants it any more. */
static bool wait_hashed(struct ahead *a, uint64_t chunk)
{
	bool wanted;

	pthread_mutex_lock(&a->lock);
	while (chunk >= a->hashed + 2 && !a->stop)
		pthread_cond_wait(&a->turn, &a->lock);
	wanted = !a->stop;
	pthread_mutex_unlock(&a->lock);
	return wanted;
}

static void *read_ahead(void *arg)
{
	struct ahead *a = arg;
	struct seed_error err = { 0 };
	size_t start;

	for (uint64_t n = 0; n < chunk_count(a->in) && wait_hashed(a, n); n++) {
		/* Chunks begin aligned, so @start is 0. */
		seed_in_file_read(a->in, n * CHUNK, chunk_length(a->in, n), a->buf[n % 2], ROOM,
				  &start, &err);
		pthread_mutex_lock(&a->lock);
		a->failed = err;
		a->read = n + 1;
		pthread_cond_broadcast(&a->turn);
		pthread_mutex_unlock(&a->lock);
		if (err.kind != SEED_ERR_NONE)
			break;
	}
	return NULL;
}

static int wait_read(struct ahead *a, uint64_t chunk, struct seed_error *err)
{
	int rc = 0;

	pthread_mutex_lock(&a->lock);
	while (a->read <= chunk)
		pthread_cond_wait(&a->turn, &a->lock);
	/* The failed chunk is the last that was read; those before it are good. */
	if (a->failed.kind != SEED_ERR_NONE && a->read == chunk + 1) {
		if (err)
			*err = a->failed;
		rc = -1;
	}
	pthread_mutex_unlock(&a->lock);
	return rc;
}

static void set_turn(struct ahead *a, uint64_t hashed, bool stop)
{
	pthread_mutex_lock(&a->lock);
	a->hashed = hashed;
	a->stop = stop;
	pthread_cond_broadcast(&a->turn);
	pthread_mutex_unlock(&a->lock);
}

static int hash_behind(struct ahead *a, struct seed_digest_stream *s,
		       const struct seed_cancel *cancel, struct seed_error *err)
{
	for (uint64_t n = 0; n < chunk_count(a->in); n++) {
		if (seed_cancelled(cancel, err) < 0 || wait_read(a, n, err) < 0)
			return -1;
		seed_digest_add(s, a->buf[n % 2], chunk_length(a->in, n));
		set_turn(a, n + 1, false);
	}
	return 0;
}

static int hash_threaded(struct ahead *a, struct seed_digest_stream *s,
			 const struct seed_cancel *cancel, struct seed_error *err)
{
	sigset_t all, old;
	pthread_t thread;
	int rc;

	/* The program's signal handlers run elsewhere. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&thread, NULL, read_ahead, a);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (rc)
		return seed_error_sys(err, rc, "thread to read ahead");
	rc = hash_behind(a, s, cancel, err);
	set_turn(a, 0, true);
	pthread_join(thread, NULL);
	return rc;
}

/* Files of one chunk are not worth a thread. */
static int hash_small(struct ahead *a, struct seed_digest_stream *s, struct seed_error *err)
{
	size_t start;

	if (a->in->length == 0)
		return 0;
	if (seed_in_file_read(a->in, 0, (size_t)a->in->length, a->buf[0], ROOM, &start, err) < 0)
		return -1;
	seed_digest_add(s, a->buf[0] + start, (size_t)a->in->length);
	return 0;
}

static int hash_file(struct seed_in_file *in, struct seed_digest *digest,
		     const struct seed_cancel *cancel, struct seed_error *err)
{
	bool small = in->length <= CHUNK;
	struct ahead a = { .in = in };
	struct seed_digest_stream s;
	int rc;

	SEED_AUTO(seed_freep) uint8_t *even = seed_buffer_new(ROOM, err);
	SEED_AUTO(seed_freep) uint8_t *odd = small || !even ? NULL : seed_buffer_new(ROOM, err);

	if (!even || (!small && !odd))
		return -1;
	a.buf[0] = even;
	a.buf[1] = odd;
	pthread_mutex_init(&a.lock, NULL);
	pthread_cond_init(&a.turn, NULL);
	seed_digest_begin(&s);
	rc = small ? hash_small(&a, &s, err) : hash_threaded(&a, &s, cancel, err);
	pthread_cond_destroy(&a.turn);
	pthread_mutex_destroy(&a.lock);
	if (rc == 0)
		seed_digest_end(&s, digest);
	return rc;
}

static int compare_file(struct seed_in_file *in, uint64_t length,
			const struct seed_digest *digest, bool *cached,
			const struct seed_cancel *cancel, struct seed_error *err)
{
	struct seed_digest found;
	bool sure, direct;

	if (seed_cancelled(cancel, err) < 0)
		return -1;
	if (in->length != length)
		return seed_error_set(err, SEED_ERR_MEDIUM,
				      "reads back differently: %ju bytes long instead of %ju",
				      (uintmax_t)in->length, (uintmax_t)length);
	if (seed_in_file_avoid_cache(in, &sure, err) < 0)
		return -1;
	direct = in->direct;
	if (hash_file(in, &found, cancel, err) < 0)
		return -1;
	/* O_DIRECT that was taken back half-way proves nothing about what came after. */
	if (cached && (!sure || direct != in->direct))
		*cached = true;
	if (!seed_digest_equal(&found, digest))
		return seed_error_set(err, SEED_ERR_MEDIUM,
				      "reads back differently from what was written");
	return 0;
}

int seed_file_read_back(int dir, const char *path, uint64_t length,
			const struct seed_digest *digest, bool *cached,
			const struct seed_cancel *cancel, struct seed_error *err)
{
	SEED_AUTO(seed_in_file_closep) struct seed_in_file in = SEED_IN_FILE_CLOSED;
	struct seed_error why = { 0 };

	if (seed_in_file_open(&in, dir, path, &why) == 0 &&
	    compare_file(&in, length, digest, cached, cancel, &why) == 0)
		return 0;
	/* We have just written it: whatever it is now, the medium is to blame. */
	if (why.kind == SEED_ERR_INTEGRITY)
		why.kind = SEED_ERR_MEDIUM;
	if (err)
		*err = why;
	return seed_error_prefix(err, "%s", path);
}
