// SPDX-License-Identifier: LGPL-2.1-or-later
/* What must hold between the members of a manifest, whoever made it. */
#include "manifest/manifest.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"
#include "block/grid.h"
#include "block/list_part.h"
#include "trust/keyfile.h"
#include "vmdef/vmdef.h"

#define wrong(err, ...) seed_error_set(err, SEED_ERR_FORMAT, __VA_ARGS__)

static bool text_fits(const char *text)
{
	size_t len = strlen(text);

	return len >= 1 && len <= SEED_MANIFEST_TEXT_MAX && seed_utf8_valid(text, len);
}

/* Rising, with a gap between neighbours, within the disk. *@sum: blocks in all of them. */
static int check_runs(const struct seed_vec *runs, uint64_t blocks, uint64_t *sum,
		      const char *name, struct seed_error *err)
{
	uint64_t end = 0;

	*sum = 0;
	if (runs->count > SEED_MANIFEST_RUNS_MAX)
		return wrong(err, "%s: more than %d", name, SEED_MANIFEST_RUNS_MAX);
	for (size_t i = 0; i < runs->count; i++) {
		const struct seed_run *run = seed_vec_at(runs, i);

		if (run->count < 1 || run->start >= blocks || run->count > blocks - run->start)
			return wrong(err, "%s[%zu]: not within the disk's %" PRIu64 " blocks", name,
				     i, blocks);
		if (i > 0 && run->start <= end)
			return wrong(err, "%s[%zu]: not behind the one before it", name, i);
		end = run->start + run->count;
		*sum += run->count;
	}
	return 0;
}

static int check_size(const struct seed_manifest_disk *disk, struct seed_error *err)
{
	uint32_t sector = disk->sector_size;

	if (disk->size > SEED_DISK_MAX)
		return wrong(err, "size: larger than 1 PiB");
	if (sector < 512 || sector > 65536 || (sector & (sector - 1)))
		return wrong(err, "sector_size: %" PRIu32 " is no sector size", sector);
	if (disk->blocks != seed_grid_blocks(disk->size))
		return wrong(err, "blocks: %" PRIu64 ", where the size makes %" PRIu64,
			     disk->blocks, seed_grid_blocks(disk->size));
	if (disk->data_blocks > disk->blocks)
		return wrong(err, "data_blocks: more than blocks");
	return 0;
}

static int check_content(const struct seed_manifest_disk *disk, struct seed_error *err)
{
	uint64_t own, unreadable;

	if (check_runs(&disk->own_runs, disk->blocks, &own, "own_blocks.runs", err) < 0 ||
	    check_runs(&disk->unreadable, disk->blocks, &unreadable, "unreadable", err) < 0)
		return -1;
	if (disk->own_blocks > disk->data_blocks)
		return wrong(err, "own_blocks.count: more than data_blocks");
	if (own > disk->own_blocks)
		return wrong(err, "own_blocks.runs: more blocks than own_blocks.count");
	if (unreadable > disk->blocks - disk->data_blocks)
		return wrong(err, "unreadable: more blocks than are not data");
	return 0;
}

static int check_parts(const struct seed_manifest_disk *disk, struct seed_error *err)
{
	if (disk->parts.count > SEED_MANIFEST_PARTS_MAX)
		return wrong(err, "list: more than %d parts", SEED_MANIFEST_PARTS_MAX);
	if (disk->parts.count < 1 && disk->blocks > 0)
		return wrong(err, "list: no parts");
	for (size_t i = 0; i < disk->parts.count; i++) {
		const struct seed_manifest_part *part = seed_vec_at(&disk->parts, i);

		if (part->length < 1 || part->length > SEED_LIST_PART_MAX)
			return wrong(err, "list[%zu].length: not 1 to %u", i, SEED_LIST_PART_MAX);
	}
	return 0;
}

static int check_evidence(const struct seed_manifest_disk *disk, struct seed_error *err)
{
	if ((disk->serial && !text_fits(disk->serial)) || (disk->wwn && !text_fits(disk->wwn)))
		return wrong(err, "evidence.declared: not 1 to %d bytes of UTF-8",
			     SEED_MANIFEST_TEXT_MAX);
	if (disk->found.count > SEED_MANIFEST_FOUND_MAX)
		return wrong(err, "evidence.found: more than %d", SEED_MANIFEST_FOUND_MAX);
	for (size_t i = 0; i < disk->found.count; i++)
		if (!text_fits(*(char **)seed_vec_at(&disk->found, i)))
			return wrong(err, "evidence.found[%zu]: not 1 to %d bytes of UTF-8", i,
				     SEED_MANIFEST_TEXT_MAX);
	return 0;
}

