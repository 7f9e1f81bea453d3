/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scope-bound ownership: a variable that owns something frees it at the end of its scope. */
#ifndef SEED_BASE_CLEANUP_H
#define SEED_BASE_CLEANUP_H

#include <stdlib.h>
#include <string.h>

#define SEED_AUTO(fn) __attribute__((cleanup(fn)))

static inline void seed_freep(void *pp)
{
	void *p;

	memcpy(&p, pp, sizeof(p));
	free(p);
}

/* Leave the scope with the resource: returns *@pp and clears it. */
static inline void *seed_steal(void *pp)
{
	void *p, *none = NULL;

	memcpy(&p, pp, sizeof(p));
	memcpy(pp, &none, sizeof(p));
	return p;
}

#endif
