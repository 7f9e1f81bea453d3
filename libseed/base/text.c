// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/text.h"

#include <stdio.h>
#include <string.h>

#include "base/base_internal.h"

static const char hex_digits[] = "0123456789abcdef";
static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base32_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/* The value of one digit of @alphabet, or -1; NUL is no digit. */
static int digit_value(const char *alphabet, char c)
{
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

char *seed_hex(const void *data, size_t len, char *out)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = hex_digits[p[i] >> 4];
		out[2 * i + 1] = hex_digits[p[i] & 15];
	}
	out[2 * len] = '\0';
	return out;
}

int seed_hex_parse(void *out, size_t len, const char *text, struct seed_error *err)
{
	uint8_t *p = out;

	if (strnlen(text, 2 * len + 1) != 2 * len || strspn(text, hex_digits) != 2 * len)
		return seed_error_set(err, SEED_ERR_FORMAT, "not %zu lower-case hex digits",
				      2 * len);
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(digit_value(hex_digits, text[2 * i]) << 4 |
				 digit_value(hex_digits, text[2 * i + 1]));
	return 0;
}

char *seed_base64(const void *data, size_t len, char *out)
{
	const uint8_t *p = data;
	char *q = out;

	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t bits = (uint32_t)p[i] << 16;

		if (n > 1)
			bits |= (uint32_t)p[i + 1] << 8;
		if (n > 2)
			bits |= p[i + 2];
		*q++ = base64_digits[bits >> 18];
		*q++ = base64_digits[bits >> 12 & 63];
		*q++ = n > 1 ? base64_digits[bits >> 6 & 63] : '=';
		*q++ = n > 2 ? base64_digits[bits & 63] : '=';
	}
	*q = '\0';
	return out;
}

/* One group of four characters to @n bytes (1 to 3); false when it is not canonical. */
static bool base64_group(uint8_t *out, size_t n, const char *text)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		int v = i <= n ? digit_value(base64_digits, text[i]) : text[i] == '=' ? 0 : -1;

		if (v < 0)
			return false;
		bits = bits << 6 | (uint32_t)v;
	}
	for (size_t i = 0; i < n; i++)
		out[i] = (uint8_t)(bits >> (16 - 8 * i));
	return (bits & ((1u << (24 - 8 * n)) - 1)) == 0;
}

int seed_base64_parse(void *out, size_t len, const char *text, struct seed_error *err)
{
	size_t groups = len / 3 + (len % 3 != 0), i = 0;
	uint8_t *p = out;

	if (strnlen(text, 4 * groups + 1) == 4 * groups)
		for (; i < groups; i++)
			if (!base64_group(p + 3 * i, len - 3 * i < 3 ? len - 3 * i : 3,
					  text + 4 * i))
				break;
	if (i < groups || text[4 * groups])
		return seed_error_set(err, SEED_ERR_FORMAT, "not the base64 form of %zu bytes",
				      len);
	return 0;
}

char *seed_base32(const void *data, size_t digits, char *out)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < digits; i++) {
		size_t bit = 5 * i, shift = bit % 8;
		unsigned int two = (unsigned int)p[bit / 8] << 8;

		if (shift > 3)		/* the digit reaches into the next byte */
			two |= p[bit / 8 + 1];
		out[i] = base32_digits[two >> (11 - shift) & 31];
	}
	out[digits] = '\0';
	return out;
}

static const char size_units[] = "KMGTPE";

char *seed_size_text(uint64_t bytes, char *out)
{
	unsigned int unit = 0;
	uint64_t tenths;

	while (unit < 6 && bytes >> (10 * unit) >= 1024)
		unit++;
	if (unit == 0) {
		snprintf(out, 32, "%u B", (unsigned int)bytes);
		return out;
	}
	for (;; unit++) {
		uint64_t one = UINT64_C(1) << (10 * unit), rest = bytes & (one - 1);

		tenths = (bytes >> (10 * unit)) * 10 + (rest * 10 + one / 2) / one;
		if (tenths < 10240 || unit == 6)
			break;		/* 1023.97 rounds up to 1024: that is one of the next */
	}
	if (tenths % 10)
		snprintf(out, 32, "%u.%u %ciB", (unsigned int)(tenths / 10),
			 (unsigned int)(tenths % 10), size_units[unit - 1]);
	else
		snprintf(out, 32, "%u %ciB", (unsigned int)(tenths / 10), size_units[unit - 1]);
	return out;
}

/* The multiplier that @unit names, 0 if it names none. */
static uint64_t unit_value(const char *unit)
{
	uint64_t value = 1, base;
	const char *at;
	char letter;

	if (!*unit || strcmp(unit, "B") == 0)
		return 1;
	letter = *unit == 'k' ? 'K' : *unit;
	at = strchr(size_units, letter);
	if (!at)
		return 0;
	if (!unit[1] || strcmp(unit + 1, "iB") == 0)
		base = 1024;
	else if (strcmp(unit + 1, "B") == 0)
		base = 1000;
	else
		return 0;
	for (const char *p = size_units; p <= at; p++)
		value *= base;
	return value;
}

/* Decimal digits at *@p; false when there are none or they do not fit. */
static bool take_number(const char **p, uint64_t *out)
{
	const char *start = *p;
	uint64_t value = 0;

	for (; **p >= '0' && **p <= '9'; (*p)++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(**p - '0'), &value))
			return false;
	*out = value;
	return *p != start;
}

static bool size_value(const char *text, uint64_t *out)
{
	uint64_t whole, part = 0, scale = 1, unit;
	const char *p = text, *dot = NULL;

	if (!take_number(&p, &whole))
		return false;
	if (*p == '.') {
		dot = ++p;
		if (!take_number(&p, &part) || p - dot > 9)
			return false;
		for (; dot < p; dot++)
			scale *= 10;
	}
	if (*p == ' ' && p[1])
		p++;
	unit = unit_value(p);
	if (unit == 0 || (dot && unit == 1))	/* half a byte */
		return false;
	part = (uint64_t)((unsigned __int128)part * unit / scale);
	return !__builtin_mul_overflow(whole, unit, out) &&
	       !__builtin_add_overflow(*out, part, out);
}

int seed_size_parse(uint64_t *out, const char *text, struct seed_error *err)
{
	char shown[SEED_QUOTED];
	uint64_t value;

	if (!size_value(text, &value))
		return seed_error_set(err, SEED_ERR_USAGE,
				      "not a size: %s (write 64K, 1.5G or 10GB)",
				      seed_quote(text, shown, sizeof(shown)));
	*out = value;
	return 0;
}
