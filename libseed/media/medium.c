// SPDX-License-Identifier: LGPL-2.1-or-later
#include "media/medium.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "media/media_internal.h"
#include "media/medium_internal.h"

#define DEVICE_TEXT 128		/* bytes of a serial or model */

const char *seed_medium_name(const struct seed_medium *medium, char *out)
{
	return seed_quote(medium->known_signer ? medium->label : medium->path, out, SEED_QUOTED);
}

void seed_medium_release(struct seed_medium *medium)
{
	seed_fd_closep(&medium->vmseed);
	seed_fd_closep(&medium->root);
}

void seed_medium_close(struct seed_medium *medium)
{
	if (!medium)
		return;
	seed_medium_release(medium);
	free(medium->path);
	free(medium->serial);
	free(medium->model);
	free(medium);
}

int seed_medium_check_writable(const struct seed_medium *medium, struct seed_error *err)
{
	char name[SEED_QUOTED];

	if (medium->writable)
		return 0;
	return seed_error_set(err, SEED_ERR_MEDIUM, "medium %s is read-only",
			      seed_medium_name(medium, name));
}

int seed_medium_lock(struct seed_medium *medium, struct seed_error *err)
{
	char name[SEED_QUOTED], what[SEED_QUOTED + 16];

	snprintf(what, sizeof(what), "medium %s", seed_medium_name(medium, name));
	return seed_fd_lock(medium->vmseed, what, true, err);
}

int seed_medium_open_root(struct seed_medium **out, const char *path, struct seed_error *err)
{
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = malloc(sizeof(*medium));
	struct statvfs st;

	if (medium)
		*medium = (struct seed_medium){ .root = -1, .vmseed = -1, .path = strdup(path) };
	if (!medium || !medium->path)
		return seed_error_sys(err, ENOMEM, "medium");
	if (seed_path_open_folder(&medium->root, path, err) < 0) {
		if (err && (err->kind == SEED_ERR_NOTFOUND || err->kind == SEED_ERR_FORMAT))
			err->kind = SEED_ERR_MEDIUM;
		return seed_media_failed(err);
	}
	if (fstatvfs(medium->root, &st) < 0) {
		seed_error_sys(err, errno, "%s", path);
		return seed_media_failed(err);
	}
	medium->writable = !(st.f_flag & ST_RDONLY);
	*out = seed_steal(&medium);
	return 0;
}

int seed_medium_open_folder(struct seed_medium *medium, struct seed_error *err)
{
	char quoted[SEED_QUOTED];

	if (seed_path_open_folder_at(&medium->vmseed, medium->root, "vmseed", err) < 0) {
		if (err && err->kind == SEED_ERR_FORMAT)
			err->kind = SEED_ERR_MEDIUM;
		seed_media_failed(err);
		return seed_error_prefix(err, "%s", seed_quote(medium->path, quoted,
							       sizeof(quoted)));
	}
	if (medium->writable)
		medium->writable = faccessat(medium->vmseed, ".", W_OK, AT_EACCESS) == 0;
	return 0;
}

bool seed_label_valid(const char *label)
{
	size_t len = strlen(label);

	if (len == 0 || len > SEED_LABEL_MAX || label[0] == ' ' || label[len - 1] == ' ')
		return false;
	return strspn(label, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		      "0123456789._ -") == len;
}

/* Text or null: a copy in *@out. */
static int take_optional(struct seed_json_reader *r, const char *key, char **out)
{
	const char *text = seed_json_has(r, key) ?
			   seed_json_take_text(r, key, DEVICE_TEXT) : NULL;

	if (text && !(*out = strdup(text)))
		return seed_error_sys(r->err, ENOMEM, "medium.json");
	return 0;
}

static int take_site(struct seed_json_reader *r, struct seed_medium *medium,
		     struct seed_error *err)
{
	const struct seed_json *site = seed_json_take_object(r, "site");
	struct seed_json_reader inner;
	const char *name;

	if (seed_json_done(r) < 0)
		return -1;
	seed_json_begin(&inner, site, "site", err);
	seed_json_take_id(&inner, "id", &medium->site);
	name = seed_json_take_text(&inner, "name", SEED_NAME_MAX);
	if (!inner.failed && !seed_site_name_valid(name))
		seed_json_refuse(&inner, "name", "not a site's name");
	if (seed_json_done(&inner) < 0)
		return -1;
	snprintf(medium->site_name, sizeof(medium->site_name), "%s", name);
	return 0;
}

static int take_members(struct seed_json_reader *r, struct seed_medium *medium,
			struct seed_error *err)
{
	const char *label;

	seed_json_take_id(r, "medium", &medium->id);
	label = seed_json_take_text(r, "label", SEED_LABEL_MAX);
	if (!r->failed && !seed_label_valid(label))
		seed_json_refuse(r, "label", "not a label");
	if (take_optional(r, "serial", &medium->serial) < 0 ||
	    take_optional(r, "model", &medium->model) < 0 || take_site(r, medium, err) < 0)
		return -1;
	snprintf(medium->label, sizeof(medium->label), "%s", label);
	return 0;
}

