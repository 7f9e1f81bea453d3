/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding the set to add to and its volumes, or making the first one: see target.h. */
#include "export/target.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "base/text.h"
#include "crypto/random.h"
#include "export/target_internal.h"
#include "media/seed.h"

struct candidate {			/* a medium that was given */
	struct seed_medium *medium;
	bool has_record;
	struct seed_set_record record;
	struct seed_volume *forgotten;	/* of ours, and the home has no record of it */
};

static bool fits_recipient(const struct seed_volume *v, const struct seed_card *recipient)
{
	if (!recipient || !v->sealed)
		return !recipient && !v->sealed;
	for (size_t i = 0; i < v->recipients.count; i++) {
		const struct seed_recipient *r = seed_vec_at(&v->recipients, i);

		if (seed_id_equal(&r->site, &recipient->site) &&
		    memcmp(r->receiving_key, recipient->receiving_key, SEED_HPKE_KEY) == 0)
			return true;
	}
	return false;
}

/* Prefixes an error with the medium's name. */
static int of_medium(const struct seed_medium *medium, struct seed_error *err)
{
	char name[SEED_QUOTED];

	return seed_error_prefix(err, "medium %s", seed_medium_name(medium, name));
}

/* ---- which set ---- */

static int take_medium(struct seed_vec *candidates, struct seed_medium *medium,
		       const struct seed_export_options *opt, struct seed_error *err)
{
	struct candidate c = { .medium = medium };
	struct seed_error why = { 0 };
	char name[SEED_QUOTED];

	if (seed_medium_lock(medium, err) < 0)
		return -1;
	/* Sets are told by the medium's id, and that is only as good as its signature. */
	if (!medium->known_signer) {
		seed_error_set(err, SEED_ERR_TRUST, "nobody whom this site trusts prepared this "
			       "medium: %s", medium->unknown.text);
		return of_medium(medium, err);
	}
	for (size_t i = 0; i < candidates->count; i++) {
		const struct candidate *other = seed_vec_at(candidates, i);

		if (seed_id_equal(&other->medium->id, &medium->id))
			return seed_error_set(err, SEED_ERR_USAGE,
					      "two of these media are copies of one, %s: give one "
					      "of them",
					      seed_medium_name(medium, name));
	}
	if (seed_set_record_find(&c.record, opt->home, &medium->id, opt->recipient, &why) == 0) {
		c.has_record = true;
	} else if (why.kind != SEED_ERR_NOTFOUND) {
		*err = why;
		return of_medium(medium, err);
	}
	return seed_vec_push(candidates, sizeof(c), &c) ? 0 : seed_error_sys(err, ENOMEM, "media");
}

/* A set of ours for this recipient that the home does not remember: taken as it is if all of it
 * is sound (recover is told that there is no record, so any problem is damage). */
static int find_forgotten(struct candidate *c, const struct seed_id *wanted,
			  const struct seed_export_options *opt, struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec sets = { 0 };

	if (seed_medium_sets(c->medium, &sets, err) < 0)
		return -1;
	for (size_t i = 0; i < sets.count; i++) {
		const struct seed_id *set = seed_vec_at(&sets, i);
		SEED_AUTO(seed_volume_closep) struct seed_volume *v = NULL;
		struct seed_set_record known;

		/* Somebody else's set, or one that we cannot read, is none of our business. */
		if ((wanted && !seed_id_equal(set, wanted)) ||
		    seed_volume_open(&v, c->medium, set, opt->trust, opt->own, NULL) < 0 ||
		    seed_set_record_read(&known, opt->home, set, v->number, NULL) == 0 ||
		    !v->signer->own || !fits_recipient(v, opt->recipient))
			continue;
		if (seed_volume_recover(v, NULL, err) < 0)
			return -1;
		c->forgotten = seed_steal(&v);
		return 0;
	}
	return 0;
}

static int two_sets(const struct candidate *a, const struct candidate *b, struct seed_error *err)
{
	char x[SEED_QUOTED], y[SEED_QUOTED], s[SEED_ID_TEXT], u[SEED_ID_TEXT];

	return seed_error_set(err, SEED_ERR_USAGE,
			      "medium %s has volume %u of set %.8s and medium %s volume %u of set "
			      "%.8s: one export goes on with one set, so give the media of one of "
			      "them",
			      seed_medium_name(a->medium, x), a->record.volume,
			      seed_id_text(&a->record.set, s), seed_medium_name(b->medium, y),
			      b->record.volume, seed_id_text(&b->record.set, u));
}

static int choose_known(struct seed_target *t, const struct seed_vec *candidates, bool *found,
			struct seed_error *err)
{
	const struct candidate *first = NULL;

	for (size_t i = 0; i < candidates->count; i++) {
		const struct candidate *c = seed_vec_at(candidates, i);

		/* What nothing was confirmed of binds nobody. */
		if (!c->has_record || !c->record.confirmed)
			continue;
		if (first && !seed_id_equal(&first->record.set, &c->record.set))
			return two_sets(first, c, err);
		first = first ? first : c;
	}
	*found = first != NULL;
	if (first)
		t->set = first->record.set;
	return 0;
}

