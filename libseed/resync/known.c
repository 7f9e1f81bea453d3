// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * An open-addressing table, at most half full. A slot: 8 bytes of the digest (never zero: that is
 * an empty slot), and the number of a file with the block's index in it. Guests choose their
 * blocks, so the slot comes from a multiplication with a secret, and probing is bounded: what does
 * not fit is forgotten.
 */
#include "resync/known.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/vec.h"
#include "block/digest_list.h"
#include "block/grid.h"
#include "crypto/digest.h"
#include "crypto/random.h"
#include "replica/missing.h"

#define FILES_MAX 65536u		/* 16 bits of a place */
#define INDEX_BITS 48u
#define PROBES 64u
#define CHUNK 512u			/* digests read at a time */
#define SLOTS_MIN 65536u

struct known_file {
	char path[SEED_REPLICA_NAME + 64];	/* beneath the store: "web01.1a2b3c4d/vda.raw" */
};

struct known_slot {
	uint64_t tag, place;
};

struct seed_known {
	int store;
	struct seed_id site;
	const struct seed_cancel *cancel;
	struct seed_vec files;		/* struct known_file */
	struct known_slot *slots;
	uint64_t mask, count, most;	/* @most: slots at the cap */
	uint64_t secret;		/* odd */
	uint64_t open_file;		/* twice the number of the file that is open; odd: beneath
					 * sync/ */
	int fd;				/* it, or -1 */
};

static uint64_t tag_of(const struct seed_digest *digest)
{
	uint64_t tag = seed_get64(digest->bytes);

	return tag ? tag : 1;
}

/* The high bits of a product depend on all bits of the tag. */
static uint64_t slot_of(const struct seed_known *k, uint64_t tag)
{
	return (tag * k->secret >> 20) & k->mask;
}

static bool place(struct seed_known *k, uint64_t tag, uint64_t where)
{
	uint64_t at = slot_of(k, tag);

	for (unsigned int i = 0; i < PROBES; i++, at = (at + 1) & k->mask) {
		if (!k->slots[at].tag) {
			k->slots[at] = (struct known_slot){ tag, where };
			k->count++;
			return true;
		}
		if (k->slots[at].tag == tag) {
			k->slots[at].place = where;	/* the newest is the likeliest */
			return true;
		}
	}
	return false;
}

/* Twice the slots, as long as the cap allows it. */
static bool grow(struct seed_known *k)
{
	struct known_slot *old = k->slots;
	uint64_t slots = k->mask + 1;

	if (slots * 2 > k->most)
		return false;
	k->slots = calloc(slots * 2, sizeof(*k->slots));
	if (!k->slots) {
		k->slots = old;
		return false;
	}
	k->mask = slots * 2 - 1;
	k->count = 0;
	for (uint64_t i = 0; i < slots; i++)
		if (old[i].tag)
			place(k, old[i].tag, old[i].place);
	free(old);
	return true;
}

static void add(struct seed_known *k, uint64_t file, uint64_t index,
		const struct seed_digest *digest)
{
	if (k->count * 2 > k->mask && !grow(k))
		return;
	place(k, tag_of(digest), file << INDEX_BITS | index);
}

/* The number of a file, a new one if it has none yet; -1: no more fit. The last ones are asked for
 * again and again. */
static int64_t file_number(struct seed_known *k, const char *replica, const char *file)
{
	struct known_file f;

	snprintf(f.path, sizeof(f.path), "%s/%s", replica, file);
	for (size_t i = k->files.count; i > 0; i--)
		if (strcmp(((struct known_file *)seed_vec_at(&k->files, i - 1))->path, f.path) == 0)
			return (int64_t)i - 1;
	if (k->files.count == FILES_MAX || !seed_vec_push(&k->files, sizeof(f), &f))
		return -1;
	return (int64_t)k->files.count - 1;
}

/* ---- gathering ---- */

static int add_run(struct seed_known *k, struct seed_list *list, const struct seed_run *run,
		   uint64_t file, struct seed_error *err)
{
	struct seed_digest digests[CHUNK];

	for (uint64_t done = 0; done < run->count;) {
		size_t n = run->count - done < CHUNK ? (size_t)(run->count - done) : CHUNK;

		if (seed_list_get(list, run->start + done, digests, n, err) < 0)
			return -1;
		for (size_t i = 0; i < n; i++)
			add(k, file, run->start + done + i, &digests[i]);
		done += n;
	}
	return 0;
}

/* A list that cannot be read brings nothing: its blocks are fetched. */
static void add_disk(struct seed_known *k, const struct seed_replica *replica,
		     const struct seed_replica_disk *disk)
{
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
	uint64_t blocks = seed_grid_blocks(disk->size);
	int64_t file = file_number(k, replica->name, disk->file);
	struct seed_run run;

	if (file < 0 || seed_list_open(&list, replica->dir, disk->list, blocks, false, NULL) < 0)
		return;
	for (uint64_t at = 0; at < blocks; at = run.start + run.count) {
		if (seed_list_run(list, at, &run, NULL) < 0)
			return;
		if (run.kind == SEED_BLOCK_DATA && add_run(k, list, &run, (uint64_t)file, NULL) < 0)
			return;
	}
}

