// SPDX-License-Identifier: LGPL-2.1-or-later
/* vmseed media prepare: a mounted disk becomes a medium. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/text.h"
#include "cmd_media.h"
#include "media/disks.h"
#include "media/fs_label.h"
#include "out.h"
#include "terminal.h"

struct prepare {
	struct cli *cli;
	const char *path;
	struct seed_disks *disks;
	struct seed_place place;
	bool placed;			/* both are known */
	bool tried;			/* there is a medium.json: it is judged no more, or is
					 * torn */
	bool set_label;
	struct seed_medium *medium;
	bool made;
	bool has_plan, labelled;
	struct seed_fs_label plan;
};

static void clear(struct prepare *p)
{
	seed_medium_close(p->medium);
	seed_disks_free(p->disks);
}

/* What DIR lies on. Where that cannot be told, seed_medium_prepare() says so. */
static void find_place(struct prepare *p)
{
	SEED_AUTO(seed_fd_closep) int dir = -1;

	if (seed_path_open_folder(&dir, p->path, NULL) < 0)
		return;
	p->tried = seed_path_exists(dir, "vmseed/medium.json");
	p->placed = seed_disks_read(&p->disks, NULL, NULL) == 0 &&
		    seed_place_find(&p->place, p->disks, dir, NULL) == 0;
}

/* ---- an internal disk ---- */

/* Only for a disk that is built in: whoever means another one types the option. */
static int ask(struct prepare *p, bool *allow, struct seed_error *err)
{
	char quoted[SEED_QUOTED], prompt[900], typed[64];

	if (*allow || p->tried || !p->placed || p->place.verdict != SEED_DISK_INTERNAL)
		return 0;
	*allow = p->cli->yes;
	if (*allow || !isatty(STDIN_FILENO) || !terminal_present())
		return 0;
	snprintf(prompt, sizeof(prompt), "%s %s.\nMake it a medium all the same (yes or no)? ",
		 seed_quote(p->path, quoted, sizeof(quoted)), p->place.why);
	if (terminal_ask(prompt, false, p->cli->cancel, typed, sizeof(typed), err) < 0)
		return -1;
	*allow = strcmp(typed, "yes") == 0 || strcmp(typed, "y") == 0;
	return 0;
}

/* ---- the file system's own label ---- */

/* Is there a file system of its own here, which may be called like the medium? Never that of a
 * system disk, or one of which DIR is a folder among others. */
static bool plan_label(struct prepare *p, const char *label)
{
	if (!p->placed || !p->place.mount_point || !p->place.node[0] ||
	    p->place.verdict == SEED_DISK_IN_USE || p->place.verdict == SEED_DISK_SYSTEM)
		return false;
	p->has_plan = seed_fs_label_plan(&p->plan, p->place.mount->type, p->place.node,
					 p->place.mount->point, label);
	return p->has_plan;
}

/* "/usr/sbin/e2label /dev/sdb1 'blue caddy'": what a shell takes as it stands. */
static void command_line(const struct seed_fs_label *plan, char *out, size_t size)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789._/:@%+=-";
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; plan->argv[i] && len < size; i++) {
		char quoted[SEED_QUOTED];
		const char *arg = plan->argv[i];
		const char *mark = strspn(arg, plain) == strlen(arg) ? "" : "'";

		/* What has control characters or quotes in it is for reading, not for a shell. */
		if (*mark && (strchr(arg, '\'') ||
			      strlen(seed_quote(arg, quoted, sizeof(quoted))) != strlen(arg) + 2))
			mark = "", arg = quoted;
		len += (size_t)snprintf(out + len, size - len, "%s%s%s%s", i ? " " : "", mark, arg,
					mark);
	}
}

/* --set-label is refused before anything is written if it cannot be carried out. */
static int check_set_label(struct prepare *p, struct seed_error *err)
{
	char line[400];

	if (!p->set_label)
		return 0;
	if (!plan_label(p, "LABEL"))
		return seed_error_set(err, SEED_ERR_USAGE,
				      "--set-label: there is no file system of its own here that "
				      "we know how to label");
	command_line(&p->plan, line, sizeof(line));
	if (!p->plan.while_mounted)
		return seed_error_set(err, SEED_ERR_USAGE,
				      "--set-label: %s is not labelled while it is mounted; "
				      "prepare it without this option, unmount it, and run: %s",
				      p->place.mount->type, line);
	if (!p->plan.installed)
		return seed_error_set(err, SEED_ERR_USAGE, "--set-label: %s is not installed",
				      p->plan.program);
	return 0;
}

static int label_it(struct prepare *p, struct seed_error *err)
{
	if (!p->medium || !plan_label(p, p->medium->label) || !p->set_label)
		return 0;
	if (seed_fs_label_run(&p->plan, err) < 0)
		return seed_error_prefix(err, "the medium is prepared, but --set-label");
	p->labelled = true;
	return 0;
}

/* ---- the result ---- */

static void set_text_or_null(struct seed_json *doc, const char *key, const char *text)
{
	if (text && *text)
		seed_json_set_text(doc, key, text);
	else
		seed_json_set_null(doc, key);
}

