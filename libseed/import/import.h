/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Import: every VM on the media becomes a replica, or has a verdict that says why not.
 *
 * Steps: survey (volumes, manifests; the newest seed of each VM) - judge each
 * against the store and its mark - begin the builds (folder, digest lists, disk
 * files) - join what is needed with what the packs hold - read each pack once,
 * in order, open each record once, write each block wherever it is needed, checked - make durable,
 * note the pack - missing lists, side files, manifest, state - marks.
 *
 * A set may lie on several volumes. Its seeds are on the one that its run ended on, or, once that
 * was imported, in the store; blocks are taken from whatever volumes are given, and what only
 * others can hold is missing until they are.
 *
 * A rerun skips what is done; nothing that is not that VM's replica is ever written to.
 */
#ifndef SEED_IMPORT_IMPORT_H
#define SEED_IMPORT_IMPORT_H

#include "base/event.h"
#include "media/seed.h"
#include "media/set_view.h"
#include "replica/replica.h"

struct seed_import_options {
	int home;
	int store;				/* open folder of replicas */
	const struct seed_site *own;
	const struct seed_trust *trust;
	const char *const *names;		/* NULL-terminated: NAME, NAME.ID or uuid; none:
						 * all */
	unsigned int jobs;
	uint64_t memory;			/* for sorting; the rest is fixed */
	const struct seed_events *events;
	const struct seed_cancel *cancel;
};

enum seed_import_action {
	SEED_IMPORT_CREATE,	/* a new replica */
	SEED_IMPORT_RESUME,	/* go on with one that is seeding this very seed */
	SEED_IMPORT_FILL,	/* bring an incomplete one its missing blocks */
	SEED_IMPORT_REPLACE,	/* a newer seed, built beside the replica and switched */
	SEED_IMPORT_NOTHING,	/* this seed is here already, or a newer one: see @older */
	SEED_IMPORT_REFUSE,	/* see @err */
};

struct seed_import_vm {
	struct seed_seed *seed;			/* owned */
	char folder[SEED_REPLICA_NAME];		/* of the replica */
	enum seed_import_action action;
	bool older;				/* NOTHING because the replica is newer */
	bool switching;				/* NOTHING, but for a switch that was cut short */
	struct seed_error err;			/* REFUSE, or what failed later */
	bool parted;				/* REFUSE: seeds of two histories are on the
						 * media */
	uint64_t have_generation;		/* the replica's, with REPLACE and NOTHING */
	uint64_t need_bytes;			/* data that the disks hold */
	bool done;
	uint64_t written_bytes, missing_blocks;	/* once done */
	char lacking[SEED_PLACES_TEXT];		/* what blocks that were not found may be on:
						 * volumes of its set that were not given, in words;
						 * "" when all were */
};

/* Something on the media that cannot be used, and why. */
struct seed_import_problem {
	char what[96];
	bool harmless;		/* a set for another site, a second copy: said, and no fault of this
				 * import */
	struct seed_error err;
};

struct seed_import {
	struct seed_vec media;			/* struct seed_medium *, owned */
	struct seed_vec volumes;		/* struct seed_volume *, owned */
	struct seed_vec views;			/* struct seed_set_view, of @volumes */
	struct seed_vec vms;			/* struct seed_import_vm, by name */
	struct seed_vec problems;		/* struct seed_import_problem */
	uint64_t need_bytes;			/* of all that will be written */
	uint64_t read_bytes;			/* from packs */
};

/**
 * seed_import_plan() - survey and judge, writing nothing
 * @media: opened media, struct seed_medium *; taken over, also on failure
 * @err: MEDIUM when no set lies there, TRUST when none is from somebody trusted, USAGE when a name
 *       fits no VM
 */
int seed_import_plan(struct seed_import *out, struct seed_vec *media,
		     const struct seed_import_options *opt, struct seed_error *err);
/* The verdict that the plan alone gives: what a dry run ends with. */
int seed_import_verdict(const struct seed_import *plan, struct seed_error *err);
/* Carry it out. PARTIAL when some VM was refused, failed or has blocks missing, or the first one's
 * kind when nothing was done at all. */
int seed_import_run(struct seed_import *plan, const struct seed_import_options *opt,
		    struct seed_error *err);
/* Afterwards: a signed receipt for each seed that the store holds whole, onto the medium it came on
 * where that can be written to and was prepared by somebody known, unless one lies there. *@written
 * counts them, also on failure. */
int seed_import_acknowledge(const struct seed_import *plan, const struct seed_import_options *opt,
			    unsigned int *written, struct seed_error *err);
void seed_import_clear(struct seed_import *plan);

#endif
