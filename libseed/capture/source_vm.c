// SPDX-License-Identifier: LGPL-2.1-or-later
#include "capture/source_vm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "block/grid.h"
#include "crypto/kdf.h"
#include "crypto/random.h"

#define VM_FILE "vm.json"
#define VM_FILE_MAX (256u << 10)	/* bytes: 64 timelines take 20 KiB */
#define STAMP_MAX 4096u
#define STAMP_NAME (SEED_SLOT_MAX + sizeof(SEED_STAMP_PART ".stamp"))
#define NUMBER_MAX 24			/* bytes of a 64-bit number in decimal, sign and NUL */

int seed_source_vm_uuid(struct seed_id *out, const struct seed_vmdef *def,
			const struct seed_site *site, struct seed_error *err)
{
	if (!def->has_uuid)
		return seed_uuid5(out, &site->id, def->name, err);
	*out = def->uuid;
	return 0;
}

/* ---- home documents: unsigned, with schema and schema_version ---- */

static struct seed_json *new_document(const char *schema)
{
	struct seed_json *doc = seed_json_new_object();

	seed_json_set_text(doc, "schema", schema);
	seed_json_set_uint(doc, "schema_version", 1);
	return doc;
}

static void take_schema(struct seed_json_reader *r, const char *schema)
{
	if (strcmp(seed_json_take_text(r, "schema", 64), schema) != 0)
		seed_json_refuse(r, "schema", "not \"%s\"", schema);
	if (seed_json_take_uint(r, "schema_version", SEED_JSON_INT_MAX) != 1)
		seed_json_refuse(r, "schema_version", "not 1");
}

static int replace_document(int dir, const char *path, const struct seed_json *doc,
			    struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	size_t len;

	if (seed_json_dump(doc, 1, &text, &len, err) < 0)
		return seed_error_prefix(err, "%s", path);
	return seed_file_replace(dir, path, text, len, 0600, err);
}

/* ---- vm.json ---- */

static int write_vm(const struct seed_source_vm *vm, uint64_t generation, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = new_document("vmseed-source-vm");

	seed_json_set_uuid(doc, "uuid", &vm->uuid);
	seed_json_set_text(doc, "name", vm->name);
	seed_json_set(doc, "lineage", seed_lineage_to_json(&vm->lineage));
	seed_json_set_uint(doc, "generation", generation);
	seed_json_set_uint(doc, "updated", (uint64_t)seed_clock_wall());
	return replace_document(vm->dir, VM_FILE, doc, err);
}

/* The name in it is what the VM was called when it was written: shown by others, not taken. */
static int parse_vm(struct seed_source_vm *vm, const char *text, size_t len,
		    struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_json_reader r;
	struct seed_id uuid;

	if (seed_json_parse(&doc, text, len, err) < 0)
		return -1;
	seed_json_begin(&r, doc, "", err);
	take_schema(&r, "vmseed-source-vm");
	seed_json_take_uuid(&r, "uuid", &uuid);
	seed_json_take_text(&r, "name", SEED_VM_NAME_MAX);
	seed_lineage_take(&r, "lineage", &vm->lineage);
	vm->generation = seed_json_take_uint(&r, "generation", SEED_GENERATION_MAX);
	seed_json_take_uint(&r, "updated", SEED_JSON_INT_MAX);
	if (seed_json_done(&r) < 0)
		return -1;
	if (!seed_id_equal(&uuid, &vm->uuid))
		return seed_error_set(err, SEED_ERR_FORMAT, "uuid: of another VM");
	if (vm->generation < seed_lineage_base(&vm->lineage))
		return seed_error_set(err, SEED_ERR_FORMAT, "generation: before the last fork");
	return 0;
}

static int begin_lineage(struct seed_source_vm *vm, const struct seed_site *site,
			 struct seed_error *err)
{
	vm->lineage = (struct seed_lineage){ .count = 1 };
	vm->lineage.timelines[0].writer = site->id;
	if (seed_random_id(&vm->lineage.timelines[0].id, err) < 0)
		return -1;
	return write_vm(vm, 0, err);
}

