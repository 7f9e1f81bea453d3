/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared inside handover/ only. */
#ifndef SEED_HANDOVER_INTERNAL_H
#define SEED_HANDOVER_INTERNAL_H

#include "base/cancel.h"
#include "base/event.h"
#include "capture/source_vm.h"
#include "doc/json.h"
#include "handover/adopt.h"
#include "image/source.h"
#include "replica/replica.h"
#include "trust/keyfile.h"

/* ---- history.c: HOME/history.chain ---- */

struct seed_history_entry {
	const char *event;		/* "promote", "adopt" */
	const struct seed_id *site, *uuid;
	const char *name;
	uint64_t generation;
	const struct seed_id *timeline;	/* the last one of its lineage afterwards */
	const struct seed_id *parent;	/* of a promote: the one it was forked from; or NULL */
	bool discard;			/* of an adopt */
	uint64_t changed_blocks;
};

/* Append, unless the VM's last entry says this very thing (event, timeline, generation, and of an
 * adopt no less of what is given up) already:
 * then an earlier run got as far as this. Durable on return. */
int seed_history_note(int home, const struct seed_site *own, const struct seed_history_entry *e,
		      struct seed_error *err);

/* ---- lists.c: digest lists that are copied from one folder to another ---- */

/* Replace @to in @to_dir by the bytes of @from; sparse, durable on return. A crash leaves the old
 * one or the new one. */
int seed_handover_copy(int from_dir, const char *from, int to_dir, const char *to,
		       struct seed_error *err);

/* ---- reading.c: what disks hold now, beside what they held ---- */

struct seed_reading {			/* of one disk */
	char slot[SEED_SLOT_MAX + 1];
	char *path;			/* of its file or device */
	struct seed_source *source;	/* held until cleared */
	struct seed_source_identity identity;	/* while it was read */
	struct seed_digest root;	/* of what it holds */
	uint64_t changed_blocks, changed_bytes;	/* since the last reading */
	uint64_t bytes_read;
};

struct seed_reading_options {
	const struct seed_source_vm *vm;	/* its kept lists and stamps */
	bool keep;			/* leave what was read as SLOT.adopt in the VM's folder */
	unsigned int jobs;
	const struct seed_events *events;
	const struct seed_cancel *cancel;
};

/* Open and hold. BUSY when somebody has it open, or when it cannot be held. */
int seed_reading_open(struct seed_vec *readings, const char *slot, const char *path,
		      struct seed_error *err);
/* Read all of them; those that are provably as they were read last are not read. BUSY when one
 * changes meanwhile. */
int seed_reading_run(struct seed_vec *readings, const struct seed_reading_options *opt,
		     struct seed_error *err);
void seed_readings_clear(struct seed_vec *readings);
/* "vda.adopt"; @out holds 48. Not a kept list by its name. */
char *seed_reading_list(const char *slot, char *out);
/* All of them go, also those that an earlier run left. */
void seed_reading_forget(int vm_dir);

/* ---- arrived.c: is what the disks hold anywhere else? ---- */

enum seed_arrival {
	SEED_ARRIVAL_ACKNOWLEDGED,	/* a site signed that it has it, or it came from there */
	SEED_ARRIVAL_UNKNOWN,		/* a medium was committed with it, and no receipt of any
					 * generation has come back: nobody can tell here */
	SEED_ARRIVAL_DOUBTED,		/* the same, and what was acknowledged is something else */
	SEED_ARRIVAL_UNSENT,		/* it left this site by no way */
};
int seed_arrival_of(enum seed_arrival *out, const struct seed_source_vm *vm,
		    const struct seed_vec *readings, const struct seed_adopt_options *opt,
		    struct seed_error *err);
/* The last generation that another site is known to have, 0: none. */
uint64_t seed_arrival_acknowledged(const struct seed_source_vm *vm,
				   const struct seed_adopt_options *opt);

/* ---- place.c: the disks of a candidate ---- */

struct seed_placing {
	const struct seed_replica *replica;	/* its @dir receives the files */
	const struct seed_vec *readings;
	int store;
	const struct seed_events *events;
	const struct seed_cancel *cancel;
};

/* Copies of all disks, durable; *@shared: all of them share their blocks with the originals. */
int seed_place_copies(const struct seed_placing *p, bool *shared, struct seed_error *err);
/* Can all of them be moved by rename? USAGE says why not. */
int seed_place_may_move(const struct seed_placing *p, struct seed_error *err);
/* Move those that are not there yet. */
int seed_place_moved(const struct seed_placing *p, struct seed_error *err);

/* ---- edited.c: a replica that somebody wrote to ---- */

/* Gives up what was written: the blocks are missing from then on, the replica incomplete. USAGE
 * when none differ, IDENTITY when some do and that was not asked for. @r is locked. */
int seed_adopt_edited(struct seed_replica *r, struct seed_adopted *out,
		      const struct seed_adopt_options *opt, struct seed_error *err);

#endif
