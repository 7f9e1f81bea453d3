/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An error as the verdict of one VM or disk: in a table cell, and in JSON. */
#ifndef TOOLS_VERDICT_H
#define TOOLS_VERDICT_H

#include <stddef.h>

#include "base/error.h"
#include "doc/json.h"

/* The text, with what the system said behind it; "" without an error. Returns @out. */
const char *verdict_text(const struct seed_error *err, char *out, size_t size);
/* "error": null, or {"kind", "text"}. */
void verdict_json(struct seed_json *object, const struct seed_error *err);

#endif
