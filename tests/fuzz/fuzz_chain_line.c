// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A line of a chain. The first byte chooses: 0 takes the rest as a line, as it is; otherwise the
 * rest is an entry's JSON, which is signed here so that what lies behind the signature is
 * reached as well.
 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "crypto/sign_internal.h"
#include "doc/chain_internal.h"

#define HEAD "{\"type\":\"history\",\"version\":1,\"key\":\""

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void open_line(const char *line, size_t len)
{
	struct seed_chain_entry entry = { .doc = NULL };
	struct seed_error err = { 0 };

	if (seed_chain_line_open(&entry, line, len, &err) < 0) {
		if (err.kind != SEED_ERR_INTEGRITY || !err.text[0])
			abort();
		return;
	}
	if (entry.first != (entry.number == 1))
		abort();
	seed_json_take_text(&entry.reader, "value", 100);
	seed_json_done(&entry.reader);
	seed_json_free(entry.doc);
}

static void open_signed(const uint8_t *data, size_t size)
{
	static const uint8_t secret[32] = { 1 };
	uint8_t raw[SEED_SIGNATURE_RAW];
	char key_text[SEED_PUBLIC_KEY_TEXT], base64[101];
	struct seed_signing_key *key = NULL;
	struct seed_error err = { 0 };
	size_t len = 0;
	char *line = malloc(size + 512);

	if (seed_signing_key_from_bytes(&key, secret, &err) < 0)
		abort();
	seed_public_key_text(seed_signing_key_public(key), key_text);
	len += strlen(strcpy(line, HEAD));
	len += strlen(strcpy(line + len, key_text));
	memcpy(line + len, data, size);
	len += size;
	if (seed_sign_raw(key, line, len, raw, &err) < 0)
		abort();
	line[len++] = '\t';
	seed_base64(raw, sizeof(raw), base64);
	memcpy(line + len, base64, 100);
	len += 100;
	line[len++] = '\n';
	open_line(line, len);
	seed_signing_key_free(key);
	free(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	if (data[0] == 0)
		open_line((const char *)data + 1, size - 1);
	else
		open_signed(data + 1, size - 1);
	return 0;
}
