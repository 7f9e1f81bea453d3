/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names from outside in results and progress lines. (no header of its own: out.h) */
#include <string.h>

#include "base/text.h"
#include "out.h"

const char *out_name(const char *name, char *buf, size_t size)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789._:-";

	if (*name && strspn(name, plain) == strlen(name))
		return name;
	return seed_quote(name, buf, size);
}
