// SPDX-License-Identifier: LGPL-2.1-or-later
/* The part of promote.h that gives a promoted replica as a VM. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/vec.h"
#include "handover/promote.h"
#include "replica/find.h"
#include "replica/side_file.h"

#define NAMES_MAX 10000u	/* in a replica's folder */

struct describing {
	struct seed_vmdef *def;
	const char *folder;	/* absolute */
};

static char *in_folder(const struct describing *d, const char *name, struct seed_error *err)
{
	struct seed_buf path = { 0 };

	if (seed_buf_addf(&path, err, "%s/%s", d->folder, name) < 0) {
		seed_buf_free(&path);
		return NULL;
	}
	return path.data;
}

static int add_disk(const struct describing *d, const struct seed_replica_disk *from,
		    struct seed_error *err)
{
	struct seed_vmdef_disk disk = {
		.slot = strdup(from->slot),
		.path = in_folder(d, from->file, err),
		.format = strdup("raw"),
		.raw = true,
	};

	if (!disk.slot || !disk.path || !disk.format) {
		seed_vmdef_disk_clear(&disk);
		return seed_error_sys(err, ENOMEM, "disks");
	}
	return seed_vmdef_add_disk(d->def, &disk, err);
}

/* "definition", "nvram", "nvram.2": the role stands before the dot. */
static int add_side_file(const char *name, void *arg, struct seed_error *err)
{
	static const char *const others[] = { "manifest", "import" };
	const struct describing *d = arg;
	SEED_AUTO(seed_freep) char *role = strndup(name, strcspn(name, "."));
	SEED_AUTO(seed_freep) char *path = NULL;

	if (!role)
		return seed_error_sys(err, ENOMEM, "side files");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcmp(role, others[i]) == 0)
			return 0;
	if (!seed_side_file_is(name))
		return 0;
	path = in_folder(d, name, err);
	return path ? seed_vmdef_add_file(d->def, role, path, err) : -1;
}

static const struct seed_vmdef_disk *disk_at(const struct seed_vmdef *def, const char *slot)
{
	for (size_t i = 0; i < def->disks.count; i++) {
		const struct seed_vmdef_disk *disk = seed_vec_at(&def->disks, i);

		if (strcmp(disk->slot, slot) == 0)
			return disk;
	}
	return NULL;
}

/* What the definition of then declares goes on being declared. It is the origin's, and paths in it
 * are of another host; one that is not understood here declares nothing. */
static int add_evidence(struct seed_vmdef *def, struct seed_error *err)
{
	const struct seed_vmdef_file *first = def->files.count ? seed_vec_at(&def->files, 0) : NULL;
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *then = NULL;

	if (!first || strcmp(first->role, "definition") != 0 ||
	    seed_vmdef_read(&then, first->path, NULL, NULL) < 0)
		return 0;
	for (size_t i = 0; i < def->disks.count; i++) {
		struct seed_vmdef_disk *disk = seed_vec_at(&def->disks, i);
		const struct seed_vmdef_disk *was = disk_at(then, disk->slot);

		if (!was)
			continue;
		disk->serial = was->serial ? strdup(was->serial) : NULL;
		disk->wwn = was->wwn ? strdup(was->wwn) : NULL;
		if ((was->serial && !disk->serial) || (was->wwn && !disk->wwn))
			return seed_error_sys(err, ENOMEM, "disks");
	}
	return 0;
}

static int describe(struct seed_vmdef *def, const struct seed_replica *r, const char *store_path,
		    struct seed_error *err)
{
	SEED_AUTO(seed_buf_free) struct seed_buf folder = { 0 };
	struct describing d = { .def = def };

	if (seed_buf_addf(&folder, err, "%s/%s", store_path, r->name) < 0)
		return -1;
	d.folder = folder.data;
	def->name = strdup(r->vm_name);
	def->uuid = r->uuid;
	def->has_uuid = true;
	/* A folder, by its '/': nobody takes it for a definition to read again. */
	def->source = in_folder(&d, "", err);
	if (!def->name || !def->source)
		return seed_error_sys(err, ENOMEM, "VM");
	for (size_t i = 0; i < r->disks.count; i++)
		if (add_disk(&d, seed_vec_at(&r->disks, i), err) < 0)
			return -1;
	/* By name, so that the definition is the first. */
	if (seed_path_each(r->dir, ".", NAMES_MAX, add_side_file, &d, err) < 0)
		return -1;
	return add_evidence(def, err);
}

int seed_promoted_vmdef(struct seed_vmdef **out, int store, const char *store_path,
			const char *name, struct seed_error *err)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	SEED_AUTO(seed_vmdef_freep) struct seed_vmdef *def = seed_vmdef_new();
	char folder[SEED_REPLICA_NAME];

	if (!def)
		return seed_error_sys(err, ENOMEM, "VM");
	if (seed_replica_find(folder, store, name, err) < 0 ||
	    seed_replica_open(&r, store, folder, false, err) < 0)
		return -1;
	if (r->state != SEED_REPLICA_PROMOTED)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "%s is a replica and not promoted: it is not this site's to "
				      "send",
				      folder);
	if (describe(def, r, store_path, err) < 0)
		return seed_error_prefix(err, "replica %s", folder);
	*out = seed_steal(&def);
	return 0;
}
