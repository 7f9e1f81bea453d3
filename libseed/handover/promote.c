// SPDX-License-Identifier: LGPL-2.1-or-later
#include "handover/promote.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "block/grid.h"
#include "block/merkle.h"
#include "block/stamp.h"
#include "capture/capture.h"
#include "crypto/random.h"
#include "capture/sent.h"
#include "handover/handover_internal.h"
#include "replica/proof.h"

void seed_promoted_clear(struct seed_promoted *p)
{
	seed_replica_close(p->replica);
	*p = (struct seed_promoted){ 0 };
}

/* ---- may it? ---- */

static int check_state(const struct seed_replica *r, bool force, struct seed_error *err)
{
	switch (r->state) {
	case SEED_REPLICA_SEEDING:
		return seed_error_set(err, SEED_ERR_USAGE,
				      "it is still being seeded: finish its import or resync "
				      "first");
	case SEED_REPLICA_INCOMPLETE:
		return seed_error_set(err, SEED_ERR_USAGE,
				      "it is incomplete, %" PRIu64 " blocks are missing: "
				      "import it again from an undamaged medium, or resync it, "
				      "first",
				      seed_replica_missing(r));
	case SEED_REPLICA_CANDIDATE:
		return seed_error_set(err, SEED_ERR_IDENTITY,
				      "it is a candidate, and nothing proves yet whose disks they "
				      "are: resync to it first");
	default:
		break;
	}
	if (!force &&
	    (r->captured == SEED_CAPTURED_CHANGED || r->captured == SEED_CAPTURED_UNPROVEN))
		return seed_error_set(err, SEED_ERR_IDENTITY,
				      "its copy was taken of disks that %s, and may not be "
				      "consistent: resync it first, or promote it with --force",
				      r->captured == SEED_CAPTURED_CHANGED ? "changed meanwhile" :
									     "could not be held");
	if (r->lineage.count == SEED_TIMELINES_MAX)
		return seed_error_set(err, SEED_ERR_RANGE,
				      "its history has forked %d times already",
				      SEED_TIMELINES_MAX - 1);
	return 0;
}

/* ---- the lineage ---- */

static const struct seed_timeline *last_timeline(const struct seed_lineage *lineage)
{
	return &lineage->timelines[lineage->count - 1];
}

/* Is @vm's record one that an earlier run of promote made for this very state? */
static bool begun_here(const struct seed_source_vm *vm, const struct seed_replica *r)
{
	return vm->lineage.count == r->lineage.count + 1 &&
	       last_timeline(&vm->lineage)->parent_generation == r->generation &&
	       seed_id_equal(&last_timeline(&vm->lineage)->writer, &vm->site) &&
	       seed_lineage_compare(&r->lineage, r->generation, &vm->lineage, r->generation + 1) ==
		       SEED_LINEAGE_NEWER;
}

/* May the record make way? One that was handed over may, and one with a fork of ours on which
 * nothing was signed: an earlier run ended there, and its replica has moved on since. */
static bool may_replace(const struct seed_source_vm *vm, const struct seed_replica *r)
{
	const struct seed_timeline *last;

	if (vm->lineage.count == 0)
		return true;
	if (!seed_id_equal(&vm->origin, &r->site))
		return false;
	last = last_timeline(&vm->lineage);
	return vm->handed_over || (last->forked && seed_id_equal(&last->writer, &vm->site) &&
				   vm->generation == last->parent_generation);
}

static int fork_lineage(struct seed_source_vm *vm, const struct seed_replica *r,
			struct seed_error *err)
{
	struct seed_timeline *t;

	if (vm->lineage.count && !vm->handed_over && begun_here(vm, r))
		return 0;
	if (!may_replace(vm, r))
		return seed_error_set(err, SEED_ERR_IDENTITY,
				      "this site exports a VM of that uuid itself, with a history "
				      "of its own");
	vm->lineage = r->lineage;
	t = &vm->lineage.timelines[vm->lineage.count];
	*t = (struct seed_timeline){
		.writer = vm->site,
		.parent = last_timeline(&r->lineage)->id,
		.parent_generation = r->generation,
		.forked = true,
	};
	vm->lineage.count++;
	return seed_random_id(&t->id, err);
}

/* ---- the kept lists ---- */

/* The stamp goes first and comes last: a crash between leaves a list that nothing vouches for. */
static int keep_list(const struct seed_source_vm *vm, const struct seed_replica *r,
		     const struct seed_replica_disk *disk, struct seed_error *err)
{
	char name[SEED_CAPTURE_LIST_NAME];
	struct seed_stamp stamp = { .recorded = seed_clock_wall() };

	snprintf(name, sizeof(name), "%s.stamp", disk->slot);
	if (seed_path_unlink(vm->dir, name, err) < 0 || seed_fd_sync(vm->dir, err) < 0 ||
	    seed_handover_copy(r->dir, disk->list, vm->dir,
			       seed_capture_list_name(disk->slot, name), err) < 0)
		return -1;
	/* What its list says is what the disk provably holds: the list is a reading of it as it is
	 * now. */
	if (!seed_replica_stamped(r->dir, disk, &stamp.identity))
		return 0;
	stamp.blocks = seed_grid_blocks(disk->size);
	return seed_stamp_write(vm->dir, disk->slot, &stamp, err);
}

static int keep_lists(const struct seed_source_vm *vm, const struct seed_replica *r,
		      struct seed_error *err)
{
	for (size_t i = 0; i < r->disks.count; i++) {
		const struct seed_replica_disk *disk = seed_vec_at(&r->disks, i);

		if (keep_list(vm, r, disk, err) < 0)
			return seed_error_prefix(err, "disk %s", disk->slot);
	}
	return 0;
}

