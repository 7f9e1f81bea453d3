// SPDX-License-Identifier: LGPL-2.1-or-later
#include "handover/adopt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "block/grid.h"
#include "capture/receipts.h"
#include "handover/handover_internal.h"
#include "replica/candidate.h"
#include "replica/find.h"
#include "replica/proof.h"

void seed_adopted_clear(struct seed_adopted *a)
{
	free(a->vm_name);
	*a = (struct seed_adopted){ 0 };
}

struct adopting {
	struct seed_adopted *out;
	const struct seed_adopt_options *opt;
	struct seed_source_vm *vm;
	struct seed_vec readings;	/* struct seed_reading */
};

static void clear(struct adopting *a)
{
	if (a->vm && !a->opt->dry_run)
		seed_reading_forget(a->vm->dir);
	seed_readings_clear(&a->readings);
	seed_source_vm_close(a->vm);
}

/* ---- what both kinds do ---- */

static int describe_out(struct adopting *a, struct seed_error *err)
{
	const struct seed_source_vm *vm = a->vm;
	struct seed_adopted *out = a->out;

	out->discard = a->opt->discard;
	out->acknowledged = seed_arrival_acknowledged(vm, a->opt);
	out->vm_name = strdup(vm->name);
	out->site = vm->origin;
	out->uuid = vm->uuid;
	out->generation = vm->generation;
	return out->vm_name ? 0 : seed_error_sys(err, ENOMEM, "adopt");
}

/* Does any disk hold what no other site is known to have? */
static int check_arrival(struct adopting *a, struct seed_error *err)
{
	enum seed_arrival arrival;

	if (seed_arrival_of(&arrival, a->vm, &a->readings, a->opt, err) < 0)
		return -1;
	a->out->unknown = arrival == SEED_ARRIVAL_UNKNOWN;
	a->out->doubted = arrival == SEED_ARRIVAL_DOUBTED;
	a->out->unsent = a->out->doubted || arrival == SEED_ARRIVAL_UNSENT;
	return 0;
}

/* ---- who goes on ---- */

struct heirs {
	struct seed_id site;
	size_t count;
};

static int add_heir(const struct seed_receipt_file *file, void *arg, struct seed_error *err)
{
	struct heirs *heirs = arg;

	(void)err;
	heirs->site = file->site;
	heirs->count++;
	return 0;
}

/* The site that the candidate follows: only it may bring a fork of the VM, or any site that is
 * trusted at all could take the VM over with one of its own invention. */
static int choose_heir(const struct adopting *a, struct seed_replica *r, struct seed_error *err)
{
	struct heirs heirs = { .count = 0 };
	size_t trusted = a->opt->trust ? seed_trust_count(a->opt->trust) : 0;

	if (a->opt->follow) {
		heirs = (struct heirs){ *a->opt->follow, 1 };
	} else if (seed_receipts_each(a->vm->dir, add_heir, &heirs, err) < 0) {
		return -1;
	}
	for (size_t i = 0; heirs.count == 0 && i < trusted; i++) {
		const struct seed_trusted *site = seed_trust_at(a->opt->trust, i);
		size_t others = 0;

		if (site->own || site->revoked)
			continue;
		for (size_t k = 0; k < trusted; k++) {
			const struct seed_trusted *other = seed_trust_at(a->opt->trust, k);

			others += !other->own && !other->revoked;
		}
		heirs = (struct heirs){ site->card.site, others };
	}
	if (heirs.count > 1)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "several sites may go on with it: say which with --follow "
				      "SITE");
	r->has_follows = heirs.count == 1;
	r->follows = heirs.site;
	return 0;
}

