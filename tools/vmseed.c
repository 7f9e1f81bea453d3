/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command: one table, and where errors become words and an exit status. (no header) */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "cli.h"
#include "commands.h"
#include "signals.h"
#include "streams.h"

static int cmd_help(struct cli *cli, int argc, const char **argv, struct seed_error *err);

static const struct cli_command commands[] = {
	{ "key", cmd_key, "this site's keys, and the sites that it trusts" },
	{ "media", cmd_media, "the media that sets of VMs travel on" },
	{ "export", cmd_export, "VMs to a medium, each disk read once" },
	{ "verify", cmd_verify, "a medium or a replica, read whole" },
	{ "import", cmd_import, "every VM on the media becomes a replica" },
	{ "resync", cmd_resync, "replicas at another site brought up to date" },
	{ "serve", cmd_serve, "the far end of a resync" },
	{ "status", cmd_status, "this site's replicas, and the VMs that it exports" },
	{ "promote", cmd_promote, "a replica becomes the VM" },
	{ "adopt", cmd_adopt, "disks that are here become a replica again" },
	{ "points", cmd_points, "earlier states of replicas: list, restore, delete" },
	{ "help", cmd_help, "how a command is used" },
	{ NULL, NULL, NULL },
};

static const struct cli_usage usage = {
	.args = "COMMAND [ARGUMENT...]",
	.about = "vmseed carries virtual machines to another site on removable media.",
	.examples = {
		"vmseed key new hq",
		"vmseed help key trust",
	},
};

/* `vmseed help key trust` is `vmseed key trust --help`. */
static int cmd_help(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	SEED_AUTO(seed_freep) const char **args = calloc((size_t)argc + 2, sizeof(*args));

	if (!args)
		return seed_error_sys(err, ENOMEM, "help");
	for (int i = 0; i < argc; i++)
		args[i] = argv[i];
	args[argc] = "--help";
	cli_leave(cli);
	return cli_dispatch(cli, argc + 1, args, commands, &usage, err);
}

static int exit_status(const struct seed_error *err)
{
	int sig;

	switch (err->kind) {
	case SEED_ERR_USAGE:
		return 2;
	case SEED_ERR_PARTIAL:
		return 3;
	case SEED_ERR_INTEGRITY:
		return 4;
	case SEED_ERR_TRUST:
		return 5;
	case SEED_ERR_IDENTITY:
		return 6;
	case SEED_ERR_MEDIUM:
		return 7;
	case SEED_ERR_BUSY:
		return 8;
	case SEED_ERR_LOCKED:
		return 9;
	case SEED_ERR_CANCELLED:
		sig = atomic_load(&signals_cancel()->signal);
		return sig ? 128 + sig : 1;
	case SEED_ERR_NONE:
	case SEED_ERR_SYSTEM:
	case SEED_ERR_RANGE:
	case SEED_ERR_FORMAT:
	case SEED_ERR_NOTFOUND:
	case SEED_ERR_LINK:
		break;
	}
	return 1;
}

static int run(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	static const char *const alone[] = { "vmseed", NULL };

	if (cli_open(cli, err) < 0)
		return -1;
	if (argc < 1) {		/* execve() without even a name */
		argc = 1;
		argv = (const char **)alone;
	}
	if (cli_dispatch(cli, argc, argv, commands, &usage, err) < 0 && !cli_ended(cli))
		return -1;
	return streams_finish(err);
}

/* Lists and disks of many VMs are open at once; the usual soft limit is for programs that use
 * select(2), which we do not. */
static void raise_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
	struct seed_error err = { 0 };
	struct cli cli = { 0 };
	int status = 0;

	streams_open();
	signals_install();
	raise_descriptors();
	/* Characters have the locale's width; numbers keep the C form everywhere. */
	setlocale(LC_CTYPE, "");
	if (run(&cli, argc, (const char **)argv, &err) < 0)
		status = exit_status(&err);
	cli_finish(&cli, status, &err);
	cli_close(&cli);
	return status;
}