static int print_json(const struct prepare *p, struct seed_error *err)
{
	const struct seed_medium *medium = p->medium;
	const struct seed_disk *disk = p->placed ? p->place.disk : NULL;
	struct seed_json *doc = out_json_new("media-prepare"), *command = NULL;

	out_json_name(doc, "path", p->path);
	set_text_or_null(doc, "label", medium ? medium->label : NULL);
	if (medium)
		seed_json_set_id(doc, "id", &medium->id);
	else
		seed_json_set_null(doc, "id");
	seed_json_set_bool(doc, "made", p->made && !p->cli->dry_run);
	seed_json_set_bool(doc, "dry_run", p->cli->dry_run);
	set_text_or_null(doc, "model", medium ? medium->model : disk ? disk->model : NULL);
	set_text_or_null(doc, "serial", medium ? medium->serial : disk ? disk->serial : NULL);
	seed_json_set_bool(doc, "file_system_labelled", p->labelled);
	if (medium && p->has_plan) {
		command = seed_json_new_array();
		for (size_t i = 0; p->plan.argv[i]; i++)
			seed_json_append_text(command, p->plan.argv[i]);
		seed_json_set(doc, "label_command", command);
	} else {
		seed_json_set_null(doc, "label_command");
	}
	return out_json_print(doc, err);
}

static void print_label(const struct prepare *p)
{
	char line[400];

	if (!p->has_plan)
		return;
	command_line(&p->plan, line, sizeof(line));
	if (p->labelled)
		printf("The file system is labelled \"%s\" too.\n", p->plan.label);
	else
		printf("To give the file system that name too%s:\n  %s\n",
		       p->plan.while_mounted ? "" : ", once it is unmounted", line);
}

static void print_text(const struct prepare *p)
{
	const struct seed_medium *medium = p->medium;
	char quoted[SEED_QUOTED], name[SEED_QUOTED], id[SEED_ID_TEXT], model[SEED_QUOTED];

	seed_quote(p->path, quoted, sizeof(quoted));
	if (!medium) {
		printf("Would prepare %s as a medium.\n", quoted);
		return;
	}
	seed_medium_name(medium, name);
	if (!p->made) {
		printf("%s is prepared already: medium %s, by %s.\n", quoted, name,
		       medium->site_name);
		if (p->labelled)
			print_label(p);
		return;
	}
	printf("Prepared %s as medium %s, id %s.\n", quoted, name, seed_id_text(&medium->id, id));
	if (medium->model || medium->serial)
		printf("It is known by its disk: %s%s%s.\n",
		       medium->model ? seed_quote(medium->model, model, sizeof(model)) : "",
		       medium->model && medium->serial ? ", serial " :
		       medium->serial		       ? "serial " :
							 "",
		       medium->serial ? seed_quote(medium->serial, name, sizeof(name)) : "");
	print_label(p);
	printf("\nNext: 'vmseed export --media %s --for SITE VM...'.\n", quoted);
}

static int prepare(struct prepare *p, struct seed_medium_prepare *opt, struct seed_error *err)
{
	const struct seed_site *site;
	char quoted[SEED_QUOTED];

	if (cli_site(p->cli, &site, err) < 0 || cli_trust(p->cli, &opt->trust, err) < 0)
		return -1;
	find_place(p);
	if (check_set_label(p, err) < 0 || ask(p, &opt->allow_internal, err) < 0 ||
	    seed_medium_prepare(&p->medium, &p->made, p->path, site, opt, err) < 0 ||
	    (!p->cli->dry_run && label_it(p, err) < 0))
		return -1;
	if (p->made && p->placed && p->place.verdict == SEED_DISK_SYSTEM)
		cli_warn(p->cli, "%s %s: what cannot be taken away is a medium for trials alone",
			 seed_quote(p->path, quoted, sizeof(quoted)), p->place.why);
	return 0;
}

int cmd_media_prepare(struct cli *cli, int argc, const char **argv, struct seed_error *err)
{
	SEED_AUTO(clear) struct prepare p = { .cli = cli };
	SEED_AUTO(seed_freep) char *label = NULL;
	struct seed_medium_prepare opt = { 0 };
	int internal = 0, set_label = 0;
	const struct poptOption table[] = {
		{ "label", 'l', POPT_ARG_STRING, &label, 0,
		  "what people call it: 1 to 32 of A-Z a-z 0-9 . _ - and blanks", "LABEL" },
		{ "set-label", 0, POPT_ARG_NONE, &set_label, 0,
		  "label the file system too, with its own tool", NULL },
		{ "allow-internal", 0, POPT_ARG_NONE, &internal, 0,
		  "take what is no disk that can be taken away", NULL },
		POPT_TABLEEND
	};
	SEED_AUTO(cli_popt_freep) poptContext ctx = cli_begin(cli, argc, argv, table,
		&(struct cli_usage){
			.args = "DIR",
			.about = "Enrol the mounted medium in DIR: write a signed label into "
				 "DIR/vmseed.\nNothing is formatted, and nothing else on it is "
				 "touched.",
			.examples = { "vmseed media prepare /media/caddy",
				      "vmseed media prepare --label 'blue caddy' /media/caddy" } });

	if (cli_parse(cli, ctx, err) < 0 || cli_need_args(ctx, 1, 1, err) < 0)
		return -1;
	p.path = cli_rest(ctx)[0];
	p.set_label = set_label;
	opt.label = label;
	opt.allow_internal = internal;
	opt.dry_run = cli->dry_run;
	if (prepare(&p, &opt, err) < 0)
		return -1;
	if (cli->json)
		return print_json(&p, err);
	print_text(&p);
	return 0;
}
