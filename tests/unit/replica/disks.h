/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Replicas with disks of known content: a disk is a string, one character a block. '.' is a hole,
 * '0' written zeroes, anything else a block of noise (the same character, the same bytes).
 */
#ifndef TESTS_REPLICA_DISKS_H
#define TESTS_REPLICA_DISKS_H

#include "fixture.h"

#include "block/merkle.h"
#include "crypto/digest.h"
#include "replica/proof.h"

struct disk_of {
	const char *slot, *blocks;
	uint32_t cut;		/* bytes that the last block is short of */
};

static inline uint64_t disk_size(const struct disk_of *d)
{
	return strlen(d->blocks) * SEED_BLOCK_SIZE - d->cut;
}

/* Bytes of one block; @out holds SEED_BLOCK_SIZE. */
static inline void fill_block(uint8_t *out, char name)
{
	uint32_t state = (uint32_t)(unsigned char)name * 2654435761u + 1;

	memset(out, 0, SEED_BLOCK_SIZE);
	if (name == '.' || name == '0')
		return;
	for (size_t i = 0; i < SEED_BLOCK_SIZE; i++) {
		state = state * 1664525u + 1013904223u;
		out[i] = (uint8_t)(state >> 24);
	}
}

static inline struct seed_digest block_digest(char name, uint32_t len)
{
	uint8_t data[SEED_BLOCK_SIZE];
	struct seed_digest digest = seed_digest_zero;

	fill_block(data, name);
	if (name != '.' && name != '0')
		seed_digest_of(&digest, data, len);
	return digest;
}

static inline void set_list(struct seed_list *list, const struct disk_of *d)
{
	struct seed_error err = { 0 };

	for (uint64_t i = 0; d->blocks[i]; i++) {
		struct seed_digest digest =
			block_digest(d->blocks[i], seed_grid_length(disk_size(d), i));

		must(seed_list_set(list, i, &digest, 1, &err), &err);
	}
}

static inline void put_list(int dir, const char *name, const struct disk_of *d)
{
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
	struct seed_error err = { 0 };

	must(seed_list_create(&list, dir, name, strlen(d->blocks), &err), &err);
	set_list(list, d);
}

static inline void put_disk(int dir, const char *name, const struct disk_of *d)
{
	uint8_t data[SEED_BLOCK_SIZE];
	int fd = openat(dir, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)disk_size(d)), 0);
	for (uint64_t i = 0; d->blocks[i]; i++) {
		uint32_t len = seed_grid_length(disk_size(d), i);

		fill_block(data, d->blocks[i]);
		if (d->blocks[i] != '.')
			assert_int_equal(pwrite(fd, data, len, (off_t)(i * SEED_BLOCK_SIZE)), len);
	}
	close(fd);
}

static inline bool disk_is(int dir, const char *name, const struct disk_of *d)
{
	uint8_t want[SEED_BLOCK_SIZE], got[SEED_BLOCK_SIZE];
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	bool same = fd >= 0 && fstat(fd, &st) == 0 && (uint64_t)st.st_size == disk_size(d);

	for (uint64_t i = 0; same && d->blocks[i]; i++) {
		uint32_t len = seed_grid_length(disk_size(d), i);

		fill_block(want, d->blocks[i]);
		same = pread(fd, got, len, (off_t)(i * SEED_BLOCK_SIZE)) == len &&
		       memcmp(got, want, len) == 0;
	}
	close(fd);
	return same;
}

static inline bool list_is(int dir, const char *name, const struct disk_of *d)
{
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
	bool same = seed_list_open(&list, dir, name, strlen(d->blocks), false, NULL) == 0;

	for (uint64_t i = 0; same && d->blocks[i]; i++) {
		struct seed_digest got, want =
			block_digest(d->blocks[i], seed_grid_length(disk_size(d), i));

		same = seed_list_get(list, i, &got, 1, NULL) == 0 &&
		       seed_digest_equal(&got, &want);
	}
	return same;
}

/* Seed @seed of the VM "web" with these disks, up to one without a slot; roots and counts are
 * right. */
static inline struct seed_manifest manifest_with(uint8_t seed, const struct disk_of *disks)
{
	struct seed_manifest m = manifest_of("web", seed);
	char name[] = "scratch-list-XXXXXX";
	int dir = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	free(((struct seed_manifest_disk *)seed_vec_at(&m.disks, 0))->slot);
	m.disks.count = 0;
	assert_true(dir >= 0);
	for (; disks->slot; disks++) {
		SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;
		struct seed_manifest_disk *d;
		struct seed_error err = { 0 };
		int fd;

		add_slot(&m, disks->slot, disk_size(disks));
		d = seed_vec_at(&m.disks, m.disks.count - 1);
		memcpy(name, "/tmp/scratch-XXXXXX", sizeof(name));
		fd = mkstemp(name);
		assert_true(fd >= 0);
		close(fd);
		must(seed_list_create(&list, dir, name + 5, d->blocks, &err), &err);
		set_list(list, disks);
		must(seed_merkle_of_list(&d->root, list, d->size, &d->data_blocks, NULL, &err),
		     &err);
		unlink(name);
	}
	close(dir);
	return m;
}

/* Open and locked, "seeded", at the seed of @m, which has @disks. */
static inline struct seed_replica *replica_with(int store, const struct seed_manifest *m,
						const struct disk_of *disks)
{
	struct seed_replica *r = NULL;
	struct seed_error err = { 0 };

	must(seed_replica_create(&r, store, m, &err), &err);
	for (size_t i = 0; disks[i].slot; i++) {
		const struct seed_replica_disk *d = seed_vec_at(&r->disks, i);

		put_disk(r->dir, d->file, &disks[i]);
		put_list(r->dir, d->list, &disks[i]);
	}
	r->state = SEED_REPLICA_SEEDED;
	must(seed_replica_switch(r, &err), &err);
	return r;
}

#endif
