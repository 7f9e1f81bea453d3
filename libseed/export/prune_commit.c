// SPDX-License-Identifier: LGPL-2.1-or-later
/* Carrying out what prune.c has decided (no .h: prune_internal.h). */
#include <errno.h>
#include <string.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "export/prune_internal.h"
#include "media/set_doc.h"

bool seed_prune_drops_file(const struct set_prune *p, const struct pruned *on,
			  const struct seed_commit_file *file)
{
	char id[SEED_ID_TEXT];

	for (size_t i = 0; i < p->seeds.count; i++) {
		const struct kept_seed *s = seed_prune_seed_at(p, i);

		seed_id_text(&s->seed->manifest.seed, id);
		if (s->drops && s->on == on && strncmp(file->path, "seeds/", 6) == 0 &&
		    strncmp(file->path + 6, id, strlen(id)) == 0)
			return true;
	}
	return false;
}

struct left {				/* what counts from now on */
	struct seed_vec packs, files, seeds;
	struct seed_vec others;		/* struct seed_set_member */
};

static void clear_left(struct left *left)
{
	seed_vec_free(&left->packs);
	seed_vec_free(&left->files);
	seed_vec_free(&left->seeds);
	seed_vec_free(&left->others);
}

static int gather_left(const struct set_prune *p, const struct pruned *on, struct left *left)
{
	const struct seed_volume *v = on->volume;

	for (size_t i = 0; i < v->packs.count; i++)
		if (on->needed[i] && !seed_vec_push(&left->packs, sizeof(struct seed_pack_facts),
						    seed_vec_at(&v->packs, i)))
			return -1;
	for (size_t i = 0; i < v->files.count; i++)
		if (!seed_prune_drops_file(p, on, seed_vec_at(&v->files, i)) &&
		    !seed_vec_push(&left->files, sizeof(struct seed_commit_file),
				   seed_vec_at(&v->files, i)))
			return -1;
	for (size_t i = 0; i < p->seeds.count; i++) {
		const struct kept_seed *s = seed_prune_seed_at(p, i);

		if (s->on == on && !s->drops &&
		    !seed_vec_push(&left->seeds, sizeof(struct seed_id), &s->seed->manifest.seed))
			return -1;
	}
	return 0;
}

/* The set's other volumes as they stand now. */
static int gather_others(const struct set_prune *p, const struct pruned *on,
			 struct seed_vec *others)
{
	for (size_t i = 0; i < p->volumes.count; i++) {
		const struct seed_volume *v = seed_prune_volume_at(p, i)->volume;
		struct seed_set_member m = { .volume = v->number, .medium = v->medium_id,
					     .commit = v->last_commit, .has_digest = true,
					     .digest = v->last_digest };

		memcpy(m.label, v->medium->label, sizeof(m.label));
		if (v != on->volume && v->packs.count && !seed_vec_push(others, sizeof(m), &m))
			return -1;
	}
	return 0;
}

static int commit_volume(struct set_prune *p, struct pruned *on, struct seed_error *err)
{
	SEED_AUTO(clear_left) struct left left = { 0 };
	const struct seed_set_change change = {
		.full = true, .packs = &left.packs, .files = &left.files, .seeds = &left.seeds,
		.others = &left.others,
	};
	struct seed_volume *v = on->volume;
	char name[SEED_QUOTED];

	if (gather_left(p, on, &left) < 0 ||
	    (left.seeds.count && gather_others(p, on, &left.others) < 0))
		return seed_error_sys(err, ENOMEM, "prune");
	/* A pack's number is not used again, though its file goes. */
	for (size_t i = 0; i < v->packs.count; i++) {
		const struct seed_pack_facts *pack = seed_vec_at(&v->packs, i);

		if (pack->number >= on->record.next_pack)
			on->record.next_pack = pack->number + 1;
	}
	/* A crash behind the commit leaves files that no commit names: the next recovery sweeps
	 * them, as this one does. */
	if (seed_set_commit(p->opt->home, v, &on->record, p->opt->own, &change, err) < 0 ||
	    seed_volume_recover(v, &on->record, err) < 0)
		return seed_error_prefix(err, "medium %s", seed_medium_name(v->medium, name));
	return 0;
}

int seed_prune_commit(struct set_prune *p, size_t first_out, struct seed_error *err)
{
	for (int seeds = 1; seeds >= 0; seeds--)
		for (size_t i = 0; i < p->volumes.count; i++) {
			struct pruned *on = seed_prune_volume_at(p, i);
			struct seed_prune_volume *out =
				seed_vec_at(&p->out->volumes, first_out + i);

			if (on->drops_seeds != (bool)seeds ||
			    (!on->drops_seeds && !on->drops_packs))
				continue;
			if (seed_cancelled(p->opt->cancel, err) < 0 ||
			    commit_volume(p, on, err) < 0)
				return -1;
			out->commit = on->volume->last_commit;
		}
	return 0;
}
