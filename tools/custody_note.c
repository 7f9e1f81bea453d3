/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See custody_note.h. */
#include "custody_note.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "verdict.h"

/* ---- one entry ---- */

static int keep_at_home(struct cli *cli, const struct seed_volume *volume,
			struct seed_custody *entry, const struct seed_site *own,
			struct seed_error *err)
{
	int home;

	if (cli_home(cli, &home, err) < 0)
		return -1;
	return seed_custody_keep(home, volume, entry, own, err);
}

static int write_entry(const struct seed_volume *volume, struct seed_custody *entry,
		       const struct seed_site *own, struct seed_error *err)
{
	if (!volume->medium->writable)
		return seed_error_set(err, SEED_ERR_MEDIUM, "the medium is read-only");
	/* To what is not what it says it is, nothing is added. */
	if (!volume->medium->known_signer)
		return seed_error_set(err, SEED_ERR_TRUST, "nobody whom this site trusts prepared "
				      "the medium");
	/* Another writer is kept out: two would take one number. */
	if (seed_medium_lock(volume->medium, err) < 0)
		return -1;
	return seed_custody_add(volume, entry, own, err);
}

void custody_note(struct cli *cli, const struct seed_volume *volume, struct seed_custody *entry)
{
	struct seed_error why = { 0 }, worse = { 0 };
	const struct seed_site *own;
	char set[SEED_ID_TEXT], text[600], text2[600];

	snprintf(entry->tool, sizeof(entry->tool), "vmseed %s", VMSEED_VERSION);
	seed_id_text(&volume->set, set);
	if (cli_site(cli, &own, &why) == 0) {
		if (write_entry(volume, entry, own, &why) == 0)
			return;
		if (keep_at_home(cli, volume, entry, own, &worse) == 0) {
			(volume->medium->writable ? cli_warn : cli_note)(
				cli, "set %.8s: custody is kept in the home (custody/%s.chain): %s",
				set, set, verdict_text(&why, text, sizeof(text)));
			return;
		}
	}
	cli_warn(cli, "set %.8s: custody could not be written: %s%s%s", set,
		 verdict_text(&why, text, sizeof(text)), worse.kind ? "; in the home: " : "",
		 worse.kind ? verdict_text(&worse, text2, sizeof(text2)) : "");
}

static int add_seeds(struct seed_custody *entry, const struct seed_vec *seeds,
		     struct seed_error *err)
{
	for (size_t i = 0; i < seeds->count; i++)
		if (seed_custody_add_seed(entry, seed_vec_at(seeds, i), err) < 0)
			return -1;
	return 0;
}

static void cannot(struct cli *cli, const struct seed_error *why)
{
	char text[600];

	cli_warn(cli, "custody could not be written: %s", verdict_text(why, text, sizeof(text)));
}

/* The volume of @set as it lies there now. NULL: said why. */
static struct seed_volume *open_volume(struct cli *cli, struct seed_medium *medium,
				       const struct seed_id *set)
{
	struct seed_volume *volume = NULL;
	const struct seed_trust *trust;
	struct seed_error why = { 0 };

	if (cli_trust(cli, &trust, &why) < 0 ||
	    seed_volume_open(&volume, medium, set, trust, NULL, &why) < 0) {
		cannot(cli, &why);
		return NULL;
	}
	return volume;
}

/* ---- what lies there already ---- */

struct look {
	const struct seed_custody *like;	/* or NULL */
	size_t count;
	bool said;			/* this site's last entry of the kind says the same */
};

static bool same_seeds(const struct seed_custody *a, const struct seed_custody *b)
{
	if (a->seed_count != b->seed_count || a->seeds.count != b->seeds.count)
		return false;
	for (size_t i = 0; i < a->seeds.count; i++)
		if (!seed_id_equal(seed_vec_at(&a->seeds, i), seed_vec_at(&b->seeds, i)))
			return false;
	return true;
}

static int look_at(const struct seed_custody_seen *seen, void *arg, struct seed_error *err)
{
	struct look *look = arg;

	(void)err;
	look->count++;
	if (look->like && seen->entry && seen->signer->own &&
	    seen->entry->action == look->like->action)
		look->said = seen->entry->commit == look->like->commit &&
			     seen->entry->verdict == look->like->verdict &&
			     same_seeds(seen->entry, look->like);
	return 0;
}

