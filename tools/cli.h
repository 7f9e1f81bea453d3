/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every subcommand stands on: options (popt), the common options, the
 * home with its keys and trust, progress, and messages.
 *
 * A command is one function, listed in vmseed.c's table:
 *
 *	int cmd_export(struct cli *cli, int argc, const char **argv, struct seed_error *err)
 *	{
 *		SEED_AUTO(seed_freep) char *site = NULL;
 *		SEED_AUTO(cli_list_freep) const char **media = NULL;
 *		const struct poptOption table[] = {
 *			{ "media", 'm', POPT_ARG_ARGV, &media, 0, "write to DIR's medium", "DIR" },
 *			{ "for", 0, POPT_ARG_STRING, &site, 0, "seal for SITE", "SITE" },
 *			POPT_TABLEEND
 *		};
 *		SEED_AUTO(cli_popt_freep) poptContext ctx =
 *			cli_begin(cli, argc, argv, table, &(struct cli_usage){
 *				.args = "VM...", .about = "Export VMs to media.",
 *				.examples = { "vmseed export ...", "vmseed export ..." } });
 *		if (cli_parse(cli, ctx, err) < 0 || cli_need(media, "--media", err) < 0 ||
 *		    cli_need_args(ctx, 1, CLI_ANY, err) < 0)
 *			return -1;
 *		return seed_export(&opt, ..., cli_rest(ctx), cli_events(cli), err);
 *	}
 *
 * It returns 0, or -1 with @err set; vmseed.c alone prints the error, with the
 * command's name before it, and turns its kind into the exit status. Results
 * go to stdout (printf, out.h); its write errors are noticed at the end.
 * Everything said to people beside the result goes through cli_events(),
 * cli_note() or cli_warn(): they keep clear of the progress line.
 */
#ifndef TOOLS_CLI_H
#define TOOLS_CLI_H

#include <popt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cancel.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/event.h"
#include "trust/keyfile.h"
#include "trust/trust.h"

enum cli_when { CLI_AUTO, CLI_ALWAYS, CLI_NEVER };
enum cli_progress {
	CLI_PROGRESS_AUTO, CLI_PROGRESS_TTY, CLI_PROGRESS_PLAIN, CLI_PROGRESS_JSON,
	CLI_PROGRESS_NONE,
};

struct cli {
	/* The common options, valid after cli_parse(). */
	bool dry_run;			/* -n: say what would be done, change nothing */
	bool json;			/* --json: the result is one JSON document (out.h) */
	bool quiet;			/* -q: no progress and no notes; warnings stay */
	bool yes;			/* -y: never answers a fingerprint or an identity */
	unsigned int verbose;		/* -v, counted */
	unsigned int jobs;		/* -j: worker threads, 1 to CLI_JOBS_MAX; default: CPUs we
					 * may use */
	uint64_t memory;		/* --memory in bytes; default: a quarter of RAM */

	const struct seed_cancel *cancel;	/* set by SIGINT, SIGTERM, SIGHUP: pass it down */

	struct cli_state *state;	/* cli.c's own */
};
#define CLI_JOBS_MAX 256

/* ---- options ---- */

struct cli_usage {
	const char *args;		/* after the options: "VM..."; NULL: none */
	const char *about;		/* one or two sentences */
	const char *examples[4];	/* whole command lines; two at least */
	/* With verbs: what runs when the first argument is none of them, or there is none; NULL:
	 * that is an error. argv[0] is its to overwrite, as everywhere. */
	int (*otherwise)(struct cli *cli, int argc, const char **argv, struct seed_error *err);
};

/* @table: the command's own options; those with an argument pointer only (popt stores there; what
 * it stores is the caller's). Common options, --help and --version are added. Both @table and @use
 * are borrowed until cli_popt_freep(). Options may stand before, between and after arguments;
 * "--" ends them. */
poptContext cli_begin(struct cli *cli, int argc, const char **argv, const struct poptOption *table,
		      const struct cli_usage *use);
/* Reads all options. USAGE naming the option that is unknown, lacks its value or has a wrong one.
 * After --help and --version it fails too, with no error set: returning -1 ends with status 0. */
