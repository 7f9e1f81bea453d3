// SPDX-License-Identifier: LGPL-2.1-or-later
#include "replica/replica.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "replica/replica_internal.h"

#define NAME_STEM 32	/* characters of the VM's name in the folder's */
#define TAG 8		/* hex digits behind it */

/* ---- names ---- */

char *seed_replica_tag(const struct seed_id *site, const struct seed_id *uuid, char *out)
{
	uint8_t both[2 * SEED_ID_SIZE];
	struct seed_digest digest;

	memcpy(both, site->bytes, SEED_ID_SIZE);
	memcpy(both + SEED_ID_SIZE, uuid->bytes, SEED_ID_SIZE);
	seed_digest_of(&digest, both, sizeof(both));
	return seed_hex(digest.bytes, TAG / 2, out);
}

/* Anything but letters and digits becomes one '-', none at the ends; nothing left is "vm". */
char *seed_replica_folder_name(const struct seed_id *site, const struct seed_id *uuid,
			       const char *vm_name, char *out)
{
	char tag[TAG + 1];
	size_t len = 0;

	for (const char *p = vm_name; *p && len < NAME_STEM; p++) {
		if ((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9'))
			out[len++] = *p;
		else if (*p >= 'A' && *p <= 'Z')
			out[len++] = (char)(*p - 'A' + 'a');
		else if (len && out[len - 1] != '-')
			out[len++] = '-';
	}
	while (len && out[len - 1] == '-')
		len--;
	if (!len) {
		memcpy(out, "vm", 2);
		len = 2;
	}
	snprintf(out + len, SEED_REPLICA_NAME - len, ".%s", seed_replica_tag(site, uuid, tag));
	return out;
}

bool seed_replica_is_called(const char *wanted, const struct seed_id *site,
			    const struct seed_id *uuid, const char *vm_name)
{
	char text[SEED_UUID_TEXT], folder[SEED_REPLICA_NAME];

	return strcmp(vm_name, wanted) == 0 ||
	       strcasecmp(seed_uuid_text(uuid, text), wanted) == 0 ||
	       strcmp(seed_replica_folder_name(site, uuid, vm_name, folder), wanted) == 0;
}

bool seed_replica_name_valid(const char *name)
{
	size_t stem = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	if (stem == 0 || stem > NAME_STEM || name[stem] != '.')
		return false;
	return strspn(name + stem + 1, "0123456789abcdef") == TAG && name[stem + 1 + TAG] == '\0';
}

/* Of a valid slot. Whatever else came in would become '-', and a file of our own all the same. */
char *seed_replica_slot_stem(const char *slot, char *out)
{
	size_t len = 0;

	for (; slot[len] && len < 32; len++) {
		char c = slot[len];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '_' || c == '-' || (c == '.' && len);

		out[len] = plain ? c : c == ':' ? '+' : c == '.' ? '=' : '-';
	}
	out[len] = '\0';
	return out;
}

/* ---- opening and closing ---- */

struct seed_replica *seed_replica_new(const char *name, struct seed_error *err)
{
	struct seed_replica *replica = malloc(sizeof(*replica));

	if (!replica) {
		seed_error_sys(err, ENOMEM, "replica");
		return NULL;
	}
	*replica = (struct seed_replica){ .dir = -1, .build = -1 };
	snprintf(replica->name, sizeof(replica->name), "%s", name);
	return replica;
}

/* An own folder for the build is closed; the replica's stays open. */
void seed_replica_end_build(struct seed_replica *replica)
{
	if (replica->build != replica->dir)
		seed_fd_closep(&replica->build);
	replica->build = -1;
}

void seed_replica_close(struct seed_replica *replica)
{
	if (!replica)
		return;
	seed_replica_forget(replica);
	seed_replica_end_build(replica);
	seed_fd_closep(&replica->dir);
	free(replica);
}

static int lock_folder(const struct seed_replica *replica, struct seed_error *err)
{
	char what[SEED_REPLICA_NAME + 16];

	snprintf(what, sizeof(what), "replica %s", replica->name);
	return seed_fd_lock(replica->dir, what, true, err);
}

static int load(struct seed_replica *replica, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	char tag[TAG + 1];
	size_t len;

	if (seed_file_read(replica->dir, "replica.json", SEED_REPLICA_JSON_MAX, &text, &len,
			   err) < 0) {
		if (err && (err->kind == SEED_ERR_NOTFOUND || err->kind == SEED_ERR_RANGE))
			err->kind = SEED_ERR_FORMAT;
		return -1;
	}
	if (seed_replica_from_text(replica, text, len, err) < 0)
		return seed_error_prefix(err, "replica.json");
	if (strcmp(strchr(replica->name, '.') + 1,
		   seed_replica_tag(&replica->site, &replica->uuid, tag)) != 0)
		return seed_error_set(err, SEED_ERR_FORMAT, "replica.json: is of another VM than "
				      "its folder");
	return 0;
}

static int note_name(const char *name, void *arg, struct seed_error *err)
{
	bool *used = arg;

	(void)err;
	if (strncmp(name, ".tmp-", 5) != 0)
		*used = true;
	return 0;
}

/* A creation that was cut short leaves a folder with nothing in it: no replica yet. */
static bool is_unborn(const struct seed_replica *replica)
{
	bool used = false;

	return seed_path_each(replica->dir, ".", SEED_STORE_NAMES_MAX, note_name, &used,
			      NULL) == 0 && !used;
}

static int open_replica(struct seed_replica **out, int store, const char *name, bool lock,
			const struct seed_replica_watch *watch, struct seed_error *err)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *replica = NULL;
	char quoted[SEED_QUOTED];

	if (!seed_replica_name_valid(name))
		return seed_error_set(err, SEED_ERR_NOTFOUND, "%s is no replica's name",
				      seed_quote(name, quoted, sizeof(quoted)));
	replica = seed_replica_new(name, err);
	if (!replica || seed_path_open_folder_at(&replica->dir, store, name, err) < 0)
		return -1;
	if (lock && (lock_folder(replica, err) < 0 || seed_file_sweep(replica->dir, err) < 0))
		return -1;
	if (!seed_path_exists(replica->dir, "replica.json") && is_unborn(replica))
		return seed_error_set(err, SEED_ERR_NOTFOUND, "replica %s: not there", name);
	if (load(replica, err) < 0 ||
	    (lock && replica->switching && seed_replica_finish_switch(replica, err) < 0) ||
	    (lock && seed_replica_finish_sync(replica, watch, err) < 0))
		return seed_error_prefix(err, "replica %s", name);
	*out = seed_steal(&replica);
	return 0;
}

int seed_replica_open(struct seed_replica **out, int store, const char *name, bool lock,
		      struct seed_error *err)
{
	return open_replica(out, store, name, lock, NULL, err);
}

int seed_replica_open_watched(struct seed_replica **out, int store, const char *name,
			      const struct seed_replica_watch *watch, struct seed_error *err)
{
	return open_replica(out, store, name, true, watch, err);
}

int seed_replica_save(struct seed_replica *replica, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	size_t len;

	if (seed_replica_to_text(replica, &text, &len, err) < 0)
		return seed_error_prefix(err, "replica.json");
	return seed_file_replace(replica->dir, "replica.json", text, len, 0600, err);
}

/* ---- creating ---- */

static int refuse_any(const char *name, void *arg, struct seed_error *err)
{
	const struct seed_replica *replica = arg;

	if (strcmp(name, "replica.json") == 0)
		return seed_error_set(err, SEED_ERR_USAGE, "replica %s exists already",
				      replica->name);
	return seed_error_set(err, SEED_ERR_USAGE, "folder %s is there and no replica of ours: "
			      "nothing in it is touched", replica->name);
}

/* A crash leaves the folder empty, or with a temporary file: seed_store_each() takes that for no
 * replica, and the next creation goes on with it. */
static int make_replica(struct seed_replica *replica, int store,
			const struct seed_manifest *manifest, struct seed_error *err)
{
	if (seed_path_make_folder(store, replica->name, 0700, err) < 0 ||
	    seed_path_open_folder_at(&replica->dir, store, replica->name, err) < 0 ||
	    lock_folder(replica, err) < 0 || seed_file_sweep(replica->dir, err) < 0 ||
	    seed_path_each(replica->dir, ".", SEED_STORE_NAMES_MAX, refuse_any, replica, err) < 0)
		return -1;
	replica->state = SEED_REPLICA_SEEDING;
	if (seed_replica_describe(replica, manifest, err) < 0 ||
	    seed_replica_save(replica, err) < 0)
		return -1;
	return seed_replica_begin_build(replica, manifest, err);
}

int seed_replica_create(struct seed_replica **out, int store, const struct seed_manifest *manifest,
			struct seed_error *err)
{
	char name[SEED_REPLICA_NAME];
	SEED_AUTO(seed_replica_closep) struct seed_replica *replica =
		seed_replica_new(seed_replica_folder_name(&manifest->site, &manifest->uuid,
							  manifest->name, name), err);

	if (!replica || make_replica(replica, store, manifest, err) < 0)
		return -1;
	*out = seed_steal(&replica);
	return 0;
}

/* ---- describing ---- */

uint64_t seed_replica_missing(const struct seed_replica *replica)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < replica->disks.count; i++)
		sum += ((struct seed_replica_disk *)seed_vec_at(&replica->disks, i))
			       ->missing_blocks;
	return sum;
}

