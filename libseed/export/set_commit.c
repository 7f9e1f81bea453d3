/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commits with their numbers reserved before and confirmed after, in the home (no .h:
 * set_writer.h). */
#include "export/set_writer.h"

int seed_set_commit(int home, struct seed_volume *volume, struct seed_set_record *record,
		    const struct seed_site *own, bool full, const struct seed_vec *packs,
		    const struct seed_vec *files, const struct seed_vec *seeds,
		    struct seed_error *err)
{
	uint32_t number = record->reserved + 1;

	if (number <= volume->highest_seen)
		number = volume->highest_seen + 1;
	if (number > SEED_MEDIA_NUMBER_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "no commit number is left in this set");
	/* Durable before the key signs: a number that may have been signed is never signed
	 * again. A crash after this line costs one number. */
	record->reserved = number;
	if (seed_set_record_write(home, record, err) < 0 ||
	    seed_volume_commit(volume, number, full, packs, files, seeds, own, err) < 0)
		return -1;
	/* A crash before this line leaves a valid commit above @confirmed; the next run
	 * finds it, sees that it verifies, and takes it. */
	record->confirmed = number;
	record->confirmed_digest = volume->last_digest;
	return seed_set_record_write(home, record, err);
}
