/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Export: any number of VMs, each disk read once, into a set on one medium or several.
 *
 * Steps: plan (definitions, disks, duplicates) - lock the media, find or make
 * the set, sweep what an interrupted run left - read, store, read back, going on to the next medium
 * when one is full - own blocks - lists and manifests, read back - where the other volumes are,
 * and one full commit, which alone makes the run's seeds exist. A VM that fails has a verdict and
 * does not stop the others.
 */
#ifndef SEED_EXPORT_EXPORT_H
#define SEED_EXPORT_EXPORT_H

#include "base/event.h"
#include "base/vec.h"
#include "capture/capture.h"
#include "export/set_writer.h"
#include "vmdef/vmdef.h"

struct seed_export;

struct seed_export_options {
	int home;
	const struct seed_site *own;
	const struct seed_trust *trust;
	const struct seed_card *recipient;	/* NULL: plaintext */
	bool data;				/* false: --no-data */
	bool reverify;				/* read the packs of earlier runs first */
	const char *const *exclude_slots;	/* NULL-terminated, or NULL */
	unsigned int jobs;			/* workers */
	uint64_t memory;			/* bytes for the deduplication table */
	const struct seed_events *events;
	const struct seed_cancel *cancel;
	/**
	 * next_medium() - all media at hand are full: is there another prepared one?
	 * @full: one line: which is full, and how much is safe on it
	 * @refused: why the one that it gave last cannot serve, or NULL
	 * @out: taken over; NULL: there is none, and the run ends
	 *
	 * From the thread that runs the export. NULL: there never is one.
	 */
	int (*next_medium)(void *arg, const struct seed_export *plan, const char *full,
			   const struct seed_error *refused, struct seed_medium **out,
			   struct seed_error *err);
	void *next_arg;
};

struct seed_export_disk {
	const struct seed_vmdef_disk *def;	/* borrowed from the VM's definition */
	uint64_t size, data_bytes;		/* bytes in data extents when planned */
	uint32_t sector_size;
	struct seed_capture_facts facts;	/* once captured */
	struct seed_vec own_runs;		/* struct seed_run */
	uint64_t own_blocks;
	uint32_t compared;			/* with so many other VMs */
};

struct seed_export_vm {
	struct seed_vmdef *def;			/* owned */
	struct seed_id uuid;
	struct seed_vec disks;			/* struct seed_export_disk: those that travel */
	bool done;
	struct seed_error err;			/* why not, when !@done */
	struct seed_id seed;			/* once done */
	uint64_t generation;
	enum seed_captured captured;		/* the least of its disks */
	struct seed_source_vm *kept;		/* its record at home, locked, while exporting */
	struct seed_vec files;			/* struct seed_side_file, read when its turn came */
};

struct seed_export_volume {		/* of the set, as the run leaves it */
	uint32_t number;
	struct seed_id medium;
	char label[SEED_LABEL_MAX + 1];
	bool present;			/* its medium was at hand */
	bool made, full;		/* by this run */
	uint64_t added_bytes;		/* by this run, read back */
};

struct seed_export {				/* what a command shows */
	struct seed_vec vms;			/* struct seed_export_vm */
	struct seed_id set;
	bool new_set;
	struct seed_vec volumes;		/* struct seed_export_volume, by rising number */
	uint64_t data_bytes;			/* of all disks, to read at most */
	uint64_t scanned_bytes;			/* of these, done with */
	uint64_t bytes_read;
	struct seed_set_totals totals;
	uint64_t added_bytes;			/* on the media, by this run */
	uint32_t commit;			/* number of the full commit; 0: none was made */
	bool old_packs;				/* it has some of earlier runs at hand, ... */
	int64_t last_full_read;			/* ... and all of them were read since then, unix
						 * seconds; 0: nobody knows */
};

/**
 * seed_export_plan() - what an export would do, without writing anything
 * @defs: struct seed_vmdef *, taken over on success and failure alike
 * @err: USAGE when two of them are one VM (both named), a slot to exclude is nobody's, or nothing
 *       is left to export
 *
 * A VM whose disks cannot be opened has its error in the result and does not fail the plan.
 */
int seed_export_plan(struct seed_export *out, struct seed_vec *defs,
		     const struct seed_export_options *opt, struct seed_error *err);
/* The verdict that the plan alone gives: what a dry run ends with. */
int seed_export_verdict(const struct seed_export *plan, struct seed_error *err);
/**
 * seed_export_run() - carry out a plan
 * @media: prepared, @count of them, at least one. Those that are full are released.
 * @err: PARTIAL when some VMs failed, the first one's kind when all did; MEDIUM, INTEGRITY and so
 *       on when a medium or its set stopped the run
 */
int seed_export_run(struct seed_export *plan, struct seed_medium *const *media, size_t count,
		    const struct seed_export_options *opt, struct seed_error *err);
void seed_export_clear(struct seed_export *plan);

#endif