static int add_disk(struct seed_vec *disks, const struct seed_manifest_disk *from,
		    struct seed_error *err)
{
	struct seed_replica_disk disk = { .size = from->size };
	char stem[33];

	seed_replica_slot_stem(from->slot, stem);
	snprintf(disk.slot, sizeof(disk.slot), "%s", from->slot);
	snprintf(disk.file, sizeof(disk.file), "%s.raw", stem);
	snprintf(disk.list, sizeof(disk.list), "%s.list", stem);
	snprintf(disk.missing, sizeof(disk.missing), "%s.missing", stem);
	for (size_t i = 0; i < disks->count; i++)
		if (strcmp(((struct seed_replica_disk *)seed_vec_at(disks, i))->file,
			   disk.file) == 0)
			return seed_error_set(err, SEED_ERR_FORMAT, "two disks would share %s",
					      disk.file);
	if (!seed_vec_push(disks, sizeof(disk), &disk))
		return seed_error_sys(err, ENOMEM, "disks of a replica");
	return 0;
}

int seed_replica_describe(struct seed_replica *replica, const struct seed_manifest *manifest,
			  struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec disks = { 0 };
	SEED_AUTO(seed_freep) char *name = strdup(manifest->name);

	if (!name)
		return seed_error_sys(err, ENOMEM, "replica");
	for (size_t i = 0; i < manifest->disks.count; i++)
		if (add_disk(&disks, seed_vec_at(&manifest->disks, i), err) < 0)
			return -1;
	free(replica->vm_name);
	seed_vec_free(&replica->disks);
	replica->vm_name = seed_steal(&name);
	replica->disks = disks;
	disks = (struct seed_vec){ 0 };
	replica->site = manifest->site;
	replica->uuid = manifest->uuid;
	replica->seed = manifest->seed;
	replica->set = manifest->set;
	replica->generation = manifest->generation;
	replica->lineage = manifest->lineage;
	replica->captured = manifest->captured;
	replica->discard = replica->has_follows = false;
	return 0;
}

enum seed_lineage_relation seed_replica_relation(const struct seed_replica *replica,
						 const struct seed_lineage *lineage,
						 uint64_t generation)
{
	enum seed_lineage_relation relation = seed_lineage_compare(
		&replica->lineage, replica->generation, lineage, generation);

	if (relation == SEED_LINEAGE_DIVERGED && replica->discard &&
	    replica->state == SEED_REPLICA_CANDIDATE &&
	    seed_id_equal(&replica->lineage.timelines[0].id, &lineage->timelines[0].id))
		return SEED_LINEAGE_NEWER;
	return relation;
}