static const char *slot_of(const struct seed_manifest *m, size_t index)
{
	const struct seed_manifest_excluded *excluded;
	const struct seed_manifest_disk *disk;

	if (index < m->disks.count) {
		disk = seed_vec_at(&m->disks, index);
		return disk->slot;
	}
	excluded = seed_vec_at(&m->excluded, index - m->disks.count);
	return excluded->slot;
}

/* @index counts the disks, then the excluded ones. */
static int check_slot(const struct seed_manifest *m, size_t index, struct seed_error *err)
{
	const char *slot = slot_of(m, index);
	char quoted[SEED_QUOTED];

	if (!seed_slot_valid(slot))
		return wrong(err, "slot: %s cannot be one",
			     seed_quote(slot, quoted, sizeof(quoted)));
	for (size_t i = 0; i < index; i++)
		if (strcmp(slot_of(m, i), slot) == 0)
			return wrong(err, "slot: a second %s", slot);
	return 0;
}

static int check_disk(const struct seed_manifest *m, size_t index, struct seed_error *err)
{
	const struct seed_manifest_disk *disk = seed_vec_at(&m->disks, index);

	if (check_slot(m, index, err) < 0 || check_size(disk, err) < 0 ||
	    check_content(disk, err) < 0 || check_parts(disk, err) < 0)
		return -1;
	return check_evidence(disk, err);
}

static int check_disks(const struct seed_manifest *m, struct seed_error *err)
{
	if (m->disks.count > SEED_MANIFEST_DISKS_MAX || m->excluded.count > SEED_MANIFEST_DISKS_MAX)
		return wrong(err, "disks: more than %d", SEED_MANIFEST_DISKS_MAX);
	for (size_t i = 0; i < m->disks.count; i++)
		if (check_disk(m, i, err) < 0)
			return seed_error_prefix(err, "disks[%zu]", i);
	for (size_t i = 0; i < m->excluded.count; i++) {
		const struct seed_manifest_excluded *excluded = seed_vec_at(&m->excluded, i);

		if (check_slot(m, m->disks.count + i, err) < 0)
			return seed_error_prefix(err, "excluded[%zu]", i);
		if (!text_fits(excluded->reason))
			return wrong(err, "excluded[%zu].reason: not 1 to %d bytes of UTF-8", i,
				     SEED_MANIFEST_TEXT_MAX);
	}
	if (m->captured != seed_manifest_captured(m))
		return wrong(err, "captured: %s, where the least of the disks is %s",
			     seed_captured_name(m->captured),
			     seed_captured_name(seed_manifest_captured(m)));
	return 0;
}

static int check_files(const struct seed_manifest *m, struct seed_error *err)
{
	static const char *const roles[] = { "definition", "nvram", "loader", "tpm" };

	if (m->files.count > SEED_MANIFEST_FILES_MAX)
		return wrong(err, "files: more than %d", SEED_MANIFEST_FILES_MAX);
	for (size_t i = 0; i < m->files.count; i++) {
		const struct seed_manifest_file *file = seed_vec_at(&m->files, i);
		size_t known = 0;

		while (known < 4 && strcmp(roles[known], file->role) != 0)
			known++;
		if (known == 4)
			return wrong(err, "files[%zu].role: unknown", i);
		if (file->facts.length > SEED_MANIFEST_FILE_MAX)
			return wrong(err, "files[%zu].length: more than %u", i,
				     SEED_MANIFEST_FILE_MAX);
	}
	return 0;
}

static int check_history(const struct seed_manifest *m, struct seed_error *err)
{
	if (seed_lineage_check(&m->lineage, err) < 0)
		return -1;
	if (m->generation <= seed_lineage_base(&m->lineage) || m->generation > SEED_GENERATION_MAX)
		return wrong(err, "generation: %" PRIu64 " does not lie behind the last fork",
			     m->generation);
	if (m->relies_on.count > SEED_MANIFEST_RELIES_MAX)
		return wrong(err, "relies_on: more than %d", SEED_MANIFEST_RELIES_MAX);
	for (size_t i = 0; i < m->relies_on.count; i++)
		if (seed_id_equal(seed_vec_at(&m->relies_on, i), &m->seed))
			return wrong(err, "relies_on[%zu]: the seed itself", i);
	if (m->created < 0 || (uint64_t)m->created >= SEED_JSON_INT_MAX)
		return wrong(err, "created: not a time");
	return 0;
}

int seed_manifest_check(const struct seed_manifest *m, struct seed_error *err)
{
	if (!m->site_name || !seed_site_name_valid(m->site_name))
		return wrong(err, "site.name: cannot be a site's name");
	if (!m->name || !seed_vm_name_valid(m->name))
		return wrong(err, "vm.name: not 1 to %d bytes of UTF-8", SEED_VM_NAME_MAX);
	if (check_history(m, err) < 0 || check_files(m, err) < 0)
		return -1;
	return check_disks(m, err);
}
