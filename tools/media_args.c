/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See media_args.h. */
#include "media_args.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/text.h"

/* The one of @media that is the same folder as @m, or NULL. */
static const struct seed_medium *same_as(const struct seed_vec *media, const struct seed_medium *m)
{
	struct stat a, b;

	if (fstat(m->vmseed, &a) < 0)
		return NULL;
	for (size_t i = 0; i < media->count; i++) {
		const struct seed_medium *other = *(struct seed_medium **)seed_vec_at(media, i);

		if (fstat(other->vmseed, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
			return other;
	}
	return NULL;
}

int media_args_open(struct cli *cli, struct seed_vec *out, const char *const *dirs,
		    const struct seed_trust *trust, struct seed_error *err)
{
	char path[SEED_QUOTED], first[SEED_QUOTED];

	for (; *dirs; dirs++) {
		const struct seed_medium *other;
		struct seed_medium *m;

		if (seed_medium_open(&m, *dirs, trust, err) < 0)
			return -1;
		other = same_as(out, m);
		if (other) {
			cli_note(cli, "%s is the same medium as %s: it is used once",
				 seed_quote(m->path, path, sizeof(path)),
				 seed_quote(other->path, first, sizeof(first)));
			seed_medium_close(m);
			continue;
		}
		if (!seed_vec_push(out, sizeof(m), &m)) {
			seed_medium_close(m);
			return seed_error_sys(err, ENOMEM, "media");
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
