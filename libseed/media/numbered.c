// SPDX-License-Identifier: LGPL-2.1-or-later
#include "media/numbered.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/path.h"

#define NAMES_MAX (2u * SEED_NUMBERED_MAX + 100u)
#define SIGNATURE ".minisig"

char *seed_numbered_name(const struct seed_numbered *n, uint32_t number, char *out)
{
	snprintf(out, SEED_NUMBERED_NAME, "%s/%08u%s", n->folder, number, n->suffix);
	return out;
}

static int visit(const char *name, void *arg, struct seed_error *err)
{
	struct seed_numbered *n = arg;
	char with_signature[32];
	const uint32_t *last = n->numbers.count ?
			       seed_vec_at(&n->numbers, n->numbers.count - 1) : NULL;
	uint32_t number = seed_media_number(name, n->suffix);

	snprintf(with_signature, sizeof(with_signature), "%s" SIGNATURE, n->suffix);
	if (!number)
		number = seed_media_number(name, with_signature);
	/* Names come sorted: those of one number side by side. */
	if (!number || (last && *last == number))
		return 0;
	if (!seed_vec_push(&n->numbers, sizeof(number), &number))
		return seed_error_sys(err, ENOMEM, "%s", n->folder);
	return 0;
}

int seed_numbered_scan(struct seed_numbered *out, const struct seed_volume *volume,
		       const char *folder, const char *suffix, struct seed_error *err)
{
	*out = (struct seed_numbered){ .folder = folder, .suffix = suffix };
	if (!seed_path_exists(volume->dir, folder))
		return 0;
	if (seed_path_each(volume->dir, folder, NAMES_MAX, visit, out, err) < 0) {
		seed_numbered_clear(out);
		seed_media_failed(err);
		return seed_error_prefix(err, "%s", folder);
	}
	return 0;
}

void seed_numbered_clear(struct seed_numbered *n)
{
	seed_vec_free(&n->numbers);
}

int seed_numbered_next(const struct seed_numbered *n, uint32_t *number, struct seed_error *err)
{
	const uint32_t *last = n->numbers.count ?
			       seed_vec_at(&n->numbers, n->numbers.count - 1) : NULL;

	if (n->numbers.count >= SEED_NUMBERED_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "%s holds %zu files, and no more are "
				      "written", n->folder, n->numbers.count);
	if (last && *last >= SEED_MEDIA_NUMBER_MAX)
		return seed_error_set(err, SEED_ERR_RANGE, "%s has no number left", n->folder);
	*number = last ? *last + 1 : 1;
	return 0;
}

int seed_numbered_write(const struct seed_volume *volume, const struct seed_numbered *n,
			uint32_t number, const struct seed_signed_text *text,
			struct seed_error *err)
{
	char name[SEED_NUMBERED_NAME], signature[SEED_NUMBERED_NAME + sizeof(SIGNATURE)];
	SEED_AUTO(seed_fd_closep) int dir = -1;
	struct seed_error why = { 0 };

	seed_numbered_name(n, number, name);
	snprintf(signature, sizeof(signature), "%s" SIGNATURE, name);
	if (seed_path_make_folder(volume->dir, n->folder, 0755, err) < 0 ||
	    seed_path_open_folder_at(&dir, volume->dir, n->folder, err) < 0)
		return seed_media_failed(err);
	if (seed_signed_text_create(volume->dir, name, text, &why) == 0 &&
	    seed_fd_sync(dir, &why) == 0)
		return 0;
	/* The number was free, and the medium is locked: what lies there is ours, unless somebody
	 * works without the lock. */
	if (why.sys_errno != EEXIST) {
		seed_path_unlink(volume->dir, signature, NULL);
		seed_path_unlink(volume->dir, name, NULL);
	}
	if (err)
		*err = why;
	return seed_media_failed(err);
}
