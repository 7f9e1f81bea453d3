/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Volumes of the set: making one, and going on to the next when one is full (no .h: target.h).
 *
 * A volume's record comes first: a crash while the volume is being made leaves a folder that the
 * home knows holds nothing, and a number that stays that medium's.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "export/target_internal.h"

#define RESERVE_MAX ((uint64_t)8 << 20)	/* bytes for manifests, side files, commits ... */
#define RESERVE_SHARE 16u		/* ... but not more than this part of a tiny medium */
#define LIST_SHARE 1500u		/* lists are less than this part of the data */
#define FIRST_ROOM ((uint64_t)5 << 20)	/* for less no volume is begun */

/* ---- room ---- */

static int reckon(const struct seed_target *t, const struct seed_medium *medium, uint64_t *bytes,
		  struct seed_error *err)
{
	uint64_t room, size, reserve;

	if (seed_medium_room(medium, &room, &size, err) < 0)
		return -1;
	reserve = size / RESERVE_SHARE < RESERVE_MAX ? size / RESERVE_SHARE : RESERVE_MAX;
	reserve += t->plan->data_bytes / LIST_SHARE;
	*bytes = room > reserve ? room - reserve : 0;
	return 0;
}

int seed_target_room(const struct seed_target *t, uint64_t *bytes, struct seed_error *err)
{
	return reckon(t, t->now->medium, bytes, err);
}

int seed_target_free(const struct seed_target *t, uint64_t *bytes, struct seed_error *err)
{
	uint64_t size;

	return seed_medium_room(t->now->medium, bytes, &size, err);
}

/* ---- one volume ---- */

void seed_target_describe(struct seed_set_record *record, const struct seed_target *t,
			  const struct seed_medium *medium, uint32_t number)
{
	const struct seed_card *recipient = t->opt->recipient;

	*record = (struct seed_set_record){
		.set = t->set,
		.medium = medium->id,
		.volume = number,
		.sealed = recipient != NULL,
		.next_pack = 1,
	};
	memcpy(record->label, medium->label, sizeof(record->label));
	if (recipient) {
		record->recipient = recipient->site;
		memcpy(record->receiving_key, recipient->receiving_key, SEED_HPKE_KEY);
	}
}

struct seed_set_member seed_target_member(const struct seed_set_record *record)
{
	struct seed_set_member m = {
		.volume = record->volume,
		.medium = record->medium,
		.commit = record->confirmed,
		.has_digest = true,
		.digest = record->confirmed_digest,
	};
	char id[SEED_ID_TEXT];

	if (record->label[0])
		memcpy(m.label, record->label, sizeof(m.label));
	else	/* what a medium is called that nobody gave a name */
		snprintf(m.label, sizeof(m.label), "vmseed-%.8s",
			 seed_id_text(&record->medium, id));
	return m;
}

struct seed_target_volume *seed_target_add(struct seed_target *t, struct seed_medium *medium,
					   struct seed_volume *volume,
					   const struct seed_set_record *record,
					   struct seed_error *err)
{
	struct seed_target_volume *v = calloc(1, sizeof(*v));

	if (!v || !seed_vec_push(&t->volumes, sizeof(v), &v)) {
		free(v);
		seed_volume_close(volume);
		seed_error_sys(err, ENOMEM, "volumes of a set");
		return NULL;
	}
	v->medium = medium;
	v->volume = volume;
	v->record = *record;
	v->packs = volume->packs.count > 0;
	return v;
}

/* A number that an earlier attempt drew for this medium is taken again: what it may have signed
 * with it is reserved in its record. */
static int make_volume(struct seed_target *t, const struct seed_target_fresh *fresh,
		       struct seed_error *err)
{
	bool first = t->volumes.count == 0;
	uint32_t number = fresh->has_record ? fresh->record.volume : first ? 1 : t->highest + 1;
	const struct seed_volume_more more = { .set = t->set, .number = number, .key = &t->key };
	struct seed_target_volume *v;
	struct seed_volume *volume = NULL;
	struct seed_set_record record;
	int rc;

	seed_target_describe(&record, t, fresh->medium, number);
	record.reserved = fresh->has_record ? fresh->record.reserved : 0;
	record.last_full_read = seed_clock_wall();	/* what is added is read back */
	if (seed_set_record_write(t->opt->home, &record, err) < 0)
		return -1;
	rc = first ? seed_volume_create(&volume, fresh->medium, &t->set, t->opt->trust, t->opt->own,
					t->opt->recipient, err) :
		     seed_volume_create_more(&volume, fresh->medium, &more, t->opt->trust,
					     t->opt->own, t->opt->recipient, err);
	if (rc < 0)
		return -1;
	v = seed_target_add(t, fresh->medium, volume, &record, err);
	if (!v)
		return -1;
	v->made = true;
	if (number > t->highest)
		t->highest = number;
	if (first)
		t->key = volume->data_key;
	t->now = v;
	return 0;
}

