/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files behind cli.h share: options (cli.c), help and verbs (cli_help.c), the home
 * (cli_home.c), messages (cli_message.c). */
#ifndef TOOLS_CLI_INTERNAL_H
#define TOOLS_CLI_INTERNAL_H

#include "cli.h"
#include "passphrase.h"
#include "progress.h"

#define CLI_DEPTH 5		/* option contexts in one run: vmseed, key, trust, and help's */
#define CLI_COMMON 24		/* common options, the end counted */
#define CLI_PATH 128

struct cli_frame {
	struct poptOption table[4];	/* the command's own, the common ones, help, end */
	const struct cli_usage *use;
	const struct cli_command *verbs;
	poptContext ctx;
};

struct cli_state {
	struct poptOption common[CLI_COMMON];
	struct cli_frame frames[CLI_DEPTH];
	size_t depth;
	char path[CLI_PATH];		/* "vmseed key trust" */
	bool ended;			/* help or version was printed */

	char *home_option;		/* --home */
	char *home;			/* resolved; NULL until asked for */
	bool home_default;		/* neither --home nor VMSEED_HOME */
	int home_fd;
	struct seed_site *site;
	struct seed_trust *trust;
	struct passphrase_source passphrase;

	enum cli_progress progress_mode;
	enum cli_when colour;
	struct progress *progress;
	struct seed_events events;
};

/* cli_help.c */
struct cli_frame *cli_frame_of(struct cli *cli, poptContext ctx);
void cli_print_help(struct cli_frame *frame);

/* cli_home.c */
void cli_home_close(struct cli *cli);

#endif
