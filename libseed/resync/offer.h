/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a sender offers, signed: the VM, its line of history and next generation, its disks with
 * what the sender last knew of them, evidence and own blocks. A signed document of type "offer"
 * that names the receiver and its nonce, so that it serves on one connection only; every field
 * stands in vmseed-wire(5). Shared inside resync/ only.
 */
#ifndef SEED_RESYNC_OFFER_H
#define SEED_RESYNC_OFFER_H

#include "manifest/manifest.h"
#include "wire/message.h"

#define SEED_OFFER_MAX (4u << 20)	/* bytes of JSON */

struct seed_offer_disk {
	char slot[33];
	uint64_t size;
	uint32_t sector_size;
	struct seed_digest root;
	bool has_base;			/* the reading before this one: ... */
	uint64_t base_size;
	struct seed_digest base_root;
	char *serial, *wwn;		/* declared evidence, or NULL */
	struct seed_vec own_runs;	/* struct seed_run */
	uint64_t own_blocks;
	uint32_t compared;
};

struct seed_offer {
	struct seed_id receiver;	/* its site */
	uint8_t nonce[SEED_NONCE_SIZE];	/* its, of this connection */
	struct seed_id origin, uuid;
	char *name;
	struct seed_lineage lineage;
	uint64_t generation;		/* that the manifest will have */
	struct seed_vec disks;		/* struct seed_offer_disk */
	struct seed_vec files;		/* struct seed_manifest_file */
};

void seed_offer_clear(struct seed_offer *offer);
int seed_offer_sign(const struct seed_offer *offer, const struct seed_signing_key *key,
		    char **text, size_t *len, char signature[SEED_SIGNATURE_MAX],
		    struct seed_error *err);
/* Verify, then read. @out is initialised by the call and cleared by the caller, also on failure. */
int seed_offer_open(struct seed_offer *out, const char *text, size_t len, const char *signature,
		    size_t signature_len, const struct seed_public_key *key,
		    struct seed_error *err);

/* Over role, length and digest of each side file, in order: HEAD's @files. */
void seed_offer_files_digest(struct seed_digest *out, const struct seed_vec *files);

#endif
