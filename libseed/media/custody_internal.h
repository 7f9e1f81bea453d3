/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared inside media/ only, and with the fuzz target. */
#ifndef SEED_MEDIA_CUSTODY_INTERNAL_H
#define SEED_MEDIA_CUSTODY_INTERNAL_H

#include "media/custody.h"
#include "media/media_internal.h"

#define SEED_CUSTODY_FOLDER "custody"
#define SEED_CUSTODY_SUFFIX ".json"

/* The members that an entry has on a medium and in a home alike. */
void seed_custody_set_members(struct seed_json *doc, const struct seed_custody *entry);
/* The members behind type, version and key. @out is zeroed by the caller, and cleared by it also on
 * failure. */
int seed_custody_take(struct seed_custody *out, struct seed_json_reader *r);

#endif
