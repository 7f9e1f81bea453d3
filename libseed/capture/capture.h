/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Capturing one disk of a VM: one pass over its source that leaves the digests
 * of every block in the source's home (capture/source_vm.h) and says how the
 * copy was taken. Used by whoever wants the blocks on the way (export) or the digests alone.
 *
 * Kept digests. HOME/vms/UUID/SLOT.list is the last complete reading; one in
 * progress fills SLOT+part.list, with a stamp that says how far it is durable. A source
 * that is provably the same as then is not read again for blocks that the
 * caller still has (@held): this one rule serves the rerun of an interrupted export and
 * the second export of a disk that nobody wrote to.
 *
 * The own blocks that were worked out for the reading before (SLOT.own, capture/own.h) are taken
 * along less those that changed.
 */
#ifndef SEED_CAPTURE_CAPTURE_H
#define SEED_CAPTURE_CAPTURE_H

#include "block/scan.h"
#include "capture/source_vm.h"

struct seed_capture;

struct seed_capture_options {
	struct seed_source_vm *vm;
	const char *slot;
	struct seed_source *source;	/* borrowed */
	struct seed_pool *pool;
	size_t depth;
	/* Does the caller have this block already? NULL: it wants every block's bytes. */
	bool (*held)(void *arg, const struct seed_digest *digest);
	void *arg;
	const struct seed_cancel *cancel;
};

struct seed_capture_facts {
	uint64_t blocks, data_blocks;
	struct seed_digest root;
	enum seed_captured captured;
	uint64_t bytes_read;		/* from the source */
};

int seed_capture_open(struct seed_capture **out, const struct seed_capture_options *opt,
		      struct seed_error *err);
/* As seed_scan_next(); the chunk's digests are in the list already. */
int seed_capture_next(struct seed_capture *capture, struct seed_chunk **out,
		      struct seed_error *err);
void seed_capture_give_back(struct seed_capture *capture, struct seed_chunk *chunk);
/* Make what was read so far survive an interruption: the list, then its stamp, durable. */
int seed_capture_checkpoint(struct seed_capture *capture, struct seed_error *err);
/* After the last chunk: did the source change, the root, and SLOT.list takes this reading. */
int seed_capture_finish(struct seed_capture *capture, struct seed_capture_facts *facts,
			struct seed_error *err);
void seed_capture_close(struct seed_capture *capture);
static inline void seed_capture_closep(struct seed_capture **c) { seed_capture_close(*c); }

#define SEED_CAPTURE_LIST_NAME 48
/* "vda.list": a VM's kept list of a slot. */
char *seed_capture_list_name(const char *slot, char *out);

#endif
