// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * ssh joins what stands behind the host with spaces and gives it to the far shell, so the command
 * is one string of characters that no shell looks at twice. Ours come first: of an option named
 * twice ssh takes the first. The far site is not trusted, so no agent and no display goes there,
 * and no tunnel that the person's own configuration opens with this host.
 */
#include <stdio.h>
#include <string.h>

#include "wire/transport_internal.h"

static int add_all(struct seed_argv *argv, const char *const *words, struct seed_error *err)
{
	for (; *words; words++)
		if (seed_argv_add(argv, *words, err) < 0)
			return -1;
	return 0;
}

static int add_pair(struct seed_argv *argv, const char *option, const char *value,
		    struct seed_error *err)
{
	const char *const words[] = { option, value, NULL };

	return value ? add_all(argv, words, err) : 0;
}

static int add_command(struct seed_argv *argv, const struct seed_dest *dest,
		       const struct seed_transport_options *opt, struct seed_error *err)
{
	const char *program = opt->remote_program ? opt->remote_program : "vmseed";
	char command[4096];
	int n;

	if (!seed_dest_shell_safe(program))
		return seed_error_set(err, SEED_ERR_USAGE,
				      "the remote program may be named with "
				      "A-Z a-z 0-9 . _ / ~ + @ -");
	if (dest->home && !seed_dest_shell_safe(dest->home))
		return seed_error_set(err, SEED_ERR_USAGE, "%s: not a home for ssh", dest->text);
	n = snprintf(command, sizeof(command), "%s%s%s serve", program,
		     dest->home ? " --home " : "", dest->home ? dest->home : "");
	if (n < 0 || (size_t)n >= sizeof(command))
		return seed_error_set(err, SEED_ERR_USAGE, "%s: too long", dest->text);
	return seed_argv_add(argv, command, err);
}

int seed_transport_ssh(struct seed_argv *argv, const struct seed_dest *dest,
		       const struct seed_transport_options *opt, struct seed_error *err)
{
	const char *const ours[] = {
		opt->ssh ? opt->ssh : "ssh", "-T", "-a", "-x", "-e", "none",
		"-o", "RequestTTY=no", "-o", "ClearAllForwardings=yes",
		"-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4", NULL,
	};
	const char *const to[] = { "--", dest->host, NULL };

	if (!dest->host || dest->host[0] == '-' || (dest->user && dest->user[0] == '-'))
		return seed_error_set(err, SEED_ERR_USAGE, "no host to connect to");
	if (add_all(argv, ours, err) < 0 ||
	    add_pair(argv, "-o", opt->may_ask ? NULL : "BatchMode=yes", err) < 0)
		return -1;
	for (const char *const *o = opt->ssh_options; o && *o; o++)
		if (add_pair(argv, "-o", *o, err) < 0)
			return -1;
	/* Behind theirs, since ssh takes the first: a host that does not answer must not hold a
	 * nightly run for ever. */
	if (add_pair(argv, "-o", "ConnectTimeout=30", err) < 0 ||
	    add_pair(argv, "-p", dest->port, err) < 0 ||
	    add_pair(argv, "-l", dest->user, err) < 0 || add_all(argv, to, err) < 0)
		return -1;
	return add_command(argv, dest, opt, err);
}
