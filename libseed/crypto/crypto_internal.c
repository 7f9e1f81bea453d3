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