static void forget_members(struct seed_medium *medium)
{
	free(medium->serial);
	free(medium->model);
	medium->serial = medium->model = NULL;
	medium->label[0] = medium->site_name[0] = '\0';
	medium->id = medium->site = (struct seed_id){ 0 };
}

int seed_medium_read(struct seed_medium *medium, const struct seed_signed_text *text,
		     const struct seed_public_key *key, const struct seed_id *site,
		     struct seed_error *err)
{
	SEED_AUTO(seed_json_freep) struct seed_json *doc = NULL;
	struct seed_json_reader r;

	if (seed_doc_open(&doc, &r, SEED_DOC_MEDIUM, text->text, text->len, text->signature,
			  text->signature_len, key, err) < 0)
		return -1;
	if (take_members(&r, medium, err) < 0) {
		forget_members(medium);
		return -1;
	}
	if (!seed_id_equal(&medium->site, site)) {
		forget_members(medium);
		return seed_error_set(err, SEED_ERR_TRUST,
				      "names another site than the card of its signer");
	}
	seed_digest_of(&medium->text, text->text, text->len);
	medium->known_signer = true;
	medium->unknown = (struct seed_error){ 0 };
	return 0;
}

/* ---- is it still there? ---- */

static bool same_folder(int a, int b)
{
	struct stat x, y;

	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

static bool same_label(int root, const struct seed_medium *medium)
{
	SEED_AUTO(seed_freep) char *text = NULL;
	struct seed_digest digest;
	size_t len;

	if (seed_file_read(root, "vmseed/medium.json", SEED_MEDIUM_MAX, &text, &len, NULL) < 0)
		return false;
	seed_digest_of(&digest, text, len);
	return seed_digest_equal(&digest, &medium->text);
}

int seed_medium_recheck(const struct seed_medium *medium, struct seed_error *err)
{
	SEED_AUTO(seed_fd_closep) int root = -1;
	char path[SEED_QUOTED];

	seed_quote(medium->path, path, sizeof(path));
	if (seed_path_open_folder(&root, medium->path, NULL) < 0)
		return seed_error_set(err, SEED_ERR_MEDIUM, "nothing is mounted at %s any more", path);
	if (!same_folder(root, medium->root))
		return seed_error_set(err, SEED_ERR_MEDIUM,
				      "another file system is mounted at %s now", path);
	if (medium->known_signer && !same_label(root, medium))
		return seed_error_set(err, SEED_ERR_MEDIUM, "the label of the medium at %s, "
				      "vmseed/medium.json, is gone or another one now", path);
	return 0;
}

int seed_medium_room(const struct seed_medium *medium, uint64_t *room, uint64_t *size,
		     struct seed_error *err)
{
	struct statvfs st;

	if (fstatvfs(medium->vmseed, &st) < 0) {
		seed_error_sys(err, errno, "vmseed");
		return seed_media_failed(err);
	}
	*room = (uint64_t)st.f_bavail * st.f_frsize;
	*size = (uint64_t)st.f_blocks * st.f_frsize;
	return 0;
}

/* ---- opening ---- */

/* Who prepared it? Whatever is wrong is kept as the reason and no failure. */
static void identify(struct seed_medium *medium, const struct seed_trust *trust)
{
	SEED_AUTO(seed_signed_text_clear) struct seed_signed_text text = { 0 };
	struct seed_error *why = &medium->unknown;
	const struct seed_trusted *signer;

	if (seed_signed_text_load(&text, medium->vmseed, "medium.json", SEED_MEDIUM_MAX, why) < 0)
		return;
	if (!trust)
		seed_error_set(why, SEED_ERR_TRUST, "medium.json: no card is trusted here");
	else if (seed_trust_verify(&signer, trust, text.text, text.len, text.signature,
				   text.signature_len, why) < 0 ||
		 seed_medium_read(medium, &text, &signer->card.key, &signer->card.site, why) < 0)
		seed_error_prefix(why, "medium.json");
}

int seed_medium_open(struct seed_medium **out, const char *path, const struct seed_trust *trust,
		     struct seed_error *err)
{
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = NULL;
	SEED_AUTO(seed_vec_free) struct seed_vec sets = { 0 };
	struct seed_error inner = { 0 };
	char quoted[SEED_QUOTED];

	if (seed_medium_open_root(&medium, path, err) < 0)
		return -1;
	if (seed_medium_open_folder(medium, &inner) < 0) {
		if (inner.kind == SEED_ERR_NOTFOUND)
			return seed_error_set(err, SEED_ERR_MEDIUM, "%s is not a prepared medium "
					      "(vmseed media prepare makes it one)",
					      seed_quote(path, quoted, sizeof(quoted)));
		if (err)
			*err = inner;
		return -1;
	}
	identify(medium, trust);
	if (!medium->known_signer && medium->unknown.kind == SEED_ERR_NOTFOUND) {
		if (seed_medium_sets(medium, &sets, err) < 0)
			return -1;
		if (sets.count == 0)
			return seed_error_set(err, SEED_ERR_MEDIUM, "%s is not a prepared medium: "
					      "vmseed/medium.json is missing (vmseed media prepare "
					      "writes it)", seed_quote(path, quoted,
								       sizeof(quoted)));
	}
	*out = seed_steal(&medium);
	return 0;
}
