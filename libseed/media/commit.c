// SPDX-License-Identifier: LGPL-2.1-or-later
#include "media/commit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "media/media_internal.h"

/* What fits the text's own bound: an entry is never shorter than this. */
#define PACKS_MAX (SEED_COMMIT_MAX / 200)
#define FILES_MAX (SEED_COMMIT_MAX / 100)
#define SEEDS_MAX (SEED_COMMIT_MAX / 34)
#define FILE_MAX (((uint64_t)4 << 30) - (64 << 10))	/* no file on a medium is longer */

void seed_commit_clear(struct seed_commit *commit)
{
	seed_vec_free(&commit->packs);
	seed_vec_free(&commit->files);
	seed_vec_free(&commit->seeds);
	*commit = (struct seed_commit){ 0 };
}

char *seed_commit_name(uint32_t number, char *out)
{
	snprintf(out, SEED_COMMIT_NAME, "commits/%08u.json", number % (SEED_MEDIA_NUMBER_MAX + 1));
	return out;
}

/* ---- writing ---- */

static struct seed_json *packs_to_json(const struct seed_vec *packs)
{
	struct seed_json *array = seed_json_new_array();

	for (size_t i = 0; i < packs->count; i++) {
		const struct seed_pack_facts *pack = seed_vec_at(packs, i);
		struct seed_json *entry = seed_json_new_object();

		seed_json_set_uint(entry, "number", pack->number);
		seed_json_set_uint(entry, "length", pack->length);
		seed_json_set_digest(entry, "sha256", &pack->digest);
		seed_json_set_digest(entry, "table", &pack->table);
		seed_json_set_digest(entry, "index", &pack->index);
		seed_json_set_uint(entry, "records", pack->records);
		seed_json_set_uint(entry, "blocks", pack->blocks);
		seed_json_append(array, entry);
	}
	return array;
}

static struct seed_json *files_to_json(const struct seed_vec *files)
{
	struct seed_json *array = seed_json_new_array();

	for (size_t i = 0; i < files->count; i++) {
		const struct seed_commit_file *file = seed_vec_at(files, i);
		struct seed_json *entry = seed_json_new_object();

		seed_json_set_text(entry, "path", file->path);
		seed_json_set_uint(entry, "length", file->facts.length);
		seed_json_set_digest(entry, "sha256", &file->facts.digest);
		seed_json_append(array, entry);
	}
	return array;
}

static struct seed_json *seeds_to_json(const struct seed_vec *seeds)
{
	struct seed_json *array = seed_json_new_array();
	char text[SEED_ID_TEXT];

	for (size_t i = 0; i < seeds->count; i++)
		seed_json_append_text(array, seed_id_text(seed_vec_at(seeds, i), text));
	return array;
}

int seed_commit_sign(const struct seed_commit *commit, const struct seed_signing_key *key,
		     char **text, size_t *len, char signature[SEED_SIGNATURE_MAX],
		     struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc =
		seed_doc_new(SEED_DOC_COMMIT, seed_signing_key_public(key));
	SEED_AUTO(seed_freep) char *signed_text = NULL;
	size_t signed_len;

	seed_json_set_id(doc, "set", &commit->set);
	seed_json_set_uint(doc, "volume", commit->volume);
	seed_json_set_id(doc, "medium", &commit->medium);
	seed_json_set_uint(doc, "number", commit->number);
	if (commit->has_previous)
		seed_json_set_digest(doc, "previous", &commit->previous);
	else
		seed_json_set_null(doc, "previous");
	seed_json_set_bool(doc, "full", commit->full);
	seed_json_set(doc, "packs", packs_to_json(&commit->packs));
	seed_json_set(doc, "files", files_to_json(&commit->files));
	seed_json_set(doc, "seeds", seeds_to_json(&commit->seeds));
	if (seed_doc_sign(doc, key, SEED_DOC_COMMIT, &signed_text, &signed_len, signature,
			  err) < 0)
		return -1;
	if (signed_len > SEED_COMMIT_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "commit %u is longer than %u bytes: "
				      "this set is full", commit->number, SEED_COMMIT_MAX);
	*text = seed_steal(&signed_text);
	*len = signed_len;
	return 0;
}

