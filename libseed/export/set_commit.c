/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commits with their numbers reserved before and confirmed after, in the home (no .h:
 * set_writer.h). */
#include "export/set_writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "media/set_doc.h"

static int by_volume(const void *a, const void *b)
{
	const struct seed_set_member *x = a, *y = b;

	return (x->volume > y->volume) - (x->volume < y->volume);
}

/* Where the set's volumes are, on the one that gets the run's full commit. It is whole before that
 * commit is begun; without it it says nothing. */
static int write_set_doc(const struct seed_volume *volume, uint32_t number,
			 const struct seed_vec *others, const struct seed_site *own,
			 struct seed_error *err)
{
	struct seed_set_doc doc = { .set = volume->set, .volume = volume->number,
				    .number = number };
	struct seed_set_member self = { .volume = volume->number, .medium = volume->medium_id,
					.commit = number };
	int rc = 0;

	memcpy(self.label, volume->medium->label, sizeof(self.label));
	for (size_t i = 0; rc == 0 && i < others->count; i++) {
		if (!seed_vec_push(&doc.members, sizeof(self), seed_vec_at(others, i)))
			rc = seed_error_sys(err, ENOMEM, "set document");
	}
	if (rc == 0 && !seed_vec_push(&doc.members, sizeof(self), &self))
		rc = seed_error_sys(err, ENOMEM, "set document");
	if (rc == 0) {
		qsort(doc.members.items, doc.members.count, doc.members.size, by_volume);
		rc = seed_set_doc_create(volume, &doc, own, err);
	}
	seed_set_doc_clear(&doc);
	return rc;
}

int seed_set_home_failed(struct seed_error *err)
{
	int errnum = err ? err->sys_errno : 0;

	if (errnum && err->kind == SEED_ERR_MEDIUM)
		seed_error_set(err, SEED_ERR_MEDIUM, "%s: %s", err->text, strerror(errnum));
	return -1;
}

int seed_set_recover(int home, struct seed_volume *volume, struct seed_set_record *record,
		     struct seed_error *err)
{
	if (seed_volume_recover(volume, record, err) < 0)
		return -1;
	/* Swept junk of a high number must not use up the numbers; what may have been signed
	 * is in the record. */
	volume->highest_seen = volume->last_commit;
	if (volume->last_commit <= record->confirmed)
		return 0;
	record->confirmed = volume->last_commit;
	record->confirmed_digest = volume->last_digest;
	if (record->reserved < record->confirmed)
		record->reserved = record->confirmed;
	return seed_set_record_write(home, record, err);
}

int seed_set_commit(int home, struct seed_volume *volume, struct seed_set_record *record,
		    const struct seed_site *own, const struct seed_set_change *change,
		    struct seed_error *err)
{
	uint32_t number = record->reserved + 1;

	if (seed_medium_recheck(volume->medium, err) < 0)
		return -1;
	if (number <= volume->highest_seen)
		number = volume->highest_seen + 1;
	if (number > SEED_MEDIA_NUMBER_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "no commit number is left in this set");
	/* Durable before the key signs: a number that may have been signed is never signed
	 * again. A crash after this line costs one number. */
	record->reserved = number;
	if (seed_set_record_write(home, record, err) < 0)
		return seed_set_home_failed(err);
	if (change->full && change->others && change->others->count &&
	    write_set_doc(volume, number, change->others, own, err) < 0)
		return -1;
	if (seed_volume_commit(volume, number, change->full, change->packs, change->files,
			       change->seeds, own, err) < 0)
		return -1;
	/* A crash before this line leaves a valid commit above @confirmed; the next run
	 * finds it, sees that it verifies, and takes it. */
	record->confirmed = number;
	record->confirmed_digest = volume->last_digest;
	return seed_set_record_write(home, record, err) < 0 ? seed_set_home_failed(err) : 0;
}
