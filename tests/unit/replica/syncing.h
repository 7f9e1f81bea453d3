/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A whole sync as the engine does it, from one state of disks to another. */
#ifndef TESTS_REPLICA_SYNCING_H
#define TESTS_REPLICA_SYNCING_H

#include "disks.h"

#include "replica/sync.h"

struct side {
	const char *role, *text;
};

static inline void add_files(struct seed_manifest *m, const struct side *files)
{
	for (; files->role; files++) {
		struct seed_manifest_file f = { .facts.length = strlen(files->text) };

		snprintf(f.role, sizeof(f.role), "%s", files->role);
		seed_digest_of(&f.facts.digest, files->text, strlen(files->text));
		assert_non_null(seed_vec_push(&m->files, sizeof(f), &f));
	}
}

/* Set next to what @disks say, and put what is not at hand. Returns the blocks that were put, or
 * -1. No checks of cmocka: children that are killed run it too. */
static inline long feed_disk(struct seed_sync *sync, size_t i, const struct disk_of *d,
			     struct seed_error *err)
{
	uint8_t data[SEED_BLOCK_SIZE];
	long put = 0;

	for (uint64_t at = 0; d->blocks[at]; at++) {
		uint32_t len = seed_grid_length(disk_size(d), at);
		struct seed_digest digest = block_digest(d->blocks[at], len);

		if (seed_list_set(seed_sync_next(sync, i), at, &digest, 1, err) < 0)
			return -1;
		if (seed_sync_has(sync, i, at, &digest))
			continue;
		fill_block(data, d->blocks[at]);
		if (seed_sync_put(sync, i, at, &digest, data, len, err) < 0)
			return -1;
		put++;
	}
	return put;
}

static inline int begin_sync(struct seed_sync **out, struct seed_replica *r,
			     const struct disk_of *disks, struct seed_error *err)
{
	struct seed_sync_disk list[8];
	size_t count = 0;

	for (; disks[count].slot; count++)
		list[count] = (struct seed_sync_disk){ .slot = disks[count].slot,
						       .size = disk_size(&disks[count]) };
	if (seed_sync_open(out, r, NULL, err) < 0)
		return -1;
	return seed_sync_begin(*out, list, count, err);
}

/* Processors that applying may use. */
static unsigned int sync_jobs;
static const struct seed_events *sync_events;

static inline int commit_sync(struct seed_sync *sync, const struct seed_manifest *m,
			      const struct side *files, enum seed_proved *proved,
			      struct seed_error *err)
{
	struct seed_sync_file came[8];
	struct seed_sync_commit commit = {
		.manifest = m, .text = "{new}", .len = 5, .signature = "signed", .files = came,
		.from = "hq", .jobs = sync_jobs, .events = sync_events,
	};

	for (; files && files[commit.file_count].role; commit.file_count++)
		came[commit.file_count] = (struct seed_sync_file){
			.index = (uint32_t)commit.file_count,
			.data = files[commit.file_count].text,
			.len = strlen(files[commit.file_count].text) };
	return seed_sync_commit(sync, &commit, proved, err);
}

/* Returns the blocks that came, or -1. */
static inline long sync_to(struct seed_replica *r, const struct seed_manifest *m,
			   const struct disk_of *disks, const struct side *files,
			   enum seed_proved *proved, struct seed_error *err)
{
	SEED_AUTO(seed_sync_closep) struct seed_sync *sync = NULL;
	long sum = 0;

	if (begin_sync(&sync, r, disks, err) < 0)
		return -1;
	for (size_t i = 0; disks[i].slot; i++) {
		long put = feed_disk(sync, i, &disks[i], err);

		if (put < 0)
			return -1;
		sum += put;
	}
	return commit_sync(sync, m, files, proved, err) < 0 ? -1 : sum;
}

/* ---- an old state and a new one ---- */

static const struct disk_of before[] = {
	{ "vda", "ABC.D0EF", 1000 }, { "vdb", "xy.zuv", 0 }, { "vdc", "pq", 0 },
	{ "vdz", "st.", 7 }, { NULL, NULL, 0 },
};
/* A block changed, zeroed, one where zeroes were, grown over the short end; a disk shrunk into a
 * block; one that stays; one added; vdc removed. */
static const struct disk_of after[] = {
	{ "vda", "A.ZKD.EFGH", 0 }, { "vdb", "xw.", 70 }, { "vdz", "st.", 7 }, { "vdd", "m0.MAm", 9 },
	{ NULL, NULL, 0 },
};
static const struct side old_files[] = { { "definition", "<xml/>" }, { "nvram", "old" },
					 { "tpm", "secret" }, { NULL, NULL } };
/* The definition is taken from the replica: only the first of these comes. */
static const struct side new_files[] = { { "nvram", "new vars" }, { NULL, NULL } };
static const struct side kept_files[] = { { "definition", "<xml/>" }, { NULL, NULL } };

static inline struct seed_replica *old_replica(int store)
{
	struct seed_manifest m = manifest_with(1, before);
	struct seed_replica *r = replica_with(store, &m, before);

	for (const struct side *f = old_files; f->role; f++)
		put(r->dir, f->role, f->text);
	put(r->dir, "manifest.json", "{old}");
	seed_manifest_clear(&m);
	return r;
}

static inline struct seed_manifest new_manifest(uint8_t seed)
{
	struct seed_manifest m = manifest_with(seed, after);

	add_files(&m, new_files);
	add_files(&m, kept_files);
	return m;
}

static inline struct seed_replica *reopen(int store, struct seed_replica *r)
{
	char name[SEED_REPLICA_NAME];
	struct seed_replica *out = NULL;
	struct seed_error err = { 0 };

	memcpy(name, r->name, sizeof(name));
	seed_replica_close(r);
	must(seed_replica_open(&out, store, name, true, &err), &err);
	return out;
}

static inline bool disks_are(const struct seed_replica *r, const struct disk_of *disks)
{
	for (size_t i = 0; disks[i].slot; i++) {
		const struct seed_replica_disk *d = seed_vec_at(&r->disks, i);

		if (i >= r->disks.count || strcmp(d->slot, disks[i].slot) != 0 ||
		    !disk_is(r->dir, d->file, &disks[i]) || !list_is(r->dir, d->list, &disks[i]))
			return false;
	}
	return true;
}

static inline bool is_old(const struct seed_replica *r)
{
	return r->generation == 1 && r->state == SEED_REPLICA_SEEDED && disks_are(r, before) &&
	       holds(r->dir, "manifest.json", "{old}") && holds(r->dir, "nvram", "old") &&
	       holds(r->dir, "tpm", "secret") && holds(r->dir, "definition", "<xml/>") &&
	       !seed_path_exists(r->dir, "vdd.raw");
}

static inline bool is_new(const struct seed_replica *r)
{
	return r->generation == 2 && r->state == SEED_REPLICA_CURRENT && disks_are(r, after) &&
	       strcmp(r->from, "hq") == 0 && r->imported > 0 && r->drop.count == 0 &&
	       holds(r->dir, "manifest.json", "{new}") &&
	       holds(r->dir, "manifest.json.minisig", "signed") &&
	       holds(r->dir, "nvram", "new vars") && !seed_path_exists(r->dir, "tpm") &&
	       holds(r->dir, "definition", "<xml/>") && seed_path_exists(r->dir, "vdc.raw");
}

#endif
