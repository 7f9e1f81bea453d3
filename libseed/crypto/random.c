// SPDX-License-Identifier: LGPL-2.1-or-later
#include "crypto/random.h"

#include <errno.h>
#include <sys/random.h>

int seed_random(void *out, size_t len, struct seed_error *err)
{
	unsigned char *next = out;

	while (len > 0) {
		ssize_t got = getrandom(next, len, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return seed_error_sys(err, errno, "random bytes from the kernel");
		next += got;
		len -= (size_t)got;
	}
	return 0;
}

int seed_random_id(struct seed_id *out, struct seed_error *err)
{
	struct seed_id id;

	if (seed_random(id.bytes, sizeof(id.bytes), err) < 0)
		return -1;
	*out = id;
	return 0;
}
