// SPDX-License-Identifier: LGPL-2.1-or-later
/* See prune.h. One set after the other; nothing of one is kept open for the next. */
#include "export/prune_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/path.h"
#include "base/text.h"
#include "media/set_doc.h"
#include "pack/reader.h"

#define SCRATCH_LIST "prune.list"

/* ---- the volumes ---- */

/* Sound, and swept of what an interrupted run left: or damage would be pruned away. */
static int take_volume(struct set_prune *p, struct seed_volume *v, struct seed_error *err)
{
	struct pruned *pruned = seed_vec_push(&p->volumes, sizeof(*pruned), NULL);

	if (!pruned) {
		seed_volume_close(v);
		return seed_error_sys(err, ENOMEM, "prune");
	}
	pruned->volume = v;
	if (seed_set_record_read(&pruned->record, p->opt->home, &p->set, v->number, err) < 0)
		return err->kind != SEED_ERR_NOTFOUND ?
			       -1 :
			       seed_error_set(err, SEED_ERR_INTEGRITY,
					      "this home has no record of it: export to the set "
					      "once more before it is pruned");
	pruned->needed = calloc(v->packs.count + 1, sizeof(*pruned->needed));
	if (!pruned->needed)
		return seed_error_sys(err, ENOMEM, "prune");
	if (p->opt->dry_run) {
		seed_volume_mark_torn(v, &pruned->record);
		return 0;
	}
	return seed_set_recover(p->opt->home, v, &pruned->record, err);
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = ((const struct pruned *)a)->volume->number;
	uint32_t y = ((const struct pruned *)b)->volume->number;

	return (x > y) - (x < y);
}

static int open_volumes(struct set_prune *p, const struct seed_vec *media, struct seed_error *err)
{
	for (size_t i = 0; i < media->count; i++) {
		struct seed_medium *medium = *(struct seed_medium **)seed_vec_at(media, i);
		struct seed_volume *v;
		char name[SEED_QUOTED], id[SEED_ID_TEXT];

		if (!seed_path_exists(medium->vmseed, seed_id_text(&p->set, id)))
			continue;
		if (seed_volume_open(&v, medium, &p->set, p->opt->trust, p->opt->own, err) < 0 ||
		    take_volume(p, v, err) < 0)
			return seed_error_prefix(err, "medium %s", seed_medium_name(medium, name));
	}
	if (p->volumes.count)
		qsort(p->volumes.items, p->volumes.count, p->volumes.size, by_number);
	for (size_t i = 1; i < p->volumes.count; i++)
		if (seed_prune_volume_at(p, i)->volume->number ==
		    seed_prune_volume_at(p, i - 1)->volume->number)
			return seed_error_set(err, SEED_ERR_MEDIUM,
					      "volume %u is there twice: give the one that was "
					      "written last",
					      seed_prune_volume_at(p, i)->volume->number);
	return 0;
}

static const struct pruned *find_volume(const struct set_prune *p, uint32_t number)
{
	for (size_t i = 0; i < p->volumes.count; i++)
		if (seed_prune_volume_at(p, i)->volume->number == number)
			return seed_prune_volume_at(p, i);
	return NULL;
}

/* Every volume that any of them tells of. */
static int check_all_there(const struct set_prune *p, struct seed_error *err)
{
	for (size_t i = 0; i < p->volumes.count; i++) {
		SEED_AUTO(seed_set_doc_clear) struct seed_set_doc doc = { 0 };
		struct seed_error why = { 0 };

		if (seed_set_doc_open(&doc, seed_prune_volume_at(p, i)->volume, &why) < 0) {
			if (why.kind == SEED_ERR_NOTFOUND)
				continue;
			*err = why;
			return -1;
		}
		for (size_t k = 0; k < doc.members.count; k++) {
			const struct seed_set_member *m = seed_vec_at(&doc.members, k);

			if (!find_volume(p, m->volume))
				return seed_error_set(err, SEED_ERR_MEDIUM,
						      "its volume %u, on medium %s, is not there: "
						      "which packs can go only all of a set's "
						      "media together tell",
						      m->volume, m->label);
		}
	}
	return 0;
}

