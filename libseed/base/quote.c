// SPDX-License-Identifier: LGPL-2.1-or-later
/* The part of text.h that looks at characters: UTF-8, quoting, one line of text. */
#include <stdio.h>
#include <string.h>

#include "base/base_internal.h"
#include "base/text.h"

size_t seed_utf8_char(const uint8_t *p, size_t len, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n;
	uint32_t c;

	if (len == 0)
		return 0;
	if (p[0] < 0x80) {
		*code = p[0];
		return 1;
	}
	n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
	if (p[0] < 0xc2 || p[0] > 0xf4 || len < n)
		return 0;
	c = p[0] & (0x7fu >> n);
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*code = c;
	return n;
}

bool seed_utf8_valid(const char *text, size_t len)
{
	const uint8_t *p = (const uint8_t *)text;
	uint32_t code;
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		n = seed_utf8_char(p + i, len - i, &code);
		if (n == 0)
			return false;
	}
	return true;
}

static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f);
}

/* Characters that change how others are shown, or are not shown at all: marks and
 * overrides of direction, joiners, zero-width spaces, line separators, tags. */
static bool is_hidden(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} hidden[] = {
		{ 0x00ad, 0x00ad }, { 0x034f, 0x034f }, { 0x061c, 0x061c }, { 0x180e, 0x180e },
		{ 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xfeff, 0xfeff },
		{ 0xfff9, 0xfffb }, { 0x1d173, 0x1d17a }, { 0xe0000, 0xe0fff },
	};

	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		if (c >= hidden[i].first && c <= hidden[i].last)
			return true;
	return false;
}

/* How the next character of @name is shown: 1 to 12 bytes in @shown. Returns the
 * bytes of @name that it took. */
static size_t show_char(const uint8_t *name, size_t left, char *shown, size_t *len)
{
	uint32_t code = 0;
	size_t took = seed_utf8_char(name, left, &code);

	if (took && !is_control(code) && !is_hidden(code)) {
		*len = 0;
		if (code == '"' || code == '\\')
			shown[(*len)++] = '\\';
		memcpy(shown + *len, name, took);
		*len += took;
		return took;
	}
	if (!took)
		took = 1;		/* a byte that is no character */
	for (size_t i = 0; i < took; i++)
		snprintf(shown + 3 * i, 4, "%%%02X", name[i]);
	*len = 3 * took;
	return took;
}

char *seed_quote(const char *name, char *out, size_t size)
{
	const uint8_t *p = (const uint8_t *)name;
	size_t left = strlen(name), at = 1, cut = 1, len, took;
	char shown[13];

	if (size < sizeof("\"...\"")) {		/* no room to show anything */
		if (size)
			snprintf(out, size, "...");
		return out;
	}
	out[0] = '"';
	for (; left; p += took, left -= took) {
		took = show_char(p, left, shown, &len);
		if (at + len + sizeof("\"") > size) {
			at = cut;
			memcpy(out + at, "...", 3);
			at += 3;
			break;
		}
		memcpy(out + at, shown, len);
		at += len;
		if (at + sizeof("...\"") <= size)
			cut = at;	/* the last place where "..." still fits */
	}
	out[at++] = '"';
	out[at] = '\0';
	return out;
}

/* Where a character begins that the end of the @len bytes cuts short; @len if none. */
static size_t whole_length(const uint8_t *text, size_t len)
{
	uint32_t code;
	size_t need;

	for (size_t back = 1; back <= 3 && back <= len; back++) {
		uint8_t c = text[len - back];

		if (c < 0x80)
			break;
		if (c < 0xc0)
			continue;	/* inside a character */
		need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
		if (need > back && !seed_utf8_char(text + len - back, back, &code))
			return len - back;
		break;
	}
	return len;
}

void seed_line_clean(char *text)
{
	uint8_t *p = (uint8_t *)text;
	size_t len = whole_length(p, strlen(text)), n;
	uint32_t code;

	text[len] = '\0';
	for (size_t i = 0; i < len; i += n) {
		n = seed_utf8_char(p + i, len - i, &code);
		if (n == 0) {
			n = 1;
			p[i] = '?';	/* also C1 as an 8-bit terminal would take it */
		} else if (is_control(code)) {
			memset(p + i, '?', n);
		}
	}
}
