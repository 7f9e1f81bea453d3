/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared inside base/ only. */
#ifndef SEED_BASE_INTERNAL_H
#define SEED_BASE_INTERNAL_H

#include <stdint.h>
#include <stddef.h>

#include "base/error.h"

/* Bytes of the UTF-8 character at @p (1 to 4, its code point in *@code), or 0 when
 * the first bytes of @p are not one: overlong, surrogate, past U+10FFFF, cut short. */
size_t seed_utf8_char(const uint8_t *p, size_t len, uint32_t *code);

/* Make formatted text one line of valid UTF-8: control characters (C0, DEL, C1) and
 * stray bytes become '?', and a character that the end of the buffer cut in two goes. */
void seed_line_clean(char *text);

/* The folder that holds @path's last name, opened beneath @dir (the caller closes it),
 * and that name, which points into @path. */
int seed_path_split(int *parent, const char **name, int dir, const char *path,
		    struct seed_error *err);

/* A new file without a name, for reading and writing, on @folder's file system; it ends
 * with its descriptor. */
int seed_file_unnamed(int *out, int folder, struct seed_error *err);

#endif
