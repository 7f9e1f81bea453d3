// SPDX-License-Identifier: LGPL-2.1-or-later
#include <errno.h>
#include <openssl/err.h>

#include "crypto/crypto_internal.h"

int seed_libcrypto_error(struct seed_error *err, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;
	int errnum = !code || ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE ? ENOMEM : ENOTSUP;

	seed_error_sys(err, errnum, "libcrypto: %s%s%s", what, reason ? ": " : "",
		       reason ? reason : "");
	ERR_clear_error();
	return -1;
}

int seed_libcrypto_refuse(struct seed_error *err, enum seed_error_kind kind, const char *text)
{
	unsigned long code;
	int short_of_memory = 0;

	while ((code = ERR_get_error()) != 0)
		short_of_memory |= ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
	if (short_of_memory)
		return seed_error_sys(err, ENOMEM, "libcrypto");
	return seed_error_set(err, kind, "%s", text);
}