static int choose_set(struct seed_target *t, struct seed_vec *candidates, struct seed_error *err)
{
	bool found = false;

	if (choose_known(t, candidates, &found, err) < 0)
		return -1;
	for (size_t i = 0; i < candidates->count; i++) {
		struct candidate *c = seed_vec_at(candidates, i);

		if (c->has_record)
			continue;
		if (find_forgotten(c, found ? &t->set : NULL, t->opt, err) < 0)
			return of_medium(c->medium, err);
		if (c->forgotten && !found)
			t->set = c->forgotten->set;
		found |= c->forgotten != NULL;
	}
	for (size_t i = 0; !found && i < candidates->count; i++) {
		const struct candidate *c = seed_vec_at(candidates, i);

		if (!c->has_record || c->record.volume != 1)
			continue;
		t->set = c->record.set;		/* the run that drew this id came to nothing */
		found = true;
	}
	return found ? 0 : seed_random_id(&t->set, err);
}

/* ---- its volumes ---- */

/* NULL in *@out: nothing of it is there, and nothing of it was ever confirmed. */
static int open_known(struct seed_volume **out, struct seed_set_record *record,
		      struct seed_medium *medium, const struct seed_export_options *opt,
		      struct seed_error *err)
{
	SEED_AUTO(seed_volume_closep) struct seed_volume *v = NULL;
	struct seed_error why = { 0 };
	char set[SEED_ID_TEXT];

	seed_id_text(&record->set, set);
	if (!seed_path_exists(medium->vmseed, set)) {
		if (record->confirmed == 0)
			return 0;	/* the run that drew this id ended before it wrote */
		return seed_error_set(err, SEED_ERR_MEDIUM,
				      "set %s is gone from the medium, though commit %u of it was "
				      "written: remove the folder vmseed from the medium and "
				      "prepare it anew to start afresh",
				      set, record->confirmed);
	}
	if (seed_volume_open(&v, medium, &record->set, opt->trust, opt->own, &why) < 0) {
		/* Never wholly created, and nothing of it confirmed: a torn first attempt,
		 * which creating the volume sweeps. */
		if (why.kind == SEED_ERR_NOTFOUND && record->confirmed == 0)
			return 0;
		*err = why;
		return -1;
	}
	memcpy(record->label, medium->label, sizeof(record->label));
	if (seed_set_recover(opt->home, v, record, err) < 0)
		return -1;
	*out = seed_steal(&v);
	return 0;
}

void seed_target_recover(struct seed_target *t)
{
	struct seed_target_volume *now = t->now;
	struct seed_volume *v = NULL;
	struct seed_error ignored = { 0 };

	if (now->record.reserved == now->record.confirmed ||
	    open_known(&v, &now->record, now->medium, t->opt, &ignored) < 0 || !v)
		return;
	seed_volume_close(now->volume);
	now->volume = v;
}

static int take_forgotten(struct seed_target *t, struct candidate *c, struct seed_error *err)
{
	const struct seed_volume *v = c->forgotten;

	seed_target_describe(&c->record, t, c->medium, v->number);
	c->record.reserved = v->highest_seen;
	c->record.confirmed = v->last_commit;
	c->record.confirmed_digest = v->last_digest;
	if (seed_set_record_write(t->opt->home, &c->record, err) < 0)
		return -1;
	return seed_target_add(t, c->medium, seed_steal(&c->forgotten), &c->record, err) ? 0 : -1;
}

static int take_candidate(struct seed_target *t, struct candidate *c, struct seed_error *err)
{
	struct seed_target_fresh fresh = { .medium = c->medium };
	struct seed_volume *v = NULL;

	if (c->forgotten)
		return take_forgotten(t, c, err);
	if (c->has_record && seed_id_equal(&c->record.set, &t->set)) {
		if (open_known(&v, &c->record, c->medium, t->opt, err) < 0)
			return -1;
		if (v)
			return seed_target_add(t, c->medium, v, &c->record, err) ? 0 : -1;
		fresh.has_record = true;
		fresh.record = c->record;
	}
	return seed_vec_push(&t->fresh, sizeof(fresh), &fresh) ? 0 :
	       seed_error_sys(err, ENOMEM, "media");
}

static int compare_volumes(const void *a, const void *b)
{
	const struct seed_target_volume *const *x = a, *const *y = b;

	return ((*x)->record.volume > (*y)->record.volume) -
	       ((*x)->record.volume < (*y)->record.volume);
}

static int open_volumes(struct seed_target *t, struct seed_vec *candidates, struct seed_error *err)
{
	for (size_t i = 0; i < candidates->count; i++) {
		struct candidate *c = seed_vec_at(candidates, i);

		if (take_candidate(t, c, err) < 0)
			return of_medium(c->medium, err);
	}
	if (t->volumes.count > 1)
		qsort(t->volumes.items, t->volumes.count, t->volumes.size, compare_volumes);
	return 0;
}

