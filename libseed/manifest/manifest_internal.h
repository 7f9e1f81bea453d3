/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two halves of a manifest's JSON, without the signature around it, and the reading one of a
 * receipt's. */
#ifndef SEED_MANIFEST_MANIFEST_INTERNAL_H
#define SEED_MANIFEST_MANIFEST_INTERNAL_H

#include "manifest/manifest.h"
#include "manifest/receipt.h"

/* Sets all members but type, version and key on @doc. */
void seed_manifest_set_members(struct seed_json *doc, const struct seed_manifest *m);
/* Takes all members but type, version and key, and checks the whole. @out is initialised by the
 * caller, and cleared by it also on failure. The reader's error is set on failure. */
int seed_manifest_take_members(struct seed_manifest *out, struct seed_json_reader *r);

/* As above, for a receipt. */
int seed_receipt_take(struct seed_receipt *out, struct seed_json_reader *r);

#endif