int cli_parse(struct cli *cli, poptContext ctx, struct seed_error *err);
void cli_popt_freep(poptContext *ctx);
/* For POPT_ARG_ARGV: a NULL-terminated array, NULL when the option was not given. */
void cli_list_freep(const char ***list);
size_t cli_list_count(const char *const *list);

/* The arguments that are no options, NULL-terminated, borrowed from @ctx; never NULL. */
const char **cli_rest(poptContext ctx);
/* USAGE unless there are @min to @max of them. */
int cli_need_args(poptContext ctx, size_t min, size_t max, struct seed_error *err);
#define CLI_ANY SIZE_MAX
/* USAGE "OPTION is needed" when @value is NULL. */
int cli_need(const void *value, const char *option, struct seed_error *err);

struct cli_command {
	const char *name;
	int (*run)(struct cli *cli, int argc, const char **argv, struct seed_error *err);
	const char *summary;
};
/* For a command with verbs (key, media): takes common options before the verb, shows the verbs on
 * --help, suggests the nearest name when there is no such verb. @table ends with a NULL name. */
int cli_dispatch(struct cli *cli, int argc, const char **argv, const struct cli_command *table,
		 const struct cli_usage *use, struct seed_error *err);

/* ---- the home: --home, VMSEED_HOME or the default ---- */

const char *cli_home_path(struct cli *cli);	/* as messages show it; NULL when there is none */
/* Borrowed descriptor of the folder. USAGE when it is missing (and says where else a key is), when
 * others may write to it, or when it belongs to somebody else. */
int cli_home(struct cli *cli, int *out, struct seed_error *err);
/* The same, made (0700) when it is missing. Not under --dry-run: then as cli_home(). */
int cli_home_make(struct cli *cli, int *out, struct seed_error *err);
/* This site's keys, opened once, asking for a passphrase if they have one; borrowed. USAGE with the
 * way on when the home has none. */
int cli_site(struct cli *cli, const struct seed_site **out, struct seed_error *err);
/* Whom this home trusts, loaded once, its own site included; needs no passphrase; borrowed. */
int cli_trust(struct cli *cli, const struct seed_trust **out, struct seed_error *err);
/* A NOTFOUND of something that was named on the command line is the user's: makes it USAGE
 * (exit 2). Returns -1: "return cli_named(err)". */
int cli_named(struct seed_error *err);

/* ---- messages and progress, all on stderr ---- */

const struct seed_events *cli_events(struct cli *cli);
/* Before a result is printed: the progress line is closed, or the two would stand in one line. */
void cli_end_progress(struct cli *cli);
void cli_note(struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void cli_warn(struct cli *cli, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* May colour be used on this stream (1 or 2)? --color, NO_COLOR, CLICOLOR_FORCE, TERM, isatty. */
bool cli_colour(const struct cli *cli, int fd);

/* ---- for cmd_key.c ---- */

/* Says that the home has no keys, and the way on; returns -1. */
int cli_no_keys(struct cli *cli, struct seed_error *err);
/* A passphrase for new keys from --passphrase-file, -fd or -command (or their variables), or, with
 * @prompt, typed twice. *@given says whether there is one. @out holds SEED_PASSPHRASE_MAX. */
int cli_new_passphrase(struct cli *cli, bool prompt, char *out, bool *given,
		       struct seed_error *err);

/* ---- for vmseed.c ---- */

#define VMSEED_VERSION "0.1"

/* Defaults from the machine and the environment; closed by cli_close(). */
int cli_open(struct cli *cli, struct seed_error *err);
void cli_close(struct cli *cli);
/* The command's full name so far: "vmseed key trust". */
const char *cli_command_path(const struct cli *cli);
/* Take the last word off that name: a command that stands for another one. */
void cli_leave(struct cli *cli);
/* --help or --version was printed: the command's -1 is no failure. */
bool cli_ended(const struct cli *cli);
/* The last progress line; then, unless @status is 0, the error as people or programs read it. */
void cli_finish(struct cli *cli, int status, const struct seed_error *err);

#endif
