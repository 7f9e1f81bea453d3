// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/error.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/base_internal.h"

/* Formats aside first: arguments may point into err->text. */
__attribute__((format(printf, 4, 0)))
static int fill(struct seed_error *err, enum seed_error_kind kind, int errnum,
		const char *fmt, va_list args)
{
	char text[sizeof(err->text)];

	if (!err)
		return -1;
	if (vsnprintf(text, sizeof(text), fmt, args) < 0)
		snprintf(text, sizeof(text), "error");
	seed_line_clean(text);
	err->kind = kind;
	err->sys_errno = errnum;
	memcpy(err->text, text, strlen(text) + 1);
	return -1;
}

int seed_error_set(struct seed_error *err, enum seed_error_kind kind, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fill(err, kind, 0, fmt, args);
	va_end(args);
	return -1;
}

int seed_error_sys(struct seed_error *err, int errnum, const char *fmt, ...)
{
	bool full = errnum == ENOSPC || errnum == EDQUOT || errnum == EFBIG;
	va_list args;

	va_start(args, fmt);
	fill(err, full ? SEED_ERR_MEDIUM : SEED_ERR_SYSTEM, errnum, fmt, args);
	va_end(args);
	return -1;
}

int seed_error_prefix(struct seed_error *err, const char *fmt, ...)
{
	char text[sizeof(err->text)];
	size_t len, rest;
	va_list args;
	int n;

	if (!err)
		return -1;
	va_start(args, fmt);
	n = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n < 0)
		return -1;
	seed_line_clean(text);
	len = strlen(text);
	if (len + 2 < sizeof(text) && err->text[0]) {
		memcpy(text + len, ": ", 2);
		len += 2;
		rest = strnlen(err->text, sizeof(err->text) - 1);
		if (rest > sizeof(text) - 1 - len)
			rest = sizeof(text) - 1 - len;
		memcpy(text + len, err->text, rest);
		text[len + rest] = '\0';
		seed_line_clean(text);
	}
	memcpy(err->text, text, strlen(text) + 1);
	return -1;
}
