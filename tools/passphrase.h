/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where the keys' passphrase comes from: a file, a descriptor, a command, or
 * the terminal; never the command line, where all users of a host can read it.
 */
#ifndef TOOLS_PASSPHRASE_H
#define TOOLS_PASSPHRASE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cancel.h"

struct passphrase_source {
	char *file;		/* --passphrase-file */
	char *command;		/* --passphrase-command; run by /bin/sh */
	int fd;			/* --passphrase-fd, or -1 */
};
void passphrase_source_clear(struct passphrase_source *source);

/* An option, or VMSEED_PASSPHRASE_FILE or VMSEED_PASSPHRASE_COMMAND, names a source. */
bool passphrase_source_given(const struct passphrase_source *source);
/* From the one source that the options or, without any, the variables name; else @prompt at the
 * terminal. One line, its newline not counted; USAGE when it is empty, too long or not text, or
 * when two sources are named. */
int passphrase_get(const struct passphrase_source *source, const char *prompt,
		   const struct seed_cancel *cancel, char *out, size_t size,
		   struct seed_error *err);
/* A new one, typed twice at the terminal. */
int passphrase_choose(const struct seed_cancel *cancel, char *out, size_t size,
		      struct seed_error *err);

#endif
