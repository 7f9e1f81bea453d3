/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Signals, for the whole process: SIGINT, SIGTERM and SIGHUP ask the running
 * operation to stop (a second SIGINT ends at once), SIGPIPE becomes a write
 * error, SIGUSR1 asks for one line of progress. What was ignored when we
 * were started (nohup, a shell's background job) stays ignored.
 */
#ifndef TOOLS_SIGNALS_H
#define TOOLS_SIGNALS_H

#include <stdbool.h>

#include "base/cancel.h"

void signals_install(void);
const struct seed_cancel *signals_cancel(void);
/* True once for each SIGUSR1 (several in a row count as one). */
bool signals_take_usr1(void);

#endif
