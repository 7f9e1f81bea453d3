/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a seed holds: one copy of one VM at one moment (DESIGN 7; every field
 * stands in vmseed-manifest(5)). A manifest is JSON, signed as exact bytes and
 * never re-serialised: whoever keeps one keeps its text and signature.
 */
#ifndef SEED_MANIFEST_MANIFEST_H
#define SEED_MANIFEST_MANIFEST_H

#include "base/vec.h"
#include "block/digest_list.h"
#include "doc/signed_doc.h"
#include "image/source.h"
#include "manifest/lineage.h"

/* Bytes of JSON. Parsed, the worst of them (empty arrays) cost some 40 times as much memory, and
 * who signs may be hostile. */
#define SEED_MANIFEST_MAX (4u << 20)
#define SEED_MANIFEST_FILES_MAX 64
#define SEED_MANIFEST_DISKS_MAX 64	/* excluded ones too */
#define SEED_MANIFEST_PARTS_MAX 1024	/* digest list parts of a disk */
#define SEED_MANIFEST_RUNS_MAX 16384	/* own or unreadable runs of a disk */
#define SEED_MANIFEST_OWN_RUNS 32768	/* own runs of all disks that are written */
#define SEED_MANIFEST_FOUND_MAX 1024	/* pieces of evidence found on a disk */
#define SEED_MANIFEST_RELIES_MAX 1024
#define SEED_MANIFEST_TEXT_MAX 255	/* bytes of a serial, WWN, piece of evidence or reason */
#define SEED_MANIFEST_FILE_MAX (1u << 30)	/* bytes of a side file */

struct seed_manifest_part {		/* of a digest list, or a side file: plaintext facts */
	uint64_t length;
	struct seed_digest digest;
};

struct seed_manifest_file {
	char role[16];			/* "definition", "nvram", "loader", "tpm" */
	struct seed_manifest_part facts;
};

struct seed_manifest_disk {
	char *slot;
	uint64_t size;			/* bytes */
	uint32_t sector_size;		/* a power of two, 512 to 65,536 */
	uint64_t blocks, data_blocks;
	struct seed_digest root;
	enum seed_captured captured;
	char *serial, *wwn;		/* declared evidence, or NULL */
	struct seed_vec found;		/* char *: "gpt-disk UUID", ...: evidence found on the
					 * disk */
	struct seed_vec own_runs;	/* struct seed_run */
	uint64_t own_blocks;		/* in all, of which @own_runs may be a part */
	uint32_t compared;		/* with how many other VMs; 0: own blocks say little */
	struct seed_vec parts;		/* struct seed_manifest_part: at least one, unless the disk
					 * has no blocks */
	struct seed_vec unreadable;	/* struct seed_run of kind MISSING */
};

struct seed_manifest_excluded {
	char *slot, *reason;
};

struct seed_manifest {
	struct seed_public_key key;	/* that signed it */
	struct seed_id seed, set;
	bool has_recipient;		/* sealed for a site; else plaintext */
	struct seed_id recipient;
	struct seed_id site;		/* origin */
	char *site_name;
	struct seed_id uuid;
	char *name;			/* raw: quote before showing */
	struct seed_lineage lineage;
	uint64_t generation;
	bool data;			/* false: --no-data, an order form */
	struct seed_vec relies_on;	/* struct seed_id of seeds whose blocks were left out */
	int64_t created;		/* unix seconds, shown and never decided upon */
	enum seed_captured captured;	/* the least of its disks */
	struct seed_vec files;		/* struct seed_manifest_file */
	struct seed_vec disks;		/* struct seed_manifest_disk */
	struct seed_vec excluded;	/* struct seed_manifest_excluded */
};

void seed_manifest_init(struct seed_manifest *m);
void seed_manifest_clear(struct seed_manifest *m);	/* frees what it owns; zeroed again */
const char *seed_captured_name(enum seed_captured captured);
/* The least of its disks, what @captured must be: the highest of the enum, OFFLINE without any. */
enum seed_captured seed_manifest_captured(const struct seed_manifest *m);

/**
 * seed_manifest_check() - are all counts, sizes and names consistent?
 *
 * Blocks fit the size, runs rise, lie within the disk and neither touch nor overlap, their sums fit
 * the counts, slots are unique and of their character set (excluded ones too), names are valid
 * UTF-8 within their bounds, the lineage is whole and the generation above its last fork.
 * FORMAT says where not. Signing and opening call it.
 */
int seed_manifest_check(const struct seed_manifest *m, struct seed_error *err);

/* Sign @m (its key is @key's). The caller frees *@text. Where the disks have over
 * SEED_MANIFEST_OWN_RUNS own runs in all, that many are written, spread evenly over each. RANGE
 * when the text would exceed SEED_MANIFEST_MAX. */
int seed_manifest_sign(const struct seed_manifest *m, const struct seed_signing_key *key,
		       char **text, size_t *len, char signature[SEED_SIGNATURE_MAX],
		       struct seed_error *err);
/* Verify, then read. @out is initialised by the call and cleared by the caller, also on failure.
 * On success seed_manifest_check() holds. TRUST when @key did not sign it, RANGE when it is over
 * SEED_MANIFEST_MAX, FORMAT with the member's path otherwise. */
int seed_manifest_open(struct seed_manifest *out, const char *text, size_t len,
		       const char *signature, size_t signature_len,
		       const struct seed_public_key *key, struct seed_error *err);

/* A sealed manifest file's plaintext: length:u32 (little-endian), JSON, then the .minisig. */
int seed_manifest_bundle(const char *text, size_t len, const char *signature, char **out,
			 size_t *out_len, struct seed_error *err);
/* Borrows from @bundle; FORMAT when it is cut or too long. Nothing is verified. */
int seed_manifest_unbundle(const char *bundle, size_t bundle_len, const char **text, size_t *len,
			   const char **signature, size_t *signature_len, struct seed_error *err);

#endif