/* Read, compare, and refuse what would be lost. */
static int look_at_disks(struct adopting *a, struct seed_error *err)
{
	const struct seed_reading_options opt = {
		.vm = a->vm,
		.keep = !a->opt->dry_run,
		.jobs = a->opt->jobs,
		.events = a->opt->events,
		.cancel = a->opt->cancel,
	};
	struct seed_adopted *out = a->out;
	char size[32];

	if (seed_reading_run(&a->readings, &opt, err) < 0)
		return -1;
	for (size_t i = 0; i < a->readings.count; i++) {
		const struct seed_reading *r = seed_vec_at(&a->readings, i);

		out->changed_blocks += r->changed_blocks;
		out->changed_bytes += r->changed_bytes;
		out->bytes_read += r->bytes_read;
	}
	if (check_arrival(a, err) < 0)
		return -1;
	if (!out->unsent || a->opt->discard)
		return 0;
	if (out->doubted)
		return seed_error_set(err, SEED_ERR_IDENTITY,
				      "it was exported, and is not known to have arrived: the last "
				      "that a site acknowledged is generation %" PRIu64
				      " of %" PRIu64
				      ". Bring a receipt back with the medium, or give it up with "
				      "--discard-changes",
				      out->acknowledged, out->generation);
	if (out->changed_blocks == 0)
		return seed_error_set(err, SEED_ERR_IDENTITY,
				      "it holds what no other site is known to have got: it was "
				      "read since, and that never arrived anywhere. Send it first, "
				      "or give it up with --discard-changes");
	return seed_error_set(err, SEED_ERR_IDENTITY,
			      "%" PRIu64 " block%s (%s) %s written after the last "
			      "sync and would be lost: send them first, or give them up with "
			      "--discard-changes",
			      out->changed_blocks, out->changed_blocks == 1 ? "" : "s",
			      seed_size_text(out->changed_bytes, size),
			      out->changed_blocks == 1 ? "was" : "were");
}

/* The list of what was just read becomes the candidate's. */
static int place_lists(const struct adopting *a, const struct seed_replica *r,
		       struct seed_error *err)
{
	for (size_t i = 0; i < a->readings.count; i++) {
		const struct seed_reading *reading = seed_vec_at(&a->readings, i);
		const struct seed_replica_disk *disk = seed_vec_at(&r->disks, i);
		char name[48];

		if (seed_handover_copy(a->vm->dir, seed_reading_list(reading->slot, name), r->dir,
				       disk->list, err) < 0)
			return -1;
	}
	return 0;
}

/* A disk without a stamp is read by the first resync, so failing here loses nothing else. */
static void stamp_disks(const struct seed_replica *r)
{
	for (size_t i = 0; i < r->disks.count; i++) {
		const struct seed_replica_disk *disk = seed_vec_at(&r->disks, i);
		char stem[33];

		seed_replica_slot_stem(disk->slot, stem);
		(void)seed_replica_stamp(r->dir, stem, disk->file, seed_grid_blocks(disk->size),
					 NULL);
	}
}

static int note(const struct adopting *a, struct seed_error *err)
{
	const struct seed_source_vm *vm = a->vm;

	return seed_history_note(a->opt->home, a->opt->own, &(struct seed_history_entry){
		.event = "adopt", .site = &vm->origin, .uuid = &vm->uuid, .name = vm->name,
		.generation = vm->generation,
		.timeline = &vm->lineage.timelines[vm->lineage.count - 1].id,
		.discard = a->out->discard, .changed_blocks = a->out->changed_blocks }, err);
}

/* ---- a VM of this site ---- */

static int open_record(struct adopting *a, const struct seed_vmdef *def, struct seed_error *err)
{
	char uuid[SEED_UUID_TEXT];
	struct seed_id id;

	if (seed_source_vm_uuid(&id, def, a->opt->own, err) < 0)
		return -1;
	if (!seed_source_vm_exists(a->opt->home, &id))
		return seed_error_set(err, SEED_ERR_NOTFOUND,
				      "this site never exported a VM of uuid %s: nothing tells "
				      "what its disks were",
				      seed_uuid_text(&id, uuid));
	if (seed_source_vm_open(&a->vm, a->opt->home, def, a->opt->own, SEED_SOURCE_VM_ANYWAY,
				err) < 0)
		return -1;
	if (a->vm->generation == 0)
		return seed_error_set(err, SEED_ERR_NOTFOUND,
				      "no export of it was ever finished: nothing was handed over");
	return describe_out(a, err);
}

/* Its manifest is that of the seed it was promoted at. A crash before it is gone leaves a candidate
 * with one, which nobody reads. */
static int drop_manifest(const struct seed_replica *r, struct seed_error *err)
{
	if (seed_path_unlink(r->dir, "manifest.json", err) < 0 ||
	    seed_path_unlink(r->dir, "manifest.json.minisig", err) < 0)
		return -1;
	return seed_fd_sync(r->dir, err);
}

