/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The child process behind a channel: ssh, or another vmseed on this machine. Always an argument
 * vector, never a shell of ours.
 */
#ifndef SEED_WIRE_TRANSPORT_H
#define SEED_WIRE_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* "ssh://[user@]host[:port][/home]" or a directory. */
struct seed_dest {
	bool local;
	char *user, *host, *port;	/* NULL: not given (user, port); NULL when @local */
	char *home;			/* path; NULL: the far end's default */
	char *text;			/* as given, for messages */
};
/* USAGE with what is wrong: a host or user that begins with '-', characters that no host name has,
 * an IPv6 address without brackets, a home with anything but [A-Za-z0-9._/~+@-] (it passes the far
 * shell), a password in the URL, another scheme, scp's HOST:PATH. A home "/~/x" is "~/x" there; "/"
 * is none. */
int seed_dest_parse(struct seed_dest *out, const char *text, struct seed_error *err);
void seed_dest_clear(struct seed_dest *dest);

struct seed_transport;

struct seed_transport_options {
	const char *program;		/* local: the vmseed to run (absolute) */
	const char *ssh;		/* NULL: "ssh", found in PATH */
	const char *const *ssh_options;	/* each goes behind a -o; NULL-terminated, or NULL */
	const char *remote_program;	/* NULL: "vmseed"; same characters as a home */
	bool may_ask;			/* false: BatchMode=yes, ssh asks nobody */
};

/* Starts the child, with our environment, default signals and no descriptor of ours. Its stderr is
 * captured: the last 8 KiB are kept for messages. ssh that @may_ask has our stderr instead: its
 * questions, and the banner before them, are for a person. */
int seed_transport_open(struct seed_transport **out, const struct seed_dest *dest,
			const struct seed_transport_options *opt, struct seed_error *err);
/* Descriptors for the channel; each may be taken once (ownership passes). */
int seed_transport_take_in(struct seed_transport *t);	/* what the far end writes */
int seed_transport_take_out(struct seed_transport *t);
/* The far end has spoken: what the child said up to now was a greeting (the banner of its host),
 * and is no reason of anything that comes. */
void seed_transport_greeted(struct seed_transport *t);
/* Closes what was not taken; the channel must be closed before, or the child has no reason to end.
 * Waits up to @grace_ms for the child to end by itself, then terminates it, then kills it. Adds to
 * @why what the child says about its death ("ssh: Could not resolve hostname ...", "ssh exited with
 * 255", "vmseed is not installed there ...") where @why is a LINK error; @why NULL: only ends it.
 * @t NULL is fine. */
void seed_transport_close(struct seed_transport *t, unsigned int grace_ms, struct seed_error *why);
static inline void seed_transport_closep(struct seed_transport **t)
{
	seed_transport_close(*t, 0, NULL);
}

#endif
