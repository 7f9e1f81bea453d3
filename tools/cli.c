/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "cli_internal.h"
#include "signals.h"

/* Values of the common options: out of the way of what commands may use. */
enum {
	OPT_HOME = 1000, OPT_DRY_RUN, OPT_QUIET, OPT_VERBOSE, OPT_VERSION, OPT_JSON, OPT_PROGRESS,
	OPT_COLOUR, OPT_JOBS, OPT_MEMORY, OPT_YES, OPT_PASS_FILE, OPT_PASS_FD, OPT_PASS_COMMAND,
	OPT_HELP,
};

static const struct poptOption common_options[] = {
	{ "home", 0, POPT_ARG_STRING, NULL, OPT_HOME,
	  "keys, trust, replicas and catalogue of this site", "DIR" },
	{ "dry-run", 'n', POPT_ARG_NONE, NULL, OPT_DRY_RUN,
	  "say what would be done, change nothing", NULL },
	{ "quiet", 'q', POPT_ARG_NONE, NULL, OPT_QUIET, "no progress and no notes", NULL },
	{ "verbose", 'v', POPT_ARG_NONE, NULL, OPT_VERBOSE,
	  "say more on stderr: of each disk", NULL },
	{ "json", 0, POPT_ARG_NONE, NULL, OPT_JSON, "the result as one JSON document", NULL },
	{ "progress", 0, POPT_ARG_STRING, NULL, OPT_PROGRESS,
	  "auto, tty, plain, json or none", "HOW" },
	{ "color", 0, POPT_ARG_STRING, NULL, OPT_COLOUR, "auto, always or never", "WHEN" },
	{ "jobs", 'j', POPT_ARG_STRING, NULL, OPT_JOBS,
	  "worker threads; default: one for each CPU", "N" },
	{ "memory", 0, POPT_ARG_STRING, NULL, OPT_MEMORY,
	  "most memory to use (256M, 2G); default: a quarter of RAM", "SIZE" },
	{ "yes", 'y', POPT_ARG_NONE, NULL, OPT_YES,
	  "take yes for an answer, but never for a fingerprint or an identity", NULL },
	{ "passphrase-file", 0, POPT_ARG_STRING, NULL, OPT_PASS_FILE,
	  "the keys' passphrase is the first line of FILE", "FILE" },
	{ "passphrase-fd", 0, POPT_ARG_STRING, NULL, OPT_PASS_FD,
	  "... or is read from descriptor N", "N" },
	{ "passphrase-command", 0, POPT_ARG_STRING, NULL, OPT_PASS_COMMAND,
	  "... or is what COMMAND prints", "COMMAND" },
	{ "version", 'V', POPT_ARG_NONE, NULL, OPT_VERSION, "show the version", NULL },
	{ "help", '?', POPT_ARG_NONE, NULL, OPT_HELP, "show this help", NULL },
	{ NULL, 'h', POPT_ARG_NONE | POPT_ARGFLAG_DOC_HIDDEN, NULL, OPT_HELP, NULL, NULL },
	POPT_TABLEEND
};
_Static_assert(sizeof(common_options) <= sizeof(((struct cli_state *)0)->common), "CLI_COMMON");

static unsigned int usable_cpus(void)
{
	cpu_set_t set;
	int count = 1;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		count = CPU_COUNT(&set);
	return count < 1 ? 1 : count > CLI_JOBS_MAX ? CLI_JOBS_MAX : (unsigned int)count;
}

static uint64_t quarter_of_ram(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size / 4 : (uint64_t)256 << 20;
}

int cli_open(struct cli *cli, struct seed_error *err)
{
	*cli = (struct cli){ .jobs = usable_cpus(), .memory = quarter_of_ram(),
			     .cancel = signals_cancel() };
	cli->state = calloc(1, sizeof(*cli->state));
	if (!cli->state)
		return seed_error_sys(err, ENOMEM, "starting");
	cli->state->home_fd = -1;
	cli->state->passphrase.fd = -1;
	strcpy(cli->state->path, "vmseed");
	memcpy(cli->state->common, common_options, sizeof(common_options));
	return 0;
}

void cli_close(struct cli *cli)
{
	struct cli_state *state = cli->state;

	if (!state)
		return;
	cli_home_close(cli);
	progress_free(state->progress);
	passphrase_source_clear(&state->passphrase);
	free(state);
	cli->state = NULL;
}

