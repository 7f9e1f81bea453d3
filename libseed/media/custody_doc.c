// SPDX-License-Identifier: LGPL-2.1-or-later
/* The part of custody.h that is about one entry's bytes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "media/custody_internal.h"

static const char *const actions[] = {
	[SEED_CUSTODY_PREPARED] = "prepared", [SEED_CUSTODY_EXPORTED] = "exported",
	[SEED_CUSTODY_VERIFIED] = "verified", [SEED_CUSTODY_IMPORTED] = "imported",
};
static const char *const verdicts[] = {
	[SEED_CUSTODY_OK] = "ok", [SEED_CUSTODY_CIPHERTEXT] = "ciphertext",
	[SEED_CUSTODY_PARTIAL] = "partial", [SEED_CUSTODY_DAMAGED] = "damaged",
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const char *seed_custody_action_name(enum seed_custody_action action)
{
	return actions[action];
}

const char *seed_custody_verdict_name(enum seed_custody_verdict verdict)
{
	return verdicts[verdict];
}

void seed_custody_clear(struct seed_custody *entry)
{
	seed_vec_free(&entry->seeds);
	*entry = (struct seed_custody){ 0 };
}

int seed_custody_add_seed(struct seed_custody *entry, const struct seed_id *seed,
			  struct seed_error *err)
{
	entry->seed_count++;
	if (entry->seeds.count < SEED_CUSTODY_SEEDS_MAX &&
	    !seed_vec_push(&entry->seeds, sizeof(*seed), seed))
		return seed_error_sys(err, ENOMEM, "seeds of a custody entry");
	return 0;
}

/* ---- writing ---- */

/* A tool's name and version: nothing that a terminal would obey. */
static bool tool_valid(const char *tool)
{
	for (const char *c = tool; *c; c++)
		if (*c < 0x20 || *c > 0x7e)
			return false;
	return *tool != '\0';
}

void seed_custody_set_members(struct seed_json *doc, const struct seed_custody *entry)
{
	struct seed_json *site = seed_json_new_object(), *seeds = seed_json_new_array();
	char id[SEED_ID_TEXT];

	seed_json_set_id(doc, "set", &entry->set);
	seed_json_set_uint(doc, "volume", entry->volume);
	seed_json_set_id(doc, "medium", &entry->medium);
	seed_json_set_id(site, "id", &entry->site);
	seed_json_set_text(site, "name", entry->site_name);
	seed_json_set(doc, "site", site);
	seed_json_set_text(doc, "action", actions[entry->action]);
	seed_json_set_text(doc, "verdict", verdicts[entry->verdict]);
	seed_json_set_uint(doc, "commit", entry->commit);
	seed_json_set_uint(doc, "seed_count", entry->seed_count);
	for (size_t i = 0; i < entry->seeds.count; i++)
		seed_json_append_text(seeds, seed_id_text(seed_vec_at(&entry->seeds, i), id));
	seed_json_set(doc, "seeds", seeds);
	seed_json_set_uint(doc, "at", entry->at < 0 ? 0 : (uint64_t)entry->at);
	seed_json_set_text(doc, "tool", entry->tool);
}

int seed_custody_sign(const struct seed_custody *entry, const struct seed_signing_key *key,
		      char **text, size_t *len, char signature[SEED_SIGNATURE_MAX],
		      struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc =
		seed_doc_new(SEED_DOC_CUSTODY, seed_signing_key_public(key));

	if (!tool_valid(entry->tool))
		return seed_error_set(err, SEED_ERR_USAGE, "tool: not printable");
	seed_json_set_uint(doc, "number", entry->number);
	if (entry->has_previous)
		seed_json_set_digest(doc, "previous", &entry->previous);
	else
		seed_json_set_null(doc, "previous");
	seed_custody_set_members(doc, entry);
	return seed_doc_sign(doc, key, SEED_DOC_CUSTODY, text, len, signature, err);
}

/* ---- reading ---- */

