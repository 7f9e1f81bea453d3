// SPDX-License-Identifier: LGPL-2.1-or-later
/* Small signed files on media, and whose fault an error is (no .h: media_internal.h). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/path.h"
#include "crypto/digest.h"
#include "media/media_internal.h"
#include "pack/scrub.h"

#define SIGNED_NAME 64	/* "commits/00000001.json.minisig" and more */

int seed_media_failed(struct seed_error *err)
{
	if (!err || err->kind != SEED_ERR_SYSTEM)
		return -1;
	switch (err->sys_errno) {
	case EIO: case ENODEV: case ENXIO: case EROFS: case ENOSPC: case ESTALE: case EREMOTEIO:
	case ENOTCONN: case ESHUTDOWN: case EUCLEAN: case EBADMSG: case ETIMEDOUT: case ENOMEDIUM:
		err->kind = SEED_ERR_MEDIUM;
	}
	return -1;
}

static void signature_name(const char *path, char out[SIGNED_NAME])
{
	snprintf(out, SIGNED_NAME, "%s.minisig", path);
}

int seed_signed_text_load(struct seed_signed_text *out, int dir, const char *path, size_t max,
			  struct seed_error *err)
{
	struct seed_signed_text loaded = { 0 };
	struct seed_error inner = { 0 };
	char signature[SIGNED_NAME];

	signature_name(path, signature);
	if (!seed_path_exists(dir, path))
		return seed_error_set(err, SEED_ERR_NOTFOUND, "%s: not there", path);
	if (seed_file_read(dir, signature, SEED_SIGNATURE_MAX - 1, &loaded.signature,
			   &loaded.signature_len, &inner) < 0) {
		if (inner.kind == SEED_ERR_NOTFOUND)
			return seed_error_set(err, SEED_ERR_TRUST, "%s: its signature is missing",
					      path);
		if (err)
			*err = inner;
		return seed_media_failed(err);
	}
	if (seed_file_read(dir, path, max, &loaded.text, &loaded.len, err) < 0) {
		seed_signed_text_clear(&loaded);
		return seed_media_failed(err);
	}
	*out = loaded;
	return 0;
}

void seed_signed_text_clear(struct seed_signed_text *text)
{
	free(text->text);
	free(text->signature);
	*text = (struct seed_signed_text){ 0 };
}

int seed_signed_text_create(int dir, const char *path, const struct seed_signed_text *text,
			    struct seed_error *err)
{
	char signature[SIGNED_NAME];

	signature_name(path, signature);
	if (seed_file_create(dir, path, text->text, text->len, 0644, err) < 0 ||
	    seed_file_create(dir, signature, text->signature, text->signature_len, 0644, err) < 0)
		return seed_media_failed(err);
	return 0;
}

int seed_signed_text_read_back(int dir, const char *path, const struct seed_signed_text *text,
			       struct seed_error *err)
{
	struct seed_digest digest;
	char signature[SIGNED_NAME];

	signature_name(path, signature);
	seed_digest_of(&digest, text->text, text->len);
	if (seed_file_read_back(dir, path, text->len, &digest, NULL, NULL, err) < 0)
		return seed_media_failed(err);
	seed_digest_of(&digest, text->signature, text->signature_len);
	if (seed_file_read_back(dir, signature, text->signature_len, &digest, NULL, NULL,
				err) < 0)
		return seed_media_failed(err);
	return 0;
}

uint32_t seed_media_number(const char *name, const char *suffix)
{
	uint32_t number = 0;

	for (int i = 0; i < 8; i++) {
		if (name[i] < '0' || name[i] > '9')
			return 0;
		number = number * 10 + (uint32_t)(name[i] - '0');
	}
	return strcmp(name + 8, suffix) == 0 ? number : 0;
}
