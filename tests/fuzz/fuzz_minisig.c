// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * A .minisig from a stranger. Whatever the bytes, reading ends in an error or in a key id; and
 * since the fuzzer has no secret key, no signature that is not the genuine one ever verifies.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/sign.h"

static const char document[] = "vmseed signs this\n";
static const char key_text[] = "RWQh/jHfoVSiYddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea";
static const char genuine[] =
	"RUQh/jHfoVSiYSkySwIE+4xszUsp6+NImATtxkGMdMCEmJgXb4o+AMCnYDMTcxrRphF9AwLIqS5R6X4YuDbf"
	"+EhkTpSOT4OrHQc=\n"
	"trusted comment: timestamp:1795399998\tfile:doc\thashed\n"
	"E73HltlCZaRbqwIOMFYP3Qcqd7Dqji0ovM0AFmiPeo+5tUO+iga5perK9P0P42d5Xui9sp2FOhUHPqgUXLuWBg==\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	uint8_t id[SEED_KEY_ID];
	struct seed_public_key key;
	struct seed_error err = { 0 };
	bool named;

	if (seed_public_key_parse(&key, key_text, &err) < 0)
		abort();
	named = seed_signature_key_id(text, size, id, &err) == 0;
	if (!named && (err.kind != SEED_ERR_TRUST || !err.text[0]))
		abort();
	if (seed_sign_verify(&key, document, strlen(document), text, size, &err) == 0) {
		const char *line = memchr(text, '\n', size);

		if (!named || !line || (size_t)(text + size - line - 1) != strlen(genuine) ||
		    memcmp(line + 1, genuine, strlen(genuine)) != 0)
			abort();
	}
	return 0;
}
