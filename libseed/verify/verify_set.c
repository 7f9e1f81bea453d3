/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Verifying one set: each of its volumes that is there, from its commits down to each block, and
 * the seeds against all of them together.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/path.h"
#include "base/text.h"
#include "media/locate.h"
#include "pack/scrub.h"
#include "verify/verify_internal.h"

#define SCRATCH_LIST "verify.list"
#define NAMES_MAX 100000u

struct set_check {
	struct seed_verify *verify;
	const struct seed_verify_options *opt;
	const struct seed_set_view *view;
	bool several;			/* media: messages say which */
	bool key;			/* it is plaintext, or one volume at least opens here */
	char set[SEED_ID_TEXT];
	char where[96];			/* what a problem of the volume at hand begins with */
	const struct seed_volume *volume;	/* at hand */
	struct seed_vec seeds;		/* struct seed_seed *, those that opened */
	size_t first_seed;		/* of them in verify->seeds */
	struct seed_locate *locate;	/* NULL without the key */
	struct seed_pack_check packs;
};

static int note(struct set_check *c, const struct seed_error *why, const char *what,
		struct seed_error *err)
{
	if (seed_verify_note(&c->verify->problems, c->opt->events, why, "%s%s%s", c->where,
			     *what ? " " : "", what) < 0)
		return seed_error_sys(err, ENOMEM, "verify");
	return 0;
}

/* Take the volume at @place in hand. */
static void hold(struct set_check *c, const struct seed_set_place *place)
{
	char name[SEED_QUOTED];

	c->volume = place->volume;
	c->packs.volume = place->volume;
	c->packs.where[0] = '\0';
	if (c->several)
		snprintf(c->packs.where, sizeof(c->packs.where), "%.48s ",
			 seed_medium_name(place->volume->medium, name));
	snprintf(c->where, sizeof(c->where), "%sset %.8s", c->packs.where, c->set);
}

static int check_commits(struct set_check *c, struct seed_error *err)
{
	for (size_t i = 0; i < c->volume->problems.count; i++) {
		const struct seed_volume_problem *p = seed_vec_at(&c->volume->problems, i);
		struct seed_error why = { 0 };

		/* Above what the exporter's own home confirmed: a run that was cut short, and no
		 * damage. Elsewhere nobody can tell the two apart. */
		if (p->torn) {
			c->verify->unfinished_files++;
			continue;
		}
		seed_error_set(&why, p->kind, "%s", p->text);
		if (note(c, &why, p->path, err) < 0)
			return -1;
	}
	return 0;
}

/* Files other than packs, as they are stored. */
static int check_files(struct set_check *c, struct seed_error *err)
{
	for (size_t i = 0; i < c->volume->files.count; i++) {
		const struct seed_commit_file *f = seed_vec_at(&c->volume->files, i);
		struct seed_error why = { 0 };

		if (seed_file_read_back(c->volume->dir, f->path, f->facts.length, &f->facts.digest,
					&c->verify->cached, c->opt->cancel, &why) < 0) {
			if (why.kind == SEED_ERR_CANCELLED) {
				*err = why;
				return -1;
			}
			/* Read back right after writing, a difference is the medium's
			 * failing; here it is damage. */
			if (why.kind == SEED_ERR_MEDIUM && !why.sys_errno)
				why.kind = SEED_ERR_INTEGRITY;
			if (note(c, &why, "", err) < 0)
				return -1;
			continue;
		}
		c->verify->files++;
		c->verify->bytes += f->facts.length;
	}
	return 0;
}

struct count_files {
	struct set_check *check;
	const char *folder;
};

static int count_unfinished(const char *name, void *arg, struct seed_error *err)
{
	struct count_files *count = arg;
	uint32_t number;
	char after;

	(void)err;
	if (sscanf(name, "%8u.pac%c", &number, &after) == 2 && after == 'k' &&
	    !seed_volume_pack(count->check->volume, number))
		count->check->verify->unfinished_files++;
	return 0;
}