static void drop_fresh(struct seed_target *t, size_t index)
{
	struct seed_target_fresh *all = t->fresh.items;

	t->fresh.count--;
	memmove(all + index, all + index + 1, (t->fresh.count - index) * sizeof(*all));
}

int seed_target_begin_set(struct seed_target *t, struct seed_error *err)
{
	struct seed_target_fresh fresh;
	size_t index = 0;

	for (size_t i = t->fresh.count; i-- > 0;) {
		const struct seed_target_fresh *f = seed_vec_at(&t->fresh, i);

		if (f->has_record && f->record.volume == 1)
			index = i;
	}
	fresh = *(struct seed_target_fresh *)seed_vec_at(&t->fresh, index);
	/* Where a later volume's record is all there is, the set's key is lost with the first: what
	 * was begun there came to nothing. */
	if (fresh.record.volume != 1)
		fresh.has_record = false;
	drop_fresh(t, index);
	t->new_set = true;
	return make_volume(t, &fresh, err);
}

/* ---- the next one ---- */

static bool one_at_hand(struct seed_target *t)
{
	for (size_t i = t->volumes.count; i-- > 0;) {
		struct seed_target_volume *v =
			*(struct seed_target_volume **)seed_vec_at(&t->volumes, i);

		if (v->full || !v->volume)
			continue;
		t->now = v;
		return true;
	}
	return false;
}

static int one_of_fresh(struct seed_target *t, bool *found, struct seed_error *err)
{
	*found = false;
	while (t->fresh.count && !*found) {
		struct seed_target_fresh f = *(struct seed_target_fresh *)seed_vec_at(&t->fresh, 0);
		char name[SEED_QUOTED];
		uint64_t room;

		drop_fresh(t, 0);
		seed_medium_name(f.medium, name);
		if (seed_medium_recheck(f.medium, err) < 0 ||
		    reckon(t, f.medium, &room, err) < 0)
			return seed_error_prefix(err, "medium %s", name);
		if (room < FIRST_ROOM) {
			seed_event_note(t->opt->events, SEED_EVENT_WARNING,
					"medium %s has no room for a volume: it is left as it is",
					name);
			continue;
		}
		if (make_volume(t, &f, err) < 0)
			return seed_error_prefix(err, "medium %s", name);
		*found = true;
	}
	return 0;
}

/* One that the caller came up with after all. */
static int check_new(struct seed_target *t, struct seed_target_fresh *fresh, struct seed_error *err)
{
	struct seed_error why = { 0 };
	uint64_t room;

	if (!fresh->medium->known_signer)
		return seed_error_set(err, SEED_ERR_TRUST,
				      "nobody whom this site trusts prepared it: %s",
				      fresh->medium->unknown.text);
	for (size_t i = 0; i < t->volumes.count; i++) {
		const struct seed_target_volume *v =
			*(struct seed_target_volume **)seed_vec_at(&t->volumes, i);

		if (seed_id_equal(&v->record.medium, &fresh->medium->id))
			return seed_error_set(err, SEED_ERR_MEDIUM,
					      "it is full: volume %u of this set is on it",
					      v->record.volume);
	}
	if (seed_set_record_find(&fresh->record, t->opt->home, &fresh->medium->id,
				 t->opt->recipient, &why) == 0) {
		fresh->has_record = seed_id_equal(&fresh->record.set, &t->set);
		if (fresh->record.confirmed)
			return seed_error_set(err, SEED_ERR_MEDIUM,
					      fresh->has_record ? "it has volume %u of this set "
								  "already: give it when the "
								  "command is run again" :
								  "it has volume %u of another set "
								  "for this recipient",
					      fresh->record.volume);
	} else if (why.kind != SEED_ERR_NOTFOUND) {
		*err = why;
		return -1;
	}
	if (seed_medium_lock(fresh->medium, err) < 0 ||
	    reckon(t, fresh->medium, &room, err) < 0)
		return -1;
	if (room < FIRST_ROOM)
		return seed_error_set(err, SEED_ERR_MEDIUM, "it has no room for a volume");
	return 0;
}

/* So that all can be unmounted; whoever gives the next one may need the place. */
static void close_full(struct seed_target *t)
{
	for (size_t i = 0; i < t->volumes.count; i++) {
		struct seed_target_volume *v =
			*(struct seed_target_volume **)seed_vec_at(&t->volumes, i);

		if (!v->volume)
			continue;
		seed_volume_close(v->volume);
		v->volume = NULL;
		seed_medium_release(v->medium);
	}
}

/* One line; more is said by who ends the run, or asks. */
static void say_full(const struct seed_target *t, char *out, size_t size)
{
	char name[SEED_QUOTED], text[32];
	uint64_t added = 0;

	for (size_t i = 0; i < t->volumes.count; i++)
		added += (*(struct seed_target_volume **)seed_vec_at(&t->volumes, i))->added;
	seed_medium_name(t->now->medium, name);
	seed_size_text(added, text);
	if (!added)
		snprintf(out, size, "medium %s is full: nothing of this run fits on it", name);
	else if (t->volumes.count == 1)
		snprintf(out, size, "medium %s is full: %s of this run are safe on it", name, text);
	else
		snprintf(out, size,
			 "medium %s is full, as the %zu before it: %s of this run are safe on them",
			 name, t->volumes.count - 1, text);
}

