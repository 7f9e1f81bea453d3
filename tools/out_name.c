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

void out_json_name(struct seed_json *object, const char *key, const char *name)
{
	SEED_AUTO(seed_freep) char *quoted = NULL;
	size_t size = 4 * strlen(name) + 8;	/* each byte at most %XX, the quotes, the NUL */

	if (seed_utf8_valid(name, strlen(name))) {
		seed_json_set_text(object, key, name);
		return;
	}
	quoted = malloc(size);
	seed_json_set_text(object, key, quoted ? seed_quote(name, quoted, size) : "?");
}