/* Which of @names is the member @key? */
static unsigned int take_name(struct seed_json_reader *r, const char *key,
			      const char *const *names, unsigned int count)
{
	const char *text = seed_json_take_text(r, key, 16);

	for (unsigned int i = 0; i < count; i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	if (!r->failed)
		seed_json_refuse(r, key, "not one that is known here");
	return 0;
}

static void take_site(struct seed_custody *out, struct seed_json_reader *r)
{
	const struct seed_json *site = seed_json_take_object(r, "site");
	struct seed_json_reader inner;
	const char *name;

	if (r->failed)
		return;
	seed_json_begin(&inner, site, "site", r->err);
	seed_json_take_id(&inner, "id", &out->site);
	name = seed_json_take_text(&inner, "name", SEED_NAME_MAX);
	if (!inner.failed && !seed_site_name_valid(name))
		seed_json_refuse(&inner, "name", "not a site's name");
	if (seed_json_done(&inner) < 0)
		r->failed = true;
	else
		snprintf(out->site_name, sizeof(out->site_name), "%s", name);
}

static int take_seeds(struct seed_custody *out, const struct seed_json *array,
		      struct seed_error *err)
{
	for (size_t i = 0; i < seed_json_count(array); i++) {
		const char *text = seed_json_text(seed_json_at(array, i));
		struct seed_id id;

		if (!text || seed_id_parse(&id, text, NULL) < 0)
			return seed_error_set(err, SEED_ERR_FORMAT, "seeds[%zu]: not an id", i);
		if (!seed_vec_push(&out->seeds, sizeof(id), &id))
			return seed_error_sys(err, ENOMEM, "seeds of a custody entry");
	}
	return 0;
}

static void check_members(struct seed_json_reader *r, const struct seed_custody *out,
			  const struct seed_json *seeds)
{
	if (out->number == 0)
		seed_json_refuse(r, "number", "entries count from 1");
	else if (out->number == 1 && out->has_previous)
		seed_json_refuse(r, "previous", "nothing comes before entry 1");
	else if (out->volume == 0)
		seed_json_refuse(r, "volume", "volumes count from 1");
	else if (!tool_valid(out->tool))
		seed_json_refuse(r, "tool", "not printable");
	else if (out->seed_count < seed_json_count(seeds) ||
		 (out->seed_count > seed_json_count(seeds) &&
		  seed_json_count(seeds) < SEED_CUSTODY_SEEDS_MAX))
		seed_json_refuse(r, "seed_count", "not that of the seeds");
}

int seed_custody_take(struct seed_custody *out, struct seed_json_reader *r)
{
	const struct seed_json *seeds;

	out->number = (uint32_t)seed_json_take_uint(r, "number", SEED_MEDIA_NUMBER_MAX);
	out->has_previous = seed_json_has(r, "previous");
	if (out->has_previous)
		seed_json_take_digest(r, "previous", &out->previous);
	seed_json_take_id(r, "set", &out->set);
	out->volume = (uint32_t)seed_json_take_uint(r, "volume", UINT32_MAX);
	seed_json_take_id(r, "medium", &out->medium);
	take_site(out, r);
	out->action = take_name(r, "action", actions, COUNT(actions));
	out->verdict = take_name(r, "verdict", verdicts, COUNT(verdicts));
	out->commit = (uint32_t)seed_json_take_uint(r, "commit", SEED_MEDIA_NUMBER_MAX);
	out->seed_count = seed_json_take_uint(r, "seed_count", UINT32_MAX);
	seeds = seed_json_take_array(r, "seeds", SEED_CUSTODY_SEEDS_MAX);
	out->at = (int64_t)seed_json_take_uint(r, "at", SEED_JSON_INT_MAX - 1);
	snprintf(out->tool, sizeof(out->tool), "%s",
		 seed_json_take_text(r, "tool", SEED_CUSTODY_TOOL_MAX));
	if (!r->failed)
		check_members(r, out, seeds);
	if (seed_json_done(r) < 0)
		return -1;
	return take_seeds(out, seeds, r->err);
}

int seed_custody_open(struct seed_custody *out, const char *text, size_t len,
		      const char *signature, size_t signature_len,
		      const struct seed_public_key *key, struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_json_reader r;

	*out = (struct seed_custody){ 0 };
	if (len > SEED_CUSTODY_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "an entry of %zu bytes", len);
	if (seed_doc_open(&doc, &r, SEED_DOC_CUSTODY, text, len, signature, signature_len, key,
			  err) < 0)
		return -1;
	return seed_custody_take(out, &r);
}
