/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text forms: hex, base64, base-32, sizes, and names from outside made safe to show. */
#ifndef SEED_BASE_TEXT_H
#define SEED_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* Lower-case hex; @out holds 2 * @len + 1. Parsing takes exactly @len bytes, lower case only. */
char *seed_hex(const void *data, size_t len, char *out);
int seed_hex_parse(void *out, size_t len, const char *text, struct seed_error *err);

/* Standard base64 with padding; @out holds 4 * ((@len + 2) / 3) + 1. Parsing is strict:
 * canonical padding and trailing bits, exactly @len bytes. */
char *seed_base64(const void *data, size_t len, char *out);
int seed_base64_parse(void *out, size_t len, const char *text, struct seed_error *err);

/* The first @digits base-32 characters (A-Z 2-7) of @data, most significant bit first. */
char *seed_base32(const void *data, size_t digits, char *out);

/**
 * seed_quote() - a name from outside, made safe for a terminal and one line
 *
 * Double quotes around it; '"' and '\' escaped; control characters, DEL, invalid
 * UTF-8 and bidirectional or zero-width format characters percent-encoded. At most @size
 * bytes with the NUL, cut with "..." inside the quotes. Return: @out.
 */
char *seed_quote(const char *name, char *out, size_t size);
#define SEED_QUOTED 200		/* a good size for messages */

bool seed_utf8_valid(const char *text, size_t len);

/* "1.5 GiB", "64 KiB", "17 B": at most one decimal, as lsblk. @out holds 32. */
char *seed_size_text(uint64_t bytes, char *out);
/* "64K", "1.5G", "2 GiB" = powers of 1024; "1GB" = powers of 1000; plain = bytes. USAGE
 * on nonsense. Reads what seed_size_text() writes. */
int seed_size_parse(uint64_t *out, const char *text, struct seed_error *err);

#endif