void seed_known_add_replica(struct seed_known *k, const struct seed_replica *replica)
{
	for (size_t i = 0; i < replica->disks.count; i++)
		add_disk(k, replica, seed_vec_at(&replica->disks, i));
}

static int visit(const char *name, struct seed_replica *replica, const struct seed_error *why,
		 void *arg, struct seed_error *err)
{
	struct seed_known *k = arg;
	const struct seed_timeline *last;

	(void)name;
	(void)why;
	if (!replica || !replica->lineage.count || replica->state == SEED_REPLICA_SEEDING)
		return 0;
	last = &replica->lineage.timelines[replica->lineage.count - 1];
	if (!seed_id_equal(&last->writer, &k->site))
		return 0;
	seed_known_add_replica(k, replica);
	return seed_cancelled(k->cancel, err);
}

int seed_known_new(struct seed_known **out, int store, const struct seed_id *site,
		   uint64_t memory, const struct seed_cancel *cancel, struct seed_error *err)
{
	SEED_AUTO(seed_known_freep) struct seed_known *k = malloc(sizeof(*k));

	if (!k)
		return seed_error_sys(err, ENOMEM, "known blocks");
	*k = (struct seed_known){ .store = store, .site = *site, .cancel = cancel, .fd = -1,
				  .mask = SLOTS_MIN - 1, .most = SLOTS_MIN };
	while (k->most * 2 * sizeof(struct known_slot) <= memory)
		k->most *= 2;
	k->slots = calloc(SLOTS_MIN, sizeof(*k->slots));
	if (!k->slots)
		return seed_error_sys(err, ENOMEM, "known blocks");
	if (seed_random(&k->secret, sizeof(k->secret), err) < 0)
		return -1;
	k->secret |= 1;
	if (seed_store_each(store, visit, k, err) < 0)
		return -1;
	*out = seed_steal(&k);
	return 0;
}

void seed_known_free(struct seed_known *k)
{
	if (!k)
		return;
	seed_fd_closep(&k->fd);
	seed_vec_free(&k->files);
	free(k->slots);
	free(k);
}

void seed_known_add(struct seed_known *k, const char *replica, const char *file, uint64_t index,
		    const struct seed_digest *digest)
{
	int64_t number = k ? file_number(k, replica, file) : -1;

	if (number >= 0)
		add(k, (uint64_t)number, index, digest);
}

/* ---- reading ---- */

/* @arriving: a disk that is written in place lies beneath sync/ until its replica has it. */
static bool open_file(struct seed_known *k, uint64_t file, bool arriving)
{
	const struct known_file *f;
	char path[sizeof(f->path) + sizeof("sync/")];
	uint64_t number = file << 1 | arriving;
	const char *slash;

	if (k->fd >= 0 && k->open_file == number)
		return true;
	if (file >= k->files.count)
		return false;
	f = seed_vec_at(&k->files, (size_t)file);
	slash = strchr(f->path, '/');
	if (!slash)
		return false;
	snprintf(path, sizeof(path), "%.*s/%s%s", (int)(slash - f->path), f->path,
		 arriving ? "sync/" : "", slash + 1);
	seed_fd_closep(&k->fd);
	k->open_file = number;
	return seed_path_open(&k->fd, k->store, path, O_RDONLY, 0, NULL) == 0;
}

static bool read_block(struct seed_known *k, uint64_t place, bool arriving,
		       const struct seed_digest *digest, void *buf, uint32_t len)
{
	uint64_t index = place & (((uint64_t)1 << INDEX_BITS) - 1);
	struct seed_digest found;
	size_t got;

	if (!open_file(k, place >> INDEX_BITS, arriving) ||
	    seed_fd_pread_some(k->fd, buf, len, index * SEED_BLOCK_SIZE, &got, NULL) < 0 ||
	    got != len)
		return false;
	seed_digest_of(&found, buf, len);
	return seed_digest_equal(&found, digest);
}

bool seed_known_read(struct seed_known *k, const struct seed_digest *digest, void *buf,
		     uint32_t len)
{
	uint64_t tag = tag_of(digest), at;

	if (!k)
		return false;
	at = slot_of(k, tag);
	for (unsigned int i = 0; k->slots[at].tag != tag; i++, at = (at + 1) & k->mask)
		if (i == PROBES || !k->slots[at].tag)
			return false;
	return read_block(k, k->slots[at].place, false, digest, buf, len) ||
	       read_block(k, k->slots[at].place, true, digest, buf, len);
}