/* ---- reading ---- */

static bool take_hex(const char **p, size_t digits)
{
	for (size_t i = 0; i < digits; i++, (*p)++)
		if (!((**p >= '0' && **p <= '9') || (**p >= 'a' && **p <= 'f')))
			return false;
	return true;
}

static bool take_word(const char **p, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*p, word, len) != 0)
		return false;
	*p += len;
	return true;
}

bool seed_commit_path_valid(const char *path, bool *sealed)
{
	const char *p = path;

	if (!take_word(&p, "seeds/") || !take_hex(&p, 32) || !take_word(&p, "/"))
		return false;
	*sealed = strcmp(p, "manifest.sealed") == 0;
	if (*sealed || strcmp(p, "manifest.json") == 0 || strcmp(p, "manifest.json.minisig") == 0)
		return true;
	if (take_word(&p, "list-")) {
		if (!take_hex(&p, 4) || !take_word(&p, "-") || !take_hex(&p, 4))
			return false;
	} else if (!take_word(&p, "file-") || !take_hex(&p, 4)) {
		return false;
	}
	*sealed = strcmp(p, ".sealed") == 0;
	return *sealed || *p == '\0';
}

/* Begin reading entry @index of the array @key. */
static int begin_entry(struct seed_json_reader *r, const struct seed_json *array, const char *key,
		       size_t index, struct seed_error *err)
{
	const struct seed_json *entry = seed_json_at(array, index);
	char path[64];

	snprintf(path, sizeof(path), "%s[%zu]", key, index);
	if (!seed_json_is_object(entry))
		return seed_error_set(err, SEED_ERR_FORMAT, "%s: not an object", path);
	seed_json_begin(r, entry, path, err);
	return 0;
}

static int take_pack(struct seed_vec *packs, struct seed_json_reader *r, struct seed_error *err)
{
	const struct seed_pack_facts *last =
		packs->count ? seed_vec_at(packs, packs->count - 1) : NULL;
	struct seed_pack_facts pack = { 0 };

	pack.number = (uint32_t)seed_json_take_uint(r, "number", SEED_MEDIA_NUMBER_MAX);
	pack.length = seed_json_take_uint(r, "length", SEED_PACK_MAX);
	seed_json_take_digest(r, "sha256", &pack.digest);
	seed_json_take_digest(r, "table", &pack.table);
	seed_json_take_digest(r, "index", &pack.index);
	pack.records = (uint32_t)seed_json_take_uint(r, "records", SEED_PACK_RECORDS_MAX + 1);
	pack.blocks = (uint32_t)seed_json_take_uint(r, "blocks", UINT32_MAX);
	if (!r->failed && pack.number <= (last ? last->number : 0))
		seed_json_refuse(r, "number", "not above the one before");
	if (!r->failed && pack.records == 0)
		seed_json_refuse(r, "records", "a pack has at least its index");
	if (!r->failed && pack.blocks > (pack.records - 1) * SEED_RECORD_BLOCKS)
		seed_json_refuse(r, "blocks", "more than the records hold");
	if (!r->failed && pack.length < SEED_PACK_HEADER + SEED_PACK_TRAILER +
	    (uint64_t)pack.records * SEED_PACK_TABLE_ENTRY)
		seed_json_refuse(r, "length", "shorter than its own table");
	if (seed_json_done(r) < 0)
		return -1;
	if (!seed_vec_push(packs, sizeof(pack), &pack))
		return seed_error_sys(err, ENOMEM, "packs of a commit");
	return 0;
}

