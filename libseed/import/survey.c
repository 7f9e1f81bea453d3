/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is on the media: volumes, and the newest seed of each VM. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "import/import_internal.h"

/* A pack is met again by the next VMs, and a set on the next copy of its medium. */
static int add_problem(struct seed_import *plan, const struct seed_import_problem *problem)
{
	for (size_t i = 0; i < plan->problems.count; i++) {
		const struct seed_import_problem *p = seed_vec_at(&plan->problems, i);

		if (strcmp(p->what, problem->what) == 0 &&
		    strcmp(p->err.text, problem->err.text) == 0)
			return 0;
	}
	return seed_vec_push(&plan->problems, sizeof(*problem), problem) ? 0 : -1;
}

int seed_import_note_problem(struct seed_import *plan, const struct seed_error *err,
			     const char *fmt, ...)
{
	struct seed_import_problem problem = { .err = *err };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(problem.what, sizeof(problem.what), fmt, ap);
	va_end(ap);
	return add_problem(plan, &problem);
}

/* Does @seed take the place of the one that @vm has? Where nobody can tell which one is right, the
 * VM is refused; a newer one on the same line settles what two of one number left open, and
 * nothing settles two histories. */
static bool takes_place(struct seed_import_vm *vm, const struct seed_seed *seed)
{
	const struct seed_manifest *a = &vm->seed->manifest, *b = &seed->manifest;

	switch (seed_lineage_compare(&a->lineage, a->generation, &b->lineage, b->generation)) {
	case SEED_LINEAGE_NEWER:
		if (!vm->parted)
			vm->err = (struct seed_error){ 0 };
		return true;
	case SEED_LINEAGE_OLDER:
		return false;
	case SEED_LINEAGE_SAME:
		if (!vm->parted && !seed_digest_equal(&vm->seed->digest, &seed->digest))
			seed_error_set(&vm->err, SEED_ERR_IDENTITY,
				       "the media hold two seeds of generation %llu with different "
				       "content: its site signed two manifests with one number; "
				       "ask there which one is right, and have it exported once "
				       "more",
				       (unsigned long long)a->generation);
		return false;
	default:
		vm->parted = true;
		seed_error_set(&vm->err, SEED_ERR_IDENTITY,
			       "the media hold two histories that have parted, one at generation "
			       "%llu and one at %llu: ask its site which one is right, and import "
			       "it from a medium that holds no other",
			       (unsigned long long)a->generation,
			       (unsigned long long)b->generation);
		return b->generation > a->generation;
	}
}

int seed_import_add_seed(struct seed_import *plan, struct seed_seed *seed, struct seed_error *err)
{
	struct seed_import_vm *vm;

	for (size_t i = 0; i < plan->vms.count; i++) {
		vm = seed_vec_at(&plan->vms, i);
		if (!seed_id_equal(&vm->seed->manifest.uuid, &seed->manifest.uuid) ||
		    !seed_id_equal(&vm->seed->manifest.site, &seed->manifest.site))
			continue;
		if (takes_place(vm, seed)) {
			struct seed_seed *old = vm->seed;

			vm->seed = seed;
			seed = old;
		}
		seed_seed_close(seed);
		return 0;
	}
	vm = seed_vec_push(&plan->vms, sizeof(*vm), NULL);
	if (!vm) {
		seed_seed_close(seed);
		return seed_error_sys(err, ENOMEM, "plan");
	}
	vm->seed = seed;
	return 0;
}

/* Commits that do not verify are reported, and what the last good one names is used. */
static int add_volume_problems(struct seed_import *plan, const struct seed_volume *v,
			       struct seed_error *err)
{
	char set[SEED_ID_TEXT];

	for (size_t i = 0; i < v->problems.count; i++) {
		const struct seed_volume_problem *p = seed_vec_at(&v->problems, i);
		struct seed_error why = { 0 };

		seed_error_set(&why, p->kind, "%s: %s", p->path, p->text);
		if (seed_import_note_problem(plan, &why, "set %.8s", seed_id_text(&v->set, set)) <
		    0)
			return seed_error_sys(err, ENOMEM, "plan");
	}
	return 0;
}

static bool is_for(const struct seed_volume *v, const struct seed_site *own)
{
	for (size_t i = 0; i < v->recipients.count; i++) {
		const struct seed_recipient *r = seed_vec_at(&v->recipients, i);

		if (seed_id_equal(&r->site, &own->id))
			return true;
	}
	return false;
}

/* One word for the whole set: none of its seeds can be opened here. One for a receiving key that
 * this site had before is not somebody else's. */
static int note_sealed(struct seed_import *plan, const struct seed_volume *v,
		       const struct seed_site *own, struct seed_error *err)
{
	struct seed_import_problem problem = { .harmless = !is_for(v, own) };
	char set[SEED_ID_TEXT];

	snprintf(problem.what, sizeof(problem.what), "set %.8s", seed_id_text(&v->set, set));
	seed_error_set(&problem.err, SEED_ERR_TRUST,
		       "sealed for another site: this home's receiving key does not open it; its "
		       "exporter must name this site with --for");
	return add_problem(plan, &problem) < 0 ? seed_error_sys(err, ENOMEM, "plan") : 0;
}

