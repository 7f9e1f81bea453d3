/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Manifests in memory, and what a replica's folder holds. */
#ifndef TESTS_REPLICA_FIXTURE_H
#define TESTS_REPLICA_FIXTURE_H

#include "cmocka_all.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "block/grid.h"
#include "replica/missing.h"
#include "replica/replica.h"
#include "replica/replica_internal.h"
#include "tmpdir.h"

static inline void must(int rc, const struct seed_error *err)
{
	if (rc < 0)
		fail_msg("%s (errno %d)", err->text, err->sys_errno);
}

static inline void add_slot(struct seed_manifest *m, const char *slot, uint64_t size)
{
	struct seed_manifest_disk disk = { .slot = strdup(slot), .size = size,
					   .sector_size = 512,
					   .blocks = seed_grid_blocks(size) };

	assert_non_null(disk.slot);
	assert_non_null(seed_vec_push(&m->disks, sizeof(disk), &disk));
}

/* Seed @seed of the VM @name: generation @seed on one timeline, a disk vda. */
static inline struct seed_manifest manifest_of(const char *name, uint8_t seed)
{
	struct seed_manifest m;

	seed_manifest_init(&m);
	m.name = strdup(name);
	assert_non_null(m.name);
	m.seed.bytes[0] = seed;
	m.set.bytes[0] = 0x55;
	m.site.bytes[0] = 0x11;
	for (const char *p = name; *p; p++)
		m.uuid.bytes[(p - name) % 16] ^= (uint8_t)*p;
	m.generation = seed;
	m.lineage.count = 1;
	m.lineage.timelines[0].id.bytes[0] = 0x77;
	m.lineage.timelines[0].writer = m.site;
	add_slot(&m, "vda", 10 * (uint64_t)SEED_BLOCK_SIZE + 512);
	return m;
}

static inline void put(int dir, const char *name, const char *text)
{
	struct seed_error err = { 0 };

	must(seed_file_replace(dir, name, text, strlen(text), 0600, &err), &err);
}

static inline bool holds(int dir, const char *name, const char *text)
{
	SEED_AUTO(seed_freep) char *data = NULL;
	size_t len;

	return seed_file_read(dir, name, 1 << 20, &data, &len, NULL) == 0 &&
	       len == strlen(text) && memcmp(data, text, len) == 0;
}

static inline void put_missing(int dir, const char *name, uint64_t start, uint64_t count)
{
	SEED_AUTO(seed_vec_free) struct seed_vec runs = { 0 };
	struct seed_run run = { .start = start, .count = count, .kind = SEED_BLOCK_MISSING };
	struct seed_error err = { 0 };

	seed_vec_push(&runs, sizeof(run), &run);
	must(seed_missing_write(dir, name, &runs, &err), &err);
}

#define on_tmpdir(name) cmocka_unit_test_setup_teardown(name, tmpdir_setup, tmpdir_teardown)

#endif
