// SPDX-License-Identifier: LGPL-2.1-or-later
#include "capture/source_vm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "capture/vm_file.h"
#include "crypto/kdf.h"
#include "crypto/random.h"

int seed_source_vm_uuid(struct seed_id *out, const struct seed_vmdef *def,
			const struct seed_site *site, struct seed_error *err)
{
	if (!def->has_uuid)
		return seed_uuid5(out, &site->id, def->name, err);
	*out = def->uuid;
	return 0;
}

static int write_vm(struct seed_source_vm *vm, uint64_t generation, struct seed_error *err)
{
	struct seed_vm_file file = {
		.uuid = vm->uuid,
		.name = vm->name,
		.lineage = vm->lineage,
		.generation = generation,
		.definition = vm->definition,
		.has_origin = !seed_id_equal(&vm->origin, &vm->site),
		.origin = vm->origin,
		.handed_over = vm->handed_over,
		.final = vm->final,
	};

	if (seed_vm_file_write(vm->dir, &file, err) < 0)
		return -1;
	vm->unsaved = false;
	return 0;
}

static int begin_lineage(struct seed_source_vm *vm, const struct seed_site *site,
			 struct seed_error *err)
{
	vm->lineage = (struct seed_lineage){ .count = 1 };
	vm->lineage.timelines[0].writer = site->id;
	vm->unsaved = true;
	return seed_random_id(&vm->lineage.timelines[0].id, err);
}

/* A damaged vm.json is an error, never a fresh start: its generations may have been signed. */
static int load_vm(struct seed_source_vm *vm, const struct seed_site *site, unsigned int flags,
		   struct seed_error *err)
{
	struct seed_error why = { 0 };
	struct seed_vm_file file;

	if (seed_vm_file_read(&file, vm->dir, &vm->uuid, &why) < 0) {
		if (why.kind == SEED_ERR_NOTFOUND)
			return flags & SEED_SOURCE_VM_BLANK ? 0 : begin_lineage(vm, site, err);
		*err = why;
		return -1;
	}
	vm->lineage = file.lineage;
	vm->generation = file.generation;
	vm->definition = seed_steal(&file.definition);
	if (file.has_origin)
		vm->origin = file.origin;
	vm->handed_over = file.handed_over;
	vm->final = file.final;
	seed_vm_file_clear(&file);	/* its name is the old one */
	return 0;
}

/* ---- the folder ---- */

#define FOLDER_PATH (sizeof("vms/") + SEED_UUID_TEXT)

static const char *folder_path(const struct seed_source_vm *vm, char *out)
{
	char uuid[SEED_UUID_TEXT];

	snprintf(out, FOLDER_PATH, "vms/%s", seed_uuid_text(&vm->uuid, uuid));
	return out;
}

static int open_folder(struct seed_source_vm *vm, int home, struct seed_error *err)
{
	char path[FOLDER_PATH], name[SEED_QUOTED];
	struct stat st;

	folder_path(vm, path);
	if (seed_path_make_folder(home, "vms", 0700, err) < 0)
		return -1;
	do {
		seed_fd_closep(&vm->dir);
		vm->dir = -1;
		if (seed_path_make_folder(home, path, 0700, err) < 0 ||
		    seed_path_open_folder_at(&vm->dir, home, path, err) < 0 ||
		    seed_fd_lock(vm->dir, seed_quote(vm->name, name, sizeof(name)), true, err) < 0)
			return -1;
		if (fstat(vm->dir, &st) < 0)
			return seed_error_sys(err, errno, "%s", path);
		/* Another run made nothing of it and took it away before the lock was ours. */
	} while (st.st_nlink == 0);
	return seed_file_sweep(vm->dir, err);
}

/* One that holds anything stays: what was read need not be read again. */
static void drop_empty_folder(const struct seed_source_vm *vm)
{
	char path[FOLDER_PATH];

	unlinkat(vm->home, folder_path(vm, path), AT_REMOVEDIR);
}

int seed_source_vm_open(struct seed_source_vm **out, int home, const struct seed_vmdef *def,
			const struct seed_site *site, unsigned int flags, struct seed_error *err)
{
	SEED_AUTO(seed_source_vm_closep) struct seed_source_vm *vm = malloc(sizeof(*vm));
	char uuid[SEED_UUID_TEXT], name[SEED_QUOTED];

	if (vm)
		*vm = (struct seed_source_vm){
			.dir = -1,
			.home = home,
			.name = strdup(def->name),
			.site = site->id,
			.origin = site->id,
		};
	if (!vm || !vm->name)
		return seed_error_sys(err, ENOMEM, "VM");
	if (seed_source_vm_uuid(&vm->uuid, def, site, err) < 0 || open_folder(vm, home, err) < 0)
		return -1;
	if (load_vm(vm, site, flags, err) < 0)
		return seed_error_prefix(err, "vms/%s", seed_uuid_text(&vm->uuid, uuid));
	if (vm->handed_over && !(flags & SEED_SOURCE_VM_ANYWAY))
		return seed_error_set(err, SEED_ERR_IDENTITY,
				      "was handed over to another site, and nothing more is signed "
				      "of it here: 'vmseed promote %s' makes a replica of it here "
				      "the VM again; with --force it takes back one that was "
				      "handed over, if the other site did not go on",
				      seed_quote(vm->name, name, sizeof(name)));
	*out = seed_steal(&vm);
	return 0;
}

