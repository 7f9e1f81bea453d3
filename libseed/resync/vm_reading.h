/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A VM as its sender reads it: its disks held and hashed, the lists of this reading and of the one
 * before, its side files. Shared inside resync/ only.
 */
#ifndef SEED_RESYNC_VM_READING_H
#define SEED_RESYNC_VM_READING_H

#include "block/merkle_tree.h"
#include "capture/capture.h"
#include "resync/offer.h"
#include "resync/session.h"

struct seed_vm_reading_disk {
	const struct seed_vmdef_disk *def;	/* borrowed from the definition */
	struct seed_source *source;
	struct seed_source_identity identity;	/* when hashing began */
	struct seed_capture_facts facts;
	struct seed_list *base;			/* the reading before, or NULL */
	uint64_t base_size;
	struct seed_digest base_root;
	struct seed_list *list;			/* this one */
	struct seed_tree *tree;			/* over @list, made when a node is asked for */
	bool touched;				/* blocks of @list were hashed anew while they were
						 * sent: */
	struct seed_vec touched_at;		/* uint64_t: these, in any order */
	bool follows;				/* @touched_at has them all, and @was is known: */
	struct seed_digest was;			/* fingerprint of @list before
						 * (capture/own_kept.h) */
	struct seed_vec own_runs;
	uint64_t own_blocks;
	uint32_t compared;
};

struct seed_vm_reading {
	const struct seed_vmdef *def;		/* borrowed */
	struct seed_source_vm *kept;
	bool taken;			/* the peer had nothing against it */
	struct seed_vec files;			/* struct seed_side_file */
	struct seed_vec facts;			/* struct seed_manifest_file: of @files */
	struct seed_vec disks;			/* struct seed_vm_reading_disk */
	uint64_t bytes_read;
	bool is_signed;				/* a manifest was signed, of this seed: */
	struct seed_id seed;
};

/* Opens the record (locked) and the disks, and hashes what is not proven unchanged; with
 * opt->paranoid everything. The peer is told how far it is, if @s is there. */
int seed_vm_reading_open(struct seed_vm_reading **out, const struct seed_vmdef *def,
		      struct seed_session *s, struct seed_error *err);
void seed_vm_reading_close(struct seed_vm_reading *reading);
static inline void seed_vm_reading_closep(struct seed_vm_reading **r) { seed_vm_reading_close(*r); }

int seed_vm_reading_head(const struct seed_vm_reading *reading, struct seed_session *s,
		      struct seed_msg_head *out, struct seed_error *err);
/* Own blocks are worked out for it. */
int seed_vm_reading_offer(struct seed_vm_reading *reading, struct seed_session *s,
		       struct seed_offer *out, struct seed_error *err);
/* The block was hashed anew: the list, and later the manifest, say so. */
int seed_vm_reading_changed(struct seed_vm_reading *reading, uint32_t disk, uint64_t index,
			 const struct seed_digest *digest, struct seed_error *err);
/* All was read: did it change meanwhile? A generation is reserved, and the manifest signed. The
 * caller frees *@text; @out is initialised by the call and cleared by the caller. */
int seed_vm_reading_sign(struct seed_vm_reading *reading, struct seed_session *s,
		      struct seed_manifest *out, char **text, size_t *len,
		      char signature[SEED_SIGNATURE_MAX], struct seed_error *err);

#endif
