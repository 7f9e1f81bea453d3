// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* The first and last second that four digits of a year can name. */
#define YEAR_0000 INT64_C(-62167219200)
#define YEAR_9999 INT64_C(253402300799)

uint64_t seed_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

int64_t seed_clock_wall(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

/* A time that does not fit the form is shown as the nearest one that does: it is
 * only ever shown, and may come from a document of someone else's. */
char *seed_clock_text(int64_t unix_seconds, char *out)
{
	time_t when = unix_seconds < YEAR_0000 ? YEAR_0000 :
		      unix_seconds > YEAR_9999 ? YEAR_9999 : unix_seconds;
	struct tm tm;

	char year[16];		/* strftime does not pad a year */

	gmtime_r(&when, &tm);
	strftime(out, SEED_TIME_TEXT, "0000-%m-%dT%H:%M:%SZ", &tm);
	snprintf(year, sizeof(year), "%04d", tm.tm_year + 1900);
	memcpy(out, year, 4);
	return out;
}
