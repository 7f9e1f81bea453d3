/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "signals.h"

#include <stddef.h>

/* A handler can only reach what is global. */
static struct seed_cancel cancel;
static atomic_int usr1;

static void on_stop(int sig)
{
	if (atomic_load(&cancel.signal) != 0 && sig == SIGINT) {
		/* Asked twice: nothing that we write needs an orderly end. */
		signal(sig, SIG_DFL);
		raise(sig);
	}
	atomic_store(&cancel.signal, sig);
}

static void on_usr1(int sig)
{
	(void)sig;
	atomic_store(&usr1, 1);
}

static void install(int sig, void (*handler)(int), int flags)
{
	struct sigaction act = { .sa_handler = handler, .sa_flags = flags }, old;

	sigemptyset(&act.sa_mask);
	if (sigaction(sig, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		sigaction(sig, &act, NULL);
}

void signals_install(void)
{
	/* Without SA_RESTART: a prompt that waits for a line wakes up. */
	install(SIGINT, on_stop, 0);
	install(SIGTERM, on_stop, 0);
	install(SIGHUP, on_stop, 0);
	install(SIGUSR1, on_usr1, SA_RESTART);
	signal(SIGPIPE, SIG_IGN);
}

const struct seed_cancel *signals_cancel(void)
{
	return &cancel;
}

bool signals_take_usr1(void)
{
	return atomic_exchange(&usr1, 0) != 0;
}