/* ---- volumes that are not at hand ---- */

static bool at_hand(const struct seed_target *t, uint32_t number)
{
	for (size_t i = 0; i < t->volumes.count; i++) {
		if ((*(struct seed_target_volume **)seed_vec_at(&t->volumes, i))->record.volume ==
		    number)
			return true;
	}
	for (size_t i = 0; i < t->absent.count; i++) {
		if (((const struct seed_set_member *)seed_vec_at(&t->absent, i))->volume == number)
			return true;
	}
	return false;
}

static int note_absent(struct seed_target *t, const struct seed_set_member *m,
		       struct seed_error *err)
{
	char set[SEED_ID_TEXT], quoted[SEED_QUOTED];

	if (m->volume > t->highest)
		t->highest = m->volume;
	if (m->commit == 0 || at_hand(t, m->volume))
		return 0;
	if (!seed_vec_push(&t->absent, sizeof(*m), m))
		return seed_error_sys(err, ENOMEM, "volumes of a set");
	seed_event_note(t->opt->events, SEED_EVENT_NOTE,
			"volume %u of set %.8s, on medium %s, was not given: blocks that it has "
			"are stored again where they are needed",
			m->volume, seed_id_text(&t->set, set),
			seed_quote(m->label, quoted, sizeof(quoted)));
	return 0;
}

/* What the home knows; then, should it have forgotten, what the volumes at hand say. */
static int look_for_absent(struct seed_target *t, struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec records = { 0 };

	if (seed_set_record_all(&records, t->opt->home, &t->set, err) < 0)
		return -1;
	for (size_t i = 0; i < records.count; i++) {
		struct seed_set_member m = seed_target_member(seed_vec_at(&records, i));

		if (note_absent(t, &m, err) < 0)
			return -1;
	}
	for (size_t i = 0; i < t->volumes.count; i++) {
		const struct seed_target_volume *v =
			*(struct seed_target_volume **)seed_vec_at(&t->volumes, i);
		SEED_AUTO(seed_set_doc_clear) struct seed_set_doc doc = { 0 };

		if (v->record.volume > t->highest)
			t->highest = v->record.volume;
		if (seed_set_doc_open(&doc, v->volume, NULL) < 0)
			continue;	/* none; a damaged one was found by recover */
		for (size_t k = 0; k < doc.members.count; k++) {
			if (note_absent(t, seed_vec_at(&doc.members, k), err) < 0)
				return -1;
		}
	}
	return 0;
}

/* The set itself remembers which generations were signed: a home that was restored from a backup
 * has forgotten some, and a number is never used twice on one line. A seed that cannot be read says
 * nothing. */
static int look_back(struct seed_target *t, const struct seed_volume *volume,
		     struct seed_error *err)
{
	for (size_t i = 0; i < volume->seeds.count; i++) {
		SEED_AUTO(seed_seed_closep) struct seed_seed *seed = NULL;
		struct seed_target_signed *s;
		bool wanted = false;

		if (seed_seed_open(&seed, volume, seed_vec_at(&volume->seeds, i), NULL) < 0)
			continue;
		for (size_t k = 0; k < t->plan->vms.count; k++)
			wanted |= seed_id_equal(&seed->manifest.uuid,
						&((const struct seed_export_vm *)
							  seed_vec_at(&t->plan->vms, k))
							 ->uuid);
		if (!wanted)
			continue;
		s = seed_vec_push(&t->before, sizeof(*s), NULL);
		if (!s)
			return seed_error_sys(err, ENOMEM, "seeds of a set");
		s->uuid = seed->manifest.uuid;
		s->lineage = seed->manifest.lineage;
		s->generation = seed->manifest.generation;
	}
	return 0;
}

/* ---- all of it ---- */

static int begin(struct seed_target *t, struct seed_error *err)
{
	struct seed_target_volume *last;

	if (look_for_absent(t, err) < 0)
		return -1;
	if (t->volumes.count == 0)
		return seed_target_begin_set(t, err);
	for (size_t i = 0; i < t->volumes.count; i++) {
		last = *(struct seed_target_volume **)seed_vec_at(&t->volumes, i);
		if (look_back(t, last->volume, err) < 0)
			return -1;
		t->key = last->volume->data_key;
	}
	t->now = last;
	return 0;
}

int seed_target_open(struct seed_target *t, struct seed_export *plan,
		     struct seed_medium *const *media, size_t count,
		     const struct seed_export_options *opt, struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec candidates = { 0 };
	int rc = 0;

	*t = (struct seed_target){ .plan = plan, .opt = opt };
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = take_medium(&candidates, media[i], opt, err);
	if (rc == 0)
		rc = choose_set(t, &candidates, err);
	if (rc == 0)
		rc = open_volumes(t, &candidates, err);
	for (size_t i = 0; i < candidates.count; i++)
		seed_volume_close(((struct candidate *)seed_vec_at(&candidates, i))->forgotten);
	if (rc == 0)
		rc = begin(t, err);
	if (rc < 0)
		seed_target_close(t);
	return rc;
}
