/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Verifying a medium: every volume on it, from its signatures down to each block. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/path.h"
#include "base/text.h"
#include "media/locate.h"
#include "media/set_record.h"
#include "pack/scrub.h"
#include "verify/verify_internal.h"

#define SCRATCH_LIST "verify.list"
#define NAMES_MAX 100000u

struct volume_check {
	struct seed_verify *verify;
	const struct seed_verify_options *opt;
	struct seed_volume *volume;
	char set[SEED_ID_TEXT];
	struct seed_vec seeds;		/* struct seed_seed *, those that opened */
	size_t first_seed;		/* of them in verify->seeds */
	struct seed_locate *locate;	/* NULL without the key */
};

static int note(struct volume_check *c, const struct seed_error *why, const char *what,
		struct seed_error *err)
{
	if (seed_verify_note(&c->verify->problems, c->opt->events, why, "set %.8s%s%s", c->set,
			     *what ? " " : "", what) < 0)
		return seed_error_sys(err, ENOMEM, "verify");
	return 0;
}

static int check_commits(struct volume_check *c, struct seed_error *err)
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
static int check_files(struct volume_check *c, struct seed_error *err)
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
	struct volume_check *check;
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
static void look_for_unfinished(struct volume_check *c)
{
	struct count_files count = { .check = c };

	seed_path_each(c->volume->dir, "packs", NAMES_MAX, count_unfinished, &count, NULL);
}

static int open_seed(struct volume_check *c, const struct seed_id *id, struct seed_error *err)
{
	struct seed_verify_seed *out = seed_vec_push(&c->verify->seeds, sizeof(*out), NULL);
	struct seed_error why = { 0 };
	struct seed_seed *seed = NULL;

	if (!out)
		return seed_error_sys(err, ENOMEM, "verify");
	out->id = *id;
	if (seed_seed_open(&seed, c->volume, id, &why) < 0) {
		if (!seed_vec_push(&c->seeds, sizeof(seed), &seed))
			return seed_error_sys(err, ENOMEM, "verify");
		return why.kind == SEED_ERR_NOTFOUND ? 0 : note(c, &why, "", err);
	}
	if (!seed_vec_push(&c->seeds, sizeof(seed), &seed)) {
		seed_seed_close(seed);
		return seed_error_sys(err, ENOMEM, "verify");
	}
	out->uuid = seed->manifest.uuid;
	out->generation = seed->manifest.generation;
	out->data = seed->manifest.data;
	out->sound = true;
	out->name = strdup(seed->manifest.name);
	return out->name ? 0 : seed_error_sys(err, ENOMEM, "verify");
}

static int open_seeds(struct volume_check *c, struct seed_error *err)
{
	c->first_seed = c->verify->seeds.count;
	for (size_t i = 0; i < c->volume->seeds.count; i++) {
		if (open_seed(c, seed_vec_at(&c->volume->seeds, i), err) < 0)
			return -1;
	}
	return 0;
}

/* One disk's list: its parts, its root, and what it needs from the packs. */
static int check_list(struct volume_check *c, const struct seed_seed *seed, uint32_t seed_index,
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

static int check_seed(struct volume_check *c, uint32_t index, struct seed_error *err)
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

static int check_packs(struct volume_check *c, struct seed_error *err)
{
	const struct seed_pool_options opt = {
		.workers = c->opt->jobs,
		.scratch_new = seed_check_worker_new,
		.scratch_free = seed_check_worker_free,
	};
	SEED_AUTO(seed_pool_freep) struct seed_pool *pool = NULL;
	struct seed_pack_check check = {
		.verify = c->verify,
		.opt = c->opt,
		.volume = c->volume,
		.total = pack_bytes(c->volume),
	};

	if (seed_pool_new(&pool, &opt, err) < 0)
		return -1;
	check.pool = pool;
	seed_event_send(c->opt->events, &(struct seed_event){
		.kind = SEED_EVENT_PHASE, .phase = "verifying", .total = check.total });
	for (size_t i = 0; i < c->volume->packs.count; i++) {
		SEED_AUTO(seed_vec_free) struct seed_vec index = { 0 };
		uint32_t ordinal;

		if (seed_cancelled(c->opt->cancel, err) < 0 ||
		    seed_check_pack(&check, seed_vec_at(&c->volume->packs, i), &index, err) < 0)
			return -1;
		if (c->locate && seed_locate_pack(c->locate, &index, &ordinal, err) < 0)
			return -1;
	}
	return 0;
}

/* Every block that a seed needs must lie in a sound record of some pack. */
static int check_complete(struct volume_check *c, struct seed_error *err)
{
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
		struct seed_error why = { 0 };
		char quoted[SEED_QUOTED];

		if (!s->missing_blocks)
			continue;
		s->sound = false;
		seed_error_set(&why, SEED_ERR_INTEGRITY, "%llu of %llu data blocks are in no sound pack",
			       (unsigned long long)s->missing_blocks, (unsigned long long)s->blocks);
		if (note(c, &why, seed_quote(s->name, quoted, 64), err) < 0)
			return -1;
	}
	return 0;
}

