/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Folders of numbered write-once files in a set, outside its commits: custody/ and receipts/.
 * Whoever writes takes the next number under the medium's lock. Shared inside media/ only.
 */
#ifndef SEED_MEDIA_NUMBERED_H
#define SEED_MEDIA_NUMBERED_H

#include "base/vec.h"
#include "media/media_internal.h"

#define SEED_NUMBERED_MAX 10000u	/* files in a folder: more are not written */
#define SEED_NUMBERED_NAME 40		/* "receipts/00000001.sealed" and NUL, rounded */

struct seed_numbered {
	const char *folder;		/* "custody" */
	const char *suffix;		/* ".json" */
	struct seed_vec numbers;	/* uint32_t, rising: of the file, its signature, or both */
};

/* The numbers that lie there; none when there is no such folder. Freed with seed_numbered_clear().
 * RANGE when it holds far more names than we write. */
int seed_numbered_scan(struct seed_numbered *out, const struct seed_volume *volume,
		       const char *folder, const char *suffix, struct seed_error *err);
void seed_numbered_clear(struct seed_numbered *numbered);
/* The number for another file: the highest that was seen, plus one. RANGE when there is none. */
int seed_numbered_next(const struct seed_numbered *numbered, uint32_t *number,
		       struct seed_error *err);
char *seed_numbered_name(const struct seed_numbered *numbered, uint32_t number, char *out);

/* Make the folder, if need be, and write file @number into it with its signature: document,
 * signature, folder, each synced. What a failure leaves is taken away again; what a crash leaves
 * has no whole signature. */
int seed_numbered_write(const struct seed_volume *volume, const struct seed_numbered *numbered,
			uint32_t number, const struct seed_signed_text *text,
			struct seed_error *err);

#endif
