/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Help texts, and commands chosen by name. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli_internal.h"

#define NAME_WIDTH 10
#define NEAREST_MAX 32		/* longer names are not compared */

struct cli_frame *cli_frame_of(struct cli *cli, poptContext ctx)
{
	for (size_t i = 0; i < cli->state->depth; i++)
		if (ctx && cli->state->frames[i].ctx == ctx)
			return &cli->state->frames[i];
	return NULL;
}

static void print_verbs(const struct cli_command *verbs)
{
	printf("Commands:\n");
	for (; verbs->name; verbs++)
		printf("  %-*s %s\n", NAME_WIDTH, verbs->name, verbs->summary);
	printf("\n");
}

void cli_print_help(struct cli_frame *frame)
{
	const struct cli_usage *use = frame->use;
	const size_t max = sizeof(use->examples) / sizeof(use->examples[0]);

	if (use->about)
		printf("%s\n\n", use->about);
	if (frame->verbs)
		print_verbs(frame->verbs);
	poptPrintHelp(frame->ctx, stdout, 0);
	if (use->examples[0])
		printf("\nExamples:\n");
	for (size_t i = 0; i < max && use->examples[i]; i++)
		printf("  %s\n", use->examples[i]);
}

void cli_leave(struct cli *cli)
{
	char *space = strrchr(cli->state->path, ' ');

	if (space)
		*space = '\0';
}

/* How many slips (a letter more, less, other, or two swapped) lead from one name to the other. */
static unsigned int slips(const char *a, const char *b)
{
	unsigned int rows[3][NEAREST_MAX + 1], *before = rows[0], *above = rows[1], *row = rows[2];
	size_t na = strlen(a), nb = strlen(b);

	if (na > NEAREST_MAX || nb > NEAREST_MAX)
		return NEAREST_MAX;
	for (size_t j = 0; j <= nb; j++)
		above[j] = (unsigned int)j;
	for (size_t i = 1; i <= na; i++) {
		unsigned int *spare = before;

		row[0] = (unsigned int)i;
		for (size_t j = 1; j <= nb; j++) {
			unsigned int best = above[j - 1] + (a[i - 1] != b[j - 1]);

			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
		before = above;
		above = row;
		row = spare;
	}
	return above[nb];
}

static const char *nearest(const struct cli_command *table, const char *name)
{
	unsigned int best = 3;	/* more slips than two are another word */
	const char *found = NULL;

	for (; table->name; table++) {
		unsigned int n = slips(name, table->name);

		if (strlen(name) >= 2 && strncmp(table->name, name, strlen(name)) == 0)
			n = 0;
		if (n < best && n < strlen(table->name)) {
			best = n;
			found = table->name;
		}
	}
	return found;
}

static int unknown_command(const struct cli *cli, const struct cli_command *table,
			   const char *name, struct seed_error *err)
{
	const char *near = nearest(table, name);
	char quoted[SEED_QUOTED];

	seed_quote(name, quoted, sizeof(quoted));
	if (near)
		return seed_error_set(err, SEED_ERR_USAGE, "no command %s; did you mean '%s %s'?",
				      quoted, cli->state->path, near);
	return seed_error_set(err, SEED_ERR_USAGE, "no command %s; '%s --help' lists them", quoted,
			      cli->state->path);
}

int cli_dispatch(struct cli *cli, int argc, const char **argv, const struct cli_command *table,
		 const struct cli_usage *use, struct seed_error *err)
{
	struct cli_state *state = cli->state;
	size_t used = strlen(state->path);
	SEED_AUTO(seed_freep) const char **args = NULL;
	size_t count;

	if (state->depth < CLI_DEPTH)
		state->frames[state->depth].verbs = table;
	/* The context lives on while the command runs: it owns what @args points to. The array
	 * itself is a copy, since the command puts its own name in. */
	SEED_AUTO(cli_popt_freep) poptContext ctx = cli_begin(cli, argc, argv, NULL, use);
	if (cli_parse(cli, ctx, err) < 0)
		return -1;
	count = cli_list_count(cli_rest(ctx));
	args = calloc(count + 2, sizeof(*args));
	if (!args)
		return seed_error_sys(err, ENOMEM, "reading the options");
	memcpy(args + 1, cli_rest(ctx), count * sizeof(*args));
	if (count == 0 && !use->otherwise)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "a command is needed; '%s --help' lists them", state->path);
	for (; count && table->name; table++) {
		if (strcmp(table->name, args[1]) != 0)
			continue;
		snprintf(state->path + used, sizeof(state->path) - used, " %s", table->name);
		return table->run(cli, (int)count, args + 1, err);
	}
	if (use->otherwise)
		return use->otherwise(cli, (int)count + 1, args, err);
	return unknown_command(cli, state->frames[state->depth - 1].verbs, args[1], err);
}
