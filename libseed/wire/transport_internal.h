/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two kinds of child, as argument vectors. */
#ifndef SEED_WIRE_TRANSPORT_INTERNAL_H
#define SEED_WIRE_TRANSPORT_INTERNAL_H

#include <stddef.h>

#include "wire/transport.h"

#define SEED_ARGV_MAX 128u

struct seed_argv {
	char *arg[SEED_ARGV_MAX + 1];	/* each allocated; NULL behind the last */
	size_t count;
};

/* A copy of @text; RANGE when there are too many. */
int seed_argv_add(struct seed_argv *argv, const char *text, struct seed_error *err);
void seed_argv_clear(struct seed_argv *argv);
static inline void seed_argv_clearp(struct seed_argv *argv) { seed_argv_clear(argv); }

int seed_transport_ssh(struct seed_argv *argv, const struct seed_dest *dest,
		       const struct seed_transport_options *opt, struct seed_error *err);
int seed_transport_local(struct seed_argv *argv, const struct seed_dest *dest,
			 const struct seed_transport_options *opt, struct seed_error *err);

/* What may pass the far shell unquoted: [A-Za-z0-9._/~+@-], not empty, no '-' first. */
bool seed_dest_shell_safe(const char *text);

#endif
