// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmseed media: preparing a medium, and showing what is on one. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/text.h"
#include "cmd_media.h"
#include "commands.h"
#include "out.h"

/* ---- prepare ---- */

static int prepared_json(struct cli *cli, const struct seed_medium *medium, const char *path,
			 bool made, struct seed_error *err)
{
	struct seed_json *doc = out_json_new("media-prepare");

	out_json_name(doc, "path", path);
	if (medium) {
		seed_json_set_text(doc, "label", medium->label);
		seed_json_set_id(doc, "id", &medium->id);
	} else {
		seed_json_set_null(doc, "label");
		seed_json_set_null(doc, "id");
	}
	seed_json_set_bool(doc, "made", made && !cli->dry_run);
	seed_json_set_bool(doc, "dry_run", cli->dry_run);
	return out_json_print(doc, err);
}

static void print_prepared(const struct seed_medium *medium, const char *path, bool made)
{
	char quoted[SEED_QUOTED], name[SEED_QUOTED], id[SEED_ID_TEXT];

	seed_quote(path, quoted, sizeof(quoted));
	if (!medium) {
		printf("Would prepare %s as a medium.\n", quoted);
		return;
	}
	seed_medium_name(medium, name);
	if (!made) {
		printf("%s is prepared already: medium %s, by %s.\n", quoted, name,
		       medium->site_name);
		return;
	}
	printf("Prepared %s as medium %s, id %s.\n\n"
	       "Next: 'vmseed export --media %s --for SITE VM...'.\n",
	       quoted, name, seed_id_text(&medium->id, id), quoted);
}

static int media_prepare(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	SEED_AUTO(seed_medium_closep) struct seed_medium *medium = NULL;
	SEED_AUTO(seed_freep) char *label = NULL;
	struct seed_medium_prepare opt = { 0 };
	const struct seed_site *site;
	int internal = 0;
	bool made;
	const struct poptOption table[] = {
		{ "label", 'l', POPT_ARG_STRING, &label, 0,
		  "what people call it: 1 to 32 of A-Z a-z 0-9 . _ - and blanks", "LABEL" },
		{ "allow-internal", 0, POPT_ARG_NONE, &internal, 0,
		  "take a disk that is not known to be removable", NULL },
		POPT_TABLEEND
	};
	SEED_AUTO(cli_popt_freep) poptContext ctx = cli_begin(cli, argc, argv, table,
		&(struct cli_usage){
			.args = "DIR",
			.about = "Enrol the mounted medium in DIR: write a signed label into "
				 "DIR/vmseed.\nNothing is formatted, and nothing else on it is touched.",
			.examples = { "vmseed media prepare /media/caddy",
				      "vmseed media prepare --label 'blue caddy' /media/caddy" } });

	if (cli_parse(cli, ctx, err) < 0 || cli_need_args(ctx, 1, 1, err) < 0 ||
	    cli_site(cli, &site, err) < 0 || cli_trust(cli, &opt.trust, err) < 0)
		return -1;
	opt.label = label;
	opt.allow_internal = internal;
	opt.dry_run = cli->dry_run;
	if (seed_medium_prepare(&medium, &made, cli_rest(ctx)[0], site, &opt, err) < 0)
		return -1;
	if (cli->json)
		return prepared_json(cli, medium, cli_rest(ctx)[0], made, err);
	print_prepared(medium, cli_rest(ctx)[0], made);
	return 0;
}

/* ---- the command ---- */

int cmd_media(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	static const struct cli_command verbs[] = {
		{ "prepare", media_prepare, "enrol a medium; never formats" },
		{ "show", cmd_media_show, "what a medium is and which sets are on it" },
		{ "prune", cmd_media_prune, "take old seeds off a medium" },
		{ NULL, NULL, NULL },
	};
	static const struct cli_usage use = {
		.args = "COMMAND [ARGUMENT...]",
		.about = "The media that sets of VMs travel on.",
		.examples = { "vmseed media prepare /media/caddy", "vmseed media show /media/caddy" },
	};

	return cli_dispatch(cli, argc, argv, verbs, &use, err);
}
