/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A replica: the destination's copy of a VM, as a folder that explains itself.
 *
 *   STORE/web01.1a2b3c4d/replica.json      state; replaced whole, decides what counts
 *                        vda.raw           the disk
 *                        vda.list          digests it must have, home form (from the manifest)
 *                        vda.missing       runs of blocks that are not right yet, if any
 *                        manifest.json (+.minisig), definition, nvram, ...
 *                        import.log        progress while one is being built
 *                        next/             the same files for a newer seed being built beside it
 *                        vda.stamp         what the disk was when it was last proven (proof.h)
 *                        sync/             what a resync has fetched (sync.h)
 *
 * Switching to a newer seed: next/ is complete and durable; replica.json is
 * replaced by one that says "switching"; the files move up one by one (rename, on the
 * host's own file system); replica.json is replaced again. A crash before the first
 * replacement leaves the old replica; after it, opening the replica finishes the moves.
 * Disks that the newer seed no longer has stay as files; side files (definition, nvram, tpm)
 * that it no longer has go.
 */
#ifndef SEED_REPLICA_REPLICA_H
#define SEED_REPLICA_REPLICA_H

#include "base/cancel.h"
#include "base/event.h"
#include "manifest/manifest.h"

enum seed_replica_state {
	SEED_REPLICA_CANDIDATE, SEED_REPLICA_SEEDING, SEED_REPLICA_INCOMPLETE,
	SEED_REPLICA_SEEDED, SEED_REPLICA_CURRENT, SEED_REPLICA_PROMOTED,
};
const char *seed_replica_state_name(enum seed_replica_state state);

#define SEED_REPLICA_NAME 42	/* 32 + '.' + 8 and NUL */

struct seed_replica_disk {
	char slot[33];
	char file[48];			/* in the folder: "vda.raw" */
	char list[48], missing[48];
	uint64_t size;
	uint64_t missing_blocks;
};

struct seed_replica {
	char name[SEED_REPLICA_NAME];	/* of the folder */
	int dir;			/* the folder */
	int build;			/* where a seed is being built: @dir itself, or its next/;
					 * -1: no build was begun */
	enum seed_replica_state state;
	bool discard;			/* of a candidate: what was signed of it after the fork is
					 * given up (seed_replica_relation()) */
	bool switching;			/* seen only when opened without the lock: a run is at it */
	bool has_follows;		/* of a candidate: ... */
	struct seed_id follows;		/* ... the site that goes on with the VM: no other may send
					 * it */
	struct seed_vec drop;		/* char *: old files that go with the switch */
	struct seed_id site, uuid;	/* origin */
	char *vm_name;			/* raw */
	struct seed_id seed, set;
	uint64_t generation;
	struct seed_lineage lineage;
	enum seed_captured captured;
	int64_t imported;		/* unix seconds, shown */
	char *from;			/* label of the medium, shown; or NULL */
	struct seed_vec disks;		/* struct seed_replica_disk */
};

#define SEED_REPLICA_FROM_MAX 256	/* bytes of @from */

/* "web01.1a2b3c4d": name cleaned to [a-z0-9-]{1,32}, a dot, 8 hex digits of SHA-256(site ||
 * uuid). */
char *seed_replica_folder_name(const struct seed_id *site, const struct seed_id *uuid,
			       const char *vm_name, char *out);
/* Is @wanted what a person calls this VM by: its name, NAME.ID (the folder name that a replica of
 * it has) or its uuid? */
bool seed_replica_is_called(const char *wanted, const struct seed_id *site,
			    const struct seed_id *uuid, const char *vm_name);
/* Is this a name that seed_replica_folder_name() can give? */
bool seed_replica_name_valid(const char *name);
/* The file stem of a slot in a folder: ':' becomes '+', and a leading '.' '='. No slot holds
 * these, so no two slots have one stem. @out holds 33. */
char *seed_replica_slot_stem(const char *slot, char *out);

/**
 * seed_replica_open() - by folder name, locked against other runs when @lock
 * @err: NOTFOUND, also for the empty folder that a creation cut short left; LOCKED names the
 *       holder; FORMAT when the folder is not a replica of ours
 *
 * A replica that was "switching", and a sync that was decided (sync.h), are finished first (needs
 * @lock).
 */
int seed_replica_open(struct seed_replica **out, int store, const char *name, bool lock,
		      struct seed_error *err);
/* Who is there while opening finishes such a sync, which takes as long as the sync itself did. */
struct seed_replica_watch {
	const struct seed_events *events;	/* phase "finishing", by disk, then "reading
						 * back" */
	const struct seed_cancel *cancel;	/* looked at between runs of blocks, and between
						 * disks */
};
/* The same, with the lock. CANCELLED leaves what was decided to the next opening; NULL: nobody. */
int seed_replica_open_watched(struct seed_replica **out, int store, const char *name,
			      const struct seed_replica_watch *watch, struct seed_error *err);
/* A new folder (0700) with a "seeding" replica.json for this manifest, locked, its build begun in
 * it. What a creation cut short left is taken over; a folder that is a replica already, or holds
 * anything else, is USAGE. */
int seed_replica_create(struct seed_replica **out, int store, const struct seed_manifest *manifest,
			struct seed_error *err);
void seed_replica_close(struct seed_replica *replica);
static inline void seed_replica_closep(struct seed_replica **r) { seed_replica_close(*r); }

/* Write replica.json as @replica says now; durable on return. Needs the lock. */
int seed_replica_save(struct seed_replica *replica, struct seed_error *err);
/* Fill in the fields and disks that a manifest decides (not the state; nothing is missing, nothing
 * is given up). */
int seed_replica_describe(struct seed_replica *replica, const struct seed_manifest *manifest,
			  struct seed_error *err);
/* Blocks of all its disks that are not right yet. */
uint64_t seed_replica_missing(const struct seed_replica *replica);
/* How a manifest at (@lineage, @generation) stands to the replica: as seed_lineage_compare() says,
 * but a line that forked off before the replica's generation is NEWER for a candidate that gave up
 * what came after the fork. */
enum seed_lineage_relation seed_replica_relation(const struct seed_replica *replica,
						 const struct seed_lineage *lineage,
						 uint64_t generation);
/* Open @replica->build for @manifest's seed: the folder itself while it is seeding or incomplete
 * with this very seed, else next/ (emptied unless it is building this very seed already). IDENTITY
 * when the manifest is of another VM, or the replica is promoted. @replica itself still describes
 * what is there. */
int seed_replica_begin_build(struct seed_replica *replica, const struct seed_manifest *manifest,
			     struct seed_error *err);
/* The build is complete and durable, its describing fields (seed_replica_describe(), state,
 * imported, from, missing_blocks) are in @replica: make it the replica, and end the build. */
int seed_replica_switch(struct seed_replica *replica, struct seed_error *err);

/* All replica folders of a store, by name; folders that are none are skipped, broken ones reported
 * through @visit with replica NULL and the reason in @why. Opened without the lock; @visit
 * borrows. */
int seed_store_each(int store,
		    int (*visit)(const char *name, struct seed_replica *replica,
				 const struct seed_error *why, void *arg, struct seed_error *err),
		    void *arg, struct seed_error *err);

#endif