static int add_volume(struct seed_import *plan, struct seed_volume *v,
		      const struct seed_site *own, struct seed_error *err)
{
	char id[SEED_ID_TEXT];

	if (!seed_vec_push(&plan->volumes, sizeof(v), &v)) {
		seed_volume_close(v);
		return seed_error_sys(err, ENOMEM, "plan");
	}
	if (add_volume_problems(plan, v, err) < 0)
		return -1;
	if (v->sealed && !v->data_key.known)
		return note_sealed(plan, v, own, err);
	for (size_t i = 0; i < v->seeds.count; i++) {
		const struct seed_id *seed_id = seed_vec_at(&v->seeds, i);
		struct seed_seed *seed = NULL;
		struct seed_error why = { 0 };

		if (seed_seed_open(&seed, v, seed_id, &why) < 0) {
			if (seed_import_note_problem(plan, &why, "set %.8s",
						     seed_id_text(&v->set, id)) < 0)
				return seed_error_sys(err, ENOMEM, "plan");
			continue;
		}
		if (seed_import_add_seed(plan, seed, err) < 0)
			return -1;
	}
	return 0;
}

static int survey_medium(struct seed_import *plan, struct seed_medium *medium,
			 const struct seed_import_options *opt, size_t *sets_seen,
			 struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec sets = { 0 };
	char name[SEED_QUOTED];

	if (seed_medium_sets(medium, &sets, err) < 0)
		return seed_error_prefix(err, "medium %s", seed_medium_name(medium, name));
	*sets_seen += sets.count;
	for (size_t i = 0; i < sets.count; i++) {
		const struct seed_id *set = seed_vec_at(&sets, i);
		struct seed_volume *v = NULL;
		struct seed_error why = { 0 };

		if (seed_volume_open(&v, medium, set, opt->trust, opt->own, &why) < 0) {
			if (seed_import_note_problem(plan, &why, "medium %s",
						     seed_medium_name(medium, name)) < 0)
				return seed_error_sys(err, ENOMEM, "plan");
			continue;
		}
		if (add_volume(plan, v, opt->own, err) < 0)
			return -1;
	}
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct seed_manifest *x = &((const struct seed_import_vm *)a)->seed->manifest;
	const struct seed_manifest *y = &((const struct seed_import_vm *)b)->seed->manifest;
	int order = strcmp(x->name, y->name);

	return order ? order : memcmp(x->uuid.bytes, y->uuid.bytes, SEED_ID_SIZE);
}

static bool name_fits(const char *name, const struct seed_manifest *m)
{
	char folder[SEED_REPLICA_NAME], uuid[SEED_UUID_TEXT];

	return strcmp(name, m->name) == 0 ||
	       strcasecmp(name, seed_uuid_text(&m->uuid, uuid)) == 0 ||
	       strcmp(name, seed_replica_folder_name(&m->site, &m->uuid, m->name, folder)) == 0;
}

/* Keep the VMs that were named; every name must fit exactly one. */
static int select_named(struct seed_import *plan, const char *const *names, struct seed_error *err)
{
	struct seed_vec kept = { 0 };
	char quoted[SEED_QUOTED];
	int rc = 0;

	for (; rc == 0 && *names; names++) {
		size_t found = 0;

		for (size_t i = 0; i < plan->vms.count; i++) {
			struct seed_import_vm *vm = seed_vec_at(&plan->vms, i);

			if (!vm->seed || !name_fits(*names, &vm->seed->manifest))
				continue;
			found++;
			if (!seed_vec_push(&kept, sizeof(*vm), vm)) {
				rc = seed_error_sys(err, ENOMEM, "plan");
				break;
			}
			vm->seed = NULL;
		}
		if (rc == 0 && found != 1)
			rc = seed_error_set(err, SEED_ERR_USAGE,
					    found ? "%s: %zu VMs on the media have this name: say "
						    "which "
						    "by NAME.ID or uuid (import -n lists them)" :
						    "%s: no such VM on the media (import -n lists "
						    "them)%.0zu",
					    seed_quote(*names, quoted, sizeof(quoted)), found);
	}
	for (size_t i = 0; i < plan->vms.count; i++)
		seed_seed_close(((struct seed_import_vm *)seed_vec_at(&plan->vms, i))->seed);
	seed_vec_free(&plan->vms);
	plan->vms = kept;
	return rc;
}

/* A volume that holds packs and no seeds is one of several, or the run did not come to its end;
 * from the volume alone nobody can tell. */
