/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding the set to add to, or making one. */
#include <string.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "crypto/random.h"
#include "export/export_internal.h"

static bool fits_recipient(const struct seed_volume *v, const struct seed_card *recipient)
{
	if (!recipient || !v->sealed)
		return !recipient && !v->sealed;
	for (size_t i = 0; i < v->recipients.count; i++) {
		const struct seed_recipient *r = seed_vec_at(&v->recipients, i);

		if (seed_id_equal(&r->site, &recipient->site) &&
		    memcmp(r->receiving_key, recipient->receiving_key, SEED_HPKE_KEY) == 0)
			return true;
	}
	return false;
}

static void describe(struct seed_set_record *record, const struct seed_id *set,
		     const struct seed_medium *medium, const struct seed_card *recipient)
{
	*record = (struct seed_set_record){
		.set = *set,
		.medium = medium->id,
		.volume = 1,
		.sealed = recipient != NULL,
		.next_pack = 1,
	};
	if (recipient) {
		record->recipient = recipient->site;
		memcpy(record->receiving_key, recipient->receiving_key, SEED_HPKE_KEY);
	}
}

/* A set of ours for this recipient that the home does not remember: taken as it is if all of it
 * is sound (recover is told that there is no record, so any problem is damage). */
static int find_forgotten(struct seed_volume **out, struct seed_set_record *record,
			  struct seed_medium *medium, const struct seed_export_options *opt,
			  struct seed_error *err)
{
	SEED_AUTO(seed_vec_free) struct seed_vec sets = { 0 };

	if (seed_medium_sets(medium, &sets, err) < 0)
		return -1;
	for (size_t i = 0; i < sets.count; i++) {
		const struct seed_id *set = seed_vec_at(&sets, i);
		SEED_AUTO(seed_volume_closep) struct seed_volume *v = NULL;
		struct seed_set_record known;

		/* Somebody else's set, or one that we cannot read, is none of our business. */
		if (seed_set_record_read(&known, opt->home, set, NULL) == 0 ||
		    seed_volume_open(&v, medium, set, opt->trust, opt->own, NULL) < 0 ||
		    !v->signer->own || !fits_recipient(v, opt->recipient))
			continue;
		if (seed_volume_recover(v, NULL, err) < 0)
			return -1;
		describe(record, set, medium, opt->recipient);
		record->volume = v->number;
		record->reserved = v->highest_seen;
		record->confirmed = v->last_commit;
		record->confirmed_digest = v->last_digest;
		if (seed_set_record_write(opt->home, record, err) < 0)
			return -1;
		*out = seed_steal(&v);
		return 0;
	}
	return 0;
}

static int open_known(struct seed_volume **out, struct seed_set_record *record,
		      struct seed_medium *medium, const struct seed_export_options *opt,
		      struct seed_error *err)
{
	SEED_AUTO(seed_volume_closep) struct seed_volume *v = NULL;
	struct seed_error why = { 0 };
	char set[SEED_ID_TEXT];

	seed_id_text(&record->set, set);
	if (!seed_path_exists(medium->vmseed, set)) {
		if (record->confirmed == 0)
			return 0;	/* the run that drew this id ended before it wrote */
		return seed_error_set(err, SEED_ERR_MEDIUM,
				      "set %s is gone from the medium, though commit %u of it was "
				      "written: remove the folder vmseed from the medium and "
				      "prepare it anew to start afresh",
				      set, record->confirmed);
	}
	if (seed_volume_open(&v, medium, &record->set, opt->trust, opt->own, &why) < 0) {
		/* Never wholly created, and nothing of it confirmed: a torn first attempt,
		 * which creating the volume sweeps. */
		if (why.kind == SEED_ERR_NOTFOUND && record->confirmed == 0)
			return 0;
		*err = why;
		return -1;
	}
	if (seed_volume_recover(v, record, err) < 0)
		return -1;
	/* Swept junk of a high number must not use up the numbers; what may have been signed
	 * is in the record. */
	v->highest_seen = v->last_commit;
	if (v->last_commit > record->confirmed) {
		record->confirmed = v->last_commit;
		record->confirmed_digest = v->last_digest;
		if (record->reserved < record->confirmed)
			record->reserved = record->confirmed;
		if (seed_set_record_write(opt->home, record, err) < 0)
			return -1;
	}
	*out = seed_steal(&v);
	return 0;
}

int seed_export_target(struct seed_volume **out, struct seed_set_record *record, bool *new_set,
		       struct seed_medium *medium, const struct seed_export_options *opt,
		       struct seed_error *err)
{
	SEED_AUTO(seed_volume_closep) struct seed_volume *v = NULL;
	struct seed_error why = { 0 };
	struct seed_id set;

	*new_set = false;
	/* Sets are told by the medium's id, and that is only as good as its signature. */
	if (!medium->known_signer)
		return seed_error_set(err, SEED_ERR_TRUST,
				      "nobody whom this site trusts prepared this medium: %s",
				      medium->unknown.text);
	if (seed_set_record_find(record, opt->home, &medium->id, opt->recipient, &why) == 0) {
		set = record->set;
		if (open_known(&v, record, medium, opt, err) < 0)
			return -1;
	} else if (why.kind != SEED_ERR_NOTFOUND) {
		*err = why;
		return -1;
	} else if (find_forgotten(&v, record, medium, opt, err) < 0 ||
		   (!v && seed_random_id(&set, err) < 0)) {
		return -1;
	}
	if (!v) {
		uint32_t reserved = why.kind ? 0 : record->reserved;

		/* The record comes first: a crash while the volume is being made leaves a folder
		 * that the home knows holds nothing. */
		*new_set = true;
		describe(record, &set, medium, opt->recipient);
		/* The same id again: its numbers may have been signed already. */
		record->reserved = reserved;
		if (seed_set_record_write(opt->home, record, err) < 0 ||
		    seed_volume_create(&v, medium, &set, opt->trust, opt->own, opt->recipient,
				       err) < 0)
			return -1;
	}
	*out = seed_steal(&v);
	return 0;
}