/* It is a candidate: what an earlier run did not get to, and what is asked for now. */
static int finish_again(struct adopting *a, struct seed_replica *r, struct seed_error *err)
{
	if (seed_source_vm_hand_over(a->vm, false, err) < 0 || drop_manifest(r, err) < 0)
		return -1;
	if ((a->opt->discard && !r->discard) || a->opt->follow || !r->has_follows) {
		r->discard |= a->opt->discard;
		/* Whom it follows was said then. */
		if (((a->opt->follow || !r->has_follows) && choose_heir(a, r, err) < 0) ||
		    seed_replica_save(r, err) < 0)
			return -1;
	}
	a->out->discard = r->discard;
	return note(a, err);
}

static int adopt_again(struct adopting *a, struct seed_error *err)
{
	const struct seed_replica_watch watch = { a->opt->events, a->opt->cancel };
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;

	return seed_replica_open_watched(&r, a->opt->store, a->out->folder, &watch, err) < 0 ? -1 :
	       finish_again(a, r, err);
}

/* A candidate of this state is what an earlier run made, whole; anything else is in the way. */
static int look_for_replica(struct adopting *a, struct seed_error *err)
{
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;
	const struct seed_source_vm *vm = a->vm;
	struct seed_error why = { 0 };

	if (seed_replica_find_vm(a->out->folder, a->opt->store, &vm->origin, &vm->uuid, &why) < 0) {
		seed_replica_folder_name(&vm->origin, &vm->uuid, vm->name, a->out->folder);
		if (why.kind == SEED_ERR_NOTFOUND)
			return 0;
		*err = why;
		return -1;
	}
	if (seed_replica_open(&r, a->opt->store, a->out->folder, false, err) < 0)
		return -1;
	a->out->already = r->state == SEED_REPLICA_CANDIDATE && r->generation == vm->generation &&
			  seed_lineage_compare(&r->lineage, r->generation, &vm->lineage,
					       vm->generation) == SEED_LINEAGE_SAME;
	if (a->out->already)
		return 0;
	return seed_error_set(err, SEED_ERR_IDENTITY,
			      "replica %s of it is here already, %s at generation %" PRIu64,
			      r->name, seed_replica_state_name(r->state), r->generation);
}

static bool is_moved(int folder, const char *slot, char *path, size_t size)
{
	char stem[33], file[48];

	snprintf(file, sizeof(file), "%s.raw", seed_replica_slot_stem(slot, stem));
	snprintf(path, size, "/proc/self/fd/%d/%s", folder, file);
	return folder >= 0 && seed_path_exists(folder, file);
}

/* Where an earlier run moved it, or where the definition says. Both: nobody can tell. */
static int open_disk(struct adopting *a, const struct seed_vmdef_disk *disk, int moving,
		     struct seed_error *err)
{
	char moved[80], quoted[SEED_QUOTED];
	struct stat st;

	if (!disk->raw || !disk->path)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "disk %s is %s, which is not supported yet", disk->slot,
				      disk->format ? disk->format : "of no known format");
	if (!is_moved(moving, disk->slot, moved, sizeof(moved)))
		return seed_reading_open(&a->readings, disk->slot, disk->path, err);
	if (lstat(disk->path, &st) == 0 || errno != ENOENT)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "disk %s was moved by an earlier run, and %s is there again: "
				      "move one of them away",
				      disk->slot, seed_quote(disk->path, quoted, sizeof(quoted)));
	return seed_reading_open(&a->readings, disk->slot, moved, err);
}

static int open_disks(struct adopting *a, const struct seed_vmdef *def, int moving,
		      struct seed_error *err)
{
	for (size_t i = 0; i < def->disks.count; i++) {
		const struct seed_vmdef_disk *disk = seed_vec_at(&def->disks, i);

		if (!disk->excluded && open_disk(a, disk, moving, err) < 0)
			return -1;
	}
	if (a->readings.count == 0)
		return seed_error_set(err, SEED_ERR_USAGE, "it has no disks");
	return 0;
}

