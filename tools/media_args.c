/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See media_args.h. */
#include "media_args.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/text.h"

static int refuse_twice(const struct seed_vec *media, const struct seed_medium *m,
			struct seed_error *err)
{
	struct stat a, b;
	char quoted[SEED_QUOTED];

	if (fstat(m->vmseed, &a) < 0)
		return seed_error_sys(err, errno, "medium");
	for (size_t i = 0; i < media->count; i++) {
		const struct seed_medium *other = *(struct seed_medium **)seed_vec_at(media, i);

		if (fstat(other->vmseed, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
			return seed_error_set(err, SEED_ERR_USAGE,
					      "--media %s: this medium is named twice",
					      seed_quote(m->path, quoted, sizeof(quoted)));
	}
	return 0;
}

int media_args_open(struct seed_vec *out, const char *const *dirs, const struct seed_trust *trust,
		    struct seed_error *err)
{
	for (; *dirs; dirs++) {
		struct seed_medium *m;

		if (seed_medium_open(&m, *dirs, trust, err) < 0)
			return -1;
		if (refuse_twice(out, m, err) < 0 || !seed_vec_push(out, sizeof(m), &m)) {
			seed_medium_close(m);
			return err->kind ? -1 : seed_error_sys(err, ENOMEM, "media");
		}
	}
	return 0;
}

void media_args_close(struct seed_vec *media)
{
	for (size_t i = 0; i < media->count; i++)
		seed_medium_close(*(struct seed_medium **)seed_vec_at(media, i));
	seed_vec_free(media);
}