/* ---- the seeds ---- */

static int open_seeds(struct set_prune *p, struct seed_error *err)
{
	for (size_t i = 0; i < p->volumes.count; i++) {
		const struct seed_volume *v = seed_prune_volume_at(p, i)->volume;

		for (size_t k = 0; k < v->seeds.count; k++) {
			struct kept_seed *kept = seed_vec_push(&p->seeds, sizeof(*kept), NULL);

			if (!kept)
				return seed_error_sys(err, ENOMEM, "prune");
			kept->on = seed_prune_volume_at(p, i);
			if (seed_seed_open(&kept->seed, v, seed_vec_at(&v->seeds, k), err) < 0)
				return -1;
		}
	}
	return 0;
}

static bool follows(const struct seed_manifest *later, const struct seed_manifest *earlier)
{
	return seed_id_equal(&later->site, &earlier->site) &&
	       seed_id_equal(&later->uuid, &earlier->uuid) &&
	       seed_lineage_compare(&earlier->lineage, earlier->generation, &later->lineage,
				    later->generation) == SEED_LINEAGE_NEWER;
}

/* It goes when so many of its VM follow it. An order form among them holds no data. */
static void choose(struct set_prune *p)
{
	for (size_t i = 0; i < p->seeds.count; i++) {
		struct kept_seed *s = seed_prune_seed_at(p, i);
		unsigned int later = 0;

		for (size_t k = 0; k < p->seeds.count; k++) {
			const struct seed_manifest *m = &seed_prune_seed_at(p, k)->seed->manifest;

			later +=
				m->data >= s->seed->manifest.data && follows(m, &s->seed->manifest);
		}
		s->drops = later >= p->opt->keep;
		s->on->drops_seeds |= s->drops;
	}
}

static int note_seeds(const struct set_prune *p, struct seed_error *err)
{
	for (size_t i = 0; i < p->seeds.count; i++) {
		const struct seed_manifest *m = &seed_prune_seed_at(p, i)->seed->manifest;
		struct seed_prune_seed *out = seed_vec_push(&p->out->seeds, sizeof(*out), NULL);

		if (out)
			*out = (struct seed_prune_seed){
				.set = p->set, .seed = m->seed, .uuid = m->uuid,
				.name = strdup(m->name), .generation = m->generation,
				.drops = seed_prune_seed_at(p, i)->drops,
			};
		if (!out || !out->name)
			return seed_error_sys(err, ENOMEM, "prune");
	}
	return 0;
}

/* ---- the packs ---- */

static int add_pack(struct set_prune *p, struct pruned *on, size_t i,
		    struct seed_record_codec *codec, struct seed_error *err)
{
	const struct seed_volume *v = on->volume;
	const struct seed_pack_facts *facts = seed_vec_at(&v->packs, i);
	const struct seed_pack_id id = { v->set, v->number, facts->number };
	SEED_AUTO(seed_pack_reader_closep) struct seed_pack_reader *reader = NULL;
	SEED_AUTO(seed_vec_free) struct seed_vec index = { 0 };
	bool *needed = &on->needed[i];
	uint32_t ordinal;

	if (seed_cancelled(p->opt->cancel, err) < 0 ||
	    seed_pack_reader_open(&reader, v->dir, &id, facts, &v->data_key, false, err) < 0 ||
	    seed_pack_reader_index(reader, codec, &index, err) < 0)
		return -1;
	if (!seed_vec_push(&p->packs, sizeof(needed), &needed))
		return seed_error_sys(err, ENOMEM, "prune");
	return seed_locate_pack(p->locate, &index, &ordinal, err);
}