/* Packs that no commit names are an interrupted export's: no damage, but worth a word. */
static void look_for_unfinished(struct set_check *c)
{
	struct count_files count = { .check = c };

	seed_path_each(c->volume->dir, "packs", NAMES_MAX, count_unfinished, &count, NULL);
}

/* Another copy of a medium has the same seeds: what opened once is looked at once. */
static struct seed_verify_seed *known_seed(const struct set_check *c, const struct seed_id *id,
					   size_t *index)
{
	for (*index = 0; *index < c->seeds.count; ++*index) {
		struct seed_verify_seed *s =
			seed_vec_at(&c->verify->seeds, c->first_seed + *index);

		if (seed_id_equal(&s->id, id))
			return s;
	}
	return NULL;
}

static int describe_seed(struct seed_verify_seed *out, const struct seed_seed *seed,
			 struct seed_error *err)
{
	out->uuid = seed->manifest.uuid;
	out->generation = seed->manifest.generation;
	out->data = seed->manifest.data;
	out->sound = true;
	out->name = strdup(seed->manifest.name);
	return out->name ? 0 : seed_error_sys(err, ENOMEM, "verify");
}

static int open_seed(struct set_check *c, const struct seed_id *id, struct seed_error *err)
{
	struct seed_verify_seed *out;
	struct seed_error why = { 0 };
	struct seed_seed *seed = NULL;
	size_t index;

	out = known_seed(c, id, &index);
	if (out && out->name)
		return 0;
	if (!out) {
		out = seed_vec_push(&c->verify->seeds, sizeof(*out), NULL);
		if (!out || !seed_vec_push(&c->seeds, sizeof(seed), &seed))
			return seed_error_sys(err, ENOMEM, "verify");
		out->id = *id;
	}
	if (seed_seed_open(&seed, c->volume, id, &why) < 0)
		return why.kind == SEED_ERR_NOTFOUND ? 0 : note(c, &why, "", err);
	*(struct seed_seed **)seed_vec_at(&c->seeds, index) = seed;
	return describe_seed(out, seed, err);
}

static int open_seeds(struct set_check *c, struct seed_error *err)
{
	for (size_t i = 0; i < c->volume->seeds.count; i++) {
		if (open_seed(c, seed_vec_at(&c->volume->seeds, i), err) < 0)
			return -1;
	}
	return 0;
}

/* One disk's list: its parts, its root, and what it needs from the packs. */
static int check_list(struct set_check *c, const struct seed_seed *seed, uint32_t seed_index,
		      uint32_t disk, struct seed_error *why, struct seed_error *err)
{
	const struct seed_manifest_disk *d = seed_vec_at(&seed->manifest.disks, disk);
	SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;

	if (seed_list_create(&list, c->opt->scratch, SCRATCH_LIST, d->blocks, err) < 0)
		return -1;
	if (seed_seed_list(seed, disk, list, why) < 0)
		return 0;
	if (!seed->manifest.data)
		return 0;
	return seed_locate_list(c->locate, list, seed_index, NULL, err);
}

static int check_seed(struct set_check *c, uint32_t index, struct seed_error *err)
{
	const struct seed_seed *seed = *(struct seed_seed **)seed_vec_at(&c->seeds, index);
	struct seed_verify_seed *out = seed_vec_at(&c->verify->seeds, c->first_seed + index);
	struct seed_error why = { 0 };
	char quoted[SEED_QUOTED];

	if (!seed)
		return 0;
	for (uint32_t i = 0; i < seed->manifest.disks.count && !why.kind; i++) {
		const struct seed_manifest_disk *d = seed_vec_at(&seed->manifest.disks, i);

		out->blocks += d->data_blocks;
		if (check_list(c, seed, index, i, &why, err) < 0)
			return -1;
	}
	for (uint32_t i = 0; i < seed->manifest.files.count && !why.kind; i++) {
		SEED_AUTO(seed_freep) char *data = NULL;
		size_t len;

		seed_seed_file(seed, i, &data, &len, &why);
	}
	if (!why.kind)
		return 0;
	out->sound = false;
	return note(c, &why, seed_quote(out->name, quoted, 64), err);
}

