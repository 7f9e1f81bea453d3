/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Commands that read media: several DIRs, opened together. */
#ifndef TOOLS_MEDIA_ARGS_H
#define TOOLS_MEDIA_ARGS_H

#include "cli.h"
#include "media/medium.h"

/* Opens every DIR of @dirs (NULL-terminated) into @out (struct seed_medium *). The same folder
 * named twice is said and used once. */
int media_args_open(struct cli *cli, struct seed_vec *out, const char *const *dirs,
		    const struct seed_trust *trust, struct seed_error *err);
void media_args_close(struct seed_vec *media);

#endif
