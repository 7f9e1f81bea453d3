/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See receipts.h. */
#include "capture/receipts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"

#define FOLDER "receipts"
#define NAME_SIZE (SEED_ID_TEXT + sizeof(".json.minisig"))

static void names_of(const struct seed_id *site, char text[NAME_SIZE], char signature[NAME_SIZE])
{
	char id[SEED_ID_TEXT];

	snprintf(text, NAME_SIZE, "%s.json", seed_id_text(site, id));
	snprintf(signature, NAME_SIZE, "%s.json.minisig", id);
}

int seed_receipts_put(int vm_dir, const struct seed_receipt *receipt, const char *text, size_t len,
		      const char *signature, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int dir = -1;
	char name[NAME_SIZE], signature_name[NAME_SIZE];

	names_of(&receipt->site, name, signature_name);
	if (seed_path_make_folder(vm_dir, FOLDER, 0700, err) < 0 ||
	    seed_path_open_folder_at(&dir, vm_dir, FOLDER, err) < 0 ||
	    seed_file_sweep(dir, err) < 0)
		return -1;
	/* A crash between the two leaves an old text that the new signature does not fit. */
	if (seed_file_replace(dir, signature_name, signature, strlen(signature), 0600, err) < 0 ||
	    seed_file_replace(dir, name, text, len, 0600, err) < 0)
		return seed_error_prefix(err, FOLDER);
	return 0;
}

/* The two files of one destination, which the caller frees. */
struct pair {
	char *text, *signature;
	size_t len, signature_len;
};

static int read_pair(struct pair *out, int dir, const struct seed_id *site, struct seed_error *err)
{
	char name[NAME_SIZE], signature_name[NAME_SIZE];

	names_of(site, name, signature_name);
	if (seed_file_read(dir, name, SEED_RECEIPT_MAX, &out->text, &out->len, err) < 0)
		return -1;
	if (seed_file_read(dir, signature_name, SEED_SIGNATURE_MAX, &out->signature,
			   &out->signature_len, err) == 0)
		return 0;
	free(out->text);
	out->text = NULL;
	return -1;
}

static void pair_free(struct pair *pair)
{
	free(pair->text);
	free(pair->signature);
}

int seed_receipts_get(struct seed_receipt *out, int vm_dir, const struct seed_id *site,
		      const struct seed_public_key *key, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int dir = -1;
	SEED_AUTO(pair_free) struct pair pair = { 0 };
	char id[SEED_ID_TEXT];

	*out = (struct seed_receipt){ 0 };
	if (seed_path_open_folder_at(&dir, vm_dir, FOLDER, err) < 0 ||
	    read_pair(&pair, dir, site, err) < 0)
		return -1;
	if (seed_receipt_open(out, pair.text, pair.len, pair.signature, pair.signature_len, key,
			      err) < 0)
		return seed_error_prefix(err, FOLDER "/%s", seed_id_text(site, id));
	if (!seed_id_equal(&out->site, site))
		return seed_error_set(err, SEED_ERR_FORMAT, FOLDER "/%s: site: of another",
				      seed_id_text(site, id));
	return 0;
}

/* ---- all of them ---- */

struct walk {
	int dir;
	int (*visit)(const struct seed_receipt_file *file, void *arg, struct seed_error *err);
	void *arg;
};

static int visit_name(const char *name, void *arg, struct seed_error *err)
{
	const struct walk *walk = arg;
	SEED_AUTO(pair_free) struct pair pair = { 0 };
	struct seed_receipt_file file;
	char id[SEED_ID_TEXT];

	if (strlen(name) != SEED_ID_TEXT - 1 + strlen(".json") ||
	    strcmp(name + SEED_ID_TEXT - 1, ".json") != 0)
		return 0;
	memcpy(id, name, SEED_ID_TEXT - 1);
	id[SEED_ID_TEXT - 1] = '\0';
	if (seed_id_parse(&file.site, id, NULL) < 0 ||
	    read_pair(&pair, walk->dir, &file.site, NULL) < 0)
		return 0;
	file.text = pair.text;
	file.len = pair.len;
	file.signature = pair.signature;
	file.signature_len = pair.signature_len;
	return walk->visit(&file, walk->arg, err);
}

int seed_receipts_each(int vm_dir,
		       int (*visit)(const struct seed_receipt_file *file, void *arg,
				    struct seed_error *err),
		       void *arg, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int dir = -1;
	struct walk walk = { .visit = visit, .arg = arg };

	if (!seed_path_exists(vm_dir, FOLDER))
		return 0;
	if (seed_path_open_folder_at(&dir, vm_dir, FOLDER, err) < 0)
		return -1;
	walk.dir = dir;
	return seed_path_each(dir, ".", 2 * SEED_RECEIPTS_MAX + 16, visit_name, &walk, err);
}
