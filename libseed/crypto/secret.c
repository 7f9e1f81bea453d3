// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * Every secret has whole pages of its own: locks and dump advice work on pages, and do not
 * nest, so two secrets on one page would unlock each other.
 */
#include "crypto/secret.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

void seed_wipe(void *data, size_t len)
{
	if (data)
		explicit_bzero(data, len);
}

/* @len in whole pages, at least one; 0 when that does not fit. */
static size_t round_to_pages(size_t len)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	if (len > SIZE_MAX - page)
		return 0;
	return len == 0 ? page : (len + page - 1) / page * page;
}

void *seed_secret_new(size_t len, struct seed_error *err)
{
	size_t size = round_to_pages(len);
	void *p = MAP_FAILED;

	if (size > 0)
		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		seed_error_sys(err, ENOMEM, "memory for a secret");
		return NULL;
	}
	/* Both are precautions; where a limit forbids them the key still has to work. */
	(void)mlock(p, size);
	(void)madvise(p, size, MADV_DONTDUMP);
	return p;
}

void seed_secret_free(void *secret, size_t len)
{
	size_t size = round_to_pages(len);

	if (!secret)
		return;
	explicit_bzero(secret, size);
	(void)munmap(secret, size);	/* unlocks too */
}