/* What the fork begins with is what the other site can have. */
static int note_sent(const struct seed_source_vm *vm, const struct seed_replica *r,
		     struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec sent = { 0 };

	for (size_t i = 0; i < r->disks.count; i++) {
		const struct seed_replica_disk *disk = seed_vec_at(&r->disks, i);
		struct seed_sent_disk *s = seed_vec_push(&sent, sizeof(*s), NULL);
		SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;

		if (!s)
			return seed_error_sys(err, ENOMEM, "sent.json");
		memcpy(s->slot, disk->slot, sizeof(s->slot));
		s->size = disk->size;
		if (seed_list_open(&list, r->dir, disk->list, seed_grid_blocks(disk->size), false,
				   err) < 0 ||
		    seed_merkle_of_list(&s->root, list, disk->size, NULL, NULL, err) < 0)
			return seed_error_prefix(err, "disk %s", disk->slot);
	}
	return seed_sent_put(vm->dir, r->generation, &sent, err);
}

/* ---- doing it ---- */

static int open_vm(struct seed_source_vm **out, const struct seed_replica *r,
		   const struct seed_promote_options *opt, struct seed_error *err)
{
	const struct seed_vmdef def = { .name = r->vm_name, .uuid = r->uuid, .has_uuid = true };

	return seed_source_vm_open(out, opt->home, &def, opt->own,
				   SEED_SOURCE_VM_ANYWAY | SEED_SOURCE_VM_BLANK, err);
}

static int note(const struct seed_promoted *p, const struct seed_promote_options *opt,
		struct seed_error *err)
{
	const struct seed_replica *r = p->replica;

	return seed_history_note(opt->home, opt->own, &(struct seed_history_entry){
		.event = "promote", .site = &r->site, .uuid = &r->uuid, .name = r->vm_name,
		.generation = r->generation, .timeline = &p->timeline, .parent = &p->parent }, err);
}

/* Nothing is built or fetched for it any more. */
static int drop_unfinished(const struct seed_replica *r, struct seed_error *err)
{
	static const char *const folders[] = { "next", "sync" };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (seed_path_exists(r->dir, folders[i]) &&
		    seed_path_remove_tree(r->dir, folders[i], err) < 0)
			return -1;
	return 0;
}

static int promote(struct seed_promoted *p, const struct seed_promote_options *opt,
		   struct seed_error *err)
{
	SEED_AUTO(seed_source_vm_closep) struct seed_source_vm *vm = NULL;
	struct seed_replica *r = p->replica;

	p->parent = last_timeline(&r->lineage)->id;
	if (opt->dry_run && !seed_source_vm_exists(opt->home, &r->uuid))
		return 0;
	if (open_vm(&vm, r, opt, err) < 0 || fork_lineage(vm, r, err) < 0)
		return -1;
	if (opt->dry_run)
		return 0;
	if (keep_lists(vm, r, err) < 0 || note_sent(vm, r, err) < 0)
		return -1;
	vm->generation = r->generation;
	vm->origin = r->site;
	vm->handed_over = vm->final = false;
	free(vm->definition);
	vm->definition = NULL;
	if (seed_source_vm_save(vm, err) < 0)
		return -1;
	p->timeline = last_timeline(&vm->lineage)->id;
	r->lineage = vm->lineage;
	r->state = SEED_REPLICA_PROMOTED;
	return seed_replica_save(r, err);
}

/* It is promoted. Where adopting it again was cut short, its record is given back to this site. */
static int take_back(struct seed_promoted *p, const struct seed_promote_options *opt,
		     struct seed_error *err)
{
	SEED_AUTO(seed_source_vm_closep) struct seed_source_vm *vm = NULL;
	const struct seed_replica *r = p->replica;

	p->already = true;
	p->timeline = last_timeline(&r->lineage)->id;
	p->parent = last_timeline(&r->lineage)->parent;
	if (opt->dry_run)
		return 0;
	if (open_vm(&vm, r, opt, err) < 0)
		return -1;
	if (vm->lineage.count == 0)
		return seed_error_set(err, SEED_ERR_INTEGRITY,
				      "its record in vms/ is gone: which generations were signed "
				      "is not known any more");
	if (!vm->handed_over)
		return 0;
	if (vm->final && !opt->force)
		return seed_error_set(err, SEED_ERR_IDENTITY,
				      "was handed over by a last resync, and the site that got it "
				      "may have gone on: to follow it, 'vmseed adopt %s' here; "
				      "--force takes it back, and then one of the two histories "
				      "will be lost",
				      r->name);
	vm->handed_over = vm->final = false;
	return seed_source_vm_save(vm, err);
}

int seed_promote(struct seed_promoted *out, const char *folder,
		 const struct seed_promote_options *opt, struct seed_error *err)
{
	const struct seed_replica_watch watch = { opt->events, opt->cancel };
	struct seed_replica *r;

	*out = (struct seed_promoted){ 0 };
	if ((opt->dry_run ?
		     seed_replica_open(&out->replica, opt->store, folder, false, err) :
		     seed_replica_open_watched(&out->replica, opt->store, folder, &watch, err)) < 0)
		return -1;
	r = out->replica;
	if (r->state == SEED_REPLICA_PROMOTED ? take_back(out, opt, err) < 0 :
	    check_state(r, opt->force, err) < 0 || promote(out, opt, err) < 0)
		return seed_error_prefix(err, "replica %s", r->name);
	if (opt->dry_run)
		return 0;
	if (note(out, opt, err) < 0 || drop_unfinished(r, err) < 0)
		return seed_error_prefix(err, "replica %s is promoted", r->name);
	return 0;
}