/* What the candidate's folder is made for. */
static int describe(struct seed_manifest *m, const struct adopting *a, struct seed_error *err)
{
	m->name = strdup(a->vm->name);
	if (!m->name)
		return seed_error_sys(err, ENOMEM, "adopt");
	m->site = a->vm->origin;
	m->uuid = a->vm->uuid;
	m->lineage = a->vm->lineage;
	m->generation = a->vm->generation;
	m->captured = SEED_CAPTURED_OFFLINE;
	for (size_t i = 0; i < a->readings.count; i++) {
		const struct seed_reading *r = seed_vec_at(&a->readings, i);
		struct seed_manifest_disk *disk = seed_vec_push(&m->disks, sizeof(*disk), NULL);

		if (!disk || !(disk->slot = strdup(r->slot)))
			return seed_error_sys(err, ENOMEM, "adopt");
		disk->size = r->source->size;
		disk->blocks = seed_grid_blocks(disk->size);
	}
	return 0;
}

static int place(struct adopting *a, struct seed_candidate *c, bool move, struct seed_error *err)
{
	const struct seed_placing p = {
		.replica = c->replica, .readings = &a->readings, .store = a->opt->store,
		.events = a->opt->events, .cancel = a->opt->cancel,
	};
	bool shared = false;

	c->replica->discard = a->opt->discard;
	if (choose_heir(a, c->replica, err) < 0)
		return -1;
	if (place_lists(a, c->replica, err) < 0)
		return -1;
	if (move ? seed_place_may_move(&p, err) < 0 : seed_place_copies(&p, &shared, err) < 0)
		return -1;
	a->out->how = move   ? SEED_ADOPTED_MOVED :
		      shared ? SEED_ADOPTED_SHARED :
			       SEED_ADOPTED_COPIED;
	if (seed_source_vm_hand_over(a->vm, false, err) < 0 ||
	    (move && seed_place_moved(&p, err) < 0))
		return -1;
	return seed_candidate_finish(c, a->opt->store, err);
}

static int make_candidate(struct adopting *a, bool move, struct seed_error *err)
{
	SEED_AUTO(seed_manifest_clear) struct seed_manifest what;
	struct seed_candidate c;
	int rc;

	seed_manifest_init(&what);
	if (describe(&what, a, err) < 0 ||
	    seed_candidate_begin(&c, a->opt->store, &what, move, err) < 0)
		return -1;
	rc = place(a, &c, move, err);
	if (rc < 0) {
		seed_candidate_abandon(&c, a->opt->store);
		return -1;
	}
	/* Moving them, and the folder, is over: both change what a stamp holds. */
	stamp_disks(c.replica);
	seed_candidate_close(&c);
	return 0;
}

/* Before anything is made: what --in-place cannot do. */
static int check_move(struct adopting *a, bool move, struct seed_error *err)
{
	const struct seed_placing p = { .readings = &a->readings, .store = a->opt->store };

	return move ? seed_place_may_move(&p, err) : 0;
}

static bool any_moved(const struct seed_vmdef *def, int moving)
{
	char path[80];

	for (size_t i = 0; i < def->disks.count; i++)
		if (is_moved(moving, ((struct seed_vmdef_disk *)seed_vec_at(&def->disks, i))->slot,
			     path, sizeof(path)))
			return true;
	return false;
}

/* Moving them would have left none of them. */
static bool any_there(const struct seed_vmdef *def)
{
	struct stat st;

	for (size_t i = 0; i < def->disks.count; i++) {
		const struct seed_vmdef_disk *disk = seed_vec_at(&def->disks, i);

		if (!disk->excluded && disk->path && lstat(disk->path, &st) == 0)
			return true;
	}
	return false;
}

static int adopt_vm(struct adopting *a, const struct seed_vmdef *def, struct seed_error *err)
{
	const struct seed_source_vm *vm;
	SEED_AUTO(seed_fd_closep) int moving = -1;
	char name[SEED_CANDIDATE_BESIDE];
	bool move;

	if (open_record(a, def, err) < 0 || look_for_replica(a, err) < 0)
		return -1;
	vm = a->vm;
	if (a->out->already) {
		a->out->copied = any_there(def);
		return a->opt->dry_run ? 0 : adopt_again(a, err);
	}
	if (seed_candidate_moving(a->opt->store, &vm->origin, &vm->uuid, name) &&
	    seed_path_open_folder_at(&moving, a->opt->store, name, err) < 0)
		return -1;
	move = a->opt->in_place || any_moved(def, moving);
	if (open_disks(a, def, moving, err) < 0 || check_move(a, move, err) < 0 ||
	    look_at_disks(a, err) < 0)
		return -1;
	a->out->how = move ? SEED_ADOPTED_MOVED : SEED_ADOPTED_COPIED;
	if (a->opt->dry_run)
		return 0;
	return make_candidate(a, move, err) < 0 ? -1 : note(a, err);
}

