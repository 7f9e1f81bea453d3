/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prune: older seeds of a set cease to count, and what only they needed leaves the media.
 *
 * Of each VM the newest @keep seeds stay (and any that no kept one follows: of histories that
 * parted none is chosen). Packs go whole: one stays while any block in it is needed. All volumes
 * of the set must be at hand, since a seed on one may need a pack of another.
 *
 * Order, so that a crash at any moment leaves seeds that are whole: what stays is worked out from
 * the block indexes; full commits without the old seeds, on the volumes that hold them; full
 * commits without packs that nothing needs any more, on the others; only behind its commit, which
 * was read back, are a volume's files unlinked. Whatever is left then is named by no commit that
 * counts, and the next export or prune sweeps it.
 */
#ifndef SEED_EXPORT_PRUNE_H
#define SEED_EXPORT_PRUNE_H

#include "base/event.h"
#include "media/seed.h"
#include "media/set_record.h"

struct seed_prune_options {
	int home;
	const struct seed_site *own;
	const struct seed_trust *trust;
	int scratch;			/* open folder for temporary files */
	uint64_t memory;		/* for sorting */
	unsigned int keep;		/* seeds of each VM, at least 1 */
	bool dry_run;			/* nothing is written, and nothing swept */
	const struct seed_events *events;
	const struct seed_cancel *cancel;
};

struct seed_prune_seed {
	struct seed_id set, seed, uuid;
	char *name;			/* raw; owned */
	uint64_t generation;
	bool drops;			/* or dropped */
};

struct seed_prune_volume {
	struct seed_id set;
	uint32_t number;
	char label[SEED_LABEL_MAX + 1];
	uint32_t packs, kept_packs;	/* that go, that stay */
	uint64_t bytes;			/* of packs and files that go */
	uint32_t commit;		/* the full commit without them; 0: none was needed, or a
					 * dry run */
};

struct seed_prune {
	struct seed_vec seeds;		/* struct seed_prune_seed */
	struct seed_vec volumes;	/* struct seed_prune_volume */
	uint64_t bytes;			/* in all */
	size_t foreign;			/* sets of other exporters, left alone */
};

/**
 * seed_prune() - all sets of this site that lie on the media
 * @media: struct seed_medium *, opened and locked; borrowed
 * @err: MEDIUM when a volume of a set is not at hand (named); INTEGRITY when something of a set is
 *       damaged, a block of a seed that stays is missing (then nothing of that set is touched), or
 *       this home has no record of it; MEDIUM when nothing on the media is this site's
 */
int seed_prune(struct seed_prune *out, const struct seed_vec *media,
	       const struct seed_prune_options *opt, struct seed_error *err);
void seed_prune_clear(struct seed_prune *prune);

#endif
