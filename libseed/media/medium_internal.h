/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What opening and preparing a medium share. */
#ifndef SEED_MEDIA_MEDIUM_INTERNAL_H
#define SEED_MEDIA_MEDIUM_INTERNAL_H

#include "media/media_internal.h"

#define SEED_MEDIUM_MAX 16384u	/* bytes of medium.json */

/* A medium with DIR open and nothing known yet; MEDIUM when there is no such folder. */
int seed_medium_open_root(struct seed_medium **out, const char *path, struct seed_error *err);
/* Opens DIR/vmseed: NOTFOUND, or MEDIUM when something else has its name. */
int seed_medium_open_folder(struct seed_medium *medium, struct seed_error *err);
/* Verify medium.json under @key and take over what it says; @medium is left alone on failure. */
int seed_medium_read(struct seed_medium *medium, const struct seed_signed_text *text,
		     const struct seed_public_key *key, const struct seed_id *site,
		     struct seed_error *err);
bool seed_label_valid(const char *label);

#endif