static const struct seed_volume *without_seeds(const struct seed_import *plan)
{
	for (size_t i = 0; i < plan->volumes.count; i++) {
		const struct seed_volume *v =
			*(struct seed_volume **)seed_vec_at(&plan->volumes, i);

		if (v->packs.count && !v->seeds.count && (!v->sealed || v->data_key.known))
			return v;
	}
	return NULL;
}

static const struct seed_import_problem *first_problem(const struct seed_import *plan,
						       bool harmless)
{
	for (size_t i = 0; i < plan->problems.count; i++) {
		const struct seed_import_problem *p = seed_vec_at(&plan->problems, i);

		/* A set that is sealed for another site is no fault, but a reason. */
		if (harmless ? p->harmless && p->err.kind == SEED_ERR_TRUST : !p->harmless)
			return p;
	}
	return NULL;
}

/* Nothing to import: say the most telling reason. */
static int refuse_empty(const struct seed_import *plan, size_t sets_seen, struct seed_error *err)
{
	const struct seed_import_problem *p = first_problem(plan, false);
	const struct seed_volume *v = without_seeds(plan);
	char set[SEED_ID_TEXT];

	if (!p && !v)
		p = first_problem(plan, true);
	if (p) {
		*err = p->err;
		return seed_error_prefix(err, "%s", p->what);
	}
	if (v)
		return seed_error_set(err, SEED_ERR_MEDIUM,
				      "no seeds here: this is volume %u of set %.8s, and the "
				      "manifests are on the set's last volume: give that one too, "
				      "or first (or the export was interrupted: run it again to "
				      "finish it)",
				      v->number, seed_id_text(&v->set, set));
	if (sets_seen)
		return seed_error_set(err, SEED_ERR_MEDIUM,
				      "no finished seed on the media: the export was interrupted; "
				      "run it again to finish it");
	return seed_error_set(err, SEED_ERR_MEDIUM,
			      "no set on the media: nothing was exported to them");
}

/* What is odd about a volume's place in its set. */
static int note_places(struct seed_import *plan, const struct seed_set_view *view,
		       struct seed_error *err)
{
	char set[SEED_ID_TEXT], name[SEED_QUOTED], text[SEED_PLACES_TEXT];

	seed_id_text(&view->set, set);
	for (size_t i = 0; i < view->places.count; i++) {
		const struct seed_set_place *place = seed_vec_at(&view->places, i);
		struct seed_import_problem problem = { .what = "" };

		if (!place->volume || !*seed_set_place_remark(place, &problem.err.kind, text))
			continue;
		problem.harmless = problem.err.kind == SEED_ERR_NONE;
		if (problem.harmless)
			problem.err.kind = SEED_ERR_MEDIUM;
		snprintf(problem.what, sizeof(problem.what), "medium %.48s: set %.8s",
			 seed_medium_name(place->volume->medium, name), set);
		seed_error_set(&problem.err, problem.err.kind, "%s", text);
		if (add_problem(plan, &problem) < 0)
			return seed_error_sys(err, ENOMEM, "plan");
	}
	return 0;
}

/* What each VM's set lacks. Where the set document was not seen, or cannot be, nobody can name the
 * others: but that a manifest was kept of a volume that is not here says that there is one. */
static void note_lacking(struct seed_import *plan)
{
	for (size_t i = 0; i < plan->vms.count; i++) {
		struct seed_import_vm *vm = seed_vec_at(&plan->vms, i);
		const struct seed_id *id = &vm->seed->manifest.set;
		const struct seed_set_view *view = seed_set_view_of(&plan->views, id);
		char set[SEED_ID_TEXT];

		if (!view)
			continue;
		seed_set_view_lacking(view, vm->lacking);
		if (!view->has_doc && vm->seed->elsewhere)
			snprintf(vm->lacking, sizeof(vm->lacking),
				 "another volume of set %.8s, which was not given",
				 seed_id_text(id, set));
	}
}

static int view_sets(struct seed_import *plan, struct seed_error *err)
{
	if (seed_set_views_build(&plan->views, &plan->volumes, err) < 0)
		return -1;
	for (size_t i = 0; i < plan->views.count; i++)
		if (note_places(plan, seed_vec_at(&plan->views, i), err) < 0)
			return -1;
	return 0;
}

int seed_import_survey(struct seed_import *plan, const struct seed_import_options *opt,
		       struct seed_error *err)
{
	size_t sets_seen = 0;

	for (size_t i = 0; i < plan->media.count; i++) {
		struct seed_medium **medium = seed_vec_at(&plan->media, i);

		if (survey_medium(plan, *medium, opt, &sets_seen, err) < 0)
			return -1;
	}
	if (view_sets(plan, err) < 0 || seed_import_add_kept(plan, opt, err) < 0)
		return -1;
	note_lacking(plan);
	if (plan->vms.count == 0)
		return refuse_empty(plan, sets_seen, err);
	qsort(plan->vms.items, plan->vms.count, plan->vms.size, by_name);
	return opt->names && *opt->names ? select_named(plan, opt->names, err) : 0;
}
