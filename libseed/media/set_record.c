// SPDX-License-Identifier: LGPL-2.1-or-later
#include "media/set_record.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "doc/home_doc.h"
#include "media/media_internal.h"

#define RECORD_MAX 16384u
#define RECORD_NAME 64		/* "sets/", an id, "-0002", ".json" */
#define RECORD_SCHEMA "vmseed-set"
#define RECORDS_MAX 100000u

static char *record_name(const struct seed_id *set, uint32_t volume, char *out)
{
	char id[SEED_ID_TEXT];

	seed_id_text(set, id);
	if (volume > 1)
		snprintf(out, RECORD_NAME, "sets/%s-%04u.json", id, volume);
	else
		snprintf(out, RECORD_NAME, "sets/%s.json", id);
	return out;
}

/* The set and volume whose record has this name in sets/. */
static bool parse_name(const char *name, struct seed_id *set, uint32_t *volume)
{
	char id[SEED_ID_TEXT] = "", canonical[RECORD_NAME];
	const char *rest = name + SEED_ID_TEXT - 1;

	if (strlen(name) < SEED_ID_TEXT - 1)
		return false;
	memcpy(id, name, SEED_ID_TEXT - 1);
	if (seed_id_parse(set, id, NULL) < 0)
		return false;
	*volume = 1;
	if (*rest == '-') {
		*volume = 0;
		for (rest++; *rest >= '0' && *rest <= '9'; rest++) {
			if (*volume > SEED_MEDIA_NUMBER_MAX)
				return false;
			*volume = *volume * 10 + (uint32_t)(*rest - '0');
		}
	}
	return *volume > 0 &&
	       strcmp(record_name(set, *volume, canonical) + strlen("sets/"), name) == 0;
}

static void take_label(struct seed_set_record *out, struct seed_json_reader *r)
{
	const char *label;

	if (!seed_json_has(r, "label"))
		return;
	label = seed_json_take_text(r, "label", SEED_LABEL_MAX);
	if (!r->failed)
		snprintf(out->label, sizeof(out->label), "%s", label);
}

static int take_members(struct seed_set_record *out, uint64_t *sequence,
			struct seed_json_reader *r)
{
	*sequence = seed_json_take_uint(r, "sequence", SEED_JSON_INT_MAX - 1);
	seed_json_take_id(r, "set", &out->set);
	seed_json_take_id(r, "medium", &out->medium);
	out->volume = (uint32_t)seed_json_take_uint(r, "volume", UINT32_MAX);
	take_label(out, r);
	out->sealed = seed_json_take_bool(r, "sealed");
	if (out->sealed) {
		seed_json_take_id(r, "recipient", &out->recipient);
		seed_json_take_base64(r, "receiving_key", out->receiving_key, SEED_HPKE_KEY);
	} else if (seed_json_has(r, "recipient") || seed_json_has(r, "receiving_key")) {
		seed_json_refuse(r, "recipient", "a plaintext set has none");
	}
	out->reserved = (uint32_t)seed_json_take_uint(r, "reserved", SEED_MEDIA_NUMBER_MAX);
	out->confirmed = (uint32_t)seed_json_take_uint(r, "confirmed", SEED_MEDIA_NUMBER_MAX);
	if (seed_json_has(r, "confirmed_digest"))
		seed_json_take_digest(r, "confirmed_digest", &out->confirmed_digest);
	else if (out->confirmed && !r->failed)
		seed_json_refuse(r, "confirmed_digest", "missing");
	out->next_pack = (uint32_t)seed_json_take_uint(r, "next_pack", SEED_MEDIA_NUMBER_MAX + 1);
	out->last_full_read = (int64_t)seed_json_take_uint(r, "last_full_read",
							   SEED_JSON_INT_MAX - 1);
	if (!r->failed && out->confirmed > out->reserved)
		seed_json_refuse(r, "confirmed", "above what was reserved");
	return seed_json_done(r);
}

static int read_record(struct seed_set_record *out, uint64_t *sequence, int home,
		       const struct seed_id *set, uint32_t volume, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_set_record record = { 0 };
	struct seed_json_reader r;
	char name[RECORD_NAME];

	if (seed_home_doc_read(&doc, &r, home, record_name(set, volume, name), RECORD_MAX, RECORD_SCHEMA,
			       err) < 0)
		return -1;
	if (take_members(&record, sequence, &r) < 0)
		return seed_error_prefix(err, "%s", name);
	if (!seed_id_equal(&record.set, set) || record.volume != volume)
		return seed_error_set(err, SEED_ERR_FORMAT, "%s: is of another %s than its name",
				      name, record.volume != volume ? "volume" : "set");
	*out = record;
	return 0;
}

int seed_set_record_read(struct seed_set_record *out, int home, const struct seed_id *set,
			 uint32_t volume, struct seed_error *err)
{
	uint64_t sequence;

	return read_record(out, &sequence, home, set, volume, err);
}

/* ---- all of them ---- */

struct record_walk {
	int home;
	const struct seed_id *medium;		/* NULL: only @newest matters */
	const struct seed_card *recipient;
	const struct seed_id *set;		/* or NULL: records of this one alone, into @all */
	struct seed_vec *all;
	struct seed_set_record best;
	bool found;
	uint64_t best_sequence;
	uint64_t newest;
};

