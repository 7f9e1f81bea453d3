/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One replica being built: its folder, digest lists and disk files, and the
 * steps that make it count. Until the last of them a crash leaves a replica
 * that says "seeding" (or the old one, with the new in next/), and the next
 * import of the same seed goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "block/grid.h"
#include "block/merkle.h"
#include "image/raw_sink.h"
#include "import/import_internal.h"
#include "replica/marks.h"
#include "replica/missing.h"
#include "replica/proof.h"
#include "replica/side_file.h"

static void disk_names(const struct seed_manifest_disk *d, struct seed_replica_disk *out)
{
	char stem[33];

	seed_replica_slot_stem(d->slot, stem);
	snprintf(out->file, sizeof(out->file), "%s.raw", stem);
	snprintf(out->list, sizeof(out->list), "%s.list", stem);
	snprintf(out->missing, sizeof(out->missing), "%s.missing", stem);
}

/* A list that an earlier run wrote serves again when its root is the manifest's. */
static int open_list(struct seed_build *b, uint32_t i, const char *name, struct seed_error *err)
{
	const struct seed_manifest_disk *d = seed_vec_at(&b->vm->seed->manifest.disks, i);
	struct seed_build_disk *disk = &b->disks[i];
	struct seed_digest root;

	if (seed_list_open(&disk->list, b->replica->build, name, d->blocks, false, NULL) == 0) {
		if (seed_merkle_of_list(&root, disk->list, d->size, NULL, NULL, NULL) == 0 &&
		    seed_digest_equal(&root, &d->root))
			return 0;
		seed_list_close(disk->list);
		disk->list = NULL;
	}
	if (seed_list_create(&disk->list, b->replica->build, name, d->blocks, err) < 0)
		return -1;
	return seed_seed_list(b->vm->seed, i, disk->list, err);
}

/* Room for the data, so that a full store says so now, and holes stay holes. */
static int reserve(struct seed_build_disk *disk, struct seed_error *err)
{
	uint64_t blocks = seed_list_blocks(disk->list);
	struct seed_run run;

	for (uint64_t at = 0; at < blocks; at = run.start + run.count) {
		uint64_t offset, end;

		if (seed_list_run(disk->list, at, &run, err) < 0)
			return -1;
		if (run.kind != SEED_BLOCK_DATA)
			continue;
		offset = run.start * SEED_BLOCK_SIZE;
		end = (run.start + run.count) * SEED_BLOCK_SIZE;
		if (end > disk->size)
			end = disk->size;
		if (seed_sink_reserve(disk->sink, offset, end - offset, err) < 0)
			return -1;
	}
	return 0;
}

/* A run that was cut right after it made the file left it empty. */
static int drop_unborn(int dir, const char *name, const struct seed_build_disk *disk,
		       struct seed_error *err)
{
	struct stat st;

	if (disk->size == 0 || fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISREG(st.st_mode) || st.st_size != 0)
		return 0;
	return seed_path_unlink(dir, name, err);
}

static int open_sink(struct seed_build *b, uint32_t i, const char *name, struct seed_error *err)
{
	struct seed_build_disk *disk = &b->disks[i];
	int dir = b->replica->build;

	if (!b->fill && drop_unborn(dir, name, disk, err) < 0)
		return -1;
	if (seed_path_exists(dir, name))
		return seed_raw_sink_open(&disk->sink, dir, name, disk->size, err);
	if (b->fill)
		return seed_error_set(err, SEED_ERR_NOTFOUND, "the disk file is gone");
	/* What the log says was written to a file that is gone now. */
	if (seed_path_unlink(dir, SEED_IMPORT_LOG, err) < 0 || seed_fd_sync(dir, err) < 0 ||
	    seed_raw_sink_create(&disk->sink, dir, name, disk->size, err) < 0)
		return -1;
	return reserve(disk, err);
}

/* No missing list, where replica.json still counts missing blocks: the list was lost, or a run was
 * cut between the two. Which blocks are right nobody knows, so all of them are written again. */
static int want_all(struct seed_build *b, uint32_t i, uint64_t blocks, struct seed_error *err)
{
	const struct seed_replica *r = b->replica;
	const struct seed_replica_disk *disk =
		i < r->disks.count ? seed_vec_at(&r->disks, i) : NULL;
	const struct seed_run all = { 0, blocks, SEED_BLOCK_MISSING };

	if (r->build != r->dir || !disk || disk->missing_blocks == 0)
		return 0;
	return seed_vec_push(&b->disks[i].runs, sizeof(all), &all) ? 0 :
	       seed_error_sys(err, ENOMEM, "missing list");
}

