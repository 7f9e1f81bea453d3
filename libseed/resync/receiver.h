/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The end that has the replica. Shared inside resync/ only. */
#ifndef SEED_RESYNC_RECEIVER_H
#define SEED_RESYNC_RECEIVER_H

#include "replica/sync.h"
#include "resync/known.h"
#include "resync/offer.h"
#include "resync/session.h"

struct seed_receiving_disk {
	enum seed_base_mode mode;
	struct seed_list *base, *next;	/* borrowed from the sync */
	struct seed_list *own;		/* the replica's own list of this slot, or NULL */
	uint64_t own_size;		/* of the replica's disk in this slot */
	uint64_t size, blocks;		/* as offered */
	struct seed_proof proof;
	bool listed;			/* its next list is complete */
	uint64_t changes_end;		/* block behind the last run of CHANGES */
	char file[48];			/* in the replica's folder, once done */
};

struct seed_receiving_file {
	bool wanted;
	struct seed_buf data;
	bool whole;
};

struct seed_receiving {
	struct seed_session *s;
	struct seed_msg_head head;
	struct seed_offer offer;
	struct seed_replica *replica;	/* locked; NULL: there is none (yet) */
	bool has_manifest;
	struct seed_manifest manifest;	/* of the replica as it stands */
	struct seed_digest manifest_text;	/* SHA-256 of it */
	struct seed_sync *sync;
	unsigned int keep;		/* recovery points */
	bool fill;			/* the replica's own seed, with blocks missing: no new
					 * manifest */
	struct seed_receiving_disk disks[SEED_WIRE_DISKS_MAX];
	struct seed_receiving_file files[SEED_MANIFEST_FILES_MAX];
	struct seed_hint_key key;
	struct seed_msg_need counts;
	struct seed_resync_vm *vm;
};

/**
 * seed_receiver_vm() - take one VM from the peer
 * @f:   its HEAD, just received
 * @vm:  receives the result
 * @err: only what ends the connection
 */
int seed_receiver_vm(struct seed_session *s, struct seed_frame *f, struct seed_resync_vm *vm,
		     struct seed_error *err);

/* receiver_judge.c: may this be taken? Each fails with the words for a REFUSE. */
int seed_receiver_find(struct seed_receiving *r, struct seed_error *err);
bool seed_receiver_has_all(const struct seed_receiving *r);
int seed_receiver_prove(struct seed_receiving *r, bool *rotten, struct seed_error *err);
int seed_receiver_take_offer(struct seed_receiving *r, const struct seed_buf *bundle,
			     struct seed_error *err);
int seed_receiver_judge(struct seed_receiving *r, struct seed_error *err);

/* receiver_lists.c: how each disk is compared, and then its next list. */
int seed_receiver_choose(struct seed_receiving *r, struct seed_msg_base *out,
			 struct seed_error *err);
int seed_receiver_lists(struct seed_receiving *r, struct seed_error *err);
/* receiver_descend.c: find out the digests of one disk by its tree. */
int seed_receiver_descend(struct seed_receiving *r, uint8_t disk, struct seed_error *err);

/* receiver_fetch.c: all blocks that the next lists name are at hand when it returns. */
int seed_receiver_fetch(struct seed_receiving *r, struct seed_error *err);

/* receiver_finish.c */
int seed_receiver_commit(struct seed_receiving *r, struct seed_error *err);
int seed_receiver_finish_fill(struct seed_receiving *r, struct seed_error *err);
/* The replica as it stands is what the sender has: says so, signed. @proved: for each disk. */
int seed_receiver_receipt(struct seed_receiving *r, const enum seed_proved *proved,
			  struct seed_error *err);

#endif