/* What cannot be read is left to the writing, which says so. */
static struct look look_through(struct cli *cli, const struct seed_volume *volume,
				const struct seed_custody *like)
{
	struct look look = { .like = like };
	const struct seed_trust *trust;

	if (cli_trust(cli, &trust, NULL) == 0)
		seed_custody_each(volume, trust, look_at, &look, NULL);
	return look;
}

/* ---- the commands ---- */

void custody_note_export(struct cli *cli, struct seed_medium *medium, const struct seed_id *set,
			 const struct seed_vec *seeds, enum seed_custody_verdict verdict)
{
	SEED_AUTO(seed_custody_clear) struct seed_custody entry = {
		.action = SEED_CUSTODY_EXPORTED,
		.verdict = verdict,
	};
	SEED_AUTO(seed_volume_closep) struct seed_volume *volume =
		open_volume(cli, medium, set);
	struct seed_custody prepared = { .action = SEED_CUSTODY_PREPARED };
	struct seed_error why = { 0 };

	if (!volume)
		return;
	if (medium->writable && look_through(cli, volume, NULL).count == 0)
		custody_note(cli, volume, &prepared);
	if (add_seeds(&entry, seeds, &why) < 0)
		cannot(cli, &why);
	else
		custody_note(cli, volume, &entry);
}

/* @entry: what an import says of one of its volumes. False: it has nothing to say. */
static bool describe_import(struct seed_custody *entry, const struct seed_import *x,
			    const struct seed_volume *volume)
{
	/* What a home has said before is not looked up: only what was done now is said there. */
	bool any = false, worth = volume->medium->writable;

	entry->action = SEED_CUSTODY_IMPORTED;
	entry->verdict = SEED_CUSTODY_OK;
	entry->commit = volume->last_commit;
	for (size_t i = 0; i < x->vms.count; i++) {
		const struct seed_import_vm *vm = seed_vec_at(&x->vms, i);

		if (vm->seed->volume != volume || vm->older)
			continue;
		if (vm->err.kind || vm->missing_blocks ||
		    (vm->action != SEED_IMPORT_NOTHING && !vm->done))
			entry->verdict = SEED_CUSTODY_PARTIAL;
		if (vm->err.kind || (vm->action != SEED_IMPORT_NOTHING && !vm->done))
			continue;
		any = true;
		worth |= vm->done;
		if (seed_custody_add_seed(entry, &vm->seed->manifest.seed, NULL) < 0)
			return false;
	}
	return any && worth;
}

void custody_note_import(struct cli *cli, const struct seed_import *x)
{
	for (size_t i = 0; i < x->volumes.count; i++) {
		const struct seed_volume *volume =
			*(struct seed_volume **)seed_vec_at(&x->volumes, i);
		SEED_AUTO(seed_custody_clear) struct seed_custody entry = { .number = 0 };

		if (describe_import(&entry, x, volume) && !look_through(cli, volume, &entry).said)
			custody_note(cli, volume, &entry);
	}
}

void custody_note_verify(struct cli *cli, struct seed_medium *medium, const struct seed_verify *v)
{
	for (size_t i = 0; i < v->sets.count; i++) {
		const struct seed_verify_set *set = seed_vec_at(&v->sets, i);
		SEED_AUTO(seed_custody_clear) struct seed_custody entry = {
			.action = SEED_CUSTODY_VERIFIED,
			.verdict = set->problems ? SEED_CUSTODY_DAMAGED :
				   set->lacking ? SEED_CUSTODY_PARTIAL :
				   set->opened ? SEED_CUSTODY_OK : SEED_CUSTODY_CIPHERTEXT,
		};
		SEED_AUTO(seed_volume_closep) struct seed_volume *volume = NULL;
		struct seed_error why = { 0 };

		if (set->medium != medium || !(volume = open_volume(cli, medium, &set->id)))
			continue;
		if (add_seeds(&entry, &volume->seeds, &why) < 0)
			cannot(cli, &why);
		else
			custody_note(cli, volume, &entry);
	}
}
