/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the files of verify/. */
#ifndef SEED_VERIFY_VERIFY_INTERNAL_H
#define SEED_VERIFY_VERIFY_INTERNAL_H

#include "base/pool.h"
#include "verify/verify.h"

/* Note a problem and tell it at once. */
int seed_verify_note(struct seed_vec *problems, const struct seed_events *events,
		     const struct seed_error *why, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* custody.c: the chain of a volume's custody. What is wrong is noted; -1 only when the run must
 * end. */
int seed_verify_custody(struct seed_verify *verify, const struct seed_volume *volume,
			const struct seed_verify_options *opt, struct seed_error *err);

/* pack_pass.c: one pass over a pack's bytes. */
struct seed_pack_check {
	struct seed_verify *verify;
	const struct seed_verify_options *opt;
	const struct seed_volume *volume;
	struct seed_pool *pool;		/* scratch: see seed_check_worker_new() */
	uint64_t done, total;		/* bytes, for progress over all packs of a set */
	char where[64];			/* before "pack 00000001" in problems: a medium and a blank,
					 * or "" */
};
void *seed_check_worker_new(void *arg, struct seed_error *err);
void seed_check_worker_free(void *scratch);
/* *@index receives the entries of blocks that are sound (none without the key). What is wrong is
 * noted; -1 only when the run must end. */
int seed_check_pack(struct seed_pack_check *check, const struct seed_pack_facts *facts,
		    struct seed_vec *index, struct seed_error *err);

/* verify_set.c: all volumes of one set. @several: more than one medium was given. */
int seed_verify_set(struct seed_verify *out, const struct seed_set_view *view, bool several,
		    const struct seed_verify_options *opt, struct seed_error *err);

#endif