static int check_volume(struct volume_check *c, struct seed_error *err)
{
	bool key = !c->volume->data_key.sealed || c->volume->data_key.known;
	struct seed_set_record record;

	c->verify->volumes++;
	if (c->opt->home >= 0 &&
	    seed_set_record_read(&record, c->opt->home, &c->volume->set, c->volume->number,
				 NULL) == 0)
		seed_volume_mark_torn(c->volume, &record);
	if (key && seed_locate_new(&c->locate, c->opt->scratch, c->opt->memory, err) < 0)
		return -1;
	if (check_commits(c, err) < 0 || check_files(c, err) < 0 || open_seeds(c, err) < 0)
		return -1;
	look_for_unfinished(c);
	for (uint32_t i = 0; key && i < c->seeds.count; i++) {
		if (check_seed(c, i, err) < 0)
			return -1;
	}
	if (check_packs(c, err) < 0)
		return -1;
	return key ? check_complete(c, err) : 0;
}

static int verify_set(struct seed_verify *out, struct seed_medium *medium,
		      const struct seed_id *set, const struct seed_verify_options *opt,
		      struct seed_error *err)
{
	struct volume_check c = { .verify = out, .opt = opt };
	struct seed_error why = { 0 };
	int rc;

	seed_id_text(set, c.set);
	if (seed_volume_open(&c.volume, medium, set, opt->trust, opt->own, &why) < 0) {
		char name[SEED_QUOTED];

		/* The text names the set already. */
		if (seed_verify_note(&out->problems, opt->events, &why, "medium %s",
				     seed_medium_name(medium, name)) < 0)
			return seed_error_sys(err, ENOMEM, "verify");
		return 0;
	}
	rc = check_volume(&c, err);
	for (size_t i = 0; i < c.seeds.count; i++)
		seed_seed_close(*(struct seed_seed **)seed_vec_at(&c.seeds, i));
	seed_vec_free(&c.seeds);
	seed_locate_free(c.locate);
	seed_volume_close(c.volume);
	return rc;
}

/* What the sets hold does not rest on medium.json, but its label and id do. */
static int check_enrolment(struct seed_verify *out, const struct seed_medium *medium,
			   const struct seed_verify_options *opt, struct seed_error *err)
{
	struct seed_error why = medium->unknown;
	char name[SEED_QUOTED];

	if (medium->known_signer)
		return 0;
	if (why.kind == SEED_ERR_NOTFOUND || why.kind == SEED_ERR_FORMAT || why.kind == SEED_ERR_RANGE)
		why.kind = SEED_ERR_TRUST;	/* whatever stands there, nobody known signed it */
	if (seed_verify_note(&out->problems, opt->events, &why, "medium %s",
			     seed_medium_name(medium, name)) < 0)
		return seed_error_sys(err, ENOMEM, "verify");
	return 0;
}

int seed_verify_medium(struct seed_verify *out, struct seed_medium *medium,
		       const struct seed_verify_options *opt, struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec sets = { 0 };

	if (seed_medium_sets(medium, &sets, err) < 0)
		return -1;
	if (sets.count == 0)
		return seed_error_set(err, SEED_ERR_MEDIUM, "no set on the medium: nothing was exported to it");
	if (check_enrolment(out, medium, opt, err) < 0)
		return -1;
	for (size_t i = 0; i < sets.count; i++) {
		if (verify_set(out, medium, seed_vec_at(&sets, i), opt, err) < 0)
			return -1;
	}
	return 0;
}