bool seed_source_vm_exists(int home, const struct seed_id *uuid)
{
	char path[64], text[SEED_UUID_TEXT];

	snprintf(path, sizeof(path), "vms/%s/vm.json", seed_uuid_text(uuid, text));
	return seed_path_exists(home, path);
}

void seed_source_vm_close(struct seed_source_vm *vm)
{
	if (!vm)
		return;
	if (vm->unsaved)
		drop_empty_folder(vm);
	seed_fd_closep(&vm->dir);
	free(vm->name);
	free(vm->definition);
	free(vm);
}

int seed_source_vm_save(struct seed_source_vm *vm, struct seed_error *err)
{
	return write_vm(vm, vm->generation, err);
}

int seed_source_vm_retract(struct seed_source_vm *vm, struct seed_error *err)
{
	if (vm->generation || vm->handed_over)
		return 0;
	if (seed_path_unlink(vm->dir, "vm.json", err) < 0)
		return -1;
	vm->unsaved = true;
	return 0;
}

int seed_source_vm_hand_over(struct seed_source_vm *vm, bool final, struct seed_error *err)
{
	if (vm->handed_over && (vm->final || !final))
		return 0;
	vm->handed_over = true;
	vm->final |= final;
	return seed_source_vm_save(vm, err);
}

int seed_source_vm_next_generation(struct seed_source_vm *vm, struct seed_error *err)
{
	if (vm->generation >= SEED_GENERATION_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "no generation is left");
	if (write_vm(vm, vm->generation + 1, err) < 0)
		return -1;
	vm->generation++;
	return 0;
}

/* ---- where its definition is ---- */

/* The folder is made real and the last name kept: a link there (/dev/mapper/NAME, a definition's
 * alias) is the stable name, what it points to today is not. NULL: there is none. */
static char *absolute(const char *path)
{
	SEED_AUTO(seed_freep) char *folder = strdup(path);
	SEED_AUTO(seed_freep) char *real = NULL;
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char *out = NULL;

	if (!folder || !*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return NULL;
	if (slash)
		folder[slash == path ? 1 : slash - path] = '\0';
	real = realpath(slash ? folder : ".", NULL);
	if (!real || asprintf(&out, "%s/%s", strcmp(real, "/") == 0 ? "" : real, name) < 0)
		return NULL;
	return out;
}

/* NAME=DISK[,DISK...] with absolute disks. A disk whose folder has a ',' cannot be written so. */
static char *absolute_disks(const struct seed_vmdef *def)
{
	SEED_AUTO(seed_buf_free) struct seed_buf text = { 0 };

	if (strchr(def->name, '=') || seed_buf_addf(&text, NULL, "%s", def->name) < 0)
		return NULL;
	for (size_t i = 0; i < def->disks.count; i++) {
		const struct seed_vmdef_disk *disk = seed_vec_at(&def->disks, i);
		SEED_AUTO(seed_freep) char *path = NULL;

		if (disk->path)
			path = disk->format && strcmp(disk->format, "nbd") == 0 ?
				       strdup(disk->path) : absolute(disk->path);
		if (!path || strchr(path, ',') ||
		    seed_buf_addf(&text, NULL, "%c%s", i ? ',' : '=', path) < 0)
			return NULL;
	}
	return def->disks.count ? seed_steal(&text.data) : NULL;
}

static char *definition_of(const struct seed_vmdef *def)
{
	const struct seed_vmdef_file *first = def->files.items;
	bool is_file = def->files.count && strcmp(first->role, "definition") == 0;
	SEED_AUTO(seed_freep) char *text = is_file ? absolute(def->source) : absolute_disks(def);
	size_t len = text ? strlen(text) : 0;

	if (!len || len > SEED_VM_DEFINITION_MAX || !seed_utf8_valid(text, len))
		return NULL;
	return seed_steal(&text);
}

int seed_source_vm_note_definition(struct seed_source_vm *vm, const struct seed_vmdef *def,
				   struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *now = definition_of(def);

	if (now ? vm->definition && strcmp(now, vm->definition) == 0 : !vm->definition)
		return 0;
	free(vm->definition);
	vm->definition = seed_steal(&now);
	return vm->unsaved ? 0 : seed_source_vm_save(vm, err);
}
