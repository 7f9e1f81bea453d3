/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Being asked to stop. tools/ sets the flag from a signal handler; loops of the
 * library look at it between blocks and unwind with SEED_ERR_CANCELLED.
 */
#ifndef SEED_BASE_CANCEL_H
#define SEED_BASE_CANCEL_H

#include <signal.h>
#include <stdatomic.h>

#include "base/error.h"

struct seed_cancel {
	atomic_int signal;	/* 0, or the signal that asks us to stop; lock-free */
};

/* NULL is never cancelled. */
static inline int seed_cancelled(const struct seed_cancel *cancel, struct seed_error *err)
{
	int sig = cancel ? atomic_load_explicit(&cancel->signal, memory_order_relaxed) : 0;

	return sig ? seed_error_set(err, SEED_ERR_CANCELLED, "stopped by signal %d", sig) : 0;
}

#endif