static int load_vm(struct seed_source_vm *vm, const struct seed_site *site, struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	struct seed_error why = { 0 };
	size_t len;

	if (seed_file_read(vm->dir, VM_FILE, VM_FILE_MAX, &text, &len, &why) < 0) {
		if (why.kind == SEED_ERR_NOTFOUND)
			return begin_lineage(vm, site, err);
		*err = why;
		return -1;
	}
	if (parse_vm(vm, text, len, err) < 0)
		return seed_error_prefix(err, VM_FILE);
	return 0;
}

/* ---- the folder ---- */

static int open_folder(struct seed_source_vm *vm, int home, struct seed_error *err)
{
	char path[sizeof("vms/") + SEED_UUID_TEXT], uuid[SEED_UUID_TEXT];
	char name[SEED_QUOTED];

	snprintf(path, sizeof(path), "vms/%s", seed_uuid_text(&vm->uuid, uuid));
	if (seed_path_make_folder(home, "vms", 0700, err) < 0 ||
	    seed_path_make_folder(home, path, 0700, err) < 0 ||
	    seed_path_open_folder_at(&vm->dir, home, path, err) < 0)
		return -1;
	if (seed_fd_lock(vm->dir, seed_quote(vm->name, name, sizeof(name)), true, err) < 0)
		return -1;
	return seed_file_sweep(vm->dir, err);
}

int seed_source_vm_open(struct seed_source_vm **out, int home, const struct seed_vmdef *def,
			const struct seed_site *site, struct seed_error *err)
{
	SEED_AUTO(seed_source_vm_closep) struct seed_source_vm *vm = malloc(sizeof(*vm));
	char uuid[SEED_UUID_TEXT];

	if (vm)
		*vm = (struct seed_source_vm){ .dir = -1, .name = strdup(def->name) };
	if (!vm || !vm->name)
		return seed_error_sys(err, ENOMEM, "VM");
	if (seed_source_vm_uuid(&vm->uuid, def, site, err) < 0 || open_folder(vm, home, err) < 0)
		return -1;
	if (load_vm(vm, site, err) < 0)
		return seed_error_prefix(err, "vms/%s", seed_uuid_text(&vm->uuid, uuid));
	*out = seed_steal(&vm);
	return 0;
}