static bool fits(const struct record_walk *walk, const struct seed_set_record *record)
{
	if (!walk->medium || !seed_id_equal(&record->medium, walk->medium))
		return false;
	if (!walk->recipient)
		return !record->sealed;
	return record->sealed && seed_id_equal(&record->recipient, &walk->recipient->site) &&
	       memcmp(record->receiving_key, walk->recipient->receiving_key, SEED_HPKE_KEY) == 0;
}

static int visit_record(const char *name, void *arg, struct seed_error *err)
{
	struct record_walk *walk = arg;
	struct seed_set_record record;
	struct seed_id set;
	uint32_t volume;
	uint64_t sequence;

	if (!parse_name(name, &set, &volume) ||
	    (walk->set && !seed_id_equal(&set, walk->set)))
		return 0;
	if (read_record(&record, &sequence, walk->home, &set, volume, err) < 0)
		return -1;
	if (walk->all && !seed_vec_push(walk->all, sizeof(record), &record))
		return seed_error_sys(err, ENOMEM, "records of a set");
	if (sequence > walk->newest)
		walk->newest = sequence;
	if (!fits(walk, &record) || (walk->found && sequence < walk->best_sequence))
		return 0;
	walk->best = record;
	walk->best_sequence = sequence;
	walk->found = true;
	return 0;
}

static int visit_records(struct record_walk *walk, struct seed_error *err)
{
	if (!seed_path_exists(walk->home, "sets"))
		return 0;
	return seed_path_each(walk->home, "sets", RECORDS_MAX, visit_record, walk, err);
}

int seed_set_record_find(struct seed_set_record *out, int home, const struct seed_id *medium,
			 const struct seed_card *recipient, struct seed_error *err)
{
	struct record_walk walk = { .home = home, .medium = medium, .recipient = recipient };

	if (visit_records(&walk, err) < 0)
		return -1;
	if (!walk.found)
		return seed_error_set(err, SEED_ERR_NOTFOUND, "no set of this kind on this medium");
	*out = walk.best;
	return 0;
}

static int by_volume(const void *a, const void *b)
{
	const struct seed_set_record *x = a, *y = b;

	return (x->volume > y->volume) - (x->volume < y->volume);
}

int seed_set_record_all(struct seed_vec *out, int home, const struct seed_id *set,
			struct seed_error *err)
{
	struct record_walk walk = { .home = home, .set = set, .all = out };

	if (visit_records(&walk, err) < 0)
		return -1;
	seed_volume_sort(out, by_volume);
	return 0;
}

/* A volume's place in the order in which volumes were begun here; clocks are not asked. */
static int sequence_of(int home, const struct seed_id *set, uint32_t volume, uint64_t *out,
		       struct seed_error *err)
{
	struct record_walk walk = { .home = home };
	struct seed_error why = { 0 };
	struct seed_set_record old;

	if (read_record(&old, out, home, set, volume, &why) == 0)
		return 0;
	if (why.kind != SEED_ERR_NOTFOUND) {
		if (err)
			*err = why;	/* never replaced: what it knew is needed */
		return -1;
	}
	if (visit_records(&walk, err) < 0)
		return -1;
	*out = walk.newest + 1;
	return 0;
}

/* Locked, so that no two runs take one sequence number, and swept of what a run that was cut left.
 * Records are written in milliseconds: another run is waited for. */
static int open_records(int *out, int home, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int dir = -1;

	if (seed_path_make_folder(home, "sets", 0700, err) < 0 ||
	    seed_path_open_folder_at(&dir, home, "sets", err) < 0 ||
	    seed_fd_lock_wait(dir, "the folder of this home's sets", err) < 0 ||
	    seed_file_sweep(dir, err) < 0)
		return -1;
	*out = dir;
	dir = -1;
	return 0;
}

int seed_set_record_write(int home, const struct seed_set_record *record, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	SEED_AUTO(seed_fd_closep) int folder = -1;
	char name[RECORD_NAME];
	uint64_t sequence;

	if (open_records(&folder, home, err) < 0 ||
	    sequence_of(home, &record->set, record->volume, &sequence, err) < 0)
		return -1;
	doc = seed_home_doc_new(RECORD_SCHEMA);
	seed_json_set_uint(doc, "sequence", sequence);
	seed_json_set_id(doc, "set", &record->set);
	seed_json_set_id(doc, "medium", &record->medium);
	seed_json_set_uint(doc, "volume", record->volume);
	if (record->label[0])
		seed_json_set_text(doc, "label", record->label);
	seed_json_set_bool(doc, "sealed", record->sealed);
	if (record->sealed) {
		seed_json_set_id(doc, "recipient", &record->recipient);
		seed_json_set_base64(doc, "receiving_key", record->receiving_key, SEED_HPKE_KEY);
	} else {
		seed_json_set_null(doc, "recipient");
		seed_json_set_null(doc, "receiving_key");
	}
	seed_json_set_uint(doc, "reserved", record->reserved);
	seed_json_set_uint(doc, "confirmed", record->confirmed);
	if (record->confirmed)
		seed_json_set_digest(doc, "confirmed_digest", &record->confirmed_digest);
	else
		seed_json_set_null(doc, "confirmed_digest");
	seed_json_set_uint(doc, "next_pack", record->next_pack);
	seed_json_set_uint(doc, "last_full_read", record->last_full_read > 0 ?
			   (uint64_t)record->last_full_read : 0);
	return seed_home_doc_replace(home, record_name(&record->set, record->volume, name), doc, err);
}
