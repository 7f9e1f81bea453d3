// SPDX-License-Identifier: LGPL-2.1-or-later
#include "handover/take_back.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "crypto/random.h"
#include "handover/handover_internal.h"
#include "replica/candidate.h"

static struct seed_timeline *last_timeline(struct seed_lineage *lineage)
{
	return &lineage->timelines[lineage->count - 1];
}

/* Did an earlier run fork it right here, and was nothing signed since? */
static bool taken_before(const struct seed_source_vm *vm)
{
	const struct seed_timeline *last;

	if (vm->lineage.count < 2 || vm->handed_over)
		return false;
	last = &vm->lineage.timelines[vm->lineage.count - 1];
	return seed_id_equal(&last->writer, &vm->site) &&
	       seed_id_equal(&last[-1].writer, &vm->site) &&
	       last->parent_generation == vm->generation;
}

static int check(const struct seed_source_vm *vm, const struct seed_take_back_options *opt,
		 struct seed_error *err)
{
	char beside[SEED_CANDIDATE_BESIDE], quoted[SEED_QUOTED];

	if (!vm->handed_over)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "is a VM of this site that was not handed over: there is "
				      "nothing to promote");
	if (opt->store >= 0 && seed_candidate_moving(opt->store, &vm->origin, &vm->uuid, beside))
		return seed_error_set(err, SEED_ERR_USAGE,
				      "an adoption of it was cut short, and disks of it are in "
				      "%s of the store: let 'vmseed adopt' finish it",
				      beside);
	if (!opt->force)
		return seed_error_set(err, SEED_ERR_IDENTITY,
				      "was handed over%s, and the other site may have promoted it: "
				      "look there first. 'vmseed promote --force %s' takes it "
				      "back; where the other site has gone on, one of the two "
				      "histories will be lost",
				      vm->final ? " by a last resync" : " to be adopted",
				      seed_quote(vm->name, quoted, sizeof(quoted)));
	if (vm->lineage.count == SEED_TIMELINES_MAX)
		return seed_error_set(err, SEED_ERR_RANGE,
				      "its history has forked %d times already",
				      SEED_TIMELINES_MAX - 1);
	return 0;
}

static int fork_here(struct seed_source_vm *vm, struct seed_error *err)
{
	const struct seed_id parent = last_timeline(&vm->lineage)->id;
	struct seed_timeline *t = &vm->lineage.timelines[vm->lineage.count];

	*t = (struct seed_timeline){
		.writer = vm->site,
		.parent = parent,
		.parent_generation = vm->generation,
		.forked = true,
	};
	if (seed_random_id(&t->id, err) < 0)
		return -1;
	vm->lineage.count++;
	vm->handed_over = vm->final = false;
	return seed_source_vm_save(vm, err);
}

static int take_back(struct seed_taken_back *out, struct seed_source_vm *vm,
		     const struct seed_take_back_options *opt, struct seed_error *err)
{
	if (vm->lineage.count == 0)
		return seed_error_set(err, SEED_ERR_NOTFOUND, "nothing was ever signed of it");
	out->site = vm->origin;
	out->uuid = vm->uuid;
	out->generation = vm->generation;
	out->already = taken_before(vm);
	out->parent = last_timeline(&vm->lineage)->id;
	if (!out->already && check(vm, opt, err) < 0)
		return -1;
	if (opt->dry_run)
		return 0;
	if (!out->already && fork_here(vm, err) < 0)
		return -1;
	out->parent = last_timeline(&vm->lineage)->parent;
	out->timeline = last_timeline(&vm->lineage)->id;
	return seed_history_note(opt->home, opt->own, &(struct seed_history_entry){
		.event = "promote", .site = &vm->origin, .uuid = &vm->uuid, .name = vm->name,
		.generation = vm->generation, .timeline = &out->timeline,
		.parent = &out->parent }, err);
}

int seed_take_back(struct seed_taken_back *out, const struct seed_id *uuid,
		   const struct seed_take_back_options *opt, struct seed_error *err)
{
	const struct seed_vmdef def = {
		.name = (char *)opt->vm_name, .uuid = *uuid, .has_uuid = true,
	};
	SEED_AUTO(seed_source_vm_closep) struct seed_source_vm *vm = NULL;
	char quoted[SEED_QUOTED];

	*out = (struct seed_taken_back){ 0 };
	if (seed_source_vm_open(&vm, opt->home, &def, opt->own,
				SEED_SOURCE_VM_ANYWAY | SEED_SOURCE_VM_BLANK, err) < 0 ||
	    take_back(out, vm, opt, err) < 0)
		return seed_error_prefix(err, "%s",
					 seed_quote(opt->vm_name, quoted, sizeof(quoted)));
	return 0;
}