void seed_source_vm_close(struct seed_source_vm *vm)
{
	if (!vm)
		return;
	seed_fd_closep(&vm->dir);
	free(vm->name);
	free(vm);
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

/* ---- stamps ---- */

static int stamp_name(char out[STAMP_NAME], const char *slot, struct seed_error *err)
{
	char bare[SEED_SLOT_MAX + 1];
	size_t len = strcspn(slot, "+");

	snprintf(bare, sizeof(bare), "%.*s", (int)len, slot);
	if (len > SEED_SLOT_MAX || !seed_slot_valid(bare) ||
	    (slot[len] && strcmp(slot + len, SEED_STAMP_PART) != 0))
		return seed_error_set(err, SEED_ERR_FORMAT, "not a slot");
	snprintf(out, STAMP_NAME, "%s.stamp", slot);
	return 0;
}

/* Nanoseconds and some inode numbers do not fit a JSON number: they are decimal texts. */
static void set_number(struct seed_json *doc, const char *key, bool negative, uint64_t magnitude)
{
	char text[NUMBER_MAX];

	snprintf(text, sizeof(text), "%s%" PRIu64, negative ? "-" : "", magnitude);
	seed_json_set_text(doc, key, text);
}

static void set_time(struct seed_json *doc, const char *key, int64_t ns)
{
	set_number(doc, key, ns < 0, ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns);
}

static uint64_t take_digits(struct seed_json_reader *r, const char *key, const char *digits)
{
	size_t len = strlen(digits);
	uint64_t value;

	errno = 0;
	value = strtoull(digits, NULL, 10);
	if (len < 1 || strspn(digits, "0123456789") != len || errno)
		seed_json_refuse(r, key, "not a decimal number");
	return value;
}

static uint64_t take_number(struct seed_json_reader *r, const char *key)
{
	return take_digits(r, key, seed_json_take_text(r, key, NUMBER_MAX - 1));
}

static int64_t take_time(struct seed_json_reader *r, const char *key)
{
	const char *text = seed_json_take_text(r, key, NUMBER_MAX - 1);
	bool negative = *text == '-';
	uint64_t magnitude = take_digits(r, key, text + negative);

	if (magnitude > INT64_MAX) {
		seed_json_refuse(r, key, "out of range");
		return 0;
	}
	return negative ? -(int64_t)magnitude : (int64_t)magnitude;
}

int seed_stamp_write(struct seed_source_vm *vm, const char *slot, const struct seed_stamp *stamp,
		     struct seed_error *err)
{
	const struct seed_source_identity *identity = &stamp->identity;
	SEED_AUTO(seed_json_freep) struct seed_json *doc = new_document("vmseed-stamp");
	char name[STAMP_NAME];

	if (stamp_name(name, slot, err) < 0)
		return -1;
	set_number(doc, "device", false, identity->device);
	set_number(doc, "inode", false, identity->inode);
	set_number(doc, "size", false, identity->size);
	set_time(doc, "mtime_ns", identity->mtime_ns);
	set_time(doc, "ctime_ns", identity->ctime_ns);
	seed_json_set_bool(doc, "provable", identity->provable);
	set_time(doc, "recorded", stamp->recorded);
	seed_json_set_uint(doc, "blocks", stamp->blocks);
	return replace_document(vm->dir, name, doc, err);
}

static int parse_stamp(struct seed_stamp *out, const char *text, size_t len, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_stamp stamp = { 0 };
	struct seed_json_reader r;

	if (seed_json_parse(&doc, text, len, err) < 0)
		return -1;
	seed_json_begin(&r, doc, "", err);
	take_schema(&r, "vmseed-stamp");
	stamp.identity.device = take_number(&r, "device");
	stamp.identity.inode = take_number(&r, "inode");
	stamp.identity.size = take_number(&r, "size");
	stamp.identity.mtime_ns = take_time(&r, "mtime_ns");
	stamp.identity.ctime_ns = take_time(&r, "ctime_ns");
	stamp.identity.provable = seed_json_take_bool(&r, "provable");
	stamp.recorded = take_time(&r, "recorded");
	stamp.blocks = seed_json_take_uint(&r, "blocks", SEED_JSON_INT_MAX);
	if (seed_json_done(&r) < 0)
		return -1;
	if (stamp.blocks > seed_grid_blocks(stamp.identity.size))
		return seed_error_set(err, SEED_ERR_FORMAT, "blocks: more than the size has");
	*out = stamp;
	return 0;
}

int seed_stamp_read(struct seed_stamp *out, struct seed_source_vm *vm, const char *slot,
		    struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	char name[STAMP_NAME];
	size_t len;

	if (stamp_name(name, slot, err) < 0 ||
	    seed_file_read(vm->dir, name, STAMP_MAX, &text, &len, err) < 0)
		return -1;
	if (parse_stamp(out, text, len, err) < 0)
		return seed_error_prefix(err, "%s", name);
	return 0;
}

/* Seconds, rounded up below zero: later is the safe side. */
static bool long_before(int64_t ns, int64_t recorded)
{
	return recorded > INT64_MIN + 2 && ns / 1000000000 < recorded - 2;
}

bool seed_stamp_proves(const struct seed_stamp *stamp, const struct seed_source_identity *now)
{
	return seed_source_identity_equal(&stamp->identity, now) &&
	       long_before(stamp->identity.mtime_ns, stamp->recorded) &&
	       long_before(stamp->identity.ctime_ns, stamp->recorded);
}