static uint64_t pack_bytes(const struct seed_volume *v)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < v->packs.count; i++)
		sum += ((const struct seed_pack_facts *)seed_vec_at(&v->packs, i))->length;
	return sum;
}

static int check_packs(struct set_check *c, const struct seed_set_place *place,
		       struct seed_error *err)
{
	(void)place;
	for (size_t i = 0; i < c->volume->packs.count; i++) {
		SEED_AUTO(seed_vec_free) struct seed_vec index = { 0 };
		uint32_t ordinal;

		if (seed_cancelled(c->opt->cancel, err) < 0 ||
		    seed_check_pack(&c->packs, seed_vec_at(&c->volume->packs, i), &index, err) < 0)
			return -1;
		if (c->locate && seed_locate_pack(c->locate, &index, &ordinal, err) < 0)
			return -1;
	}
	return 0;
}

/* What was not found is lost, or lies on what was not given: then nobody can tell here. */
static int judge_seed(struct set_check *c, struct seed_verify_seed *s, const char *lacking,
		      struct seed_error *err)
{
	unsigned long long missing = s->missing_blocks, all = s->blocks;
	struct seed_error why = { 0 };
	char quoted[SEED_QUOTED];

	s->sound = false;
	if (*lacking) {
		s->unchecked_blocks = s->missing_blocks;
		s->missing_blocks = 0;
		seed_error_set(&why, SEED_ERR_PARTIAL,
			       "%llu of %llu data blocks not checked: they may be on %s",
			       missing, all, lacking);
	} else {
		seed_error_set(&why, SEED_ERR_INTEGRITY,
			       "%llu of %llu data blocks are in no sound pack", missing, all);
	}
	return note(c, &why, seed_quote(s->name, quoted, 64), err);
}

/* Every block that a seed needs must lie in a sound record of some pack. */
static int check_complete(struct set_check *c, struct seed_error *err)
{
	char lacking[SEED_PLACES_TEXT];

	seed_set_view_lacking(c->view, lacking);
	if (seed_locate_join(c->locate, err) < 0)
		return -1;
	for (;;) {
		struct seed_run run;
		uint32_t seed;
		bool more;

		if (seed_locate_next_missing(c->locate, &seed, &run, &more, err) < 0)
			return -1;
		if (!more)
			break;
		((struct seed_verify_seed *)seed_vec_at(&c->verify->seeds, c->first_seed + seed))
			->missing_blocks += run.count;
	}
	for (size_t i = c->first_seed; i < c->verify->seeds.count; i++) {
		struct seed_verify_seed *s = seed_vec_at(&c->verify->seeds, i);

		if (s->missing_blocks && judge_seed(c, s, lacking, err) < 0)
			return -1;
	}
	return 0;
}

/* ---- the volumes of the set ---- */

static int check_volume(struct set_check *c, const struct seed_set_place *place,
			struct seed_error *err)
{
	(void)place;
	c->verify->volumes++;
	c->key |= !c->volume->data_key.sealed || c->volume->data_key.known;
	if (check_commits(c, err) < 0 || check_files(c, err) < 0 || open_seeds(c, err) < 0 ||
	    seed_verify_custody(c->verify, c->volume, c->opt, err) < 0)
		return -1;
	look_for_unfinished(c);
	return 0;
}

/* What the volume is in its set: an older state of it is a problem, a second copy is none. */
static int check_place(struct set_check *c, const struct seed_set_place *place,
		       struct seed_error *err)
{
	char text[SEED_PLACES_TEXT];
	struct seed_error why = { 0 };
	enum seed_error_kind kind;

	if (!*seed_set_place_remark(place, &kind, text))
		return 0;
	if (kind == SEED_ERR_NONE) {
		seed_event_note(c->opt->events, SEED_EVENT_NOTE, "%s: %s", c->where, text);
		return 0;
	}
	seed_error_set(&why, kind, "%s", text);
	return note(c, &why, "", err);
}

