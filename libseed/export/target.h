/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The set that an export adds to, and its volumes on the media at hand.
 *
 * Media that the home knows as volumes of one set for this recipient: that set is gone on with. Other
 * prepared media become new volumes when they are needed, in the order in which they were given;
 * when all are full, the caller of the export is asked for another one. A full volume has its
 * packs committed and is closed before that, so that it can be unmounted.
 */
#ifndef SEED_EXPORT_TARGET_H
#define SEED_EXPORT_TARGET_H

#include "export/export.h"
#include "manifest/lineage.h"
#include "media/set_doc.h"

struct seed_target_volume {
	struct seed_medium *medium;
	bool owned;			/* @medium is ours to close */
	struct seed_volume *volume;	/* NULL: full, and closed */
	struct seed_set_record record;
	bool packs;			/* it holds some that count */
	bool full;
	bool made;			/* by this run */
	uint64_t added;			/* bytes read back, by this run */
};

/* A medium that holds nothing of the set yet; with a record where an attempt to make a volume
 * on it came to nothing. */
struct seed_target_fresh {
	struct seed_medium *medium;
	bool has_record;
	struct seed_set_record record;
};

/* A generation that a manifest on a volume was signed with. */
struct seed_target_signed {
	struct seed_id uuid;
	struct seed_lineage lineage;
	uint64_t generation;
};

struct seed_target {
	struct seed_export *plan;
	const struct seed_export_options *opt;
	uint64_t reserve;		/* bytes kept free on each volume for lists, manifests, commits */
	struct seed_id set;
	bool new_set;
	struct seed_set_key key;
	uint32_t highest;		/* number of a volume that was ever begun */
	struct seed_vec volumes;	/* struct seed_target_volume *, at hand or full, by rising number */
	struct seed_vec fresh;		/* struct seed_target_fresh */
	struct seed_vec absent;		/* struct seed_set_member: of the set, and not at hand */
	struct seed_vec before;		/* struct seed_target_signed: of VMs of the plan */
	struct seed_target_volume *now;	/* being written */
};

/**
 * seed_target_open() - the set, its volumes at hand opened and swept of what an interrupted run left
 * @media: locked here
 * @err: USAGE when they hold two sets of ours for this recipient
 *
 * A set that the home does not know is taken from the media, else a new one is made.
 */
int seed_target_open(struct seed_target *t, struct seed_export *plan,
		     struct seed_medium *const *media, size_t count,
		     const struct seed_export_options *opt, struct seed_error *err);
void seed_target_close(struct seed_target *t);
static inline void seed_target_closep(struct seed_target *t) { seed_target_close(t); }

/* @now is full: another one takes its place. MEDIUM, with the way on, when there is none. */
int seed_target_next(struct seed_target *t, struct seed_error *err);
/* Bytes that packs may still take on @now; what is kept for the run's end left out. */
int seed_target_room(const struct seed_target *t, uint64_t *bytes, struct seed_error *err);
/* All that is free on @now. */
int seed_target_free(const struct seed_target *t, uint64_t *bytes, struct seed_error *err);
/* struct seed_set_member, by rising number: the volumes beside @now that hold packs. */
int seed_target_others(const struct seed_target *t, struct seed_vec *out, struct seed_error *err);
/* What the command shows of the volumes, into the plan. */
int seed_target_show(const struct seed_target *t, struct seed_error *err);

#endif
