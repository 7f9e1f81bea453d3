/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The set document: which volumes belong to a set, and where each stood when the run
 * ended. It lies beside the full commit that it belongs to, as sets/NNNNNNNN.json with that
 * commit's number, and no commit names it. Written and read back before that commit: where
 * the commit counts, a set document that is not whole is damage, and one whose commit does
 * not count is a torn attempt that nobody looks at. A set on one volume has none.
 */
#ifndef SEED_MEDIA_SET_DOC_H
#define SEED_MEDIA_SET_DOC_H

#include "media/volume.h"

#define SEED_SET_DOC_MAX (2u << 20)	/* bytes of JSON */
#define SEED_SET_VOLUMES_MAX 4096u	/* an entry is less than 300 bytes */
#define SEED_SET_DOC_NAME 32		/* "sets/00000001.json" and NUL, rounded */

struct seed_set_member {
	uint32_t volume;
	struct seed_id medium;
	char label[SEED_LABEL_MAX + 1];
	uint32_t commit;		/* its last one */
	bool has_digest;		/* all but the volume that carries the document */
	struct seed_digest digest;	/* SHA-256 of that commit's text */
};

struct seed_set_doc {
	struct seed_id set;
	uint32_t volume, number;	/* where it lies: the volume and its full commit */
	struct seed_vec members;	/* struct seed_set_member, by rising volume: each that holds
					 * packs that count, and the one that carries the
					 * document */
};

char *seed_set_doc_name(uint32_t number, char *out);

/**
 * seed_set_doc_create() - write the set document of a full commit that is about to be written
 * @v:   carries it: @doc->set and @doc->volume are its, and its member of @doc is without a digest
 * @doc: @number is reserved by the caller, and that of the full commit
 * @err: TRUST when @own is not the exporter; USAGE when @doc is not as described above; RANGE when
 *       it is too long; MEDIUM, SYSTEM
 *
 * Document and signature, fsync, the folder, read back past the cache. A crash leaves something
 * above the confirmed commit that belongs to no commit: seed_volume_recover() sweeps it.
 */
int seed_set_doc_create(const struct seed_volume *v, const struct seed_set_doc *doc,
			const struct seed_site *own, struct seed_error *err);
/* The one of @v->last_full. NOTFOUND when there is none; hostile input: TRUST, INTEGRITY (of
 * another set, volume, medium or commit), FORMAT, RANGE, MEDIUM. */
int seed_set_doc_open(struct seed_set_doc *out, const struct seed_volume *v,
		      struct seed_error *err);
void seed_set_doc_clear(struct seed_set_doc *doc);
/* The member of this number, or NULL. */
const struct seed_set_member *seed_set_doc_member(const struct seed_set_doc *doc, uint32_t volume);

#endif