static int ask(struct seed_target *t, struct seed_error *err)
{
	struct seed_target_fresh fresh = { 0 };
	struct seed_error refused = { 0 };
	char full[320];

	say_full(t, full, sizeof(full));
	close_full(t);
	if (seed_target_show(t, err) < 0)
		return -1;
	do {
		seed_medium_close(fresh.medium);
		fresh = (struct seed_target_fresh){ 0 };
		if (t->opt->next_medium &&
		    t->opt->next_medium(t->opt->next_arg, t->plan, full,
					refused.kind ? &refused : NULL, &fresh.medium, err) < 0)
			return -1;
		if (!fresh.medium)
			return seed_error_set(err, SEED_ERR_MEDIUM,
					      "%s; to go on, run the same command with one more "
					      "--media DIR",
					      full);
	} while (check_new(t, &fresh, &refused) < 0);
	if (make_volume(t, &fresh, err) < 0) {
		char name[SEED_QUOTED];

		seed_error_prefix(err, "medium %s", seed_medium_name(fresh.medium, name));
		seed_medium_close(fresh.medium);
		return -1;
	}
	t->now->owned = true;
	return 0;
}

int seed_target_next(struct seed_target *t, struct seed_error *err)
{
	bool found;

	t->now->full = true;
	t->now->packs |= t->now->volume->packs.count > 0;
	if (one_at_hand(t))
		return 0;
	if (one_of_fresh(t, &found, err) < 0)
		return -1;
	return found ? 0 : ask(t, err);
}

/* ---- what is said of them ---- */

static int by_number(const void *a, const void *b)
{
	const struct seed_set_member *x = a, *y = b;

	return (x->volume > y->volume) - (x->volume < y->volume);
}

int seed_target_others(const struct seed_target *t, struct seed_vec *out, struct seed_error *err)
{
	for (size_t i = 0; i < t->absent.count; i++) {
		if (!seed_vec_push(out, sizeof(struct seed_set_member), seed_vec_at(&t->absent, i)))
			return seed_error_sys(err, ENOMEM, "volumes of a set");
	}
	for (size_t i = 0; i < t->volumes.count; i++) {
		const struct seed_target_volume *v =
			*(struct seed_target_volume **)seed_vec_at(&t->volumes, i);
		struct seed_set_member m = seed_target_member(&v->record);

		if (v == t->now || !v->packs || !m.commit)
			continue;
		if (!seed_vec_push(out, sizeof(m), &m))
			return seed_error_sys(err, ENOMEM, "volumes of a set");
	}
	if (out->count)
		qsort(out->items, out->count, out->size, by_number);
	return 0;
}

static int compare_shown(const void *a, const void *b)
{
	const struct seed_export_volume *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

int seed_target_show(const struct seed_target *t, struct seed_error *err)
{
	struct seed_vec *out = &t->plan->volumes;

	out->count = 0;
	t->plan->set = t->set;
	t->plan->new_set = t->new_set;
	for (size_t i = 0; i < t->volumes.count + t->absent.count; i++) {
		const struct seed_target_volume *v = i < t->volumes.count ?
			*(struct seed_target_volume **)seed_vec_at(&t->volumes, i) : NULL;
		struct seed_set_member m = v ? seed_target_member(&v->record) :
			*(struct seed_set_member *)seed_vec_at(&t->absent, i - t->volumes.count);
		struct seed_export_volume *s = seed_vec_push(out, sizeof(*s), NULL);

		if (!s)
			return seed_error_sys(err, ENOMEM, "volumes of a set");
		*s = (struct seed_export_volume){ .number = m.volume, .medium = m.medium };
		memcpy(s->label, m.label, sizeof(s->label));
		if (!v)
			continue;
		s->present = true;
		s->made = v->made;
		s->full = v->full;
		s->added_bytes = v->added;
	}
	if (out->count > 1)
		qsort(out->items, out->count, out->size, compare_shown);
	return 0;
}

void seed_target_close(struct seed_target *t)
{
	for (size_t i = 0; i < t->volumes.count; i++) {
		struct seed_target_volume *v =
			*(struct seed_target_volume **)seed_vec_at(&t->volumes, i);

		seed_volume_close(v->volume);
		if (v->owned)
			seed_medium_close(v->medium);
		free(v);
	}
	seed_vec_free(&t->volumes);
	seed_vec_free(&t->fresh);
	seed_vec_free(&t->absent);
	seed_vec_free(&t->before);
	seed_wipe(&t->key, sizeof(t->key));
	t->now = NULL;
}
