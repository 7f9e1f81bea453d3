/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asking a person at the controlling terminal, whatever stdin and stdout are. */
#ifndef TOOLS_TERMINAL_H
#define TOOLS_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/cancel.h"

/* Is there somebody to ask? */
bool terminal_present(void);
/* One line without its newline. @secret: not shown while it is typed. USAGE when there is no
 * terminal, no answer, or one that is too long; CANCELLED by a signal. */
int terminal_ask(const char *prompt, bool secret, const struct seed_cancel *cancel, char *out,
		 size_t size, struct seed_error *err);

#endif
