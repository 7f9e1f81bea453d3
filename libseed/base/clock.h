/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Time: monotonic for rates and deadlines; wall time is shown to people and decides nothing. */
#ifndef SEED_BASE_CLOCK_H
#define SEED_BASE_CLOCK_H

#include <stdint.h>

#define SEED_TIME_TEXT 21	/* "2026-01-02T03:04:05Z" and NUL */

uint64_t seed_clock_ms(void);			/* monotonic milliseconds */
char *seed_clock_text(int64_t unix_seconds, char *out);	/* RFC 3339 UTC */
int64_t seed_clock_wall(void);			/* seconds since 1970 */

#endif