int seed_adopt_vm(struct seed_adopted *out, const struct seed_vmdef *def,
		  const struct seed_adopt_options *opt, struct seed_error *err)
{
	SEED_AUTO(clear) struct adopting a = { .out = out, .opt = opt };
	char quoted[SEED_QUOTED];

	*out = (struct seed_adopted){ 0 };
	if (adopt_vm(&a, def, err) < 0)
		return seed_error_prefix(err, "%s", seed_quote(def->name, quoted, sizeof(quoted)));
	return 0;
}

/* ---- a promoted replica ---- */

static int open_own_disks(struct adopting *a, const struct seed_replica *r, struct seed_error *err)
{
	for (size_t i = 0; i < r->disks.count; i++) {
		const struct seed_replica_disk *disk = seed_vec_at(&r->disks, i);
		char path[80];

		snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", r->dir, disk->file);
		if (seed_reading_open(&a->readings, disk->slot, path, err) < 0)
			return seed_error_prefix(err, "disk %s", disk->slot);
	}
	return 0;
}

static int become_candidate(struct adopting *a, struct seed_replica *r, struct seed_error *err)
{
	for (size_t i = 0; i < a->readings.count; i++) {
		const struct seed_reading *reading = seed_vec_at(&a->readings, i);
		struct seed_replica_disk *disk = seed_vec_at(&r->disks, i);

		disk->size = reading->source->size;
		disk->missing_blocks = 0;
	}
	if (choose_heir(a, r, err) < 0 || seed_source_vm_hand_over(a->vm, false, err) < 0 ||
	    place_lists(a, r, err) < 0)
		return -1;
	r->state = SEED_REPLICA_CANDIDATE;
	r->discard = a->opt->discard;
	r->lineage = a->vm->lineage;
	r->generation = a->vm->generation;
	r->captured = SEED_CAPTURED_OFFLINE;
	r->seed = r->set = (struct seed_id){ { 0 } };
	if (seed_replica_save(r, err) < 0)
		return -1;
	stamp_disks(r);
	return drop_manifest(r, err);
}

static int adopt_replica(struct adopting *a, struct seed_replica *r, struct seed_error *err)
{
	const struct seed_vmdef def = { .name = r->vm_name, .uuid = r->uuid, .has_uuid = true };

	a->out->already = r->state == SEED_REPLICA_CANDIDATE;
	if (r->state == SEED_REPLICA_SEEDING)
		return seed_error_set(err, SEED_ERR_USAGE, "is seeding: let it be finished first");
	if (!a->out->already && r->state != SEED_REPLICA_PROMOTED)
		return seed_adopt_edited(r, a->out, a->opt, err);
	if (!seed_source_vm_exists(a->opt->home, &r->uuid))
		return seed_error_set(err, SEED_ERR_NOTFOUND,
				      "has no record in vms/: nothing tells what its disks were");
	if (seed_source_vm_open(&a->vm, a->opt->home, &def, a->opt->own, SEED_SOURCE_VM_ANYWAY,
				err) < 0 ||
	    describe_out(a, err) < 0)
		return -1;
	if (!a->out->already &&
	    (open_own_disks(a, r, err) < 0 || look_at_disks(a, err) < 0))
		return -1;
	if (a->opt->dry_run)
		return 0;
	if (a->out->already)
		return finish_again(a, r, err);
	return become_candidate(a, r, err) < 0 ? -1 : note(a, err);
}

int seed_adopt_replica(struct seed_adopted *out, const char *folder,
		       const struct seed_adopt_options *opt, struct seed_error *err)
{
	const struct seed_replica_watch watch = { opt->events, opt->cancel };
	SEED_AUTO(clear) struct adopting a = { .out = out, .opt = opt };
	SEED_AUTO(seed_replica_closep) struct seed_replica *r = NULL;

	*out = (struct seed_adopted){ 0 };
	snprintf(out->folder, sizeof(out->folder), "%s", folder);
	if ((opt->dry_run ? seed_replica_open(&r, opt->store, folder, false, err) :
			    seed_replica_open_watched(&r, opt->store, folder, &watch, err)) < 0)
		return -1;
	if (adopt_replica(&a, r, err) < 0)
		return seed_error_prefix(err, "replica %s", folder);
	return 0;
}
