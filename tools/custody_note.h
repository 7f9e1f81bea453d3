/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A command's own entry in the custody of a set (media/custody.h), once its work is done. Nothing
 * here makes a command fail: what goes wrong is said in one line.
 */
#ifndef TOOLS_CUSTODY_NOTE_H
#define TOOLS_CUSTODY_NOTE_H

#include "cli.h"
#include "import/import.h"
#include "media/custody.h"
#include "verify/verify.h"

/* On the medium, else in the home. @entry says action, verdict and seeds. The medium is locked by
 * the call, and stays locked until it is closed. */
void custody_note(struct cli *cli, const struct seed_volume *volume, struct seed_custody *entry);

/* @set was exported to @medium; @seeds: struct seed_id. A set without custody gets its first entry,
 * that the volume was made, with it. */
void custody_note_export(struct cli *cli, struct seed_medium *medium, const struct seed_id *set,
			 const struct seed_vec *seeds, enum seed_custody_verdict verdict);
/* Every volume of an import that brought something, or would have. Not said twice: a rerun that
 * changes nothing adds nothing. */
void custody_note_import(struct cli *cli, const struct seed_import *x);
/* Every set on @medium that was verified. */
void custody_note_verify(struct cli *cli, struct seed_medium *medium, const struct seed_verify *v);

#endif
