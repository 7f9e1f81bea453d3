/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Verify: believe nothing, read everything.
 *
 * Media: signatures, commits, custody, every file against its commit, every pack as a
 * whole,
 * every record against its pack's table, every block of it against the block index, every digest
 * list against its manifest and root, and every block that a seed needs found in some pack. Without
 * the receiving key, ciphertext against commits; what could not be checked is counted. The volumes
 * of a set are checked together; what only one that is not there can hold is not checked, and said.
 *
 * A replica: manifest, lists and roots, and every block of every disk.
 */
#ifndef SEED_VERIFY_VERIFY_H
#define SEED_VERIFY_VERIFY_H

#include "base/event.h"
#include "media/seed.h"
#include "media/set_view.h"

struct seed_verify_options {
	const struct seed_site *own;	/* NULL: no receiving key */
	const struct seed_trust *trust;
	int home;			/* for what it remembers of its own sets; -1: none */
	int scratch;			/* open folder for temporary files */
	unsigned int jobs;
	uint64_t memory;		/* for sorting */
	const struct seed_events *events;
	const struct seed_cancel *cancel;
};

struct seed_verify_problem {
	char what[96];			/* "set 1a2b3c4d", "web01.1a2b3c4d vda" */
	struct seed_error err;
};

struct seed_verify_seed {
	struct seed_id id, uuid;
	char *name;			/* raw */
	uint64_t generation;
	uint64_t blocks, missing_blocks;	/* data blocks; those no sound pack holds */
	uint64_t unchecked_blocks;	/* those that may be on volumes that were not given */
	bool data;			/* false: an order form, which holds none by design */
	bool sound;
};

struct seed_verify_set {		/* a volume that was looked at whole */
	const struct seed_medium *medium;	/* where it lies; borrowed */
	struct seed_id id;
	bool opened;			/* with its key; else ciphertext alone */
	size_t problems;		/* of its set */
	bool lacking;			/* blocks that other volumes may hold were not checked */
};

struct seed_verify {
	struct seed_vec problems;	/* struct seed_verify_problem */
	struct seed_vec sets;		/* struct seed_verify_set */
	struct seed_vec seeds;		/* struct seed_verify_seed, of media */
	struct seed_vec views;		/* struct seed_set_view: the sets, and what was not given of
					 * them */
	struct seed_vec open;		/* struct seed_volume *, which @views borrow */
	uint64_t volumes, packs, records, blocks, files;	/* checked */
	uint64_t bytes;			/* read */
	uint64_t unopened_records;	/* ciphertext checked only: no key */
	uint64_t custody_entries;	/* of these: ... */
	uint64_t custody_untrusted, custody_unsigned;	/* ... not read */
	uint64_t unfinished_files;	/* that no commit names: an interrupted export's */
	bool cached;			/* could not read past the page cache */
};

/* @media: struct seed_medium *, checked whole and together: a set may lie on several. They stay
 * open until seed_verify_clear(). Returns 0 when all of it was looked at, sound or not (see
 * @problems). */
int seed_verify_media(struct seed_verify *out, const struct seed_vec *media,
		      const struct seed_verify_options *opt, struct seed_error *err);

struct seed_verify_disk {
	char slot[33];
	uint64_t blocks, missing_blocks;
	struct seed_vec bad;		/* struct seed_run: blocks that differ */
	uint64_t bad_blocks;
};
struct seed_verify_replica {
	struct seed_vec disks;		/* struct seed_verify_disk */
	struct seed_vec problems;
	uint64_t bytes, bad_blocks, missing_blocks;
	bool promoted;			/* it is the VM: what differs may be its own work */
};
/* By folder name in @store, held against other runs meanwhile. */
int seed_verify_replica(struct seed_verify_replica *out, int store, const char *name,
			const struct seed_verify_options *opt, struct seed_error *err);

/* 0 when sound; else the error a command should end with, of the worst kind found. */
int seed_verify_conclude(const struct seed_vec *problems, struct seed_error *err);
void seed_verify_clear(struct seed_verify *verify);
void seed_verify_replica_clear(struct seed_verify_replica *verify);

#endif
