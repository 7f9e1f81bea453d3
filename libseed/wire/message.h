/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the frames of a resync say: the upper half of vmseed-wire(5). The sender has the VM, the
 * receiver its replica; either may have called the other.
 *
 *   HELLO PROOF                    both, once: who speaks, proven over fresh nonces; then START
 *   WANT                           receiver, when it has called: this VM, please
 *   HEAD                           sender: a VM with the roots of its disks
 *     RECEIPT                      receiver: all of it is here; then DONE
 *     MORE                         receiver: differs
 *   OFFER                          sender, signed: what it is, on which line of history
 *     BASE                         receiver: how each disk is to be compared
 *   FILE                           sender: side files that were asked for
 *   CHANGES CHANGES_END            sender: the new digests, for disks with equal bases
 *   DESCEND NODES                  receiver asks for tree nodes, sender answers in order
 *   NEED                           receiver: how much differs, and how much of it is at hand
 *   REQUEST BLOCK                  receiver asks for blocks, sender answers in order
 *   ARRIVED MANIFEST RECEIPT       all is there; signed; durable
 *   DONE                           sender: it has the receipt; the VM is done at both ends
 *   REFUSE                         this VM is not done; the connection goes on
 *   FAIL                           the connection ends, and why
 *   BYE                            who called: no more VMs
 *   PROGRESS NOTE                  either, at any time: what it does meanwhile; a line for people
 *
 * Integers are little-endian. Decoding checks every length and bound; what does not fit is
 * SEED_ERR_FORMAT. That a name or slot is one that a VM may have, who takes them checks.
 */
#ifndef SEED_WIRE_MESSAGE_H
#define SEED_WIRE_MESSAGE_H

#include "base/id.h"
#include "base/vec.h"
#include "block/digest_list.h"
#include "block/hint.h"
#include "wire/channel.h"

enum seed_frame_type {
	SEED_FRAME_HELLO = SEED_FRAME_FIRST, SEED_FRAME_PROOF,
	SEED_FRAME_WANT = 16, SEED_FRAME_HEAD, SEED_FRAME_MORE, SEED_FRAME_OFFER, SEED_FRAME_BASE,
	SEED_FRAME_FILE, SEED_FRAME_CHANGES, SEED_FRAME_CHANGES_END, SEED_FRAME_DESCEND,
	SEED_FRAME_NODES, SEED_FRAME_NEED, SEED_FRAME_REQUEST, SEED_FRAME_BLOCK,
	SEED_FRAME_ARRIVED, SEED_FRAME_MANIFEST, SEED_FRAME_RECEIPT, SEED_FRAME_REFUSE,
	SEED_FRAME_FAIL, SEED_FRAME_BYE, SEED_FRAME_PROGRESS, SEED_FRAME_NOTE,
	SEED_FRAME_DONE,
};
const char *seed_frame_name(uint8_t type);	/* "HELLO", ...; "frame of unknown type" */

#define SEED_WIRE_DISKS_MAX 64u
#define SEED_WIRE_NAME_MAX 255u		/* bytes of a VM's name */
#define SEED_NONCE_SIZE 32

/* Adds to @out, which the caller frees; -1 only when memory is short. */

struct seed_msg_hello {
	struct seed_id site;
	uint8_t nonce[SEED_NONCE_SIZE];
	bool sender;			/* has the VMs */
	bool caller;			/* began the connection */
};
int seed_msg_hello_put(struct seed_buf *out, const struct seed_msg_hello *m,
		       struct seed_error *err);
int seed_msg_hello_get(struct seed_msg_hello *m, const struct seed_frame *f,
		       struct seed_error *err);

#define SEED_WANT_OVER_WIRE 1u		/* flags: a VM without a replica is wanted whole */
#define SEED_WANT_FINAL 2u		/* the last one before a planned switch-over */
#define SEED_WANT_PARANOID 4u		/* who takes it reads whole what it holds proven unchanged:
					 * of WANT the VM's disks, of HEAD the replica's */
/* Bytes a second: below it a full frame does not cross before it counts as a dead link, and who
 * asks for one byte a second would hold the source for ever. */
#define SEED_WIRE_LIMIT_MIN (16u << 10)
struct seed_msg_want {
	uint8_t flags;
	uint64_t limit;			/* bytes a second that the sender may send; 0: no limit; who
					 * takes it refuses less than SEED_WIRE_LIMIT_MIN */
	char name[SEED_WIRE_NAME_MAX + 1];	/* name or uuid */
};
int seed_msg_want_put(struct seed_buf *out, const struct seed_msg_want *m, struct seed_error *err);
int seed_msg_want_get(struct seed_msg_want *m, const struct seed_frame *f, struct seed_error *err);

struct seed_msg_disk {
	char slot[33];
	uint64_t size;			/* bytes */
	struct seed_digest root;
};
struct seed_msg_head {
	struct seed_id origin, uuid;	/* the VM: site it comes from, SMBIOS UUID */
	uint8_t flags;			/* SEED_WANT_ */
	uint16_t keep;			/* recovery points that the receiver is asked to keep; 0:
					 * its own affair */
	struct seed_digest files;	/* over its side files, as vmseed-wire(5) says */
	char name[SEED_WIRE_NAME_MAX + 1];
	uint32_t disk_count;
	struct seed_msg_disk disks[SEED_WIRE_DISKS_MAX];
};
int seed_msg_head_put(struct seed_buf *out, const struct seed_msg_head *m, struct seed_error *err);
int seed_msg_head_get(struct seed_msg_head *m, const struct seed_frame *f, struct seed_error *err);