const char *cli_command_path(const struct cli *cli)
{
	return cli->state->path;
}

bool cli_ended(const struct cli *cli)
{
	return cli->state->ended;
}

/* ---- the common options' values ---- */

static int word_of(int *out, const char *option, const char *value, const char *const *words,
		   struct seed_error *err)
{
	char quoted[SEED_QUOTED];

	for (int i = 0; words[i]; i++)
		if (strcmp(value, words[i]) == 0) {
			*out = i;
			return 0;
		}
	return seed_error_set(err, SEED_ERR_USAGE, "%s: %s is no such way (see --help)", option,
			      seed_quote(value, quoted, sizeof(quoted)));
}

static int number_of(unsigned int *out, const char *option, const char *value, unsigned int min,
		     unsigned int max, struct seed_error *err)
{
	char quoted[SEED_QUOTED], *end;
	unsigned long n;

	errno = 0;
	n = strtoul(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || errno || n < min || n > max)
		return seed_error_set(err, SEED_ERR_USAGE, "%s: %s is not a number from %u to %u",
				      option, seed_quote(value, quoted, sizeof(quoted)), min, max);
	*out = (unsigned int)n;
	return 0;
}

static int set_progress(struct cli_state *state, const char *value, struct seed_error *err)
{
	static const char *const words[] = { "auto", "tty", "plain", "json", "none", NULL };
	int word;

	if (word_of(&word, "--progress", value, words, err) < 0)
		return -1;
	state->progress_mode = (enum cli_progress)word;
	return 0;
}

static int set_colour(struct cli_state *state, const char *value, struct seed_error *err)
{
	static const char *const words[] = { "auto", "always", "never", NULL };
	int word;

	if (word_of(&word, "--color", value, words, err) < 0)
		return -1;
	state->colour = (enum cli_when)word;
	return 0;
}

static int set_memory(struct cli *cli, const char *value, struct seed_error *err)
{
	if (seed_size_parse(&cli->memory, value, err) < 0)
		return seed_error_prefix(err, "--memory");
	if (cli->memory == 0)
		return seed_error_set(err, SEED_ERR_USAGE, "--memory: nothing is too little");
	return 0;
}

/* A string option given again: the last one counts. Takes *@value. */
static void keep(char **kept, char **value)
{
	free(*kept);
	*kept = seed_steal(value);
}

static int take_flag(struct cli *cli, struct cli_frame *frame, int option)
{
	switch (option) {
	case OPT_DRY_RUN:
		cli->dry_run = true;
		break;
	case OPT_QUIET:
		cli->quiet = true;
		break;
	case OPT_VERBOSE:
		cli->verbose++;
		break;
	case OPT_JSON:
		cli->json = true;
		break;
	case OPT_YES:
		cli->yes = true;
		break;
	case OPT_VERSION:
		printf("vmseed %s\n", VMSEED_VERSION);
		cli->state->ended = true;
		return -1;
	case OPT_HELP:
		cli_print_help(frame);
		cli->state->ended = true;
		return -1;
	}
	return 0;
}

static const struct poptOption *row_of(int option)
{
	const struct poptOption *row = common_options;

	while (row->val != option)
		row++;
	return row;
}

static int take_option(struct cli *cli, struct cli_frame *frame, int option,
		       struct seed_error *err)
{
	SEED_AUTO(seed_freep) char *value = poptGetOptArg(frame->ctx);
	struct cli_state *state = cli->state;
	const struct poptOption *row = row_of(option);
	unsigned int number;

	/* Not by the value: behind a command's own option popt hands out that one's once more. */
	if ((row->argInfo & POPT_ARG_MASK) == POPT_ARG_NONE)
		return take_flag(cli, frame, option);
	if (!value || !*value)
		return seed_error_set(err, SEED_ERR_USAGE, "--%s: its value is empty",
				      row->longName);
	switch (option) {
	case OPT_HOME:
		keep(&state->home_option, &value);
		return 0;
	case OPT_PASS_FILE:
		keep(&state->passphrase.file, &value);
		return 0;
	case OPT_PASS_COMMAND:
		keep(&state->passphrase.command, &value);
		return 0;
	case OPT_PASS_FD:
		if (number_of(&number, "--passphrase-fd", value, 0, 65535, err) < 0)
			return -1;
		state->passphrase.fd = (int)number;
		return 0;
	case OPT_PROGRESS:
		return set_progress(state, value, err);
	case OPT_COLOUR:
		return set_colour(state, value, err);
	case OPT_JOBS:
		return number_of(&cli->jobs, "--jobs", value, 1, CLI_JOBS_MAX, err);
	case OPT_MEMORY:
		return set_memory(cli, value, err);
	}
	return 0;
}

