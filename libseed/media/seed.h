/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The seeds of a volume: their manifests, verified, and what the manifests
 * name. Nothing here believes the medium: a manifest counts when its own
 * signature is its volume's signer's and it names this set and a VM that the signer may speak for.
 */
#ifndef SEED_MEDIA_SEED_H
#define SEED_MEDIA_SEED_H

#include "manifest/manifest.h"
#include "media/volume.h"

struct seed_seed {
	const struct seed_volume *volume;	/* borrowed */
	struct seed_manifest manifest;
	char *text;				/* the exact signed bytes */
	size_t len;
	char signature[SEED_SIGNATURE_MAX];	/* the .minisig, NUL-terminated */
	struct seed_digest digest;		/* SHA-256 of @text */
	bool elsewhere;				/* its lists and side files are on another volume of
						 * the set */
};

/* NOTFOUND when the set is sealed and its key is not ours; TRUST, INTEGRITY, FORMAT, MEDIUM as it
 * comes. */
int seed_seed_open(struct seed_seed **out, const struct seed_volume *volume,
		   const struct seed_id *id, struct seed_error *err);
/* From a copy of its manifest that was kept: @volume is any of the set's. The texts are copied;
 * hostile input, checked as seed_seed_open() checks what lies on the volume. Its lists and side
 * files are not to be had (MEDIUM). */
int seed_seed_of_text(struct seed_seed **out, const struct seed_volume *volume, const char *text,
		      size_t len, const char *signature, size_t signature_len,
		      struct seed_error *err);
void seed_seed_close(struct seed_seed *seed);
static inline void seed_seed_closep(struct seed_seed **s) { seed_seed_close(*s); }

/**
 * seed_seed_list() - the digests of one disk, in home form
 * @into: writable, of the disk's number of blocks, all zero; NULL: checks only the parts
 *
 * Checked before it returns: stored bytes against the commit, parts against the manifest, their
 * form, and (with @into) the root over all blocks.
 */
int seed_seed_list(const struct seed_seed *seed, uint32_t disk, struct seed_list *into,
		   struct seed_error *err);
/* A side file by its index in the manifest; the caller frees *@out. */
int seed_seed_file(const struct seed_seed *seed, uint32_t index, char **out, size_t *len,
		   struct seed_error *err);

#endif
