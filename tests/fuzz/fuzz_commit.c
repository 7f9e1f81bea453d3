// SPDX-License-Identifier: LGPL-2.1-or-later
/* A commit behind its signature: read or refused, and what is read keeps its orders and bounds. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "media/media_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct seed_commit *commit)
{
	bool sealed;

	assert(commit->number > 0 && commit->volume > 0);
	assert(commit->full || commit->seeds.count == 0);
	for (size_t i = 0; i < commit->packs.count; i++) {
		const struct seed_pack_facts *pack = seed_vec_at(&commit->packs, i);

		assert(pack->number > 0 && pack->length <= SEED_PACK_MAX && pack->records > 0);
		assert(i == 0 || seed_compare_packs(seed_vec_at(&commit->packs, i - 1), pack) < 0);
	}
	for (size_t i = 0; i < commit->files.count; i++) {
		const struct seed_commit_file *file = seed_vec_at(&commit->files, i);

		assert(seed_commit_path_valid(file->path, &sealed));
		assert(!strstr(file->path, ".."));
		assert(i == 0 || seed_compare_files(seed_vec_at(&commit->files, i - 1), file) < 0);
	}
	for (size_t i = 1; i < commit->seeds.count; i++)
		assert(seed_compare_ids(seed_vec_at(&commit->seeds, i - 1),
					seed_vec_at(&commit->seeds, i)) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	SEED_AUTO(seed_commit_clear) struct seed_commit commit = { 0 };
	struct seed_error err = { 0 };
	struct seed_json_reader r;

	if (seed_json_parse(&doc, (const char *)data, size, &err) < 0)
		return 0;
	seed_json_begin(&r, doc, "", &err);
	/* As behind type, version and key, where a sample has them. */
	if (seed_json_has(&r, "type")) {
		seed_json_take_text(&r, "type", 32);
		seed_json_take_uint(&r, "version", SEED_JSON_INT_MAX);
		seed_json_take_text(&r, "key", SEED_PUBLIC_KEY_TEXT);
	}
	if (seed_commit_take(&commit, &r, &err) == 0)
		check(&commit);
	else
		assert(err.kind != SEED_ERR_NONE && err.text[0] && !strchr(err.text, '\n'));
	return 0;
}