/* ---- contexts ---- */

poptContext cli_begin(struct cli *cli, int argc, const char **argv, const struct poptOption *table,
		      const struct cli_usage *use)
{
	struct cli_state *state = cli->state;
	struct cli_frame *frame = &state->frames[state->depth];
	struct poptOption *row = frame->table;
	SEED_AUTO(seed_freep) char *args = NULL;

	if (state->depth == CLI_DEPTH)
		return NULL;
	state->depth++;
	if (table)
		*row++ = (struct poptOption){ NULL, '\0', POPT_ARG_INCLUDE_TABLE,
					      (void *)table, 0, "Options:", NULL };
	*row++ = (struct poptOption){ NULL, '\0', POPT_ARG_INCLUDE_TABLE, state->common, 0,
				      "Common options:", NULL };
	*row = (struct poptOption)POPT_TABLEEND;
	frame->use = use;
	argv[0] = state->path;
	/* A context with a name would read alias files: /etc/popt, ~/.popt. */
	frame->ctx = poptGetContext(NULL, argc, argv, frame->table,
				    frame->verbs ? POPT_CONTEXT_POSIXMEHARDER : 0);
	if (frame->ctx && asprintf(&args, "[OPTION...] %s", use->args ? use->args : "") > 0)
		poptSetOtherOptionHelp(frame->ctx, args);
	return frame->ctx;
}

static int option_error(struct cli *cli, poptContext ctx, int code, struct seed_error *err)
{
	const char *bad = poptBadOption(ctx, POPT_BADOPTION_NOALIAS);
	char quoted[SEED_QUOTED];
	const char *what;

	switch (code) {
	case POPT_ERROR_BADOPT:
		what = "no such option";
		break;
	case POPT_ERROR_NOARG:
		what = "this option needs a value";
		break;
	case POPT_ERROR_UNWANTEDARG:
		what = "this option takes no value";
		break;
	default:
		what = poptStrerror(code);
	}
	return seed_error_set(err, SEED_ERR_USAGE, "%s: %s (see '%s --help')",
			      seed_quote(bad ? bad : "", quoted, sizeof(quoted)), what,
			      cli->state->path);
}

int cli_parse(struct cli *cli, poptContext ctx, struct seed_error *err)
{
	struct cli_frame *frame = cli_frame_of(cli, ctx);
	int option;

	if (!ctx || !frame)
		return seed_error_sys(err, ENOMEM, "reading the options");
	while ((option = poptGetNextOpt(ctx)) >= 0)
		if (take_option(cli, frame, option, err) < 0)
			return -1;
	return option < -1 ? option_error(cli, ctx, option, err) : 0;
}

void cli_popt_freep(poptContext *ctx)
{
	if (*ctx)
		poptFreeContext(*ctx);
}

void cli_list_freep(const char ***list)
{
	for (size_t i = 0; *list && (*list)[i]; i++)
		free((char *)(*list)[i]);
	free(*list);
}

size_t cli_list_count(const char *const *list)
{
	size_t count = 0;

	while (list && list[count])
		count++;
	return count;
}

const char **cli_rest(poptContext ctx)
{
	static const char *const none[] = { NULL };
	const char **args = poptGetArgs(ctx);

	return args ? args : (const char **)none;
}

int cli_need_args(poptContext ctx, size_t min, size_t max, struct seed_error *err)
{
	const char **args = cli_rest(ctx);
	size_t count = cli_list_count(args);
	char quoted[SEED_QUOTED];

	if (count > max)
		return seed_error_set(err, SEED_ERR_USAGE, "%s: one argument too many (see --help)",
				      seed_quote(args[max], quoted, sizeof(quoted)));
	if (count < min)
		return seed_error_set(err, SEED_ERR_USAGE, "an argument is missing (see --help)");
	return 0;
}

int cli_need(const void *value, const char *option, struct seed_error *err)
{
	return value ? 0 : seed_error_set(err, SEED_ERR_USAGE, "%s is needed", option);
}
