/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* See verdict.h. */
#include "verdict.h"

#include <stdio.h>
#include <string.h>

static const char *kind_name(enum seed_error_kind kind)
{
	static const char *const names[] = {
		[SEED_ERR_SYSTEM] = "system",	    [SEED_ERR_USAGE] = "usage",
		[SEED_ERR_RANGE] = "range",	    [SEED_ERR_FORMAT] = "format",
		[SEED_ERR_INTEGRITY] = "integrity", [SEED_ERR_TRUST] = "trust",
		[SEED_ERR_IDENTITY] = "identity",   [SEED_ERR_MEDIUM] = "medium",
		[SEED_ERR_BUSY] = "busy",	    [SEED_ERR_LOCKED] = "locked",
		[SEED_ERR_PARTIAL] = "partial",	    [SEED_ERR_CANCELLED] = "cancelled",
		[SEED_ERR_NOTFOUND] = "not-found",
		[SEED_ERR_LINK] = "link",
	};

	return names[kind] ? names[kind] : "none";
}

const char *verdict_text(const struct seed_error *err, char *out, size_t size)
{
	if (err->sys_errno)
		snprintf(out, size, "%s: %s", err->text, strerror(err->sys_errno));
	else
		snprintf(out, size, "%s", err->text);
	return out;
}

void verdict_json(struct seed_json *object, const struct seed_error *err)
{
	struct seed_json *e;
	char text[sizeof(err->text) + 80];

	if (!err->kind) {
		seed_json_set_null(object, "error");
		return;
	}
	e = seed_json_new_object();
	seed_json_set_text(e, "kind", kind_name(err->kind));
	seed_json_set_text(e, "text", verdict_text(err, text, sizeof(text)));
	seed_json_set(object, "error", e);
}
