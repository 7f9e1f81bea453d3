/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cmocka with the headers that it needs before it, and checks of our error values. */
#ifndef TESTS_CMOCKA_ALL_H
#define TESTS_CMOCKA_ALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/error.h"

/* The call succeeds; its error text is shown when it does not. */
#define assert_ok(call, err)								\
	do {										\
		if ((call) != 0)							\
			fail_msg("%s: %s (errno %d)", #call, (err)->text, (err)->sys_errno); \
	} while (0)

/* The call fails with this kind of error and a text that says something. */
#define assert_fails(call, err, expected)						\
	do {										\
		*(err) = (struct seed_error){ 0 };					\
		assert_int_equal(call, -1);						\
		if ((err)->kind != (expected))						\
			fail_msg("%s: kind %d: %s", #call, (int)(err)->kind, (err)->text); \
		assert_true((err)->text[0] != '\0');					\
	} while (0)

#endif