static int begin_disk(struct seed_build *b, uint32_t i, struct seed_error *err)
{
	const struct seed_manifest_disk *d = seed_vec_at(&b->vm->seed->manifest.disks, i);
	struct seed_replica_disk names;
	char stem[33];

	disk_names(d, &names);
	seed_replica_slot_stem(d->slot, stem);
	b->disks[i].size = d->size;
	/* It will be written: until it is stamped anew, nothing says what it holds. */
	if (seed_replica_unstamp(b->replica->build, stem, err) < 0)
		return -1;
	if (open_list(b, i, names.list, err) < 0 || open_sink(b, i, names.file, err) < 0)
		return -1;
	if (!b->fill)
		return 0;
	if (seed_missing_read(&b->disks[i].runs, b->replica->build, names.missing, d->blocks, err) <
	    0)
		return -1;
	return b->disks[i].runs.count ? 0 : want_all(b, i, d->blocks, err);
}

/* The replica as it is now that we hold its lock must be what the plan saw. */
static bool still_as_planned(const struct seed_build *b)
{
	const struct seed_replica *r = b->replica;
	bool same = seed_id_equal(&r->seed, &b->vm->seed->manifest.seed);

	switch (b->vm->action) {
	case SEED_IMPORT_CREATE:
		return true;
	case SEED_IMPORT_RESUME:
		return same && r->state == SEED_REPLICA_SEEDING;
	case SEED_IMPORT_FILL:
		return same && r->state == SEED_REPLICA_INCOMPLETE;
	default:
		return !same && r->generation == b->vm->have_generation &&
		       r->state != SEED_REPLICA_PROMOTED;
	}
}

static int open_replica(struct seed_build *b, const struct seed_import_options *opt,
			struct seed_error *err)
{
	const struct seed_replica_watch watch = { opt->events, opt->cancel };
	const struct seed_manifest *m = &b->vm->seed->manifest;

	if (b->vm->action == SEED_IMPORT_CREATE) {
		if (seed_replica_create(&b->replica, opt->store, m, err) < 0)
			return -1;
	} else if (seed_replica_open_watched(&b->replica, opt->store, b->vm->folder, &watch, err) <
		   0) {
		return -1;
	}
	if (!still_as_planned(b))
		return seed_error_set(err, SEED_ERR_BUSY,
				      "another run changed the replica meanwhile: run the command "
				      "again");
	return seed_replica_begin_build(b->replica, m, err);
}

/* A build beside the replica that came to its end with blocks missing needs those alone. */
static bool next_is_filled(const struct seed_build *b)
{
	const struct seed_manifest *m = &b->vm->seed->manifest;
	const struct seed_replica *r = b->replica;

	if (r->build == r->dir || !seed_import_log_filled(r->build, &m->seed))
		return false;
	for (size_t i = 0; i < m->disks.count; i++) {
		struct seed_replica_disk names;

		disk_names(seed_vec_at(&m->disks, i), &names);
		if (!seed_path_exists(r->build, names.file))
			return false;
	}
	return true;
}

int seed_build_blame(const struct seed_build *b, uint32_t disk, struct seed_error *err)
{
	const struct seed_manifest_disk *d = seed_vec_at(&b->vm->seed->manifest.disks, disk);

	return seed_error_prefix(err, "disk %s", d->slot);
}

int seed_build_begin(struct seed_build *b, const struct seed_import_options *opt,
		     struct seed_error *err)
{
	const struct seed_manifest *m = &b->vm->seed->manifest;

	b->fill = b->vm->action == SEED_IMPORT_FILL;
	b->disks = calloc(m->disks.count ? m->disks.count : 1, sizeof(*b->disks));
	if (!b->disks)
		return seed_error_sys(err, ENOMEM, "replica");
	b->disk_count = (uint32_t)m->disks.count;
	if (open_replica(b, opt, err) < 0)
		return -1;
	b->fill |= next_is_filled(b);
	for (uint32_t i = 0; i < b->disk_count; i++) {
		if (begin_disk(b, i, err) < 0)
			return seed_build_blame(b, i, err);
	}
	return 0;
}

int seed_build_sync(struct seed_build *b, struct seed_error *err)
{
	for (uint32_t i = 0; i < b->disk_count; i++) {
		if (seed_sink_sync(b->disks[i].sink, err) < 0)
			return seed_build_blame(b, i, err);
	}
	return 0;
}

static int finish_disks(struct seed_build *b, struct seed_error *err)
{
	const struct seed_manifest *m = &b->vm->seed->manifest;

	for (uint32_t i = 0; i < b->disk_count; i++) {
		struct seed_build_disk *disk = &b->disks[i];
		struct seed_replica_disk names;
		int rc;

		disk_names(seed_vec_at(&m->disks, i), &names);
		rc = seed_sink_sync(disk->sink, err);
		if (seed_sink_close(disk->sink, rc < 0 ? NULL : err) < 0)
			rc = -1;
		disk->sink = NULL;
		if (rc < 0 || seed_list_sync(disk->list, err) < 0 ||
		    seed_missing_write(b->replica->build, names.missing, &disk->lost, err) < 0)
			return seed_build_blame(b, i, err);
	}
	return 0;
}