enum seed_base_mode {
	SEED_BASE_DESCEND = 0,		/* bases differ: the receiver will ask for tree nodes */
	SEED_BASE_EQUAL = 1,		/* the receiver has the offer's base: list what changed */
	SEED_BASE_LISTED = 2,		/* the receiver knows all digests already */
};
struct seed_msg_base {
	uint32_t disk_count;
	uint8_t modes[SEED_WIRE_DISKS_MAX];	/* enum seed_base_mode */
	uint64_t files;			/* bit i: side file i of the offer is wanted */
	uint8_t hint_seed[SEED_HINT_SEED];
};
int seed_msg_base_put(struct seed_buf *out, const struct seed_msg_base *m, struct seed_error *err);
int seed_msg_base_get(struct seed_msg_base *m, const struct seed_frame *f, struct seed_error *err);

/* CHANGES: disk:u8 zero[3], then runs: start:u64 count:u32 kind:u32 [count digests if data]. */
#define SEED_CHANGES_RUN 16u
/* DESCEND: disk:u8 level:u8 count:u16 zero[4], count indices:u64. Level 1 to 63: of the nodes
 * named. */
#define SEED_DESCEND_STEP 6u		/* levels of one question */
#define SEED_DESCEND_NODES 96u		/* nodes of one question */
struct seed_msg_descend {
	uint8_t disk, level;
	uint16_t count;
	uint64_t index[SEED_DESCEND_NODES];
};
int seed_msg_descend_put(struct seed_buf *out, const struct seed_msg_descend *m,
			 struct seed_error *err);
int seed_msg_descend_get(struct seed_msg_descend *m, const struct seed_frame *f,
			 struct seed_error *err);

/* NEED, and ARRIVED at the end, in blocks. */
struct seed_msg_need {
	uint64_t changed;		/* differ from the base, zero blocks included */
	uint64_t fetched;		/* asked of the sender */
	uint64_t local;			/* found elsewhere at the receiver */
	uint64_t journal;		/* arrived in an earlier run */
};
int seed_msg_need_put(struct seed_buf *out, const struct seed_msg_need *m, struct seed_error *err);
int seed_msg_need_get(struct seed_msg_need *m, const struct seed_frame *f, struct seed_error *err);

/* REQUEST: disk:u8 hints:u8 count:u16 zero[4], then count times index:u64 [16 hints:u32 if
 * hints]. */
#define SEED_REQUEST_BLOCKS 256u
struct seed_msg_ask {
	uint64_t index;
	uint32_t hints[SEED_PIECES];
};
struct seed_msg_request {
	uint8_t disk;
	bool hints;			/* the pieces of what the receiver has there */
	uint16_t count;
	struct seed_msg_ask ask[SEED_REQUEST_BLOCKS];
};
int seed_msg_request_put(struct seed_buf *out, const struct seed_msg_request *m,
			 struct seed_error *err);
int seed_msg_request_get(struct seed_msg_request *m, const struct seed_frame *f,
			 struct seed_error *err);

/* BLOCK: disk:u8 form:u8 changed:u8 zero[1] pieces:u16 zero[2] index:u64 [digest if changed], then
 * the bytes. */
enum seed_block_form {
	SEED_FORM_WHOLE = 0,		/* all bytes of the block */
	SEED_FORM_PIECES = 1,		/* those pieces that @pieces has a bit for, in order */
	SEED_FORM_ZERO = 2,		/* it is zero by now (changed) */
};
struct seed_msg_block {
	uint8_t disk, form;
	bool changed;			/* it reads differently now: @digest is the new one */
	uint16_t pieces;
	uint64_t index;
	struct seed_digest digest;	/* if @changed */
	const uint8_t *data;		/* borrowed from the frame */
	uint32_t len;
};
#define SEED_BLOCK_HEAD_MAX (16u + SEED_DIGEST_SIZE)
/* @out holds SEED_BLOCK_HEAD_MAX; returns the head's length, the bytes go behind it. */
size_t seed_msg_block_head(uint8_t *out, const struct seed_msg_block *m);
int seed_msg_block_get(struct seed_msg_block *m, const struct seed_frame *f,
		       struct seed_error *err);

/* REFUSE, FAIL and NOTE (whose kind says nothing): an error, or a line, of the other side. The text
 * is kept to one line of printable characters by seed_error_set(); kinds that we do not know become
 * SYSTEM. */
int seed_msg_error_put(struct seed_buf *out, const struct seed_error *m, struct seed_error *err);
int seed_msg_error_get(struct seed_error *m, const struct seed_frame *f, struct seed_error *err);

/* PROGRESS: what the other side is doing meanwhile: phase:u8 zero[7] done:u64 total:u64. */
enum seed_wire_phase { SEED_PHASE_READING = 0, SEED_PHASE_PROVING, SEED_PHASE_APPLYING };
struct seed_msg_progress {
	uint8_t phase;
	uint64_t done, total;
};
int seed_msg_progress_put(struct seed_buf *out, const struct seed_msg_progress *m,
			  struct seed_error *err);
int seed_msg_progress_get(struct seed_msg_progress *m, const struct seed_frame *f,
			  struct seed_error *err);

/* A document longer than a frame: frames of one type, last:u8 zero[7] and up to 128 KiB each. What
 * it is made of (JSON and signature) is a bundle as of seed_manifest_bundle(). */
#define SEED_DOC_PART (128u << 10)
int seed_doc_send(struct seed_channel *ch, uint8_t type, const void *data, size_t len,
		  struct seed_error *err);
struct seed_doc_parts {
	struct seed_buf buf;
	bool whole;
};
/* Adds one frame; RANGE when it would be more than @max in all. */
int seed_doc_add(struct seed_doc_parts *doc, const struct seed_frame *f, size_t max,
		 struct seed_error *err);

#endif
