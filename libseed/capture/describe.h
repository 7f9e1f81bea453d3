/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What was captured of a VM as a manifest, as far as it does not depend on where the blocks go: a
 * medium or the wire. The caller sets @set, @recipient and @relies_on itself.
 */
#ifndef SEED_CAPTURE_DESCRIBE_H
#define SEED_CAPTURE_DESCRIBE_H

#include "capture/capture.h"
#include "manifest/manifest.h"

struct seed_describe_vm {
	const struct seed_site *own;	/* who signs */
	const struct seed_source_vm *vm;	/* uuid, origin, lineage, generation */
	const struct seed_vmdef *def;	/* name, excluded disks */
	const struct seed_id *seed;
	const char *site_name;		/* the origin's; NULL: @own's */
	enum seed_captured captured;	/* the least of its disks */
	bool data;			/* see struct seed_manifest */
};

struct seed_describe_disk {
	const struct seed_vmdef_disk *def;
	uint64_t size;			/* bytes */
	uint32_t sector_size;
	struct seed_capture_facts facts;
	struct seed_vec own_runs;	/* struct seed_run; moves into the manifest */
	uint64_t own_blocks;
	uint32_t compared;
};

/* Key, seed, site, name, uuid, lineage, generation, times and excluded disks. @out was initialised,
 * and is cleared by the caller, also on failure. */
int seed_describe_vm(struct seed_manifest *out, const struct seed_describe_vm *vm,
		     struct seed_error *err);
/* Append one disk, all but its parts; *@out (may be NULL) is borrowed until the next one. */
int seed_describe_disk(struct seed_manifest *m, struct seed_describe_disk *disk,
		       struct seed_manifest_disk **out, struct seed_error *err);
/* Append side files: struct seed_side_file. */
int seed_describe_files(struct seed_manifest *m, const struct seed_vec *files,
			struct seed_error *err);
/**
 * seed_describe_parts() - length and SHA-256 of each part of a digest list, without writing any
 * @list: of @out's blocks
 * @disk: the disk's index in the manifest
 *
 * The parts are those that seed_list_part_write() puts with SEED_LIST_PART_MAX.
 */
int seed_describe_parts(struct seed_manifest_disk *out, struct seed_list *list, uint32_t disk,
			struct seed_error *err);

#endif