static int add_packs(struct set_prune *p, struct seed_error *err)
{
	SEED_AUTO(seed_record_codec_freep) struct seed_record_codec *codec = NULL;

	if (seed_record_codec_new(&codec, 1, err) < 0)
		return -1;
	for (size_t i = 0; i < p->volumes.count; i++)
		for (size_t k = 0; k < seed_prune_volume_at(p, i)->volume->packs.count; k++)
			if (add_pack(p, seed_prune_volume_at(p, i), k, codec, err) < 0)
				return -1;
	return 0;
}

static int add_needs(struct set_prune *p, uint32_t index, struct seed_error *err)
{
	const struct seed_seed *seed = seed_prune_seed_at(p, index)->seed;

	for (uint32_t i = 0; seed->manifest.data && i < seed->manifest.disks.count; i++) {
		const struct seed_manifest_disk *d = seed_vec_at(&seed->manifest.disks, i);
		SEED_AUTO(seed_list_closep) struct seed_list *list = NULL;

		if (seed_list_create(&list, p->opt->scratch, SCRATCH_LIST, d->blocks, err) < 0 ||
		    seed_seed_list(seed, i, list, err) < 0 ||
		    seed_locate_list(p->locate, list, index, NULL, err) < 0)
			return seed_error_prefix(err, "disk %s", d->slot);
	}
	return 0;
}

/* A seed that stays must be whole: pruning would make what is missing of it look meant. */
static int check_missing(struct set_prune *p, struct seed_error *err)
{
	struct seed_run run;
	uint32_t seed;
	bool more;
	char name[SEED_QUOTED];

	if (seed_locate_next_missing(p->locate, &seed, &run, &more, err) < 0)
		return -1;
	if (!more || seed_prune_seed_at(p, seed)->seed->manifest.relies_on.count)
		return 0;
	return seed_error_set(err, SEED_ERR_INTEGRITY,
			      "blocks of %s are in no pack of it: 'vmseed verify' tells more; "
			      "nothing was pruned",
			      seed_quote(seed_prune_seed_at(p, seed)->seed->manifest.name, name,
					 sizeof(name)));
}

static int find_needed(struct set_prune *p, struct seed_error *err)
{
	const struct seed_located *found;

	if (seed_locate_new(&p->locate, p->opt->scratch, p->opt->memory, err) < 0 ||
	    add_packs(p, err) < 0)
		return -1;
	for (uint32_t i = 0; i < p->seeds.count; i++)
		if (!seed_prune_seed_at(p, i)->drops && add_needs(p, i, err) < 0)
			return -1;
	if (seed_locate_join(p->locate, err) < 0)
		return -1;
	for (;;) {
		if (seed_locate_next(p->locate, &found, err) < 0)
			return -1;
		if (!found)
			break;
		**(bool **)seed_vec_at(&p->packs, found->pack) = true;
	}
	return check_missing(p, err);
}

/* ---- what goes ---- */

static int note_volume(struct set_prune *p, struct pruned *on, struct seed_error *err)
{
	const struct seed_volume *v = on->volume;
	struct seed_prune_volume *out = seed_vec_push(&p->out->volumes, sizeof(*out), NULL);

	if (!out)
		return seed_error_sys(err, ENOMEM, "prune");
	*out = (struct seed_prune_volume){ .set = p->set, .number = v->number };
	memcpy(out->label, v->medium->label, sizeof(out->label));
	for (size_t i = 0; i < v->packs.count; i++) {
		if (on->needed[i]) {
			out->kept_packs++;
			continue;
		}
		out->packs++;
		out->bytes += ((const struct seed_pack_facts *)seed_vec_at(&v->packs, i))->length;
	}
	on->drops_packs = out->packs > 0;
	for (size_t i = 0; i < v->files.count; i++) {
		const struct seed_commit_file *file = seed_vec_at(&v->files, i);

		if (seed_prune_drops_file(p, on, file))
			out->bytes += file->facts.length;
	}
	p->out->bytes += out->bytes;
	return 0;
}

/* ---- one set ---- */