static int take_file(struct seed_vec *files, struct seed_json_reader *r, struct seed_error *err)
{
	const struct seed_commit_file *last =
		files->count ? seed_vec_at(files, files->count - 1) : NULL;
	struct seed_commit_file file = { 0 };
	const char *path = seed_json_take_text(r, "path", sizeof(file.path) - 1);
	bool sealed;

	file.facts.length = seed_json_take_uint(r, "length", FILE_MAX);
	seed_json_take_digest(r, "sha256", &file.facts.digest);
	if (!r->failed && !seed_commit_path_valid(path, &sealed))
		seed_json_refuse(r, "path", "not a name that a seed's file can have");
	if (!r->failed && last && strcmp(path, last->path) <= 0)
		seed_json_refuse(r, "path", "not above the one before");
	if (seed_json_done(r) < 0)
		return -1;
	snprintf(file.path, sizeof(file.path), "%s", path);
	if (!seed_vec_push(files, sizeof(file), &file))
		return seed_error_sys(err, ENOMEM, "files of a commit");
	return 0;
}

static int take_entries(struct seed_vec *out, const struct seed_json *array, const char *key,
			int (*take)(struct seed_vec *out, struct seed_json_reader *r,
				    struct seed_error *err), struct seed_error *err)
{
	for (size_t i = 0; i < seed_json_count(array); i++) {
		struct seed_json_reader r;

		if (begin_entry(&r, array, key, i, err) < 0 || take(out, &r, err) < 0)
			return -1;
	}
	return 0;
}

static int take_seeds(struct seed_vec *seeds, const struct seed_json *array,
		      struct seed_error *err)
{
	for (size_t i = 0; i < seed_json_count(array); i++) {
		const char *text = seed_json_text(seed_json_at(array, i));
		struct seed_id id;

		if (!text || seed_id_parse(&id, text, NULL) < 0)
			return seed_error_set(err, SEED_ERR_FORMAT, "seeds[%zu]: not an id", i);
		if (i && seed_compare_ids(seed_vec_at(seeds, i - 1), &id) >= 0)
			return seed_error_set(err, SEED_ERR_FORMAT,
					      "seeds[%zu]: not above the one before", i);
		if (!seed_vec_push(seeds, sizeof(id), &id))
			return seed_error_sys(err, ENOMEM, "seeds of a commit");
	}
	return 0;
}

int seed_commit_take(struct seed_commit *out, struct seed_json_reader *r, struct seed_error *err)
{
	const struct seed_json *packs, *files, *seeds;

	*out = (struct seed_commit){ 0 };
	seed_json_take_id(r, "set", &out->set);
	out->volume = (uint32_t)seed_json_take_uint(r, "volume", UINT32_MAX);
	seed_json_take_id(r, "medium", &out->medium);
	out->number = (uint32_t)seed_json_take_uint(r, "number", SEED_MEDIA_NUMBER_MAX);
	out->has_previous = seed_json_has(r, "previous");
	if (out->has_previous)
		seed_json_take_digest(r, "previous", &out->previous);
	out->full = seed_json_take_bool(r, "full");
	packs = seed_json_take_array(r, "packs", PACKS_MAX);
	files = seed_json_take_array(r, "files", FILES_MAX);
	seeds = seed_json_take_array(r, "seeds", SEEDS_MAX);
	if (!r->failed && out->volume == 0)
		seed_json_refuse(r, "volume", "volumes count from 1");
	if (!r->failed && out->number == 0)
		seed_json_refuse(r, "number", "commits count from 1");
	if (!r->failed && out->number == 1 && out->has_previous)
		seed_json_refuse(r, "previous", "nothing comes before commit 1");
	if (!r->failed && !out->full && seed_json_count(seeds) > 0)
		seed_json_refuse(r, "seeds", "only a full commit names seeds");
	if (seed_json_done(r) < 0)
		return -1;
	if (take_entries(&out->packs, packs, "packs", take_pack, err) < 0 ||
	    take_entries(&out->files, files, "files", take_file, err) < 0)
		return -1;
	return take_seeds(&out->seeds, seeds, err);
}

int seed_commit_open(struct seed_commit *out, const char *text, size_t len, const char *signature,
		     size_t signature_len, const struct seed_public_key *key,
		     struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_json_reader r;

	*out = (struct seed_commit){ 0 };
	if (seed_doc_open(&doc, &r, SEED_DOC_COMMIT, text, len, signature, signature_len, key,
			  err) < 0 ||
	    seed_commit_take(out, &r, err) < 0) {
		seed_commit_clear(out);
		return -1;
	}
	out->key = *key;
	return 0;
}