static int write_side_files(struct seed_build *b, struct seed_error *err)
{
	const struct seed_seed *seed = b->vm->seed;
	int dir = b->replica->build;

	if (seed->elsewhere)	/* they are here already: the manifest was read from beside them */
		return 0;
	for (uint32_t i = 0; i < seed->manifest.files.count; i++) {
		SEED_AUTO(seed_freep) char *data = NULL;
		char name[SEED_SIDE_FILE_NAME];
		size_t len;

		seed_side_file_name(&seed->manifest, i, name);
		if (seed_seed_file(seed, i, &data, &len, err) < 0 ||
		    seed_file_replace(dir, name, data, len, 0600, err) < 0)
			return -1;
	}
	/* The signature first: a manifest is never there without it. */
	if (seed_file_replace(dir, "manifest.json.minisig", seed->signature,
			      strlen(seed->signature), 0600, err) < 0)
		return -1;
	return seed_file_replace(dir, "manifest.json", seed->text, seed->len, 0600, err);
}

static int describe(struct seed_build *b, uint64_t missing, struct seed_error *err)
{
	const struct seed_medium *medium = b->vm->seed->volume->medium;
	struct seed_replica *r = b->replica;

	if (seed_replica_describe(r, &b->vm->seed->manifest, err) < 0)
		return -1;
	for (uint32_t i = 0; i < b->disk_count; i++)
		((struct seed_replica_disk *)seed_vec_at(&r->disks, i))->missing_blocks =
			b->disks[i].missing;
	r->state = missing ? SEED_REPLICA_INCOMPLETE : SEED_REPLICA_SEEDED;
	r->imported = seed_clock_wall();
	free(r->from);
	r->from = strdup(medium->label[0] ? medium->label : medium->path);
	return r->from ? 0 : seed_error_sys(err, ENOMEM, "replica");
}

/* Every block was checked as it was written, and what is missing stands in the missing list: the
 * next resync need not read the disks. Last, for moving a file changes its identity. The replica
 * counts whatever becomes of this: a disk without a stamp is read then. */
static int stamp_disks(const struct seed_build *b, struct seed_error *err)
{
	const struct seed_replica *r = b->replica;

	for (size_t i = 0; i < r->disks.count; i++) {
		const struct seed_replica_disk *disk = seed_vec_at(&r->disks, i);
		char stem[33];

		seed_replica_slot_stem(disk->slot, stem);
		if (seed_replica_stamp(r->dir, stem, disk->file, seed_grid_blocks(disk->size),
				       err) < 0)
			return -1;
	}
	return 0;
}

int seed_build_finish(struct seed_build *b, const struct seed_import_options *opt,
		      struct seed_error *err)
{
	struct seed_replica *r = b->replica;
	uint64_t missing = 0;

	for (uint32_t i = 0; i < b->disk_count; i++)
		missing += b->disks[i].missing;
	b->vm->missing_blocks = missing;
	if (finish_disks(b, err) < 0 || write_side_files(b, err) < 0)
		return -1;
	if (missing && r->build != r->dir) {
		/* The old replica is whole and the new one is not: the old one stays, and
		 * next/ waits for what is missing. */
		if (seed_import_log_fill(b->log, &b->vm->seed->manifest.seed, err) < 0)
			return -1;
		return seed_error_set(err, *b->vm->lacking ? SEED_ERR_PARTIAL : SEED_ERR_INTEGRITY,
				      "%llu blocks are missing, so the replica stays at generation "
				      "%llu; %s%s",
				      (unsigned long long)missing,
				      (unsigned long long)b->vm->have_generation,
				      *b->vm->lacking ? "they may be on " :
							"import again from an undamaged medium",
				      b->vm->lacking);
	}
	if (describe(b, missing, err) < 0)
		return -1;
	if (r->build == r->dir ? seed_replica_save(r, err) < 0 : seed_replica_switch(r, err) < 0)
		return -1;
	/* From here on the replica counts. The log has served; one that a crash leaves behind is
	 * for a plan that no build has any more. */
	if (seed_path_unlink(r->dir, SEED_IMPORT_LOG, err) < 0)
		return -1;
	if (seed_mark_advance(opt->home, &b->vm->seed->manifest, &b->vm->seed->digest, opt->own,
			      err) < 0)
		return -1;
	return stamp_disks(b, err);
}

void seed_build_end(struct seed_build *b)
{
	for (uint32_t i = 0; b->disks && i < b->disk_count; i++) {
		seed_sink_abandonp(&b->disks[i].sink);
		seed_list_close(b->disks[i].list);
		seed_vec_free(&b->disks[i].runs);
		seed_vec_free(&b->disks[i].lost);
	}
	free(b->disks);
	seed_import_log_close(b->log);
	seed_replica_close(b->replica);
}