/* @step for each volume that is there, in hand; afterwards the set as a whole is. */
static int each_volume(struct set_check *c,
		       int (*step)(struct set_check *c, const struct seed_set_place *place,
				   struct seed_error *err), struct seed_error *err)
{
	for (size_t i = 0; i < c->view->places.count; i++) {
		const struct seed_set_place *place = seed_vec_at(&c->view->places, i);

		if (!place->volume)
			continue;
		hold(c, place);
		if (step(c, place, err) < 0)
			return -1;
	}
	snprintf(c->where, sizeof(c->where), "set %.8s", c->set);
	return 0;
}

static int note_missing(struct set_check *c, struct seed_error *err)
{
	char text[SEED_PLACES_TEXT];
	struct seed_error why = { 0 };

	if (!*seed_set_view_text(c->view, SEED_PLACE_MISSING, text))
		return 0;
	seed_error_set(&why, SEED_ERR_PARTIAL, "not checked, for not given: %s", text);
	return note(c, &why, "", err);
}

static int check_set(struct set_check *c, struct seed_error *err)
{
	if (each_volume(c, check_place, err) < 0 || note_missing(c, err) < 0 ||
	    each_volume(c, check_volume, err) < 0)
		return -1;
	if (c->key && seed_locate_new(&c->locate, c->opt->scratch, c->opt->memory, err) < 0)
		return -1;
	for (uint32_t i = 0; c->key && i < c->seeds.count; i++) {
		if (check_seed(c, i, err) < 0)
			return -1;
	}
	seed_event_send(c->opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PHASE, .phase = "verifying", .total = c->packs.total });
	if (each_volume(c, check_packs, err) < 0)
		return -1;
	return c->locate ? check_complete(c, err) : 0;
}

/* What there is to say of each volume that was looked at: that of the set. */
static int note_done(const struct set_check *c, size_t before, struct seed_error *err)
{
	struct seed_verify_set done = { .id = c->view->set, .opened = c->key };

	for (size_t i = before; i < c->verify->problems.count; i++) {
		const struct seed_verify_problem *p = seed_vec_at(&c->verify->problems, i);

		if (p->err.kind == SEED_ERR_PARTIAL)
			done.lacking = true;
		else
			done.problems++;
	}
	for (size_t i = 0; i < c->view->places.count; i++) {
		const struct seed_set_place *place = seed_vec_at(&c->view->places, i);

		if (!place->volume)
			continue;
		done.medium = place->volume->medium;
		if (!seed_vec_push(&c->verify->sets, sizeof(done), &done))
			return seed_error_sys(err, ENOMEM, "verify");
	}
	return 0;
}

int seed_verify_set(struct seed_verify *out, const struct seed_set_view *view, bool several,
		    const struct seed_verify_options *opt, struct seed_error *err)
{
	const struct seed_pool_options pool_opt = {
		.workers = opt->jobs,
		.scratch_new = seed_check_worker_new,
		.scratch_free = seed_check_worker_free,
	};
	struct set_check c = { .verify = out, .opt = opt, .view = view, .several = several,
			       .first_seed = out->seeds.count,
			       .packs = { .verify = out, .opt = opt } };
	SEED_AUTO(seed_pool_freep) struct seed_pool *pool = NULL;
	size_t before = out->problems.count;
	int rc;

	if (seed_pool_new(&pool, &pool_opt, err) < 0)
		return -1;
	c.packs.pool = pool;
	seed_id_text(&view->set, c.set);
	for (size_t i = 0; i < view->places.count; i++) {
		const struct seed_set_place *place = seed_vec_at(&view->places, i);

		c.packs.total += place->volume ? pack_bytes(place->volume) : 0;
	}
	rc = check_set(&c, err);
	if (rc == 0)
		rc = note_done(&c, before, err);
	for (size_t i = 0; i < c.seeds.count; i++)
		seed_seed_close(*(struct seed_seed **)seed_vec_at(&c.seeds, i));
	seed_vec_free(&c.seeds);
	seed_locate_free(c.locate);
	return rc;
}
