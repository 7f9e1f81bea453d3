/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What prune.c, which decides, and prune_commit.c, which does it, share. */
#ifndef SEED_EXPORT_PRUNE_INTERNAL_H
#define SEED_EXPORT_PRUNE_INTERNAL_H

#include "export/prune.h"
#include "export/set_writer.h"
#include "media/locate.h"

struct pruned {				/* a volume of the set */
	struct seed_volume *volume;
	struct seed_set_record record;
	bool *needed;			/* by pack, in the volume's order */
	bool drops_seeds, drops_packs;
};

struct kept_seed {
	struct seed_seed *seed;
	struct pruned *on;
	bool drops;
};

struct set_prune {
	const struct seed_prune_options *opt;
	struct seed_prune *out;
	struct seed_id set;
	struct seed_vec volumes;	/* struct pruned, by number */
	struct seed_vec seeds;		/* struct kept_seed */
	struct seed_locate *locate;
	struct seed_vec packs;		/* bool *: by ordinal, where it is noted that it is
					 * needed */
};

static inline struct pruned *seed_prune_volume_at(const struct set_prune *p, size_t i)
{
	return seed_vec_at(&p->volumes, i);
}

static inline struct kept_seed *seed_prune_seed_at(const struct set_prune *p, size_t i)
{
	return seed_vec_at(&p->seeds, i);
}

/* Does it belong to a seed on this volume that goes? */
bool seed_prune_drops_file(const struct set_prune *p, const struct pruned *on,
			   const struct seed_commit_file *file);
/* Full commits without what goes; behind each, its volume is swept. Seeds before packs: a seed that
 * counts has all its packs at every moment. @first_out: of this set in the result's volumes. */
int seed_prune_commit(struct set_prune *p, size_t first_out, struct seed_error *err);

#endif