static int prune_set(struct set_prune *p, const struct seed_vec *media, struct seed_error *err)
{
	size_t first_out = p->out->volumes.count;

	if (open_volumes(p, media, err) < 0 || check_all_there(p, err) < 0 ||
	    open_seeds(p, err) < 0)
		return -1;
	choose(p);
	if (find_needed(p, err) < 0 || note_seeds(p, err) < 0)
		return -1;
	for (size_t i = 0; i < p->volumes.count; i++)
		if (note_volume(p, seed_prune_volume_at(p, i), err) < 0)
			return -1;
	return p->opt->dry_run ? 0 : seed_prune_commit(p, first_out, err);
}

static void clear_set(struct set_prune *p)
{
	for (size_t i = 0; i < p->seeds.count; i++)
		seed_seed_close(seed_prune_seed_at(p, i)->seed);
	seed_vec_free(&p->seeds);
	for (size_t i = 0; i < p->volumes.count; i++) {
		free(seed_prune_volume_at(p, i)->needed);
		seed_volume_close(seed_prune_volume_at(p, i)->volume);
	}
	seed_vec_free(&p->volumes);
	seed_vec_free(&p->packs);
	seed_locate_free(p->locate);
	unlinkat(p->opt->scratch, SCRATCH_LIST, 0);
}

/* ---- all of them ---- */

static int compare_ids(const void *a, const void *b)
{
	return memcmp(a, b, SEED_ID_SIZE);
}

/* Sets that this site exports, each once. */
static int find_sets(struct seed_prune *out, struct seed_vec *sets, const struct seed_vec *media,
		     const struct seed_prune_options *opt, struct seed_error *err)
{
	for (size_t i = 0; i < media->count; i++) {
		struct seed_medium *medium = *(struct seed_medium **)seed_vec_at(media, i);
		SEED_AUTO(seed_vec_free) struct seed_vec ids = { 0 };

		if (seed_medium_sets(medium, &ids, err) < 0)
			return -1;
		for (size_t k = 0; k < ids.count; k++) {
			SEED_AUTO(seed_volume_closep) struct seed_volume *v = NULL;
			const struct seed_id *id = seed_vec_at(&ids, k);

			if (seed_volume_open(&v, medium, id, opt->trust, opt->own, NULL) < 0 ||
			    !v->signer->own) {
				out->foreign++;
				continue;
			}
			if (sets->count &&
			    bsearch(id, sets->items, sets->count, sets->size, compare_ids))
				continue;
			if (!seed_vec_push(sets, sizeof(*id), id))
				return seed_error_sys(err, ENOMEM, "prune");
			qsort(sets->items, sets->count, sets->size, compare_ids);
		}
	}
	return 0;
}

int seed_prune(struct seed_prune *out, const struct seed_vec *media,
	       const struct seed_prune_options *opt, struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec sets = { 0 };

	if (opt->keep == 0)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "the newest seed of each VM always stays");
	if (find_sets(out, &sets, media, opt, err) < 0)
		return -1;
	if (sets.count == 0)
		return seed_error_set(err, SEED_ERR_MEDIUM,
				      "no set of this site is on the media: only its exporter "
				      "prunes a set");
	for (size_t i = 0; i < sets.count; i++) {
		struct set_prune p = { .opt = opt, .out = out,
				       .set = *(const struct seed_id *)seed_vec_at(&sets, i) };
		char id[SEED_ID_TEXT];
		int rc = prune_set(&p, media, err);

		clear_set(&p);
		if (rc < 0)
			return seed_error_prefix(err, "set %.8s", seed_id_text(&p.set, id));
	}
	return 0;
}

void seed_prune_clear(struct seed_prune *prune)
{
	for (size_t i = 0; i < prune->seeds.count; i++)
		free(((struct seed_prune_seed *)seed_vec_at(&prune->seeds, i))->name);
	seed_vec_free(&prune->seeds);
	seed_vec_free(&prune->volumes);
	*prune = (struct seed_prune){ 0 };
}
